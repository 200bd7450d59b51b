//! What holds for every rendering of every kind of report.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use super::document::{Kind, Report, RiskValue};
use super::language::{Language, Message, translated};
use super::sample::{failed, hostile, image_only, outlined, outside, refused, sample, segmented};
use super::{fhir, html, overlay, pdf, segmentation, sr};

fn reports() -> Vec<(&'static str, Report)> {
    vec![
        ("full", sample()),
        ("image-only", image_only()),
        ("refused", refused()),
        ("failed", failed()),
        ("hostile", hostile()),
        ("outside", outside()),
        ("german", german()),
        ("segmented", segmented()),
        ("outlined", outlined()),
        ("segmented-german", translated(Report { language: Language::German, ..segmented() })),
    ]
}

/// The full report in the other language.
pub(super) fn german() -> Report {
    translated(Report { language: Language::German, ..sample() })
}

fn rendered(report: &Report) -> Result<Vec<u8>, fhir::BundleError> {
    fhir::bundle(report, &html::page(report))
}

pub(super) fn bundle(report: &Report) -> Value {
    serde_json::from_slice(&rendered(report).expect("a bundle")).expect("JSON")
}

fn resources(bundle: &Value) -> Vec<&Value> {
    bundle["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]).collect()
}

pub(super) fn of_type<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    resources(bundle).into_iter().filter(|resource| resource["resourceType"] == kind).collect()
}

/// Calls `visit` with each member of each object.
fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            visit(name, member);
            walk(member, visit);
        }),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for (name, report) in reports() {
        assert_eq!(rendered(&report).expect("a bundle"), rendered(&report).expect("a bundle"), "{name}");
        assert_eq!(html::page(&report), html::page(&report), "{name}");
        assert_eq!(sr::document(&report), sr::document(&report), "{name}");
        assert_eq!(overlay::document(&report), overlay::document(&report), "{name}");
        assert_eq!(segmentation::document(&report), segmentation::document(&report), "{name}");
    }
}

#[test]
fn probabilities_are_percent_in_fhir_only() {
    let json = String::from_utf8(rendered(&sample()).expect("a bundle")).expect("UTF-8");
    assert!(json.contains("\"probabilityDecimal\":12.3,"), "0.123 must become 12.3");
    let bundle = bundle(&sample());
    let risks = of_type(&bundle, "RiskAssessment");
    let range = &risks[1]["prediction"][1]["probabilityRange"];
    assert_eq!((&range["low"]["value"], &range["high"]["value"]), (&Value::from(33.0), &Value::from(79.0)));
    assert_eq!(range["low"]["code"], "%");
    let finding = of_type(&bundle, "Observation")[0];
    assert_eq!(finding["component"][0]["valueQuantity"]["value"], Value::from(71.0));
}

#[test]
fn a_risk_that_is_not_computable_has_no_probability() {
    let bundle = bundle(&sample());
    let mayo = of_type(&bundle, "RiskAssessment")[2];
    let predictions = mayo["prediction"].as_array().expect("predictions");
    assert!(predictions.iter().all(|prediction| prediction.get("probabilityDecimal").is_none()));
    assert_eq!(predictions[0]["extension"][0]["valueCode"], "unknown");
    let rationale = predictions[0]["rationale"].as_str().expect("a rationale");
    assert!(rationale.contains("smoking missing"), "{rationale}");
}

#[test]
fn what_is_no_probability_is_not_written() {
    let mut report = sample();
    report.risks[0].value = RiskValue::Computed { probability: f64::NAN, interval: None };
    let bundle = bundle(&report);
    assert!(of_type(&bundle, "RiskAssessment")[0]["prediction"][0].get("probabilityDecimal").is_none());
}

#[test]
fn no_report_is_final() {
    for (name, report) in reports() {
        let expected = if report.kind == Kind::Analysis { "preliminary" } else { "cancelled" };
        let bundle = bundle(&report);
        assert_eq!(of_type(&bundle, "DiagnosticReport")[0]["status"], expected, "{name}");
        walk(&bundle, &mut |member, value| assert!(member != "status" || value != "final", "{name}"));
    }
}

