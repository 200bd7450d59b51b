//! Everything that was learned about a study becomes one report. Pure: no I/O, no clock.

mod findings;
#[cfg(test)]
mod language_tests;
mod lesion;
mod record;
mod risks;
mod study;

use fusion::LateFusionModel;
use jiff::Timestamp;
use models::{Bundle, ModelCard};

use crate::config::Config;
use crate::declaration::Pipeline;
use crate::ending::{Ending, Why};
use crate::ledger::Job;
use crate::outcome::{self, Outcome, State};
use crate::pipeline::evidence::Evidence;
use crate::pipeline::output::SegmentOutput;
use crate::report::document as doc;
use crate::report::language::translated;
use crate::risk_models::RiskModels;

/// What a report is composed from.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The job with its keys and its acceptance time.
    pub job: &'a Job,
    /// The site.
    pub config: &'a Config,
    /// The pipeline that reads the study.
    pub pipeline: &'a Pipeline,
    /// The image model.
    pub bundle: &'a Bundle,
    /// The learned fusion, where it is trained.
    pub late_fusion: Option<&'a LateFusionModel>,
    /// The site's own models of records.
    pub risk_models: &'a RiskModels,
    /// What was learned.
    pub evidence: &'a Evidence,
    /// Why there is no result, where there is none.
    pub ending: Option<&'a Ending>,
}

/// The report of a study, with or without a result, in the site's language.
pub fn report(parts: &Parts<'_>) -> doc::Report {
    translated(composed(parts))
}

fn composed(parts: &Parts<'_>) -> doc::Report {
    let evidence = parts.evidence;
    let result = if parts.ending.is_none() { evidence.output.as_ref() } else { None };
    let model = parts.bundle.model_card();
    doc::Report {
        language: parts.config.language,
        states_confidence: parts.config.states_confidence,
        makes_overlay: parts.config.makes_overlay,
        keys: doc::Keys { report: parts.job.report_key.clone(), job: parts.job.job_key.clone() },
        kind: match parts.ending {
            None => doc::Kind::Analysis,
            Some(Ending::Refused(why)) => doc::Kind::Refused(no_result(why)),
            Some(Ending::Failed(why)) => doc::Kind::Failed(no_result(why)),
        },
        issued: parts.job.accepted_at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        site: parts.config.site.clone(),
        software: doc::Software {
            name: "Chiasm".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            compute_device: result
                .map_or_else(|| "none; nothing was scored".into(), |output| output.device.clone()),
        },
        pipeline: doc::Pipeline {
            id: parts.pipeline.id.clone(),
            version: parts.pipeline.version.clone(),
            description: parts.pipeline.description.clone(),
        },
        study: study::study(parts),
        patient: study::patient(parts),
        models: if result.is_some() { models(parts) } else { Vec::new() },
        findings: result.map(|output| findings::findings(output, model)).unwrap_or_default(),
        segments: result.map(|output| findings::segments(output, model)).unwrap_or_default(),
        picture: result.and_then(|output| findings::picture(output, model, evidence.study.as_deref())),
        record: record::record(parts),
        lesion: evidence.lesion.as_ref().filter(|_| result.is_some()).map(lesion::lesion),
        risks: if result.is_some() { risks::risks(&evidence.risks) } else { Vec::new() },
        missing: record::missing(parts),
        limits: limits(model),
    }
}

/// The JSON line of a study, without what only this run knows.
pub fn outcome(parts: &Parts<'_>) -> Outcome {
    let study_uid = &parts.job.study_uid;
    let (state, why) = match parts.ending {
        Some(Ending::Refused(why)) => (State::Refused, why),
        Some(Ending::Failed(why)) => (State::Failed, why),
        None => return result(parts).of_study(study_uid),
    };
    let outcome = Outcome::without_result(state, &why.code, &why.reason).of_study(study_uid);
    Outcome { next_step: Some(why.next_step.clone()), ..outcome }
}

fn result(parts: &Parts<'_>) -> Outcome {
    let model = parts.bundle.model_card();
    let said = parts.evidence.output.iter().filter(|output| !output.is_withheld(model));
    let findings = said.flat_map(|output| &output.findings);
    let segments = parts.evidence.output.iter().flat_map(|output| &output.segments);
    let segment = |one: &SegmentOutput| outcome::Segment {
        label: one.label.clone(),
        pixels: one.mask.pixels(),
        area_mm2: one.area_mm2,
        probability: one.probability,
        bounds: one.mask.bounds(),
    };
    Outcome {
        code: None,
        reason: None,
        findings: findings
            .map(|score| outcome::Finding {
                label: score.label.clone(),
                probability: score.probability,
                present: score.present,
            })
            .collect(),
        segments: segments.map(segment).collect(),
        risks: parts.evidence.risks.iter().map(risks::line).collect(),
        ..Outcome::without_result(State::Reported, "", "")
    }
}

fn no_result(why: &Why) -> doc::NoResult {
    doc::NoResult { code: why.code.clone(), reason: why.reason.clone(), next_step: why.next_step.clone() }
}

fn models(parts: &Parts<'_>) -> Vec<doc::Model> {
    let own = parts.risk_models.of(&parts.pipeline.id).map(risks::own_model);
    let built_in = std::iter::once(findings::model(parts.bundle)).chain(parts.late_fusion.map(risks::model));
    built_in.chain(own).collect()
}

fn limits(model: &ModelCard) -> Vec<String> {
    let research =
        "Research software, not a medical device; no model here was shown to be clinically valid.".to_owned();
    if !model.segments.is_empty() {
        return vec![
            research,
            "Nothing outlined is not the same as nothing there: the model looks for what it was trained on alone.".to_owned(),
            "An area is that of a machine's outline in the plane of the picture, and no person has corrected it.".to_owned(),
        ];
    }
    let said = counted(model.labels.len());
    vec![
        research,
        format!(
            "No finding named is not the same as no finding: the networks say {said} and are weak at several."
        ),
        "Probabilities are calibrated on the patients named in the model cards; at another site they can be off."
            .to_owned(),
    ]
}

/// A number of findings in words, up to twenty.
fn counted(findings: usize) -> String {
    const WORDS: [&str; 21] = [
        "no",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let number = WORDS.get(findings).map_or_else(|| findings.to_string(), |word| (*word).to_owned());
    format!("{number} finding{}", if findings == 1 { "" } else { "s" })
}
