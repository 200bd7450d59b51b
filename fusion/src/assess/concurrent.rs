//! Intensive care at the time of the examination, by the learned late fusion.

use super::inputs::described;
use super::{
    AssessInput, Card, ChestView, Comparison, Contribution, ImageScores, IntervalKind, Risk, RiskInput, sort,
};
use crate::features::{FeatureTable, FeatureValue};
use crate::learned::{LateFusionModel, Prediction, Stratum};

/// The risk's identifier.
pub(super) const ID: &str = "icu-concurrent";

const CARD: Card = Card {
    id: ID,
    title: "In intensive care at the time of the examination",
    outcome: "the patient is in intensive care at the time of the examination; a state now, not a forecast",
    horizon: Some("at the time of the examination"),
    name: "Late fusion of image findings and laboratory values",
    version: "untrained",
    citation: "COVID-19 Image Repository, Hannover Medical School, CC BY 3.0, doi 10.6084/m9.figshare.12275009",
    population: "Adult in-patients with COVID-19, known at most 90 days before a frontal chest radiograph",
    ages: (18.0, 120.0),
    calibration: "calibrated on patients not trained on (cross-fitted by patient) within one small data set",
    limits: &[
        "a technical demonstration on 56 patients of one hospital, not for clinical use",
        "a state that the ward already knows; it forecasts nothing",
        "what is measured and which view is taken depend on the ward, so part of the signal is a shortcut",
    ],
};

/// COVID-19 that was stated longer before the examination is not the same illness, in days.
const COVID_MAX_AGE_DAYS: f64 = 90.0;

/// What the conformal bounds are for: to say that a number says nothing.
const INDETERMINATE: &str = "indeterminate: the number speaks for neither outcome, or for both (conformal bounds of 90 %, by outcome and by which sides answered)";

/// Modalities of radiographs.
const RADIOGRAPHS: [&str; 3] = ["CR", "DX", "RF"];

pub(super) fn risk(input: &AssessInput<'_>) -> Risk {
    let mut risk = Risk { learned: true, ..CARD.empty() };
    if let Some(model) = input.late_fusion {
        risk.method.version =
            format!("{} ({})", model.version(), model.digest().get(..12).unwrap_or_default());
        risk.average = Some(model.base_rate());
        model.calibration().clone_into(&mut risk.calibration);
        risk.limits.extend(model.performance().iter().cloned());
    }
    let Some(table) = input.features else {
        return risk.outside("it is for patients with COVID-19 and there is no record that states it");
    };
    if let Err(reason) = in_population(input, table, &mut risk) {
        return risk.outside(reason);
    }
    let Some(model) = input.late_fusion else {
        return risk.lacks(&["model"], "the late fusion model is not trained");
    };
    let (scores, refusal) = match usable(input.image, model) {
        Ok(scores) => (scores, None),
        Err(reason) => (None, Some(reason)),
    };
    risk.limits.extend(refusal.map(str::to_owned));
    let aligned = scores.and_then(|scores| model.align(&scores.labels));
    let Some(prediction) = model.predict(aligned.as_deref(), Some(table)) else {
        return risk.lacks(
            &["image", "laboratory"],
            "neither image findings nor laboratory values of the last 30 days",
        );
    };
    fill(&mut risk, model, table, scores, &prediction);
    risk
}

