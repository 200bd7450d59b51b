//! The risk that a site's own model of a table says of a record: all that its file states of itself, and its answer for the row that
//! the record's features at t0 make.

use super::inputs::described;
use super::{AssessInput, Contribution, IntervalKind, Method, Risk, RiskInput, sort};
use crate::features::{FeatureTable, MissingReason};
use crate::learned::tabular::{RecordRow, TabularConfig, TabularModel, TabularPrediction};

/// What the method is, for a reader.
const METHOD: &str = "Ridge logistic regression of values of the record";

/// The risk by a site's model, computed or with the reason why not. Its columns are features of a record
/// ([`TabularConfig::check_record`]); the picture takes no part.
pub fn assess_tabular(model: &TabularModel, input: &AssessInput<'_>) -> Risk {
    let mut risk = said(model, input.features);
    risk.finish(input);
    risk
}

fn said(model: &TabularModel, features: Option<&FeatureTable>) -> Risk {
    let config = model.config();
    let about = About {
        method: METHOD,
        digest: model.digest(),
        calibration: model.calibration(),
        average: model.base_rate(),
    };
    let mut risk = about.risk(config);
    let Some(features) = features else {
        return risk.lacks(&["record"], "there is no record of this patient");
    };
    if let Some(reason) = outside(&mut risk, config, features) {
        return risk.outside(&reason);
    }
    let Some(stated) = RecordRow::of(config, features) else {
        return risk.lacks(&["model"], "the model reads what is no feature of a record");
    };
    describe(&mut risk, &stated, features);
    let Some((prediction, shapley)) =
        stated.row().and_then(|row| Some((model.predict(row)?, model.shapley(row))))
    else {
        let absent: Vec<&str> = stated.absent.iter().map(|(id, _)| id.as_str()).collect();
        return risk.lacks(&absent, "the record states nothing that the model reads");
    };
    risk.missing = stated.absent.iter().map(|(id, _)| id.clone()).collect();
    let variant = if stated.absent.is_empty() { "all inputs" } else { "some inputs missing" };
    variant.clone_into(&mut risk.method.variant);
    risk.could_be = stated.row().and_then(|row| model.could_be(row));
    fill(&mut risk, model, prediction, shapley);
    risk
}

/// What is known of a site's model before any patient, beside its configuration.
pub(super) struct About<'a> {
    pub(super) method: &'static str,
    pub(super) digest: &'a str,
    pub(super) calibration: String,
    pub(super) average: f64,
}

impl About<'_> {
    /// A risk without a probability yet.
    pub(super) fn risk(self, config: &TabularConfig) -> Risk {
        let mut limits = vec![config.intended_use.clone()];
        limits.extend(config.limits.iter().cloned());
        if config.record.as_ref().is_none_or(|rule| rule.requires.is_empty()) {
            let unchecked = "the model states its patients in words alone: whether this one is among them was not checked";
            limits.push(unchecked.to_owned());
        }
        Risk {
            id: config.id.clone(),
            learned: true,
            title: config.title.clone(),
            outcome: config.outcome.clone(),
            horizon: Some(config.horizon.clone()).filter(|horizon| !horizon.is_empty()),
            probability: None,
            low: None,
            high: None,
            interval_kind: IntervalKind::None,
            missing: Vec::new(),
            could_be: None,
            reason: None,
            method: Method {
                name: self.method.to_owned(),
                version: format!("{} ({})", config.version, self.digest.get(..12).unwrap_or_default()),
                citation: config.data.clone(),
                variant: String::new(),
            },
            inputs: Vec::new(),
            contributions: Vec::new(),
            comparators: Vec::new(),
            population: config.population.clone(),
            in_population: true,
            calibration: self.calibration,
            average: Some(self.average),
            category: None,
            guidance: None,
            limits,
        }
    }
}

/// Why the model is not for the record's patient, where it is not; what was asked for is among the inputs.
pub(super) fn outside(risk: &mut Risk, config: &TabularConfig, features: &FeatureTable) -> Option<String> {
    let requires = config.record.iter().flat_map(|rule| &rule.requires);
    risk.inputs.extend(requires.filter_map(|one| features.feature(&one.feature)).map(described));
    config.unmet(features)
}

/// What the model reads, each feature once: what it does without is unknown and cites nothing, and where the record says something
/// that is not used, a limit says why.
pub(super) fn describe(risk: &mut Risk, stated: &RecordRow, features: &FeatureTable) {
    for feature in stated.read.iter().filter_map(|id| features.feature(id)) {
        let reason = stated.absent.iter().find(|(id, _)| *id == feature.id).map(|(_, reason)| *reason);
        if let Some(reason) = reason {
            // what was asked of the patient may be too old for the model
            risk.inputs.retain(|known| known.label != feature.label);
            risk.inputs.push(RiskInput {
                value: "unknown".to_owned(),
                unit: None,
                date: None,
                source: None,
                from_note: false,
                ..described(feature)
            });
            if reason != MissingReason::NotRecorded {
                risk.limits.push(format!("{}: {}", feature.label, reason.text()));
            }
        } else if !risk.inputs.iter().any(|known| known.label == feature.label) {
            risk.inputs.push(described(feature));
        }
    }
}

/// The parts of a risk's logit, those that say nothing left out.
pub(super) fn contributions(parts: Vec<(String, f64)>) -> Vec<Contribution> {
    let told = parts.into_iter().filter(|(_, logit)| *logit != 0.0);
    let mut made: Vec<Contribution> = told.map(|(label, logit)| Contribution { label, logit }).collect();
    sort(&mut made);
    made
}

/// That a number says nothing, by bounds that keep so many percent of the cases.
pub(super) fn indeterminate(percent: f64) -> String {
    format!(
        "indeterminate: the number speaks for neither outcome, or for both (conformal bounds of {percent} %, by outcome and by what is there)"
    )
}

fn fill(
    risk: &mut Risk,
    model: &TabularModel,
    prediction: TabularPrediction,
    shapley: Option<Vec<(String, f64)>>,
) {
    risk.probability = Some(prediction.probability);
    (risk.low, risk.high, risk.interval_kind) =
        (Some(prediction.low), Some(prediction.high), IntervalKind::Confidence95);
    risk.limits.extend(prediction.distance.and_then(|distance| distance.warning()));
    if prediction.indeterminate {
        risk.limits.push(indeterminate(model.conformal_percent()));
    }
    if shapley.is_none() {
        risk.limits.push("contributions are those before calibration".to_owned());
    }
    risk.contributions = contributions(shapley.unwrap_or(prediction.contributions));
}
