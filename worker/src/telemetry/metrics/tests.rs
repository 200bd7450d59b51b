//! Each event is exported under its name, and no label comes from outside.

use super::*;
use crate::model::{BundlePlace, ModelFacts, SiteModel};
use crate::outcome::Present;
use crate::pipeline::output::FindingScore;
use crate::pipeline::sample;

fn output(label: &str, probability: f64) -> ModelOutput {
    let score = FindingScore { label: label.to_owned(), logit: 0.0, probability, present: Present::Absent };
    ModelOutput { findings: vec![score], ..sample::output() }
}

fn status(oldest_s: Option<u64>) -> QueueStatus {
    QueueStatus { kind: "embedded", stat: 1, routine: 2, unsettled: Some(3), resting: 4, dead: 5, oldest_s }
}

/// A table with two features that are known and one that is not.
fn features() -> FeatureTable {
    let feature = |id: &str, value: serde_json::Value, age_days: Option<f64>| {
        serde_json::json!({
            "id": id, "label": id, "group": "laboratory", "value": value, "unit": null, "effective": null,
            "available": null, "age_days": age_days, "source": "Observation/1", "other_sources": [],
            "source_version": null, "original": null, "comparator": null, "factor": null, "note": null, "windows": [],
        })
    };
    let table = serde_json::json!({
        "schema": "chiasm-record-features/1", "t0": "2026-01-01T00:00:00Z", "zone": "UTC",
        "features": [
            feature("crp", serde_json::json!({"number": 3.0}), Some(2.5)),
            feature("copd", serde_json::json!({"bool": true}), Some(400.0)),
            feature("wbc", serde_json::json!({"missing": {"reason": "not-recorded"}}), None),
        ],
        "excluded": {"after_t0": 0, "undated": 0, "status": 0, "superseded": 0, "unresolved_subject": 0, "unreadable": 0},
    });
    serde_json::from_value(table).unwrap()
}

fn model() -> SiteModel {
    let place = BundlePlace::BuiltIn { signature: None };
    SiteModel { id: "cxr".into(), identity: "00".into(), place }
}

fn facts() -> ModelFacts {
    ModelFacts {
        is_resident: true,
        bytes: 4096,
        loads: 3,
        evictions: 2,
        load_ms: 1500.0,
        warm_up_ms: 500.0,
        device: "cpu".into(),
    }
}

/// Metrics into which every event was recorded once.
pub(super) fn with_every_event() -> Metrics {
    let metrics = Metrics::new("sha256:abc");
    metrics.record_delivery(Lane::Stat);
    metrics.record_job_ended(Lane::Stat, JobState::Refused, Some("Truncated"), Duration::from_secs(3));
    metrics.record_job_ended(Lane::Routine, JobState::Reported, None, Duration::from_secs(3));
    metrics.record_stages(&BTreeMap::from([("decode".to_owned(), 12.0), ("score".to_owned(), f64::NAN)]));
    metrics.record_batch(4, 8);
    metrics.record_deferral("Truncated");
    metrics.record_settlement_lost();
    metrics.record_lease_lost();
    metrics.record_dead_letter("BadUid");
    metrics.record_ledger_error();
    metrics.record_device_error();
    metrics.record_device_success();
    metrics.record_device_opened(250.0);
    metrics.set_device_memory(Some(11), Some(12));
    metrics.name_models(&[model()]);
    metrics.record_models(&[], &[facts()]);
    metrics.record_drift("cxr", &output("Effusion", 0.35));
    metrics.record_features(&features());
    metrics.set_queue(&status(Some(7)));
    metrics.set_ledger(&BTreeMap::from([(JobState::Composed, 6)]), Some(Duration::from_millis(1500)));
    metrics.set_memory(10, 20);
    metrics.set_ready(true);
    metrics
}

