//! Patterns for text that devices and people write: `*` stands for any letters, `?` for one, case does not count.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern for a whole text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern {
    written: String,
    letters: Vec<char>,
}

impl From<String> for Pattern {
    fn from(written: String) -> Self {
        let letters = fold(&written);
        Self { written, letters }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.written
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.written)
    }
}

impl Pattern {
    /// Whether the whole text fits, blanks around it left out. Takes time in proportion to both lengths multiplied, at most.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (&self.letters, fold(text));
        let (mut at, mut read) = (0, 0);
        // where the last star stands, and the text that it has taken so far
        let mut star: Option<(usize, usize)> = None;
        while read < text.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(letter) if *letter == '?' || *letter == text[read] => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((place, taken)) = star else { return false };
                    star = Some((place, taken + 1));
                    at = place + 1;
                    read = taken + 1;
                }
            }
        }
        pattern.iter().skip(at).all(|letter| *letter == '*')
    }
}

fn fold(text: &str) -> Vec<char> {
    text.trim().chars().flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::from(pattern.to_owned()).matches(text)
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("*chest*", "CT CHEST wo"),
            ("B3?f", "b30F"),
            ("", " "),
            ("*", ""),
            ("a*b*c", "aXbYbZc"),
            ("*a", "aaa"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("chest", "chest 2"), ("B3?f", "B3f"), ("", "x"), ("a*b", "ab "), ("?", "")] {
            assert_eq!(matches(pattern, text), pattern == "a*b", "{pattern} {text}");
        }
    }

    /// The plain definition, which takes exponential time.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| by_definition(rest, &text[taken..])),
            Some((letter, rest)) => text.split_first().is_some_and(|(first, after)| {
                (*letter == '?' || letter == first) && by_definition(rest, after)
            }),
        }
    }

    proptest! {
        #[test]
        fn the_loop_says_what_the_definition_says(pattern in "[AB?*]{0,7}", text in "[AB]{0,9}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), by_definition(&letters(&pattern), &letters(&text)));
        }
    }
}
