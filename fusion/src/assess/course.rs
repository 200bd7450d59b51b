//! How a nodule compares with an earlier examination: its volume doubling time, and its category on screening.
//!
//! No source follows a nodule over time by an identifier that both examinations share. So a nodule is only taken for the same
//! one where each of two examinations states one, and nothing that both state differs.

use super::inputs::number;
use super::{AssessInput, Risk, RiskInput};
use crate::formulas::doubling::{Growth, Pace, growth, sphere_mm3};
use crate::formulas::lung_rads::{Course, Finding, NotClassified, classify};
use crate::nodule::{Nodule, NoduleKind, SAME_EXAM_DAYS};
use crate::time::days_between;

/// Examinations nearer to each other say more of how they measured than of growth, in days.
const LEAST_DAYS: f64 = 30.0;

/// Growth on Lung-RADS v2022 is more than this, mm, within this time, days.
pub(super) const GROWN_MM: f64 = 1.5;
const WITHIN_DAYS: f64 = 365.25;

/// The nodule as the examination before saw it.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'a> {
    pub(super) nodule: &'a Nodule,
    days: f64,
}

/// What earlier examinations say of a nodule.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// None states a nodule.
    Nothing,
    /// The same nodule.
    Same(Earlier<'a>),
    /// One states a nodule, and it cannot be told whether it is this one.
    Open,
}

/// What earlier examinations say of the nodule of `now`, one of `count` on its examination.
pub(super) fn before<'a>(input: &AssessInput<'a>, now: &Nodule, count: u32) -> Before<'a> {
    // an outline is of one image: how many nodules there are is not known, and a person measures otherwise
    let same = if count == 1 && now.outlined.is_none() { earlier(input, now) } else { None };
    let seen = now.dated.unwrap_or(input.t0);
    let is_earlier =
        |nodule: &Nodule| nodule.dated.is_some_and(|dated| days_between(dated, seen) > SAME_EXAM_DAYS);
    match same {
        Some(earlier) => Before::Same(earlier),
        None if input.nodules.iter().any(is_earlier) => Before::Open,
        None => Before::Nothing,
    }
}

/// The same nodule on the latest examination before the one of `now`, which states one nodule in all.
fn earlier<'a>(input: &AssessInput<'a>, now: &Nodule) -> Option<Earlier<'a>> {
    let days = |nodule: &Nodule| Some(days_between(nodule.dated?, now.dated?));
    let before = || {
        let days = |nodule: &'a Nodule| days(nodule).filter(|days| *days > SAME_EXAM_DAYS);
        input.nodules.iter().filter_map(move |nodule| Some((days(nodule)?, nodule)))
    };
    let newest = before().map(|(days, _)| days).fold(f64::INFINITY, f64::min);
    let mut exam = before().filter(|(days, _)| days - newest <= SAME_EXAM_DAYS);
    let ((days, nodule), None) = (exam.next()?, exam.next()) else { return None };
    let differ =
        |one: Option<bool>, other: Option<bool>| one.zip(other).is_some_and(|(one, other)| one != other);
    let is_one = nodule.count.is_none_or(|count| count == 1);
    let is_same = !differ(nodule.upper_lobe, now.upper_lobe)
        && nodule.kind.zip(now.kind).is_none_or(|(one, other)| one == other);
    (days >= LEAST_DAYS && is_one && is_same).then_some(Earlier { nodule, days })
}

