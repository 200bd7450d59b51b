//! What has to be known of a bundle to send it: its report's place, its version, how many entries it has.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::patient::Subject;
use crate::config::site::FhirRelease;
use crate::deliver::trouble::Trouble;
use crate::deliver::{Parcel, TerminalCode};
use crate::job;
use crate::report::fhir::{JOB_KEYS, WITHDRAWN, in_r5};

/// A bundle ready to send.
pub(super) struct Letter<'a> {
    /// The bundle: untouched, or the same in the server's release.
    pub(super) bytes: Cow<'a, [u8]>,
    /// `DiagnosticReport/<id>`.
    pub(super) report_url: String,
    /// The job key J.
    pub(super) job_key: &'a str,
    /// Number of entries.
    pub(super) entries: usize,
    /// Whom the report is about; `None` where it names nobody.
    pub(super) subject: Option<Subject>,
    /// Whether it takes an earlier version back (`entered-in-error`).
    pub(super) is_withdrawal: bool,
}

#[derive(Deserialize)]
struct Bundle {
    identifier: Identifier,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Identifier {
    system: String,
    value: String,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    #[serde(default)]
    resource: Option<Resource>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    status: Option<String>,
    subject: Reference,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    reference: Option<String>,
    identifier: Option<ReferredIdentifier>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ReferredIdentifier {
    value: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
}

impl<'a> Letter<'a> {
    /// Reads the parcel's bundle. One that is not this very version of a report is not sent.
    pub(super) fn of(parcel: &Parcel<'a>, release: FhirRelease) -> Result<Self, Trouble> {
        let Some(bytes) = parcel.report.bundle.as_deref() else {
            return Err(Trouble::good(
                TerminalCode::NoBundle,
                "the report has no FHIR bundle, only its page",
            ));
        };
        let unusable = |reason: &str| Trouble::good(TerminalCode::BundleUnusable, reason);
        let bundle: Bundle = serde_json::from_slice(bytes)
            .map_err(|_| unusable("the stored bundle is not one that this version reads"))?;
        if bundle.identifier.system != JOB_KEYS || bundle.identifier.value != parcel.job_key {
            return Err(unusable("the stored bundle belongs to another job"));
        }
        let mut puts = bundle.entry.iter().filter(|entry| entry.request.method == "PUT");
        let report = puts
            .find(|entry| report_id(&entry.request.url).is_some())
            .ok_or_else(|| unusable("the stored bundle writes no DiagnosticReport under an id of its own"))?;
        let resource = report.resource.as_ref();
        let subject = resource.map(|resource| &resource.subject).filter(|subject| {
            let identifier = subject.identifier.as_ref().and_then(|identifier| identifier.value.as_ref());
            subject.reference.is_some() || identifier.is_some()
        });
        let written = match release {
            FhirRelease::R4 => Cow::Borrowed(bytes),
            FhirRelease::R5 => Cow::Owned(
                in_r5(bytes).ok_or_else(|| unusable("the stored bundle is not one that R5 has words for"))?,
            ),
        };
        Ok(Self {
            bytes: written,
            report_url: report.request.url.clone(),
            job_key: parcel.job_key,
            entries: bundle.entry.len(),
            subject: subject.map(|subject| Subject { reference: subject.reference.clone() }),
            is_withdrawal: resource.and_then(|resource| resource.status.as_deref()) == Some(WITHDRAWN),
        })
    }

    /// A short pause before the transaction is sent again; it differs between jobs, so that two that got in each other's
    /// way do not meet again.
    pub(super) fn pause(&self, send: u32) -> Duration {
        let digits = job::digest(&["pause", self.job_key, &send.to_string()]);
        let spread = u64::from_str_radix(digits.get(..4).unwrap_or_default(), 16).unwrap_or_default();
        Duration::from_millis(50 * u64::from(send) + spread % 100)
    }
}

/// The id of `DiagnosticReport/<id>`, if it is a FHIR id.
fn report_id(url: &str) -> Option<&str> {
    let id = url.strip_prefix("DiagnosticReport/")?;
    let fits = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    ((1..=64).contains(&id.len()) && fits && id.bytes().any(|byte| byte != b'.')).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ledger::{JobState, ReportBytes};
    use crate::report::{fhir, html, sample};

    fn read(bundle: Option<Value>) -> Result<(String, usize), TerminalCode> {
        let bundle = bundle.map(|bundle| bundle.to_string().into_bytes());
        let report = ReportBytes {
            ends: JobState::Reported,
            outcome: "{}".into(),
            bundle,
            html: Vec::new(),
            sr: None,
            overlay: None,
            segmentation: None,
        };
        let parcel =
            Parcel { study_uid: "1.2", job_key: "j", report_key: "r", report: &report, sent_before: true };
        match Letter::of(&parcel, FhirRelease::R4) {
            Ok(letter) => Ok((letter.report_url, letter.entries)),
            Err(Trouble::Good { code, .. }) => Err(code),
            Err(Trouble::Now { code, .. }) => panic!("{code}"),
        }
    }

    fn bundle(job_key: &str, url: &str) -> Value {
        json!({
            "resourceType": "Bundle",
            "identifier": { "system": JOB_KEYS, "value": job_key },
            "entry": [
                { "request": { "method": "POST", "url": "ImagingStudy" } },
                { "resource": { "text": "x" }, "request": { "method": "PUT", "url": url } },
            ]
        })
    }

    #[test]
    fn a_bundle_of_this_job_is_read_and_no_other() {
        assert_eq!(read(Some(bundle("j", "DiagnosticReport/a-1"))), Ok(("DiagnosticReport/a-1".into(), 2)));
        assert_eq!(read(None), Err(TerminalCode::NoBundle));
        assert_eq!(read(Some(json!([]))), Err(TerminalCode::BundleUnusable));
        assert_eq!(read(Some(bundle("k", "DiagnosticReport/a-1"))), Err(TerminalCode::BundleUnusable));
        for url in [
            "DiagnosticReport/",
            "DiagnosticReport/..",
            "DiagnosticReport/a?b",
            "DiagnosticReport/a/b",
            "Task/a",
        ] {
            assert_eq!(read(Some(bundle("j", url))), Err(TerminalCode::BundleUnusable), "{url}");
        }
    }

    #[test]
    fn the_bundles_that_we_compose_are_read_and_their_report_carries_the_job_key() {
        for report in [sample::sample(), sample::refused()] {
            let bytes = fhir::bundle(&report, &html::page(&report)).unwrap();
            let bundle: Value = serde_json::from_slice(&bytes).unwrap();
            let entries = bundle["entry"].as_array().unwrap();
            let own = &entries[0]["resource"];
            assert_eq!(own["resourceType"], "DiagnosticReport");
            let keys = own["identifier"].as_array().unwrap();
            assert!(keys.contains(&json!({ "system": JOB_KEYS, "value": report.keys.job })), "{keys:?}");
            let stored = ReportBytes {
                ends: JobState::Reported,
                outcome: "{}".into(),
                bundle: Some(bytes),
                html: Vec::new(),
                sr: None,
                overlay: None,
                segmentation: None,
            };
            let parcel = Parcel {
                study_uid: "1.2",
                job_key: &report.keys.job,
                report_key: &report.keys.report,
                report: &stored,
                sent_before: false,
            };
            let letter = Letter::of(&parcel, FhirRelease::R4).ok().unwrap();
            assert_eq!(letter.report_url, format!("DiagnosticReport/{}", own["id"].as_str().unwrap()));
            assert_eq!(letter.entries, entries.len());
            assert!(letter.subject.is_some() && !letter.is_withdrawal);
        }
    }

    #[test]
    fn pauses_are_short_and_differ() {
        let letter = |job_key| Letter {
            bytes: Cow::Borrowed(b""),
            report_url: String::new(),
            job_key,
            entries: 0,
            subject: None,
            is_withdrawal: false,
        };
        let (one, other) = (letter("one"), letter("other"));
        assert_ne!(one.pause(1), other.pause(1));
        for send in 1..5 {
            assert!((50..350).contains(&one.pause(send).as_millis()));
        }
    }
}
