//! FHIR dates and times as the record states them, and what they mean beside an index time.
//!
//! FHIR allows a year, a month, a day or an instant. This module keeps the text and the precision, and
//! turns them into an interval only when a zone is given:
//!
//! | written | earliest | latest |
//! |---|---|---|
//! | `2020` | first instant of the year in the zone | first instant of the next year |
//! | `2020-04` | first instant of the month | first instant of the next month |
//! | `2020-04-02` | first instant of the day | first instant of the next day |
//! | `2020-04-02T07:00:00` (no offset; not allowed in FHIR but found) | that wall time in the zone | the same |
//! | `2020-04-02T07:00:00+02:00` | that instant | the same |
//!
//! What is dated without a time counts as available only at the **end** of its period: a value of the
//! day of the exam may have been known only after the exam.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A date with the precision that FHIR's `date` allows: year, month or day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialDate {
    /// Year, 1 to 9999.
    pub year: i16,
    /// Month, 1 to 12, where it is known.
    pub month: Option<i8>,
    /// Day of the month, where it is known. Never present without a month.
    pub day: Option<i8>,
}

impl PartialDate {
    /// Parses `YYYY`, `YYYY-MM` or `YYYY-MM-DD`. Returns `None` for anything else and for days that do
    /// not exist.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let digits = |range: std::ops::Range<usize>| -> Option<i16> {
            let part = text.get(range)?;
            if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
        };
        let year = digits(0..4).filter(|year| *year >= 1)?;
        let part = |at: usize| -> Option<i8> {
            if bytes.get(at) != Some(&b'-') {
                return None;
            }
            i8::try_from(digits(at + 1..at + 3)?).ok()
        };
        let (month, day) = match bytes.len() {
            4 => (None, None),
            7 => (Some(part(4)?), None),
            10 => (Some(part(4)?), Some(part(7)?)),
            _ => return None,
        };
        Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
        Some(Self { year, month, day })
    }

    /// First day of the period.
    pub fn first_day(self) -> Option<Date> {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()
    }

    /// The day after the last day of the period.
    pub fn next_day(self) -> Option<Date> {
        let first = self.first_day()?;
        let span = match (self.month, self.day) {
            (None, _) => 1.year(),
            (Some(_), None) => 1.month(),
            (Some(_), Some(_)) => 1.day(),
        };
        first.checked_add(span).ok()
    }

    /// The day itself, or the middle of a month (15th) or of a year (1 July): the best single day.
    pub fn middle_day(self) -> Option<Date> {
        let (month, day) = match (self.month, self.day) {
            (None, _) => (7, 1),
            (Some(month), None) => (month, 15),
            (Some(month), Some(day)) => (month, day),
        };
        Date::new(self.year, month, day).ok()
    }

    /// Whether the day is known.
    pub fn is_exact(self) -> bool {
        self.day.is_some()
    }
}

impl std::fmt::Display for PartialDate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}", self.year)?;
        for part in [self.month, self.day].into_iter().flatten() {
            write!(formatter, "-{part:02}")?;
        }
        Ok(())
    }
}

/// A FHIR `date`, `dateTime` or `instant`: the text as written and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    text: String,
    precision: Precision,
}

/// How exactly a [`Moment`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Date(PartialDate),
    Local(DateTime),
    Instant(Timestamp),
}

impl Moment {
    /// Parses a FHIR `date`, `dateTime` or `instant`; a time without an offset is kept as wall time.
    /// Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 || !text.is_ascii() {
            return None;
        }
        let precision = if text.len() <= 10 {
            Precision::Date(PartialDate::parse(text)?)
        } else {
            PartialDate::parse(text.get(..10)?)?;
            if text.as_bytes().get(10) != Some(&b'T') {
                return None;
            }
            match text.parse::<Timestamp>() {
                Ok(instant) => Precision::Instant(instant),
                Err(_) => Precision::Local(text.parse().ok()?),
            }
        };
        Some(Self { text: text.to_owned(), precision })
    }

    /// The text as the record states it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first instant that the text may mean; `None` outside the range of time.
    pub fn earliest(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self.precision {
            Precision::Date(date) => start_of(date.first_day()?, zone),
            Precision::Local(local) => local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()),
            Precision::Instant(instant) => Some(instant),
        }
    }

    /// The instant by which what the text dates has happened for sure: for a date, the end of it.
    pub fn latest(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self.precision {
            Precision::Date(date) => start_of(date.next_day()?, zone),
            Precision::Local(_) | Precision::Instant(_) => self.earliest(zone),
        }
    }
}

fn start_of(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

/// Days of 24 hours from `from` to `to`, negative where `to` comes first.
pub fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / 86_400.0
}

/// Completed years at an instant of a person born on a date that may be known to the month or year
/// only, for which the middle of the period is taken. Negative where the birth lies ahead.
pub fn age_years(birth: PartialDate, at: Timestamp, zone: &TimeZone) -> Option<i32> {
    let born = birth.middle_day()?;
    let today = at.to_zoned(zone.clone()).date();
    let before_birthday = (today.month(), today.day()) < (born.month(), born.day());
    Some(i32::from(today.year()) - i32::from(born.year()) - i32::from(before_birthday))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_date_is_available_at_its_end_in_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let day = Moment::parse("2020-04-02").unwrap();
        assert_eq!(day.earliest(&TimeZone::UTC), Some(at("2020-04-02T00:00:00Z")));
        assert_eq!(day.latest(&TimeZone::UTC), Some(at("2020-04-03T00:00:00Z")));
        assert_eq!(day.latest(&berlin), Some(at("2020-04-02T22:00:00Z")));
        assert_eq!(
            Moment::parse("2020-02").unwrap().latest(&TimeZone::UTC),
            Some(at("2020-03-01T00:00:00Z"))
        );
        assert_eq!(Moment::parse("2020").unwrap().latest(&TimeZone::UTC), Some(at("2021-01-01T00:00:00Z")));
    }

    #[test]
    fn a_time_without_offset_is_wall_time_of_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let moment = Moment::parse("2020-04-02T07:00:00").unwrap();
        assert_eq!(moment.earliest(&berlin), Some(at("2020-04-02T05:00:00Z")));
        let exact = Moment::parse("2020-04-02T07:00:00.123+02:00").unwrap();
        assert_eq!(exact.latest(&TimeZone::UTC), Some(at("2020-04-02T05:00:00.123Z")));
    }

    #[test]
    fn what_is_no_date_is_none() {
        let long = "2".repeat(100);
        for text in [
            "",
            "20",
            "2020-13",
            "2020-02-30",
            "2020-1-1",
            "+020",
            "0000",
            "tomorrow",
            "2020-04-02 07:00",
            &long,
            "2020-04-0é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert!(Moment::parse("9999").unwrap().latest(&TimeZone::UTC).is_none());
    }

    #[test]
    fn age_counts_completed_years() {
        let birth = PartialDate::parse("1953-04-09").unwrap();
        assert_eq!(age_years(birth, at("2020-04-08T12:00:00Z"), &TimeZone::UTC), Some(66));
        assert_eq!(age_years(birth, at("2020-04-09T00:00:00Z"), &TimeZone::UTC), Some(67));
        assert_eq!(
            age_years(PartialDate::parse("1953").unwrap(), at("2020-06-30T00:00:00Z"), &TimeZone::UTC),
            Some(66)
        );
        assert_eq!(PartialDate::parse("1953-04").unwrap().to_string(), "1953-04");
    }
}
