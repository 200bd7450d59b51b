//! The bundle for a server that lets nobody choose ids: each resource of ours is created where the server has none of its identifier,
//! and the server gives it an id. Pure: the same bundle gives the same bytes.
//!
//! What a resource is called is its `urn:uuid:` as an identifier; a Provenance, which has none in R4, is called by a tag. References
//! inside the bundle are `fullUrl`s, which the server makes its own ids of
//! (<http://hl7.org/fhir/R4/http.html#trules>, <http://hl7.org/fhir/R4/http.html#ccreate>).

use serde_json::{Map, Value, json};

use super::{taken_back, terms};

/// The stored bundle without ids of ours. Where the server has the report already, `report` is the id under which: it gets a new
/// version. What is taken back, or asserted by a version of a report that
/// is there, is changed where it is found by its identifier. `None` where the bundle is none of ours.
pub fn with_server_ids(bundle: &[u8], report: Option<&str>) -> Option<Vec<u8>> {
    let mut bundle: Value = serde_json::from_slice(bundle).ok()?;
    for entry in bundle.get_mut("entry")?.as_array_mut()? {
        if entry["request"]["method"] != "PUT" {
            continue;
        }
        let is_asserted = taken_back::is_asserted(entry);
        let entry = entry.as_object_mut()?;
        let full_url = entry.get("fullUrl")?.as_str()?.to_owned();
        let resource = entry.get_mut("resource")?.as_object_mut()?;
        let kind = resource.get("resourceType")?.as_str()?.to_owned();
        resource.remove("id");
        let request = match (kind.as_str(), report) {
            ("DiagnosticReport", Some(id)) => {
                resource.insert("id".to_owned(), id.into());
                json!({ "method": "PUT", "url": format!("DiagnosticReport/{id}") })
            }
            ("DiagnosticReport", None) => {
                let key = value_of(resource, terms::REPORT_KEYS)?;
                let condition = format!("identifier={}|{key}", terms::REPORT_KEYS);
                json!({ "method": "POST", "url": kind, "ifNoneExist": condition })
            }
            _ => {
                let condition = called(resource, &kind, &full_url)?;
                // what this version asserts may lie there taken back, where it is the newest again
                let is_again = is_asserted && report.is_some();
                if is_again || resource.get("status").is_some_and(taken_back::is_taken_back) {
                    json!({ "method": "PUT", "url": format!("{kind}?{condition}") })
                } else {
                    json!({ "method": "POST", "url": kind, "ifNoneExist": condition })
                }
            }
        };
        entry.insert("request".to_owned(), request);
    }
    let mut json = serde_json::to_vec(&bundle).ok()?;
    json.push(b'\n');
    Some(json)
}

/// Gives a resource its name, where it does not have it, and the search for that.
fn called(resource: &mut Map<String, Value>, kind: &str, full_url: &str) -> Option<String> {
    let (list, name, condition) = if kind == "Provenance" {
        let meta = resource.entry("meta").or_insert_with(|| json!({})).as_object_mut()?;
        let tags = meta.entry("tag").or_insert_with(|| json!([])).as_array_mut()?;
        (tags, json!({ "system": terms::URI, "code": full_url }), "_tag")
    } else {
        let identifiers = resource.entry("identifier").or_insert_with(|| json!([])).as_array_mut()?;
        (identifiers, json!({ "system": terms::URI, "value": full_url }), "identifier")
    };
    if !list.contains(&name) {
        list.push(name);
    }
    Some(format!("{condition}={}|{full_url}", terms::URI))
}

/// The value of a resource's identifier in a system.
fn value_of(resource: &Map<String, Value>, system: &str) -> Option<String> {
    let identifiers = resource.get("identifier")?.as_array()?;
    let own = identifiers.iter().find(|identifier| identifier["system"] == system)?;
    own["value"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fhir, html, sample};

    fn read(bytes: &[u8]) -> Vec<Value> {
        let bundle: Value = serde_json::from_slice(bytes).unwrap();
        bundle["entry"].as_array().unwrap().clone()
    }

    #[test]
    fn every_resource_of_ours_is_created_once_by_a_name_of_its_own() {
        for report in [sample::sample(), sample::refused()] {
            let stored = fhir::bundle(&report, &html::page(&report)).unwrap();
            let written = with_server_ids(&stored, None).unwrap();
            assert_eq!(with_server_ids(&stored, None), Some(written.clone()), "the same bytes");
            let (before, after) = (read(&stored), read(&written));
            assert_eq!(before.len(), after.len());
            let mut conditions = Vec::new();
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(before["fullUrl"], after["fullUrl"]);
                let (kind, request) = (&after["resource"]["resourceType"], &after["request"]);
                assert_eq!((&request["method"], &request["url"]), (&"POST".into(), kind));
                let condition = request["ifNoneExist"].as_str().unwrap();
                conditions.push(format!("{kind} {condition}"));
                let name = condition.rsplit('|').next().unwrap();
                let resource = &after["resource"];
                let named = [&resource["identifier"], &resource["meta"]["tag"]];
                let names = named.into_iter().filter_map(Value::as_array).flatten();
                assert!(names.clone().any(|one| one["value"] == name || one["code"] == name), "{condition}");
                if kind == "ImagingStudy" {
                    assert_eq!(before, after, "it was created so before");
                    continue;
                }
                assert!(resource.get("id").is_none());
                let without = |resource: &Value| {
                    let mut resource = resource.as_object().unwrap().clone();
                    for name in ["id", "identifier", "meta"] {
                        resource.remove(name);
                    }
                    resource
                };
                assert_eq!(without(&before["resource"]), without(resource), "nothing else is changed");
            }
            let all = conditions.len();
            conditions.sort();
            conditions.dedup();
            assert_eq!(conditions.len(), all);
        }
    }

    #[test]
    fn a_report_that_is_there_gets_a_version_and_what_is_taken_back_is_changed_where_it_lies() {
        let report = sample::sample();
        let stored = fhir::bundle(&report, &html::page(&report)).unwrap();
        let after = read(&with_server_ids(&stored, Some("17")).unwrap());
        assert_eq!(after[0]["request"], json!({ "method": "PUT", "url": "DiagnosticReport/17" }));
        assert_eq!(after[0]["resource"]["id"], "17");
        // a version that is the newest again finds its own taken back
        let mut asserted = after.iter().filter(|one| taken_back::is_asserted(one)).peekable();
        assert!(asserted.peek().is_some());
        assert!(asserted.all(|one| one["request"]["method"] == "PUT"));
        let mut bundle: Value = serde_json::from_slice(&stored).unwrap();
        let taken_back = bundle["entry"].as_array_mut().unwrap();
        let observation =
            taken_back.iter_mut().find(|one| one["resource"]["resourceType"] == "Observation").unwrap();
        observation["resource"]["status"] = terms::WITHDRAWN.into();
        let name = observation["fullUrl"].as_str().unwrap().to_owned();
        let after = read(&with_server_ids(bundle.to_string().as_bytes(), Some("17")).unwrap());
        let observation = after.iter().find(|one| one["fullUrl"] == name.as_str()).unwrap();
        let url = format!("Observation?identifier=urn:ietf:rfc:3986|{name}");
        assert_eq!(observation["request"], json!({ "method": "PUT", "url": url }));
    }

    #[test]
    fn what_is_no_bundle_of_ours_has_no_such_form() {
        for none in [&b"[]"[..], b"", b"{}", br#"{"entry":[{"request":{"method":"PUT"}}]}"#] {
            assert_eq!(with_server_ids(none, None), None);
        }
    }
}
