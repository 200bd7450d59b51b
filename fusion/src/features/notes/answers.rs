//! What a question of the schema is answered with: yes or no, a code, or an amount.

use jiff::Timestamp;

use super::Stated;
use crate::features::schema::{NoteAmount, NoteFeature, NoteSubject};
use crate::features::smoking::completed_years;
use crate::features::statistics::DAYS_PER_YEAR;
use crate::features::{FeatureValue, MissingReason, View};
use crate::notes::{Experiencer, Quantity};
use crate::time::days_between;

/// Least and greatest plausible pack-years, as for coded ones.
const PACK_YEARS: std::ops::RangeInclusive<f64> = 0.0..=400.0;

/// Cigarettes of a pack, as pack-years count them (NCI Dictionary of Cancer Terms, "pack-year").
const PACK: f64 = 20.0;

/// Least and greatest plausible cigarettes a day and years of smoking, as for coded ones.
const CIGARETTES_PER_DAY: std::ops::RangeInclusive<f64> = 0.0..=200.0;
const YEARS_SMOKED: std::ops::RangeInclusive<f64> = 0.0..=100.0;

/// Least and greatest plausible years since quitting, as for coded ones.
const YEARS_QUIT: std::ops::RangeInclusive<f64> = 0.0..=100.0;

/// What one mention answers.
pub(crate) struct Answer<'s, 'a> {
    pub(crate) by: &'s Stated<'a>,
    pub(crate) value: FeatureValue,
    pub(crate) unit: Option<&'static str>,
    pub(crate) remark: Option<&'static str>,
}

impl Answer<'_, '_> {
    /// Whether a coded value says something else. Amounts may differ by a tenth.
    pub(crate) fn contradicts(&self, coded: &FeatureValue) -> bool {
        match (&self.value, coded) {
            (FeatureValue::Number(stated), FeatureValue::Number(coded)) => {
                (stated - coded).abs() > 1.0_f64.max(coded.abs() / 10.0)
            }
            // who does not smoke may have smoked
            (FeatureValue::Code(stated), FeatureValue::Code(coded)) => {
                let silent = stated == "non-smoker" && coded != "current-smoker";
                stated != coded && !silent
            }
            (stated, coded) => stated != coded,
        }
    }
}

/// The answers of all mentions to one question, oldest note first.
pub(crate) struct Answers<'s, 'a> {
    all: Vec<Answer<'s, 'a>>,
    chosen: Option<Answer<'s, 'a>>,
}

impl<'s, 'a> Answers<'s, 'a> {
    pub(crate) fn of(view: &View<'_>, stated: &'s [Stated<'a>], asked: &NoteFeature) -> Self {
        let fresh = |one: &&Stated<'_>| {
            let age = view.age_days(one.known.effective);
            asked.max_age_days.is_none_or(|most| age < most)
        };
        let all: Vec<Answer<'s, 'a>> = stated
            .iter()
            .filter(fresh)
            .filter(|one| !one.mention.assertion.uncertain && !one.mention.assertion.hypothetical)
            .filter_map(|one| answer(view, one, asked))
            .collect();
        let chosen = if all.iter().any(|one| matches!(one.value, FeatureValue::Bool(_))) {
            strongest(&all)
        } else {
            latest(&all)
        };
        Self { all, chosen }
    }

    /// The answer that stands.
    pub(crate) fn chosen(&self) -> Option<&Answer<'s, 'a>> {
        self.chosen.as_ref()
    }

    /// The mentions that answer otherwise than the one that stands.
    pub(crate) fn against<'b>(
        &'b self,
        answer: &'b Answer<'_, '_>,
    ) -> impl Iterator<Item = &'s Stated<'a>> + 'b {
        self.all.iter().filter(|one| one.contradicts(&answer.value)).map(|one| one.by)
    }
}

