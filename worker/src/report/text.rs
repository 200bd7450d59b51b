//! Text from outside, made safe to read: what cannot be seen is shown, and numbers are written one way.
//!
//! Escaping for HTML is the page's own; this is about what stays dangerous after escaping.

use std::fmt::Write as _;

/// Shows what a reader could not see: control characters become their pictures (`U+2400` and on), characters that
/// turn the reading direction or have no width become their code in brackets. White space becomes one space.
///
/// The result holds no character that FHIR strings or XML forbid.
pub(crate) fn visible(text: &str) -> String {
    // most text is, and every text of a report comes through here
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.trim().to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' | '\n' | '\r' => shown.push(' '),
            '\0'..='\u{1f}' => shown.push(control_picture(character)),
            '\u{7f}' => shown.push('\u{2421}'),
            hidden if is_hidden(hidden) => bracketed(&mut shown, hidden),
            space if space.is_whitespace() => shown.push(' '),
            plain => shown.push(plain),
        }
    }
    shown.trim().to_owned()
}

/// Controls of C1, separators, reading direction, zero width, byte order mark, tags, noncharacters.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn bracketed(shown: &mut String, character: char) {
    // writing to a string cannot fail
    let _infallible = write!(shown, "[U+{:04X}]", u32::from(character));
}

fn control_picture(control: char) -> char {
    char::from_u32(0x2400 + u32::from(control)).unwrap_or('\u{fffd}')
}

/// Writes a probability for a reader, in percent: `12.3 %`, and `<0.1 %` rather than a zero that is none.
pub(crate) fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    match percent {
        p if !p.is_finite() => "not a number".to_owned(),
        p if p > 0.0 && p < 0.05 => "<0.1\u{a0}%".to_owned(),
        p if (99.95..100.0).contains(&p) => ">99.9\u{a0}%".to_owned(),
        p if p >= 9.95 => format!("{p:.0}\u{a0}%"),
        p => format!("{p:.1}\u{a0}%"),
    }
}

/// Writes a UCUM unit for a reader: years for `a`, an annotation without its braces, nothing for `1`.
pub(crate) fn readable_unit(unit: &str) -> String {
    match unit {
        "a" => "years".to_owned(),
        "1" => String::new(),
        other => visible(other).replace(['{', '}', '[', ']'], ""),
    }
}

/// Writes an interval for a reader: `4.1 to 17 %`.
pub(crate) fn percent_range(low: f64, high: f64) -> String {
    let low = percent(low);
    let low = low.trim_end_matches("\u{a0}%");
    format!("{low} to {}", percent(high))
}

/// Writes the age of a value for a reader: hours, days, months or years before the exam.
pub(crate) fn age(days: f64) -> String {
    match days {
        d if !d.is_finite() => "unknown".to_owned(),
        d if d < 1.0 => format!("{:.0}\u{a0}h", (d * 24.0).max(0.0)),
        d if d < 90.0 => format!("{d:.0}\u{a0}d"),
        d if d < 730.5 => format!("{:.0}\u{a0}months", d / 30.4375),
        d => format!("{:.1}\u{a0}years", d / 365.25),
    }
}

/// Joins names as a sentence does: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Makes a phrase a sentence: a capital first, unless the word is written as it is (`pH`), and a full stop last.
pub(crate) fn sentence(phrase: &str) -> String {
    let phrase = visible(phrase);
    let mut characters = phrase.chars();
    let first = characters.next();
    let is_word = characters.clone().next().is_none_or(|second| second.is_lowercase() || second == ' ');
    let mut sentence: String = match first {
        Some(first) if is_word => first.to_uppercase().chain(characters).collect(),
        _ => phrase,
    };
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?', ':', ';']) {
        sentence.push('.');
    }
    sentence
}

/// Whether this is a DICOM UID: at most 64 digits and dots, no empty or zero-led component (PS3.5 9.1).
pub(crate) fn is_uid(text: &str) -> bool {
    let component = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.len() <= 64 && text.contains('.') && text.split('.').all(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(visible("a\0b\u{1b}c"), "a\u{2400}b\u{241b}c");
        assert_eq!(visible("\u{202e}evil"), "[U+202E]evil");
        assert_eq!(visible(" two\r\nlines "), "two  lines");
        assert_eq!(visible("Müller 漢字"), "Müller 漢字");
    }

    #[test]
    fn phrases_become_sentences() {
        let cases =
            [("no value", "No value."), ("pH is missing", "pH is missing."), ("Done.", "Done."), ("", "")];
        for (phrase, expected) in cases {
            assert_eq!(sentence(phrase), expected);
        }
    }

    #[test]
    fn percent_keeps_two_significant_digits() {
        let cases = [
            (0.0, "0.0\u{a0}%"),
            (0.0001, "<0.1\u{a0}%"),
            (0.0123, "1.2\u{a0}%"),
            (0.123, "12\u{a0}%"),
            (0.9999, ">99.9\u{a0}%"),
            (1.0, "100\u{a0}%"),
        ];
        for (probability, text) in cases {
            assert_eq!(percent(probability), text);
        }
        assert_eq!(percent_range(0.041, 0.17), "4.1 to 17\u{a0}%");
    }

    #[test]
    fn uids_are_recognised() {
        assert!(is_uid("1.2.840.10008.1.1"));
        for bad in ["", "1", "1..2", "1.02", "1.a", "<script>", &"1.".repeat(40)] {
            assert!(!is_uid(bad), "{bad}");
        }
    }
}
