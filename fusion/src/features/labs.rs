//! Measured values: last value, its age, statistics over windows, and ratios.

use jiff::Timestamp;

use super::schema::{
    ANALYTES, Analyte, BMI, HEIGHT, LAB_WINDOWS_DAYS, LOINC, LabCode, RATIO_MAX_GAP_DAYS, RATIOS, Ratio,
    VITAL_MAX_AGE_DAYS, VITAL_WINDOWS_DAYS, WEIGHT,
};
use super::view::{Known, feature, missing};
use super::{Comparator, Feature, FeatureValue, Group, MissingReason, Original, View, statistics, units};
use crate::record::{Concept, Observation, ObservedValue, Quantity, QuantityComparator};

/// One measured value in the feature's unit.
#[derive(Clone, Copy)]
struct Point<'a> {
    known: Known<'a, Observation>,
    quantity: &'a Quantity,
    value: f64,
    factor: f64,
    note: Option<&'static str>,
    loinc: &'static str,
}

/// All usable values of one analyte, oldest first, and why others are not.
struct Series<'a> {
    points: Vec<Point<'a>>,
    refused: Option<(Timestamp, MissingReason)>,
}

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.extend(ANALYTES.iter().map(|analyte| measured(view, analyte)));
    all.push(body_mass_index(view));
    all.extend(RATIOS.iter().filter_map(|ratio| ratio_of(view, ratio)));
    all.extend(psa_kinetics(view));
}

fn codes(analyte: &Analyte) -> Vec<(&'static str, &'static str)> {
    analyte.codes.iter().map(|code| (LOINC, code.loinc)).collect()
}

fn series<'a>(view: &View<'a>, analyte: &Analyte) -> Series<'a> {
    let mut found = Series { points: Vec::<Point<'a>>::new(), refused: None };
    for known in &view.observations.known {
        let Some((code, value)) = stated(known.fact, analyte) else { continue };
        match point(*known, analyte, code, value) {
            Ok(point) => {
                // One value for each time: the one known last.
                if found.points.last().is_some_and(|last| last.known.effective == point.known.effective) {
                    found.points.pop();
                }
                found.points.push(point);
            }
            Err(reason) => found.refused = Some((known.effective, reason)),
        }
    }
    found
}

/// The value of an analyte in an Observation: its own, or the one of a component, as panels have it.
fn stated<'a>(fact: &'a Observation, analyte: &Analyte) -> Option<(LabCode, &'a ObservedValue)> {
    let code_of =
        |concept: &Concept| analyte.codes.iter().find(|code| concept.has(LOINC, code.loinc)).copied();
    let own = code_of(&fact.code).map(|code| (code, &fact.value));
    own.or_else(|| fact.components.iter().find_map(|part| Some((code_of(&part.code)?, &part.value))))
}

fn point<'a>(
    known: Known<'a, Observation>,
    analyte: &Analyte,
    code: LabCode,
    value: &'a ObservedValue,
) -> Result<Point<'a>, MissingReason> {
    let ObservedValue::Quantity(quantity) = value else { return Err(MissingReason::NotNumeric) };
    let conversion = units::fit(quantity, &analyte.unit, code.contradiction).ok_or(MissingReason::Unit)?;
    let value = (quantity.value * conversion.factor + conversion.offset) * code.factor;
    if !(analyte.range.0..=analyte.range.1).contains(&value) {
        return Err(MissingReason::Implausible);
    }
    let factor = conversion.factor * code.factor;
    Ok(Point { known, quantity, value, factor, note: code.note, loinc: code.loinc })
}

/// The feature of one analyte.
fn measured(view: &View<'_>, analyte: &Analyte) -> Feature {
    let series = series(view, analyte);
    let group = if analyte.vital { Group::Vital } else { Group::Laboratory };
    let Some(last) = series.points.last() else {
        let reason =
            series.refused.map_or_else(|| view.why_unobserved(&codes(analyte)), |(_, reason)| reason);
        return missing(analyte.id, analyte.label, group, reason);
    };
    let windows: &[u32] = if analyte.vital { &VITAL_WINDOWS_DAYS } else { &LAB_WINDOWS_DAYS };
    let longest = windows.last().copied().map_or(0.0, f64::from);
    let max_age = if analyte.vital { VITAL_MAX_AGE_DAYS } else { longest };
    let mut found = described(view, analyte, group, last);
    if let Some((when, reason)) = series.refused
        && when > last.known.effective
    {
        let later = format!("a later value was not usable: {}", reason.text());
        found.note = Some(found.note.map_or_else(|| later.clone(), |note| format!("{note}; {later}")));
    }
    if view.age_days(last.known.effective) >= max_age {
        found.value = FeatureValue::Missing { reason: MissingReason::Stale };
    }
    let ages: Vec<(f64, f64)> =
        series.points.iter().map(|point| (view.age_days(point.known.effective), point.value)).collect();
    found.windows = windows.iter().filter_map(|days| statistics::window(&ages, *days)).collect();
    found
}

