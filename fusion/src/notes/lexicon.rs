//! Concepts, triggers and headings as data: `fusion/schemas/note-concepts.toml`.

mod check;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::context::Experiencer;
use super::phrases::{Found, Meaning, Phrases, alternatives};
use super::words::{Kind, Word};

/// What a note is searched for, and the words that decide what a mention says.
#[derive(Debug, Clone)]
pub struct Lexicon {
    id: String,
    version: u32,
    abbreviations: Vec<String>,
    headings: Phrases,
    sections: Vec<Section>,
    pub(super) categories: Vec<Category>,
    pub(super) concepts: Concepts,
    pub(super) amounts: AmountWords,
}

/// Why a lexicon is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LexiconError {
    /// The text is no lexicon.
    #[error("the lexicon of notes is not readable: {0}")]
    Toml(String),
    /// What it says cannot be right; every finding, one a line.
    #[error("the lexicon of notes is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

/// What a section's heading says of everything in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) experiencer: Experiencer,
    pub(super) historical: bool,
}

/// What a trigger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Negated,
    Uncertain,
    Historical,
    Hypothetical,
    Experiencer(Experiencer),
}

/// Where a trigger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stands {
    /// Before the concept.
    Before,
    /// After it.
    After,
    /// After it where nothing else follows (`emphysema: no`), else before it.
    Alone,
}

/// A trigger; a pseudo-trigger or a termination is none, and only ends the scopes of others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trigger {
    pub(super) value: Value,
    pub(super) stands: Stands,
    pub(super) words: Option<usize>,
}

/// Triggers that end each other's scopes.
#[derive(Debug, Clone, Default)]
pub(super) struct Category {
    pub(super) phrases: Phrases,
    triggers: Vec<Option<Trigger>>,
}

impl Category {
    pub(super) fn trigger(&self, meaning: Meaning) -> Option<Trigger> {
        self.triggers.get(meaning).copied().flatten()
    }
}

/// What is stated with a concept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Amount {
    /// `30 pack-years`.
    PackYears,
    /// `1 pack per day for 30 years`.
    PacksPerDay,
    /// `quit in 2010`, `quit 10 years ago`; the concept stands without it too.
    Quitting,
}

#[derive(Debug, Clone)]
pub(super) struct Concept {
    pub(super) name: String,
    pub(super) amount: Option<Amount>,
    /// Concepts of which one must be in the same sentence.
    beside: Vec<usize>,
    follows: Vec<String>,
}

/// The concepts and their phrases.
#[derive(Debug, Clone, Default)]
pub(super) struct Concepts {
    all: Vec<Concept>,
    phrases: Phrases,
}

