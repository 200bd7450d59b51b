//! Prostate cancer on biopsy: PBCG without MRI, PBCG updated by PI-RADS, TUM-RC. Listed for men whose record, or a
//! structured report of the study, states an antigen or a PI-RADS category.

mod facts;

use facts::{Facts, Site, facts, site};

use super::inputs::number;
use super::{AssessInput, Card, Comparison, IntervalKind, Risk, Sex};
use crate::formulas::comparators::Third;
use crate::formulas::pbcg::{self, Biopsy, PiRads};
use crate::formulas::{comparators, tum_rc};
use crate::prostate::ProstateReport;

const PBCG: Card = Card {
    id: "pbcg",
    title: "High-grade prostate cancer on biopsy (PBCG)",
    outcome: "a biopsy taken now would show a prostate cancer of Gleason 7 or more",
    horizon: Some("at a biopsy now"),
    name: "PBCG",
    version: "2018",
    citation: "Prostate Biopsy Collaborative Group, riskcalc.org (ClevelandClinicQHS/riskcalc-website, prompt/risk.R)",
    population: "Men of 40 to 90 years with a PSA of 2 to 50 ng/mL and no known prostate cancer",
    ages: pbcg::AGES,
    calibration: "as published; not recalibrated for this site",
    limits: &[
        "ancestry is a term of the published formula and contested; both values are shown where it is unknown",
        "no MRI takes part in this risk",
    ],
};

const UPDATED: Card = Card {
    id: "pbcg-mri",
    title: "High-grade prostate cancer on biopsy, with MRI (PBCG and PI-RADS)",
    name: "PBCG updated by PI-RADS",
    citation: "riskcalc.org (ClevelandClinicQHS/riskcalc-website, PBCGExtension/server.R)",
    population: "Men of 40 years and more with a PSA of 2 to 10 ng/mL, an MRI and no known prostate cancer",
    limits: &[
        "above a risk of 46 % without MRI the curve of PI-RADS 4 and 5 flattens near 62 %: the risk with MRI may be below the one without",
    ],
    ..PBCG
};

const TUM_RC: Card = Card {
    id: "tum-rc",
    title: "Prostate cancer above ISUP grade group 2 on biopsy (TUM-RC)",
    outcome: "a biopsy taken now would show a prostate cancer of ISUP grade group 3 or more",
    name: "TUM-RC",
    version: "commit 1938c14",
    citation: "riskcalc.org (ClevelandClinicQHS/riskcalc-website, Pirads/riskcalc.R)",
    population: "Men of 55 to 90 years with an MRI and no positive biopsy before",
    ages: tum_rc::AGES,
    limits: &[
        "made from 603 men of one specialist hospital, about 35 % with the outcome; external validation is awaited",
    ],
    ..PBCG
};

/// Whether there is anything to compute from, in a man.
pub(super) fn is_relevant(input: &AssessInput<'_>) -> bool {
    let recorded = input.features.and_then(|table| table.code("sex"));
    let header = input.header.and_then(|header| header.sex);
    let woman = recorded == Some("female") || (recorded.is_none() && header == Some(Sex::Female));
    let known = |id| input.features.is_some_and(|table| table.number(id).is_some());
    let reported = |report: &ProstateReport| report.pi_rads.is_some() || report.psa.is_some();
    !woman && (known("psa") || known("pi-rads") || input.prostate.iter().any(reported))
}

pub(super) fn risks(input: &AssessInput<'_>) -> Vec<Risk> {
    vec![without_mri(input), with_mri(input), tum(input)]
}

/// The inputs of PBCG for each ancestry that is possible, or why there is none.
fn pbcg_inputs(
    facts: &Facts,
    psa_range: (f64, f64),
) -> Result<Vec<pbcg::Inputs>, (Vec<&'static str>, String)> {
    let outside = |reason: &str| (vec!["population"], reason.to_owned());
    if facts.cancer == Some(true) {
        return Err(outside("the record states a prostate cancer"));
    }
    let (Some(age_years), Some(psa_ng_ml)) = (facts.age, facts.psa) else {
        let absent: Vec<&'static str> = [("age", facts.age.is_none()), ("psa", facts.psa.is_none())]
            .iter()
            .filter(|(_, absent)| *absent)
            .map(|(word, _)| *word)
            .collect();
        let reason = format!("{} not known", absent.join(" and "));
        return Err((absent, reason));
    };
    if !(pbcg::AGES.0..=pbcg::AGES.1).contains(&age_years) {
        return Err(outside("the age is not within 40 to 90 years"));
    }
    if !(psa_range.0..=psa_range.1).contains(&psa_ng_ml) {
        let reason =
            format!("the PSA is not within {} to {} ng/mL", number(psa_range.0), number(psa_range.1));
        return Err(outside(&reason));
    }
    let ancestries = facts.african.map_or_else(|| vec![false, true], |known| vec![known]);
    let made = |african_ancestry| pbcg::Inputs {
        psa_ng_ml,
        age_years,
        african_ancestry,
        prior_negative_biopsy: facts.prior_negative,
        abnormal_examination: facts.examination,
        family_history: facts.family,
    };
    Ok(ancestries.into_iter().map(made).collect())
}