#[test]
fn each_event_is_counted_under_its_name() {
    let metrics = with_every_event();
    let under_way = metrics.job_under_way(Lane::Routine);
    let text = metrics.encode();
    for line in [
        "chiasm_deliveries_total{lane=\"stat\"} 1",
        "chiasm_deliveries_total{lane=\"routine\"} 0",
        "chiasm_jobs_ended_total{state=\"refused\",code=\"Truncated\"} 1",
        "chiasm_jobs_ended_total{state=\"reported\",code=\"\"} 1",
        "chiasm_job_duration_seconds_count{lane=\"stat\"} 1",
        "chiasm_stage_duration_seconds_bucket{le=\"0.025\",stage=\"decode\"} 1",
        "chiasm_batch_size_pictures_sum 4.0",
        "chiasm_batch_fill_ratio_sum 0.5",
        "chiasm_deferrals_total{code=\"Truncated\"} 1",
        "chiasm_settlements_lost_total 1",
        "chiasm_leases_lost_total 1",
        "chiasm_dead_letters_total{code=\"BadUid\"} 1",
        "chiasm_ledger_errors_total 1",
        "chiasm_device_up 1",
        "chiasm_device_errors_total 1",
        "chiasm_device_openings_total 1",
        "chiasm_device_open_time_seconds 0.25",
        "chiasm_device_memory_bytes{} 11",
        "chiasm_device_resident_memory_bytes{} 12",
        "chiasm_finding_probability_ratio_count{model=\"cxr\",finding=\"Effusion\"} 1",
        "chiasm_model_resident{model=\"cxr\",digest=\"00\"} 1",
        "chiasm_model_memory_bytes{model=\"cxr\",digest=\"00\"} 4096",
        "chiasm_model_loads_total{model=\"cxr\",digest=\"00\"} 3",
        "chiasm_model_evictions_total{model=\"cxr\",digest=\"00\"} 2",
        "chiasm_model_load_time_seconds{model=\"cxr\",digest=\"00\"} 1.5",
        "chiasm_model_warm_up_time_seconds{model=\"cxr\",digest=\"00\"} 0.5",
        "chiasm_novelty_ratio_count 1",
        "chiasm_frontal_probability_ratio_count 1",
        "chiasm_features_total{state=\"known\"} 2",
        "chiasm_features_total{state=\"not-recorded\"} 1",
        "chiasm_record_age_days_sum 2.5",
        "chiasm_queue_depth_messages{lane=\"routine\"} 2",
        "chiasm_queue_unsettled_messages{} 3",
        "chiasm_queue_resting_messages 4",
        "chiasm_queue_dead_messages 5",
        "chiasm_queue_oldest_age_seconds{} 7",
        "chiasm_ledger_jobs{state=\"composed\"} 6",
        "chiasm_outbox_reports 6",
        "chiasm_outbox_oldest_age_seconds 1.5",
        "chiasm_memory_used_bytes 10",
        "chiasm_memory_budget_bytes 20",
        "chiasm_ready 1",
        "chiasm_jobs_under_way{lane=\"routine\"} 1",
        "chiasm_build_info{version=\"0.1.0\",model_digest=\"sha256:abc\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|written| written == line), "no `{line}` in:\n{text}");
    }
    assert!(!text.contains("stage=\"score\""), "a time that is no number was counted");
    drop(under_way);
    assert!(metrics.encode().contains("chiasm_jobs_under_way{lane=\"routine\"} 0"));
}

#[test]
fn no_text_from_outside_becomes_a_label() {
    let metrics = Metrics::new("d");
    let canary = "Public^Jane-1.2.840.113619.2.55";
    metrics.record_deferral(canary);
    metrics.record_dead_letter(canary);
    metrics.record_stage(canary, Duration::from_secs(1));
    metrics.record_job_ended(Lane::Stat, JobState::Failed, Some(canary), Duration::ZERO);
    let text = metrics.encode();
    assert!(!text.contains("Public"), "{text}");
    assert!(text.contains("chiasm_dead_letters_total{code=\"other\"} 1"), "{text}");
    assert!(text.contains("stage=\"other\""), "{text}");
}

#[test]
fn findings_are_bounded() {
    let metrics = Metrics::new("d");
    for index in 0..1000 {
        metrics.record_drift("cxr", &output(&format!("finding-{index}"), 0.5));
    }
    let text = metrics.encode();
    let series =
        text.lines().filter(|line| line.starts_with("chiasm_finding_probability_ratio_count")).count();
    assert_eq!(series, MOST_FINDINGS);
}

#[test]
fn loads_count_over_all_engines() {
    let metrics = Metrics::new("d");
    metrics.name_models(&[model()]);
    assert!(metrics.encode().contains("chiasm_model_resident{model=\"cxr\",digest=\"00\"} 0"));
    metrics.record_models(&[], &[facts()]);
    metrics.record_models(&[facts()], &[ModelFacts { loads: 4, ..facts() }]);
    metrics.record_models_gone();
    assert!(metrics.encode().contains("chiasm_model_resident{model=\"cxr\",digest=\"00\"} 0"));
    // another engine, which counts from nothing
    metrics.record_models(&[], &[ModelFacts { loads: 1, ..facts() }]);
    assert!(metrics.encode().contains("chiasm_model_loads_total{model=\"cxr\",digest=\"00\"} 5"));
}

#[test]
fn what_is_not_known_is_not_told() {
    let metrics = Metrics::new("d");
    assert!(!metrics.encode().contains("chiasm_device_success_age_seconds{}"));
    metrics.set_queue(&status(Some(7)));
    metrics.set_queue(&status(None));
    assert!(!metrics.encode().contains("chiasm_queue_oldest_age_seconds{}"));
}

#[test]
fn the_process_is_in_memory() {
    assert!(resident_memory().is_some_and(|bytes| bytes > 1 << 20));
}
