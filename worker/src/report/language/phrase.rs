//! What models, formulas, schemas and refusals say of themselves, in the report's language.
//!
//! They say it in English where it is made, and each pillar owns its words. The catalogue has those of this program: whole
//! phrases, and patterns with `{names}` for what stands between. A phrase of a model that a site brought along is not in
//! it and stays as it is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Language;
use super::message::filled;
use crate::report::text::visible;

/// A name that begins so stands for what has to be a phrase itself.
const KNOWN: &str = "known";
/// This name stands for what a person wrote, in whatever language.
const RAW: &str = "raw";

/// Most phrases that are looked up for one text. What comes from outside can be made of known words in so many ways that to try
/// them all would not end.
const MOST_LOOKS: usize = 2_000;
/// How deep phrases may stand in each other.
const DEEPEST: usize = 100;

/// Phrases of German by the English ones, and what each code of a refusal, a failure or a warning means.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Phrases {
    whole: BTreeMap<String, String>,
    patterns: BTreeMap<String, String>,
    codes: BTreeMap<String, String>,
}

/// An English pattern as literals with names between, and its German text.
struct Pattern {
    /// `(name, literal that follows it)`, after the literal at the start.
    start: &'static str,
    parts: Vec<(&'static str, &'static str)>,
    text: &'static str,
}

static GERMAN: LazyLock<Phrases> =
    LazyLock::new(|| toml::from_str(include_str!("phrases.de.toml")).unwrap_or_default());

/// The patterns, those with the most words of their own first.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let phrases: &'static Phrases = &GERMAN;
    let mut patterns: Vec<Pattern> =
        phrases.patterns.iter().filter_map(|(english, text)| Pattern::read(english, text)).collect();
    patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.literal_length()));
    patterns
});

impl Pattern {
    fn read(english: &'static str, text: &'static str) -> Option<Self> {
        let mut pieces = english.split('{');
        let start = pieces.next()?;
        let parts = pieces.map(|piece| piece.split_once('}')).collect::<Option<Vec<_>>>()?;
        Some(Self { start, parts, text })
    }

    fn literal_length(&self) -> usize {
        self.start.len() + self.parts.iter().map(|(_, literal)| literal.len()).sum::<usize>()
    }

    /// The German text, where the pattern fits and what stands between can be said in German.
    fn apply(&self, text: &str, search: &mut Search) -> Option<String> {
        let mut rest = text.strip_prefix(self.start)?;
        let mut values: Vec<(&str, String)> = Vec::new();
        for (at, (name, literal)) in self.parts.iter().enumerate() {
            let is_last = at + 1 == self.parts.len();
            let (value, after) =
                if is_last { (rest.strip_suffix(literal)?, "") } else { rest.split_once(literal)? };
            let value = match *name {
                name if name.starts_with(KNOWN) => search.german(value)?,
                RAW => value.to_owned(),
                _ => search.between(value)?,
            };
            values.push((*name, value));
            rest = after;
        }
        let value =
            |wanted: &str| values.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
        Some(filled(self.text, value))
    }
}

/// How much of the search for one text is left.
struct Search {
    looks: usize,
    depth: usize,
}

impl Search {
    /// The German phrase for an English one; `None` where it is not known, or not found within the bounds.
    fn german(&mut self, text: &str) -> Option<String> {
        self.looks = self.looks.checked_sub(1)?;
        self.depth = self.depth.checked_sub(1)?;
        let found = self.look(text);
        self.depth += 1;
        found
    }

    /// The first letter may be of either case.
    fn look(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        if let Some(known) = GERMAN.whole.get(text) {
            return Some(known.clone());
        }
        if let Some(known) = GERMAN.whole.get(&with_first(text, char::to_lowercase)) {
            return Some(with_first(known, char::to_uppercase));
        }
        if let Some(known) = GERMAN.whole.get(&with_first(text, char::to_uppercase)) {
            return Some(known.clone());
        }
        if let Some(whole) = text.strip_suffix('.').and_then(|text| self.german(text)) {
            return Some(format!("{whole}."));
        }
        PATTERNS.iter().find_map(|pattern| pattern.apply(text, self))
    }

