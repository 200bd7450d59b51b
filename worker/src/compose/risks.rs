//! Risks of a report, from the fusion's assessment.

use fusion::assess::{IntervalKind, Risk};

use crate::outcome;
use crate::report::document as doc;

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
        low: risk.low,
        high: risk.high,
        missing: risk.missing.clone(),
    }
}

fn risk(risk: &Risk) -> doc::Risk {
    doc::Risk {
        id: risk.id.clone(),
        title: risk.title.clone(),
        outcome: risk.outcome.clone(),
        outcome_codings: Vec::new(),
        horizon: risk.horizon.clone().unwrap_or_else(|| "not stated".into()),
        value: value(risk),
        missing: risk.missing.clone(),
        performer: if risk.id == fusion::learned::ID {
            doc::Performer::Model(fusion::learned::ID.to_owned())
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
            })
            .collect(),
        population: risk.population.clone(),
        in_population: risk.in_population,
        calibration: risk.calibration.clone(),
        average: risk.average,
        category: None,
        guidance: None,
        limits: risk.limits.clone(),
    }
}

fn value(risk: &Risk) -> doc::RiskValue {
    let kind = match risk.interval_kind {
        IntervalKind::MissingRange => "range over what is unknown",
        IntervalKind::Confidence95 => "95 % interval",
        IntervalKind::None => "",
    };
    let interval = risk
        .low
        .zip(risk.high)
        .filter(|_| !kind.is_empty())
        .map(|(low, high)| doc::Interval { low, high, kind: kind.to_owned() });
    match risk.probability {
        Some(probability) => doc::RiskValue::Computed { probability, interval },
        None => doc::RiskValue::NotComputable {
            reason: risk.reason.clone().unwrap_or_else(|| format!("missing: {}", risk.missing.join(", "))),
            range: interval,
        },
    }
}

/// The learned fusion as the report names it; `None` while it is untrained.
pub(super) fn model() -> Option<doc::Model> {
    let model = fusion::learned::embedded().ok()?;
    let card = fusion::learned::embedded_card();
    Some(doc::Model {
        id: fusion::learned::ID.to_owned(),
        version: model.version().to_owned(),
        title: model.title().to_owned(),
        kind: doc::ModelKind::Fusion,
        digest: fusion::learned::embedded_digest(),
        manufacturer: "The Chiasm project".into(),
        created: None,
        card_markdown: card.to_owned(),
        training_data: model.training_data().to_owned(),
        calibration: model.calibration_text().to_owned(),
        calibration_points: Vec::new(),
        applicability: model.population_text().to_owned(),
        limits: model.limits(),
    })
}
