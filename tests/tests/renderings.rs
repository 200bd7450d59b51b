//! The renderings of one report say the same: FHIR bundle, page, PDF and DICOM structured report are read back by other
//! means than they were written with, and compared thing by thing. The page says in `data-` attributes what it shows.

mod bundle;
mod document;
mod page;
mod without_result;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chiasm_tests::{lines, run};
use dicom_dictionary_std::tags;
use serde_json::Value;

use super::paper;
use bundle::of_fhir;
use document::{items, named, of_sr, text};
use page::{of_page, unescaped, with_attribute};

/// Everything that a rendering says, by what it is called in all of them.
#[derive(Debug, Default, PartialEq)]
struct Said {
    /// By label, and by identifier of the risk.
    findings: BTreeMap<String, Finding>,
    risks: BTreeMap<String, Risk>,
    /// By risk and name: the percent that a reader sees, and whether it is flagged.
    comparators: BTreeMap<(String, String), (Option<String>, bool)>,
    /// By risk: contributions and guidance, in words.
    words: BTreeMap<(String, &'static str), String>,
    lesion: Option<Lesion>,
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
    /// What it could be, were what is missing known.
    could_be: Option<(String, String)>,
    /// What is missing, words with commas between.
    missing: String,
    /// Why there is no probability, in words; empty where there is one.
    why_not: String,
    model: Option<String>,
}

/// The index lesion, each value as it is written.
#[derive(Debug, PartialEq)]
struct Lesion {
    diameter_mm: String,
    site: String,
    seen: String,
    count: String,
    stated_in: String,
}

/// A percent as a reader sees it.
fn shown(percent: f64) -> String {
    match percent {
        p if p > 0.0 && p < 0.05 => "<0.1".to_owned(),
        p if (99.95..100.0).contains(&p) => ">99.9".to_owned(),
        p if p >= 9.95 => format!("{p:.0}"),
        p => format!("{p:.1}"),
    }
}

fn percent(number: f64) -> String {
    format!("{number:.4}")
}

fn state(code: &str) -> String {
    let words = [("52101004", "present"), ("82334004", "indeterminate"), ("2667000", "absent")];
    words.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word).to_owned()
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

/// What a reader of the page is told of a computed risk's parts and guidance is what the other renderings say.
fn assert_worded(page: &str, risk: &str, what: &str, said: &str) {
    let Some(article) = page.split(&format!("<article class=\"risk\" data-risk=\"{risk}\"")).nth(1) else {
        return;
    };
    let article = unescaped(article.split("</article>").next().unwrap());
    if what == "guidance" {
        let (suggested, citation) = said.rsplit_once(" (").unwrap();
        assert!(article.contains(&suggested[1..]), "{risk}: {suggested}");
        assert!(article.contains(citation.trim_end_matches(')')), "{risk}: {citation}");
        return;
    }
    let (_, parts) = said.split_once(": ").unwrap();
    let shown = parts.split("; ").filter(|part| {
        let (label, logit) = part.rsplit_once(' ').unwrap();
        article.contains(&format!(">{label}</th>")) && article.contains(&format!(">{logit}</td>"))
    });
    assert!(shown.count() >= 3, "{risk}: {parts}");
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

    let (fhir, dicom, mut html) = (of_fhir(&bundle), of_sr(&sr), of_page(&page));
    assert_eq!((fhir.findings.len(), fhir.risks.len(), fhir.models.len()), (14, 4, 2), "{fhir:?}");
    assert!(fhir.risks.values().any(|risk| risk.percent.is_some()), "some are computed");
    assert!(fhir.risks.values().any(|risk| !risk.why_not.is_empty()), "some are not");
    assert!(fhir.lesion.is_some() && fhir.comparators.len() >= 2, "{fhir:?}");
    assert!(fhir.words.keys().any(|(_, what)| *what == "guidance"), "{fhir:?}");
    assert_eq!(fhir, dicom);
    let r5 = worker::report::fhir::in_r5(&fs::read(path("bundle")).unwrap()).unwrap();
    assert_eq!(fhir, of_fhir(&serde_json::from_slice(&r5).unwrap()));
    // the page shows the largest contributions, and guidance as a sentence
    for ((risk, what), said) in &fhir.words {
        assert_worded(&page, risk, what, said);
    }
    html.words.clone_from(&fhir.words);
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