#[test]
fn what_was_made_by_ai_carries_the_label() {
    for (name, report) in reports() {
        let bundle = bundle(&report);
        for kind in ["DiagnosticReport", "Observation", "RiskAssessment"] {
            for resource in of_type(&bundle, kind) {
                let is_cited = report.lesion.as_ref().is_some_and(|lesion| lesion.outlined.is_none());
                if is_cited && resource["code"]["coding"][0]["code"] == "33728-7" {
                    assert!(
                        resource["meta"].get("security").is_none(),
                        "{name}: a cited measurement is nobody's assertion here"
                    );
                    continue;
                }
                assert_eq!(resource["meta"]["security"][0]["code"], "AIAST", "{name} {kind}");
            }
        }
    }
}

#[test]
fn references_inside_the_bundle_resolve_and_ids_are_stable() {
    for (name, report) in reports() {
        let bundle = bundle(&report);
        let entries = bundle["entry"].as_array().expect("entries");
        let full_urls: Vec<&str> = entries.iter().filter_map(|entry| entry["fullUrl"].as_str()).collect();
        let mut distinct = full_urls.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), full_urls.len(), "{name}: each entry has a fullUrl of its own");
        walk(&bundle, &mut |member, value| {
            let reference = value.as_str().filter(|_| member == "reference").unwrap_or_default();
            if reference.starts_with("urn:") {
                assert!(full_urls.contains(&reference), "{name}: {reference} does not resolve");
            }
        });
    }
    let full = bundle(&sample());
    assert_eq!(full["entry"][0]["request"]["url"], "DiagnosticReport/508a679f-2020-5504-a43d-016cec50212b");
}

#[test]
fn versions_of_one_report_share_its_id_and_nothing_else_that_is_theirs() {
    let first = bundle(&sample());
    let mut later = sample();
    later.keys.job = "b".repeat(60);
    let second = bundle(&later);
    let id = |bundle: &Value, kind: &str| of_type(bundle, kind)[0]["id"].clone();
    for same in ["DiagnosticReport", "Device", "DocumentReference", "ImagingStudy"] {
        assert_eq!(id(&first, same), id(&second, same), "{same}");
    }
    for other in ["Observation", "RiskAssessment", "Provenance"] {
        assert_ne!(id(&first, other), id(&second, other), "{other}");
    }
    let overlay = |bundle: &Value| of_type(bundle, "DocumentReference").last().map(|one| one["id"].clone());
    assert_ne!(overlay(&first), overlay(&second), "the overlay is the version's, the card is the model's");
}

#[test]
fn nothing_that_belongs_to_others_is_created() {
    for (name, report) in reports() {
        let bundle = bundle(&report);
        for kind in ["Patient", "Organization", "Practitioner", "ServiceRequest"] {
            assert!(of_type(&bundle, kind).is_empty(), "{name} {kind}");
        }
        walk(&bundle, &mut |member, _| assert!(member != "contained" && member != "profile", "{name}"));
    }
}

#[test]
fn without_a_record_the_subject_is_an_identifier() {
    let bundle = bundle(&image_only());
    for resource in resources(&bundle) {
        if let Some(subject) = resource.get("subject") {
            assert_eq!(subject["identifier"]["value"], "4711");
            assert!(subject.get("reference").is_none());
        }
    }
    assert_eq!(self::bundle(&sample())["entry"][0]["resource"]["subject"]["reference"], "Patient/p-4711");
    assert!(html::page(&image_only()).contains("No health record of this patient was found"));
}

