//! Measured values: last value, its age, statistics over windows, and ratios.

use jiff::Timestamp;

use super::schema::{Kinetic, KineticStatistic, MeasuredCode, Measurement, Ratio};
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
    code: &'a MeasuredCode,
}

/// All usable values of one analyte, oldest first, and why others are not.
struct Series<'a> {
    points: Vec<Point<'a>>,
    refused: Option<(Timestamp, MissingReason)>,
}

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let schema = view.schema;
    all.extend(schema.measurements.iter().map(|measurement| measured(view, measurement)));
    all.push(body_mass_index(view));
    all.extend(schema.ratios.iter().filter_map(|ratio| ratio_of(view, ratio)));
    all.extend(schema.kinetics.iter().filter_map(|kinetic| kinetics(view, kinetic)));
}

fn codes(measurement: &Measurement) -> Vec<(&str, &str)> {
    measurement.codes.iter().map(MeasuredCode::pair).collect()
}

fn series<'a>(view: &View<'a>, measurement: &'a Measurement) -> Series<'a> {
    let mut found = Series { points: Vec::<Point<'a>>::new(), refused: None };
    for known in &view.observations.known {
        let Some((code, value)) = stated(known.fact, measurement) else { continue };
        match point(*known, measurement, code, value) {
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

/// The value of a measurement in an Observation: its own, or the one of a component, as panels have it. A text counts
/// only where nothing is coded.
fn stated<'a>(
    fact: &'a Observation,
    measurement: &'a Measurement,
) -> Option<(&'a MeasuredCode, &'a ObservedValue)> {
    let code_of = |concept: &Concept| measurement.codes.iter().find(|code| code.is(concept, &fact.body_site));
    let by_text = || {
        let first = measurement.codes.first()?;
        let text = fact.code.text.as_deref().filter(|_| fact.code.codings.is_empty())?;
        let same = |known: &String| text.trim().eq_ignore_ascii_case(known);
        measurement.texts.iter().any(same).then_some(first)
    };
    let own = code_of(&fact.code).or_else(by_text).map(|code| (code, &fact.value));
    own.or_else(|| fact.components.iter().find_map(|part| Some((code_of(&part.code)?, &part.value))))
}

fn point<'a>(
    known: Known<'a, Observation>,
    measurement: &Measurement,
    code: &'a MeasuredCode,
    value: &'a ObservedValue,
) -> Result<Point<'a>, MissingReason> {
    let ObservedValue::Quantity(quantity) = value else { return Err(MissingReason::NotNumeric) };
    let unit = units::Unit {
        ucum: &measurement.unit,
        per_mole: measurement.umol_per_mg.map(f64::recip),
        plain: measurement.plain,
    };
    let conversion = units::fit(quantity, &unit, code.contradiction.as_deref()).ok_or(MissingReason::Unit)?;
    let value = (quantity.value * conversion.factor + conversion.offset) * code.factor;
    if !(measurement.range.0..=measurement.range.1).contains(&value) {
        return Err(MissingReason::Implausible);
    }
    let factor = conversion.factor * code.factor;
    Ok(Point { known, quantity, value, factor, code })
}

/// The feature of one measurement.
fn measured(view: &View<'_>, measurement: &Measurement) -> Feature {
    let series = series(view, measurement);
    let (id, label, group) = (&measurement.id, &measurement.label, measurement.group);
    let Some(last) = series.points.last() else {
        let reason =
            series.refused.map_or_else(|| view.why_unobserved(&codes(measurement)), |(_, reason)| reason);
        return missing(id, label, group, reason);
    };
    let defaults = view.schema.defaults(group);
    let windows = defaults.map_or(&[] as &[u32], |defaults| &defaults.windows_days);
    let mut found = described(view, measurement, last);
    if let Some((when, reason)) = series.refused
        && when > last.known.effective
    {
        found.questioned = true;
        let later = format!("a later value was not usable: {}", reason.text());
        found.note = Some(found.note.map_or_else(|| later.clone(), |note| format!("{note}; {later}")));
    }
    if view.age_days(last.known.effective) >= max_age(view, group) {
        found.value = FeatureValue::Missing { reason: MissingReason::Stale };
    }
    let ages: Vec<(f64, f64)> =
        series.points.iter().map(|point| (view.age_days(point.known.effective), point.value)).collect();
    let sources: Vec<Option<&str>> =
        series.points.iter().map(|point| point.known.fact.origin.reference.as_deref()).collect();
    found.windows = windows.iter().filter_map(|days| statistics::window(&ages, &sources, *days)).collect();
    let inside = found.windows.last().map_or(0, |longest| longest.count);
    let cited = &sources[sources.len().saturating_sub(inside)..];
    found.series = cited.iter().map(|one| one.unwrap_or_default().to_owned()).collect();
    found
}

/// From which age on a value of the group says nothing about t0.
fn max_age(view: &View<'_>, group: Group) -> f64 {
    view.schema.defaults(group).map_or(0.0, |defaults| defaults.max_age_days)
}

fn described(view: &View<'_>, measurement: &Measurement, last: &Point<'_>) -> Feature {
    let mut found = of_point(view, &measurement.id, &measurement.label, last.value, last);
    found.group = measurement.group;
    found.unit = Some(measurement.unit.clone());
    found.comparator = bound(last.quantity);
    let (system, code) = last.code.pair();
    found.original = Some(Original {
        value: last.quantity.written.clone(),
        unit: last.quantity.code.clone().or_else(|| last.quantity.unit.clone()),
        code: Some(format!("{system}|{code}")),
    });
    found.factor = ((last.factor - 1.0).abs() > f64::EPSILON).then_some(last.factor);
    found.note.clone_from(&last.code.note);
    found
}

/// Whether a quantity is below or above what could be measured.
pub(super) fn bound(quantity: &Quantity) -> Option<Comparator> {
    quantity.comparator.map(|comparator| match comparator {
        QuantityComparator::Less | QuantityComparator::LessOrEqual => Comparator::Below,
        QuantityComparator::Greater | QuantityComparator::GreaterOrEqual => Comparator::Above,
    })
}

/// Makes of a quotient the bound that its parts make it: what divides turns round. Where the two point apart, it is none, and
/// that is said.
pub(super) fn bounded(found: &mut Feature, over: Option<Comparator>, under: Option<Comparator>) {
    let turned = under.map(|bound| match bound {
        Comparator::Below => Comparator::Above,
        Comparator::Above => Comparator::Below,
    });
    let apart = over.is_some() && turned.is_some() && over != turned;
    found.comparator = if apart { None } else { over.or(turned) };
    if apart {
        let said = "both parts are bounds, so that the value may lie on either side";
        found.note =
            Some(found.note.take().map_or_else(|| said.to_owned(), |note| format!("{note}; {said}")));
    }
}

/// A derived number that is stated by one point.
fn of_point(view: &View<'_>, id: &str, label: &str, value: f64, point: &Point<'_>) -> Feature {
    let fact = point.known.fact;
    feature(id, label, Group::Derived, FeatureValue::Number(value)).stated_by(
        view,
        &fact.origin,
        fact.effective.as_ref().or(fact.issued.as_ref()),
        (point.known.available, point.known.effective),
    )
}

/// Body mass index as measured, else from the last weight and the last height.
fn body_mass_index(view: &View<'_>) -> Feature {
    let rules = &view.schema.body_mass_index;
    let index = &rules.index;
    let direct = measured(view, index);
    if !matches!(direct.value, FeatureValue::Missing { .. }) {
        return direct;
    }
    let (heights, weights) = (series(view, &rules.height), series(view, &rules.weight));
    let (Some(height), Some(weight)) = (heights.points.last(), weights.points.last()) else { return direct };
    let value = weight.value / (height.value / 100.0).powi(2);
    let fresh = view.age_days(weight.known.effective) < max_age(view, Group::Vital);
    if !fresh || !(index.range.0..=index.range.1).contains(&value) {
        return direct;
    }
    let mut found = of_point(view, &index.id, &index.label, value, weight);
    found.group = Group::Vital;
    found.available = Some(weight.known.available.max(height.known.available));
    found.unit = Some(index.unit.clone());
    found.other_sources.extend(height.known.fact.origin.reference.clone());
    found.note = Some("from the last weight and the last height".to_owned());
    bounded(&mut found, bound(weight.quantity), bound(height.quantity));
    found
}

fn ratio_of(view: &View<'_>, ratio: &Ratio) -> Option<Feature> {
    let schema = view.schema;
    let (over, under) = (schema.measurement(&ratio.over)?, schema.measurement(&ratio.under)?);
    let oldest = max_age(view, over.group);
    let (over, under) = (series(view, over), series(view, under));
    let none = |reason| Some(missing(&ratio.id, &ratio.label, Group::Derived, reason));
    let (Some(top), Some(bottom)) = (over.points.last(), under.points.last()) else {
        return none(MissingReason::NotRecorded);
    };
    let (top_age, bottom_age) = (view.age_days(top.known.effective), view.age_days(bottom.known.effective));
    if (top_age - bottom_age).abs() > ratio.max_gap_days || top_age >= oldest {
        return none(MissingReason::Stale);
    }
    if bottom.value <= 0.0 {
        return none(MissingReason::Implausible);
    }
    let (older, newer) = if top_age >= bottom_age { (top, bottom) } else { (bottom, top) };
    let mut found = of_point(view, &ratio.id, &ratio.label, top.value / bottom.value, older);
    found.available = Some(top.known.available.max(bottom.known.available));
    found.other_sources.extend(newer.known.fact.origin.reference.clone());
    found.unit = Some(ratio.unit.clone());
    bounded(&mut found, bound(top.quantity), bound(bottom.quantity));
    Some(found)
}

/// How a measurement moves, from all its values before t0.
fn kinetics(view: &View<'_>, kinetic: &Kinetic) -> Option<Feature> {
    let series = series(view, view.schema.measurement(&kinetic.of)?);
    let points: Vec<(f64, f64)> =
        series.points.iter().map(|point| (-view.age_days(point.known.effective), point.value)).collect();
    let value = match kinetic.statistic {
        KineticStatistic::Velocity => statistics::theil_sen(&points),
        KineticStatistic::DoublingTime => statistics::doubling_time_months(&points),
    };
    let (Some(value), Some((last, earlier))) = (value, series.points.split_last()) else {
        return Some(missing(&kinetic.id, &kinetic.label, Group::Derived, MissingReason::NotRecorded));
    };
    let mut found = of_point(view, &kinetic.id, &kinetic.label, value, last);
    found
        .other_sources
        .extend(earlier.iter().rev().filter_map(|point| point.known.fact.origin.reference.clone()));
    found.unit = Some(kinetic.unit.clone());
    found.note = Some(format!("from {} values", points.len()));
    Some(found)
}
