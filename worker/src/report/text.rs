//! Text from outside, made safe to read: what cannot be seen is shown. Numbers are [`super::language`]'s.
//!
//! Escaping for HTML is the page's own; this is about what stays dangerous after escaping.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Shows what a reader could not see: control characters become their pictures (`U+2400` and on), characters that
/// turn the reading direction or have no width become their code in brackets. White space becomes one space.
///
/// The result holds no character that FHIR strings or XML forbid.
pub(crate) fn visible(text: &str) -> String {
    seen(text).into_owned()
}

/// The same; where nothing is to be shown, a part of the text itself.
pub(crate) fn seen(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text.trim());
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
    Cow::Owned(shown.trim().to_owned())
}

/// The same of a text that is nobody else's: where nothing is to be shown, it is that very text.
pub(crate) fn made_visible(text: String) -> String {
    if is_plain(&text) && text.trim().len() == text.len() { text } else { visible(&text) }
}

/// Whether all of it is ASCII that is seen, or spaces: most text is, and every text of a report is looked at.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
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
        for text in ["plain", " two\r\nlines ", " a", "a ", "", " ", "Müller", "a\0b"] {
            assert_eq!(made_visible(text.to_owned()), visible(text), "{text:?}");
        }
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
    fn uids_are_recognised() {
        assert!(is_uid("1.2.840.10008.1.1"));
        for bad in ["", "1", "1..2", "1.02", "1.a", "<script>", &"1.".repeat(40)] {
            assert!(!is_uid(bad), "{bad}");
        }
    }
}
