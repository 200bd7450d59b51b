//! Status events: what became of a job, for whoever listens. Pure and deterministic: the same state of the same job gives
//! the same event with the same id, so a listener sees repeats.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::JobState;

/// The JSON Schema of all status events.
pub const SCHEMA: &str = include_str!("../../schemas/imaging.job.status.v1.json");

/// Where a job stands, for an event.
#[derive(Debug, Clone, Copy)]
pub struct Status<'a> {
    /// The site.
    pub tenant: &'a str,
    /// The job key J.
    pub job_key: &'a str,
    /// StudyInstanceUID.
    pub study_uid: &'a str,
    /// Where the job stands.
    pub state: JobState,
    /// When it came to stand there.
    pub at: Timestamp,
    /// Stable code of a refusal or failure.
    pub code: Option<&'a str>,
    /// What a person can do about it.
    pub next_step: Option<&'a str>,
    /// The asker's own name for the whole undertaking.
    pub correlation_id: Option<&'a str>,
    /// Id of the DiagnosticReport, where one is delivered.
    pub diagnostic_report: Option<&'a str>,
}

/// A status event, ready for [`crate::queue::Queue::announce`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEvent {
    /// CloudEvents type, `imaging.job.<state>.v1`.
    pub event_type: &'static str,
    /// CloudEvents id: job key and state.
    pub id: String,
    /// The envelope as JSON.
    pub body: Vec<u8>,
}

/// MONAI Deploy's words for why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FailureReason {
    /// It did not fail.
    None,
    /// Anything else.
    Unknown,
    /// There is nothing here that runs such a task.
    RunnerNotSupported,
    /// The request could not be read.
    InvalidMessage,
    /// Something inside this program or its device broke.
    PluginError,
    /// A source or target did not do its part.
    ExternalServiceError,
    /// Time ran out.
    TimedOut,
    /// The study was refused, or a person cancelled the job.
    Rejected,
}

impl FailureReason {
    /// MONAI Deploy's word for a state with its code.
    pub fn of(state: JobState, code: Option<&str>) -> Self {
        match state {
            JobState::Accepted
            | JobState::Leased
            | JobState::Composed
            | JobState::Held
            | JobState::Reported
            | JobState::Superseded => Self::None,
            JobState::Refused => Self::Rejected,
            JobState::Failed => Self::of_failure(code.unwrap_or_default()),
        }
    }

    fn of_failure(code: &str) -> Self {
        let begins = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
        if code == "Cancelled" {
            Self::Rejected
        } else if code == "UnknownPipeline" {
            Self::RunnerNotSupported
        } else if begins(&["Request", "Message"]) {
            Self::InvalidMessage
        } else if code.ends_with("TimedOut") || code.ends_with("Expired") {
            Self::TimedOut
        } else if begins(&["Deliver", "Target", "Source", "Fetch"]) {
            Self::ExternalServiceError
        } else if begins(&[
            "Device",
            "Model",
            "Score",
            "StoppedTheWorker",
            "Outcome",
            "Picture",
            "ReportUnwritable",
        ]) {
            Self::PluginError
        } else {
            Self::Unknown
        }
    }
}

/// The event of a status; `None` for a state between acceptance and end, which nobody outside has to know.
pub fn event(status: &Status<'_>) -> Option<StatusEvent> {
    let event_type = match status.state {
        JobState::Accepted => "imaging.job.accepted.v1",
        JobState::Held => "imaging.job.held.v1",
        JobState::Reported => "imaging.job.reported.v1",
        JobState::Refused => "imaging.job.refused.v1",
        JobState::Failed => "imaging.job.failed.v1",
        JobState::Superseded => "imaging.job.superseded.v1",
        JobState::Leased | JobState::Composed => return None,
    };
    let id = format!("{}.{}", status.job_key, status.state);
    let envelope = Envelope {
        specversion: "1.0",
        id: &id,
        source: source(status.tenant),
        kind: event_type,
        subject: status.job_key,
        time: status.at.to_string(),
        datacontenttype: "application/json",
        data: Data {
            job: status.job_key,
            study: Study { instance_uid: status.study_uid },
            state: status.state,
            failure_reason: FailureReason::of(status.state, status.code),
            code: status.code,
            next_step: status.next_step,
            correlation_id: status.correlation_id,
            report: status.diagnostic_report.map(|id| format!("DiagnosticReport/{id}")),
        },
    };
    // An envelope is plain strings: it always serialises.
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    Some(StatusEvent { event_type, id, body })
}

