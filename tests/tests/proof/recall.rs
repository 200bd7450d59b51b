//! Recall and replay over a whole site: what a model made is taken back at every target once, and what is stored can be
//! made again.

use chiasm_tests::lines;
use chiasm_tests::site::check::End;
use chiasm_tests::site::{Plan, Site};
use serde_json::Value;
use worker::lane::Lane;

use super::{PATIENCE, modes, turn};

fn json(site: &Site, arguments: &[&str], code: i32) -> Vec<Value> {
    let output = site.cli(arguments);
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("\n");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    lines(&output)
}

#[test]
fn what_a_recalled_model_made_is_taken_back_at_every_target_once() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(71));
        let studies = site.studies(3);
        site.submit(&studies, Lane::Routine);
        site.expect(&studies, &End::reported());
        site.start_ready(2);
        site.wait_until_done(PATIENCE);

        for study in &studies {
            let [replayed] = &json(&site, &["replay", study, "--json"], 0)[..] else { panic!("one report") };
            assert_eq!(replayed["same"], true, "{replayed}");
        }
        let model = {
            let page =
                std::fs::read(site.folder().join("reports").join(&studies[0]).join("bundle.json")).unwrap();
            let bundle: Value = serde_json::from_slice(&page).unwrap();
            let devices = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
            let mut models = devices.filter_map(|device| device["identifier"][0]["value"].as_str());
            let model = models.find(|model| model.starts_with("cxr-findings@")).expect("the image model");
            model.split('#').next().unwrap().to_owned()
        };
        let listed = json(&site, &["recall", "--model", &model, "--json"], 0);
        assert_eq!(listed.len(), studies.len());
        assert!(listed.iter().all(|line| line["standing"] == "holds"), "{listed:?}");
        assert_eq!(site.pacs.copies().len(), 2 * studies.len(), "a document and an overlay each");

        let apply =
            ["recall", "--model", &model, "--apply", "--reason", "it misreads portable images", "--json"];
        for _ in 0..2 {
            let withdrawn = json(&site, &apply, 0);
            assert!(withdrawn.iter().all(|line| line["standing"] == "withdrawn"), "{withdrawn:?}");
        }
        site.wait_until_done(PATIENCE);

        assert_eq!(site.fhir.doubled(), Vec::<String>::new());
        let reports = site.fhir.places("DiagnosticReport");
        assert_eq!(reports.len(), studies.len());
        for report in reports {
            let status: Vec<_> =
                site.fhir.versions(&report).into_iter().filter_map(|version| version.status).collect();
            assert_eq!(status, ["preliminary", "entered-in-error"], "each state once");
        }
        for kind in ["Observation", "RiskAssessment"] {
            for place in site.fhir.places(kind) {
                let versions = site.fhir.versions(&place);
                let last = versions.last().and_then(|version| version.status.clone());
                assert_eq!(last.as_deref(), Some("entered-in-error"), "{place}");
            }
        }
        let copies = site.pacs.copies();
        assert_eq!(copies.len(), 3 * studies.len(), "one document more a study");
        assert!(copies.values().all(|copies| copies.len() == 1), "each once");
        for study in &studies {
            let page = std::fs::read_to_string(site.folder().join("reports").join(study).join("report.html"))
                .unwrap();
            assert!(page.contains("Withdrawn"), "{study}");
            // a withdrawal was made from no study
            json(&site, &["replay", study, "--json"], 2);
        }
        // asked for again with the same model, it does not come back
        site.submit(&studies[..1], Lane::Stat);
        site.wait_until_done(PATIENCE);
        let jobs = json(&site, &["jobs", "list", "--json"], 0);
        let counted = jobs.iter().filter(|job| job["state"] == "refused").count();
        assert_eq!((jobs.len(), counted), (2 * studies.len(), studies.len()), "{jobs:?}");
    }
}

#[test]
fn a_replay_says_which_bytes_are_others_and_why() {
    let _turn = turn();
    let mut site = Site::open(chiasm_tests::site::Mode::Embedded, Plan::new(72));
    let studies = site.studies(1);
    site.submit(&studies, Lane::Routine);
    site.expect(&studies, &End::reported());
    site.start_ready(1);
    site.wait_until_done(PATIENCE);
    let [same] = &json(&site, &["replay", &studies[0], "--json"], 0)[..] else { panic!("one report") };
    for part in ["bundle", "html", "sr", "overlay", "outcome"] {
        assert_eq!(same["parts"][part]["same"], true, "{same}");
        assert_eq!(same["parts"][part]["stored"].as_str().map(str::len), Some(64), "{same}");
    }
    site.spoil(&studies[0], b"no DICOM");
    let [other] = &json(&site, &["replay", &studies[0], "--json"], 1)[..] else { panic!("one report") };
    assert_eq!((&other["same"], &other["parts"]["bundle"]["same"]), (&false.into(), &false.into()));
    assert!(other["why"].as_str().unwrap().contains("SourceChanged"), "{other}");
    json(&site, &["replay", "nothing-of-this-name", "--json"], 2);
}
