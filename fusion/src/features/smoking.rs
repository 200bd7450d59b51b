//! Tobacco: status, amounts, years smoked and years since quitting. The latest statement before t0 counts.
//!
//! The codes are in the schema: LOINC and SNOMED CT for status, cigarettes per day, pack-years, duration, time since
//! and date of quitting.
//!
//! A number is read only with a unit that says what is counted; see `tobacco.rs`. A stated time since
//! quitting grows by the completed calendar years between the statement and t0 only: "6 years" of last
//! week is 6 years, not 6.02.

use jiff::Timestamp;

use super::schema::{Smoking, Token, any_of};
use super::statistics::DAYS_PER_YEAR;
use super::view::{Known, feature, missing};
use super::{Comparator, Feature, FeatureValue, Group, MissingReason, Original, View, labs, tobacco};
use crate::record::{Concept, Observation, ObservedValue, Quantity};
use crate::time::days_between;

const GROUP: Group = Group::Smoking;

/// A tobacco quantity.
struct Amount {
    id: &'static str,
    label: &'static str,
    codes: fn(&Smoking) -> &[Token],
    /// The number in the shown unit, where its own unit fits.
    read: fn(&Quantity) -> Option<f64>,
    /// Whether an integer, which has no unit, is one.
    plain: bool,
    shown_unit: &'static str,
    range: (f64, f64),
}

const AMOUNTS: [Amount; 3] = [
    Amount {
        id: "pack-years",
        label: "Pack-years",
        codes: |smoking| &smoking.pack_years,
        read: |quantity| tobacco::is_pack_years(quantity).then_some(quantity.value),
        plain: true,
        shown_unit: "{pack-years}",
        range: (0.0, 400.0),
    },
    Amount {
        id: "cigarettes-per-day",
        label: "Cigarettes per day",
        codes: |smoking| &smoking.cigarettes_per_day,
        read: |quantity| tobacco::is_per_day(quantity).then_some(quantity.value),
        plain: false,
        shown_unit: "{cigarettes}/d",
        range: (0.0, 200.0),
    },
    Amount {
        id: "years-smoked",
        label: "Years smoked",
        codes: |smoking| &smoking.years_smoked,
        read: tobacco::years,
        plain: false,
        shown_unit: "a",
        range: (0.0, 100.0),
    },
];

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let status = status(view);
    let [pack_years, per_day, mut years] = AMOUNTS.map(|amount| measured(view, &amount));
    if let (FeatureValue::Missing { .. }, FeatureValue::Number(packs), FeatureValue::Number(daily)) =
        (&years.value, &pack_years.value, &per_day.value)
        && *daily > 0.0
    {
        let derived = packs / (daily / 20.0);
        if derived <= 100.0 {
            years = Feature {
                id: years.id,
                label: years.label,
                value: FeatureValue::Number(derived),
                ..pack_years.clone()
            };
            years.unit = Some("a".to_owned());
            years.original = None;
            years.other_sources = per_day.source.iter().cloned().collect();
            years.note = Some("from pack-years and cigarettes per day".to_owned());
            labs::bounded(&mut years, pack_years.comparator, per_day.comparator);
        }
    }
    let quit = years_quit(view, &status);
    all.extend([status, pack_years, per_day, years, quit]);
}

fn status(view: &View<'_>) -> Feature {
    let (id, label) = ("smoking-status", "Smoking status");
    let smoking = &view.schema.smoking;
    let stated = view.observed(&smoking.status).rev().filter_map(|known| match &known.fact.value {
        ObservedValue::Concept(concept) => Some((known, concept)),
        _ => None,
    });
    let mut reason = None;
    for (known, concept) in stated {
        let answer = answer(smoking, concept);
        if let Some(word) = answer.filter(|word| *word != "unknown") {
            let mut found = feature(id, label, GROUP, FeatureValue::Code(word.to_owned())).stated_by(
                view,
                &known.fact.origin,
                known.fact.effective.as_ref(),
                (known.available, known.effective),
            );
            found.original = original(concept);
            return found;
        }
        let why = if answer.is_some() { MissingReason::NotRecorded } else { MissingReason::Unmapped };
        reason.get_or_insert(why);
    }
    missing(id, label, GROUP, reason.unwrap_or_else(|| view.why_unstated(&smoking.status)))
}

/// The word of an answer; a status wins over `unknown`.
fn answer<'a>(smoking: &'a Smoking, concept: &Concept) -> Option<&'a str> {
    let stated = smoking.answers.iter().filter(|(_, tokens)| any_of(concept, tokens));
    stated.map(|(word, _)| word.as_str()).min_by_key(|word| *word == "unknown")
}