fn described(view: &View<'_>, analyte: &Analyte, group: Group, last: &Point<'_>) -> Feature {
    let fact = last.known.fact;
    let times = (last.known.available, last.known.effective);
    let mut found = feature(analyte.id, analyte.label, group, FeatureValue::Number(last.value)).stated_by(
        view,
        &fact.origin,
        fact.effective.as_ref().or(fact.issued.as_ref()),
        times,
    );
    found.unit = Some(analyte.unit.ucum.to_owned());
    found.comparator = last.quantity.comparator.map(|comparator| match comparator {
        QuantityComparator::Less | QuantityComparator::LessOrEqual => Comparator::Below,
        QuantityComparator::Greater | QuantityComparator::GreaterOrEqual => Comparator::Above,
    });
    found.original = Some(Original {
        value: last.quantity.written.clone(),
        unit: last.quantity.code.clone().or_else(|| last.quantity.unit.clone()),
        code: Some(format!("{LOINC}|{}", last.loinc)),
    });
    found.factor = ((last.factor - 1.0).abs() > f64::EPSILON).then_some(last.factor);
    found.note = last.note.map(str::to_owned);
    found
}

/// Body mass index as measured, else from the last weight and the last height.
fn body_mass_index(view: &View<'_>) -> Feature {
    let direct = measured(view, &BMI);
    if !matches!(direct.value, FeatureValue::Missing { .. }) {
        return direct;
    }
    let (heights, weights) = (series(view, &HEIGHT), series(view, &WEIGHT));
    let (Some(height), Some(weight)) = (heights.points.last(), weights.points.last()) else { return direct };
    let value = weight.value / (height.value / 100.0).powi(2);
    let fresh = view.age_days(weight.known.effective) < VITAL_MAX_AGE_DAYS;
    if !fresh || !(BMI.range.0..=BMI.range.1).contains(&value) {
        return direct;
    }
    let times = (weight.known.available.max(height.known.available), weight.known.effective);
    let fact = weight.known.fact;
    let mut found = feature(BMI.id, BMI.label, Group::Vital, FeatureValue::Number(value)).stated_by(
        view,
        &fact.origin,
        fact.effective.as_ref(),
        times,
    );
    found.unit = Some(BMI.unit.ucum.to_owned());
    found.other_sources.extend(height.known.fact.origin.reference.clone());
    found.note = Some("from the last weight and the last height".to_owned());
    found
}

fn ratio_of(view: &View<'_>, ratio: &Ratio) -> Option<Feature> {
    let analyte = |id: &str| ANALYTES.iter().find(|analyte| analyte.id == id);
    let (over, under) = (series(view, analyte(ratio.over)?), series(view, analyte(ratio.under)?));
    let none = |reason| Some(missing(ratio.id, ratio.label, Group::Derived, reason));
    let (Some(top), Some(bottom)) = (over.points.last(), under.points.last()) else {
        return none(MissingReason::NotRecorded);
    };
    let (top_age, bottom_age) = (view.age_days(top.known.effective), view.age_days(bottom.known.effective));
    if (top_age - bottom_age).abs() > RATIO_MAX_GAP_DAYS || top_age >= f64::from(LAB_WINDOWS_DAYS[3]) {
        return none(MissingReason::Stale);
    }
    if bottom.value <= 0.0 {
        return none(MissingReason::Implausible);
    }
    let older = if top_age >= bottom_age { top } else { bottom };
    let times = (top.known.available.max(bottom.known.available), older.known.effective);
    let fact = older.known.fact;
    let mut found =
        feature(ratio.id, ratio.label, Group::Derived, FeatureValue::Number(top.value / bottom.value))
            .stated_by(view, &fact.origin, fact.effective.as_ref(), times);
    let newer = if top_age >= bottom_age { bottom } else { top };
    found.other_sources.extend(newer.known.fact.origin.reference.clone());
    found.unit = Some(ratio.unit.to_owned());
    Some(found)
}

/// Velocity and doubling time of the prostate-specific antigen, from all values before t0.
fn psa_kinetics(view: &View<'_>) -> Vec<Feature> {
    let Some(analyte) = ANALYTES.iter().find(|analyte| analyte.id == "psa") else { return Vec::new() };
    let series = series(view, analyte);
    let points: Vec<(f64, f64)> =
        series.points.iter().map(|point| (-view.age_days(point.known.effective), point.value)).collect();
    let made = [
        ("psa-velocity", "Prostate-specific antigen, velocity", statistics::theil_sen(&points), "ng/mL/a"),
        (
            "psa-doubling",
            "Prostate-specific antigen, doubling time",
            statistics::doubling_time_months(&points),
            "mo",
        ),
    ];
    made.into_iter()
        .map(|(id, label, value, unit)| {
            let Some(value) = value else {
                return missing(id, label, Group::Derived, MissingReason::NotRecorded);
            };
            let mut found = feature(id, label, Group::Derived, FeatureValue::Number(value));
            found.unit = Some(unit.to_owned());
            found
        })
        .collect()
}
