//! A bundle that takes an earlier version of a report back: the report, and everything that was asserted in it, becomes
//! `entered-in-error` under its own ids.
//!
//! What is taken back is read from the stored bundle of that version and from nothing else: its images may be gone.

use serde_json::Value;

use super::taken_back::{self, Why};
use super::{BundleError, terms};
use crate::report::document::{Report, Subject};
use crate::report::language::Language;

/// What the stored bundle of a report says, as far as a withdrawal rests on it.
#[derive(Clone)]
pub struct Stored(Value);

impl Stored {
    /// Reads a stored bundle; `None` where it is none.
    pub fn read(bundle: &[u8]) -> Option<Self> {
        let bundle: Value = serde_json::from_slice(bundle).ok()?;
        let is_ours = bundle["resourceType"] == "Bundle"
            && bundle["entry"][0]["resource"]["resourceType"] == "DiagnosticReport";
        is_ours.then_some(Self(bundle))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["entry"].as_array().into_iter().flatten()
    }

    fn report(&self) -> &Value {
        &self.0["entry"][0]["resource"]
    }

    /// The models and the program that took part, as `NAME@VERSION#DIGEST` and `NAME@VERSION`.
    pub fn models(&self) -> Vec<&str> {
        let devices = self.entries().filter(|entry| entry["resource"]["resourceType"] == "Device");
        let identifiers = devices.filter_map(|entry| entry["resource"]["identifier"].as_array()).flatten();
        let models = identifiers.filter(|identifier| identifier["system"] == terms::MODELS);
        models.filter_map(|identifier| identifier["value"].as_str()).collect()
    }

    /// The language that it is written in.
    pub fn language(&self) -> Language {
        self.report()["language"].as_str().and_then(|tag| tag.parse().ok()).unwrap_or_default()
    }

    /// True where this is a withdrawal itself.
    pub fn is_withdrawal(&self) -> bool {
        self.report()["status"] == terms::WITHDRAWN
    }

    /// Index time t0, where the images stated one; else when the report was issued.
    pub fn effective(&self) -> Option<jiff::Timestamp> {
        self.report()["effectiveDateTime"].as_str()?.parse().ok()
    }

    /// Modalities of the study.
    pub fn modalities(&self) -> Vec<String> {
        let study = self.entries().find(|entry| entry["resource"]["resourceType"] == "ImagingStudy");
        let codes = study.and_then(|entry| entry["resource"]["modality"].as_array()).into_iter().flatten();
        codes.filter_map(|modality| modality["code"].as_str()).map(str::to_owned).collect()
    }

    /// SOP Instance UIDs of the images and documents that it was made from.
    pub fn instances(&self) -> Vec<&str> {
        let provenance = self.entries().filter(|entry| entry["resource"]["resourceType"] == "Provenance");
        let entities = provenance.filter_map(|entry| entry["resource"]["entity"].as_array()).flatten();
        let identifiers = entities.map(|entity| &entity["what"]["identifier"]);
        let uids = identifiers.filter(|identifier| identifier["system"] == terms::DICOM_UID);
        uids.filter_map(|identifier| identifier["value"].as_str()?.strip_prefix("urn:oid:")).collect()
    }

    /// How the person was referred to.
    pub fn subject(&self) -> Subject {
        let subject = &self.report()["subject"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(reference) = text(&subject["reference"]) {
            return Subject::Reference(reference);
        }
        let identifier = &subject["identifier"];
        match text(&identifier["value"]) {
            // a record's patient whose reference could not be followed was written as an identifier of ours alone
            Some(value) => Subject::Identifier {
                system: text(&identifier["system"]),
                assigner: text(&identifier["assigner"]["display"]),
                value,
            },
            None => Subject::Unidentified,
        }
    }
}

/// Writes the bundle of a withdrawal: the same report and stored bundle give the same bytes.
pub fn withdrawal(report: &Report, page: &str, stored: &Stored) -> Result<Vec<u8>, BundleError> {
    let own = super::bundle(report, page)?;
    let mut bundle: Value = serde_json::from_slice(&own).map_err(BundleError::Json)?;
    let known: Vec<Value> =
        bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["fullUrl"].clone()).collect();
    let (mut asserted, mut more) = (Vec::new(), Vec::new());
    for entry in stored.entries().filter(|entry| !known.contains(&entry["fullUrl"])) {
        match entry["resource"]["resourceType"].as_str() {
            Some("Observation" | "RiskAssessment" | "DocumentReference")
                if taken_back::is_asserted(entry) =>
            {
                asserted.push(taken_back::reference(entry));
                more.push(taken_back::entry(report.language, entry, Why::Withdrawn));
            }
            // named by what is taken back
            Some("Device" | "DocumentReference") => more.push(entry.clone()),
            _ => {}
        }
    }
    for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
        let resource = &mut entry["resource"];
        match resource["resourceType"].as_str() {
            // what the withdrawn version held together stays together
            Some("DiagnosticReport") => {
                for member in ["result", "extension"] {
                    if let Some(stored) = stored.report().get(member) {
                        resource[member] = stored.clone();
                    }
                }
            }
            Some("Provenance") => {
                if let Some(targets) = resource["target"].as_array_mut() {
                    targets.append(&mut asserted);
                }
            }
            _ => {}
        }
    }
    if let Some(entries) = bundle["entry"].as_array_mut() {
        entries.append(&mut more);
    }
    let mut json = serde_json::to_vec(&bundle).map_err(BundleError::Json)?;
    json.push(b'\n');
    Ok(json)
}
