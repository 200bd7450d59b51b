//! What is outlined as a fact for the risks: where the pipeline says so, of a section, by a model that outlines nodules.

use std::fs;
use std::path::Path;
use std::process::Command;

use chiasm_tests::lines;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_ingest::phantom::SIDE;
use dicom_object::InMemDicomObject;
use serde_json::{Value, json};

use super::network::{INPUT, imported, imported_by, recipe};
use super::{analysis, analyze, calibrated, file, resources, study, text};

/// The analysis where what is outlined is a fact for the risks.
fn with_facts(bundle: &Path, study: &Path, out: &Path) -> Command {
    let mut command = analysis(bundle, study, out);
    command.env("CHIASM__PIPELINES__BRIGHT__OUTLINES_ARE_FACTS", "true");
    command
}

/// A section with a bright disc of a radius of 20 pixels, 0.3 mm apart: 41 pixels across.
fn disc(dataset: &mut InMemDicomObject) {
    let pixel = |index: usize| {
        let (x, y) = ((index % SIDE) as f64 - 400.0, (index / SIDE) as f64 - 300.0);
        if x.hypot(y) <= 20.0 { 3500_u16 } else { 800 }
    };
    let values: Vec<u16> = (0..SIDE * SIDE).map(pixel).collect();
    dataset.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
    dataset.put(DataElement::new(tags::MODALITY, VR::CS, "CT"));
    dataset.put(DataElement::new(tags::PIXEL_SPACING, VR::DS, "0.3\\0.3"));
}

/// The recipe of a network that outlines nodules of the lung, on sections too.
fn of_nodules() -> String {
    recipe().replace(r#"["CR", "DX"]"#, r#"["CR", "DX", "CT"]"#).replace(
        r#"code = "51185008", display = "Thoracic structure""#,
        r#"code = "786838002", display = "Nodule of lung""#,
    )
}

fn brock(line: &Value) -> Value {
    let risks = line["risks"].as_array().unwrap();
    risks.iter().find(|risk| risk["id"] == "brock").unwrap().clone()
}

#[test]
fn an_outlined_nodule_is_a_fact_of_the_risks_where_the_pipeline_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported_by(&of_nodules(), folder.path(), SIDE);
    let (path, _) = study(&folder.path().join("study"), disc);
    let off = analyze(&bundle, &path, &folder.path().join("off"), &[]);
    assert_eq!(brock(&off)["missing"], json!(["nodule"]), "it is off where nobody asks for it");

    let said = |path: &Path, out: &str| {
        let output = with_facts(&bundle, path, &folder.path().join(out)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output).remove(0)
    };
    let line = said(&path, "on");
    let found = brock(&line);
    let missing = ["family-history", "emphysema", "nodule-type", "upper-lobe", "nodule-count"];
    assert_eq!(found["missing"], json!(missing));
    let (low, high) = (found["low"].as_f64().unwrap(), found["high"].as_f64().unwrap());
    assert!(found["probability"].is_null() && 0.0 < low && low < high && high < 1.0, "{found}");
    let page = fs::read_to_string(file(&line, "html")).unwrap();
    assert!(page.contains("data-lesion=\"12.3\"") && page.contains("data-outlined-by=\"bright@1.2.0\""));
    assert!(page.contains("no person has measured or confirmed it"));
    let fhir: Value = serde_json::from_slice(&fs::read(file(&line, "bundle")).unwrap()).unwrap();
    let observations = resources(&fhir, "Observation");
    let own = observations.iter().find(|one| one["code"]["coding"][0]["code"] == "33728-7").unwrap();
    assert_eq!(own["valueQuantity"]["value"].as_f64(), Some(12.3));
    assert_eq!(own["meta"]["security"][0]["code"], "AIAST");
    let seg = dicom_object::open_file(file(&line, "segmentation")).unwrap().into_inner();
    let uid = format!("urn:oid:{}", text(&seg, tags::SOP_INSTANCE_UID));
    let documents = resources(&fhir, "DocumentReference");
    let named = documents.iter().find(|one| one["identifier"][0]["value"] == uid.as_str()).unwrap();
    let from = own["derivedFrom"].to_string();
    assert!(from.contains(named["id"].as_str().unwrap()), "the segmentation: {from}");

    // a radiograph is magnified, also one that says how it was calibrated
    let (film, _) = study(&folder.path().join("film"), |dataset| {
        disc(dataset);
        dataset.put(DataElement::new(tags::MODALITY, VR::CS, "DX"));
        calibrated(dataset);
    });
    let line = said(&film, "film-out");
    assert_eq!(brock(&line)["missing"], json!(["nodule"]));
    let page = fs::read_to_string(file(&line, "html")).unwrap();
    assert!(page.contains("no section of CT or MR") && !page.contains("data-lesion="));
}

#[test]
fn a_model_that_outlines_no_nodule_is_not_asked_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path(), INPUT);
    let (path, _) = study(&folder.path().join("study"), |_| ());
    let output = with_facts(&bundle, &path, &folder.path().join("out")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() != Some(0) && told.contains("outlines_are_facts"), "{told}");
}