#[test]
fn the_page_is_the_presented_form() {
    for (name, report) in reports() {
        let bundle = bundle(&report);
        let form = &of_type(&bundle, "DiagnosticReport")[0]["presentedForm"][0];
        let page = html::page(&report);
        assert_eq!(form["data"], STANDARD.encode(&page), "{name}");
        assert_eq!(form["size"], page.len(), "{name}");
        assert_eq!(form["hash"], STANDARD.encode(Sha1::digest(&page)), "{name}");
        let paper = &of_type(&bundle, "DiagnosticReport")[0]["presentedForm"][1];
        let pdf = fhir::presented_pdf(&rendered(&report).expect("a bundle")).expect("a PDF");
        assert_eq!(paper["contentType"], "application/pdf", "{name}");
        assert_eq!(paper["size"], pdf.len(), "{name}");
        assert_eq!(paper["hash"], STANDARD.encode(Sha1::digest(&pdf)), "{name}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let page = html::page(&hostile());
    assert!(!page.contains("<script"), "no element from outside");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown as text");
    assert!(page.contains("[U+202E]"), "what turns the reading direction is shown");
    let forbidden = |c: char| (c < ' ' && c != '\n') || c == '\u{202e}';
    assert!(!page.contains(forbidden), "no control character in the page");
    let json = String::from_utf8(rendered(&hostile()).expect("a bundle")).expect("UTF-8");
    assert!(!json.contains("\\u0000") && !json.contains("\\u001b") && !json.contains('\u{202e}'));
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    for (name, report) in reports() {
        let page = html::page(&report);
        assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"), "{name}");
        for forbidden in
            ["<script", "<link", "<iframe", "javascript:", "src=\"http", "href=\"http", " style=", " onload="]
        {
            assert!(!page.contains(forbidden), "{name}: {forbidden}");
        }
    }
}

#[test]
fn the_page_says_what_it_is_before_anything_else() {
    for (name, report) in reports() {
        let page = html::page(&report);
        let text = &page[page.find("<body").expect("a body")..];
        let at = |needle: &str| text.find(needle).unwrap_or(usize::MAX);
        let status = report.language.text(Message::Status);
        assert!(at(status) < at("<h1"), "{name}");
        assert!(at("id=\"bottom-line\"") < at("id=\"provenance\""), "{name}");
    }
    let page = html::page(&sample());
    let order = [
        "Bottom line",
        "id=\"findings\"",
        "id=\"record\"",
        "id=\"risks\"",
        "id=\"missing\"",
        "id=\"limits\"",
    ];
    let places: Vec<usize> = order.iter().map(|part| page.find(part).expect("a part")).collect();
    assert!(places.is_sorted());
    for (report, words) in [(refused(), "was not analysed"), (failed(), "the analysis failed")] {
        assert!(html::page(&report).contains(words));
    }
}

#[test]
fn a_picture_that_the_model_does_not_know_has_no_finding_in_any_rendering() {
    let report = outside();
    let bundle = bundle(&report);
    // what somebody measured of the lesion is no finding of the model
    let is_finding = |one: &&Value| one["code"]["coding"][0]["code"] != "33728-7";
    for finding in of_type(&bundle, "Observation").into_iter().filter(is_finding) {
        assert_eq!(finding["dataAbsentReason"]["coding"][0]["code"], "not-performed");
        assert_eq!(
            finding["dataAbsentReason"]["text"],
            "the picture is unlike those that the model was trained on"
        );
        for forced in ["valueCodeableConcept", "interpretation", "component"] {
            assert!(finding.get(forced).is_none(), "{forced}");
        }
    }
    let page = html::page(&report);
    assert!(page.contains("not assessed") && !page.contains("data-state=\"present\""));
    assert!(page.contains("its findings are not said"));
    let sr = String::from_utf8_lossy(&sr::document(&report).expect("a structured report")).into_owned();
    assert_eq!(sr.matches("373121007").count(), report.findings.len());
    assert!(overlay::document(&report).is_none());
}

#[test]
fn the_site_and_the_versions_that_were_read_are_named_and_nobody_is_made_up() {
    let bundle = bundle(&outside());
    let report = of_type(&bundle, "DiagnosticReport")[0];
    assert_eq!(report["performer"][1]["reference"], "Organization/radiology");
    assert_eq!(report["performer"][1]["display"], "General Hospital, Radiology");
    assert_eq!(of_type(&bundle, "ImagingStudy")[0]["endpoint"][0]["reference"], "Endpoint/wado-rs");
    for device in of_type(&bundle, "Device") {
        assert_eq!(device["owner"]["reference"], "Organization/radiology");
        assert_eq!(device["contact"][0]["system"], "email");
        assert_eq!(device["contact"][0]["value"], "ai@hospital.example.org");
    }
    let model = of_type(&bundle, "Device").into_iter().find(|one| one.get("url").is_some()).expect("a model");
    assert!(model.get("manufacturer").is_none(), "whose model it is was not stated: {model}");
    let entities = of_type(&bundle, "Provenance")[0]["entity"].as_array().expect("entities");
    let what = |wanted: &str| {
        let named =
            |one: &Value| one["what"]["reference"] == wanted || one["what"]["identifier"]["value"] == wanted;
        entities.iter().filter(|one| named(one)).count()
    };
    assert_eq!(what("Observation/crp-9/_history/3"), 1);
    assert_eq!(what("urn:uuid:0f2d7f4e-7cf3-4b5e-9d0c-0a1f5c1f2b3a"), 1);
    let page = html::page(&outside());
    assert!(page.contains("maker not stated") && page.contains("General Hospital, Radiology"));
    let plain = self::bundle(&sample());
    assert_eq!(of_type(&plain, "DiagnosticReport")[0]["performer"].as_array().map(Vec::len), Some(1));
    assert!(of_type(&plain, "ImagingStudy")[0].get("endpoint").is_none());
}

/// Writes what the validators outside the project read (`scripts/check-fhir`), where a folder is named for it.
#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "only this test asks where the samples go"
)]
fn samples_for_the_validators() {
    let Ok(folder) = std::env::var("CHIASM_REPORT_SAMPLES") else {
        println!("skipped: CHIASM_REPORT_SAMPLES names no folder");
        return;
    };
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, report) in reports() {
        let path = |extension: &str| std::path::Path::new(&folder).join(format!("{name}.{extension}"));
        std::fs::write(path("json"), rendered(&report).expect("a bundle")).expect("a bundle is written");
        let page = html::page(&report);
        let paper = pdf::document(&report, &page).expect("a PDF");
        std::fs::write(path("pdf"), paper).expect("a PDF is written");
        std::fs::write(path("html"), page).expect("a page is written");
        if let Some(sr) = sr::document(&report) {
            std::fs::write(path("dcm"), sr).expect("a structured report is written");
        }
        if let Some(overlay) = overlay::document(&report) {
            std::fs::write(path("overlay.dcm"), overlay).expect("an overlay is written");
        }
        if let Some(segmentation) = segmentation::document(&report) {
            std::fs::write(path("segmentation.dcm"), segmentation).expect("a segmentation is written");
        }
    }
}

