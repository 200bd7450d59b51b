//! Models and pipelines of the site.

use std::collections::BTreeMap;

use super::super::problem::Findings;
use super::super::raw::{RawConfig, RawModels, RawPipeline, RawRisk};
use super::super::site::{ModelsConfig, PipelineConfig, RiskConfig};
use super::places::{named, one_of};
use crate::message::Name;

const MIB: u64 = 1024 * 1024;
/// The largest budget in MiB: one TiB.
const MOST_MIB: u64 = 1024 * 1024;
/// The name of the pipeline that is built in.
const BUILT_IN: &str = "chest-radiograph";
/// The most characters of a description.
const MOST_DESCRIPTION: usize = 500;

pub(super) fn models(raw: &RawModels, findings: &mut Findings) -> ModelsConfig {
    let memory_mib = findings.within("models.memory_mib", raw.memory_mib, 1, MOST_MIB);
    let mut pinned = Vec::new();
    for key in &raw.pinned_keys {
        match key.parse() {
            Ok(key) => pinned.push(key),
            Err(reason) => {
                findings.wrong("models.pinned_keys", format!("{reason}; `chiasm models key` makes one"));
            }
        }
    }
    match (&raw.built_in_signature_file, pinned.is_empty()) {
        (Some(_), true) => findings.warn(
            "models.built_in_signature_file",
            "has no effect: without `pinned_keys` no signature is asked for",
        ),
        (None, false) => findings.warn(
            "models.built_in_signature_file",
            "is missing: with pinned keys the built-in model is used only where one of them signed it \
             (`chiasm models sign cxr-findings`)",
        ),
        _ => {}
    }
    ModelsConfig {
        memory_bytes: memory_mib * MIB,
        pinned,
        built_in_signature: raw.built_in_signature_file.clone(),
    }
}

pub(super) fn pipelines(raw: &RawConfig, findings: &mut Findings) -> BTreeMap<Name, PipelineConfig> {
    if raw.pipelines.contains_key(BUILT_IN) {
        findings.wrong("pipelines", format!("`{BUILT_IN}` is built in; give yours another name"));
    }
    named("pipelines", &raw.pipelines, findings, pipeline)
}

pub(super) fn default_pipeline(raw: &RawConfig, findings: &mut Findings) -> Option<Name> {
    let wanted = raw.default_pipeline.as_deref().filter(|name| *name != BUILT_IN);
    one_of("default_pipeline", wanted, "pipelines", &raw.pipelines, findings)
}

fn pipeline(key: &str, raw: &RawPipeline, findings: &mut Findings) -> Option<PipelineConfig> {
    let Some(bundle) = raw.path.clone().filter(|path| !path.as_os_str().is_empty()) else {
        findings
            .wrong(&format!("{key}.path"), "is missing; name the folder that `chiasm models import` wrote");
        return None;
    };
    if let Some(text) = &raw.description
        && (text.is_empty() || text.chars().count() > MOST_DESCRIPTION || text.chars().any(char::is_control))
    {
        findings.wrong(
            &format!("{key}.description"),
            format!("must have 1 to {MOST_DESCRIPTION} characters, none of them a control character"),
        );
    }
    Some(PipelineConfig {
        bundle,
        description: raw.description.clone(),
        prefer_views: raw.prefer_views.clone(),
        series: raw.series.clone(),
        outlines_are_facts: raw.outlines_are_facts,
    })
}

pub(super) fn risks(raw: &RawConfig, findings: &mut Findings) -> BTreeMap<Name, RiskConfig> {
    named("risks", &raw.risks, findings, |key, one, findings| risk(key, one, &raw.pipelines, findings))
}

fn risk(
    key: &str,
    raw: &RawRisk,
    pipelines: &BTreeMap<String, RawPipeline>,
    findings: &mut Findings,
) -> Option<RiskConfig> {
    for name in &raw.pipelines {
        if name != BUILT_IN && !pipelines.contains_key(name) {
            let problem =
                format!("names `{name}`, but there is no [pipelines.{name}], and `{BUILT_IN}` is built in");
            findings.wrong(&format!("{key}.pipelines"), problem);
        }
    }
    let Some(folder) = raw.path.clone().filter(|path| !path.as_os_str().is_empty()) else {
        findings
            .wrong(&format!("{key}.path"), "is missing; name the folder that `chiasm fusion train` wrote");
        return None;
    };
    Some(RiskConfig { folder, pipelines: raw.pipelines.clone() })
}
