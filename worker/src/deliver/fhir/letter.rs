//! What has to be known of a bundle to send it: its report's place, its version, how many entries it has.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Found, Lies};
use super::ids::Ids;
use super::patient::Subject;
use crate::config::site::FhirRelease;
use crate::deliver::trouble::Trouble;
use crate::deliver::{Parcel, TerminalCode};
use crate::job;
use crate::report::fhir::{
    JOB_KEYS, REPORT_KEYS, WITHDRAWN, in_r5, with_earlier, with_known_study, with_server_ids,
};

/// A bundle ready to send.
pub(super) struct Letter<'a> {
    /// The bundle: untouched, or with what earlier versions said taken back, or in the server's release.
    pub(super) bytes: Cow<'a, [u8]>,
    /// `DiagnosticReport/<id>` with the id that the report has from us.
    pub(super) report_url: String,
    /// The search token of the report's own identifier, the report key R.
    pub(super) report_token: String,
    /// The job key J.
    pub(super) job_key: &'a str,
    /// Number of entries.
    pub(super) entries: usize,
    /// Whom the report is about; `None` where it names nobody.
    pub(super) subject: Option<Subject>,
    /// Whether it takes an earlier version back (`entered-in-error`).
    pub(super) is_withdrawal: bool,
    /// The ImagingStudy that is created where the server has none.
    study: Option<NewStudy>,
}

/// An entry that creates a study.
struct NewStudy {
    full_url: String,
    /// The search token of its identifier.
    token: String,
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
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    full_url: String,
    request: Request,
    #[serde(default)]
    resource: Option<Resource>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    status: Option<String>,
    subject: Reference,
    identifier: Vec<ReferredIdentifier>,
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
    system: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    if_none_exist: Option<String>,
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
        let bytes = match parcel.earlier {
            [] => Cow::Borrowed(bytes),
            earlier => Cow::Owned(with_earlier(bytes, earlier).ok_or_else(|| {
                unusable("the stored bundle has no Provenance that names what it replaces")
            })?),
        };
        let bundle: Bundle = serde_json::from_slice(&bytes)
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
        let own = resource.map(|resource| &resource.identifier).into_iter().flatten();
        let mut own = own.filter(|identifier| identifier.system.as_deref() == Some(REPORT_KEYS));
        let report_key = own.find_map(|own| own.value.as_deref()).unwrap_or(parcel.report_key);
        let written = match release {
            FhirRelease::R4 => bytes,
            FhirRelease::R5 => Cow::Owned(
                in_r5(&bytes)
                    .ok_or_else(|| unusable("the stored bundle is not one that R5 has words for"))?,
            ),
        };
        Ok(Self {
            bytes: written,
            report_url: report.request.url.clone(),
            report_token: format!("{REPORT_KEYS}|{report_key}"),
            job_key: parcel.job_key,
            entries: bundle.entry.len(),
            subject: subject.map(|subject| Subject { reference: subject.reference.clone() }),
            is_withdrawal: resource.and_then(|resource| resource.status.as_deref()) == Some(WITHDRAWN),
            study: bundle.entry.iter().find_map(new_study),
        })
    }

    /// The search token of the study that it creates where the server has none.
    pub(super) fn study(&self) -> Option<&str> {
        self.study.as_ref().map(|study| study.token.as_str())
    }

    /// The same with a study that is there, `ImagingStudy/<id>`, instead of one of its own.
    pub(super) fn with_known_study(&self, place: &str) -> Option<Letter<'a>> {
        let study = self.study.as_ref()?;
        let bytes = with_known_study(&self.bytes, &study.full_url, place)?;
        Some(Letter {
            bytes: Cow::Owned(bytes),
            report_url: self.report_url.clone(),
            report_token: self.report_token.clone(),
            job_key: self.job_key,
            entries: self.entries.checked_sub(1)?,
            subject: self.subject.clone(),
            is_withdrawal: self.is_withdrawal,
            study: None,
        })
    }

    /// The bytes for a server where this lies now, with the one condition that the server is to look at while it writes: that the
    /// same still lies there. Where the server tells no version, there is no condition.
    pub(super) fn bytes_over(&self, lies: &Lies, ids: Ids) -> Result<Vec<u8>, Trouble> {
        let (written, place) = match (ids, lies.id.as_deref()) {
            (Ids::Ours, _) => (Cow::Borrowed(&*self.bytes), self.report_url.clone()),
            (Ids::Servers, id) => {
                let written = with_server_ids(&self.bytes, id);
                let written = written.ok_or_else(|| unusable("the stored bundle needs ids of its own"))?;
                let place = id.map_or("DiagnosticReport".to_owned(), |id| format!("DiagnosticReport/{id}"));
                (Cow::Owned(written), place)
            }
        };
        let condition = match (&lies.found, ids) {
            (Found::Nothing, Ids::Ours) => r#""ifNoneMatch":"*","#.to_owned(),
            (Found::Another { version: Some(version) }, _) => format!(r#""ifMatch":"W/\"{version}\"","#),
            // what is created where there is none has its condition in its request
            (Found::Nothing, Ids::Servers) | (Found::This | Found::Another { version: None }, _) => {
                return Ok(written.into_owned());
            }
        };
        let at = request_at(&written, &place);
        let at =
            at.ok_or_else(|| unusable("the request of its DiagnosticReport is not found in the bundle"))?;
        let (before, after) = written.split_at(at);
        Ok([before, condition.as_bytes(), after].concat())
    }

    /// A short pause before the transaction is sent again; it differs between jobs, so that two that got in each other's
    /// way do not meet again.
    pub(super) fn pause(&self, send: u32) -> Duration {
        let digits = job::digest(&["pause", self.job_key, &send.to_string()]);
        let spread = u64::from_str_radix(digits.get(..4).unwrap_or_default(), 16).unwrap_or_default();
        Duration::from_millis(50 * u64::from(send) + spread % 100)
    }
}

