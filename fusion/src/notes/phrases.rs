//! Phrases in a row of words: at each place the longest, found by its first word.

use std::collections::HashMap;
use std::ops::Range;

use super::words::{Word, words};

/// Most words of a phrase.
pub(super) const MAX_PHRASE_WORDS: usize = 12;

/// Most phrases that one written with alternatives may stand for.
pub(super) const MAX_ALTERNATIVES: usize = 1024;

/// What a phrase means to whoever asked for it.
pub(super) type Meaning = usize;

/// A phrase that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) meaning: Meaning,
    /// Places of its words.
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone)]
struct Phrase {
    words: Vec<String>,
    meaning: Option<Meaning>,
    /// Phrases of one group never overlap: the longer one, then the earlier one, stands.
    group: usize,
}

/// Phrases by their first word.
#[derive(Debug, Clone, Default)]
pub(super) struct Phrases {
    by_first: HashMap<String, Vec<Phrase>>,
}

impl Phrases {
    /// Takes a phrase up. Of one without a meaning only its place is taken: nothing of its group is found there.
    pub(super) fn add(&mut self, text: &str, group: usize, meaning: Option<Meaning>) {
        let parts: Vec<String> = words(text).iter().map(|word| normal(word.text)).collect();
        let Some(first) = parts.first().cloned() else { return };
        let of_first = self.by_first.entry(first).or_default();
        of_first.push(Phrase { words: parts, meaning, group });
        of_first.sort_by_key(|phrase| std::cmp::Reverse(phrase.words.len()));
    }

    /// The phrases in these words, in order of their first word.
    pub(super) fn find(&self, words: &[Word<'_>]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut taken: HashMap<usize, usize> = HashMap::new();
        let mut key = String::new();
        for (at, word) in words.iter().enumerate() {
            key.clear();
            key.push_str(if word.text == "\u{2019}" { "'" } else { word.text });
            key.make_ascii_lowercase();
            let Some(phrases) = self.by_first.get(&key) else { continue };
            for phrase in phrases {
                let free = taken.get(&phrase.group).is_none_or(|until| *until <= at);
                if !free || !stands(phrase, &words[at..]) {
                    continue;
                }
                let end = at + phrase.words.len();
                taken.insert(phrase.group, end);
                found.extend(phrase.meaning.map(|meaning| Found { meaning, at: at..end }));
            }
        }
        found
    }

    /// Words of the phrase that begins here, the longest there is.
    pub(super) fn begins(&self, words: &[Word<'_>]) -> Option<(Option<Meaning>, usize)> {
        let first = words.first()?;
        let phrases = self.by_first.get(&normal(first.text))?;
        let found = phrases.iter().find(|phrase| stands(phrase, words))?;
        Some((found.meaning, found.words.len()))
    }
}

fn normal(text: &str) -> String {
    if text == "\u{2019}" { "'".to_owned() } else { text.to_ascii_lowercase() }
}

fn stands(phrase: &Phrase, words: &[Word<'_>]) -> bool {
    words.len() >= phrase.words.len() && phrase.words.iter().zip(words).all(|(part, word)| word.is(part))
}

/// The phrases that one with alternatives stands for: `rule {him|her|} out` is three. `None` where the braces do not
/// match, an alternative is nested, or they are more than [`MAX_ALTERNATIVES`].
pub(super) fn alternatives(text: &str) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        let close = from.find('}')?;
        let inside = &from[1..close];
        if inside.contains('{') || before.contains('}') {
            return None;
        }
        let parts: Vec<&str> = inside.split('|').collect();
        if all.len() * parts.len() > MAX_ALTERNATIVES {
            return None;
        }
        let longer = |known: &String| {
            parts.iter().map(|part| format!("{known}{before}{part}")).collect::<Vec<String>>()
        };
        all = all.iter().flat_map(longer).collect();
        rest = &from[close + 1..];
    }
    if rest.contains('}') {
        return None;
    }
    for known in &mut all {
        known.push_str(rest);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_phrase_of_a_group_stands_and_a_mute_one_takes_its_place() {
        let mut phrases = Phrases::default();
        phrases.add("no", 0, Some(1));
        phrases.add("no increase", 0, None);
        phrases.add("no evidence of", 0, Some(2));
        phrases.add("evidence", 1, Some(3));
        let text = "No increase, no EVIDENCE of it, no";
        let found = phrases.find(&words(text));
        let places: Vec<(usize, Range<usize>)> =
            found.into_iter().map(|found| (found.meaning, found.at)).collect();
        assert_eq!(places, [(2, 3..6), (3, 4..5), (1, 8..9)]);
    }

    #[test]
    fn alternatives_are_written_out() {
        assert_eq!(
            alternatives("rule {him|her|} out").unwrap(),
            ["rule him out", "rule her out", "rule  out"]
        );
        assert_eq!(alternatives("a{b|c}{d|e}").unwrap(), ["abd", "abe", "acd", "ace"]);
        assert_eq!(alternatives("plain").unwrap(), ["plain"]);
        for bad in ["a{b", "a}b", "a{b{c}}", "{a|b}".repeat(11).as_str()] {
            assert_eq!(alternatives(bad), None, "{bad}");
        }
    }
}
