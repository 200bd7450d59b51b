//! The bundle in FHIR R5 (5.0.0), made from the stored R4 bundle: what a report says has one source, and a server that speaks
//! R5 is given the same report in its words. Pure: the same bundle gives the same bytes.
//!
//! Only what differs for the resources that a bundle of ours holds is changed
//! (<http://hl7.org/fhir/R5/diff.html>, and the page of each resource); everything else is the same in both.

use serde_json::{Map, Value, json};

use super::terms;

/// The R5 form of a stored bundle of ours; `None` where it is none.
pub fn in_r5(bundle: &[u8]) -> Option<Vec<u8>> {
    let mut bundle: Value = serde_json::from_slice(bundle).ok()?;
    if bundle["resourceType"] != "Bundle" {
        return None;
    }
    for entry in bundle["entry"].as_array_mut()? {
        let resource = entry["resource"].as_object_mut()?;
        let kind = resource.get("resourceType")?.as_str()?.to_owned();
        match kind.as_str() {
            // <http://hl7.org/fhir/R5/diagnosticreport.html>: studies of other kinds have their place there too
            "DiagnosticReport" => renamed(resource, "imagingStudy", "study"),
            "ImagingStudy" => imaging_study(resource),
            "Device" => device(resource),
            "Provenance" => provenance(resource),
            "Task" => task(resource),
            _ => {}
        }
        sizes(&mut entry["resource"]);
    }
    let mut json = serde_json::to_vec(&bundle).ok()?;
    json.push(b'\n');
    Some(json)
}

/// <http://hl7.org/fhir/R5/imagingstudy.html>: modalities are concepts.
fn imaging_study(study: &mut Map<String, Value>) {
    let concept = |coding: Value| json!({ "coding": [coding] });
    changed(study, "modality", |modalities| each(modalities, concept));
    for series in study.get_mut("series").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(series) = series.as_object_mut() {
            changed(series, "modality", concept);
        }
    }
}

/// <http://hl7.org/fhir/R5/device.html>: names have a value, and other kinds; a device can be of several types.
fn device(device: &mut Map<String, Value>) {
    renamed(device, "deviceName", "name");
    changed(device, "name", |names| {
        each(names, |name| json!({ "value": name["name"], "type": "user-friendly-name" }))
    });
    changed(device, "type", |kind| json!([kind]));
}

/// <http://hl7.org/fhir/R5/provenance.html>: why it was done is what authorised it, and what a model card is to what was
/// made with it has a word of its own.
fn provenance(provenance: &mut Map<String, Value>) {
    renamed(provenance, "reason", "authorization");
    changed(provenance, "authorization", |reasons| each(reasons, |reason| json!({ "concept": reason })));
    for entity in provenance.get_mut("entity").and_then(Value::as_array_mut).into_iter().flatten() {
        if entity["role"] == "derivation" {
            entity["role"] = "instantiates".into();
        }
    }
}

/// <http://hl7.org/fhir/R5/task.html>: the reason is a concept or a resource, and no Device can own a task any more.
fn task(task: &mut Map<String, Value>) {
    changed(task, "statusReason", |reason| json!({ "concept": reason }));
    changed(task, "owner", |device| {
        let program = json!({ "url": terms::ALTERNATE_REFERENCE, "valueReference": device });
        json!({ "extension": [program], "display": "software" })
    });
}

/// An attachment's size is an `integer64`, which JSON has as text (<http://hl7.org/fhir/R5/json.html#primitive>).
fn sizes(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("contentType") {
                changed(
                    members,
                    "size",
                    |size| if size.is_number() { size.to_string().into() } else { size },
                );
            }
            members.values_mut().for_each(sizes);
        }
        Value::Array(items) => items.iter_mut().for_each(sizes),
        _ => {}
    }
}

fn renamed(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

fn changed(members: &mut Map<String, Value>, name: &str, change: impl FnOnce(Value) -> Value) {
    if let Some(value) = members.remove(name) {
        members.insert(name.to_owned(), change(value));
    }
}

fn each(values: Value, change: impl Fn(Value) -> Value) -> Value {
    match values {
        Value::Array(values) => values.into_iter().map(change).collect(),
        other => change(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fhir, html, sample};

    fn resources(bundle: &[u8]) -> Vec<Value> {
        let bundle: Value = serde_json::from_slice(bundle).expect("JSON");
        bundle["entry"].as_array().expect("entries").iter().map(|entry| entry["resource"].clone()).collect()
    }

    fn of<'a>(resources: &'a [Value], kind: &str) -> &'a Value {
        resources.iter().find(|one| one["resourceType"] == kind).expect("one of the kind")
    }

    #[test]
    fn what_differs_is_said_in_r5_s_words_and_nothing_is_lost() {
        let report = sample::sample();
        let stored = fhir::bundle(&report, &html::page(&report)).expect("a bundle");
        let r5 = in_r5(&stored).expect("an R5 bundle");
        assert_eq!(in_r5(&stored), Some(r5.clone()), "the same bytes");
        let (four, five) = (resources(&stored), resources(&r5));
        assert_eq!(four.len(), five.len());
        let (old, new) = (of(&four, "DiagnosticReport"), of(&five, "DiagnosticReport"));
        assert_eq!(old["imagingStudy"], new["study"]);
        assert!(new.get("imagingStudy").is_none());
        let (old, new) = (&old["presentedForm"][1], &new["presentedForm"][1]);
        assert_eq!(new["size"], old["size"].to_string());
        assert_eq!((&new["data"], &new["hash"]), (&old["data"], &old["hash"]));
        assert_eq!(of(&five, "ImagingStudy")["modality"][0]["coding"][0]["code"], "DX");
        assert_eq!(of(&five, "ImagingStudy")["series"][0]["modality"]["coding"][0]["code"], "DX");
        let device = of(&five, "Device");
        assert_eq!((&device["name"][0]["value"], device.get("deviceName")), (&"Chiasm".into(), None));
        assert!(device["type"].is_array());
        let provenance = of(&five, "Provenance");
        assert_eq!(provenance["authorization"][0]["concept"]["coding"][0]["code"], "AIAST");
        let roles: Vec<_> =
            provenance["entity"].as_array().expect("entities").iter().map(|one| &one["role"]).collect();
        assert!(
            roles.contains(&&Value::from("instantiates")) && !roles.contains(&&Value::from("derivation"))
        );
        for kind in ["Observation", "RiskAssessment"] {
            assert_eq!(of(&four, kind), of(&five, kind), "{kind} is the same in both");
        }
    }

    #[test]
    fn a_refusal_and_what_is_no_bundle() {
        let report = sample::refused();
        let stored = fhir::bundle(&report, &html::page(&report)).expect("a bundle");
        let five = resources(&in_r5(&stored).expect("an R5 bundle"));
        assert_eq!(of(&five, "Task")["statusReason"]["concept"]["coding"][0]["code"], "NotApplicable");
        let owner = &of(&five, "Task")["owner"];
        assert_eq!(
            (owner.get("reference"), &owner["extension"][0]["valueReference"]["type"]),
            (None, &"Device".into())
        );
        for no_bundle in [&b"{}"[..], b"[]", b"", b"{\"resourceType\":\"Bundle\"}"] {
            assert!(in_r5(no_bundle).is_none());
        }
    }
}
