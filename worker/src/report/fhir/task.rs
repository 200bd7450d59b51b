//! The Task of a study without a result: the coded reason, for which a DiagnosticReport has no place.

use super::datatypes::{CodeableConcept, Identifier, Instant, Narrative, Reference, Text, Token, elements};
use super::{references, terms};
use crate::report::document::{Kind, NoResult, Report};
use crate::report::text::sentence;
use crate::report::wording;

elements! {
    /// <http://hl7.org/fhir/R4/task.html>
    Task {
        id: Token, language: Token, text: Option<Narrative>, identifier: Vec<Identifier>, status: Token, status_reason: Option<CodeableConcept>,
        intent: Token, code: Option<CodeableConcept>, description: Text, focus: Option<Reference>,
        r#for: Option<Reference>, authored_on: Option<Instant>, last_modified: Option<Instant>,
        owner: Option<Reference>,
    }
}

/// Says why there is no result and what a person can do.
pub(super) fn task(report: &Report, why: &NoResult) -> Task {
    let status = match report.kind {
        Kind::Refused(_) => "rejected",
        Kind::Failed(_) => "failed",
        // taking a report back is a task that is done
        Kind::Analysis | Kind::Withdrawn(..) => "completed",
    };
    let reason = CodeableConcept::coded(terms::REFUSALS, &why.code, "").with_text(&why.reason);
    Task {
        id: references::task(report).to_string().into(),
        language: report.language.tag().into(),
        text: Narrative::paragraphs(report.language, &wording::bottom_line(report)),
        identifier: vec![Identifier::new(terms::JOB_KEYS, &report.keys.job)],
        status: status.into(),
        status_reason: Some(reason),
        intent: "order".into(),
        code: Some(CodeableConcept::text(&wording::examination(report))),
        description: format!("{} {}", sentence(&why.reason), sentence(&why.next_step)).into(),
        focus: Some(references::within("DiagnosticReport", references::report(report))),
        r#for: Some(references::subject(report)),
        authored_on: Some(Instant(report.issued)),
        last_modified: Some(Instant(report.issued)),
        owner: Some(references::within("Device", references::software(report))),
    }
}