/// What a published variant does without, and the same patient with every value of it; empty where nothing is unknown.
fn stated(inputs: &pbcg::Inputs) -> (Vec<&'static str>, Vec<pbcg::Inputs>) {
    let unknown = [
        ("prior-biopsy", inputs.prior_negative_biopsy.is_none()),
        ("rectal-examination", inputs.abnormal_examination.is_none()),
        ("family-history", inputs.family_history.is_none()),
    ];
    let words: Vec<&'static str> =
        unknown.iter().filter(|(_, absent)| *absent).map(|(word, _)| *word).collect();
    if words.is_empty() {
        return (words, Vec::new());
    }
    let values = |known: Option<bool>| known.map_or_else(|| vec![false, true], |known| vec![known]);
    let mut all = Vec::new();
    for biopsy in values(inputs.prior_negative_biopsy) {
        for examination in values(inputs.abnormal_examination) {
            for family in values(inputs.family_history) {
                all.push(pbcg::Inputs {
                    prior_negative_biopsy: Some(biopsy),
                    abnormal_examination: Some(examination),
                    family_history: Some(family),
                    ..*inputs
                });
            }
        }
    }
    (words, all)
}

/// A probability where all agree, else the range over what is unknown.
fn fill(mut risk: Risk, probabilities: &[f64], missing: &[&str]) -> Risk {
    let low = probabilities.iter().copied().fold(f64::INFINITY, f64::min);
    let high = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if missing.is_empty() {
        risk.probability = probabilities.first().copied();
        return risk;
    }
    (risk.low, risk.high, risk.interval_kind) = (Some(low), Some(high), IntervalKind::MissingRange);
    risk.lacks(missing, &format!("{} not known", missing.join(" and ")))
}

