//! Requests by UID: made from the options, published in groups, and told one by one.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::path::Path;

use dicom_ingest::uid::Uid;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::super::Usage;
use crate::cli::submit::SubmitArgs;
use crate::job::digest;
use crate::lane::Lane;
use crate::message::{self, JobRequest, Mode, Name, envelope};
use crate::queue::{Message, Queue};

/// The CloudEvents `source` of requests that begin here.
const ORIGIN: &str = "urn:chiasm:submit";

/// Requests that are published together: what is confirmed is told after so many.
const GROUP: usize = 500;

/// The most studies of one run.
const MAX_STUDIES: usize = 1_000_000;

/// The most bytes of a line with a UID.
const MAX_LINE: usize = 1024;

/// The requests that the options ask for: each study once, in the order in which it is named.
pub(super) fn requests(args: &SubmitArgs, now: Timestamp) -> Result<Vec<JobRequest>, Usage> {
    let record = args.record.as_deref().map(record_name).transpose()?;
    if let Some(id) = &args.correlation_id
        && !message::is_token(id)
    {
        return Err(Usage(
            "`--correlation-id` is no token: up to 128 letters, digits, `.`, `_`, `:` or `-`".into(),
        ));
    }
    let mut targets: Vec<Name> = Vec::new();
    for target in &args.target {
        if !targets.contains(target) {
            targets.push(target.clone());
        }
    }
    if targets.len() > envelope::MAX_TARGETS {
        return Err(Usage(format!("at most {} targets can be named", envelope::MAX_TARGETS)));
    }
    let priority = if args.stat { u8::MAX } else { args.priority };
    let request = |study_uid: Uid| JobRequest {
        id: id(&study_uid, now),
        time: now,
        study_uid,
        source: args.source.clone(),
        record: record.clone(),
        targets: targets.clone(),
        pipeline: args.pipeline.clone(),
        lane: Lane::of_priority(priority),
        mode: if args.shadow { Mode::Shadow } else { Mode::Clinical },
        expected_instances: args.expected_instances,
        correlation_id: args.correlation_id.clone(),
    };
    Ok(studies(args)?.into_iter().map(request).collect())
}

/// Another run gives another id, the same study in one run the same.
fn id(study_uid: &Uid, now: Timestamp) -> String {
    let process = std::process::id().to_string();
    let digest = digest(&["submit", study_uid.as_str(), &now.to_string(), &process]);
    format!("submit-{}", digest.get(..32).unwrap_or(&digest))
}

fn record_name(path: &Path) -> Result<Name, Usage> {
    let name = path.to_str().and_then(|text| text.parse().ok());
    name.ok_or_else(|| Usage("with UIDs, `--record` is the name of a configured source of records".into()))
}

fn studies(args: &SubmitArgs) -> Result<Vec<Uid>, Usage> {
    let listed = match args.studies.as_deref() {
        None => Vec::new(),
        Some(path) if path == Path::new("-") => listed(&mut std::io::stdin().lock(), path)?,
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
            listed(&mut std::io::BufReader::new(file), path)?
        }
    };
    let mut known = BTreeSet::new();
    let named = args.study.iter().cloned().chain(listed);
    Ok(named.filter(|uid| known.insert(uid.clone())).collect())
}

fn listed(lines: &mut dyn BufRead, path: &Path) -> Result<Vec<Uid>, Usage> {
    let mut studies = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut bounded = std::io::Read::take(&mut *lines, MAX_LINE as u64);
        if bounded.read_until(b'\n', &mut line).map_err(|error| unreadable(path, &error))? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let uid = text
            .parse()
            .map_err(|_| Usage(format!("line {number} of `{}` is no StudyInstanceUID", path.display())))?;
        if studies.len() == MAX_STUDIES {
            return Err(Usage(format!(
                "`{}` names more than {MAX_STUDIES} studies; split it",
                path.display()
            )));
        }
        studies.push(uid);
    }
    Ok(studies)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Usage {
    Usage(format!("could not read `{}`: {error}", path.display()))
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The queue has confirmed it.
    Accepted,
    /// It was sent with others of which not all were confirmed.
    Unconfirmed,
    /// It was not sent.
    NotSent,
}

impl Fate {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unconfirmed => "unconfirmed",
            Self::NotSent => "not_sent",
        }
    }
}

/// Publishes the requests and tells of each on `out`. Exit code 0 when all are accepted, else 1.
pub(super) async fn publish(
    queue: &dyn Queue,
    requests: &[JobRequest],
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let bar =
        if requests.len() > GROUP { ProgressBar::new(requests.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} accepted, {eta} left") {
        bar.set_style(style);
    }
    let mut groups = requests.chunks(GROUP);
    for group in groups.by_ref() {
        let messages: Vec<Message> =
            group.iter().map(|request| envelope::message(request, ORIGIN, None)).collect();
        let published = queue.publish_all(&messages).await;
        bar.inc(group.len() as u64);
        let Err(error) = published else {
            tell(out, json, group, Fate::Accepted)?;
            continue;
        };
        bar.finish_and_clear();
        tell(out, json, group, Fate::Unconfirmed)?;
        let rest: Vec<_> = groups.by_ref().flatten().cloned().collect();
        tell(out, json, &rest, Fate::NotSent)?;
        out.flush()?;
        let (unconfirmed, not_sent) = (group.len(), rest.len());
        let accepted = requests.len() - unconfirmed - not_sent;
        tracing::error!(
            accepted,
            unconfirmed,
            not_sent,
            "{:#}; submit the rest again, twice does no harm",
            anyhow::Error::from(error)
        );
        return Ok(1);
    }
    bar.finish_and_clear();
    out.flush()?;
    Ok(0)
}

fn tell(out: &mut dyn Write, json: bool, requests: &[JobRequest], fate: Fate) -> std::io::Result<()> {
    for request in requests {
        let (uid, state, lane) = (request.study_uid.as_str(), fate.as_str(), request.lane.as_str());
        if json {
            let line = serde_json::json!({"study_uid": uid, "id": request.id, "lane": lane, "state": state});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "study {uid}: {} ({lane})", state.replace('_', " "))?;
        }
    }
    Ok(())
}
