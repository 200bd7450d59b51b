//! A text as words, numbers and marks, each with its place.

use std::ops::Range;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters and digits.
    Word,
    /// Digits, with at most one decimal point.
    Number,
    /// One character that is neither, nor white space.
    Mark,
}

/// One word, number or mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) kind: Kind,
    /// As written.
    pub(super) text: &'a str,
    /// Place of its first byte.
    pub(super) start: usize,
    /// Line breaks between the word before and this one; the first word of a text counts as after two.
    pub(super) breaks: u8,
}

impl Word<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this, without regard to the case of ASCII letters.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text.eq_ignore_ascii_case(text) || (text == "'" && self.text == "\u{2019}")
    }
}

/// Takes a text apart.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let mut all = Vec::with_capacity(text.len() / 5);
    let mut breaks = 2_u8;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            breaks = breaks.saturating_add(u8::from(first == '\n'));
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = piece(&text[at..], first);
        all.push(Word { kind, text: &text[at..at + length], start: at, breaks });
        breaks = 0;
        at += length;
    }
    all
}

/// Kind and length in bytes of the piece that begins here.
fn piece(rest: &str, first: char) -> (Kind, usize) {
    if !first.is_alphanumeric() {
        return (Kind::Mark, first.len_utf8());
    }
    let run = |text: &str| text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
    let whole = run(rest);
    if !rest[..whole].bytes().all(|byte| byte.is_ascii_digit()) {
        return (Kind::Word, whole);
    }
    let decimals = rest[whole..].strip_prefix('.').map_or(0, |after| {
        let length = run(after);
        if after[..length].bytes().all(|byte| byte.is_ascii_digit()) { length } else { 0 }
    });
    (Kind::Number, if decimals > 0 { whole + 1 + decimals } else { whole })
}

/// The bytes from the first to the last of these words.
pub(super) fn bytes(words: &[Word<'_>], at: Range<usize>) -> Option<Range<usize>> {
    let (first, last) = (words.get(at.start)?, words.get(at.end.checked_sub(1)?)?);
    Some(first.start..last.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_marks_keep_their_places() {
        let text = "No s/p 1.5 ppd.\n\nMother\u{2019}s 30-pack-year; GGO 3.";
        let found = words(text);
        let texts: Vec<&str> = found.iter().map(|word| word.text).collect();
        let expected = [
            "No", "s", "/", "p", "1.5", "ppd", ".", "Mother", "\u{2019}", "s", "30", "-", "pack", "-",
            "year", ";", "GGO", "3", ".",
        ];
        assert_eq!(texts, expected);
        for word in &found {
            assert_eq!(&text[word.start..word.end()], word.text);
        }
        assert_eq!(found.iter().map(|word| word.breaks).collect::<Vec<_>>()[..8], [2, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(found[4].kind, Kind::Number);
        assert_eq!(found[17].kind, Kind::Number);
    }

    #[test]
    fn other_scripts_and_nothing_at_all_are_taken_apart_too() {
        assert!(words(" \n\t").is_empty());
        let text = "Zustand nach Rauchen: ja\u{301} 肺癌 🫁 1.2.3 4.";
        for word in words(text) {
            assert_eq!(&text[word.start..word.end()], word.text);
        }
    }
}
