//! Conversion of the units that laboratories write for the analytes of the schema, and of no others.
//!
//! Units are UCUM codes. A unit is read from `Quantity.code`, and from `Quantity.unit` only where there is
//! no code; there a few spellings that are not UCUM are known too. The litre is `L` or `l`, as UCUM has it, and the micro sign
//! and the Greek letter are `u`. Annotations in braces are dropped,
//! except that they must not contradict the code (`{DDU}` beside a FEU code). Mass and moles are joined by
//! a factor of the analyte only. What is not listed does not fit, and the value is missing with the reason
//! `unit`: it is never guessed.

use std::borrow::Cow;

use crate::record::Quantity;

/// What a unit measures; conversion stays within one of these, but for mass and substance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    /// Base mg/L.
    Mass,
    /// Base umol/L.
    Substance,
    /// Base 10*9/L.
    Count,
    /// Base mm[Hg].
    Pressure,
    /// Base U/L.
    Catalytic,
    /// Base %.
    Fraction,
    /// Base Cel.
    Temperature,
    /// Base kg/m2.
    BodyMassIndex,
    /// Base kg.
    BodyMass,
    /// Base mm.
    Length,
    /// Base mL.
    Volume,
    /// Base /min.
    Rate,
    /// Base a (365.25 days).
    Duration,
}

/// The unit of a feature and what may be brought into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// UCUM code of the feature.
    pub(crate) ucum: &'a str,
    /// mg/L that one umol/L of the analyte is.
    pub(crate) per_mole: Option<f64>,
    /// A pure number is meant: no unit, `1` or an annotation alone fit.
    pub(crate) plain: bool,
}

/// Units written for a pure number.
const PLAIN: [&str; 3] = ["1", "INR", "ratio"];

/// How a number was brought into another unit: `value = original * factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    /// Factor.
    pub factor: f64,
    /// Offset; 0 for all but temperatures.
    pub offset: f64,
}

const NONE: Conversion = Conversion { factor: 1.0, offset: 0.0 };

/// Dimension and size of a unit, in the dimension's own base unit.
fn known(unit: &str) -> Option<(Dimension, Conversion)> {
    use Dimension as D;
    let unit = tidy(unit);
    let (dimension, factor) = match &*unit {
        "g/L" | "mg/mL" => (D::Mass, 1e3),
        "g/dL" => (D::Mass, 1e4),
        "mg/dL" => (D::Mass, 10.0),
        "mg/L" | "ug/mL" => (D::Mass, 1.0),
        "ng/mL" | "ug/L" => (D::Mass, 1e-3),
        "ng/L" | "pg/mL" => (D::Mass, 1e-6),
        "ug/dL" => (D::Mass, 1e-2),
        "mol/L" => (D::Substance, 1e6),
        "mmol/L" => (D::Substance, 1e3),
        "umol/L" => (D::Substance, 1.0),
        "nmol/L" => (D::Substance, 1e-3),
        "pmol/L" => (D::Substance, 1e-6),
        "10*3/uL" | "10*9/L" | "10*6/mL" => (D::Count, 1.0),
        "10*6/uL" | "10*12/L" => (D::Count, 1e3),
        "/uL" | "/mm3" | "10*6/L" => (D::Count, 1e-3),
        "mm[Hg]" => (D::Pressure, 1.0),
        "kPa" => (D::Pressure, 7.50062),
        "U/L" | "[IU]/L" => (D::Catalytic, 1.0),
        "ukat/L" => (D::Catalytic, 60.0),
        "nkat/L" => (D::Catalytic, 0.06),
        "%" => (D::Fraction, 1.0),
        "1" => (D::Fraction, 100.0),
        "Cel" => (D::Temperature, 1.0),
        "kg/m2" => (D::BodyMassIndex, 1.0),
        "kg" => (D::BodyMass, 1.0),
        "g" => (D::BodyMass, 1e-3),
        "[lb_av]" => (D::BodyMass, 0.453_592_37),
        "m" => (D::Length, 1e3),
        "cm" => (D::Length, 10.0),
        "mm" => (D::Length, 1.0),
        "L" | "dm3" => (D::Volume, 1e3),
        "mL" | "cm3" => (D::Volume, 1.0),
        "/min" => (D::Rate, 1.0),
        "/s" | "Hz" => (D::Rate, 60.0),
        "[in_i]" => (D::Length, 25.4),
        "a" => (D::Duration, 1.0),
        "mo" => (D::Duration, 1.0 / 12.0),
        "wk" => (D::Duration, 7.0 / 365.25),
        "d" => (D::Duration, 1.0 / 365.25),
        "[degF]" => return Some((D::Temperature, Conversion { factor: 5.0 / 9.0, offset: -160.0 / 9.0 })),
        "K" => return Some((D::Temperature, Conversion { factor: 1.0, offset: -273.15 })),
        _ => return None,
    };
    Some((dimension, Conversion { factor, ..NONE }))
}

