//! The bundle for a server that may hold earlier versions of the report: what they asserted is taken back in the same transaction.
//!
//! All versions are one DiagnosticReport, which the newest overwrites. Their findings, risks and pictures have ids of their own
//! version each, and would lie there as if they still held. Which versions that are is known when the report is sent and not when
//! it is composed: a version that was replaced becomes the newest again when its study is submitted again as it was. Pure: the
//! same versions give the same bytes.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::references;
use super::taken_back::{self, Why};
use super::withdrawal::Stored;
use crate::report::language::Language;

/// An earlier version of a report that a target may hold.
#[derive(Clone)]
pub struct Earlier {
    /// Its job key J.
    pub job_key: String,
    /// What it said, as the ledger stores it.
    pub said: Stored,
}

impl fmt::Debug for Earlier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Earlier").field("job_key", &self.job_key).finish_non_exhaustive()
    }
}

/// The stored bundle, with what these versions asserted taken back and its Provenance saying so: they are its targets too, and each
/// version is an entity whose revision this one is. `None` where the bundle is none of ours.
pub fn with_earlier(bundle: &[u8], earlier: &[Earlier]) -> Option<Vec<u8>> {
    let mut bundle: Value = serde_json::from_slice(bundle).ok()?;
    let entries = bundle.get_mut("entry")?.as_array_mut()?;
    let report = &entries.first()?["resource"];
    let language: Language = report["language"].as_str().and_then(|tag| tag.parse().ok()).unwrap_or_default();
    let mut known: BTreeSet<String> =
        entries.iter().filter_map(|entry| entry["fullUrl"].as_str()).map(str::to_owned).collect();
    let (mut targets, mut more, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for version in earlier {
        versions.push(revised(&version.job_key)?);
        for entry in version.said.entries() {
            let kind = entry["resource"]["resourceType"].as_str();
            let is_named = matches!(kind, Some("Device" | "DocumentReference"));
            let is_asserted = taken_back::is_asserted(entry);
            if !(is_asserted || is_named) || taken_back::is_taken_back(&entry["resource"]["status"]) {
                continue;
            }
            if !known.insert(entry["fullUrl"].as_str()?.to_owned()) {
                continue;
            }
            if is_asserted {
                targets.push(taken_back::reference(entry));
                more.push(taken_back::entry(language, entry, Why::Replaced));
            } else {
                more.push(entry.clone());
            }
        }
    }
    let provenance = entries
        .iter_mut()
        .find(|entry| entry["resource"]["resourceType"] == "Provenance")?
        .get_mut("resource")?;
    provenance.get_mut("target")?.as_array_mut()?.append(&mut targets);
    let inputs = provenance.get_mut("entity")?.as_array_mut()?;
    // a withdrawal names the version that it takes back already
    versions.retain(|version| {
        inputs.iter().all(|input| input["what"]["identifier"] != version["what"]["identifier"])
    });
    inputs.append(&mut versions);
    entries.append(&mut more);
    let mut json = serde_json::to_vec(&bundle).ok()?;
    json.push(b'\n');
    Some(json)
}

/// The version that is revised, as an entity of the Provenance
/// (<http://hl7.org/fhir/R4/codesystem-provenance-entity-role.html>).
fn revised(job_key: &str) -> Option<Value> {
    Some(json!({ "role": "revision", "what": serde_json::to_value(references::version(job_key)).ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::Report;
    use crate::report::{fhir, html, sample};

    fn version(job: &str) -> Report {
        let mut report = sample::sample();
        report.keys.job = job.to_owned();
        report
    }

    fn stored(report: &Report) -> Vec<u8> {
        fhir::bundle(report, &html::page(report)).unwrap()
    }

    fn earlier(report: &Report) -> Earlier {
        Earlier { job_key: report.keys.job.clone(), said: Stored::read(&stored(report)).unwrap() }
    }

    fn entries(bundle: &[u8]) -> Vec<Value> {
        let bundle: Value = serde_json::from_slice(bundle).unwrap();
        bundle["entry"].as_array().unwrap().clone()
    }

    fn asserted(entries: &[Value]) -> BTreeSet<String> {
        let asserted = entries.iter().filter(|entry| taken_back::is_asserted(entry));
        asserted.map(|entry| entry["fullUrl"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_the_earlier_versions_said_is_taken_back_and_nothing_of_this_one() {
        let (first, second, third) = (version("first"), version("second"), version("third"));
        let alone = entries(&stored(&third));
        let bytes = with_earlier(&stored(&third), &[earlier(&second), earlier(&first)]).unwrap();
        assert_eq!(with_earlier(&stored(&third), &[earlier(&second), earlier(&first)]).unwrap(), bytes);
        let all = entries(&bytes);
        for (before, after) in alone.iter().zip(&all) {
            if before["resource"]["resourceType"] != "Provenance" {
                assert_eq!(before, after);
            }
        }
        let before: BTreeSet<String> =
            [&first, &second].into_iter().flat_map(|one| asserted(&entries(&stored(one)))).collect();
        let more = &all[alone.len()..];
        assert_eq!(asserted(more), before, "each of them, and once");
        for entry in more {
            let (kind, status) = (&entry["resource"]["resourceType"], &entry["resource"]["status"]);
            let expected = if kind == "DocumentReference" { "superseded" } else { "entered-in-error" };
            assert_eq!(status, expected, "{kind}");
            let text = entry["resource"]["text"]["div"].as_str().unwrap();
            assert!(text.contains("newer version"), "{text}");
        }
        let provenance = all.iter().find(|entry| entry["resource"]["resourceType"] == "Provenance").unwrap();
        let provenance = &provenance["resource"];
        let targets = provenance["target"].as_array().unwrap();
        for url in &before {
            assert!(targets.iter().any(|target| target["reference"] == url.as_str()), "{url}");
        }
        let entities = provenance["entity"].as_array().unwrap();
        let revised: Vec<&Value> = entities.iter().filter(|entity| entity["role"] == "revision").collect();
        let keys: Vec<&Value> = revised.iter().map(|entity| &entity["what"]["identifier"]["value"]).collect();
        assert_eq!(keys, ["second", "first"]);
    }

    #[test]
    fn what_was_taken_back_before_is_left_and_another_models_device_comes_along() {
        let mut first = version("first");
        first.models[0].digest = "another".into();
        let second = version("second");
        let both = with_earlier(&stored(&second), &[earlier(&first)]).unwrap();
        let device = |entries: &[Value]| {
            entries.iter().filter(|one| one["resource"]["resourceType"] == "Device").count()
        };
        assert_eq!(device(&entries(&both)), device(&entries(&stored(&second))) + 1);
        let third = version("third");
        let after = Earlier { job_key: "second".into(), said: Stored::read(&both).unwrap() };
        let sent = entries(&with_earlier(&stored(&third), &[after]).unwrap());
        let of_first = asserted(&entries(&stored(&first)));
        assert!(asserted(&sent).is_disjoint(&of_first), "the second version took it back");
        assert!(asserted(&entries(&stored(&second))).is_subset(&asserted(&sent)));
    }

    #[test]
    fn a_version_that_comes_again_asserts_its_own() {
        let (first, second) = (version("first"), version("second"));
        let again = entries(&with_earlier(&stored(&first), &[earlier(&second)]).unwrap());
        let of_first = asserted(&entries(&stored(&first)));
        for entry in again.iter().filter(|one| of_first.contains(one["fullUrl"].as_str().unwrap())) {
            assert!(!taken_back::is_taken_back(&entry["resource"]["status"]));
        }
    }

    #[test]
    fn servers_with_ids_of_their_own_and_of_r5_are_told_too() {
        let (first, second) = (version("first"), version("second"));
        let bytes = with_earlier(&stored(&second), &[earlier(&first)]).unwrap();
        let of_first = asserted(&entries(&stored(&first)));
        let written = entries(&fhir::with_server_ids(&bytes, Some("17")).unwrap());
        for entry in written.iter().filter(|one| of_first.contains(one["fullUrl"].as_str().unwrap())) {
            assert_eq!(entry["request"]["method"], "PUT", "{entry}");
            assert!(entry["request"]["url"].as_str().unwrap().contains("?identifier="));
        }
        let r5 = entries(&fhir::in_r5(&bytes).unwrap());
        assert!(of_first.is_subset(&asserted(&r5)));
    }

    #[test]
    fn what_is_no_bundle_of_ours_has_no_such_form() {
        for none in [&b"[]"[..], b"", b"{}", br#"{"entry":[]}"#, br#"{"entry":[{"resource":{}}]}"#] {
            assert_eq!(with_earlier(none, &[]), None);
        }
    }
}
