//! The risk that a site's own late fusion says of picture, record and, where it has one, a published formula: the sides together and
//! each alone.

use super::inputs::{number, plain};
use super::tabular::{About, contributions, describe, indeterminate, outside};
use super::{AssessInput, Comparison, ImageScores, IntervalKind, Risk};
use crate::features::FeatureTable;
use crate::learned::fused::{Answered, FusedConfig, FusedModel, FusedPrediction};
use crate::learned::tabular::RecordRow;
use crate::learned::tabular::record::cell;

/// What the method is, for a reader.
const METHOD: &str = "Late fusion of findings of the image and values of the record";

/// The risk by a site's late fusion, computed or with the reason why not. Its vectors of pictures are the logits of the bundle that
/// it names; scores of another take no part. `formulas` are risks of the same examination, of which it may read one.
pub fn assess_fused(model: &FusedModel, input: &AssessInput<'_>, formulas: &[Risk]) -> Risk {
    let mut risk = said(model, input, formulas);
    risk.finish(input);
    risk
}

fn said(model: &FusedModel, input: &AssessInput<'_>, formulas: &[Risk]) -> Risk {
    let config = model.config();
    let about = About {
        method: METHOD,
        digest: model.digest(),
        calibration: model.calibration(),
        average: model.base_rate(),
    };
    let mut risk = about.risk(&config.table);
    let asks = config.table.record.as_ref().is_some_and(|rule| !rule.requires.is_empty());
    match input.features {
        None if asks => return risk.lacks(&["record"], "there is no record of this patient"),
        None => {}
        Some(features) => {
            if let Some(reason) = outside(&mut risk, &config.table, features) {
                return risk.outside(&reason);
            }
        }
    }
    let (vector, refusal) = match vector(input.image, config) {
        Ok(vector) => (vector, None),
        Err(reason) => (None, Some(reason)),
    };
    risk.limits.extend(refusal.map(str::to_owned));
    let Some(stated) = row(config, input.features, formulas) else {
        return risk.lacks(&["model"], "the model reads what is no feature of a record");
    };
    if let Some(features) = input.features {
        describe(&mut risk, &stated, features);
    }
    let answer = stated.row().and_then(|row| model.predict(row, vector.as_deref()).ok().flatten());
    let Some(answer) = answer else {
        let reason = "neither the image nor the record says anything that the model reads";
        return risk.lacks(&["image", "record"], reason);
    };
    fill(&mut risk, model, &stated, answer);
    // what is said to be missing is then of the record alone
    let has_sides =
        !["image", "record", "formula"].iter().any(|side| risk.missing.iter().any(|one| one == side));
    if has_sides {
        risk.could_be = stated.row().and_then(|row| model.could_be(row, vector.as_deref()));
    }
    if let Some(scores) = input.image.filter(|_| vector.is_some()) {
        risk.inputs.extend(scores.labels.iter().map(|(name, logit)| {
            plain(&format!("{} (logit)", name.replace('_', " ")), number(*logit), None)
        }));
    }
    risk
}

/// The picture's vector, where its scores are of the bundle that the model was fitted with.
#[expect(
    clippy::cast_possible_truncation,
    reason = "vectors are f32, as they were when the model was fitted"
)]
fn vector(image: Option<&ImageScores>, config: &FusedConfig) -> Result<Option<Vec<f32>>, &'static str> {
    let Some(scores) = image else { return Ok(None) };
    if config.image.bundle.as_deref() != Some(scores.bundle.as_str()) {
        return Err("the image scores are of another version of the image model, so they take no part");
    }
    Ok(Some(scores.labels.iter().map(|(_, logit)| *logit as f32).collect()))
}

/// The row of the examination: features, and the formula's probability.
fn row(config: &FusedConfig, features: Option<&FeatureTable>, formulas: &[Risk]) -> Option<RecordRow> {
    let mut others = Vec::new();
    for column in &config.record_needs {
        others.push((column.clone(), cell(&config.table, features, column)?));
    }
    others.extend(config.formula.iter().map(|formula| {
        let computed = formulas.iter().find(|risk| risk.id == formula.column);
        let probability = computed.and_then(|risk| risk.probability);
        (formula.column.clone(), probability.map_or_else(String::new, |one| one.to_string()))
    }));
    RecordRow::with(&config.table, features, others)
}

fn fill(risk: &mut Risk, model: &FusedModel, stated: &RecordRow, answer: FusedPrediction) {
    let config = model.config();
    let (variant, has_image, has_record) = match answer.answered {
        Answered::Fused => ("image and record", true, true),
        Answered::ImageOnly => ("image only", true, false),
        Answered::RecordOnly => ("record only", false, true),
        Answered::FormulaOnly => ("formula only", false, false),
        Answered::ImageAndFormula => ("image and formula", true, false),
        Answered::RecordAndFormula => ("record and formula", false, true),
    };
    variant.clone_into(&mut risk.method.variant);
    let lacks_formula = config.formula.is_some() && answer.formula_only.is_none();
    let absent = [("image", !has_image), ("record", !has_record), ("formula", lacks_formula)];
    risk.missing = absent.iter().filter(|(_, lacks)| *lacks).map(|(word, _)| (*word).to_owned()).collect();
    if has_record {
        risk.missing.extend(stated.absent.iter().map(|(id, _)| id.clone()));
    }
    risk.probability = Some(answer.probability);
    (risk.low, risk.high, risk.interval_kind) =
        (Some(answer.low), Some(answer.high), IntervalKind::Confidence95);
    risk.limits.extend(answer.distance.and_then(|distance| distance.warning()));
    if answer.indeterminate == Some(true) {
        risk.limits.extend(model.conformal_percent().map(indeterminate));
    }
    let alone = [
        Some(("image only", answer.image_only, "the image alone, calibrated")),
        Some(("record only", answer.record_only, "the record alone, calibrated")),
        config
            .formula
            .as_ref()
            .map(|formula| (formula.label.as_str(), answer.formula_only, "the formula alone, calibrated")),
    ];
    let alone = alone.into_iter().flatten();
    risk.comparators
        .extend(alone.map(|(name, probability, note)| Comparison::of_same(name, probability, note)));
    risk.contributions = contributions(answer.contributions);
}
