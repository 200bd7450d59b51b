//! When a study began, and how its local time becomes an instant.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::dataset::View;

/// Date and time pairs that tell when a study began, best first.
const SOURCES: [(Tag, Tag, &str); 4] = [
    (tags::STUDY_DATE, tags::STUDY_TIME, "StudyDate"),
    (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME, "AcquisitionDate"),
    (tags::SERIES_DATE, tags::SERIES_TIME, "SeriesDate"),
    (tags::CONTENT_DATE, tags::CONTENT_TIME, "ContentDate"),
];

/// The local date and time of a study as its images state it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StudyTime {
    /// The date.
    pub date: Date,
    /// The time of day; `None` when the images state none.
    pub time: Option<Time>,
    /// Offset from UTC in seconds, from Timezone Offset From UTC (0008,0201).
    pub offset_seconds: Option<i32>,
    /// Keyword of the date attribute it was read from: `StudyDate` unless that is missing.
    pub source: &'static str,
}

/// A [`StudyTime`] as it is read back.
#[derive(Deserialize)]
struct Stated {
    date: Date,
    time: Option<Time>,
    offset_seconds: Option<i32>,
    source: String,
}

impl<'de> Deserialize<'de> for StudyTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stated { date, time, offset_seconds, source } = Stated::deserialize(deserializer)?;
        let known = SOURCES.into_iter().find(|(.., keyword)| *keyword == source);
        let unknown = || D::Error::custom("the source is no attribute that a time is read from");
        let (.., source) = known.ok_or_else(unknown)?;
        Ok(Self { date, time, offset_seconds, source })
    }
}

/// By which rule a local time became an instant; the report names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeRule {
    /// The images' own offset from UTC (0008,0201).
    DicomOffset,
    /// The configured zone of the site.
    SiteZone,
}

impl StudyTime {
    /// The instant of the study: by the images' own offset, else in the site's zone, with the rule that was
    /// used. Without a time of day it is the start of the day, which never looks ahead. A local time that the
    /// zone skips or repeats is taken as jiff's `compatible` rule does (RFC 5545).
    pub fn instant(&self, site_zone: &TimeZone) -> (Timestamp, TimeRule) {
        let local = DateTime::from_parts(self.date, self.time.unwrap_or_else(Time::midnight));
        let own = self.offset_seconds.and_then(|seconds| Offset::from_seconds(seconds).ok());
        if let Some(instant) = own.and_then(|offset| offset.to_timestamp(local).ok()) {
            return (instant, TimeRule::DicomOffset);
        }
        let instant = site_zone.to_ambiguous_timestamp(local).compatible();
        // Only the first and last day of year -9999 and 9999 have no instant; a study has none of them.
        (instant.unwrap_or(Timestamp::UNIX_EPOCH), TimeRule::SiteZone)
    }

    /// Reads when the content of an object was made, from Content Date (0008,0023) and Content Time (0008,0033).
    pub(crate) fn content(view: &View<'_>) -> Option<Self> {
        let offset_seconds = view.first(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|text| parse_offset(&text));
        let date = parse_date(&view.first(tags::CONTENT_DATE)?)?;
        let time = view.first(tags::CONTENT_TIME).and_then(|text| parse_time(&text));
        Some(Self { date, time, offset_seconds, source: "ContentDate" })
    }

    /// Reads the time of a study; `None` when no date attribute holds a date.
    pub(crate) fn read(view: &View<'_>) -> Option<Self> {
        let offset_seconds = view.first(tags::TIMEZONE_OFFSET_FROM_UTC).and_then(|text| parse_offset(&text));
        SOURCES.into_iter().find_map(|(date_tag, time_tag, source)| {
            let date = parse_date(&view.first(date_tag)?)?;
            let time = view.first(time_tag).and_then(|text| parse_time(&text));
            Some(Self { date, time, offset_seconds, source })
        })
    }
}

/// Reads a DA value: `YYYYMMDD`, or the retired `YYYY.MM.DD` (PS3.5 6.2). Years from 1800 to 2200.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let digits = match bytes.len() {
        8 => text.to_owned(),
        10 if bytes[4] == b'.' && bytes[7] == b'.' => text.replace('.', ""),
        _ => return None,
    };
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = digits[..4].parse().ok().filter(|year| (1800..=2200).contains(year))?;
    Date::new(year, digits[4..6].parse().ok()?, digits[6..].parse().ok()?).ok()
}

/// Reads a TM value: `HH[MM[SS[.F{1,6}]]]`, or the retired form with colons (PS3.5 6.2). A leap second is taken
/// as the last second.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = if whole.contains(':') { whole.replace(':', "") } else { whole.to_owned() };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(digits.len(), 2 | 4 | 6)
        || !all_digits(&digits)
        || fraction.len() > 6
        || !all_digits(fraction)
    {
        return None;
    }
    let field = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i8>().ok());
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Time::new(field(0)?, field(2)?, field(4)?.min(59), nanoseconds).ok()
}

/// Reads Timezone Offset From UTC: `&ZZXX`, from -1200 to +1400 (PS3.3 C.12.1.1.1).
pub(crate) fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let seconds = sign * SignedDuration::from_mins(hours * 60 + minutes).as_secs();
    let plausible = minutes < 60 && (-12 * 3600..=14 * 3600).contains(&seconds);
    i32::try_from(seconds).ok().filter(|_| plausible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_of_the_standard() {
        assert_eq!(parse_date("20200229"), Some(jiff::civil::date(2020, 2, 29)));
        assert_eq!(parse_date("2020.02.29"), Some(jiff::civil::date(2020, 2, 29)));
        for bad in
            ["", "20210229", "2020022", "2020-02-29", "202002290", "20201301", "+0200229", "2020.0229."]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
        assert_eq!(parse_time("07"), Some(jiff::civil::time(7, 0, 0, 0)));
        assert_eq!(parse_time("070907.0705"), Some(jiff::civil::time(7, 9, 7, 70_500_000)));
        assert_eq!(parse_time("07:09:60"), Some(jiff::civil::time(7, 9, 59, 0)));
        for bad in ["", "7", "070", "2400", "0760", "070907.1234567", "07-09", "-1"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
        assert_eq!(parse_offset("-0130"), Some(-5400));
        assert_eq!(parse_offset("+1400"), Some(50_400));
        for bad in ["", "0100", "+1401", "-1300", "+0160", "+é00"] {
            assert_eq!(parse_offset(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_rule_is_named() {
        let mut time = StudyTime {
            date: jiff::civil::date(2020, 7, 1),
            time: Some(jiff::civil::time(12, 0, 0, 0)),
            offset_seconds: None,
            source: "StudyDate",
        };
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (instant, rule) = time.instant(&berlin);
        assert_eq!((instant.to_string().as_str(), rule), ("2020-07-01T10:00:00Z", TimeRule::SiteZone));
        time.offset_seconds = Some(-18_000);
        let (instant, rule) = time.instant(&berlin);
        assert_eq!((instant.to_string().as_str(), rule), ("2020-07-01T17:00:00Z", TimeRule::DicomOffset));
        time.time = None;
        assert_eq!(time.instant(&berlin).0.to_string(), "2020-07-01T05:00:00Z");
    }
}
