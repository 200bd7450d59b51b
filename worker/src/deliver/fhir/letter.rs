//! What has to be known of a bundle to send it: its report's place, its version, how many entries it has.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Found, Lies};
use super::ids::Ids;
use crate::config::site::FhirRelease;
use crate::deliver::trouble::Trouble;
use crate::deliver::{Parcel, TerminalCode};
use crate::job;
use crate::report::fhir::{
    Address, Earlier, JOB_KEYS, NewStudy, REPORT_KEYS, Subject, WITHDRAWN, in_r5, with_earlier,
    with_known_study, with_server_ids,
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
    /// Where in the bytes the request of the report begins, after its brace; `None` where they are no longer the stored ones.
    request_at: Option<usize>,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    identifier: Identifier,
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Identifier {
    system: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(default)]
    full_url: String,
    #[serde(borrow)]
    request: &'a RawValue,
    #[serde(default)]
    resource: Option<Resource>,
}

/// A bundle of which only the entries are counted.
#[derive(Deserialize)]
struct Counted {
    entry: Vec<IgnoredAny>,
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
    /// The parcel's bundle as it is stored. One that is not this very version of a report is not sent.
    pub(super) fn of(parcel: &Parcel<'a>) -> Result<Self, Trouble> {
        let Some(bytes) = parcel.report.bundle.as_deref() else {
            return Err(Trouble::good(
                TerminalCode::NoBundle,
                "the report has no FHIR bundle, only its page",
            ));
        };
        let address = match parcel.address {
            Some(known) if is_of(bytes, &known.job_key) => known.clone(),
            _ => read(bytes, parcel.report_key)?,
        };
        if address.job_key != parcel.job_key {
            return Err(unusable("the stored bundle belongs to another job"));
        }
        Ok(Self {
            bytes: Cow::Borrowed(bytes),
            report_url: address.report_url,
            report_token: format!("{REPORT_KEYS}|{}", address.report_key),
            job_key: parcel.job_key,
            entries: address.entries,
            subject: address.subject,
            is_withdrawal: address.is_withdrawal,
            study: address.study,
            request_at: address.request_at,
        })
    }

    /// The same as it is written to a server of this release: with what these earlier versions said taken back. It is made when it
    /// is known that the server does not hold this version yet.
    pub(super) fn written(self, earlier: &[Earlier], release: FhirRelease) -> Result<Self, Trouble> {
        if earlier.is_empty() && release == FhirRelease::R4 {
            return Ok(self);
        }
        let mut bytes = self.bytes;
        if !earlier.is_empty() {
            bytes = Cow::Owned(with_earlier(&bytes, earlier).ok_or_else(|| {
                unusable("the stored bundle has no Provenance that names what it replaces")
            })?);
        }
        let counted: Counted = serde_json::from_slice(&bytes)
            .map_err(|_| unusable("the stored bundle is not one that this version reads"))?;
        if release == FhirRelease::R5 {
            bytes = Cow::Owned(
                in_r5(&bytes)
                    .ok_or_else(|| unusable("the stored bundle is not one that R5 has words for"))?,
            );
        }
        Ok(Self { bytes, entries: counted.entry.len(), request_at: None, ..self })
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
            request_at: None,
        })
    }

    /// The bytes for a server where this lies now, with the one condition that the server is to look at while it writes: that the
    /// same still lies there. Where the server tells no version, there is no condition.
    pub(super) fn bytes_over(&self, lies: &Lies, ids: Ids) -> Result<Vec<u8>, Trouble> {
        let (written, place, known) = match (ids, lies.id.as_deref()) {
            (Ids::Ours, _) => (Cow::Borrowed(&*self.bytes), self.report_url.clone(), self.request_at),
            (Ids::Servers, id) => {
                let written = with_server_ids(&self.bytes, id);
                let written = written.ok_or_else(|| unusable("the stored bundle needs ids of its own"))?;
                let place = id.map_or("DiagnosticReport".to_owned(), |id| format!("DiagnosticReport/{id}"));
                (Cow::Owned(written), place, None)
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
        let at = known.or_else(|| request_at(&written, &place));
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

/// Whether a bundle begins as this program composes the one of this version.
fn is_of(bytes: &[u8], job_key: &str) -> bool {
    let begins =
        format!(r#"{{"resourceType":"Bundle","identifier":{{"system":"{JOB_KEYS}","value":"{job_key}"}}"#);
    bytes.starts_with(begins.as_bytes())
}

/// What a stored bundle is addressed by; `report_key` where its report has none.
fn read(bytes: &[u8], report_key: &str) -> Result<Address, Trouble> {
    let unread = || unusable("the stored bundle is not one that this version reads");
    let bundle: Bundle<'_> = serde_json::from_slice(bytes).map_err(|_| unread())?;
    if bundle.identifier.system != JOB_KEYS {
        return Err(unusable("the stored bundle belongs to another job"));
    }
    let requests = bundle.entry.iter().map(|entry| serde_json::from_str::<Request>(entry.request.get()));
    let requests: Vec<Request> = requests.collect::<Result<_, _>>().map_err(|_| unread())?;
    let (report, request) = bundle
        .entry
        .iter()
        .zip(&requests)
        .find(|(_, request)| request.method == "PUT" && report_id(&request.url).is_some())
        .ok_or_else(|| unusable("the stored bundle writes no DiagnosticReport under an id of its own"))?;
    let resource = report.resource.as_ref();
    let subject = resource.map(|resource| &resource.subject).filter(|subject| {
        let identifier = subject.identifier.as_ref().and_then(|identifier| identifier.value.as_ref());
        subject.reference.is_some() || identifier.is_some()
    });
    let own = resource.map(|resource| &resource.identifier).into_iter().flatten();
    let mut own = own.filter(|identifier| identifier.system.as_deref() == Some(REPORT_KEYS));
    Ok(Address {
        report_url: request.url.clone(),
        report_key: own.find_map(|own| own.value.as_deref()).unwrap_or(report_key).to_owned(),
        entries: bundle.entry.len(),
        subject: subject.map(|subject| Subject { reference: subject.reference.clone() }),
        is_withdrawal: resource.and_then(|resource| resource.status.as_deref()) == Some(WITHDRAWN),
        study: bundle.entry.iter().zip(&requests).find_map(|(entry, request)| new_study(entry, request)),
        request_at: after_brace(bytes, report.request.get()),
        job_key: bundle.identifier.value,
    })
}

fn new_study(entry: &Entry<'_>, request: &Request) -> Option<NewStudy> {
    let is_new = request.method == "POST" && request.url == "ImagingStudy";
    let token = request.if_none_exist.as_deref()?.strip_prefix("identifier=")?;
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
    after_brace(bundle, requests.entry.iter().find(of_place)?.request.get())
}

/// Where in a bundle the first byte after the brace of this request lies, which is a part of it.
fn after_brace(bundle: &[u8], request: &str) -> Option<usize> {
    let begins = request.as_ptr().addr().checked_sub(bundle.as_ptr().addr())?;
    (bundle.get(begins) == Some(&b'{')).then_some(begins + 1)
}

#[cfg(test)]
mod tests;
