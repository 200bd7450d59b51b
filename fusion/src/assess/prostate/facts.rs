//! What the three formulas need: from the record, and from structured reports of the study.
//!
//! Where both state the same fact, one rule a fact decides and the risk names what the other says. PI-RADS: the highest of
//! the latest examination. Volume: as measured in this study. Antigen: the latest; the laboratory's where the report does not
//! say when its own was taken, or names the same day.

use crate::assess::inputs::{age, described, number, number_of, truth_of};
use crate::assess::{AssessInput, Risk, RiskInput};
use crate::features::{Feature, Group, Schema};
use crate::formulas::comparators::Third;
use crate::prostate::{ProstateLesion, ProstateReport};
use crate::time::days_between;

/// Statements within this time of each other belong to one examination, in days.
const SAME_EXAM_DAYS: f64 = 1.0;
/// Values that differ by less, as a share of the greater, are the same.
const SAME: f64 = 0.1;

/// What all three need.
pub(super) struct Facts {
    pub(super) age: Option<f64>,
    pub(super) psa: Option<f64>,
    pub(super) volume: Option<f64>,
    pub(super) pi_rads: Option<f64>,
    /// Age in days of the examination that the category is of.
    pub(super) exam_days: f64,
    /// A biopsy was made and the record states that there is no cancer. That none is stated is not enough.
    pub(super) prior_negative: Option<bool>,
    pub(super) examination: Option<bool>,
    pub(super) family: Option<bool>,
    pub(super) african: Option<bool>,
    pub(super) cancer: Option<bool>,
    pub(super) doubled: bool,
}

pub(super) fn facts(input: &AssessInput<'_>, risk: &mut Risk) -> Facts {
    let code = |id| input.features.and_then(|table| table.code(id));
    let truth = |id| input.features.and_then(|table| table.truth(id));
    let african = code("race").map(|race| race == "black");
    let shown = input.features.and_then(|table| table.feature("race")).filter(|_| african.is_some());
    risk.inputs.extend(shown.map(described));
    let doubled = truth("five-alpha-reductase-inhibitor") == Some(true);
    if doubled {
        let drug = input.features.and_then(|table| table.feature("five-alpha-reductase-inhibitor"));
        risk.inputs.extend(drug.map(described));
        risk.limits.push(
            "finasteride or dutasteride is active: it halves the antigen, and the formula does not correct for it"
                .to_owned(),
        );
    }
    let biopsy = truth_of(input, "prior-prostate-biopsy", "Earlier biopsy of the prostate", risk);
    let cancer = truth("prostate-cancer");
    let prior_negative = match (biopsy, cancer) {
        (Some(true), Some(false)) => Some(true),
        (Some(false), _) => Some(false),
        (Some(true), _) => {
            risk.limits.push("a biopsy is recorded and its result is not: it counts as unknown".to_owned());
            None
        }
        (None, _) => None,
    };
    let (age, psa, volume) = (age(input, risk), antigen(input, risk), volume(input, risk));
    let (pi_rads, exam_days) = category(input, risk).unzip();
    Facts {
        age,
        psa,
        volume,
        pi_rads,
        exam_days: exam_days.unwrap_or(f64::INFINITY),
        prior_negative,
        examination: truth_of(input, "dre-abnormal", "Digital rectal examination, abnormal", risk),
        family: truth_of(input, "family-prostate-cancer", "Prostate cancer in a first-degree relative", risk),
        african,
        cancer,
        doubled,
    }
}

/// A feature of the record, where it is a number.
fn recorded<'a>(input: &AssessInput<'a>, id: &str) -> Option<(f64, &'a Feature)> {
    let table = input.features?;
    Some((table.number(id)?, table.feature(id)?))
}

fn reported(label: &str, value: f64, unit: &str, date: Option<String>, report: &ProstateReport) -> RiskInput {
    RiskInput {
        label: label.to_owned(),
        value: number(value),
        unit: Some(unit.to_owned()),
        date,
        source: Some(report.source.clone()),
        from_note: false,
    }
}

/// When a report was written; one that does not say is of the study.
fn age_of(input: &AssessInput<'_>, report: &ProstateReport) -> f64 {
    report.dated.map_or(0.0, |dated| days_between(dated, input.t0))
}

fn written(report: &ProstateReport) -> Option<String> {
    report.dated.map(|dated| dated.to_string())
}

/// The highest category of the latest examination that states one, and the age of that in days.
fn category(input: &AssessInput<'_>, risk: &mut Risk) -> Option<(f64, f64)> {
    const LABEL: &str = "PI-RADS category, highest of the latest examination";
    let of_reports = input.prostate.iter().filter_map(|report| {
        let value = f64::from(report.pi_rads?);
        Some((value, age_of(input, report), reported(LABEL, value, "1", written(report), report)))
    });
    let of_record = recorded(input, "pi-rads")
        .map(|(value, feature)| (value, feature.age_days.unwrap_or(f64::INFINITY), described(feature)));
    let all: Vec<(f64, f64, RiskInput)> = of_record.into_iter().chain(of_reports).collect();
    let newest = all.iter().map(|(_, age, _)| *age).fold(f64::INFINITY, f64::min);
    let exam = || all.iter().filter(|(_, age, _)| *age - newest <= SAME_EXAM_DAYS);
    // Of equal ones the first, which is the record's.
    let (highest, _, chosen) = exam().reduce(|best, one| if one.0 > best.0 { one } else { best })?;
    risk.inputs.push(chosen.clone());
    if let Some((other, ..)) = exam().find(|(value, ..)| (value - highest).abs() > 0.5) {
        risk.limits.push(format!(
            "the latest examination is stated with PI-RADS {} and {}; the higher counts",
            number(*highest),
            number(*other)
        ));
    }
    Some((*highest, newest))
}

