//! Sentences and sections: how far a trigger may reach.
//!
//! A sentence ends at a full stop, question or exclamation mark or semicolon, at an empty line, before an item of a list,
//! and before a line that begins as `Word:`. A full stop after an abbreviation of the lexicon, or within a number, ends none.

use std::ops::Range;

use super::lexicon::{Lexicon, Section};
use super::words::{Kind, Word};

/// Most words of a sentence; a longer one is cut, so that no trigger reaches further.
pub(super) const MAX_SENTENCE_WORDS: usize = 300;

/// Most words of a heading that the lexicon does not know.
const MAX_HEADING_WORDS: usize = 6;

/// A sentence.
pub(super) struct Sentence {
    /// Places of its words, without those of a heading before it.
    pub(super) words: Range<usize>,
    /// The section that begins with it.
    pub(super) section: Option<Section>,
}

/// The sentences of a text.
pub(super) fn sentences(words: &[Word<'_>], lexicon: &Lexicon) -> Vec<Sentence> {
    let mut all = Vec::new();
    let (mut start, mut section) = (0, None);
    let mut at = 0;
    while at < words.len() {
        let heading = heading(words, at, lexicon);
        if heading.is_some() || at - start >= MAX_SENTENCE_WORDS || begins(words, at, lexicon) {
            if start < at {
                all.push(Sentence { words: start..at, section });
                section = None;
            }
            start = at;
        }
        if let Some((length, found)) = heading {
            section = Some(found);
            at += length;
            start = at;
        } else {
            at += 1;
        }
    }
    if start < words.len() || section.is_some() {
        all.push(Sentence { words: start.min(words.len())..words.len(), section });
    }
    all
}

/// Whether a sentence begins with this word.
fn begins(words: &[Word<'_>], at: usize, lexicon: &Lexicon) -> bool {
    let word = words[at];
    let Some(before) = at.checked_sub(1).map(|at| words[at]) else { return true };
    if word.breaks >= 2 || before.text == ";" {
        return true;
    }
    let apart = word.start > before.end();
    if matches!(before.text, "." | "!" | "?") && apart {
        let short = at.checked_sub(2).map(|at| words[at]);
        let touches = short.is_some_and(|short| short.end() == before.start);
        return !(before.text == "."
            && touches
            && short.is_some_and(|short| lexicon.is_abbreviation(short.text)));
    }
    word.breaks == 1 && (is_item(words, at) || is_field(words, at))
}

/// Whether a line begins here as an item of a list: `-`, `*`, `•`, `2.`, `2)`.
fn is_item(words: &[Word<'_>], at: usize) -> bool {
    let next = words.get(at + 1);
    match words[at].kind {
        Kind::Mark => {
            let apart = next.is_some_and(|next| next.start > words[at].end());
            matches!(words[at].text, "-" | "*" | "\u{2022}" | "\u{b7}" | "\u{2013}") && apart
        }
        Kind::Number => next.is_some_and(|next| next.breaks == 0 && matches!(next.text, "." | ")")),
        Kind::Word => false,
    }
}

/// Whether a line begins here as `Some words:`.
fn is_field(words: &[Word<'_>], at: usize) -> bool {
    let line = words[at..].iter().enumerate().take(MAX_HEADING_WORDS + 1);
    let mut line = line.take_while(|(index, word)| *index == 0 || word.breaks == 0);
    line.find(|(_, word)| word.kind == Kind::Mark).is_some_and(|(index, word)| index > 0 && word.text == ":")
}

/// The words of a heading that stands here, its colon included, and its section.
fn heading(words: &[Word<'_>], at: usize, lexicon: &Lexicon) -> Option<(usize, Section)> {
    let line_begins = at == 0 || words[at].breaks > 0;
    if let Some((length, section)) = lexicon.heading(&words[at..]) {
        let next = words.get(at + length);
        if next.is_some_and(|next| next.text == ":" && next.breaks == 0) {
            return Some((length + 1, section));
        }
        return (line_begins && next.is_none_or(|next| next.breaks > 0)).then_some((length, section));
    }
    let upper =
        |word: &Word<'_>| word.kind != Kind::Word || word.text.chars().all(|letter| !letter.is_lowercase());
    if !line_begins || words[at].kind != Kind::Word || !is_field(words, at) {
        return None;
    }
    let length = words[at..].iter().take(MAX_HEADING_WORDS + 1).position(|word| word.text == ":")?;
    let own = &words[at..at + length];
    // `COPD: yes` is a statement and no heading
    let is_heading = own.iter().all(upper) && lexicon.concepts.find(own).is_empty();
    is_heading.then_some((length + 1, Section::default()))
}
