//! Nothing that identifies a patient leaves the reports: not in logs, metrics, probes, messages, headers or file names.

use chiasm_tests::site::evidence::Collector;
use chiasm_tests::site::submit::request;
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Plan, Site};
use jiff::Timestamp;
use worker::lane::Lane;
use worker::queue::Message;

use super::{PATIENCE, modes, turn};

#[test]
fn nothing_that_identifies_a_patient_is_seen_from_outside() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(99));
        let traces = Collector::start();
        let studies = site.studies(9);
        site.submit(&studies[..7], Lane::Routine);
        site.spoil(&studies[2], b"no DICOM");
        site.mix_up(&studies[3], &studies[4]);
        // A message of a careless maker, with the patient in it.
        let patient = site.cohort.patient(&studies[0]).unwrap().clone();
        let careless = request(&studies[0], "careless", Timestamp::now(), Lane::Routine);
        let body = String::from_utf8(careless.body.clone()).unwrap();
        let named = format!(
            "\"data\":{{\"patient_name\":\"{}^{}\",\"{}\":1,",
            patient.family, patient.given, patient.id
        );
        site.publish(&[Message { body: body.replacen("\"data\":{", &named, 1).into_bytes(), ..careless }]);
        site.fhir.stop();
        let start = Start::default()
            .with("CHIASM__QUEUE__RETRIES", 1)
            .with("CHIASM__LOG__OTLP_URL", traces.url("/v1/traces"))
            .with("RUST_LOG", "debug");
        site.start(&start);
        site.wait_until_ready(0);
        wait_until("a delivery was put off", PATIENCE, || {
            site.workers[0].logged().contains("it rests in the ledger")
        });
        site.fhir.restart();
        // the study of somebody else is held, and what is said of it is looked at too
        wait_until("the work ends but for what is held", PATIENCE, || {
            site.ended() >= 6
                && site.workers[0].logged().contains("the refusal is held")
                && !site.dead_letters().is_empty()
        });

        let metrics = site.workers[0].get("/metrics").unwrap();
        assert!(metrics.contains("chiasm_deliveries_total"), "{metrics}");
        let mut seen = vec![("metrics", metrics)];
        seen.extend(["/readyz", "/livez"].map(|path| ("probes", site.workers[0].get(path).unwrap())));
        seen.extend(site.dead_letters().iter().map(|letter| ("dead letters", format!("{letter:?}"))));
        seen.push(("file names", site.file_names()));
        site.workers[0].signal("TERM");
        assert!(site.workers[0].ends_within(PATIENCE).is_some());
        let log = site.workers[0].logged();
        assert!(log.contains("DEBUG"), "the log is not at its most talkative: {log}");
        seen.push(("log", log));
        assert!(traces.text().contains("chiasm"), "traces came");
        seen.push(("traces", traces.text()));

        let canaries = site.cohort.canaries();
        assert!(canaries.len() > 30);
        for (place, text) in &seen {
            for canary in &canaries {
                assert!(!text.contains(canary), "{place} hold `{canary}`");
            }
            for study in &studies {
                assert!(!text.contains(study.as_str()), "{place} hold a Study Instance UID");
            }
        }
    }
}

/// The canaries are where they belong, or the test above finds nothing because there is nothing.
#[test]
fn the_canaries_are_in_the_reports() {
    let _turn = turn();
    let mut site = Site::open(chiasm_tests::site::Mode::Embedded, Plan::new(98));
    let studies = site.studies(1);
    site.submit(&studies, Lane::Routine);
    site.start_ready(1);
    site.wait_until_done(PATIENCE);
    let page =
        std::fs::read_to_string(site.folder().join("reports").join(&studies[0]).join("report.html")).unwrap();
    let patient = site.cohort.patient(&studies[0]).unwrap();
    assert!(page.contains(&patient.id) || page.contains(&patient.family), "{page}");
}
