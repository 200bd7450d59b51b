//! The command against a real ledger, with reports as they are composed.

use std::time::Duration;

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::{Cli, Command};
use crate::job::withdrawal_key;
use crate::lane::Lane;
use crate::ledger::{NewJob, ReportBytes, SqliteLedger};
use crate::report::{Report, fhir, html, overlay, sample, segmentation, sr};

/// Stores the report as a job would, and ends it.
async fn carry(ledger: &SqliteLedger, report: &Report) {
    carry_request(ledger, report, "{}").await;
}

async fn carry_request(ledger: &SqliteLedger, report: &Report, request: &str) {
    let job = NewJob {
        job_key: report.keys.job.clone(),
        report_key: report.keys.report.clone(),
        lane: Lane::Routine,
        study_uid: report.study.study_instance_uid.clone(),
        request: request.into(),
        accepted_at: "2026-01-02T03:04:05Z".into(),
    };
    ledger.accept(&job).await.unwrap();
    let leased = ledger.lease_key(&job.job_key).await.unwrap().unwrap();
    let page = html::page(report);
    let bytes = ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: Some(fhir::bundle(report, &page).unwrap()),
        html: page.into_bytes(),
        sr: sr::document(report),
        overlay: overlay::document(report),
        segmentation: segmentation::document(report),
    };
    ledger.store_report(&leased, None, &bytes).await.unwrap();
    ledger.settle(&leased, JobState::Reported, None).await.unwrap();
}

async fn recall(ledger: &SqliteLedger, arguments: &[&str]) -> (u8, String) {
    recall_at(ledger, &Pipelines::new(), arguments).await
}

async fn recall_at(ledger: &SqliteLedger, site: &Pipelines, arguments: &[&str]) -> (u8, String) {
    let cli = Cli::parse_from(["chiasm", "recall"].iter().chain(arguments));
    let Command::Recall(args) = cli.command else { panic!("not `chiasm recall`") };
    let mut out = Vec::new();
    let at = "2026-02-03T04:05:06Z".parse().unwrap();
    let code = answer(&args, ledger, site, at, &mut out).await.unwrap();
    (code, String::from_utf8(out).unwrap())
}

fn of_type<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    entries.filter(|resource| resource["resourceType"] == kind).collect()
}

#[tokio::test]
async fn everything_that_a_model_made_is_listed_and_taken_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
    let report = sample::sample();
    carry(&ledger, &report).await;
    let model = format!("{}@{}", report.models[0].id, report.models[0].version);
    let key = report.keys.job.as_str();

    assert_eq!(recall(&ledger, &["--model", "nobody@1"]).await.1, "no stored report was made by nobody@1\n");
    for wanted in [model.clone(), format!("{model}#{}", report.models[0].digest)] {
        let (_, text) = recall(&ledger, &["--model", &wanted]).await;
        assert!(
            text.contains(&report.study.study_instance_uid) && text.trim_end().ends_with("holds"),
            "{text}"
        );
    }
    assert!(
        Cli::try_parse_from(["chiasm", "recall", "--model", &model, "--apply"]).is_err(),
        "without a reason"
    );
    assert!(ledger.lease_next().await.unwrap().is_none(), "a list changes nothing");

    let apply = ["--model", &model, "--apply", "--reason", "it misreads portable images.", "--json"];
    let (_, text) = recall(&ledger, &apply).await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["job"], &line["standing"]), (&key.into(), &"withdrawn".into()));
    let stored = ledger.report(&withdrawal_key(key)).await.unwrap().unwrap();
    assert_eq!(recall(&ledger, &apply).await.1, text, "again: the same, once");
    assert_eq!(ledger.report(&withdrawal_key(key)).await.unwrap().unwrap(), stored);

    let leased = ledger.lease_next().await.unwrap().expect("it is delivered");
    assert_eq!(leased.job_key, withdrawal_key(key));
    ledger.settle(&leased, JobState::Refused, None).await.unwrap();
    assert_eq!(ledger.job(key).await.unwrap().unwrap().0.state, JobState::Superseded);
    assert!(recall(&ledger, &["--model", &model]).await.1.trim_end().ends_with("withdrawn"));
}

