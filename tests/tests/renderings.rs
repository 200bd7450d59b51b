//! The three renderings of one report say the same: FHIR bundle, page, DICOM structured report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chiasm_tests::{lines, phantom_study, record, run};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde_json::Value;

/// What a rendering says of one thing: percent, and the three-way state's SNOMED CT code.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    percent: Option<f64>,
    state: Option<String>,
}

fn rendered() -> (Value, String, InMemDicomObject) {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 60);
    let bundle = folder.path().join("record.json");
    fs::write(&bundle, record(|_| {}).to_string()).unwrap();
    let out = folder.path().join("out");
    let begin = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
    let output = run(&begin
        .into_iter()
        .chain([out.as_path(), Path::new("--record"), &bundle, &study])
        .collect::<Vec<_>>());
    let line = &lines(&output)[0];
    let path = |kind: &str| line["files"][kind].as_str().unwrap().to_owned();
    let bundle = serde_json::from_slice(&fs::read(path("bundle")).unwrap()).unwrap();
    let page = fs::read_to_string(path("html")).unwrap();
    let sr = dicom_object::open_file(path("sr")).unwrap().into_inner();
    (bundle, page, sr)
}

/// By DICOM UID, as both name it.
fn of_fhir(bundle: &Value) -> BTreeMap<String, Said> {
    let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    resources
        .filter_map(|resource| match resource["resourceType"].as_str()? {
            "Observation" => {
                let uid = resource["identifier"][0]["value"].as_str()?.trim_start_matches("urn:oid:");
                let percent = resource["component"][0]["valueQuantity"]["value"].as_f64();
                let state = resource["valueCodeableConcept"]["coding"][0]["code"].as_str().map(str::to_owned);
                Some((uid.to_owned(), Said { percent, state }))
            }
            "RiskAssessment" => {
                let digits = resource["id"].as_str()?.replace('-', "");
                let uid = format!("2.25.{}", u128::from_str_radix(&digits, 16).ok()?);
                let percent = resource["prediction"][0]["probabilityDecimal"].as_f64();
                Some((uid, Said { percent, state: None }))
            }
            _ => None,
        })
        .collect()
}

fn text(item: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    let element = item.element_opt(tag).unwrap();
    let text = element.map(|element| element.to_str().unwrap().into_owned()).unwrap_or_default();
    text.trim_matches(['\0', ' ']).to_owned()
}

fn items(item: &InMemDicomObject, tag: dicom_core::Tag) -> Vec<InMemDicomObject> {
    let element = item.element_opt(tag).unwrap();
    element.and_then(|element| element.items().map(<[_]>::to_vec)).unwrap_or_default()
}

fn code(item: &InMemDicomObject, sequence: dicom_core::Tag) -> String {
    items(item, sequence).first().map(|code| text(code, tags::CODE_VALUE)).unwrap_or_default()
}

fn of_sr(sr: &InMemDicomObject) -> BTreeMap<String, Said> {
    let measurements = items(sr, tags::CONTENT_SEQUENCE)
        .into_iter()
        .find(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == "126010")
        .expect("imaging measurements");
    let said = |group: &InMemDicomObject| {
        let content = items(group, tags::CONTENT_SEQUENCE);
        let number = content.iter().find(|item| text(item, tags::VALUE_TYPE) == "NUM");
        let percent = number.map(|item| {
            let measured = items(item, tags::MEASURED_VALUE_SEQUENCE);
            assert_eq!(code(&measured[0], tags::MEASUREMENT_UNITS_CODE_SEQUENCE), "%");
            text(&measured[0], tags::NUMERIC_VALUE).parse().unwrap()
        });
        let state = content.iter().find(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == "705057003");
        let state = state.map(|item| code(item, tags::CONCEPT_CODE_SEQUENCE));
        (text(group, tags::OBSERVATION_UID), Said { percent, state })
    };
    items(&measurements, tags::CONTENT_SEQUENCE).iter().map(said).collect()
}

/// The word and the number that the page shows in the row of a finding.
fn of_page(page: &str, title: &str) -> (String, f64, f64) {
    let row = page.split(&format!("<th scope=\"row\">{title}</th>")).nth(1).expect("a row");
    let row = row.split("</tr>").next().unwrap();
    let word = row.split("class=\"state ").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let cell = row.split("class=\"number probability\">").nth(1).unwrap();
    let shown = cell.split('\u{a0}').next().unwrap().trim_start_matches("&lt;").trim_start_matches("&gt;");
    let number = shown.parse().unwrap_or_else(|_| panic!("{shown}"));
    (word, number, if shown.contains('.') { 0.0501 } else { 0.501 })
}

#[test]
fn fhir_page_and_structured_report_say_the_same() {
    let (bundle, page, sr) = rendered();
    let (fhir, dicom) = (of_fhir(&bundle), of_sr(&sr));
    assert_eq!(fhir.len(), 18, "fourteen findings and four risks");
    assert_eq!(fhir, dicom);

    let words = [("52101004", "present"), ("82334004", "indeterminate"), ("2667000", "absent")];
    let observations = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    for finding in observations.filter(|resource| resource["resourceType"] == "Observation") {
        let title = finding["code"]["text"].as_str().unwrap();
        let code = finding["valueCodeableConcept"]["coding"][0]["code"].as_str().unwrap();
        let percent = finding["component"][0]["valueQuantity"]["value"].as_f64().unwrap();
        let (word, shown, tolerance) = of_page(&page, title);
        assert!(words.contains(&(code, word.as_str())), "{title}: {code} and {word}");
        assert!((shown - percent).abs() <= tolerance, "{title}: {shown} and {percent}");
    }

    let report = &bundle["entry"][0]["resource"];
    let conclusion = items(&sr, tags::CONTENT_SEQUENCE)
        .into_iter()
        .find(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == "121077")
        .expect("a conclusion");
    assert_eq!(text(&conclusion, tags::TEXT_VALUE), report["conclusion"].as_str().unwrap());
    assert_eq!(report["status"], "preliminary");
    let flags = [tags::PRELIMINARY_FLAG, tags::COMPLETION_FLAG, tags::VERIFICATION_FLAG];
    assert_eq!(flags.map(|flag| text(&sr, flag)), ["PRELIMINARY", "PARTIAL", "UNVERIFIED"]);
    assert!(text(&sr, tags::COMPLETION_FLAG_DESCRIPTION).contains("not reviewed by a physician"));
    let study = format!("urn:oid:{}", text(&sr, tags::STUDY_INSTANCE_UID));
    let named = bundle["entry"].as_array().unwrap().iter().any(|entry| {
        entry["resource"]["resourceType"] == "ImagingStudy"
            && entry["resource"]["identifier"][0]["value"] == study.as_str()
    });
    assert!(named, "both are about the same study");
    assert_eq!(
        (text(&sr, tags::PATIENT_NAME), text(&sr, tags::PATIENT_ID)),
        ("Canary^Carla".into(), "TEST0001".into())
    );
}
