//! The renderings of one report say the same: FHIR bundle, page, PDF and DICOM structured report are read back by other
//! means than they were written with, and compared thing by thing. The page says in `data-` attributes what it shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chiasm_tests::{lines, run};
use dicom_dictionary_std::tags;
use dicom_ingest::own::OVERLAY_CLASS;
use dicom_object::InMemDicomObject;
use serde_json::Value;

use super::paper;

/// Everything that a rendering says, by what it is called in all of them.
#[derive(Debug, Default, PartialEq)]
struct Said {
    /// By label, and by identifier of the risk.
    findings: BTreeMap<String, Finding>,
    risks: BTreeMap<String, Risk>,
    /// Name, version and digest of the weights.
    models: BTreeSet<(String, String, String)>,
    /// Study Instance UID, and SOP Instance UIDs of what was read.
    study: String,
    instances: BTreeSet<String>,
    /// Instants in UTC, to the second.
    started: String,
    issued: String,
}

/// Percent with four decimals, as text, so that nothing is lost on the way.
#[derive(Debug, PartialEq)]
struct Finding {
    percent: Option<String>,
    state: String,
    model: String,
}

#[derive(Debug, PartialEq)]
struct Risk {
    percent: Option<String>,
    low: Option<String>,
    high: Option<String>,
    /// Why there is no probability, in words; empty where there is one.
    why_not: String,
    model: Option<String>,
}

fn percent(number: f64) -> String {
    format!("{number:.4}")
}

fn state(code: &str) -> String {
    let words = [("52101004", "present"), ("82334004", "indeterminate"), ("2667000", "absent")];
    words.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word).to_owned()
}

// ---- the FHIR bundle

fn of_fhir(bundle: &Value) -> Said {
    let resources: Vec<&Value> =
        bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect();
    let of_type =
        |kind: &str| resources.iter().copied().filter(|one| one["resourceType"] == kind).collect::<Vec<_>>();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
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
    let own = |concept: &Value, system: &str| {
        let codings = concept["coding"].as_array().unwrap();
        let own =
            codings.iter().find(|coding| text(&coding["system"]).ends_with(system)).expect("a code of ours");
        text(&own["code"])
    };
    for finding in of_type("Observation") {
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
        let predictions = risk["prediction"].as_array().unwrap();
        let range = predictions.iter().find_map(|prediction| prediction.get("probabilityRange"));
        let bound = |name: &str| range.and_then(|range| range[name]["value"].as_f64()).map(percent);
        let probability = predictions[0]["probabilityDecimal"].as_f64().map(percent);
        let why_not = if probability.is_none() { text(&predictions[0]["rationale"]) } else { String::new() };
        said.risks.insert(
            own(&risk["method"], "CodeSystem/risk"),
            Risk {
                percent: probability,
                low: bound("low"),
                high: bound("high"),
                why_not,
                model: devices.get(&text(&risk["performer"]["reference"])).cloned(),
            },
        );
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

// ---- the structured report

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

/// The content item of this concept.
fn named<'a>(content: &'a [InMemDicomObject], concept: &str) -> Option<&'a InMemDicomObject> {
    content.iter().find(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == concept)
}

