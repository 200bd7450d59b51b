//! Risks of a report, from the fusion's assessment.

use std::sync::LazyLock;

use fusion::learned::Evaluation;
use fusion::{IntervalKind, LateFusionModel, Risk};

use crate::outcome;
use crate::report::document as doc;
use crate::risk_models::{Learned, RiskModel};

/// The built-in learned fusion's identifier, as a risk and as a model.
const LEARNED: &str = "icu-concurrent";

/// What the range of a risk is that is not known whole.
const MISSING_RANGE: &str = "range over what is unknown";

/// The order in which a reader sees them: computed ones first, then as the fusion lists them.
pub(super) fn risks(risks: &[Risk]) -> Vec<doc::Risk> {
    let mut ordered: Vec<&Risk> = risks.iter().collect();
    ordered.sort_by_key(|risk| risk.probability.is_none());
    ordered.into_iter().map(risk).collect()
}

/// The line of a risk in the JSON outcome.
pub(super) fn line(risk: &Risk) -> outcome::Risk {
    outcome::Risk {
        id: risk.id.clone(),
        probability: risk.probability,
        // A formula whose inputs are all known has a range of one point: the range is over what is unknown.
        low: risk.low.or(risk.probability),
        high: risk.high.or(risk.probability),
        missing: risk.missing.clone(),
    }
}

/// What is missing, for a reader: a learned risk names features by their identifiers.
pub(super) fn missing(risk: &Risk, word: &str) -> String {
    let label = risk.learned.then(|| fusion::features::feature_label(word)).flatten();
    label.unwrap_or(word).to_owned()
}

