//! The report as a FHIR R4 (4.0.1) transaction bundle.
//!
//! Writes are idempotent: what is ours has a deterministic id and is PUT, the imaging study is created only where the
//! server has none. Patient, ServiceRequest and the record's resources are referenced, never created. No profile is
//! claimed, and no report is ever `final`: a human's sign-off is the radiology system's to write. A server that speaks R5 is
//! given the same in its words ([`in_r5`]).

mod datatypes;
mod devices;
mod diagnostic_report;
mod earlier;
mod imaging_study;
mod known_study;
mod lesion;
mod observation;
mod provenance;
mod r5;
mod references;
mod risk_assessment;
mod segment;
mod server_ids;
mod taken_back;
mod task;
mod terms;
mod withdrawal;

use serde::Serialize;
use uuid::Uuid;

pub use self::diagnostic_report::presented_pdf;
pub use self::earlier::{Earlier, with_earlier};
pub use self::known_study::with_known_study;
pub use self::r5::in_r5;
pub use self::server_ids::with_server_ids;
pub use self::terms::{JOB_KEYS, REPORT_KEYS, WITHDRAWN};
pub use self::withdrawal::{Stored, withdrawal};

use self::datatypes::{Identifier, Instant, Text, Token, elements};
use crate::report::document::{Kind, Report};
use crate::report::pdf::{self, PdfError};
use crate::report::text::is_uid;

/// What a bundle without its page is shorter than, as a rule; the page on paper is in it.
const ROOM: usize = 512 * 1024;

/// The bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// JSON could not be written.
    #[error("could not write the report's FHIR bundle as JSON")]
    Json(#[source] serde_json::Error),
    /// The page could not be written as PDF.
    #[error("could not write the report's page as PDF")]
    Pdf(#[source] PdfError),
}

/// Writes the bundle, indented, as UTF-8 JSON: the same report gives the same bytes.
///
/// Its `presentedForm` is `page`, which [`crate::report::html::page`] made of the same report and the caller writes beside
/// it, and the same on paper ([`pdf::document`]).
pub fn bundle(report: &Report, page: &str) -> Result<Vec<u8>, BundleError> {
    // The page is the most of it: room for it as base64, so that the vector does not grow by copying.
    let mut json = Vec::with_capacity(page.len() / 2 * 3 + ROOM);
    let paper = pdf::document(report, page).map_err(BundleError::Pdf)?;
    serde_json::to_writer_pretty(&mut json, &transaction(report, page, &paper)).map_err(BundleError::Json)?;
    json.push(b'\n');
    Ok(json)
}

elements! {
    /// <http://hl7.org/fhir/R4/bundle.html#Bundle>
    Bundle {
        resource_type: Token, identifier: Option<Identifier>, r#type: Token, timestamp: Option<Instant>,
        entry: Vec<Entry>,
    }
    /// One resource and what a server does with it.
    Entry { full_url: Token, resource: Option<Resource>, request: Option<Request>, }
    /// <http://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request>
    Request { method: Token, url: Token, if_none_exist: Text, }
}

/// The resources that a bundle of ours can hold.
#[derive(Clone, Serialize)]
#[serde(tag = "resourceType")]
enum Resource {
    Device(Box<devices::Device>),
    DocumentReference(Box<devices::DocumentReference>),
    DiagnosticReport(Box<diagnostic_report::DiagnosticReport>),
    ImagingStudy(Box<imaging_study::ImagingStudy>),
    Observation(Box<observation::Observation>),
    Provenance(Box<provenance::Provenance>),
    RiskAssessment(Box<risk_assessment::RiskAssessment>),
    Task(Box<task::Task>),
}

fn transaction(report: &Report, page: &str, paper: &[u8]) -> Bundle {
    Bundle {
        resource_type: "Bundle".into(),
        identifier: Some(Identifier::new(terms::JOB_KEYS, &report.keys.job)),
        r#type: "transaction".into(),
        timestamp: Some(Instant(report.issued)),
        entry: entries(report, page, paper),
    }
}

fn entries(report: &Report, page: &str, paper: &[u8]) -> Vec<Entry> {
    let mut entries = vec![put(
        "DiagnosticReport",
        references::report(report),
        Resource::DiagnosticReport(Box::new(diagnostic_report::diagnostic_report(report, page, paper))),
    )];
    entries.extend(report.findings.iter().map(|finding| {
        let resource = Resource::Observation(Box::new(observation::observation(report, finding)));
        put("Observation", references::finding(report, finding), resource)
    }));
    entries.extend(report.segments.iter().map(|one| {
        let resource = Resource::Observation(Box::new(segment::observation(report, one)));
        put("Observation", references::segment(report, one), resource)
    }));
    entries.extend(report.lesion.iter().map(|one| {
        let resource = Resource::Observation(Box::new(lesion::observation(report, one)));
        put("Observation", references::lesion(report), resource)
    }));
    entries.extend(report.risks.iter().map(|risk| {
        let resource = Resource::RiskAssessment(Box::new(risk_assessment::risk_assessment(report, risk)));
        put("RiskAssessment", references::risk(report, risk), resource)
    }));
    if let Kind::Refused(why) | Kind::Failed(why) | Kind::Withdrawn(why, _) = &report.kind {
        let resource = Resource::Task(Box::new(task::task(report, why)));
        entries.push(put("Task", references::task(report), resource));
    }
    if is_uid(&report.study.study_instance_uid) {
        entries.push(create_imaging_study(report));
    }
    let software = Resource::Device(Box::new(devices::software(report)));
    entries.push(put("Device", references::software(report), software));
    // an id of the whole card: each is made once
    let cards: Vec<Uuid> = report.models.iter().map(references::model_card).collect();
    for (model, id) in report.models.iter().zip(&cards) {
        let device = Resource::Device(Box::new(devices::model(report, model, *id)));
        entries.push(put("Device", references::model(model), device));
        let card = Resource::DocumentReference(Box::new(devices::model_card(report.language, model, *id)));
        entries.push(put("DocumentReference", *id, card));
    }
    if let Some(overlay) = devices::overlay(report) {
        let resource = Resource::DocumentReference(Box::new(overlay));
        entries.push(put("DocumentReference", references::overlay(report), resource));
    }
    if let Some(segmentation) = devices::segmentation(report) {
        let resource = Resource::DocumentReference(Box::new(segmentation));
        entries.push(put("DocumentReference", references::segmentation(report), resource));
    }
    let provenance = Resource::Provenance(Box::new(provenance::provenance(report, &cards)));
    entries.push(put("Provenance", references::provenance(report), provenance));
    entries
}

/// Writes a resource of ours under its own id.
fn put(resource_type: &str, id: Uuid, resource: Resource) -> Entry {
    Entry {
        full_url: id.urn().to_string().into(),
        resource: Some(resource),
        request: Some(Request {
            method: "PUT".into(),
            url: format!("{resource_type}/{id}").into(),
            if_none_exist: Text::default(),
        }),
    }
}

/// Creates the study only where the server has none: the archive's own copy knows more than we do.
fn create_imaging_study(report: &Report) -> Entry {
    let uid = &report.study.study_instance_uid;
    Entry {
        full_url: references::imaging_study(report).urn().to_string().into(),
        resource: Some(Resource::ImagingStudy(Box::new(imaging_study::imaging_study(report)))),
        request: Some(Request {
            method: "POST".into(),
            url: "ImagingStudy".into(),
            if_none_exist: format!("identifier={}|urn:oid:{uid}", terms::DICOM_UID).into(),
        }),
    }
}