/// Whether the record states COVID-19 near the examination, of an adult.
fn in_population(input: &AssessInput<'_>, table: &FeatureTable, risk: &mut Risk) -> Result<(), &'static str> {
    let covid = table.feature("covid-19");
    risk.inputs.extend(covid.map(described));
    match covid.map(|feature| (&feature.value, feature.age_days)) {
        Some((FeatureValue::Bool(true), Some(age))) if age > COVID_MAX_AGE_DAYS => {
            return Err("COVID-19 was stated more than 90 days before the examination");
        }
        Some((FeatureValue::Bool(true), _)) => {}
        Some((FeatureValue::Bool(false), _)) => return Err("the record states that there is no COVID-19"),
        _ => return Err("the record does not state COVID-19 at the time of the examination"),
    }
    let age = table.number("age").or(input.header.and_then(|header| header.age_years));
    match age {
        Some(years) if years < CARD.ages.0 => Err("it is for adults"),
        Some(_) => Ok(()),
        None => {
            risk.limits.push("the age is not known; the model is for adults".to_owned());
            Ok(())
        }
    }
}

/// The scores, where they are ones that the model may read.
fn usable<'a>(
    image: Option<&'a ImageScores>,
    model: &LateFusionModel,
) -> Result<Option<&'a ImageScores>, &'static str> {
    let Some(scores) = image else { return Ok(None) };
    if !RADIOGRAPHS.contains(&scores.modality.as_str()) {
        return Err("the image is no radiograph, so it takes no part");
    }
    if scores.model != model.image_model() {
        return Err("the image scores are of another version of the image model, so they take no part");
    }
    if model.align(&scores.labels).is_none() {
        return Err("the image scores lack a finding that the fusion reads, so they take no part");
    }
    Ok(Some(scores))
}

fn fill(
    risk: &mut Risk,
    model: &LateFusionModel,
    table: &FeatureTable,
    scores: Option<&ImageScores>,
    prediction: &Prediction,
) {
    risk.probability = Some(prediction.probability);
    if let Some((low, high)) = prediction.interval {
        (risk.low, risk.high, risk.interval_kind) = (Some(low), Some(high), IntervalKind::Confidence95);
    }
    let variant = match prediction.stratum {
        Stratum::Fused => "image and record",
        Stratum::ImageOnly => "image only",
        Stratum::RecordOnly => "record only",
    };
    variant.clone_into(&mut risk.method.variant);
    if prediction.stratum != Stratum::Fused {
        let absent = if prediction.stratum == Stratum::ImageOnly { "laboratory" } else { "image" };
        risk.missing.push(absent.to_owned());
    }
    if let Some(bounds) = prediction.could_be {
        risk.missing.extend(prediction.missing.iter().map(|id| (*id).to_owned()));
        risk.could_be = Some(bounds);
    }
    let label =
        |id: &str| table.feature(id).map_or_else(|| id.replace('_', " "), |feature| feature.label.clone());
    risk.contributions = prediction
        .contributions
        .iter()
        .filter(|(_, logit)| *logit != 0.0)
        .map(|(id, logit)| Contribution { label: label(id), logit: *logit })
        .collect();
    sort(&mut risk.contributions);
    if let Some(scores) = scores {
        risk.inputs.extend(scores.labels.iter().map(|(name, logit)| RiskInput {
            label: format!("{} (logit)", name.replace('_', " ")),
            value: super::inputs::number(*logit),
            unit: None,
            date: None,
            source: None,
            from_note: false,
        }));
    }
    if prediction.stratum != Stratum::ImageOnly {
        let read = ["crp", "ldh", "d-dimer", "lymphocytes", "neutrophils", "pao2", "paco2", "sex"];
        risk.inputs.extend(read.iter().filter_map(|id| table.feature(id)).map(described));
    }
    risk.limits.extend(prediction.distance.and_then(|distance| distance.warning()));
    if prediction.indeterminate == Some(true) {
        risk.limits.push(INDETERMINATE.to_owned());
    }
    compare(risk, model, scores.and_then(|scores| scores.view), prediction);
}

fn compare(risk: &mut Risk, model: &LateFusionModel, view: Option<ChestView>, prediction: &Prediction) {
    let mut add = |name: &str, probability: Option<f64>, note: &str| {
        risk.comparators.push(Comparison::of_same(name, probability, note));
    };
    add("image only", prediction.image_only, "the findings alone, calibrated");
    add("record only", prediction.record_only, "laboratory values and sex alone, calibrated");
    let shown = view.map(|view| model.view_only(view));
    add(
        "view only",
        shown,
        "share in intensive care among examinations of this view: a shortcut, not an input",
    );
}
