//! The DiagnosticReport: `preliminary`, or `cancelled` where there is no result.

use base64_simd::STANDARD;
use serde::Deserialize;

use super::datatypes::{
    Attachment, CodeableConcept, Extension, Identifier, Instant, Meta, Narrative, Reference, Text, Token,
    elements,
};
use super::{references, terms};
use crate::report::document::{Kind, Report};
use crate::report::language::Message;
use crate::report::wording;

/// The media type of the page on paper.
const PDF: &str = "application/pdf";

elements! {
    /// <http://hl7.org/fhir/R4/diagnosticreport.html>
    DiagnosticReport {
        id: Token, meta: Option<Meta>, language: Token, text: Option<Narrative>, extension: Vec<Extension>,
        identifier: Vec<Identifier>, based_on: Vec<Reference>, status: Token, category: Vec<CodeableConcept>,
        code: Option<CodeableConcept>, subject: Option<Reference>, effective_date_time: Option<Instant>,
        issued: Option<Instant>, performer: Vec<Reference>, result: Vec<Reference>,
        imaging_study: Vec<Reference>, conclusion: Text, presented_form: Vec<Attachment>,
    }
}

/// Says everything in one resource, with the page and what it is on paper as its presented forms.
pub(super) fn diagnostic_report(report: &Report, page: &str, paper: &[u8]) -> DiagnosticReport {
    let conclusion = wording::conclusion(report);
    let risks = report.risks.iter().map(|risk| {
        let risk = references::within("RiskAssessment", references::risk(report, risk));
        Extension::reference(terms::REPORT_RISK, risk)
    });
    let findings = report.findings.iter().map(|finding| references::finding(report, finding));
    let segments = report.segments.iter().map(|segment| references::segment(report, segment));
    let lesion = report.lesion.iter().map(|_| references::lesion(report));
    let software = format!("{} {}", report.software.name, report.software.version);
    DiagnosticReport {
        id: references::report(report).to_string().into(),
        meta: Some(Meta::ai_asserted()),
        language: report.language.tag().into(),
        text: Narrative::paragraphs(report.language, &conclusion),
        extension: risks.collect(),
        // The second one names the version: a worker that lost the answer to its transaction finds out by it whether
        // this version is what the server holds.
        identifier: vec![
            Identifier::new(terms::REPORT_KEYS, &report.keys.report),
            Identifier::new(terms::JOB_KEYS, &report.keys.job),
        ],
        based_on: references::order(report),
        status: status(&report.kind).into(),
        category: terms::report_categories(),
        code: Some(terms::report_code().with_text(&wording::examination(report))),
        subject: Some(references::subject(report)),
        // us-core-10: a preliminary report has an effective time; without t0 the acceptance is the nearest
        effective_date_time: Some(Instant(report.study.started.unwrap_or(report.issued))),
        issued: Some(Instant(report.issued)),
        performer: std::iter::once(references::performer(references::software(report), &software))
            .chain(references::organization(report))
            .collect(),
        result: findings
            .chain(segments)
            .chain(lesion)
            .map(|id| references::within("Observation", id))
            .collect(),
        imaging_study: vec![references::study(report)],
        conclusion: conclusion.join(" ").into(),
        presented_form: vec![presented(report, "text/html", page.as_bytes()), presented(report, PDF, paper)],
    }
}

fn presented(report: &Report, content_type: &str, data: &[u8]) -> Attachment {
    let title = report.language.text(Message::ReportForReader);
    Attachment {
        creation: Some(Instant(report.issued)),
        ..Attachment::inline(content_type, report.language, data, title)
    }
}

/// What of a stored bundle has to be read for [`presented_pdf`]; the rest is passed over.
#[derive(Deserialize)]
struct Presenting<'a> {
    #[serde(borrow)]
    entry: Vec<PresentingEntry<'a>>,
}

#[derive(Deserialize)]
struct PresentingEntry<'a> {
    #[serde(borrow)]
    resource: Option<PresentingResource<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PresentingResource<'a> {
    resource_type: &'a str,
    #[serde(borrow, default)]
    presented_form: Vec<Form<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    content_type: &'a str,
    #[serde(default)]
    data: &'a str,
}

/// The PDF that a stored bundle of ours presents; `None` where it is none of ours, or one from before there was any.
pub fn presented_pdf(bundle: &[u8]) -> Option<Vec<u8>> {
    let bundle: Presenting<'_> = serde_json::from_slice(bundle).ok()?;
    let first = bundle.entry.into_iter().next()?.resource;
    let report = first.filter(|resource| resource.resource_type == "DiagnosticReport")?;
    let paper = report.presented_form.iter().find(|form| form.content_type == PDF)?;
    STANDARD.decode_to_vec(paper.data).ok()
}

/// No status here is ever `final`: a person's sign-off is not the program's to write.
fn status(kind: &Kind) -> &'static str {
    match kind {
        Kind::Analysis => "preliminary",
        Kind::Refused(_) | Kind::Failed(_) => "cancelled",
        Kind::Withdrawn(..) => terms::WITHDRAWN,
    }
}