fn risk(risk: &Risk) -> doc::Risk {
    doc::Risk {
        id: risk.id.clone(),
        title: risk.title.clone(),
        outcome: risk.outcome.clone(),
        outcome_codings: Vec::new(),
        horizon: risk.horizon.clone().unwrap_or_else(|| "not stated".into()),
        horizon_years: risk.horizon.as_deref().and_then(horizon_years),
        value: value(risk),
        missing: risk.missing.iter().map(|word| missing(risk, word)).collect(),
        could_be: could_be(risk),
        performer: if risk.learned {
            doc::Performer::Model(risk.id.clone())
        } else {
            doc::Performer::Formula
        },
        method: doc::Method {
            name: risk.method.name.clone(),
            version: [risk.method.version.as_str(), risk.method.variant.as_str()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
            citation: risk.method.citation.clone(),
        },
        inputs: risk
            .inputs
            .iter()
            .map(|input| doc::RiskInput {
                label: input.label.clone(),
                value: input.value.clone(),
                unit: input.unit.clone(),
                date: input.date.clone(),
                source: input.source.clone(),
            })
            .collect(),
        contributions: risk
            .contributions
            .iter()
            .map(|one| doc::Contribution { label: one.label.clone(), logit: one.logit })
            .collect(),
        comparators: risk
            .comparators
            .iter()
            .map(|one| doc::Comparator {
                name: one.name.clone(),
                probability: one.probability,
                note: one.note.clone(),
                category: one.category.clone(),
                disagrees: one.disagrees(risk),
            })
            .collect(),
        population: risk.population.clone(),
        in_population: risk.in_population,
        calibration: risk.calibration.clone(),
        average: risk.average,
        category: risk.category.clone(),
        guidance: risk.guidance.as_ref().map(|guidance| doc::Guidance {
            text: guidance.text.clone(),
            citation: guidance.citation.clone(),
        }),
        limits: risk.limits.clone(),
    }
}

/// What a risk that is computed without something could be with it.
fn could_be(risk: &Risk) -> Option<doc::Interval> {
    let kind =
        if risk.learned { "range over values that are usual among its patients" } else { MISSING_RANGE };
    risk.could_be.map(|(low, high)| doc::Interval { low, high, kind: kind.to_owned() })
}

/// The horizon as numbers: `6 years` is from now to then, `2 to 4 years of follow-up` is what it says.
fn horizon_years(horizon: &str) -> Option<(f64, f64)> {
    let words: Vec<&str> = horizon.split(' ').collect();
    let year = |word: &str| word.parse::<f64>().ok().filter(|years| (0.0..=100.0).contains(years));
    match words.as_slice() {
        [to, "years", ..] => Some((0.0, year(to)?)),
        [from, "to", to, "years", ..] => Some((year(from)?, year(to)?)),
        _ => None,
    }
}

fn value(risk: &Risk) -> doc::RiskValue {
    let kind = match risk.interval_kind {
        IntervalKind::MissingRange => MISSING_RANGE,
        IntervalKind::Confidence95 => "95 % interval",
        IntervalKind::None => "",
    };
    let interval = risk.low.zip(risk.high).filter(|_| !kind.is_empty()).map(|(low, high)| doc::Interval {
        low,
        high,
        kind: kind.to_owned(),
    });
    match risk.probability {
        Some(probability) => doc::RiskValue::Computed { probability, interval },
        None => doc::RiskValue::NotComputable { reason: reason(risk), range: interval },
    }
}

/// Why there is no probability; that it is not computable is said beside it.
fn reason(risk: &Risk) -> String {
    if let Some(reason) = &risk.reason {
        return reason.strip_prefix("not computable: ").unwrap_or(reason).to_owned();
    }
    let words: Vec<String> = risk.missing.iter().map(|word| missing(risk, word)).collect();
    format!("missing: {}", words.join(", "))
}

/// The learned fusion as the report names it.
pub(super) fn model(model: &LateFusionModel) -> doc::Model {
    let (exams, patients, positives) = model.trained_on();
    doc::Model {
        id: LEARNED.to_owned(),
        version: model.version().to_owned(),
        title: "Intensive care at the time of the exam, late fusion".into(),
        kind: doc::ModelKind::Fusion,
        digest: model.digest().to_owned(),
        manufacturer: Some("The Chiasm project".into()),
        url: None,
        created: model.created().map(str::to_owned),
        card_markdown: LateFusionModel::embedded_card().to_owned(),
        training_data: format!(
            "{exams} radiographs of {patients} COVID-19 in-patients of one hospital, {positives} of them taken in intensive \
             care (COVID-19 Image Repository, Hannover Medical School)"
        ),
        calibration: model.calibration().to_owned(),
        calibration_points: CALIBRATION_POINTS.clone(),
        applicability: "frontal chest radiographs of adults whose record states COVID-19".into(),
        limits: [
            "A technical demonstration of a concurrent state, not a forecast and not for care decisions.",
            "Few patients of one hospital: no gain of the fusion over its parts can be shown.",
        ]
        .into_iter()
        .chain(model.performance().iter().map(String::as_str))
        .map(str::to_owned)
        .collect(),
    }
}

/// A site's own model as the report names it.
pub(super) fn own_model(own: &RiskModel) -> doc::Model {
    let (config, [rows, patients, events]) = (own.model.config(), own.model.fitted_on());
    let point = |(predicted, observed, cases): &(f64, f64, u32)| doc::CalibrationPoint {
        predicted: *predicted,
        observed: *observed,
        cases: *cases,
    };
    doc::Model {
        id: config.id.clone(),
        version: config.version.clone(),
        title: config.title.clone(),
        kind: match own.model {
            Learned::Record(_) => doc::ModelKind::Record,
            Learned::Fused(_) => doc::ModelKind::Fusion,
        },
        digest: own.model.digest().to_owned(),
        manufacturer: None,
        url: None,
        created: Some(config.created.clone()).filter(|day| !day.is_empty()),
        card_markdown: own.card.clone(),
        training_data: format!(
            "fitted on {rows} rows of {patients} patients, {events} with the outcome; {}",
            config.data
        ),
        calibration: own.model.calibration(),
        calibration_points: own.curve.iter().map(point).collect(),
        applicability: config.population.clone(),
        limits: std::iter::once(&config.intended_use).chain(&config.limits).cloned().collect(),
    }
}

/// The calibration plot of the evaluation that is shipped with the model, read once; empty where it is untrained.
static CALIBRATION_POINTS: LazyLock<Vec<doc::CalibrationPoint>> = LazyLock::new(|| {
    let evaluation: Option<Evaluation> = serde_json::from_str(LateFusionModel::embedded_evaluation()).ok();
    let bins = evaluation.map(|evaluation| evaluation.calibration_bins).unwrap_or_default();
    let point = |(predicted, observed, cases): (f64, f64, usize)| doc::CalibrationPoint {
        predicted,
        observed,
        cases: u32::try_from(cases).unwrap_or(u32::MAX),
    };
    bins.into_iter().map(point).collect()
});

#[cfg(test)]
mod tests {
    use super::horizon_years;

    #[test]
    fn horizons_in_years_are_numbers() {
        assert_eq!(horizon_years("6 years"), Some((0.0, 6.0)));
        assert_eq!(horizon_years("2 to 4 years of follow-up"), Some((2.0, 4.0)));
        for none in ["at a biopsy now", "not stated", "some years", "1000 years", ""] {
            assert_eq!(horizon_years(none), None, "{none}");
        }
    }
}
