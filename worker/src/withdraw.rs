//! The version of a report that takes an earlier one back, made from what the ledger stores of that one. Pure.
//!
//! It is a version like any other: it has a job key of its own, goes through the outbox, and reaches each target once. No
//! image and no record is read again, because they may be gone; whose the study is stands in the stored structured report.

use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::rejection::Reason;
use jiff::Timestamp;

use crate::convert;
use crate::declaration::Pipeline;
use crate::job::withdrawal_key;
use crate::ledger::{Job, JobState, NewJob, ReportBytes};
use crate::outcome::{Outcome, State};
use crate::report::document as doc;
use crate::report::fhir::{BundleError, Stored};
use crate::report::language::translated;
use crate::report::{Report, fhir, html, sr};

/// The code of a report that was taken back because of what made it.
pub const MODEL_RECALLED: &str = "ModelRecalled";

/// The code of a report that a person took back.
pub const WITHDRAWN_BY_PERSON: &str = "WithdrawnByPerson";

/// The code of a report that was taken back because of what it was made from.
pub const REJECTED_BY_ARCHIVE: &str = "RejectedByArchive";

/// What is taken back, why, and since when.
#[derive(Debug, Clone)]
pub struct Recall {
    code: &'static str,
    reason: String,
    next_step: &'static str,
    at: Timestamp,
}

impl Recall {
    /// What the model `NAME@VERSION` made, for this reason: one sentence without patient data, for the readers of the report.
    pub fn of_model(model: &str, reason: &str, at: Timestamp) -> Self {
        Self {
            code: MODEL_RECALLED,
            reason: format!("{model} was recalled: {reason}"),
            next_step: "Do not use the earlier report; read the study without this model, or submit it again once \
                        another one is installed",
            at,
        }
    }

    /// What a person takes back, such as a report on the wrong patient; for this reason, as above.
    pub fn by_person(reason: &str, at: Timestamp) -> Self {
        Self {
            code: WITHDRAWN_BY_PERSON,
            reason: format!("a person withdrew the report: {reason}"),
            next_step: "Do not use the earlier report; mend what the reason names, and submit the study again",
            at,
        }
    }

    /// What was made from images that the archive rejected since.
    pub fn of_images(why: Reason, at: Timestamp) -> Self {
        Self {
            code: REJECTED_BY_ARCHIVE,
            reason: format!("an image that was read was rejected by the archive: {}", why.words()),
            next_step: "Do not use the earlier report; look in the archive for corrected images, and submit the study \
                        again once they are there",
            at,
        }
    }
}

/// Whether a model of a stored bundle is the one that `wanted` names: `NAME@VERSION`, or with `#DIGEST` one set of weights.
pub fn is_meant(model: &str, wanted: &str) -> bool {
    model == wanted || model.split('#').next() == Some(wanted)
}

/// The job that takes the version of `job` back, with its report.
pub fn withdrawal(
    job: &Job,
    report: &ReportBytes,
    stored: &Stored,
    pipeline: &Pipeline,
    recall: &Recall,
) -> Result<(NewJob, ReportBytes), BundleError> {
    let withdrawal = NewJob {
        job_key: withdrawal_key(&job.job_key),
        report_key: job.report_key.clone(),
        lane: job.lane,
        study_uid: job.study_uid.clone(),
        request: job.request.clone(),
        accepted_at: recall.at.to_string(),
    };
    let why = doc::NoResult {
        code: recall.code.into(),
        reason: recall.reason.clone(),
        next_step: recall.next_step.into(),
    };
    let header = report.sr.as_deref().and_then(|file| read_header(file, &Limits::default()).ok());
    let document = translated(Report {
        language: stored.language(),
        states_confidence: false,
        makes_overlay: false,
        keys: doc::Keys { report: job.report_key.clone(), job: withdrawal.job_key.clone() },
        kind: doc::Kind::Withdrawn(why.clone(), job.job_key.clone()),
        issued: recall.at,
        site: doc::Site::default(),
        software: doc::Software {
            name: "Chiasm".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            compute_device: "none; nothing was scored".into(),
        },
        pipeline: doc::Pipeline {
            id: pipeline.id.clone(),
            version: pipeline.version.clone(),
            description: pipeline.description.clone(),
        },
        study: study(&job.study_uid, header.as_ref(), stored),
        patient: convert::patient(header.as_ref().map(|header| &header.patient), stored.subject()),
        models: Vec::new(),
        findings: Vec::new(),
        segments: Vec::new(),
        picture: None,
        record: doc::Record {
            state: doc::RecordState::NotGiven,
            features: Vec::new(),
            sources: Vec::new(),
            excluded: Vec::new(),
        },
        lesion: None,
        risks: Vec::new(),
        missing: Vec::new(),
        limits: Vec::new(),
    });
    let page = html::page(&document);
    let outcome = Outcome {
        next_step: Some(why.next_step),
        ..Outcome::without_result(State::Refused, recall.code, &why.reason).of_study(&job.study_uid)
    };
    let bytes = ReportBytes {
        ends: JobState::Refused,
        // An outcome is plain strings and finite numbers: it always serialises.
        outcome: serde_json::to_string(&outcome).unwrap_or_default(),
        bundle: Some(fhir::withdrawal(&document, &page, stored)?),
        html: page.into_bytes(),
        sr: sr::document(&document),
        overlay: None,
        segmentation: None,
    };
    Ok((withdrawal, bytes))
}

fn study(study_uid: &str, header: Option<&Instance>, stored: &Stored) -> doc::Study {
    let start = header.and_then(|header| header.study_time.as_ref());
    doc::Study {
        study_instance_uid: study_uid.to_owned(),
        accession_number: header
            .and_then(|header| header.accession_number.as_ref())
            .map(|number| number.expose().clone()),
        started: stored.effective(),
        started_text: start.map_or_else(
            || "not stated".into(),
            |start| match start.time {
                Some(time) => format!("{} {:02}:{:02}", start.date, time.hour(), time.minute()),
                None => start.date.to_string(),
            },
        ),
        local_start: start.map(|start| (start.date, start.time)),
        zone_rule: "as the withdrawn report stated it".into(),
        modalities: stored.modalities(),
        description: header
            .and_then(|header| header.study_description.as_ref())
            .map(|text| text.expose().clone()),
        view: None,
        body_site: None,
        instances: Vec::new(),
        dropped: Vec::new(),
        warnings: Vec::new(),
    }
}