fn original(concept: &Concept) -> Option<Original> {
    let coding = concept.codings.first()?;
    Some(Original {
        value: coding.display.clone().unwrap_or_default(),
        unit: None,
        code: Some(coding.token()),
    })
}

fn measured(view: &View<'_>, amount: &Amount) -> Feature {
    let mut reason = None;
    let codes = (amount.codes)(&view.schema.smoking);
    for known in view.observed(codes).rev() {
        match number(&known, amount) {
            Ok(value) => {
                let times = (known.available, known.effective);
                let fact = known.fact;
                let mut found = feature(amount.id, amount.label, GROUP, FeatureValue::Number(value))
                    .stated_by(view, &fact.origin, fact.effective.as_ref(), times);
                found.unit = Some(amount.shown_unit.to_owned());
                found.comparator = stated_bound(fact);
                return found;
            }
            Err(why) => {
                reason.get_or_insert(why);
            }
        }
    }
    missing(amount.id, amount.label, GROUP, reason.unwrap_or_else(|| view.why_unstated(codes)))
}

/// `> 40` pack-years are at least so many: the number stands, and it is said.
fn stated_bound(fact: &Observation) -> Option<Comparator> {
    if let ObservedValue::Quantity(quantity) = &fact.value { labs::bound(quantity) } else { None }
}

fn number(known: &Known<'_, Observation>, amount: &Amount) -> Result<f64, MissingReason> {
    let value = match &known.fact.value {
        ObservedValue::Quantity(quantity) => (amount.read)(quantity).ok_or(MissingReason::Unit)?,
        ObservedValue::Integer(number) if amount.plain => *number as f64,
        ObservedValue::Integer(_) => return Err(MissingReason::Unit),
        _ => return Err(MissingReason::NotNumeric),
    };
    let plausible = (amount.range.0..=amount.range.1).contains(&value);
    if plausible { Ok(value) } else { Err(MissingReason::Implausible) }
}

/// Years since quitting at t0: 0 for a current smoker, else from the date of quitting, else from a stated
/// time since quitting plus the completed years since that statement.
fn years_quit(view: &View<'_>, status: &Feature) -> Feature {
    let (id, label) = ("years-quit", "Years since quitting");
    let smoking = &view.schema.smoking;
    let made = |years: f64, note: &str, known: Option<&Known<'_, Observation>>| {
        let mut found = feature(id, label, GROUP, FeatureValue::Number(years));
        found.unit = Some("a".to_owned());
        found.note = Some(note.to_owned());
        match known {
            Some(known) => found.stated_by(
                view,
                &known.fact.origin,
                known.fact.effective.as_ref(),
                (known.available, known.effective),
            ),
            None => Feature { source: status.source.clone(), effective: status.effective.clone(), ..found },
        }
    };
    match &status.value {
        FeatureValue::Code(code) if code == "current-smoker" => return made(0.0, "smokes now", None),
        FeatureValue::Code(code) if code == "never-smoker" => {
            return missing(id, label, GROUP, MissingReason::NotRecorded);
        }
        _ => {}
    }
    for known in view.observed(&smoking.quit_date).rev() {
        let ObservedValue::Moment(date) = &known.fact.value else { continue };
        let middle = date.earliest(view.zone).zip(date.latest(view.zone)).map(middle);
        let years = middle.map(|quit| days_between(quit, view.t0) / DAYS_PER_YEAR);
        if let Some(years) = years.filter(|years| (0.0..=100.0).contains(years)) {
            return made(years, "from the date of quitting", Some(&known));
        }
    }
    for known in view.observed(&smoking.time_since_quitting).rev() {
        let ObservedValue::Quantity(quantity) = &known.fact.value else { continue };
        let Some(stated) = tobacco::years(quantity) else { continue };
        let years = stated + completed_years(view, known.effective);
        if (0.0..=100.0).contains(&years) {
            let note = "as stated, plus the completed years since then";
            return Feature { comparator: labs::bound(quantity), ..made(years, note, Some(&known)) };
        }
    }
    missing(id, label, GROUP, view.why_unstated(&smoking.quit_date))
}

/// Completed calendar years from the day of `time` to the day of t0, in the site's zone; a
/// statement with a date alone held at its end, which is the next day.
pub(crate) fn completed_years(view: &View<'_>, time: Timestamp) -> f64 {
    let day = |time: Timestamp| time.to_zoned(view.zone.clone()).date();
    let (from, to) = (day(time), day(view.t0));
    let before = (to.month(), to.day()) < (from.month(), from.day());
    f64::from((to.year() - from.year() - i16::from(before)).max(0))
}

fn middle((from, to): (Timestamp, Timestamp)) -> Timestamp {
    from.checked_add(to.duration_since(from) / 2).unwrap_or(from)
}
