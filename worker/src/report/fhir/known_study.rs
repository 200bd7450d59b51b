//! The bundle for a server that has several ImagingStudies of the study: it can create none "where there is none", and refuses the
//! whole transaction (412). Then the report refers to one that is there. Pure: the same bundle and place give the same bytes.

use serde_json::Value;

/// The stored bundle without the entry of this `fullUrl`; what referred to it refers to `place`. `None` where the bundle is none of
/// ours, or has no such entry.
pub fn with_known_study(bundle: &[u8], full_url: &str, place: &str) -> Option<Vec<u8>> {
    let mut bundle: Value = serde_json::from_slice(bundle).ok()?;
    let entries = bundle.get_mut("entry")?.as_array_mut()?;
    let all = entries.len();
    entries.retain(|entry| entry["fullUrl"] != full_url);
    if entries.len() + 1 != all {
        return None;
    }
    refer(&mut bundle, full_url, place);
    let mut json = serde_json::to_vec(&bundle).ok()?;
    json.push(b'\n');
    Some(json)
}

fn refer(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "reference" && *member == from {
                    *member = to.into();
                } else {
                    refer(member, from, to);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fhir, html, sample};

    #[test]
    fn the_study_is_another_and_all_else_stays() {
        let report = sample::sample();
        let stored = fhir::bundle(&report, &html::page(&report)).unwrap();
        let read = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
        let before = read(&stored);
        let entries = before["entry"].as_array().unwrap();
        let study = entries.iter().find(|one| one["resource"]["resourceType"] == "ImagingStudy").unwrap();
        let full_url = study["fullUrl"].as_str().unwrap();
        let written = with_known_study(&stored, full_url, "ImagingStudy/7").unwrap();
        assert_eq!(
            with_known_study(&stored, full_url, "ImagingStudy/7"),
            Some(written.clone()),
            "the same bytes"
        );
        let text = String::from_utf8(written.clone()).unwrap();
        assert!(!text.contains(full_url) && text.contains("ImagingStudy/7"));
        let after = read(&written);
        assert_eq!(after["entry"].as_array().unwrap().len(), entries.len() - 1);
        assert_eq!(after["entry"][0]["resource"]["imagingStudy"][0]["reference"], "ImagingStudy/7");
        let back = text.replace("ImagingStudy/7", full_url);
        let mut back: Value = serde_json::from_str(&back).unwrap();
        let place = entries.iter().position(|one| one == study).unwrap();
        back["entry"].as_array_mut().unwrap().insert(place, study.clone());
        assert_eq!(back, before);
        assert_eq!(with_known_study(&stored, "urn:uuid:none", "ImagingStudy/7"), None);
        assert_eq!(with_known_study(b"[]", full_url, "ImagingStudy/7"), None);
    }
}