/// A unit with `L` for the litre, of which UCUM allows both cases, and `u` for micro, which is written with the micro sign
/// (U+00B5) or the Greek letter (U+03BC).
fn tidy(unit: &str) -> Cow<'_, str> {
    let litre = |part: &str| matches!(part, "l" | "dl" | "cl" | "ml" | "ul" | "nl" | "pl" | "fl");
    let micro = |letter: char| matches!(letter, '\u{b5}' | '\u{3bc}');
    if !unit.contains(micro) && !unit.split('/').any(litre) {
        return Cow::Borrowed(unit);
    }
    let ascii = unit.replace(micro, "u");
    let parts =
        ascii.split('/').map(|part| if litre(part) { part.replace('l', "L") } else { part.to_owned() });
    Cow::Owned(parts.collect::<Vec<_>>().join("/"))
}

/// Spellings that are not UCUM but mean one thing only.
fn spelling(unit: &str) -> &str {
    match unit {
        "mmHg" | "mm Hg" | "torr" => "mm[Hg]",
        "10^3/uL" | "x10^3/uL" | "10E3/uL" | "K/uL" | "thou/uL" => "10*3/uL",
        "10^9/L" | "x10^9/L" | "10E9/L" | "G/L" | "Gpt/L" => "10*9/L",
        "cells/uL" => "/uL",
        "IU/L" | "iU/L" => "U/L",
        "mcg/mL" => "ug/mL",
        "mcg/L" => "ug/L",
        "percent" => "%",
        "°C" | "degC" | "C" => "Cel",
        "°F" | "degF" => "[degF]",
        "years" | "year" | "yr" | "yrs" => "a",
        "months" | "month" => "mo",
        "days" | "day" => "d",
        "kg/m^2" | "kg/m²" => "kg/m2",
        "lb" | "lbs" | "lb_av" => "[lb_av]",
        "in" | "inches" => "[in_i]",
        "cc" | "cm^3" | "cm³" => "mL",
        "bpm" | "beats/min" | "beats/minute" | "breaths/min" | "1/min" | "/minute" => "/min",
        other => other,
    }
}

/// The conversion of `unit` to `target`, which are UCUM codes of this module. `per_mole` is how much of
/// the base unit of mass (mg/L) one umol/L of the analyte is.
pub fn convert(unit: &str, target: &str, per_mole: Option<f64>) -> Option<Conversion> {
    let (from, source) = known(unit)?;
    let (to, sink) = known(target)?;
    let bridge = match (from, to) {
        _ if from == to => 1.0,
        (Dimension::Substance, Dimension::Mass) => per_mole?,
        (Dimension::Mass, Dimension::Substance) => 1.0 / per_mole?,
        _ => return None,
    };
    let factor = source.factor * bridge / sink.factor;
    Some(Conversion { factor, offset: (source.offset - sink.offset) / sink.factor })
}

/// Whether this module converts the unit.
pub(crate) fn is_known(unit: &str) -> bool {
    known(unit).is_some()
}

