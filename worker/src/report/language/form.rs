//! Numbers, dates and lists in a language's form.

use super::{Language, Message};
use crate::report::text::visible;

impl Language {
    /// A number that is written with a full stop, in this language's form: `0.71` is `0,71` in German.
    pub(crate) fn number(self, written: &str) -> String {
        match self {
            Self::English => written.to_owned(),
            Self::German => written.replace('.', ","),
        }
    }

    /// A value of a record: in this language's form where it is a number, else as it is.
    pub(crate) fn value(self, value: &str) -> String {
        let is_number = value.bytes().any(|byte| byte.is_ascii_digit())
            && value.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte))
            && value.bytes().filter(|byte| *byte == b'.').count() <= 1;
        if is_number { self.number(value) } else { visible(value) }
    }

    /// A probability in percent: `12 %`, `1.2 %`, and `<0.1 %` rather than a zero that is none.
    pub(crate) fn percent(self, probability: f64) -> String {
        if !probability.is_finite() {
            return self.text(Message::NotANumber).to_owned();
        }
        let percent = probability * 100.0;
        let written = match percent {
            p if p > 0.0 && p < 0.05 => "<0.1".to_owned(),
            p if (99.95..100.0).contains(&p) => ">99.9".to_owned(),
            p if p >= 9.95 => format!("{p:.0}"),
            p => format!("{p:.1}"),
        };
        format!("{}\u{a0}%", self.number(&written))
    }

    /// An interval: `4.1 to 17 %`.
    pub(crate) fn percent_range(self, low: f64, high: f64) -> String {
        let low = self.percent(low);
        let low = low.trim_end_matches("\u{a0}%");
        self.say(Message::Range, &[("low", low), ("high", &self.percent(high))])
    }

    /// A signed number with two decimals and a true minus.
    pub(crate) fn signed(self, number: f64) -> String {
        self.number(&format!("{number:+.2}")).replace('-', "\u{2212}")
    }

    /// A date or time of ISO 8601, whole or in part, in this language's form; what is none stays as it is.
    ///
    /// The `T` is for machines, full seconds say nothing, and `Z` is UTC.
    pub(crate) fn date(self, written: &str) -> String {
        let written = visible(written);
        let (day, rest) = match written.char_indices().find(|(_, character)| matches!(character, 'T' | ' ')) {
            Some((at, _)) => (&written[..at], &written[at + 1..]),
            None => (written.as_str(), ""),
        };
        let parts: Vec<&str> = day.split('-').collect();
        let is_digits =
            |part: &&str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let is_date = parts.len() <= 3
            && parts.first().is_some_and(|year| is_digits(year, 4))
            && parts.iter().skip(1).all(|part| is_digits(part, 2));
        if !is_date || !(rest.is_empty() || rest.as_bytes()[0].is_ascii_digit()) {
            return written;
        }
        let day = match self {
            Self::English => day.to_owned(),
            Self::German => parts.into_iter().rev().collect::<Vec<_>>().join("."),
        };
        let time = rest.strip_suffix('Z').map_or_else(|| rest.to_owned(), |time| format!("{time} UTC"));
        let time = if time.len() > 8 || time.matches(':').count() == 2 {
            time.replacen(":00 ", " ", 1)
        } else {
            time
        };
        if time.is_empty() { day } else { format!("{day} {time}") }
    }

    /// The age of a value: hours, days, months or years before the exam.
    pub(crate) fn age(self, days: f64) -> String {
        let say = |message, number: String| self.say(message, &[("n", &self.number(&number))]);
        match days {
            d if !d.is_finite() => self.text(Message::AgeUnknown).to_owned(),
            d if d < 1.0 => say(Message::AgeHours, format!("{:.0}", (d * 24.0).max(0.0))),
            d if d < 90.0 => say(Message::AgeDays, format!("{d:.0}")),
            d if d < 730.5 => say(Message::AgeMonths, format!("{:.0}", d / 30.4375)),
            d => say(Message::AgeYears, format!("{:.1}", d / 365.25)),
        }
    }

    /// A UCUM unit for a reader: years for `a`, an annotation without its braces, nothing for `1`.
    pub(crate) fn unit(self, unit: &str) -> String {
        match unit {
            "a" => self.text(Message::UnitYears).to_owned(),
            "mo" => self.text(Message::UnitMonths).to_owned(),
            "Cel" => "°C".to_owned(),
            "1" => String::new(),
            other => self.phrase(&visible(other).replace(['{', '}', '[', ']'], "")),
        }
    }

    /// Joins names as a sentence does: `a`, `a and b`, `a, b and c`.
    pub(crate) fn list(self, names: &[String]) -> String {
        match names {
            [] => String::new(),
            [only] => only.clone(),
            [rest @ .., last] => self.say(Message::ListLast, &[("rest", &rest.join(", ")), ("last", last)]),
        }
    }

    /// A title inside a sentence: English writes `pleural thickening` and `COVID-19`, German keeps its nouns.
    pub(crate) fn in_prose(self, title: &str) -> String {
        let title = visible(title);
        let mut characters = title.chars();
        match (self, characters.next(), characters.clone().next()) {
            (Self::English, Some(first), Some(second)) if second.is_lowercase() => {
                first.to_lowercase().chain(characters).collect()
            }
            _ => title,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{English, German};

    #[test]
    fn percent_keeps_two_significant_digits() {
        let cases = [
            (0.0, "0.0\u{a0}%", "0,0\u{a0}%"),
            (0.0001, "<0.1\u{a0}%", "<0,1\u{a0}%"),
            (0.0123, "1.2\u{a0}%", "1,2\u{a0}%"),
            (0.123, "12\u{a0}%", "12\u{a0}%"),
            (0.9999, ">99.9\u{a0}%", ">99,9\u{a0}%"),
            (1.0, "100\u{a0}%", "100\u{a0}%"),
        ];
        for (probability, english, german) in cases {
            assert_eq!(
                (English.percent(probability).as_str(), German.percent(probability).as_str()),
                (english, german)
            );
        }
        assert_eq!(English.percent_range(0.041, 0.17), "4.1 to 17\u{a0}%");
        assert_eq!(German.percent_range(0.041, 0.17), "4,1 bis 17\u{a0}%");
    }

    #[test]
    fn dates_and_times_have_the_language_s_form() {
        let cases = [
            ("2020-03-14", "2020-03-14", "14.03.2020"),
            ("2020-03", "2020-03", "03.2020"),
            ("2020", "2020", "2020"),
            ("2020-03-14 09:30", "2020-03-14 09:30", "14.03.2020 09:30"),
            ("2020-03-14T06:10", "2020-03-14 06:10", "14.03.2020 06:10"),
            ("2020-03-14T06:10:00Z", "2020-03-14 06:10 UTC", "14.03.2020 06:10 UTC"),
            ("2020-03-14T06:10:11Z", "2020-03-14 06:10:11 UTC", "14.03.2020 06:10:11 UTC"),
            ("2020-03-14T06:10:00+01:00", "2020-03-14 06:10:00+01:00", "14.03.2020 06:10:00+01:00"),
            ("not stated", "not stated", "not stated"),
            ("2020-3-14", "2020-3-14", "2020-3-14"),
            ("", "", ""),
        ];
        for (written, english, german) in cases {
            assert_eq!((English.date(written).as_str(), German.date(written).as_str()), (english, german));
        }
    }

    #[test]
    fn values_that_are_numbers_have_the_language_s_form() {
        for (value, german) in
            [("0.71", "0,71"), ("184", "184"), ("1.2.3", "1.2.3"), ("below 5.5", "below 5.5"), ("-", "-")]
        {
            assert_eq!(German.value(value), german);
            assert_eq!(English.value(value), value);
        }
        assert_eq!(German.signed(-0.5), "\u{2212}0,50");
        assert_eq!(English.list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(English.age(0.5), "12\u{a0}h");
        assert_eq!(German.age(1411.0), "3,9\u{a0}Jahre");
    }

    #[test]
    fn titles_are_lower_case_in_english_prose_only() {
        assert_eq!(English.in_prose("Pleural thickening"), "pleural thickening");
        assert_eq!(English.in_prose("COVID-19"), "COVID-19");
        assert_eq!(German.in_prose("Pleuraerguss"), "Pleuraerguss");
    }
}
