//! Amounts of tobacco that a note states: pack-years, and when smoking was given up.
//!
//! A number counts only where it stands directly before or after the concept, with nothing between them but the lexicon's
//! own fillers. A range (`20-30 pack-years`) or a bound (`over 30`) is no number.

use std::ops::Range;

use super::lexicon::{Amount, Concept, Lexicon};
use super::phrases::Found;
use super::words::{Kind, Word};
use crate::time::PartialDate;

/// Most fillers between a concept and its number.
const MAX_BETWEEN: usize = 4;

/// Words before a number that make it a bound or the end of a range.
const BOUNDS: [&str; 8] = ["to", "over", "than", "under", "least", "most", ">", "<"];

/// An amount of tobacco.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quantity {
    /// Packs a day times years.
    PackYears(f64),
    /// Packs a day, and for how many years.
    PacksForYears {
        /// Packs of 20 cigarettes a day.
        packs: f64,
        /// Years.
        years: f64,
    },
    /// Years before the note.
    QuitYearsAgo(f64),
    /// A year, or a month of a year.
    QuitDate(PartialDate),
}

/// An amount and the words that state it.
pub(super) struct Stated {
    pub(super) quantity: Quantity,
    pub(super) words: Range<usize>,
}

/// Whether a concept says nothing without an amount.
pub(super) fn is_amount(concept: &Concept) -> bool {
    matches!(concept.amount, Some(Amount::PackYears | Amount::PacksPerDay))
}

/// The amount that stands with a mention.
pub(super) fn around(
    lexicon: &Lexicon,
    words: &[Word<'_>],
    found: &Found,
    concept: &Concept,
) -> Option<Stated> {
    let reader = Reader { lexicon, words };
    match concept.amount? {
        Amount::PackYears => reader.pack_years(&found.at),
        Amount::PacksPerDay => reader.packs_for_years(&found.at),
        Amount::Quitting => reader.quitting(&found.at),
    }
}

struct Reader<'a> {
    lexicon: &'a Lexicon,
    words: &'a [Word<'a>],
}

impl Reader<'_> {
    fn is_one_of(&self, at: usize, list: &[String]) -> bool {
        self.words.get(at).is_some_and(|word| list.iter().any(|known| word.is(known)))
    }

    /// The first word after fillers.
    fn past_fillers(&self, from: usize) -> usize {
        let between = &self.lexicon.amounts.between;
        (from..from + MAX_BETWEEN).find(|at| !self.is_one_of(*at, between)).unwrap_or(from + MAX_BETWEEN)
    }

    fn number(&self, at: usize) -> Option<f64> {
        let word = self.words.get(at).filter(|word| word.kind == Kind::Number)?;
        word.text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The number that stands before this place, a hyphen or a plus between them allowed, and its first word.
    fn number_before(&self, at: usize) -> Option<(f64, usize)> {
        let last = at.checked_sub(1)?;
        let joined = matches!(self.words.get(last)?.text, "-" | "+" | "\u{2013}");
        let place = if joined { last.checked_sub(1)? } else { last };
        let number = self.number(place)?;
        let before = place.checked_sub(1).and_then(|at| self.words.get(at));
        let touches = before.is_some_and(|before| before.end() == self.words[place].start);
        match before.map(|before| before.text) {
            // the end of a range, or the lower part of a fraction
            Some("-" | "\u{2013}") if touches => None,
            Some("/") => {
                let upper = place.checked_sub(2).and_then(|at| Some((self.number(at)?, at)))?;
                (number > 0.0).then_some((upper.0 / number, upper.1))
            }
            Some(word) if BOUNDS.iter().any(|bound| word.eq_ignore_ascii_case(bound)) => None,
            _ => Some((number, place)),
        }
    }

    fn pack_years(&self, at: &Range<usize>) -> Option<Stated> {
        if let Some((number, first)) = self.number_before(at.start) {
            return Some(Stated { quantity: Quantity::PackYears(number), words: first..at.end });
        }
        let place = self.past_fillers(at.end);
        let number = self.number(place).filter(|_| place > at.end)?;
        let next = self.words.get(place + 1).map(|word| word.text);
        let range = matches!(next, Some("-" | "\u{2013}" | "/" | "to"));
        let of_years = self.is_one_of(place + 1, &self.lexicon.amounts.years);
        (!range && !of_years)
            .then_some(Stated { quantity: Quantity::PackYears(number), words: at.start..place + 1 })
    }

    /// `1 pack per day for 30 years`, `1 ppd x30 years`.
    fn packs_for_years(&self, at: &Range<usize>) -> Option<Stated> {
        let amounts = &self.lexicon.amounts;
        let (packs, first) = self.number_before(at.start)?;
        let (years, next) = if self.is_one_of(at.end, &amounts.times) {
            let place = self.past_fillers(at.end + 1);
            (self.number(place)?, place + 1)
        } else {
            let joined = self.words.get(at.end)?.text.strip_prefix(['x', 'X'])?;
            (joined.parse().ok().filter(|years: &f64| years.is_finite())?, at.end + 1)
        };
        self.is_one_of(next, &amounts.years)
            .then_some(Stated { quantity: Quantity::PacksForYears { packs, years }, words: first..next + 1 })
    }

    fn quitting(&self, at: &Range<usize>) -> Option<Stated> {
        let amounts = &self.lexicon.amounts;
        let place = self.past_fillers(at.end);
        let month = amounts.months.iter().position(|names| self.is_one_of(place, names));
        let year_at = if month.is_some() { self.past_fillers(place + 1) } else { place };
        let word = self.words.get(year_at).filter(|word| word.kind == Kind::Number)?;
        if word.text.len() == 4 {
            let month = month.and_then(|month| i8::try_from(month + 1).ok());
            let year = word.text.parse().ok().filter(|year| (1900..=2200).contains(year))?;
            let date = PartialDate { year, month, day: None };
            return Some(Stated { quantity: Quantity::QuitDate(date), words: at.start..year_at + 1 });
        }
        let years = self.number(year_at).filter(|_| month.is_none())?;
        let said = self.is_one_of(year_at + 1, &amounts.years) && self.is_one_of(year_at + 2, &amounts.ago);
        said.then_some(Stated { quantity: Quantity::QuitYearsAgo(years), words: at.start..year_at + 3 })
    }
}
