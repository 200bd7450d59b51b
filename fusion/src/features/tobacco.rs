//! Units of tobacco amounts. A pack is 20 cigarettes, so a number whose unit does not say which of the two
//! it counts is not read.
//!
//! The unit is the UCUM code with its annotation, or the unit's text where there is no code (or the code
//! `1`). Text beside a code must not contradict it. What is not listed here does not fit.

use super::units::{self, Unit};
use crate::record::Quantity;

const YEARS: Unit<'static> = Unit { ucum: "a", per_mole: None, plain: false };

const PER_DAY_CODES: [&str; 4] = ["{cigarettes}/d", "{cigarette}/d", "{cig}/d", "{cigs}/d"];

/// Codes that leave it to the question what is counted.
const BARE_PER_DAY_CODES: [&str; 2] = ["/d", "{#}/d"];

const PER_DAY_TEXTS: [&str; 10] = [
    "cigarettes/day",
    "cigarettes per day",
    "cigarettes/d",
    "cigarette/day",
    "cigs/day",
    "cig/day",
    "per day",
    "/day",
    "#/day",
    "cpd",
];

const PACK_YEAR_CODES: [&str; 12] = [
    "1",
    "{#}",
    "{pack-years}",
    "{pack-year}",
    "{pack years}",
    "{pack year}",
    "{packyears}",
    "{packyear}",
    "{pack_years}",
    "{pack_year}",
    "{pack}.a",
    "{packs}.a",
];

const PACK_YEAR_TEXTS: [&str; 8] =
    ["pack-years", "pack-year", "pack years", "pack year", "packyears", "pack-yrs", "pack yrs", "py"];

/// Parts of words that say that something else is counted than cigarettes, or over another time.
const NOT_PER_DAY: [&str; 9] = ["pack", "box", "carton", "pipe", "gram", "week", "month", "year", "hour"];

/// Whether a number of this unit is cigarettes per day.
pub(super) fn is_per_day(quantity: &Quantity) -> bool {
    let (code, text) = written(quantity);
    let plain_text = |text: &str| {
        PER_DAY_TEXTS.contains(&text) || PER_DAY_CODES.contains(&text) || BARE_PER_DAY_CODES.contains(&text)
    };
    match (code.as_deref(), text.as_deref()) {
        (None | Some("1"), Some(text)) => plain_text(text),
        (Some(code), None) => PER_DAY_CODES.contains(&code) || BARE_PER_DAY_CODES.contains(&code),
        (Some(code), Some(text)) if BARE_PER_DAY_CODES.contains(&code) => plain_text(text),
        (Some(code), Some(text)) => {
            let cigars = text.contains("cigar") && !text.contains("cigaret");
            PER_DAY_CODES.contains(&code) && !cigars && !NOT_PER_DAY.iter().any(|part| text.contains(part))
        }
        (None, None) => false,
    }
}

/// Whether a number of this unit is pack-years. The question already says so, and nothing else has the
/// same name: a number without a unit is one too.
pub(super) fn is_pack_years(quantity: &Quantity) -> bool {
    let (code, text) = written(quantity);
    let fits = |text: &str| PACK_YEAR_TEXTS.contains(&text) || PACK_YEAR_CODES.contains(&text);
    code.as_deref().is_none_or(|code| PACK_YEAR_CODES.contains(&code)) && text.as_deref().is_none_or(fits)
}

/// The number in years, for a duration in years, months, weeks or days without an annotation.
pub(super) fn years(quantity: &Quantity) -> Option<f64> {
    let (code, text) = written(quantity);
    let annotated = |unit: &Option<String>| unit.as_deref().is_some_and(|unit| unit.contains('{'));
    let other = text.as_deref().is_some_and(|text| text.contains("pack") || text.contains("cigar"));
    if annotated(&code) || annotated(&text) || other {
        return None;
    }
    let factor = |code: Option<String>, unit: Option<String>| {
        let part = Quantity { unit, code, ..quantity.clone() };
        units::fit(&part, &YEARS, None).map(|conversion| conversion.factor)
    };
    let by_text = text.and_then(|text| factor(None, Some(text)));
    let Some(code) = code else { return by_text.map(|factor| quantity.value * factor) };
    let by_code = factor(Some(code), None)?;
    let agree = by_text.is_none_or(|by_text| (by_text - by_code).abs() < 1e-12);
    agree.then_some(quantity.value * by_code)
}

/// UCUM code and text of the unit in lower case, without what is empty; a code of another system is none.
fn written(quantity: &Quantity) -> (Option<String>, Option<String>) {
    let ucum = quantity.system.as_deref().is_none_or(|system| system == "http://unitsofmeasure.org");
    let tidy = |text: &str| Some(text.trim().to_lowercase()).filter(|text| !text.is_empty());
    (quantity.code.as_deref().filter(|_| ucum).and_then(tidy), quantity.unit.as_deref().and_then(tidy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(code: &str, unit: &str) -> Quantity {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Quantity {
            value: 7.0,
            written: "7".to_owned(),
            comparator: None,
            unit: some(unit),
            system: None,
            code: some(code),
        }
    }

    #[test]
    fn only_cigarettes_are_cigarettes() {
        for (code, unit) in [
            ("{cigarettes}/d", ""),
            ("{cigarette}/d", "cigarettes"),
            ("{cig}/d", ""),
            ("{Cigs}/d", "Zigaretten/Tag"),
            ("/d", ""),
            ("{#}/d", ""),
            ("{#}/d", "{#}/d"),
            ("/d", "per day"),
            ("", "cigarettes/day"),
            ("", "Cigarettes per day"),
            ("1", "cigarettes/day"),
        ] {
            assert!(is_per_day(&quantity(code, unit)), "{code} {unit}");
        }
        for (code, unit) in [
            ("{packs}/d", ""),
            ("{pack}/d", ""),
            ("{packs}", ""),
            ("{cigars}/d", ""),
            ("{cigarettes}", ""),
            ("{cigarettes}/wk", ""),
            ("{cigarettes}/d", "packs/day"),
            ("{cigarettes}/d", "cigars/day"),
            ("/d", "packs/day"),
            ("1", ""),
            ("{score}", ""),
            ("1", "packs"),
            ("", "packs per day"),
            ("", ""),
        ] {
            assert!(!is_per_day(&quantity(code, unit)), "{code} {unit}");
        }
    }

    #[test]
    fn pack_years_and_years_need_their_own_unit() {
        for (code, unit) in
            [("{pack-years}", ""), ("1", "pack years"), ("{#}", ""), ("", ""), ("{pack}.a", "")]
        {
            assert!(is_pack_years(&quantity(code, unit)), "{code} {unit}");
        }
        for (code, unit) in
            [("{packs}", ""), ("{packs}/d", ""), ("{cigarettes}", ""), ("1", "packs"), ("a", "")]
        {
            assert!(!is_pack_years(&quantity(code, unit)), "{code} {unit}");
        }
        assert_eq!(years(&quantity("a", "years")), Some(7.0));
        assert_eq!(years(&quantity("", "Years")), Some(7.0));
        assert!((years(&quantity("mo", "")).unwrap() - 7.0 / 12.0).abs() < 1e-12);
        for (code, unit) in
            [("{packs}a", ""), ("a", "pack-years"), ("a", "months"), ("{pack}.a", ""), ("1", ""), ("", "")]
        {
            assert_eq!(years(&quantity(code, unit)), None, "{code} {unit}");
        }
    }
}