/// The conversion of a quantity to the unit of a feature, or `None` where its unit does not fit.
/// `contradiction` is an annotation that does not go with the code of what was measured.
pub(crate) fn fit(quantity: &Quantity, unit: &Unit<'_>, contradiction: Option<&str>) -> Option<Conversion> {
    let ucum = quantity.system.as_deref().is_none_or(|system| system == "http://unitsofmeasure.org");
    let code = quantity.code.as_deref().filter(|_| ucum);
    let written = code.or(quantity.unit.as_deref());
    let Some(written) = written else {
        return unit.plain.then_some(NONE);
    };
    let (bare, annotation) = strip_annotation(written);
    if annotation.is_some() && annotation == contradiction {
        return None;
    }
    if bare.is_empty() || (unit.plain && PLAIN.contains(&bare.as_str())) {
        // `{INR}`, `{score}`: a pure number, for features that are one
        return unit.plain.then_some(NONE);
    }
    convert(spelling(&tidy(&bare)), unit.ucum, unit.per_mole)
}

/// `mg/L{FEU}` to `mg/L` and `FEU`.
fn strip_annotation(unit: &str) -> (String, Option<&str>) {
    let Some((before, rest)) = unit.split_once('{') else { return (unit.trim().to_owned(), None) };
    match rest.split_once('}') {
        Some((annotation, after)) => (format!("{}{}", before.trim(), after.trim()), Some(annotation)),
        None => (unit.trim().to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked values of the factor table: creatinine, bilirubin, haemoglobin, CRP, pressure, D-dimer,
    /// PSA, blood counts.
    #[test]
    fn worked_values() {
        let table = [
            (1.0, "mg/dL", "umol/L", Some(1.0 / 8.84), 88.4),
            (1.0, "mg/dL", "umol/L", Some(1.0 / 1.71), 17.1),
            (14.0, "g/dL", "mmol/L", Some(1e4 / 620.6), 8.6884),
            (1.0, "mg/dL", "mg/L", None, 10.0),
            (10.0, "kPa", "mm[Hg]", None, 75.0062),
            (7.5, "ng/mL", "ug/L", None, 7.5),
            (6.3, "10*3/uL", "10*9/L", None, 6.3),
            (98.6, "[degF]", "Cel", None, 37.0),
            (0.25, "1", "%", None, 25.0),
            (2.0, "ukat/L", "U/L", None, 120.0),
        ];
        for (value, from, to, per_mole, expected) in table {
            let conversion = convert(from, to, per_mole).unwrap();
            let found = value * conversion.factor + conversion.offset;
            assert!((found - expected).abs() < 1e-9, "{value} {from} is {found} {to}");
        }
    }

    /// UCUM has the litre in both cases, and people write micro in three ways.
    #[test]
    fn both_cases_of_the_litre_and_every_micro_are_read() {
        for (unit, target) in [
            ("umol/l", "umol/L"),
            ("mmol/l", "mmol/L"),
            ("ug/l", "ug/L"),
            ("pg/ml", "pg/mL"),
            ("mg/dl", "mg/dL"),
            ("U/l", "U/L"),
            ("[IU]/l", "[IU]/L"),
            ("10*9/l", "10*9/L"),
            ("10*3/ul", "10*3/uL"),
            ("ml", "mL"),
            ("l", "L"),
            ("\u{b5}mol/l", "umol/L"),
            ("\u{3bc}mol/L", "umol/L"),
            ("\u{3bc}g/ml", "ug/mL"),
            ("10*3/\u{3bc}l", "10*3/uL"),
        ] {
            assert_eq!(convert(unit, target, None), Some(NONE), "{unit}");
        }
        assert_eq!(convert("Cel", "Cel", None), Some(NONE), "an l within a unit stays");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(convert("mg/dL", "umol/L", None), None);
        assert_eq!(convert("U/L", "mg/L", None), None);
        assert_eq!(convert("furlong", "mm", None), None);
    }
}
