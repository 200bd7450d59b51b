//! `chiasm recall`: every report that a model made, and their withdrawal.

#[cfg(test)]
mod tests;

use std::io::Write;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;

use super::{jobs, runtime};
use crate::cli::recall::RecallArgs;
use crate::declaration::Pipeline;
use crate::job::Request;
use crate::ledger::{Job, JobFilter, JobRow, JobState, Ledger};
use crate::report::fhir::Stored;
use crate::withdraw::{self, Recall};

/// Where a report stands whose model is recalled.
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
        let ledger = jobs::open(&args.ledger).await?;
        answer(args, ledger.as_ref(), Timestamp::now(), &mut std::io::stdout()).await
    })
}

async fn answer(
    args: &RecallArgs,
    ledger: &dyn Ledger,
    at: Timestamp,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let recall = args.reason.as_ref().filter(|_| args.apply).map(|reason| Recall {
        model: args.model.clone(),
        reason: reason.trim().trim_end_matches('.').to_owned(),
        at,
    });
    let mut count = 0_u64;
    for row in ledger.jobs(&JobFilter::default()).await? {
        let Some((job, stored)) = made_by(ledger, &row, &args.model).await? else { continue };
        count += 1;
        let mut standing = standing(ledger, &row).await?;
        if standing == Standing::Holds
            && let Some(recall) = &recall
        {
            let report = job.composed.as_ref().context("a job that was read without its report")?;
            let pipeline = pipeline_of(&job)?;
            let (withdrawal, bytes) = withdraw::withdrawal(&job, report, &stored, &pipeline, recall)?;
            let is_done = ledger.withdraw(&job.job_key, &withdrawal, &bytes).await?;
            standing = if is_done { Standing::Withdrawn } else { Standing::Replaced };
        }
        tell(args.json, &row, standing, out)?;
    }
    if count == 0 && !args.json {
        writeln!(out, "no stored report was made by {}", args.model)?;
    }
    Ok(0)
}

/// The pipeline of a job as far as its ledger knows it: another site's configuration may have it.
fn pipeline_of(job: &Job) -> anyhow::Result<Pipeline> {
    let request: Option<Request> = serde_json::from_str(&job.request).ok();
    match request.and_then(|request| request.pipeline) {
        None => Ok(Pipeline::declared()?),
        Some(name) => Ok(Pipeline::unknown(name.as_str())),
    }
}

/// The job with its stored bundle, where the model took part in it.
async fn made_by(ledger: &dyn Ledger, row: &JobRow, model: &str) -> anyhow::Result<Option<(Job, Stored)>> {
    if row.outcome.is_none() {
        return Ok(None);
    }
    let Some(job) = ledger.stored(&row.job_key).await? else { return Ok(None) };
    let bundle = job.composed.as_ref().and_then(|report| report.bundle.as_deref());
    let stored = bundle.and_then(Stored::read).filter(|stored| !stored.is_withdrawal());
    let stored = stored.filter(|stored| stored.models().iter().any(|one| withdraw::is_meant(one, model)));
    Ok(stored.map(|stored| (job, stored)))
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
