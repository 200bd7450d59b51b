//! Mayo for a solitary stated nodule. With more than one, stated or coded, there is no number.

use super::inputs::{age, ever_smoked, index_nodule, plain, truth_of};
use super::{AssessInput, Card, Comparison, Risk, guideline};
use crate::formulas::comparators::va;
use crate::formulas::mayo::{CANCER_FREE_YEARS, DIAMETER_MM, Inputs, calculate};

const CARD: Card = Card {
    id: "mayo",
    title: "Malignancy of a lung nodule (Mayo)",
    outcome: "the solitary pulmonary nodule is malignant",
    horizon: None,
    name: "Mayo Clinic model",
    version: "1997",
    citation: "Swensen SJ et al., Arch Intern Med 1997;157:849-855",
    population: "Adults with a solitary lung nodule of 4 to 30 mm and no cancer within 5 years",
    ages: (18.0, 110.0),
    calibration: "as published; not recalibrated for this site",
    limits: &["developed on radiographs and CT of one centre, 1984 to 1986"],
};

pub(super) fn risk(input: &AssessInput<'_>) -> Risk {
    let mut risk = CARD.empty();
    let index = match index_nodule(input) {
        Ok(index) => index,
        Err(reason) => return risk.lacks(&["nodule"], reason),
    };
    index.describe(&mut risk);
    let nodule = index.nodule;
    let years = age(input, &mut risk);
    let ever_smoker = ever_smoked(input, &mut risk);
    if ever_smoker.is_none() {
        risk.inputs.push(plain("Smoking status", "unknown".to_owned(), None));
    }
    let extrathoracic = truth_of(input, "extrathoracic-cancer", "Cancer outside the chest", &mut risk);
    // it stands whether the formula is for the patient or not: it knows several nodules, and small ones
    guideline::found_by_chance(input, &index, years, &mut risk);
    if index.count > 1 && nodule.outlined.is_some() {
        return risk.lacks(
            &["nodule-count"],
            "the formula is for a solitary nodule, and the model outlines more than one",
        );
    }
    if index.count > 1 {
        let reason =
            format!("the formula is for a solitary nodule; the latest examination has {}", index.count);
        return risk.outside(&reason);
    }
    if !(DIAMETER_MM.0..=DIAMETER_MM.1).contains(&nodule.diameter_mm) {
        return risk.outside("the diameter is not within 4 to 30 mm");
    }
    let table = input.features;
    let since = table.and_then(|table| table.number("years-since-cancer"));
    if since.is_some_and(|years| years < CANCER_FREE_YEARS) {
        return risk.outside("a cancer was diagnosed within 5 years");
    }
    // a note that names a cancer, or its personal history, does not say when it was diagnosed
    if since.is_none() && table.and_then(|table| table.truth("cancer")) == Some(true) {
        return risk.lacks(
            &["years-since-cancer"],
            "a cancer is stated and not when it was diagnosed; within 5 years the formula is not for the patient",
        );
    }
    if table.and_then(|table| table.truth("cancer")).is_none() {
        risk.limits
            .push("a cancer within 5 years would exclude the patient; the record does not say".to_owned());
    }
    let Some(age_years) = years else { return risk.lacks(&["age"], "age not known") };
    if !(CARD.ages.0..=CARD.ages.1).contains(&age_years) {
        return risk.outside("the formula is for adults");
    }
    let inputs = Inputs {
        age_years,
        ever_smoker,
        extrathoracic_cancer: extrathoracic,
        diameter_mm: nodule.diameter_mm,
        spiculated: index.spiculated,
        upper_lobe: nodule.upper_lobe,
    };
    compare(input, &inputs, &mut risk);
    match calculate(&inputs) {
        Some(calculation) => risk.calculated(&calculation),
        None => risk.outside("the diameter is not within 4 to 30 mm"),
    }
}

/// The VA model beside it, where it is known whether the patient smoked, and for who stopped, when.
fn compare(input: &AssessInput<'_>, inputs: &Inputs, risk: &mut Risk) {
    let table = input.features;
    let smokes = table.and_then(|table| table.code("smoking-status")) == Some("current-smoker");
    let years_quit = match inputs.ever_smoker {
        None => return,
        Some(true) if !smokes => table.and_then(|table| table.number("years-quit")),
        Some(_) => Some(0.0),
    };
    let ever_smoker = inputs.ever_smoker == Some(true);
    let probability = years_quit.map(|years| va(inputs.age_years, ever_smoker, years, inputs.diameter_mm));
    let note = if probability.is_some() {
        "Gould 2007, veterans"
    } else {
        "Gould 2007; when the patient stopped smoking is not known"
    };
    risk.comparators.push(Comparison::of_same("VA model", probability, note));
}
