//! The index lesion, disagreement and what is missing: said by every rendering of a report.

use serde_json::{Value, json};

use super::sample::{outlined, sample};
use super::tests::{bundle, of_type};
use super::{html, sr};

#[test]
fn the_index_lesion_is_cited_in_every_rendering() {
    let report = sample();
    let bundle = bundle(&report);
    let cited = *of_type(&bundle, "Observation").last().expect("an observation");
    let codes: Vec<&Value> =
        cited["code"]["coding"].as_array().expect("codings").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["33728-7", "RDE1302"]);
    assert_eq!(
        (&cited["valueQuantity"]["value"], &cited["valueQuantity"]["code"]),
        (&12.into(), &"mm".into())
    );
    assert_eq!(cited["bodySite"]["coding"][0]["code"], "42400003");
    let sources: Vec<&Value> =
        cited["derivedFrom"].as_array().expect("sources").iter().map(|one| &one["reference"]).collect();
    assert_eq!(sources, ["Observation/nod-1", "Observation/nod-0"]);
    assert_eq!(cited["effectiveDateTime"], "2019-11-30T10:00:00Z");
    let of = |code: &str| {
        let parts = cited["component"].as_array().expect("components");
        parts.iter().find(|part| part["code"]["coding"][0]["code"] == code).expect("a component")
    };
    assert_eq!(of("earlier-diameter")["valueQuantity"]["value"], 10.5);
    assert_eq!(of("diameter-difference")["valueQuantity"]["value"], 1.5);
    assert_eq!(of("volume-doubling-time")["valueQuantity"]["value"], 318);
    assert_eq!(of("earlier-examination")["valueDateTime"], "2019-05-30T10:00:00Z");
    let id = cited["id"].as_str().expect("an id");
    for (kind, member) in [("DiagnosticReport", "result"), ("Provenance", "target")] {
        let named = of_type(&bundle, kind)[0][member].to_string();
        assert!(named.contains(id), "{kind}");
    }
    let risks = of_type(&bundle, "RiskAssessment");
    assert!(risks[0]["basis"].to_string().contains(id) && !risks[1]["basis"].to_string().contains(id));

    let page = html::page(&report);
    let row = "data-lesion=\"12\" data-site=\"42400003\" data-seen=\"2019-11-30T10:00:00Z\"";
    assert!(page.contains(row));
    assert!(page.contains("data-before=\"10.5\" data-difference=\"1.5\" data-doubling-days=\"318\""));
    for shown in ["+1.5\u{a0}mm", "318\u{a0}d", "right upper lobe", "Lung nodule, solid, spiculated"] {
        assert!(page.contains(shown), "{shown}");
    }
    let sr = String::from_utf8_lossy(&sr::document(&report).expect("a structured report")).into_owned();
    for written in ["index-lesion", "103339001", "20191130110000", "Observation/nod-1", "doubling-time"] {
        assert!(sr.contains(written), "{written}");
    }
}

/// The report lies on the server that the record comes from: what it cites there is not read as one measurement more.
#[test]
fn what_is_cited_is_no_part_of_a_record() {
    let bundle = bundle(&sample());
    let cited = *of_type(&bundle, "Observation").last().expect("an observation");
    let page = |resource: &Value| {
        let page =
            json!({ "resourceType": "Bundle", "type": "searchset", "entry": [{ "resource": resource }] });
        let mut assembly = fusion::record::Assembly::default();
        assembly.page(page.to_string().as_bytes()).expect("a page");
        String::from_utf8(assembly.into_bundle()).expect("text").contains("33728-7")
    };
    assert!(!page(cited));
    let mut other = cited.clone();
    other["meta"] = Value::Null;
    assert!(page(&other), "this test would see it");
}

