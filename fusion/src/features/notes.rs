//! What clinical notes say, where the schema asks them: features of their own, and the place of features that nothing
//! coded answers.
//!
//! | rule | |
//! |---|---|
//! | which notes | known at t0, as any resource; the newest first, within [`MAX_NOTES`], [`MAX_BYTES`] and [`MAX_MENTIONS`] |
//! | what answers | a mention that is neither uncertain nor hypothetical, of the person that the schema asks for; a mention of the past counts |
//! | several notes | yes or no: stated wins over stated absent, of equals the latest; a code or an amount: the latest note, and one that says two things is ambiguous |
//! | coded values | stand; a note that says otherwise is named beside them |
//!
//! Every value has the note's reference, the element, the characters, and the words themselves.

mod answers;

use crate::features::schema::NoteFeature;
use crate::notes::{Lexicon, Mention, Readable, mentions};
use crate::record::{Note, NoteText};

use super::view::{Known, feature, missing};
use super::{Feature, FeatureValue, Group, MissingReason, Original, Passage, View};
use answers::{Answer, Answers};

/// Most notes that are read.
pub(crate) const MAX_NOTES: usize = 2000;

/// Most bytes of text that are read.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Most mentions that are kept.
pub(crate) const MAX_MENTIONS: usize = 50_000;

/// Longest passage that is kept as it is written, in characters.
const MAX_QUOTED: usize = 200;

/// One mention in a note that was known at t0.
pub(crate) struct Stated<'a> {
    pub(crate) known: Known<'a, Note>,
    pub(crate) text: &'a NoteText,
    pub(crate) mention: Mention,
}

/// Adds what notes say and gives the number of texts beyond the bounds, which were not read.
pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) -> usize {
    if view.schema.notes.is_empty() {
        return 0;
    }
    let lexicon = Lexicon::built_in();
    let (stated, beyond) = read(view, lexicon);
    for asked in &view.schema.notes {
        let answers = Answers::of(view, &stated, asked);
        if let Some(named) = &asked.is {
            let own = answers.chosen().map_or_else(
                || missing(&named.id, &named.label, Group::Note, why(view)),
                |answer| made(view, lexicon, &named.id, &named.label, Group::Note, answer, &answers),
            );
            all.push(own);
        }
        let Some(at) = asked.fills.as_ref().and_then(|id| all.iter().position(|one| one.id == *id)) else {
            continue;
        };
        let Some(answer) = answers.chosen().filter(|answer| may_fill(all, asked, answer)) else { continue };
        let coded = &mut all[at];
        if matches!(coded.value, FeatureValue::Missing { .. }) {
            *coded = made(view, lexicon, &coded.id, &coded.label, coded.group, answer, &answers);
        } else if answer.contradicts(&coded.value) {
            coded.questioned = true;
            let said = format!("a note says otherwise: {}", cited(answer.by));
            coded.note = Some(coded.note.take().map_or(said.clone(), |known| format!("{known}; {said}")));
            let reference = answer.by.known.fact.origin.reference.clone();
            let known =
                |one: &String| coded.source.as_ref() == Some(one) || coded.other_sources.contains(one);
            let new = reference.filter(|one| !known(one));
            coded.other_sources.extend(new);
        }
    }
    beyond
}

/// The mentions of all notes that were known at t0, oldest note first, and the texts that are beyond the bounds.
fn read<'a>(view: &View<'a>, lexicon: &Lexicon) -> (Vec<Stated<'a>>, usize) {
    let (mut notes, mut bytes, mut beyond) = (0, 0, 0);
    let mut all: Vec<Stated<'a>> = Vec::new();
    for known in view.notes.known.iter().rev() {
        let note: &'a Note = known.fact;
        notes += 1;
        // Texts and mentions from the last on, since the whole is turned round below.
        for text in note.texts.iter().rev() {
            bytes += text.text.len();
            if notes > MAX_NOTES || bytes > MAX_BYTES || all.len() >= MAX_MENTIONS {
                beyond += 1;
                continue;
            }
            let found = mentions(lexicon, readable(text).text(), text.heading.as_deref());
            all.extend(found.into_iter().rev().map(|mention| Stated { known: *known, text, mention }));
        }
    }
    all.reverse();
    (all, beyond)
}

fn readable(text: &NoteText) -> Readable<'_> {
    if text.is_markup { Readable::markup(&text.text) } else { Readable::plain(&text.text) }
}

/// Why no note answers: what was refused says most.
fn why(view: &View<'_>) -> MissingReason {
    super::view::strongest(view.notes.refused.iter())
}

/// When smoking was given up is not asked of who never smoked or smokes now.
fn may_fill(all: &[Feature], asked: &NoteFeature, answer: &Answer<'_, '_>) -> bool {
    let is_quitting = asked.amount == Some(super::schema::NoteAmount::YearsQuit);
    let status = all.iter().find(|one| one.id == "smoking-status").map(|one| &one.value);
    let smokes_or_never = matches!(status, Some(FeatureValue::Code(code)) if code == "current-smoker" || code == "never-smoker");
    let says_nothing = matches!(answer.value, FeatureValue::Missing { .. });
    !(says_nothing || is_quitting && smokes_or_never)
}

/// The feature that an answer makes.
fn made(
    view: &View<'_>,
    lexicon: &Lexicon,
    id: &str,
    label: &str,
    group: Group,
    answer: &Answer<'_, '_>,
    answers: &Answers<'_, '_>,
) -> Feature {
    let Stated { known, text, mention } = answer.by;
    let note = known.fact;
    let dated = note.effective.as_ref().or(note.known.as_ref());
    let times = (known.available, known.effective);
    let mut found =
        feature(id, label, group, answer.value.clone()).stated_by(view, &note.origin, dated, times);
    let words = readable(text);
    let quoted: String = words.text()[mention.passage.clone()].chars().take(MAX_QUOTED).collect();
    found.original = Some(Original {
        value: quoted.split_whitespace().collect::<Vec<_>>().join(" "),
        unit: None,
        code: Some(format!("{}|{}", lexicon.name(), mention.concept)),
    });
    found.unit = answer.unit.map(str::to_owned);
    found.passage = Some(place(text, mention));
    let mut said = vec!["stated in a note".to_owned()];
    said.extend(answer.remark.map(str::to_owned));
    let mut others: Vec<&Stated<'_>> = answers.against(answer).collect();
    others.dedup_by_key(|other| other.known.fact.origin.reference.clone());
    if let Some(first) = others.last() {
        found.questioned = true;
        said.push(format!("another passage says otherwise: {}", cited(first)));
    }
    let references = others.iter().filter_map(|other| other.known.fact.origin.reference.clone());
    found.other_sources = references.filter(|one| Some(one) != found.source.as_ref()).collect();
    found.other_sources.sort();
    found.other_sources.dedup();
    found.note = Some(said.join("; "));
    found
}

fn place(text: &NoteText, mention: &Mention) -> Passage {
    let characters = readable(text).characters(&mention.passage);
    Passage { element: text.element.clone(), start: characters.start, end: characters.end }
}

/// Reference and place, for a reader.
fn cited(stated: &Stated<'_>) -> String {
    let reference = stated.known.fact.origin.reference.as_deref().unwrap_or("a note");
    format!("{reference} ({})", place(stated.text, &stated.mention))
}