fn of_sr(sr: &InMemDicomObject) -> Said {
    let mut said = Said { study: text(sr, tags::STUDY_INSTANCE_UID), ..Said::default() };
    let root = items(sr, tags::CONTENT_SEQUENCE);
    let measurements = named(&root, "126010").expect("imaging measurements");
    for group in items(measurements, tags::CONTENT_SEQUENCE) {
        let content = items(&group, tags::CONTENT_SEQUENCE);
        let words = |concept: &str| named(&content, concept).map(|item| text(item, tags::TEXT_VALUE));
        let number = |concept: &str| {
            let item = named(&content, concept).filter(|item| text(item, tags::VALUE_TYPE) == "NUM")?;
            let measured = items(item, tags::MEASURED_VALUE_SEQUENCE);
            assert_eq!(code(&measured[0], tags::MEASUREMENT_UNITS_CODE_SEQUENCE), "%");
            Some(percent(text(&measured[0], tags::NUMERIC_VALUE).parse().unwrap()))
        };
        let name = words("112039").expect("a tracking identifier");
        let (algorithm, version) = (words("111001").unwrap(), words("111003").unwrap());
        let learned =
            words("111002").and_then(|text| Some(text.strip_prefix("weights SHA-256 ")?.to_owned()));
        if let Some(digest) = &learned {
            said.models.insert((algorithm.clone(), version, digest.clone()));
        }
        if let Some(presence) = named(&content, "705057003") {
            let finding = Finding {
                percent: number("111012"),
                state: state(&code(presence, tags::CONCEPT_CODE_SEQUENCE)),
                model: algorithm,
            };
            said.findings.insert(name, finding);
        } else {
            let percent = number("risk");
            let why_not = if percent.is_none() { words("121106").unwrap() } else { String::new() };
            let model = learned.map(|_| algorithm);
            let (low, high) = (number("risk-low"), number("risk-high"));
            said.risks.insert(name, Risk { percent, low, high, why_not, model });
        }
    }
    for study in items(sr, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE) {
        for series in items(&study, tags::REFERENCED_SERIES_SEQUENCE) {
            let instances = items(&series, tags::REFERENCED_SOP_SEQUENCE);
            // the overlay is evidence that was made, not an image that was read
            let read =
                instances.iter().filter(|one| text(one, tags::REFERENCED_SOP_CLASS_UID) != OVERLAY_CLASS);
            said.instances.extend(read.map(|one| text(one, tags::REFERENCED_SOP_INSTANCE_UID)));
        }
    }
    let offset = text(sr, tags::TIMEZONE_OFFSET_FROM_UTC);
    let instant = |date: &str, time: &str| {
        let local = format!("{date}{time}{offset}");
        jiff::Timestamp::strptime("%Y%m%d%H%M%S%z", &local)
            .unwrap_or_else(|error| panic!("{local}: {error}"))
            .to_string()
    };
    said.started = instant(&text(sr, tags::STUDY_DATE), &text(sr, tags::STUDY_TIME));
    said.issued = instant(&text(sr, tags::CONTENT_DATE), &text(sr, tags::CONTENT_TIME));
    said
}

// ---- the page

/// The attributes of every element that has this one.
fn with_attribute(page: &str, wanted: &str) -> Vec<BTreeMap<String, String>> {
    let elements = page.split('<').filter_map(|part| part.split_once('>')).map(|(element, _)| element);
    let attributes = |element: &str| {
        let mut parts = element.split('"');
        let mut found = BTreeMap::new();
        while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
            let name = before.trim().rsplit(' ').next().unwrap().trim_end_matches('=');
            found.insert(name.to_owned(), value.to_owned());
        }
        found
    };
    elements.map(attributes).filter(|found| found.contains_key(wanted)).collect()
}

fn of_page(page: &str) -> Said {
    let mut said = Said::default();
    let percent_of = |attributes: &BTreeMap<String, String>, name: &str| {
        attributes.get(name).map(|fraction| percent(fraction.parse::<f64>().unwrap() * 100.0))
    };
    for row in with_attribute(page, "data-finding") {
        let finding = Finding {
            percent: percent_of(&row, "data-probability"),
            state: row["data-state"].clone(),
            model: row["data-model"].clone(),
        };
        said.findings.insert(row["data-finding"].clone(), finding);
    }
    for risk in with_attribute(page, "data-risk") {
        let id = &risk["data-risk"];
        let percent = percent_of(&risk, "data-probability");
        // in words as a reader sees them: the text of the row's cell
        let row = page.split(&format!("data-risk=\"{id}\"")).nth(1).unwrap().split("</td>").next().unwrap();
        let words = row.rsplit("<td class=\"wide\">").next().unwrap().split(" <span").next().unwrap();
        let why_not = if percent.is_none() { unescaped(words) } else { String::new() };
        said.risks.insert(
            id.clone(),
            Risk {
                percent,
                low: percent_of(&risk, "data-low"),
                high: percent_of(&risk, "data-high"),
                why_not,
                model: risk.get("data-model").cloned(),
            },
        );
    }
    for model in with_attribute(page, "data-digest") {
        said.models.insert((
            model["data-model"].clone(),
            model["data-version"].clone(),
            model["data-digest"].clone(),
        ));
    }
    said.study.clone_from(&with_attribute(page, "data-study")[0]["data-study"]);
    said.instances = with_attribute(page, "data-read").iter().map(|row| row["data-read"].clone()).collect();
    let times = with_attribute(page, "datetime");
    (said.issued, said.started) = (times[0]["datetime"].clone(), times[1]["datetime"].clone());
    said
}

fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&"), ("\u{a0}", " ")];
    named.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// The word and the number that a reader sees in the row of a finding are those of the attributes.
