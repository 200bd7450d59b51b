//! Brock / PanCan for the largest stated nodule.

use super::course::on_screening;
use super::inputs::{age, index_nodule, sex, truth_of};
use super::{AssessInput, Card, Comparison, Guidance, Risk, Sex, guideline, rated};
use crate::formulas::brock::{Inputs, MAX_DIAMETER_MM, calculate};

const CARD: Card = Card {
    id: "brock",
    title: "Cancer in a lung nodule (Brock)",
    outcome: "the nodule is, or becomes within the follow-up of the PanCan study, a lung cancer",
    horizon: Some("2 to 4 years of follow-up"),
    name: "Brock (PanCan) full model",
    version: "2013",
    citation: "McWilliams A et al., N Engl J Med 2013;369:910-919",
    population: "Adults with a lung nodule of up to 30 mm on CT; developed in current and former smokers of 50 to 75 years in lung screening",
    ages: (18.0, 110.0),
    calibration: "as published; not recalibrated for this site; external AUROC 0.90 to 0.91",
    limits: &["developed on screening CT; nodules found otherwise have other base rates"],
};

/// Ages of the data the formula was made from, in years.
const DEVELOPMENT_AGES: (f64, f64) = (50.0, 75.0);

/// Probability from which the guideline suggests more than surveillance.
const GUIDED: f64 = 0.1;

/// Least diameter that the guideline's threshold is for, mm.
const LEAST_GUIDED_MM: f64 = 8.0;

/// `mayo` is the risk by Mayo for the same input.
pub(super) fn risk(input: &AssessInput<'_>, mayo: &Risk) -> Risk {
    let mut risk = CARD.empty();
    let index = match index_nodule(input) {
        Ok(index) => index,
        Err(reason) => return risk.lacks(&["nodule"], reason),
    };
    index.describe(&mut risk);
    let nodule = index.nodule;
    let years = age(input, &mut risk);
    let sex = sex(input, &mut risk);
    let family_history =
        truth_of(input, "family-lung-cancer", "Lung cancer in a first-degree relative", &mut risk);
    let emphysema = truth_of(input, "emphysema", "Emphysema", &mut risk);
    if nodule.diameter_mm > MAX_DIAMETER_MM {
        return risk.outside("the lesion is larger than 30 mm: a mass, not a nodule");
    }
    let (Some(age_years), Some(sex)) = (years, sex) else {
        let absent: Vec<&str> = [("age", years.is_none()), ("sex", sex.is_none())]
            .iter()
            .filter(|(_, absent)| *absent)
            .map(|(word, _)| *word)
            .collect();
        let reason = format!("{} not known", absent.join(" and "));
        return risk.lacks(&absent, &reason);
    };
    if !(CARD.ages.0..=CARD.ages.1).contains(&age_years) {
        return risk.outside("the formula is for adults");
    }
    if !(DEVELOPMENT_AGES.0..=DEVELOPMENT_AGES.1).contains(&age_years) {
        risk.limits
            .push("the age is outside the 50 to 75 years that the formula was developed in".to_owned());
    }
    let inputs = Inputs {
        age_years,
        female: sex == Sex::Female,
        family_history,
        emphysema,
        diameter_mm: nodule.diameter_mm,
        kind: nodule.kind,
        upper_lobe: nodule.upper_lobe,
        count: index.known_count(),
        spiculated: index.spiculated,
    };
    match calculate(&inputs) {
        Some(calculation) => {
            let mut risk = suggested(risk.calculated(&calculation), nodule.diameter_mm);
            compare(&mut risk, mayo, nodule.diameter_mm);
            risk.comparators.extend(rated::compare(&index));
            if index.spiculated.is_none() {
                let stated = |spiculated| {
                    let with = Inputs { spiculated: Some(spiculated), ..inputs };
                    calculate(&with).and_then(|found| found.probability())
                };
                let with: Vec<f64> = [false, true].into_iter().filter_map(stated).collect();
                risk.does_without(&["spiculation"], &with);
            }
            on_screening(&mut risk, nodule, index.spiculated, index.before);
            if index.count > 1 {
                // Mayo, which has it else, is not computed for several nodules and so not shown
                guideline::found_by_chance(input, &index, years, &mut risk);
            }
            risk
        }
        None => risk.outside("the diameter is outside the formula's domain"),
    }
}

/// The Mayo model beside it: both are taken for the same question before PET.
fn compare(risk: &mut Risk, mayo: &Risk, diameter_mm: f64) {
    let (Some(_), Some(probability)) = (risk.probability, mayo.probability) else { return };
    let note = "malignant now";
    let category = (diameter_mm >= LEAST_GUIDED_MM).then(|| category(probability).to_owned());
    risk.comparators.push(Comparison { category, ..Comparison::of_same("Mayo", Some(probability), note) });
}

/// The threshold of the British Thoracic Society, which is for nodules of 8 mm and more.
fn suggested(mut risk: Risk, diameter_mm: f64) -> Risk {
    let (Some(probability), true) = (risk.probability, diameter_mm >= LEAST_GUIDED_MM) else { return risk };
    let text =
        if probability < GUIDED { "CT surveillance" } else { "PET-CT, and the risk after it by Herder" };
    risk.category = Some(category(probability).to_owned());
    risk.guidance = Some(Guidance {
        text: format!("the guideline suggests: {text}"),
        citation: "British Thoracic Society, Thorax 2015;70:ii1-ii54".to_owned(),
    });
    risk
}

fn category(probability: f64) -> &'static str {
    if probability < GUIDED { "below 10 %" } else { "10 % and more" }
}