fn new_study(entry: &Entry) -> Option<NewStudy> {
    let is_new = entry.request.method == "POST" && entry.request.url == "ImagingStudy";
    let token = entry.request.if_none_exist.as_deref()?.strip_prefix("identifier=")?;
    is_new.then(|| NewStudy { full_url: entry.full_url.clone(), token: token.to_owned() })
}

fn unusable(reason: &str) -> Trouble {
    Trouble::good(TerminalCode::BundleUnusable, reason)
}

/// The id of `DiagnosticReport/<id>`, if it is a FHIR id.
fn report_id(url: &str) -> Option<&str> {
    url.strip_prefix("DiagnosticReport/").filter(|id| is_id(id))
}

/// Whether this is a FHIR id (<http://hl7.org/fhir/R4/datatypes.html#id>) that stays one segment of an address.
pub(super) fn is_id(text: &str) -> bool {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    (1..=64).contains(&text.len()) && fits && text.bytes().any(|byte| byte != b'.')
}

#[derive(Deserialize)]
struct Requests<'a> {
    #[serde(borrow)]
    entry: Vec<Requested<'a>>,
}

#[derive(Deserialize)]
struct Requested<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Where in a bundle the request for this place begins, after its brace.
fn request_at(bundle: &[u8], place: &str) -> Option<usize> {
    let requests: Requests<'_> = serde_json::from_slice(bundle).ok()?;
    let of_place = |requested: &&Requested<'_>| {
        serde_json::from_str::<Request>(requested.request.get()).is_ok_and(|request| request.url == place)
    };
    let request = requests.entry.iter().find(of_place)?.request.get();
    let begins = request.as_ptr().addr().checked_sub(bundle.as_ptr().addr())?;
    (bundle.get(begins) == Some(&b'{')).then_some(begins + 1)
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
        let parcel = Parcel {
            study_uid: "1.2",
            job_key: "j",
            report_key: "r",
            report: &report,
            earlier: &[],
            sent_before: true,
        };
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
                earlier: &[],
                sent_before: false,
            };
            let letter = Letter::of(&parcel, FhirRelease::R4).ok().unwrap();
            assert_eq!(letter.report_url, format!("DiagnosticReport/{}", own["id"].as_str().unwrap()));
            assert_eq!(letter.entries, entries.len());
            assert!(letter.subject.is_some() && !letter.is_withdrawal);
        }
    }

    #[test]
    fn the_condition_is_all_that_differs_from_the_stored_bytes() {
        let stored = bundle("j", "DiagnosticReport/a-1");
        let report = ReportBytes {
            ends: JobState::Reported,
            outcome: "{}".into(),
            bundle: Some(serde_json::to_vec_pretty(&stored).unwrap()),
            html: Vec::new(),
            sr: None,
            overlay: None,
            segmentation: None,
        };
        let parcel = Parcel {
            study_uid: "1.2",
            job_key: "j",
            report_key: "r",
            report: &report,
            earlier: &[],
            sent_before: true,
        };
        for release in [FhirRelease::R4, FhirRelease::R5] {
            let Ok(letter) = Letter::of(&parcel, release) else { continue };
            let cases = [
                (Found::Nothing, r#""ifNoneMatch":"*","#, json!({ "ifNoneMatch": "*" })),
                (
                    Found::Another { version: Some("7".into()) },
                    r#""ifMatch":"W/\"7\"","#,
                    json!({ "ifMatch": "W/\"7\"" }),
                ),
                (Found::Another { version: None }, "", json!({})),
                (Found::This, "", json!({})),
            ];
            for (found, text, members) in cases {
                let lies = Lies { found, id: None };
                let sent = letter.bytes_over(&lies, Ids::Ours).ok().unwrap();
                let sent = String::from_utf8(sent).unwrap();
                assert_eq!(sent.replacen(text, "", 1).as_bytes(), &*letter.bytes, "{lies:?}");
                let mut request = json!({ "method": "PUT", "url": "DiagnosticReport/a-1" });
                request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
                let sent: Value = serde_json::from_str(&sent).unwrap();
                assert_eq!(sent["entry"][1]["request"], request, "{lies:?}");
            }
        }
    }

    #[test]
    fn pauses_are_short_and_differ() {
        let letter = |job_key| Letter {
            bytes: Cow::Borrowed(b""),
            report_url: String::new(),
            report_token: String::new(),
            job_key,
            entries: 0,
            subject: None,
            is_withdrawal: false,
            study: None,
        };
        let (one, other) = (letter("one"), letter("other"));
        assert_ne!(one.pause(1), other.pause(1));
        for send in 1..5 {
            assert!((50..350).contains(&one.pause(send).as_millis()));
        }
    }
}