fn assert_shown(page: &str, label: &str, finding: &Finding) {
    let row = page
        .split(&format!("data-finding=\"{label}\""))
        .nth(1)
        .expect("a row")
        .split("</tr>")
        .next()
        .unwrap();
    assert!(row.contains(&format!("</span> {}", finding.state)), "{label}: {row}");
    let cell = row.split("class=\"number probability\">").nth(1).unwrap();
    let shown = cell.split('\u{a0}').next().unwrap().trim_start_matches("&lt;").trim_start_matches("&gt;");
    let tolerance = if shown.contains('.') { 0.0501 } else { 0.501 };
    let (shown, exact): (f64, f64) =
        (shown.parse().unwrap(), finding.percent.as_ref().unwrap().parse().unwrap());
    assert!((shown - exact).abs() <= tolerance, "{label}: {shown} and {exact}");
}

#[test]
fn the_german_page_is_on_paper_word_by_word() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let output =
        run(&["demo", "--device", "cpu", "--language", "de", "--json", "--out", out.to_str().unwrap()]);
    let line = &lines(&output)[0];
    let path = |kind: &str| line["files"][kind].as_str().unwrap().to_owned();
    let page = fs::read_to_string(path("html")).unwrap();
    assert!(page.contains("Das Wichtigste"));
    paper::says_the_same(&page, Path::new(&path("pdf")));
}

#[test]
fn fhir_page_and_structured_report_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let output = run(&["demo", "--device", "cpu", "--json", "--out", out.to_str().unwrap()]);
    let line = &lines(&output)[0];
    let path = |kind: &str| line["files"][kind].as_str().unwrap().to_owned();
    let bundle: Value = serde_json::from_slice(&fs::read(path("bundle")).unwrap()).unwrap();
    let page = fs::read_to_string(path("html")).unwrap();
    let sr = dicom_object::open_file(path("sr")).unwrap().into_inner();

    let (fhir, dicom, html) = (of_fhir(&bundle), of_sr(&sr), of_page(&page));
    assert_eq!((fhir.findings.len(), fhir.risks.len(), fhir.models.len()), (14, 4, 2), "{fhir:?}");
    assert!(fhir.risks.values().any(|risk| risk.percent.is_some()), "some are computed");
    assert!(fhir.risks.values().any(|risk| !risk.why_not.is_empty()), "some are not");
    assert_eq!(fhir, dicom);
    assert_eq!(fhir, html);
    for (label, finding) in &fhir.findings {
        assert_shown(&page, label, finding);
    }

    let paper = fs::read(path("pdf")).unwrap();
    let forms = bundle["entry"][0]["resource"]["presentedForm"].as_array().unwrap();
    assert_eq!(
        forms.iter().map(|form| &form["contentType"]).collect::<Vec<_>>(),
        ["text/html", "application/pdf"]
    );
    assert_eq!(STANDARD.decode(forms[1]["data"].as_str().unwrap()).unwrap(), paper);
    assert_eq!(forms[1]["size"], paper.len());
    paper::says_the_same(&page, Path::new(&path("pdf")));

    let report = &bundle["entry"][0]["resource"];
    let root = items(&sr, tags::CONTENT_SEQUENCE);
    let conclusion = named(&root, "121077").expect("a conclusion");
    assert_eq!(text(conclusion, tags::TEXT_VALUE), report["conclusion"].as_str().unwrap());
    assert_eq!(report["status"], "preliminary");
    let flags = [tags::PRELIMINARY_FLAG, tags::COMPLETION_FLAG, tags::VERIFICATION_FLAG];
    assert_eq!(flags.map(|flag| text(&sr, flag)), ["PRELIMINARY", "PARTIAL", "UNVERIFIED"]);
    assert!(text(&sr, tags::COMPLETION_FLAG_DESCRIPTION).contains("not reviewed by a physician"));
    assert!(page.contains("not reviewed by a physician"));
    let keys = with_attribute(&page, "data-report");
    let identifiers: Vec<&str> =
        report["identifier"].as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap()).collect();
    assert_eq!(identifiers, [&keys[0]["data-report"], &keys[0]["data-version"]]);
    assert_eq!(
        (text(&sr, tags::PATIENT_NAME), text(&sr, tags::PATIENT_ID)),
        ("Phantom^Ada".into(), "DEMO0007".into())
    );
    for shown in ["Phantom, Ada", "DEMO0007"] {
        assert!(page.contains(shown));
    }
}