#[test]
fn every_rendering_is_in_the_report_s_language() {
    let report = german();
    let page = html::page(&report);
    assert!(page.contains("<html lang=\"de\">") && page.contains("Das Wichtigste"));
    let bundle = bundle(&report);
    for resource in resources(&bundle) {
        assert_eq!(resource["language"], "de", "{}", resource["resourceType"]);
    }
    let written = of_type(&bundle, "DiagnosticReport")[0];
    assert!(written["conclusion"].as_str().expect("a conclusion").starts_with("KI-erzeugt"));
    assert_eq!(written["presentedForm"][0]["language"], "de");
    // codes and their systems' own words stay
    let english = self::bundle(&sample());
    let codings = |bundle: &Value| {
        let mut codings = Vec::new();
        walk(bundle, &mut |member, value| {
            if member == "coding" {
                codings.push(value.clone());
            }
        });
        codings
    };
    assert_eq!(codings(&bundle).len(), codings(&english).len());
    let numbers = |bundle: &Value| {
        let mut numbers = Vec::new();
        walk(bundle, &mut |_, value| numbers.extend(value.as_f64()));
        numbers.retain(|number| number.fract() != 0.0);
        numbers
    };
    assert_eq!(numbers(&bundle), numbers(&english), "numbers are for machines in every language");
    let sr = String::from_utf8_lossy(&sr::document(&report).expect("a structured report")).into_owned();
    assert!(sr.contains("RFC5646") && sr.contains("KI-erzeugt"));
}
