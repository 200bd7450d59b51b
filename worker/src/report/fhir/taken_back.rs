//! What a bundle asserted and asserts no longer: a finding, a risk, a picture with its explanation, under the id that it had.

use serde_json::{Value, json};

use super::terms;
use crate::report::language::{Language, Message};

/// Why it holds no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The report was withdrawn.
    Withdrawn,
    /// A newer version of the report took the place of the one that said it.
    Replaced,
}

/// A model's card stays what it is; findings, risks and the picture that explains one were asserted.
pub(super) fn is_asserted(entry: &Value) -> bool {
    let resource = &entry["resource"];
    match resource["resourceType"].as_str() {
        Some("Observation" | "RiskAssessment") => true,
        Some("DocumentReference") => resource["identifier"][0]["system"] == terms::DICOM_UID,
        _ => false,
    }
}

/// Whether it was taken back already.
pub(super) fn is_taken_back(status: &Value) -> bool {
    [terms::WITHDRAWN, terms::SUPERSEDED].iter().any(|done| status == done)
}

/// How a Provenance refers to it.
pub(super) fn reference(entry: &Value) -> Value {
    json!({ "reference": entry["fullUrl"], "type": entry["resource"]["resourceType"] })
}

/// The entry that takes it back. R4 has a word of its own for a document that another one replaced, and for nothing else.
pub(super) fn entry(language: Language, entry: &Value, why: Why) -> Value {
    let mut entry = entry.clone();
    let resource = &mut entry["resource"];
    let (status, words) = match why {
        Why::Replaced if resource["resourceType"] == "DocumentReference" => {
            (terms::SUPERSEDED, Message::ReplacedDoNotUse)
        }
        Why::Replaced => (terms::WITHDRAWN, Message::ReplacedDoNotUse),
        Why::Withdrawn => (terms::WITHDRAWN, Message::WithdrawnDoNotUse),
    };
    resource["status"] = status.into();
    let div = format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{} {}.</p></div>",
        language.text(words),
        language.text(Message::NotADevice)
    );
    resource["language"] = language.tag().into();
    resource["text"] = json!({ "status": "generated", "div": div });
    entry
}
