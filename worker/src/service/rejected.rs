//! Images that the archive rejected after they were read: the reports that were made from them are taken back, as
//! `chiasm recall` takes them back.
//!
//! A rejection note lies in the study, so that it comes with the study: from a folder, a bucket, an archive, a sender.

use dicom_ingest::rejection::Reason;
use dicom_ingest::study::Study;
use jiff::Timestamp;

use super::flight::Flight;
use crate::job::report_key;
use crate::ledger::{Job, JobState, LedgerError, NewJob};
use crate::message::Mode;
use crate::report::fhir::Stored;
use crate::withdraw::{self, Recall};

/// What becomes of the request that brought the notes.
#[derive(Debug)]
pub(super) enum Next {
    /// The study is read, as far as it was not rejected.
    Read,
    /// Nothing is left to be read: what the request leads to is this version, withdrawn or not.
    Known(String, JobState),
    /// A withdrawal is not delivered yet: a newer version of the report would take its place before anybody heard of it. Or it
    /// could not be made yet, because a newer version that did not know of the notes is under way.
    Wait,
}

/// Takes back what the site's pipelines made from images that the study's notes reject.
pub(super) async fn take_back(flight: &Flight, wanted: &NewJob, study: &Study) -> Result<Next, LedgerError> {
    if study.rejected.is_empty() {
        return Ok(Next::Read);
    }
    let mut is_left = false;
    for reading in flight.stages.readings.all() {
        let tenant = &flight.stages.config.tenant;
        let key = report_key(tenant, study.uid.as_str(), &reading.pipeline.id, Mode::Clinical);
        let Some(job) = flight.ledger.newest(&key).await? else { continue };
        let Some(report) = &job.composed else { continue };
        let Some((stored, why)) = stored(&job).and_then(|stored| {
            let why = against(&stored, study)?;
            Some((stored, why))
        }) else {
            continue;
        };
        let recall = Recall::of_images(why, Timestamp::now());
        match withdraw::withdrawal(&job, report, &stored, &reading.pipeline, &recall) {
            Ok((withdrawal, bytes)) => {
                let is_done = flight.ledger.withdraw(&job.job_key, &withdrawal, &bytes).await?;
                tracing::info!(job = %job.job_key, is_done, "images rejected by the archive; report withdrawn");
                is_left |= !is_done && !is_withdrawn(flight, &key).await?;
            }
            Err(error) => tracing::error!(job = %job.job_key, %error, "a report could not be withdrawn"),
        }
    }
    if is_left {
        return Ok(Next::Wait);
    }
    let Some(newest) = flight.ledger.newest(&wanted.report_key).await? else { return Ok(Next::Read) };
    let is_withdrawal = stored(&newest).is_some_and(|stored| stored.is_withdrawal());
    let Some((row, _)) = flight.ledger.job(&newest.job_key).await? else { return Ok(Next::Read) };
    Ok(match (study.is_rejected(), is_withdrawal && !row.state.is_terminal()) {
        (true, _) => Next::Known(newest.job_key, row.state),
        (false, true) => Next::Wait,
        (false, false) => Next::Read,
    })
}

/// Whether the newest version of the report is a withdrawal.
async fn is_withdrawn(flight: &Flight, report_key: &str) -> Result<bool, LedgerError> {
    let newest = flight.ledger.newest(report_key).await?;
    Ok(newest.as_ref().and_then(stored).is_some_and(|stored| stored.is_withdrawal()))
}

fn stored(job: &Job) -> Option<Stored> {
    Stored::read(job.composed.as_ref()?.bundle.as_deref()?)
}

/// What speaks against a report that is not taken back yet: the gravest reason why an image of it was rejected.
fn against(stored: &Stored, study: &Study) -> Option<Reason> {
    if stored.is_withdrawal() {
        return None;
    }
    let instances = stored.instances();
    let read = study.rejected.iter().filter(|(uid, _)| instances.contains(&uid.as_str()));
    read.map(|(_, reason)| *reason).filter(|reason| reason.is_against_reports()).min()
}