#[tokio::test]
async fn a_withdrawal_says_so_in_every_rendering_and_holds_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
    let report = sample::sample();
    carry(&ledger, &report).await;
    let model = format!("{}@{}", report.models[0].id, report.models[0].version);
    recall(&ledger, &["--model", &model, "--apply", "--reason", "it <b>misreads</b> images"]).await;
    let key = withdrawal_key(&report.keys.job);
    let stored = ledger.report(&key).await.unwrap().unwrap();

    let before: Value =
        serde_json::from_slice(&fhir::bundle(&report, &html::page(&report)).unwrap()).unwrap();
    let bundle: Value = serde_json::from_slice(stored.bundle.as_deref().unwrap()).unwrap();
    for kind in ["DiagnosticReport", "Observation", "RiskAssessment"] {
        let (old, new) = (of_type(&before, kind), of_type(&bundle, kind));
        let ids = |resources: &[&Value]| -> Vec<String> {
            resources.iter().map(|resource| resource["id"].to_string()).collect()
        };
        assert_eq!(ids(&old), ids(&new), "{kind}: under its own ids");
        assert!(
            !new.is_empty() && new.iter().all(|resource| resource["status"] == "entered-in-error"),
            "{kind}"
        );
        // the cited measurement is nobody's assertion here
        let mut asserted = new.iter().filter(|resource| resource["code"]["coding"][0]["code"] != "33728-7");
        assert!(asserted.all(|resource| resource["meta"]["security"][0]["code"] == "AIAST"), "{kind}");
    }
    let provenance = of_type(&bundle, "Provenance")[0];
    assert_eq!(provenance["activity"]["coding"][0]["code"], "NULLIFY");
    let targets = provenance["target"].as_array().unwrap().len();
    let asserted = report.findings.len() + report.risks.len();
    assert_eq!(targets, 4 + asserted, "report, task, overlay, lesion, findings, risks");
    let uid = overlay::instance_uid(&report).unwrap();
    let taken_back = of_type(&bundle, "DocumentReference")
        .into_iter()
        .find(|one| one["identifier"][0]["value"] == format!("urn:oid:{uid}"));
    assert_eq!(taken_back.unwrap()["status"], "entered-in-error");
    let removal = &provenance["entity"][0];
    assert_eq!(removal["role"], "removal");
    assert_eq!(removal["what"]["identifier"]["value"], report.keys.job.as_str());
    assert_eq!(
        of_type(&bundle, "DiagnosticReport")[0]["subject"],
        of_type(&before, "DiagnosticReport")[0]["subject"]
    );
    let full_urls: Vec<&Value> =
        bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["fullUrl"]).collect();
    for reference in of_type(&bundle, "DiagnosticReport")[0]["result"].as_array().unwrap() {
        assert!(full_urls.contains(&&reference["reference"]), "{reference} does not resolve");
    }

    let page = String::from_utf8(stored.html).unwrap();
    assert!(page.contains("Withdrawn") && page.contains("it &lt;b&gt;misreads&lt;/b&gt; images"), "{page}");
    for finding in &report.findings {
        assert!(!page.contains(&finding.title), "{}", finding.title);
    }
    let file = stored.sr.unwrap();
    let header = dicom_ingest::read::read_header(&file, &dicom_ingest::limits::Limits::default()).unwrap();
    assert_eq!(header.study_uid.as_str(), report.study.study_instance_uid);
    let old = sr::instance_uid(&report).unwrap();
    assert_ne!(header.sop_instance_uid.as_str(), old);
    let has = |wanted: &[u8]| file.windows(wanted.len()).any(|window| window == wanted);
    assert!(has(old.as_bytes()), "it names the document that it takes the place of");
    assert!(has(b"Withdrawn: the earlier AI report"));
}

