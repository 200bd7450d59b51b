//! PLCOm2012 from the record alone.

use super::inputs::{age, ever_smoked, number_of, plain, truth_of};
use super::{AssessInput, Card, Risk};
use crate::formulas::plcom2012::{Inputs, Race, calculate};

const CARD: Card = Card {
    id: "plcom2012",
    title: "Lung cancer within 6 years (PLCOm2012)",
    outcome: "lung cancer is diagnosed within 6 years",
    horizon: Some("6 years"),
    name: "PLCOm2012",
    version: "2012",
    citation: "Tammemagi MC et al., N Engl J Med 2013;368:728-736",
    population: "Persons of 50 to 80 years who have ever smoked and had no lung cancer; developed at 55 to 74 years",
    ages: (50.0, 80.0),
    calibration: "as published; not recalibrated for this site; AUROC 0.803 in development, 0.797 in validation",
    limits: &[
        "race or ethnicity is a term of the published formula and contested; its effect is shown as a contribution",
        "the radiograph takes no part in this risk",
    ],
};

/// Ages of the data the formula was made from, in years.
const DEVELOPMENT_AGES: (f64, f64) = (55.0, 74.0);

pub(super) fn risk(input: &AssessInput<'_>) -> Risk {
    let mut risk = CARD.empty();
    if input.features.is_none() {
        return risk.lacks(&["record"], "there is no record of this patient");
    }
    let years = age(input, &mut risk);
    let ever = ever_smoked(input, &mut risk);
    if ever == Some(false) {
        return risk.outside("the formula is for persons who have ever smoked");
    }
    if input.features.and_then(|table| table.truth("lung-cancer")) == Some(true) {
        return risk.outside("the record states a lung cancer");
    }
    if years.is_some_and(|years| !(CARD.ages.0..=CARD.ages.1).contains(&years)) {
        return risk.outside("the age is not within 50 to 80 years");
    }
    if years.is_some_and(|years| !(DEVELOPMENT_AGES.0..=DEVELOPMENT_AGES.1).contains(&years)) {
        risk.limits
            .push("the age is outside the 55 to 74 years that the formula was developed in".to_owned());
    }
    let inputs = inputs(input, years.unwrap_or_default(), &mut risk);
    let absent: Vec<&str> = [("age", years.is_none()), ("smoking-status", ever.is_none())]
        .iter()
        .filter(|(_, absent)| *absent)
        .map(|(word, _)| *word)
        .collect();
    if !absent.is_empty() {
        let mut missing = absent.clone();
        missing.extend(calculate(&inputs).missing().iter().filter(|word| !absent.contains(word)));
        let reason = format!("{} not known", absent.join(" and "));
        return risk.lacks(&missing, &reason);
    }
    risk.calculated(&calculate(&inputs))
}

fn inputs(input: &AssessInput<'_>, age_years: f64, risk: &mut Risk) -> Inputs {
    let table = input.features;
    let race = table.and_then(|table| table.code("race")).and_then(race);
    let shown = race.and_then(|_| table?.feature("race")).map(super::inputs::described);
    risk.inputs.push(shown.unwrap_or_else(|| plain("Race or ethnicity", "unknown".to_owned(), None)));
    let current_smoker = match table.and_then(|table| table.code("smoking-status")) {
        Some("current-smoker") => Some(true),
        Some("former-smoker") => Some(false),
        _ => None,
    };
    Inputs {
        age_years,
        race,
        education: number_of(input, "education", risk),
        bmi: number_of(input, "bmi", risk),
        copd: truth_of(input, "copd", "COPD", risk),
        cancer: truth_of(input, "cancer", "Cancer, any, past or present", risk),
        family_history: truth_of(input, "family-lung-cancer", "Lung cancer in a first-degree relative", risk),
        current_smoker,
        cigarettes_per_day: number_of(input, "cigarettes-per-day", risk),
        years_smoked: number_of(input, "years-smoked", risk),
        years_quit: number_of(input, "years-quit", risk),
    }
}

fn race(code: &str) -> Option<Race> {
    Some(match code {
        "white" => Race::White,
        "black" => Race::Black,
        "hispanic" => Race::Hispanic,
        "asian" => Race::Asian,
        "american-indian-or-alaska-native" => Race::AmericanIndian,
        "native-hawaiian-or-pacific-islander" => Race::PacificIslander,
        _ => return None,
    })
}