impl Earlier<'_> {
    /// How fast it grew, by the volumes of spheres.
    pub(super) fn growth(&self, now: &Nodule) -> Option<Growth> {
        growth(sphere_mm3(self.nodule.diameter_mm), sphere_mm3(now.diameter_mm), self.days)
    }

    /// What it was then, and how fast it grew, as inputs of a risk; the formula does not use them.
    pub(super) fn describe(&self, now: &Nodule, risk: &mut Risk) {
        let mut add = |label: &str, value: String, unit: Option<&str>| {
            risk.inputs.push(RiskInput {
                label: label.to_owned(),
                value,
                unit: unit.map(str::to_owned),
                date: self.nodule.dated.map(|dated| dated.to_string()),
                source: self.nodule.source.first().cloned(),
                from_note: false,
            });
        };
        add("nodule diameter before", number(self.nodule.diameter_mm), Some("mm"));
        let Some(growth) = self.growth(now) else { return };
        let pace = match growth {
            Growth::StableOrSmaller => {
                add("volume doubling time", "no growth".to_owned(), None);
                None
            }
            Growth::Stable { doubling_days } => {
                add("volume doubling time", format!("{doubling_days:.0}"), Some("d"));
                Some("its volume grew by less than a quarter, which counts as stable")
            }
            Growth::Growing { doubling_days, pace } => {
                add("volume doubling time", format!("{doubling_days:.0}"), Some("d"));
                Some(match pace {
                    Pace::Fast => {
                        "at up to 400 days the guideline (British Thoracic Society 2015) calls for work-up"
                    }
                    Pace::Middle => {
                        "at 400 to 600 days the guideline (British Thoracic Society 2015) has work-up considered"
                    }
                    Pace::Slow => {
                        "above 600 days the guideline (British Thoracic Society 2015) has follow-up stopped or continued"
                    }
                })
            }
        };
        risk.limits.extend(pace.map(str::to_owned));
        risk.limits.push(
            "the growth is not part of the formula; both examinations state one nodule, which is taken for the same, with the volume of a sphere"
                .to_owned(),
        );
    }

    fn course(&self, now: &Nodule) -> Option<Course> {
        let grew = now.diameter_mm - self.nodule.diameter_mm > GROWN_MM;
        match (grew, self.days <= WITHIN_DAYS) {
            (true, true) => Some(Course::Growing),
            (false, _) => Some(Course::Stable),
            // grown, and it cannot be told whether within 12 months
            (true, false) => None,
        }
    }
}

/// Adds the category that the nodule would have on a screening CT (ACR Lung-RADS v2022), or says why there is none. The rule goes
/// by the mean diameter; what is stated is the longest.
pub(super) fn on_screening(risk: &mut Risk, now: &Nodule, spiculated: Option<bool>, before: Before<'_>) {
    let found = category(now, before)
        .and_then(|finding| classify(finding, spiculated == Some(true)).map_err(NotClassified::text));
    let category = match found {
        Ok(category) => category.text(),
        Err(why) => {
            risk.limits.push(format!("no category of Lung-RADS v2022: {why}"));
            return;
        }
    };
    let ct = if matches!(before, Before::Nothing) { "a first screening CT" } else { "screening" };
    risk.also_suggests(
        &format!("on {ct} Lung-RADS {category}, by the longest diameter in place of the mean"),
        "ACR Lung-RADS v2022",
    );
}

/// What the rule classifies. That no examination before states a nodule is taken for a first CT: nothing tells a new nodule from
/// one that nobody stated.
fn category(now: &Nodule, before: Before<'_>) -> Result<Finding, &'static str> {
    let course = match before {
        Before::Nothing => Ok(Course::Baseline),
        Before::Same(earlier) => {
            earlier.course(now).ok_or("it grew, and two examinations cannot tell whether within 12 months")
        }
        Before::Open => {
            Err("an earlier examination states a nodule, and it cannot be told whether it is this one")
        }
    };
    let diameter_mm = now.diameter_mm;
    match now.kind {
        Some(NoduleKind::Solid) => Ok(Finding::Solid { diameter_mm, course: course? }),
        Some(NoduleKind::NonSolid) => Ok(Finding::GroundGlass { diameter_mm, course: course? }),
        Some(NoduleKind::PartSolid) => Err("the size of the solid part is not stated"),
        None => Err("the texture is not stated"),
    }
}
