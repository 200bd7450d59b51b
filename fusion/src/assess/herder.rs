//! Herder for the index nodule, where the record states its uptake on PET.

use super::inputs::{index_nodule, number_of};
use super::{AssessInput, Card, Comparison, Guidance, Risk};
use crate::formulas::herder::{MIN_DIAMETER_MM, Uptake, by_likelihood_ratio, calculate};
use crate::nodule::NoduleKind;

const CARD: Card = Card {
    id: "herder",
    title: "Malignancy of a lung nodule after FDG-PET (Herder)",
    outcome: "the pulmonary nodule is malignant",
    horizon: None,
    name: "Herder model",
    version: "2005",
    citation: "Herder GJ et al., Chest 2005;128:2490-2496; uptake scale: British Thoracic Society, Thorax 2015;70:ii1-ii54",
    population: "Adults with a solid lung nodule of at least 8 mm that was seen on FDG-PET",
    ages: (18.0, 110.0),
    calibration: "as published; not recalibrated for this site",
    limits: &["made from 106 nodules of one hospital", "what is unknown to Mayo widens the range here too"],
};

/// Brock's probability from which on the guideline takes the model.
const LEAST_BROCK: f64 = 0.1;

/// Whether the record states an uptake at all; without one the model is not listed.
pub(super) fn is_relevant(input: &AssessInput<'_>) -> bool {
    input.features.is_some_and(|table| table.number("fdg-uptake").is_some())
}

/// `mayo` and `brock` are the risks by Mayo and Brock for the same input.
pub(super) fn risk(input: &AssessInput<'_>, mayo: &Risk, brock: &Risk) -> Risk {
    let mut risk = CARD.empty();
    let index = match index_nodule(input) {
        Ok(index) => index,
        Err(reason) => return risk.lacks(&["nodule"], reason),
    };
    index.describe(&mut risk);
    let uptake = number_of(input, "fdg-uptake", &mut risk).and_then(uptake);
    if index.nodule.diameter_mm < MIN_DIAMETER_MM {
        return risk.outside("the nodule is smaller than 8 mm");
    }
    match index.nodule.kind {
        Some(NoduleKind::Solid) => {}
        Some(_) => return risk.outside("the model is for solid nodules"),
        None => risk.limits.push("the texture is not stated; the model is for solid nodules".to_owned()),
    }
    risk.limits.extend(after_brock(brock).map(str::to_owned));
    let bounds = mayo.probability.map(|known| (known, known)).or_else(|| mayo.low.zip(mayo.high));
    let Some(bounds) = bounds else {
        return risk.lacks(&["mayo"], "the Mayo probability, which it starts from, is not computable");
    };
    risk.comparators.push(Comparison::of_same(
        "Mayo, without PET",
        mayo.probability,
        "what the model starts from",
    ));
    if let (Some(mayo), Some(uptake)) = (mayo.probability, uptake) {
        let probability = by_likelihood_ratio(mayo, uptake);
        let note = "another model that goes by the same name; comparator only";
        risk.comparators.push(Comparison {
            category: Some(suggested(probability).0.to_owned()),
            ..Comparison::of_same("by likelihood ratio", Some(probability), note)
        });
    }
    let mut risk = risk.calculated(&calculate(bounds, uptake));
    if let Some(probability) = risk.probability {
        let (category, text) = suggested(probability);
        risk.category = Some(category.to_owned());
        risk.guidance = Some(Guidance {
            text: format!("the guideline suggests: {text}"),
            citation: "British Thoracic Society, Thorax 2015;70:ii1-ii54".to_owned(),
        });
    }
    risk
}

/// The guideline takes the model after a Brock risk of 10 % and more; what there is to say of that.
fn after_brock(brock: &Risk) -> Option<&'static str> {
    let low = brock.probability.or(brock.low);
    let high = brock.probability.or(brock.high);
    match (low, high) {
        (Some(low), _) if low >= LEAST_BROCK => None,
        (_, Some(high)) if high < LEAST_BROCK => Some(
            "the guideline (British Thoracic Society 2015) takes the model after a Brock risk of 10 % and more; here it is below",
        ),
        _ => Some(
            "the guideline (British Thoracic Society 2015) takes the model after a Brock risk of 10 % and more; here that is not known",
        ),
    }
}

/// Category after PET, and what the British Thoracic Society suggests for it.
fn suggested(probability: f64) -> (&'static str, &'static str) {
    match probability {
        low if low < 0.1 => ("below 10 %", "CT surveillance"),
        middle if middle <= 0.7 => {
            ("10 to 70 %", "image-guided biopsy, excision or CT surveillance, by risk and preference")
        }
        _ => ("above 70 %", "excision or non-surgical treatment"),
    }
}

fn uptake(step: f64) -> Option<Uptake> {
    [(0.0, Uptake::None), (1.0, Uptake::Faint), (2.0, Uptake::Moderate), (3.0, Uptake::Intense)]
        .into_iter()
        .find(|(value, _)| (value - step).abs() < 1e-9)
        .map(|(_, uptake)| uptake)
}
