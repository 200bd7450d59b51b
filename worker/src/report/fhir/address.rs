//! What a bundle is addressed by: what its sender has to know of it. Its composer knows that, so that a bundle that was composed a
//! moment ago is not read for it.

use memchr::memmem;

use super::datatypes::Absent as _;
use super::{Bundle, Entry, Resource, terms};
use crate::report::document::Report;

/// What a sender has to know of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The job key J: this version.
    pub job_key: String,
    /// `DiagnosticReport/<id>` with the id that the report has from us.
    pub report_url: String,
    /// The report key R, as the report's own identifier.
    pub report_key: String,
    /// Number of entries.
    pub entries: usize,
    /// Whom the report is about; `None` where it names nobody.
    pub subject: Option<Subject>,
    /// Whether it takes an earlier version back (`entered-in-error`).
    pub is_withdrawal: bool,
    /// The ImagingStudy that is created where the server has none.
    pub study: Option<NewStudy>,
    /// Where in the bytes the request of the report begins, after its brace; `None` where they are no longer those that were composed.
    pub request_at: Option<usize>,
}

/// Whom a bundle is about, as its DiagnosticReport says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `Patient/<id>` or a URL, where the record was confirmed.
    pub reference: Option<String>,
}

/// An entry that creates a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStudy {
    /// Its address inside the bundle.
    pub full_url: String,
    /// The search token of its identifier.
    pub token: String,
}

/// The address of a bundle that was just composed and written as these bytes; `None` where it is not as this program composes it.
pub(super) fn of(report: &Report, bundle: &Bundle, bytes: &[u8]) -> Option<Address> {
    let first = bundle.entry.first()?;
    let (Some(Resource::DiagnosticReport(own)), Some(request)) = (&first.resource, &first.request) else {
        return None;
    };
    // in a text each quotation mark is escaped: this is the request itself
    let request_at = format!(r#""request":{{"method":"PUT","url":"{}""#, request.url.as_str());
    let request_at = memmem::find(bytes, request_at.as_bytes())? + r#""request":{"#.len();
    let subject = own.subject.as_ref().filter(|subject| {
        let identifier = subject.identifier.as_ref();
        !subject.reference.absent() || identifier.is_some_and(|identifier| !identifier.value.absent())
    });
    Some(Address {
        job_key: report.keys.job.clone(),
        report_url: request.url.as_str().to_owned(),
        report_key: report.keys.report.clone(),
        entries: bundle.entry.len(),
        subject: subject.map(|subject| Subject {
            reference: (!subject.reference.absent()).then(|| subject.reference.as_str().to_owned()),
        }),
        is_withdrawal: own.status.as_str() == terms::WITHDRAWN,
        study: bundle.entry.iter().find_map(new_study),
        request_at: Some(request_at),
    })
}

fn new_study(entry: &Entry) -> Option<NewStudy> {
    let request = entry.request.as_ref()?;
    let is_new = request.method.as_str() == "POST" && request.url.as_str() == "ImagingStudy";
    let token = request.if_none_exist.as_str().strip_prefix("identifier=")?;
    is_new.then(|| NewStudy { full_url: entry.full_url.as_str().to_owned(), token: token.to_owned() })
}
