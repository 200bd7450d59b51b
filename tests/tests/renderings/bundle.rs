//! What the FHIR bundle says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Finding, Lesion, Risk, Said, percent, state};

pub(super) fn of_fhir(bundle: &Value) -> Said {
    let resources: Vec<&Value> =
        bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
    let of_type =
        |kind: &str| resources.iter().copied().filter(|one| one["resourceType"] == kind).collect::<Vec<_>>();
    let mut said = Said::default();
    let mut devices = BTreeMap::new();
    for device in of_type("Device") {
        let identity = text(&device["identifier"][0]["value"]);
        if let Some((name, rest)) = identity.split_once('@')
            && let Some((version, digest)) = rest.split_once('#')
        {
            devices.insert(format!("urn:uuid:{}", text(&device["id"])), name.to_owned());
            said.models.insert((name.to_owned(), version.to_owned(), digest.to_owned()));
        }
    }
    for finding in of_type("Observation") {
        if finding["code"]["coding"][0]["code"] == "33728-7" {
            said.lesion = Some(lesion_of_fhir(finding));
            continue;
        }
        said.findings.insert(
            own(&finding["code"], "CodeSystem/finding"),
            Finding {
                percent: finding["component"][0]["valueQuantity"]["value"].as_f64().map(percent),
                state: state(finding["valueCodeableConcept"]["coding"][0]["code"].as_str().unwrap()),
                model: devices[&text(&finding["device"]["reference"])].clone(),
            },
        );
        assert_eq!(finding["effectiveDateTime"], of_type("DiagnosticReport")[0]["effectiveDateTime"]);
    }
    for risk in of_type("RiskAssessment") {
        let model = devices.get(&text(&risk["performer"]["reference"])).cloned();
        risk_of_fhir(&mut said, risk, model);
    }
    let study = of_type("ImagingStudy")[0];
    text(&study["identifier"][0]["value"]).trim_start_matches("urn:oid:").clone_into(&mut said.study);
    for series in study["series"].as_array().unwrap() {
        said.instances.extend(series["instance"].as_array().unwrap().iter().map(|one| text(&one["uid"])));
    }
    said.started = text(&study["started"]);
    said.issued = text(&of_type("DiagnosticReport")[0]["issued"]);
    said
}

/// The code that is ours, of this code system.
fn own(concept: &Value, system: &str) -> String {
    let codings = concept["coding"].as_array().unwrap();
    let own =
        codings.iter().find(|coding| text(&coding["system"]).ends_with(system)).expect("a code of ours");
    text(&own["code"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn risk_of_fhir(said: &mut Said, risk: &Value, model: Option<String>) {
    let predictions = risk["prediction"].as_array().unwrap();
    let probability = predictions[0]["probabilityDecimal"].as_f64().map(percent);
    let ranges = predictions.iter().filter(|prediction| prediction.get("probabilityRange").is_some());
    // of a computed risk, the range over what is missing is another than its interval
    let (could_be, interval): (Vec<&Value>, Vec<&Value>) = ranges.partition(|prediction| {
        probability.is_some() && text(&prediction["rationale"]).starts_with("range over")
    });
    let of = |ranges: &[&Value], name: &str| {
        let range = ranges.first().map(|prediction| &prediction["probabilityRange"]);
        range.and_then(|range| range[name]["value"].as_f64()).map(percent)
    };
    let bound = |name: &str| of(&interval, name);
    let why_not = if probability.is_none() { text(&predictions[0]["rationale"]) } else { String::new() };
    let id = own(&risk["method"], "CodeSystem/risk");
    let mut words = |what: &'static str, value: &Value| {
        said.words.extend(value.as_str().map(|text| ((id.clone(), what), text.to_owned())));
    };
    if probability.is_some() {
        words("contributions", &predictions[0]["rationale"]);
    }
    words("guidance", &risk["mitigation"]);
    let notes: Vec<String> =
        risk["note"].as_array().into_iter().flatten().map(|note| text(&note["text"])).collect();
    let missing = notes.iter().find_map(|note| note.strip_prefix("Missing: ")?.strip_suffix('.'));
    for note in notes.iter().filter_map(|note| note.strip_prefix("For comparison, ")) {
        let (name, rest) = note.split_once(": ").unwrap();
        let percent = rest.split_once(" %").filter(|_| !rest.starts_with("not computable"));
        let percent = percent.map(|(number, _)| number.to_owned());
        said.comparators.insert((id.clone(), name.to_owned()), (percent, rest.ends_with("; disagrees.")));
    }
    said.risks.insert(
        id,
        Risk {
            could_be: of(&could_be, "low").zip(of(&could_be, "high")),
            missing: missing.unwrap_or_default().to_owned(),
            percent: probability,
            low: bound("low"),
            high: bound("high"),
            why_not,
            model,
        },
    );
}

fn lesion_of_fhir(resource: &Value) -> Lesion {
    let component = |code: &str| {
        let parts = resource["component"].as_array().unwrap();
        parts.iter().find(|part| part["code"]["coding"][0]["code"] == code).unwrap()
    };
    assert!(
        resource["meta"].get("security").is_none(),
        "a cited measurement is not asserted by an artificial intelligence"
    );
    assert_eq!(resource["code"]["coding"][1]["code"], "RDE1302");
    assert_eq!(resource["valueQuantity"]["code"], "mm");
    Lesion {
        diameter_mm: resource["valueQuantity"]["value"].to_string(),
        site: resource["bodySite"]["coding"][0]["code"].as_str().unwrap().to_owned(),
        seen: resource["effectiveDateTime"].as_str().unwrap().to_owned(),
        count: component("246205007")["valueInteger"].to_string(),
        stated_in: resource["derivedFrom"][0]["reference"].as_str().unwrap().to_owned(),
    }
}