/// `urn:chiasm:<tenant>`; what a URN does not allow is percent-encoded.
fn source(tenant: &str) -> String {
    let mut urn = "urn:chiasm:".to_owned();
    for byte in tenant.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            urn.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(urn, "%{byte:02X}").ok();
        }
    }
    urn
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    job: &'a str,
    study: Study<'a>,
    state: JobState,
    failure_reason: FailureReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
}

#[derive(Serialize)]
struct Study<'a> {
    instance_uid: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn status(state: JobState) -> Status<'static> {
        Status {
            tenant: "default",
            job_key: KEY,
            study_uid: "2.25.96552079911562930055011876154727440353",
            state,
            at: "2026-03-17T09:31:02Z".parse().unwrap(),
            code: None,
            next_step: None,
            correlation_id: None,
            diagnostic_report: None,
        }
    }

    /// The examples that `scripts/check-messages` holds against the schema are what this module writes.
    #[test]
    fn events_are_the_examples_of_the_schema() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/examples/imaging.job.status.v1");
        let cases = [
            status(JobState::Accepted),
            Status {
                code: Some("SexConflict"),
                next_step: Some(
                    "Check whose images and whose record these are, correct the source, and submit the study again.",
                ),
                ..status(JobState::Held)
            },
            Status {
                correlation_id: Some("0f8fad5b-d9cb-469f-a165-70867728950e"),
                diagnostic_report: Some("b7c0a8a4-6f35-5d0e-9a7b-3f1f2b8c9d10"),
                ..status(JobState::Reported)
            },
            Status {
                code: Some("NotApplicableView"),
                next_step: Some("Read the study without this program; no result is not a negative result."),
                ..status(JobState::Refused)
            },
            Status {
                code: Some("DeviceUnavailable"),
                next_step: Some("Choose another device with --device."),
                ..status(JobState::Failed)
            },
            status(JobState::Superseded),
        ];
        for case in cases {
            let event = event(&case).unwrap();
            assert_eq!(event, super::event(&case).unwrap());
            assert_eq!(event.event_type, format!("imaging.job.{}.v1", case.state));
            let path = format!("{examples}/good-{}.json", case.state);
            let example: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&event.body).unwrap(), example, "{path}");
        }
        assert_eq!(event(&status(JobState::Leased)), None);
        assert_eq!(event(&status(JobState::Composed)), None);
    }

    #[test]
    fn failures_have_the_words_of_monai_deploy() {
        for (state, code, word) in [
            (JobState::Held, Some("SexConflict"), FailureReason::None),
            (JobState::Reported, None, FailureReason::None),
            (JobState::Superseded, Some("Superseded"), FailureReason::None),
            (JobState::Refused, Some("NotApplicableView"), FailureReason::Rejected),
            (JobState::Failed, Some("Cancelled"), FailureReason::Rejected),
            (JobState::Failed, Some("RequestUnreadable"), FailureReason::InvalidMessage),
            (JobState::Failed, Some("DeliveryFailed"), FailureReason::ExternalServiceError),
            (JobState::Failed, Some("DeliveryExpired"), FailureReason::TimedOut),
            (JobState::Failed, Some("ScoreNotFinite"), FailureReason::PluginError),
            (JobState::Failed, Some("SomethingNew"), FailureReason::Unknown),
            (JobState::Failed, None, FailureReason::Unknown),
        ] {
            assert_eq!(FailureReason::of(state, code), word, "{code:?}");
        }
    }

    #[test]
    fn any_tenant_is_a_urn() {
        assert_eq!(source("Klinik Süd/1"), "urn:chiasm:Klinik%20S%C3%BCd%2F1");
    }
}