fn refused(risk: Risk, (missing, reason): (Vec<&'static str>, String)) -> Risk {
    if missing == ["population"] { risk.outside(&reason) } else { risk.lacks(&missing, &reason) }
}

fn without_mri(input: &AssessInput<'_>) -> Risk {
    let mut risk = PBCG.empty();
    let facts = facts(input, &mut risk);
    let inputs = match pbcg_inputs(&facts, pbcg::PSA_NG_ML) {
        Ok(inputs) => inputs,
        Err(why) => return refused(risk, why),
    };
    let found: Vec<Biopsy> = inputs.iter().filter_map(pbcg::calculate).collect();
    if let Some(first) = found.first() {
        first.variant.clone_into(&mut risk.method.variant);
    }
    if let [only] = found.as_slice() {
        add_other(&mut risk, "low grade", Some(only.low), "Gleason 6, by the same formula");
        add_other(&mut risk, "no cancer", Some(only.none), "by the same formula");
    }
    if let [only] = inputs.as_slice() {
        let older = pbcg::pcptrc(only).map(|found| found.high);
        add(
            &mut risk,
            "PCPTRC 2.0",
            older,
            "high grade by an older formula that needs every input; comparator only",
        );
    }
    let missing: &[&str] = if inputs.len() > 1 { &["ancestry"] } else { &[] };
    let highs: Vec<f64> = found.iter().map(|found| found.high).collect();
    let mut risk = fill(risk, &highs, missing);
    if let [only] = inputs.as_slice() {
        let (words, stated) = stated(only);
        let with: Vec<f64> = stated.iter().filter_map(pbcg::calculate).map(|found| found.high).collect();
        risk.does_without(&words, &with);
    }
    risk
}

fn add(risk: &mut Risk, name: &str, probability: Option<f64>, note: &str) {
    risk.comparators.push(Comparison::of_same(name, probability, note));
}

/// Of another outcome: a number to know, with which this one need not agree.
fn add_other(risk: &mut Risk, name: &str, probability: Option<f64>, note: &str) {
    let other = Comparison::of_same(name, probability, note);
    risk.comparators.push(Comparison { other_outcome: true, ..other });
}

fn with_mri(input: &AssessInput<'_>) -> Risk {
    let mut risk = UPDATED.empty();
    let facts = facts(input, &mut risk);
    let inputs = match pbcg_inputs(&facts, pbcg::UPDATE_PSA_NG_ML) {
        Ok(inputs) => inputs,
        Err(why) => return refused(risk, why),
    };
    let found: Vec<Biopsy> = inputs.iter().filter_map(pbcg::calculate).collect();
    if let Some(first) = found.first() {
        first.variant.clone_into(&mut risk.method.variant);
    }
    let without = if let [only] = found.as_slice() { Some(only.high) } else { None };
    add(&mut risk, "without MRI", without, "PBCG alone");
    by_place(input, &facts, &mut risk);
    let known = facts.pi_rads.and_then(PiRads::of);
    let bands = known.map_or_else(|| PiRads::ALL.to_vec(), |band| vec![band]);
    let probabilities: Vec<f64> =
        found.iter().flat_map(|one| bands.iter().map(|band| pbcg::updated(one.high, *band))).collect();
    let mut missing = Vec::new();
    missing.extend((inputs.len() > 1).then_some("ancestry"));
    missing.extend(known.is_none().then_some("pi-rads"));
    let mut risk = fill(risk, &probabilities, &missing);
    if let ([only], Some(band)) = (inputs.as_slice(), known) {
        let (words, stated) = stated(only);
        let found = stated.iter().filter_map(pbcg::calculate);
        let with: Vec<f64> = found.map(|one| pbcg::updated(one.high, band)).collect();
        risk.does_without(&words, &with);
    }
    risk
}

/// The model of a lesion's place beside it, from PI-RADS 3.
fn by_place(input: &AssessInput<'_>, facts: &Facts, risk: &mut Risk) {
    let Some(pi_rads) = facts.pi_rads.and_then(category).filter(|category| *category >= 3) else { return };
    let found = match (site(input, facts), facts.age, facts.psa.zip(facts.volume)) {
        (Site::Open, ..) => Err("needs the zone and the third that the lesion lies in; comparator only"),
        (Site::Several, ..) => {
            Err("lesions of this category lie in different places, and it is for one; comparator only")
        }
        (Site::Known(..), _, None) => Err("needs the volume of the prostate; comparator only"),
        (Site::Known(..), None, _) => Err("age not known"),
        (Site::Known(peripheral, third), Some(age), Some((psa, volume))) => {
            Ok(comparators::insights(age, psa / volume, pi_rads, peripheral, third)
                .zip(Some((peripheral, third))))
        }
    };
    let (probability, note) = match found {
        Ok(Some((probability, (peripheral, third)))) => {
            let zone = if peripheral { "the peripheral zone" } else { "another zone than the peripheral" };
            let third = match third {
                Third::Base => "the base",
                Third::Mid => "the middle third",
                Third::Apex => "the apex",
            };
            let note = format!(
                "cancer in the lesion, in {zone} and {third}; implausible outside its cohort; comparator only"
            );
            (Some(probability), note)
        }
        Ok(None) => return,
        Err(why) => (None, why.to_owned()),
    };
    add_other(risk, "Insights into Imaging 2024;15:3", probability, &note);
}

fn tum(input: &AssessInput<'_>) -> Risk {
    let mut risk = TUM_RC.empty();
    let facts = facts(input, &mut risk);
    if facts.cancer == Some(true) {
        return risk.outside("the record states a prostate cancer");
    }
    let (Some(age_years), Some(psa_ng_ml), Some(volume_ml)) = (facts.age, facts.psa, facts.volume) else {
        let words = [
            ("age", facts.age.is_none()),
            ("psa", facts.psa.is_none()),
            ("prostate-volume", facts.volume.is_none()),
        ];
        let absent: Vec<&str> = words.iter().filter(|(_, absent)| *absent).map(|(word, _)| *word).collect();
        let reason = format!("{} not known", absent.join(" and "));
        return risk.lacks(&absent, &reason);
    };
    let inputs = tum_rc::Inputs {
        age_years,
        psa_ng_ml,
        volume_ml,
        pi_rads: facts.pi_rads,
        prior_negative_biopsy: facts.prior_negative,
    };
    let Some(calculation) = tum_rc::calculate(&inputs) else {
        return risk.outside("the age is not within 55 to 90 years");
    };
    if let (Some(true), Some(examined), Some(category), false) =
        (facts.prior_negative, facts.examination, facts.pi_rads.and_then(category), facts.doubled)
    {
        let other = comparators::mri_erspc(psa_ng_ml, examined, volume_ml, age_years, category);
        add_other(
            &mut risk,
            "MRI-ERSPC after a negative biopsy",
            other,
            "high grade, another outcome; one source; comparator only",
        );
    }
    risk.calculated(&calculation)
}

fn category(value: f64) -> Option<u8> {
    (1..=5_u8).find(|category| (f64::from(*category) - value).abs() < 1e-9)
}
