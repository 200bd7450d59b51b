//! A small concept finder for clinical notes: which of the stated concepts a text mentions, and whether they are negated,
//! uncertain, of the past, hypothetical, or of somebody else.
//!
//! | method | source | here |
//! |---|---|---|
//! | NegEx | W. W. Chapman et al., J Biomed Inform 2001;34:301 | trigger phrases before and after a concept, pseudo-triggers, terminations |
//! | ConText | W. W. Chapman et al., BioNLP 2007:81; H. Harkema et al., J Biomed Inform 2009;42:839 | the same for history, hypothesis and experiencer; a scope ends at a termination, the next trigger of its category, or the sentence; a section heading is a trigger whose scope is its section |
//!
//! Concepts, triggers and headings are data, `fusion/schemas/note-concepts.toml`; [`Lexicon`] reads them. A text is passed
//! over once, word by word: no regular expression, nothing that grows faster than the text. What the method does not see
//! (negation across sentences, irony, misspellings, languages other than English) is listed in `docs/features.md`.
//!
//! This module knows words and no FHIR; what a mention means for a feature is decided in `features`.

mod context;
mod lexicon;
mod markup;
mod phrases;
mod sentences;
mod tobacco;
mod words;

pub use context::{Assertion, Experiencer};
pub use lexicon::{Lexicon, LexiconError};
pub(crate) use markup::Readable;
pub(crate) use tobacco::Quantity;

use std::ops::Range;

use phrases::Found;

/// One mention of a concept.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// Name of the concept in the lexicon, such as `emphysema`.
    pub concept: String,
    /// What the words around it make of it.
    pub assertion: Assertion,
    /// Bytes of the text that the concept's own words take.
    pub words: Range<usize>,
    /// Bytes from the first to the last of the concept's words and the triggers that decided about it.
    pub passage: Range<usize>,
    /// The amount that is stated with it, where the concept is one.
    pub(crate) quantity: Option<Quantity>,
}

/// The mentions of the lexicon's concepts in a text, in the order in which they stand. `heading` is the section that the text
/// as a whole is of, where that is known from elsewhere.
pub fn mentions(lexicon: &Lexicon, text: &str, heading: Option<&str>) -> Vec<Mention> {
    let words = words::words(text);
    let mut section = heading.and_then(|heading| lexicon.section(heading)).unwrap_or_default();
    let mut all = Vec::new();
    for sentence in sentences::sentences(&words, lexicon) {
        if let Some(found) = sentence.section {
            section = found;
        }
        let words = &words[sentence.words];
        let concepts = lexicon.concepts.find(words);
        if concepts.is_empty() {
            continue;
        }
        let context = context::Context::of(lexicon, words, &concepts);
        for found in &concepts {
            all.extend(mention(lexicon, words, found, &context, section));
        }
    }
    all
}

fn mention(
    lexicon: &Lexicon,
    words: &[words::Word<'_>],
    found: &Found,
    context: &context::Context,
    section: lexicon::Section,
) -> Option<Mention> {
    let concept = lexicon.concept(found.meaning)?;
    let (assertion, deciding) = context.around(found, section);
    let stated = tobacco::around(lexicon, words, found, concept);
    let quantity = match (tobacco::is_amount(concept), stated) {
        (true, None) => return None, // an amount without a number says nothing
        (_, stated) => stated,
    };
    let amount = quantity.as_ref().map_or(found.at.clone(), |stated| stated.words.clone());
    let first = deciding.start.min(found.at.start).min(amount.start);
    let last = deciding.end.max(found.at.end).max(amount.end);
    Some(Mention {
        concept: concept.name.clone(),
        assertion,
        words: words::bytes(words, found.at.clone())?,
        passage: words::bytes(words, first..last)?,
        quantity: quantity.map(|stated| stated.quantity),
    })
}

#[cfg(test)]
mod tests;