    /// A value between the words of a pattern: known, or one word, or a number with its unit.
    fn between(&mut self, value: &str) -> Option<String> {
        let is_plain = !value.contains(' ')
            || value.split(' ').all(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        self.german(value).or_else(|| is_plain.then(|| Language::German.value(value)))
    }
}

/// The German phrase for an English one; `None` where it is not known.
fn german(text: &str) -> Option<String> {
    Search { looks: MOST_LOOKS, depth: DEEPEST }.german(text)
}

fn with_first<I: Iterator<Item = char>>(text: &str, change: impl Fn(char) -> I) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| change(first).chain(characters).collect()).unwrap_or_default()
}

impl Language {
    /// A phrase of a model, a formula or a schema in this language; as it is where it is not known.
    pub(crate) fn phrase(self, text: &str) -> String {
        match self {
            Self::English => text.to_owned(),
            Self::German => german(&visible(text)).unwrap_or_else(|| text.to_owned()),
        }
    }

    /// What was found, of a refusal, a failure or a warning: the phrase where it is known, else what its code means, else as
    /// it is.
    pub(crate) fn reason(self, code: &str, text: &str) -> String {
        match self {
            Self::English => text.to_owned(),
            Self::German => german(&visible(text))
                .or_else(|| GERMAN.codes.get(code).cloned())
                .unwrap_or_else(|| text.to_owned()),
        }
    }

    /// Whether a phrase can be said in this language.
    #[cfg(test)]
    pub(crate) fn knows(self, text: &str) -> bool {
        self == Self::English || german(&visible(text)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GERMAN_LANGUAGE: Language = Language::German;

    #[test]
    fn phrases_are_found_whatever_the_case_of_their_first_letter() {
        assert_eq!(GERMAN_LANGUAGE.phrase("nodule size"), "Rundherdgröße");
        assert_eq!(GERMAN_LANGUAGE.phrase("Nodule size"), "Rundherdgröße");
        assert_eq!(GERMAN_LANGUAGE.phrase("not in the record"), "nicht in der Akte");
        assert_eq!(GERMAN_LANGUAGE.phrase("Not in the record."), "Nicht in der Akte.");
        assert_eq!(GERMAN_LANGUAGE.phrase("a model of a site"), "a model of a site");
        assert_eq!(Language::English.phrase("nodule size"), "nodule size");
    }

    #[test]
    fn patterns_say_what_stands_between_too() {
        assert_eq!(GERMAN_LANGUAGE.phrase("age and sex not known"), "Alter und Geschlecht nicht bekannt");
        assert_eq!(
            GERMAN_LANGUAGE.phrase("site zone Europe/Berlin; the images state no offset (0008,0201)"),
            "Zeitzone des Hauses Europe/Berlin; die Bilder nennen keine Abweichung (0008,0201)"
        );
        let half = "something new and sex not known";
        assert_eq!(GERMAN_LANGUAGE.phrase(half), half, "half a translation is none");
    }

    /// Each of these would overflow the stack, or be looked up for ever, were all ways tried.
    #[test]
    fn a_text_that_was_made_to_be_looked_up_for_ever_stays_as_it_is() {
        let known = "age, sex; age and sex: ".repeat(150);
        for text in
            [".".repeat(100_000), format!("{known}nobody's word"), format!("{known}age{}", ".".repeat(150))]
        {
            assert!(GERMAN_LANGUAGE.phrase(&text) == text, "{}", text.len());
        }
        let list = ["age"; 60].join(", ");
        assert_eq!(
            GERMAN_LANGUAGE.phrase(&list),
            list.replace("age", "Alter"),
            "a long list is none of them"
        );
    }

    #[test]
    fn every_pattern_s_names_stand_in_both_texts() {
        // a file that does not parse leaves none
        let phrases: &'static Phrases = &GERMAN;
        assert!(phrases.whole.len() > 200 && !phrases.codes.is_empty());
        for (english, text) in &phrases.patterns {
            let pattern = Pattern::read(english, text).expect("a pattern");
            assert!(!pattern.parts.is_empty(), "{english} has nothing between");
            for (name, _) in &pattern.parts {
                assert!(text.contains(&format!("{{{name}}}")), "{english}: {name}");
            }
            assert_eq!(text.matches('{').count(), pattern.parts.len(), "{english}");
        }
        assert!(phrases.whole.iter().all(|(key, text)| !key.contains('{') && !text.contains('{')));
    }
}
