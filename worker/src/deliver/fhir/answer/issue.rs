//! What is kept of a server's issues: codes and places, never its words.

use serde::Deserialize;

/// <http://hl7.org/fhir/R4/operationoutcome.html>. `details` is not read, and of `diagnostics` only the numbers that HAPI
/// begins it with are kept: the rest repeats the patient.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    expression: Vec<String>,
    #[serde(default)]
    diagnostics: String,
}

impl Issue {
    fn is_failure(&self) -> bool {
        matches!(self.severity.as_str(), "error" | "fatal")
    }

    /// The numbers of HAPI's messages, such as `HAPI-1094`: with them its documentation says what is wrong.
    pub(super) fn numbers(&self) -> Vec<&str> {
        let is_number = |text: &&str| {
            let digits = text.strip_prefix("HAPI-").unwrap_or_default();
            (3..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.diagnostics.split(": ").take_while(is_number).take(3).collect()
    }

    /// True for a failure that the same bytes would meet again.
    pub(super) fn is_about_the_report(&self) -> bool {
        self.is_failure() && CONTENT.contains(&self.code.as_str())
    }
}

/// Issue codes (<http://hl7.org/fhir/R4/valueset-issue-type.html>) that speak about the report itself.
const CONTENT: [&str; 11] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "not-supported",
    "too-long",
    "code-invalid",
    "extension",
    "business-rule",
    "duplicate",
];

/// The other issue codes. A code that is in neither list is not repeated.
const OTHER: [&str; 20] = [
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-costly",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// So many issues are kept.
const ISSUES: usize = 8;

/// So many bytes of an issue's place are kept.
const PLACE_BYTES: usize = 120;

/// Status, codes and places: nothing that could repeat a value of the report.
pub(super) fn reason(status: u16, issues: &[Issue]) -> String {
    let said: Vec<String> = issues
        .iter()
        .filter(|issue| issue.is_failure())
        .take(ISSUES)
        .map(|issue| {
            let known = CONTENT.iter().chain(&OTHER).find(|code| **code == issue.code);
            let code = known.copied().unwrap_or("another issue");
            let mut said = std::iter::once(code).chain(issue.numbers()).collect::<Vec<_>>().join(" ");
            if let Some(place) = issue.expression.iter().find(|place| is_place(place)) {
                said.push_str(" at ");
                said.push_str(place);
            }
            said
        })
        .collect();
    if said.is_empty() {
        return format!("the server answered {status} without an issue of its own");
    }
    format!("the server answered {status}: {}", said.join(", "))
}

/// True for a plain FHIRPath of element names and indices, such as `Bundle.entry[0].resource.subject`. It begins with a
/// resource type that a bundle of ours holds and has no text in it, so that it cannot carry a name.
pub(super) fn is_place(text: &str) -> bool {
    const TYPES: [&str; 9] = [
        "Bundle",
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "ImagingStudy",
        "Observation",
        "Provenance",
        "RiskAssessment",
        "Task",
    ];
    let is_element = |segment: &str| {
        let (name, index) = match segment.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']')),
            None => (segment, Some("0")),
        };
        let is_index = index.is_some_and(|digits| {
            (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        is_index && begins && name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let mut segments = text.split('.');
    text.len() <= PLACE_BYTES
        && segments.next().is_some_and(|first| TYPES.contains(&first))
        && segments.all(is_element)
}
