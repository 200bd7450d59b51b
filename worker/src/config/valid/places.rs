//! Sources, records and targets, and the names that stand for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::environment::Environment;
use super::super::problem::Findings;
use super::super::raw::{
    RawConfig, RawFhirVersion, RawRecord, RawSource, RawTarget, RecordKind, SourceKind, TargetKind,
};
use super::super::secret;
use super::super::site::{FhirConfig, FhirRelease, Places, RecordConfig, SourceConfig, TargetConfig};
use super::{address, pacs, remote};
use crate::message::Name;
use crate::message::adapters::AdapterMapping;

pub(super) fn places(raw: &RawConfig, environment: &Environment, findings: &mut Findings) -> Places {
    let sources = named("sources", &raw.sources, findings, |key, raw, findings| {
        source(key, raw, environment, findings)
    });
    let records = named("records", &raw.records, findings, |key, raw, findings| {
        record(key, raw, environment, findings)
    });
    let targets = named("targets", &raw.targets, findings, |key, raw, findings| {
        target(key, raw, environment, findings)
    });
    let default_targets = raw.default_targets.iter();
    Places {
        default_source: one_of(
            "default_source",
            raw.default_source.as_deref(),
            "sources",
            &raw.sources,
            findings,
        ),
        default_record: one_of(
            "default_record",
            raw.default_record.as_deref(),
            "records",
            &raw.records,
            findings,
        ),
        default_targets: default_targets
            .filter_map(|name| one_of("default_targets", Some(name), "targets", &raw.targets, findings))
            .collect(),
        sources,
        records,
        targets,
    }
}

/// The name, if it is one of a table's.
pub(super) fn one_of<T>(
    key: &str,
    name: Option<&str>,
    table: &str,
    known: &BTreeMap<String, T>,
    findings: &mut Findings,
) -> Option<Name> {
    let name = name?;
    if known.contains_key(name) {
        return name.parse().ok(); // a bad name is told of where it is given
    }
    let there = known.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let there = if there.is_empty() { "there is none yet".to_owned() } else { format!("there are {there}") };
    findings.wrong(key, format!("names `{name}`, but there is no [{table}.{name}]; {there}"));
    None
}

pub(super) fn named<R, T>(
    table: &str,
    raw: &BTreeMap<String, R>,
    findings: &mut Findings,
    mut valid: impl FnMut(&str, &R, &mut Findings) -> Option<T>,
) -> BTreeMap<Name, T> {
    let mut known = BTreeMap::new();
    for (name, raw) in raw {
        let key = format!("{table}.{name}");
        let place = valid(&key, raw, findings);
        match name.parse::<Name>() {
            Ok(name) => known.extend(place.map(|place| (name, place))),
            Err(bad) => findings.wrong(&key, bad.to_string()),
        }
    }
    known
}