#[tokio::test]
async fn a_person_takes_one_report_back_or_those_of_a_study() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
    let report = sample::sample();
    carry(&ledger, &report).await;
    let (key, study) = (report.keys.job.as_str(), report.study.study_instance_uid.as_str());
    assert_eq!(recall(&ledger, &["--study", "1.2.3"]).await.1, "no stored report is of study 1.2.3\n");
    for named in [["--study", study], ["--job", &key[..8]]] {
        assert!(recall(&ledger, &named).await.1.trim_end().ends_with("holds"));
    }
    for wrong in [&["--json"][..], &["--study", study, "--job", key], &["--job", key, "--apply"]] {
        assert!(Cli::try_parse_from(["chiasm", "recall"].iter().chain(wrong)).is_err(), "{wrong:?}");
    }
    let apply = ["--job", key, "--apply", "--reason", "the images are of another patient."];
    assert!(recall(&ledger, &apply).await.1.trim_end().ends_with("withdrawn"));
    let stored = ledger.report(&withdrawal_key(key)).await.unwrap().unwrap();
    let page = String::from_utf8(stored.html).unwrap();
    assert!(page.contains("A person withdrew the report: the images are of another patient"), "{page}");
    assert!(stored.outcome.contains(withdraw::WITHDRAWN_BY_PERSON), "{}", stored.outcome);
}

#[tokio::test]
async fn a_withdrawal_names_the_pipeline_of_the_report() {
    let name: Name = "effusion".parse().unwrap();
    let request = r#"{"files":[],"record":{"kind":"not_given"},"pipeline":"effusion"}"#;
    let own = PipelineConfig {
        bundle: "/srv/nowhere".into(),
        description: Some("Effusions on frontal radiographs".into()),
        prefer_views: Vec::new(),
        series: crate::declaration::SeriesRule::default(),
        outlines_are_facts: false,
    };
    let known = Pipelines::from([(name, own)]);
    for (site, described) in [
        (known, "Effusions on frontal radiographs"),
        (Pipelines::new(), "A pipeline that this site does not have any more"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
        let report = sample::sample();
        carry_request(&ledger, &report, request).await;
        let model = format!("{}@{}", report.models[0].id, report.models[0].version);
        recall_at(&ledger, &site, &["--model", &model, "--apply", "--reason", "it misreads images"]).await;
        let stored = ledger.report(&withdrawal_key(&report.keys.job)).await.unwrap().unwrap();
        let page = String::from_utf8(stored.html).unwrap();
        assert!(page.contains(&format!("effusion {}", report.models[0].version)), "{page}");
        assert!(page.contains(described) && !page.contains("effusion unknown"), "{page}");
    }
}

#[tokio::test]
async fn what_was_outlined_is_taken_back_with_its_segmentation() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
    let report = sample::segmented();
    carry(&ledger, &report).await;
    let carried = ledger.report(&report.keys.job).await.unwrap().unwrap();
    assert!(carried.segmentation.is_some(), "the ledger keeps it");
    let model = format!("{}@{}", report.models[0].id, report.models[0].version);
    recall(&ledger, &["--model", &model, "--apply", "--reason", "it misreads images"]).await;
    let stored = ledger.report(&withdrawal_key(&report.keys.job)).await.unwrap().unwrap();
    assert!(stored.segmentation.is_none());
    let bundle: Value = serde_json::from_slice(stored.bundle.as_deref().unwrap()).unwrap();
    let observations = of_type(&bundle, "Observation");
    assert_eq!(observations.len(), 2);
    assert!(observations.iter().all(|one| one["status"] == "entered-in-error"));
    let uid = format!("urn:oid:{}", segmentation::instance_uid(&report).unwrap());
    let taken_back = of_type(&bundle, "DocumentReference")
        .into_iter()
        .find(|one| one["identifier"][0]["value"] == uid.as_str());
    assert_eq!(taken_back.unwrap()["status"], "entered-in-error");
}
