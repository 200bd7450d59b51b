//! `chiasm recall`: every report that a model made, or that a person names, and their withdrawal.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use jiff::Timestamp;
use models::Bundle;
use serde_json::json;

use super::{Usage, jobs, runtime};
use crate::cli::recall::RecallArgs;
use crate::config::site::PipelineConfig;
use crate::declaration::Pipeline;
use crate::job::Request;
use crate::ledger::{self, Job, JobFilter, JobRow, JobState, Ledger};
use crate::message::Name;
use crate::report::fhir::Stored;
use crate::withdraw::{self, Recall};

/// Where a report stands that is recalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is what its readers have, or will have once it is delivered.
    Holds,
    /// It was taken back.
    Withdrawn,
    /// Another version took its place, or is about to.
    Replaced,
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced by another version",
        }
    }
}

/// Opens the configured ledger, lists and, where that was asked, withdraws.
pub(super) fn run(args: &RecallArgs) -> anyhow::Result<u8> {
    runtime()?.block_on(async {
        let config = jobs::config(&args.ledger)?;
        let ledger = ledger::open(&config.ledger, &config.state, config.worker.lease).await?;
        let (site, out) = (&config.pipelines, &mut std::io::stdout());
        answer(args, ledger.as_ref(), site, Timestamp::now(), out).await
    })
}

/// The site's own pipelines by name.
type Pipelines = BTreeMap<Name, PipelineConfig>;

/// What is recalled.
enum Wanted {
    /// What this model made.
    Model(String),
    /// The version of this job.
    Job(String),
    /// What was made of this study.
    Study(String),
}

/// What the arguments name: exactly one of the three is given.
async fn wanted(args: &RecallArgs, ledger: &dyn Ledger) -> anyhow::Result<Wanted> {
    Ok(match (&args.model, &args.job, &args.study) {
        (_, Some(prefix), _) => {
            let row = ledger.job(prefix).await?.map(|(row, _)| row.job_key);
            Wanted::Job(
                row.ok_or_else(|| Usage(format!("no job's key begins with `{prefix}`, or several do")))?,
            )
        }
        (_, _, Some(study)) => Wanted::Study(study.clone()),
        (model, None, None) => Wanted::Model(model.clone().unwrap_or_default()),
    })
}

async fn answer(
    args: &RecallArgs,
    ledger: &dyn Ledger,
    site: &Pipelines,
    at: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let wanted = wanted(args, ledger).await?;
    let recall = args.reason.as_ref().filter(|_| args.apply).map(|reason| {
        let reason = reason.trim().trim_end_matches('.');
        match &wanted {
            Wanted::Model(model) => Recall::of_model(model, reason, at),
            Wanted::Job(_) | Wanted::Study(_) => Recall::by_person(reason, at),
        }
    });
    let mut count = 0_u64;
    for row in ledger.jobs(&JobFilter::default()).await? {
        let Some((job, stored)) = report_of(ledger, &row, &wanted).await? else { continue };
        count += 1;
        let mut standing = standing(ledger, &row).await?;
        if standing == Standing::Holds
            && let Some(recall) = &recall
        {
            let report = job.composed.as_ref().context("a job that was read without its report")?;
            let pipeline = pipeline_of(&job, &stored, site)?;
            let (withdrawal, bytes) = withdraw::withdrawal(&job, report, &stored, &pipeline, recall)?;
            let is_done = ledger.withdraw(&job.job_key, &withdrawal, &bytes).await?;
            standing = if is_done { Standing::Withdrawn } else { Standing::Replaced };
        }
        tell(args.json, &row, standing, out)?;
    }
    if count == 0 && !args.json {
        let nothing = match wanted {
            Wanted::Model(model) => format!("no stored report was made by {model}"),
            Wanted::Job(job) => format!("job {} has no report that can be withdrawn", jobs::short(&job)),
            Wanted::Study(study) => format!("no stored report is of study {study}"),
        };
        writeln!(out, "{nothing}")?;
    }
    Ok(0)
}

/// The pipeline of a job: its name as the job keeps it, in the version that made the report, which is its model's
/// ([`crate::readings`]); described as the site's configuration does now, where that still has it.
fn pipeline_of(job: &Job, stored: &Stored, site: &Pipelines) -> anyhow::Result<Pipeline> {
    let request: Option<Request> = serde_json::from_str(&job.request).ok();
    let Some(name) = request.and_then(|request| request.pipeline) else { return Ok(Pipeline::declared()?) };
    let mut models = stored.models().into_iter().filter(|model| !model.starts_with("Chiasm@"));
    let version = models.find_map(|model| model.split_once('@')?.1.split('#').next());
    let own = site.get(&name);
    let title = |own: &PipelineConfig| Some(Bundle::open(&own.bundle).ok()?.model_card().title.clone());
    let description = own.and_then(|own| own.description.clone().or_else(|| title(own)));
    let unknown = Pipeline::unknown(name.as_str());
    Ok(Pipeline {
        version: version.map_or(unknown.version, str::to_owned),
        description: description.unwrap_or(unknown.description),
        ..unknown
    })
}

/// The job with its stored bundle, where it is wanted.
async fn report_of(
    ledger: &dyn Ledger,
    row: &JobRow,
    wanted: &Wanted,
) -> anyhow::Result<Option<(Job, Stored)>> {
    let is_other = match wanted {
        Wanted::Model(_) => false,
        Wanted::Job(key) => row.job_key != *key,
        Wanted::Study(uid) => row.study_uid != *uid,
    };
    if is_other || row.outcome.is_none() {
        return Ok(None);
    }
    let Some(job) = ledger.stored(&row.job_key).await? else { return Ok(None) };
    let bundle = job.composed.as_ref().and_then(|report| report.bundle.as_deref());
    let stored = bundle.and_then(Stored::read).filter(|stored| !stored.is_withdrawal());
    let took_part = |stored: &Stored| match wanted {
        Wanted::Model(model) => stored.models().iter().any(|one| withdraw::is_meant(one, model)),
        Wanted::Job(_) | Wanted::Study(_) => true,
    };
    Ok(stored.filter(took_part).map(|stored| (job, stored)))
}

async fn standing(ledger: &dyn Ledger, row: &JobRow) -> anyhow::Result<Standing> {
    if ledger.stored(&crate::job::withdrawal_key(&row.job_key)).await?.is_some() {
        return Ok(Standing::Withdrawn);
    }
    Ok(if row.state == JobState::Superseded { Standing::Replaced } else { Standing::Holds })
}

fn tell(json: bool, row: &JobRow, standing: Standing, out: &mut impl Write) -> std::io::Result<()> {
    if json {
        let standing = match standing {
            Standing::Holds => "holds",
            Standing::Withdrawn => "withdrawn",
            Standing::Replaced => "replaced",
        };
        let line = json!({ "job": row.job_key, "study_uid": row.study_uid, "accepted_at": row.accepted_at,
            "state": row.state.as_str(), "standing": standing });
        return writeln!(out, "{line}");
    }
    let key = jobs::short(&row.job_key);
    writeln!(out, "{key}  {}  {}  {}", row.accepted_at, row.study_uid, standing.word())
}