fn source(
    key: &str,
    raw: &RawSource,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<SourceConfig> {
    match raw.kind {
        None => {
            let problem = "is missing; write `kind = \"folder\"`, `kind = \"s3\"` or `kind = \"dicomweb\"`";
            findings.wrong(&format!("{key}.kind"), problem);
            None
        }
        Some(SourceKind::Folder) => {
            if raw.url.is_some() || raw.bucket.is_some() {
                findings.warn(key, "is a folder: the keys of a server have no effect");
            }
            path_of(key, raw.path.as_ref(), findings).map(|path| SourceConfig::Folder { path })
        }
        Some(kind) => {
            if raw.path.is_some() {
                findings.warn(&format!("{key}.path"), "has no effect: the source is a server");
            }
            if kind == SourceKind::S3 {
                remote::s3_source(key, raw, environment, findings).map(SourceConfig::S3)
            } else {
                remote::dicomweb(key, raw, environment, findings).map(SourceConfig::Dicomweb)
            }
        }
    }
}

fn record(
    key: &str,
    raw: &RawRecord,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<RecordConfig> {
    match raw.kind {
        None => {
            findings.wrong(
                &format!("{key}.kind"),
                "is missing; write `kind = \"folder\"`, `kind = \"ndjson\"` or `kind = \"fhir\"`",
            );
            None
        }
        Some(RecordKind::Fhir) => record_server(key, raw, environment, findings),
        Some(kind) => {
            if raw.url.is_some() || raw.token.is_some() || raw.updated_since.is_some() {
                findings.warn(key, "is a folder: the keys of a server have no effect");
            }
            let path = path_of(key, raw.path.as_ref(), findings)?;
            Some(match kind {
                RecordKind::Ndjson => RecordConfig::Export { path },
                RecordKind::Folder | RecordKind::Fhir => RecordConfig::Folder { path },
            })
        }
    }
}

fn record_server(
    key: &str,
    raw: &RawRecord,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<RecordConfig> {
    let target = RawTarget {
        kind: Some(TargetKind::Fhir),
        path: raw.path.clone(),
        url: raw.url.clone(),
        token: raw.token.clone(),
        smart: raw.smart.clone(),
        ca_file: raw.ca_file.clone(),
        allow_plaintext: raw.allow_plaintext,
        timeout_s: raw.timeout_s,
        ..RawTarget::default()
    };
    let since = raw.updated_since.as_deref();
    if since.is_some_and(|since| since.parse::<jiff::civil::Date>().is_err()) {
        findings.wrong(&format!("{key}.updated_since"), "is no date; write one such as `2015-01-01`");
    }
    let read = super::smart::read_scopes();
    let server = fhir(key, &target, Some(read), environment, findings)?;
    Some(RecordConfig::Fhir { server: Box::new(server), updated_since: raw.updated_since.clone() })
}

fn path_of(key: &str, path: Option<&PathBuf>, findings: &mut Findings) -> Option<PathBuf> {
    let path = path.filter(|path| !path.as_os_str().is_empty());
    if path.is_none() {
        findings.wrong(&format!("{key}.path"), "is missing; name a folder");
    }
    path.cloned()
}

fn target(
    key: &str,
    raw: &RawTarget,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<TargetConfig> {
    match raw.kind {
        None => {
            findings.wrong(
                &format!("{key}.kind"),
                "is missing; write `kind = \"folder\"`, `\"fhir\"`, `\"dicomweb\"`, `\"dicom\"` or `\"s3\"`",
            );
            None
        }
        Some(TargetKind::Folder) => {
            let of_fhir = raw.url.is_some() || raw.token.is_some() || raw.ca_file.is_some();
            if of_fhir {
                findings.warn(key, "is a folder: `url`, `token` and `ca_file` have no effect");
            }
            path_of(key, raw.path.as_ref(), findings).map(|path| TargetConfig::Folder { path })
        }
        Some(TargetKind::Fhir) => {
            let release = match raw.fhir_version {
                RawFhirVersion::R4 => FhirRelease::R4,
                RawFhirVersion::R5 => FhirRelease::R5,
            };
            fhir(key, raw, None, environment, findings).map(|server| TargetConfig::Fhir(server, release))
        }
        Some(TargetKind::S3) => {
            if raw.path.is_some() || raw.token.is_some() {
                findings.warn(key, "is a bucket: `path` and `token` have no effect");
            }
            remote::s3_target(key, raw, environment, findings).map(TargetConfig::S3)
        }
        Some(TargetKind::DicomWeb) => {
            pacs::dicomweb(key, raw, environment, findings).map(TargetConfig::DicomWeb)
        }
        Some(TargetKind::Dicom) => pacs::dicom(key, raw, findings).map(TargetConfig::Dicom),
    }
}

fn fhir(
    key: &str,
    raw: &RawTarget,
    usual_scopes: Option<Vec<String>>,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<FhirConfig> {
    let of = |name: &str| format!("{key}.{name}");
    if raw.path.is_some() {
        findings.warn(&of("path"), "has no effect: the target is a FHIR server");
    }
    let timeout = findings.within(&of("timeout_s"), raw.timeout_s, 1, 600);
    let token = secret::read(&of("token"), raw.token.as_ref(), environment, findings);
    address::file(&of("ca_file"), raw.ca_file.as_deref(), findings);
    let Some(url) = &raw.url else {
        findings.wrong(&of("url"), "is missing; give the base URL of the FHIR server");
        return None;
    };
    let url = address::http(&of("url"), url, raw.allow_plaintext, findings)?;
    let smart = raw.smart.as_ref().and_then(|smart| {
        if raw.token.is_some() {
            findings
                .wrong(&of("token"), "a token of its own and `smart` cannot both be sent; give one of them");
        }
        super::smart::smart(&of("smart"), smart, usual_scopes, raw.allow_plaintext, findings)
    });
    let (ca_file, timeout) = (raw.ca_file.clone(), Duration::from_secs(timeout));
    Some(FhirConfig { url, token, smart, ca_file, timeout })
}

/// The sources that other systems' names stand for.
pub(super) fn mapping(raw: &RawConfig, places: &Places, findings: &mut Findings) -> AdapterMapping {
    let source_of = |name: &str| places.sources.keys().find(|known| known.as_str() == name).cloned();
    let mut buckets = BTreeMap::new();
    for (bucket, name) in &raw.monai.buckets {
        match source_of(name) {
            Some(source) => drop(buckets.insert(bucket.clone(), source)),
            None => findings
                .wrong("monai.buckets", format!("names `{name}`, but there is no valid [sources.{name}]")),
        }
    }
    AdapterMapping { buckets, orthanc_source: raw.orthanc.source.as_deref().and_then(source_of) }
}