/// Where the lesion of the highest category lies.
pub(super) enum Site {
    /// In the peripheral zone or not, and in which third.
    Known(bool, Third),
    /// Nothing states both.
    Open,
    /// Lesions of that category lie in different places.
    Several,
}

/// Of the examination that the category is of, by structured reports and the record.
pub(super) fn site(input: &AssessInput<'_>, facts: &Facts) -> Site {
    let reported = input.prostate.iter().flat_map(|report| {
        let age = age_of(input, report);
        report.lesions.iter().map(move |lesion| (lesion, age))
    });
    let recorded = input
        .lesions
        .iter()
        .map(|lesion| (lesion, lesion.dated.map_or(f64::INFINITY, |dated| days_between(dated, input.t0))));
    let highest = |lesion: &ProstateLesion| {
        facts.pi_rads.is_some_and(|highest| (highest - f64::from(lesion.pi_rads)).abs() < 0.5)
    };
    let mut places = reported
        .chain(recorded)
        .filter(|(lesion, age)| highest(lesion) && (age - facts.exam_days).abs() <= SAME_EXAM_DAYS)
        .map(|(lesion, _)| (lesion.peripheral, lesion.third));
    let Some(first) = places.next() else { return Site::Open };
    if places.all(|place| place == first) { Site::Known(first.0, first.1) } else { Site::Several }
}

/// The volume as the latest structured report of the study states it, else the record's.
fn volume(input: &AssessInput<'_>, risk: &mut Risk) -> Option<f64> {
    let stated = input.prostate.iter().filter_map(|report| Some((report.volume_ml?, report)));
    let latest =
        stated.clone().min_by(|(_, one), (_, other)| age_of(input, one).total_cmp(&age_of(input, other)));
    let Some((value, report)) = latest else { return number_of(input, "prostate-volume", risk) };
    risk.inputs.push(reported("Prostate, volume", value, "mL", written(report), report));
    if let Some((other, _)) = stated.into_iter().find(|(other, _)| differ(*other, value)) {
        risk.limits.push(format!(
            "structured reports of the study state {} and {} mL for the prostate; the latest counts",
            number(value),
            number(other)
        ));
    }
    if let Some((other, _)) = recorded(input, "prostate-volume").filter(|(other, _)| differ(*other, value)) {
        risk.limits.push(format!(
            "the record states {} mL for the prostate, the structured report {} mL; the report's counts",
            number(other),
            number(value)
        ));
    }
    Some(value)
}

/// The latest antigen. What a report quotes without a day does not stand against what the laboratory has dated.
fn antigen(input: &AssessInput<'_>, risk: &mut Risk) -> Option<f64> {
    let quoted = input.prostate.iter().filter_map(|report| Some((report.psa?, report)));
    // Smaller is later; without a day it is older than any.
    let age = |(_, taken): (f64, Option<jiff::Timestamp>)| {
        taken.map_or(f64::INFINITY, |taken| days_between(taken, input.t0))
    };
    // As old as a laboratory value may be.
    let oldest = Schema::built_in().defaults(Group::Laboratory).map_or(0.0, |defaults| defaults.max_age_days);
    let usable = quoted.filter(|(psa, _)| psa.1.is_none() || (-SAME_EXAM_DAYS..=oldest).contains(&age(*psa)));
    let latest = usable.min_by(|(one, _), (other, _)| age(*one).total_cmp(&age(*other)));
    let Some((psa, report)) = latest else { return number_of(input, "psa", risk) };
    let lab = recorded(input, "psa");
    let later =
        lab.is_none_or(|(_, feature)| feature.age_days.unwrap_or(f64::INFINITY) - age(psa) > SAME_EXAM_DAYS);
    if !later {
        let value = number_of(input, "psa", risk);
        if value.is_some_and(|value| differ(value, psa.0)) {
            risk.limits.push(format!(
                "a structured report quotes a PSA of {} ng/mL; the value of the record counts",
                number(psa.0)
            ));
        }
        return value;
    }
    let day = psa.1.map(|taken| taken.to_string());
    risk.inputs.push(reported("Prostate-specific antigen", psa.0, "ng/mL", day, report));
    risk.limits.push(
        match psa.1 {
            Some(_) => {
                "the PSA is the one that a structured report quotes, which is later than any of the record"
            }
            None => "the PSA is the one that a structured report quotes; when it was taken is not stated",
        }
        .to_owned(),
    );
    Some(psa.0)
}

fn differ(one: f64, other: f64) -> bool {
    (one - other).abs() > SAME * one.abs().max(other.abs())
}
