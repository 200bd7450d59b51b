//! A report whose texts are in its language: what the pillars say of themselves is put into it, field by field.
//!
//! What identifies, codes, dates and citations stay as they are.

use crate::report::document::{
    Assessment, Comparator, Contribution, Dropped, Feature, Finding, Guidance, Interval, Kind, Lesion,
    Method, Missing, Model, NoResult, Picture, Pipeline, Record, Remark, Report, Risk, RiskInput, RiskValue,
    Saliency, Segment, Shows, Software, Source, Study, Warning,
};

use super::Language;

/// The report in its language. English is what it was composed in.
pub fn translated(report: Report) -> Report {
    let language = report.language;
    if language == Language::English {
        return report;
    }
    let say = |text: &String| language.phrase(text);
    Report {
        kind: kind(language, report.kind),
        pipeline: Pipeline { description: say(&report.pipeline.description), ..report.pipeline },
        software: Software { compute_device: say(&report.software.compute_device), ..report.software },
        study: study(language, report.study),
        models: report.models.into_iter().map(|one| model(language, one)).collect(),
        findings: report.findings.into_iter().map(|one| finding(language, one)).collect(),
        segments: report.segments.into_iter().map(|one| Segment { title: say(&one.title), ..one }).collect(),
        picture: report.picture.map(|picture| Picture {
            saliency: picture.saliency.map(|saliency| Saliency {
                finding: match saliency.shows {
                    Shows::WhereItLooked => say(&saliency.finding),
                    // titles with commas between
                    Shows::Outlines => saliency
                        .finding
                        .split(", ")
                        .map(|title| language.phrase(title))
                        .collect::<Vec<_>>()
                        .join(", "),
                },
                method: say(&saliency.method),
                ..saliency
            }),
            ..picture
        }),
        record: Record {
            features: report.record.features.into_iter().map(|one| feature(language, one)).collect(),
            sources: report.record.sources.into_iter().map(|one| source(language, one)).collect(),
            excluded: report.record.excluded.iter().map(say).collect(),
            ..report.record
        },
        lesion: report.lesion.map(|one| Lesion {
            title: say(&one.title),
            site: say(&one.site),
            kind: one.kind.as_ref().map(say),
            ..one
        }),
        risks: report.risks.into_iter().map(|one| risk(language, one)).collect(),
        missing: report
            .missing
            .into_iter()
            .map(|missing| Missing { what: say(&missing.what), effect: say(&missing.effect) })
            .collect(),
        limits: report.limits.iter().map(say).collect(),
        ..report
    }
}

fn kind(language: Language, kind: Kind) -> Kind {
    let why = |why: NoResult| NoResult {
        reason: language.reason(&why.code, &why.reason),
        next_step: language.phrase(&why.next_step),
        code: why.code,
    };
    match kind {
        Kind::Analysis => Kind::Analysis,
        Kind::Refused(reason) => Kind::Refused(why(reason)),
        Kind::Failed(reason) => Kind::Failed(why(reason)),
        Kind::Withdrawn(reason, version) => Kind::Withdrawn(why(reason), version),
    }
}

fn study(language: Language, study: Study) -> Study {
    Study {
        started_text: language.phrase(&study.started_text),
        zone_rule: language.phrase(&study.zone_rule),
        view: study.view.map(|view| language.phrase(&view)),
        dropped: study
            .dropped
            .into_iter()
            .map(|one| Dropped { reason: language.reason(&one.code, &one.reason), ..one })
            .collect(),
        warnings: study
            .warnings
            .into_iter()
            .map(|one| Warning { text: language.reason(&one.code, &one.text), code: one.code })
            .collect(),
        ..study
    }
}

fn model(language: Language, model: Model) -> Model {
    Model {
        title: language.phrase(&model.title),
        training_data: language.phrase(&model.training_data),
        calibration: language.phrase(&model.calibration),
        applicability: language.phrase(&model.applicability),
        limits: model.limits.iter().map(|limit| language.phrase(limit)).collect(),
        ..model
    }
}

fn finding(language: Language, finding: Finding) -> Finding {
    Finding {
        title: language.phrase(&finding.title),
        assessment: match finding.assessment {
            Assessment::NotAssessed { reason } => {
                Assessment::NotAssessed { reason: language.phrase(&reason) }
            }
            assessed @ Assessment::Assessed { .. } => assessed,
        },
        ..finding
    }
}

fn feature(language: Language, feature: Feature) -> Feature {
    Feature {
        label: language.phrase(&feature.label),
        value: feature.value.map(|value| language.phrase(&value)),
        missing: feature.missing.map(|reason| language.phrase(&reason)),
        remark: feature.remark.map(|remark| Remark { text: parts(language, &remark.text), ..remark }),
        ..feature
    }
}

/// Several uses of one resource stand in its description with semicolons between.
fn source(language: Language, source: Source) -> Source {
    Source { description: parts(language, &source.description), ..source }
}

/// Phrases with semicolons between; what a person wrote stays as it is.
fn parts(language: Language, text: &str) -> String {
    let parts: Vec<String> = text.split("; ").map(|one| language.phrase(one)).collect();
    parts.join("; ")
}

fn risk(language: Language, risk: Risk) -> Risk {
    let say = |text: &String| language.phrase(text);
    let range = |range: Interval| Interval { kind: say(&range.kind), ..range };
    Risk {
        title: say(&risk.title),
        outcome: say(&risk.outcome),
        horizon: say(&risk.horizon),
        value: match risk.value {
            RiskValue::Computed { probability, interval } => {
                RiskValue::Computed { probability, interval: interval.map(range) }
            }
            RiskValue::NotComputable { reason, range: could_be } => {
                RiskValue::NotComputable { reason: say(&reason), range: could_be.map(range) }
            }
        },
        could_be: risk.could_be.map(range),
        method: Method {
            name: say(&risk.method.name),
            version: versions(language, &risk.method.version),
            ..risk.method
        },
        inputs: risk
            .inputs
            .into_iter()
            .map(|one| RiskInput { label: say(&one.label), value: say(&one.value), ..one })
            .collect(),
        contributions: risk
            .contributions
            .into_iter()
            .map(|one| Contribution { label: say(&one.label), ..one })
            .collect(),
        comparators: risk
            .comparators
            .into_iter()
            .map(|one| Comparator {
                name: say(&one.name),
                note: one.note.as_ref().map(say),
                category: one.category.as_ref().map(say),
                ..one
            })
            .collect(),
        population: say(&risk.population),
        calibration: say(&risk.calibration),
        category: risk.category.as_ref().map(say),
        guidance: risk.guidance.map(|one| Guidance { text: say(&one.text), ..one }),
        limits: risk.limits.iter().map(say).collect(),
        ..risk
    }
}

/// A version with its variant after a comma, of which the variant is in words.
fn versions(language: Language, version: &str) -> String {
    match version.split_once(", ") {
        Some((number, variant)) => format!("{number}, {}", language.phrase(variant)),
        None => language.phrase(version),
    }
}