impl Concepts {
    /// The concepts that these words mention.
    pub(super) fn find(&self, words: &[Word<'_>]) -> Vec<Found> {
        let found = self.phrases.find(words);
        let stands = |one: &Found| {
            let Some(concept) = self.all.get(one.meaning) else { return false };
            let beside = &concept.beside;
            let together = beside.is_empty() || found.iter().any(|other| beside.contains(&other.meaning));
            let before =
                one.at.start.checked_sub(1).map(|at| words[at]).filter(|word| word.kind != Kind::Mark);
            let follows = before.is_none_or(|word| concept.follows.iter().any(|known| word.is(known)));
            together && (concept.follows.is_empty() || follows)
        };
        found.iter().filter(|one| stands(one)).cloned().collect()
    }
}

/// Words that stand between the parts of an amount.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountWords {
    pub(super) between: Vec<String>,
    pub(super) years: Vec<String>,
    pub(super) ago: Vec<String>,
    pub(super) times: Vec<String>,
    pub(super) months: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLexicon {
    id: String,
    version: u32,
    abbreviations: Vec<String>,
    #[serde(rename = "section")]
    sections: Vec<RawSection>,
    negation: RawCategory,
    historical: RawCategory,
    hypothetical: RawCategory,
    experiencer: RawCategory,
    amounts: AmountWords,
    concepts: BTreeMap<String, RawConcept>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSection {
    headings: Vec<String>,
    #[serde(default)]
    experiencer: Option<Whose>,
    #[serde(default)]
    historical: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCategory {
    #[serde(default)]
    pseudo: Vec<String>,
    #[serde(default)]
    terminate: Vec<String>,
    #[serde(rename = "trigger")]
    triggers: Vec<RawTrigger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrigger {
    means: Means,
    stands: Stands,
    words: Option<usize>,
    phrases: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Means {
    Negated,
    Uncertain,
    Historical,
    Hypothetical,
    FirstDegree,
    Relative,
    OtherRelative,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Whose {
    Relative,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConcept {
    phrases: Vec<String>,
    /// Phrases that look like it and are something else.
    #[serde(default)]
    except: Vec<String>,
    /// Concepts whose phrases are no mention of this one.
    #[serde(default)]
    except_concepts: Vec<String>,
    #[serde(default)]
    beside: Vec<String>,
    /// Words of which one, or a mark, must come directly before; none are asked for where it is empty.
    #[serde(default)]
    follows: Vec<String>,
    amount: Option<Amount>,
}

impl From<Means> for Value {
    fn from(means: Means) -> Self {
        match means {
            Means::Negated => Self::Negated,
            Means::Uncertain => Self::Uncertain,
            Means::Historical => Self::Historical,
            Means::Hypothetical => Self::Hypothetical,
            Means::FirstDegree => Self::Experiencer(Experiencer::FirstDegree),
            Means::Relative => Self::Experiencer(Experiencer::Relative),
            Means::OtherRelative => Self::Experiencer(Experiencer::OtherRelative),
            Means::Other => Self::Experiencer(Experiencer::Other),
        }
    }
}

/// The file that is compiled in.
const BUILT_IN: &str = include_str!("../../schemas/note-concepts.toml");

impl Lexicon {
    /// The lexicon that is compiled in.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    pub fn built_in() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| Self::parse(BUILT_IN).expect("the lexicon that is compiled in is valid"))
    }

    /// The file that is compiled in, as it stands in the repository.
    pub fn built_in_text() -> &'static str {
        BUILT_IN
    }

    /// Reads and validates a lexicon.
    pub fn parse(text: &str) -> Result<Self, LexiconError> {
        let raw: RawLexicon =
            toml::from_str(text).map_err(|error| LexiconError::Toml(error.message().to_owned()))?;
        let findings = check::findings(&raw);
        if findings.is_empty() { Ok(Self::build(raw)) } else { Err(LexiconError::Invalid(findings)) }
    }

    /// `id/version`, as features that come from a note state it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// Whether there is a concept of this name.
    pub fn has(&self, concept: &str) -> bool {
        self.concepts.all.iter().any(|one| one.name == concept)
    }

    fn build(raw: RawLexicon) -> Self {
        let mut headings = Phrases::default();
        let mut sections = Vec::new();
        for (meaning, section) in raw.sections.iter().enumerate() {
            let relative = section.experiencer.map(|Whose::Relative| Experiencer::Relative);
            sections
                .push(Section { experiencer: relative.unwrap_or_default(), historical: section.historical });
            written_out(&section.headings).for_each(|text| headings.add(&text, 0, Some(meaning)));
        }
        let categories = [raw.negation, raw.historical, raw.hypothetical, raw.experiencer].map(category);
        Self {
            id: raw.id,
            version: raw.version,
            abbreviations: raw.abbreviations,
            headings,
            sections,
            categories: categories.into(),
            concepts: concepts(&raw.concepts),
            amounts: raw.amounts,
        }
    }

    pub(super) fn concept(&self, meaning: Meaning) -> Option<&Concept> {
        self.concepts.all.get(meaning)
    }

    pub(super) fn is_abbreviation(&self, text: &str) -> bool {
        self.abbreviations.iter().any(|known| known.eq_ignore_ascii_case(text))
    }

    /// Words of the heading that begins here, and its section.
    pub(super) fn heading(&self, words: &[Word<'_>]) -> Option<(usize, Section)> {
        let (meaning, length) = self.headings.begins(words)?;
        Some((length, *self.sections.get(meaning?)?))
    }

    /// The section of a heading that is known from elsewhere than the text.
    pub(super) fn section(&self, heading: &str) -> Option<Section> {
        Some(self.heading(&super::words::words(heading))?.1)
    }
}

/// Every phrase with its alternatives written out.
fn written_out(phrases: &[String]) -> impl Iterator<Item = String> {
    phrases.iter().flat_map(|text| alternatives(text).unwrap_or_default())
}

fn category(raw: RawCategory) -> Category {
    let mut made = Category::default();
    let quiet = raw.pseudo.iter().chain(&raw.terminate).cloned().collect::<Vec<_>>();
    made.triggers.push(None);
    written_out(&quiet).for_each(|text| made.phrases.add(&text, 0, Some(0)));
    for trigger in raw.triggers {
        let meaning = made.triggers.len();
        made.triggers.push(Some(Trigger {
            value: trigger.means.into(),
            stands: trigger.stands,
            words: trigger.words,
        }));
        written_out(&trigger.phrases).for_each(|text| made.phrases.add(&text, 0, Some(meaning)));
    }
    made
}

fn concepts(raw: &BTreeMap<String, RawConcept>) -> Concepts {
    let mut made = Concepts::default();
    let place = |name: &String| raw.keys().position(|known| known == name);
    for (meaning, (name, concept)) in raw.iter().enumerate() {
        let beside = concept.beside.iter().filter_map(place).collect();
        made.all.push(Concept {
            name: name.clone(),
            amount: concept.amount,
            beside,
            follows: concept.follows.clone(),
        });
        written_out(&concept.phrases).for_each(|text| made.phrases.add(&text, meaning, Some(meaning)));
        let others = concept.except_concepts.iter().filter_map(|other| raw.get(other));
        let phrases = others.flat_map(|other| &other.phrases).chain(&concept.except).cloned();
        let mute: Vec<String> = phrases.collect();
        written_out(&mute).for_each(|text| made.phrases.add(&text, meaning, None));
    }
    made
}
