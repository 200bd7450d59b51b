//! What the record says: value, unit, date, and how fresh it was at the exam; what is missing is said with its reason.

use maud::{Markup, html};

use super::{heading, plot, shown};
use crate::report::document::{Feature, Remark, RemarkKind, Report};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::wording;

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Sheet,
    Behind,
}

/// The values that the risks rest on; where they rest on none, every value. The others are [`behind`] the sheet.
pub(super) fn section(report: &Report) -> Markup {
    let (record, language) = (&report.record, report.language);
    let (shown, behind) = shared(report);
    let missing = record.features.iter().filter(|feature| feature.value.is_none()).count();
    let caption = if behind.is_empty() { Message::RecordCaption } else { Message::DriversCaption };
    html! {
        section aria-labelledby="record" {
            (heading("record", language.text(Message::Record), (!shown.is_empty()).then(|| language.text(caption))))
            @if let Some(text) = wording::without_record(language, record) { p { (text) } }
            @if !shown.is_empty() { div class="columns" { (table(language, None, &shown, Place::Sheet)) } }
            @if !behind.is_empty() || missing > 0 {
                p class="note" {
                    (language.say(Message::RecordRest, &[
                        ("known", behind.len().to_string().as_str()), ("missing", missing.to_string().as_str()),
                    ]))
                }
            }
        }
    }
}

/// The rest of the record: values that no risk rests on, what was looked for and is missing, and what was left out.
pub(super) fn behind(report: &Report) -> Markup {
    let (record, language) = (&report.record, report.language);
    let (_, behind) = shared(report);
    html! {
        @if !record.features.is_empty() || !record.excluded.is_empty() {
            section aria-labelledby="record-more" {
                h2 id="record-more" { (language.text(Message::RecordMore)) }
                @if !behind.is_empty() { (table(language, Some(Message::RecordCaption), &behind, Place::Behind)) }
                (missing(language, &record.features))
                @if !record.excluded.is_empty() {
                    p class="note" {
                        (language.say(Message::NotUsed, &[("what", &sentence(&language.list(&all(&record.excluded))))]))
                    }
                }
            }
        }
    }
}

/// The known values on the sheet, and those behind it.
fn shared(report: &Report) -> (Vec<&Feature>, Vec<&Feature>) {
    let inputs = || report.risks.iter().flat_map(|risk| &risk.inputs);
    let known = report.record.features.iter().filter(|feature| feature.value.is_some());
    let (drivers, others): (Vec<&Feature>, Vec<&Feature>) =
        known.partition(|feature| inputs().any(|input| input.label == feature.label));
    if drivers.is_empty() { (others, drivers) } else { (drivers, others) }
}

fn all(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| visible(text)).collect()
}

fn table(language: Language, caption: Option<Message>, features: &[&Feature], place: Place) -> Markup {
    html! {
        table class="stack record" aria-labelledby=[caption.is_none().then_some("record")] {
            @if let Some(caption) = caption { caption { (language.text(caption)) } }
            thead {
                tr {
                    th scope="col" { (language.text(Message::Feature)) }
                    th scope="col" class="number" { (language.text(Message::Value)) }
                    th scope="col" { (language.text(Message::Date)) }
                    th scope="col" class="number" { (language.text(Message::Age)) }
                    th scope="col" class="meter" { (language.text(Message::Freshness)) }
                }
            }
            tbody { @for feature in features { (known(language, feature, place)) } }
        }
    }
}

fn known(language: Language, feature: &Feature, place: Place) -> Markup {
    // The sheet has room for what quotes a note or speaks against the value; how it was made is said behind the sheet.
    let matters = |remark: &&Remark| remark.kind != RemarkKind::Explains;
    let remark = feature.remark.as_ref().filter(|remark| place == Place::Behind || matters(remark));
    html! {
        tr data-source=[feature.source.as_deref().map(visible)] {
            th scope="row" {
                (shown(&feature.label))
                @if let Some(remark) = remark { div class="note" { (shown(&remark.text)) } }
            }
            td class="number" {
                (language.value(feature.value.as_deref().unwrap_or_default()))
                @if let Some(unit) = &feature.unit { " " (language.unit(unit)) }
            }
            td class="date" { (feature.date.as_deref().map_or_else(|| "–".to_owned(), |date| language.date(date))) }
            td class="number age" { @match feature.age_days { Some(days) => (language.age(days)), None => "–" } }
            td class="meter" { @if let Some(days) = feature.age_days { (plot::freshness(days)) } }
        }
    }
}

/// What was looked for and is not there, by reason.
fn missing(language: Language, features: &[Feature]) -> Markup {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for feature in features.iter().filter(|feature| feature.value.is_none()) {
        let reason = feature
            .missing
            .as_deref()
            .map_or_else(|| language.text(Message::NotInRecord).to_owned(), visible);
        let label = visible(&feature.label);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, labels)) => labels.push(label),
            None => reasons.push((reason, vec![label])),
        }
    }
    html! {
        @for (reason, labels) in &reasons {
            p class="note wide" {
                (language.say(Message::LookedFor, &[("reason", reason), ("what", &labels.join("; "))]))
            }
        }
    }
}