#[test]
fn a_lesion_of_a_structured_report_is_derived_from_it() {
    let mut report = sample();
    let document = "urn:oid:1.2.826.0.1.3680043.8.498.777".to_owned();
    report.lesion.as_mut().expect("a lesion").source = Some(document.clone());
    report.lesion.as_mut().expect("a lesion").earlier = None;
    let bundle = bundle(&report);
    let cited = *of_type(&bundle, "Observation").last().expect("an observation");
    let source = &cited["derivedFrom"][0];
    assert_eq!(
        (&source["identifier"]["value"], &source["identifier"]["system"]),
        (&document.into(), &"urn:dicom:uid".into())
    );
    assert_eq!((source.get("reference"), cited["component"].to_string().contains("earlier")), (None, false));
    assert!(html::page(&report).contains("structured report of the study"));
}

#[test]
fn an_outlined_lesion_is_the_model_s_and_confirmed_by_nobody() {
    let report = outlined();
    let bundle = bundle(&report);
    let observations = of_type(&bundle, "Observation");
    let own = *observations.last().expect("an observation");
    assert_eq!(own["code"]["coding"][0]["code"], "33728-7");
    assert_eq!(own["meta"]["security"][0]["code"], "AIAST");
    assert_eq!(own["meta"]["tag"][0]["code"], "cited", "no record that is read here has it");
    let from: Vec<&Value> =
        own["derivedFrom"].as_array().expect("sources").iter().map(|one| &one["reference"]).collect();
    let urn = |resource: &Value| format!("urn:uuid:{}", resource["id"].as_str().expect("an id"));
    assert_eq!(from[1], &json!(urn(observations[0])), "the segment");
    let documents = of_type(&bundle, "DocumentReference");
    assert!(documents.iter().any(|one| from[2] == &json!(urn(one))), "the segmentation");
    assert!(!own["component"].to_string().contains("246205007"), "the number is not known");
    let devices = of_type(&bundle, "Device");
    let device = devices.iter().find(|one| own["device"]["reference"] == urn(one)).expect("a device");
    assert!(device.to_string().contains("lungs"), "{device}");

    let page = html::page(&report);
    assert!(page.contains("data-outlined-by=\"lungs@1.2.0\"") && !page.contains("data-count="));
    assert!(page.contains("outline by lungs@1.2.0"));
    let sr = String::from_utf8_lossy(&sr::document(&report).expect("a structured report")).into_owned();
    for written in [page.as_str(), &sr, &own["text"].to_string()] {
        assert!(written.contains("not measured or confirmed by a reader"));
    }
    assert!(sr.contains("121191"), "the segment of the segmentation");
}

#[test]
fn disagreement_and_what_is_missing_are_said_in_every_rendering() {
    let report = sample();
    let bundle = bundle(&report);
    let risks = of_type(&bundle, "RiskAssessment");
    let notes = risks[0]["note"].to_string();
    assert!(
        notes.contains("For comparison, VA: 39 %, category high (comparator only); disagrees."),
        "{notes}"
    );
    assert!(risks[0]["text"]["div"].to_string().contains("The models disagree."));
    let ranges: Vec<&Value> = risks[1]["prediction"]
        .as_array()
        .expect("predictions")
        .iter()
        .filter_map(|one| one.get("probabilityRange"))
        .collect();
    assert_eq!(ranges[1]["low"]["value"], 41.0, "after the interval, what it could be");
    let said = "is computed without: lactate dehydrogenase. Were that known, it could be 41 to 72 %";
    assert!(risks[1]["note"].to_string().contains(said));
    let page = html::page(&report);
    assert!(page.replace('\u{a0}', " ").contains(said) && page.contains("data-could-low=\"0.410000\""));
    assert!(page.contains("data-disagrees=\"yes\"") && page.contains("The models disagree"));
    let sr = String::from_utf8_lossy(&sr::document(&report).expect("a structured report")).into_owned();
    for written in [said, "compared-risk", "disagrees", "The models disagree.", "could-be-low"] {
        assert!(sr.contains(written), "{written}");
    }
}