fn answer<'s, 'a>(view: &View<'_>, stated: &'s Stated<'a>, asked: &NoteFeature) -> Option<Answer<'s, 'a>> {
    let mention = &stated.mention;
    let assertion = mention.assertion;
    let whose = assertion.experiencer;
    let of_subject = match asked.subject {
        NoteSubject::Patient => whose == Experiencer::Patient,
        NoteSubject::FirstDegreeRelative => matches!(whose, Experiencer::FirstDegree | Experiencer::Relative),
    };
    if !of_subject {
        return None;
    }
    let has = |list: &[String]| list.contains(&mention.concept);
    if !asked.answers.is_empty() {
        let code = asked.answers.iter().find(|(_, concepts)| has(concepts) && !assertion.negated);
        let value = FeatureValue::Code(code?.0.clone());
        return Some(Answer { by: stated, value, unit: None, remark: None });
    }
    if let Some(amount) = asked.amount {
        let quantity = mention.quantity.filter(|_| has(&asked.whole) && !assertion.negated)?;
        let (value, unit) = measured(view, stated, amount, quantity)?;
        return Some(Answer {
            by: stated,
            value: FeatureValue::Number(value),
            unit: Some(unit),
            remark: None,
        });
    }
    let truth = !assertion.negated;
    let answers = has(&asked.whole) || has(if truth { &asked.part } else { &asked.wider });
    let remark =
        (truth && whose == Experiencer::Relative).then_some("the degree of the relative is not said");
    answers.then_some(Answer { by: stated, value: FeatureValue::Bool(truth), unit: None, remark })
}

/// An amount at t0 and its unit; `None` where it is of another kind, or cannot be.
fn measured(
    view: &View<'_>,
    stated: &Stated<'_>,
    asked: NoteAmount,
    quantity: Quantity,
) -> Option<(f64, &'static str)> {
    match (asked, quantity) {
        (NoteAmount::PackYears, Quantity::PackYears(value)) => {
            PACK_YEARS.contains(&value).then_some((value, "{pack-years}"))
        }
        (NoteAmount::PackYears, Quantity::PacksForYears { packs, years }) => {
            let value = packs * years;
            PACK_YEARS.contains(&value).then_some((value, "{pack-years}"))
        }
        (NoteAmount::CigarettesPerDay, Quantity::PacksForYears { packs, .. }) => {
            let value = packs * PACK;
            CIGARETTES_PER_DAY.contains(&value).then_some((value, "{cigarettes}/d"))
        }
        (NoteAmount::YearsSmoked, Quantity::PacksForYears { years, .. }) => {
            YEARS_SMOKED.contains(&years).then_some((years, "a"))
        }
        (NoteAmount::YearsQuit, Quantity::QuitYearsAgo(years)) => {
            let years = years + completed_years(view, stated.known.effective);
            YEARS_QUIT.contains(&years).then_some((years, "a"))
        }
        (NoteAmount::YearsQuit, Quantity::QuitDate(date)) => {
            let noon = date.middle_day()?.at(12, 0, 0, 0).to_zoned(view.zone.clone()).ok()?;
            let quit: Timestamp = noon.timestamp();
            // a year that had begun when the note was written may have its middle after it
            let first = date.first_day()?.to_zoned(view.zone.clone()).ok()?.timestamp();
            let years = (days_between(quit, view.t0) / DAYS_PER_YEAR).max(0.0);
            (first <= stated.known.available && YEARS_QUIT.contains(&years)).then_some((years, "a"))
        }
        _ => None,
    }
}

/// Stated wins over stated absent; of equals the latest.
fn strongest<'s, 'a>(all: &[Answer<'s, 'a>]) -> Option<Answer<'s, 'a>> {
    let yes = |one: &Answer<'_, '_>| one.value == FeatureValue::Bool(true);
    let key = |one: &&Answer<'_, '_>| (yes(one), one.by.known.effective, one.by.known.available);
    all.iter().max_by_key(key).map(copied)
}

/// The latest note's answer; two different ones in it are ambiguous. A note that says both how it was and that there is no
/// smoking now (`former smoker, does not smoke`) says the former.
fn latest<'s, 'a>(all: &[Answer<'s, 'a>]) -> Option<Answer<'s, 'a>> {
    let last = all.last()?;
    let of_note = all.iter().filter(|one| std::ptr::eq(one.by.known.fact, last.by.known.fact));
    let mut found: Vec<&Answer<'s, 'a>> = of_note.collect();
    let says_more = |one: &&Answer<'_, '_>| one.value != FeatureValue::Code("non-smoker".to_owned());
    if found.iter().any(says_more) {
        found.retain(says_more);
    }
    let chosen = found.last().map(|one| copied(one))?;
    let differs = found.iter().any(|one| one.contradicts(&chosen.value));
    let value =
        if differs { FeatureValue::Missing { reason: MissingReason::Ambiguous } } else { chosen.value };
    Some(Answer { value, ..chosen })
}

fn copied<'s, 'a>(answer: &Answer<'s, 'a>) -> Answer<'s, 'a> {
    Answer { value: answer.value.clone(), ..*answer }
}
