//! What is watched is exported: dashboard and alerts name metrics that [`super::Metrics`] has, and no others.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::tests::with_every_event;
use crate::telemetry::http::Exposition;

fn deployed(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)).unwrap()
}

fn operations() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md")).unwrap()
}

/// The names of all samples.
fn exported() -> BTreeSet<String> {
    let text = with_every_event().encode();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split([' ', '{']).next().map(str::to_owned)).collect()
}

/// The name of a histogram from that of its sample; other names are their own.
fn family(name: &str) -> String {
    let ends = ["_bucket", "_sum", "_count"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
}

/// The names in a query.
fn named(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("chiasm_")).collect()
}

fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_dashboard_shows_what_is_exported() {
    let dashboard: Value = serde_json::from_str(&deployed("grafana/chiasm.json")).unwrap();
    let exported = exported();
    let queries = queries(&dashboard);
    assert!(queries.len() > 30, "{}", queries.len());
    let mut shown = BTreeSet::new();
    for query in &queries {
        let names = named(query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            assert!(exported.contains(name), "`{name}` is not exported, in `{query}`");
            shown.insert(name.to_owned());
        }
        let count = |of: char| query.matches(of).count();
        assert_eq!((count('('), count('{')), (count(')'), count('}')), "{query}");
    }
    let shown: BTreeSet<String> = shown.iter().map(|name| family(name)).collect();
    let hidden: Vec<_> = exported.iter().filter(|name| !shown.contains(&family(name))).collect();
    assert!(hidden.is_empty(), "the dashboard does not show {hidden:?}");
}

#[test]
fn every_alert_watches_what_is_exported_and_names_its_runbook() {
    let text = deployed("prometheus/alerts.yml");
    let operations = operations();
    let exported = exported();
    let rules: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(rules.len() > 15, "{}", rules.len());
    for rule in rules {
        let name = rule.lines().next().unwrap().trim();
        let (_, query) = rule.split_once("expr:").unwrap();
        let (query, rest) = query.split_once("labels:").unwrap();
        let names = named(query);
        assert!(!names.is_empty(), "{name}");
        for metric in names {
            assert!(exported.contains(metric), "`{metric}` is not exported, in {name}");
        }
        let runbook = format!("runbook: \"docs/operations.md#{}\"", name.to_ascii_lowercase());
        assert!(operations.lines().any(|line| line == format!("### {name}")), "{name} has no section");
        assert!(rest.contains("severity:") && rest.contains("summary:") && rest.contains(&runbook), "{name}");
    }
}

#[test]
fn the_operations_manual_names_what_is_exported() {
    let exported: BTreeSet<String> = exported().iter().map(|name| family(name)).collect();
    let manual = operations();
    // those of the receiver are checked beside its counts
    let own = named(&manual).into_iter().filter(|name| !name.starts_with("chiasm_receive_"));
    let names: BTreeSet<String> = own.map(family).collect();
    assert!(names.len() > 20, "{names:?}");
    assert_eq!(names.difference(&exported).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn times_are_exported_in_seconds() {
    let metrics = with_every_event();
    metrics.record_stage("fetch", Duration::from_millis(1500));
    assert!(metrics.encode().contains("chiasm_stage_duration_seconds_sum{stage=\"fetch\"} 1.5"));
}
