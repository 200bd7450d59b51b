//! What the words around a concept make of it: NegEx and ConText.

use std::ops::Range;

use super::lexicon::{Category, Lexicon, Section, Stands, Value};
use super::phrases::Found;
use super::words::{Kind, Word};

/// What a mention says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four questions that ConText answers apart")]
pub struct Assertion {
    /// `no emphysema`.
    pub negated: bool,
    /// `possible emphysema`: neither stated nor stated absent.
    pub uncertain: bool,
    /// `history of emphysema`, or a section of the past.
    pub historical: bool,
    /// `return if she has fever`: not stated at all.
    pub hypothetical: bool,
    /// Whose it is.
    pub experiencer: Experiencer,
}

/// Whose a mentioned condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Experiencer {
    /// The patient.
    #[default]
    Patient,
    /// A parent, brother, sister or child.
    FirstDegree,
    /// A relative of which the degree is not said.
    Relative,
    /// A grandparent, aunt, uncle, cousin, nephew, niece.
    OtherRelative,
    /// Somebody who is no blood relative.
    Other,
}

/// What a trigger reaches.
struct Scope {
    at: Range<usize>,
    /// Most words between trigger and concept.
    words: usize,
    value: Value,
    trigger: Range<usize>,
}

/// The scopes of all triggers of a sentence.
pub(super) struct Context {
    scopes: Vec<Scope>,
}

impl Context {
    /// The scopes in these words. A trigger that is part of a concept's own words is none.
    pub(super) fn of(lexicon: &Lexicon, words: &[Word<'_>], concepts: &[Found]) -> Self {
        let categories = lexicon.categories.iter();
        Self { scopes: categories.flat_map(|category| scopes(category, words, concepts)).collect() }
    }

    /// What is said of this mention, and the words from the first to the last trigger that says it; an empty range at the
    /// mention where none does.
    pub(super) fn around(&self, found: &Found, section: Section) -> (Assertion, Range<usize>) {
        let mut said = Assertion {
            historical: section.historical,
            experiencer: section.experiencer,
            ..Assertion::default()
        };
        let mut deciding = found.at.start..found.at.start;
        let mut decide = |scope: &Scope| {
            deciding.start = deciding.start.min(scope.trigger.start);
            deciding.end = deciding.end.max(scope.trigger.end);
        };
        let negation = self.closest(found, |value| matches!(value, Value::Negated | Value::Uncertain));
        if let Some(scope) = negation {
            said.negated = scope.value == Value::Negated;
            said.uncertain = scope.value == Value::Uncertain;
            decide(scope);
        }
        if let Some(scope) = self.closest(found, |value| value == Value::Historical) {
            said.historical = true;
            decide(scope);
        }
        if let Some(scope) = self.closest(found, |value| value == Value::Hypothetical) {
            said.hypothetical = true;
            decide(scope);
        }
        let experiencer = self.closest(found, |value| matches!(value, Value::Experiencer(_)));
        if let Some(scope) = experiencer
            && let Value::Experiencer(whose) = scope.value
        {
            said.experiencer = whose;
            decide(scope);
        }
        (said, deciding)
    }

    /// The nearest trigger that reaches the mention; of two as near the one before it.
    fn closest(&self, found: &Found, wanted: impl Fn(Value) -> bool) -> Option<&Scope> {
        let distance = |scope: &Scope| {
            if scope.trigger.end <= found.at.start {
                found.at.start - scope.trigger.end
            } else {
                scope.trigger.start.saturating_sub(found.at.end)
            }
        };
        let reaches = |scope: &&Scope| {
            scope.at.start <= found.at.start && found.at.end <= scope.at.end && distance(scope) <= scope.words
        };
        let all = self.scopes.iter().filter(|scope| wanted(scope.value)).filter(reaches);
        all.min_by_key(|scope| (distance(scope), scope.trigger.start))
    }
}

/// The scopes of the triggers of one category: each ends at the next trigger, pseudo-trigger or termination.
fn scopes(category: &Category, words: &[Word<'_>], concepts: &[Found]) -> Vec<Scope> {
    let overlaps = |one: &Range<usize>, other: &Range<usize>| one.start < other.end && other.start < one.end;
    let mut found = category.phrases.find(words);
    found.retain(|found| !concepts.iter().any(|concept| overlaps(&found.at, &concept.at)));
    let mut all = Vec::new();
    for (index, trigger) in found.iter().enumerate() {
        let Some(role) = category.trigger(trigger.meaning) else { continue };
        let after = found.get(index + 1).map_or(words.len(), |next| next.at.start);
        let before = index.checked_sub(1).map_or(0, |index| found[index].at.end);
        let stands_after = match role.stands {
            Stands::Before => false,
            Stands::After => true,
            Stands::Alone => is_last(words, trigger.at.end),
        };
        let at = if stands_after { before..trigger.at.start } else { trigger.at.end..after };
        let limit = if role.stands == Stands::Alone && !stands_after { None } else { role.words };
        let words = limit.unwrap_or(usize::MAX);
        all.push(Scope { at, words, value: role.value, trigger: trigger.at.clone() });
    }
    all
}

/// Whether nothing follows but a mark, a new line, or the end.
fn is_last(words: &[Word<'_>], at: usize) -> bool {
    words.get(at).is_none_or(|next| next.breaks > 0 || next.kind == Kind::Mark)
}
