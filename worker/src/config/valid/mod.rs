//! From the raw form to valid values. Nothing stops at the first problem: all are collected.

mod address;
mod models;
mod pacs;
mod places;
mod receive;
mod remote;
mod report;
mod servers;
mod smart;
mod worker;

use jiff::tz::TimeZone;

use super::Config;
use super::environment::Environment;
use super::problem::Findings;
use super::raw::{LogFormat, RawConfig, RawLog};
use super::site::LogConfig;

/// The real configuration, or one that nobody may use where `findings` tells of a problem.
pub(super) fn config(raw: &RawConfig, environment: &Environment, findings: &mut Findings) -> Config {
    tenant(&raw.tenant, findings);
    if let Some(system) = &raw.patient_id_system
        && (system.is_empty() || system.chars().any(char::is_whitespace))
    {
        findings.wrong("patient_id_system", "is no URI; an example is `urn:oid:1.2.3.4`");
    }
    if raw.state.as_os_str().is_empty() {
        findings.wrong("state", "is empty; name a folder");
    }
    let places = places::places(raw, environment, findings);
    Config {
        tenant: raw.tenant.clone(),
        site_zone: zone(&raw.site_zone, findings),
        site_zone_name: raw.site_zone.clone(),
        patient_id_system: raw.patient_id_system.clone(),
        state: raw.state.clone(),
        queue: servers::queue(&raw.queue, environment, findings),
        retry: worker::retry(&raw.queue, findings),
        ledger: servers::ledger(&raw.ledger, environment, findings),
        default_pipeline: models::default_pipeline(raw, findings),
        pipelines: models::pipelines(raw, findings),
        risks: models::risks(raw, findings),
        models: models::models(&raw.models, findings),
        worker: worker::worker(&raw.worker, raw.ledger.lease_s, findings),
        http: servers::http(&raw.http, environment, findings),
        orthanc: servers::orthanc(&raw.orthanc, &places, environment, findings),
        receive: receive::receive(&raw.receive, &places, findings),
        mapping: places::mapping(raw, &places, findings),
        places,
        language: raw.report.language,
        states_confidence: raw.report.confidence,
        makes_overlay: raw.report.overlay,
        site: report::site(&raw.report, findings),
        log: log(&raw.log, findings),
    }
}

fn tenant(tenant: &str, findings: &mut Findings) {
    if tenant.is_empty() || tenant.chars().count() > 64 || tenant.chars().any(char::is_control) {
        findings.wrong("tenant", "must have 1 to 64 characters, none of them a control character");
    }
}

fn zone(name: &str, findings: &mut Findings) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|_| {
        findings.wrong(
            "site_zone",
            format!("`{name}` is no time zone of the IANA database; an example is `Europe/Berlin`"),
        );
        TimeZone::UTC
    })
}

fn log(raw: &RawLog, findings: &mut Findings) -> LogConfig {
    let otlp_url = raw
        .otlp_url
        .as_deref()
        .and_then(|url| address::http("log.otlp_url", url, raw.allow_plaintext, findings));
    address::file("log.ca_file", raw.ca_file.as_deref(), findings);
    LogConfig { json: raw.format == LogFormat::Json, otlp_url, ca_file: raw.ca_file.clone() }
}
