//! What is checked when a lexicon is loaded.

use std::collections::{BTreeMap, BTreeSet};

use super::{Means, RawCategory, RawLexicon};
use crate::notes::phrases::{MAX_PHRASE_WORDS, alternatives};
use crate::notes::words::words;

/// Everything that cannot be right.
pub(super) fn findings(raw: &RawLexicon) -> Vec<String> {
    let mut found = Findings(Vec::new());
    found.unless(is_word(&raw.id), || "`id` is not lower-case words with hyphens".to_owned());
    found.unless(raw.version > 0, || "`version` is not at least 1".to_owned());
    found.unless(raw.amounts.months.len() == 12, || "`months` are not twelve".to_owned());
    let mut headings = BTreeMap::new();
    for section in &raw.sections {
        found.phrases("a heading", &section.headings, "section", &mut headings);
    }
    let whose = [Means::FirstDegree, Means::Relative, Means::OtherRelative, Means::Other];
    found.category("negation", &raw.negation, &[Means::Negated, Means::Uncertain]);
    found.category("historical", &raw.historical, &[Means::Historical]);
    found.category("hypothetical", &raw.hypothetical, &[Means::Hypothetical]);
    found.category("experiencer", &raw.experiencer, &whose);
    found.unless(!raw.concepts.is_empty(), || "there is no concept".to_owned());
    for (name, concept) in &raw.concepts {
        found.unless(is_word(name), || format!("`{name}` is not lower-case words with hyphens"));
        found.unless(!concept.phrases.is_empty(), || format!("`{name}` has no phrase"));
        let mut own = BTreeMap::new();
        found.phrases(name, &concept.phrases, "phrase", &mut own);
        found.phrases(name, &concept.except, "except", &mut own);
        for other in concept.except_concepts.iter().chain(&concept.beside) {
            found.unless(raw.concepts.contains_key(other), || {
                format!("`{name}` names `{other}`, which is no concept")
            });
        }
    }
    found.0
}

struct Findings(Vec<String>);

impl Findings {
    fn unless(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(text());
        }
    }

    fn category(&mut self, name: &str, raw: &RawCategory, allowed: &[Means]) {
        let mut known = BTreeMap::new();
        self.phrases(name, &raw.pseudo, "pseudo", &mut known);
        self.phrases(name, &raw.terminate, "terminate", &mut known);
        for trigger in &raw.triggers {
            self.unless(allowed.contains(&trigger.means), || {
                format!("a trigger of `{name}` means what is not of it")
            });
            let role = format!("{:?} {:?}", trigger.means, trigger.stands);
            self.phrases(name, &trigger.phrases, &role, &mut known);
        }
    }

    /// Phrases are lower case, of some words, written so that their alternatives can be told, and never of two roles.
    fn phrases(
        &mut self,
        owner: &str,
        phrases: &[String],
        role: &str,
        known: &mut BTreeMap<Vec<String>, String>,
    ) {
        for phrase in phrases {
            self.unless(*phrase == phrase.to_lowercase(), || {
                format!("`{phrase}` of `{owner}` is not lower case")
            });
            let Some(all) = alternatives(phrase) else {
                self.0.push(format!(
                    "the alternatives of `{phrase}` of `{owner}` cannot be told or are too many"
                ));
                continue;
            };
            let mut said = BTreeSet::new();
            for text in all {
                let parts: Vec<String> = words(&text).iter().map(|word| word.text.to_owned()).collect();
                self.unless((1..=MAX_PHRASE_WORDS).contains(&parts.len()), || {
                    format!("`{phrase}` of `{owner}` is not 1 to {MAX_PHRASE_WORDS} words")
                });
                match known.get(&parts) {
                    Some(other) if other != role && said.insert(other.clone()) => {
                        self.0.push(format!("`{text}` of `{owner}` is both {other} and {role}"));
                    }
                    Some(_) => {}
                    None => drop(known.insert(parts, role.to_owned())),
                }
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
