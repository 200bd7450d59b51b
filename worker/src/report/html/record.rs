//! What the record says: value, unit, date, age at the exam; a missing value is a row of its own.

use maud::{Markup, html};

use super::shown;
use crate::report::document::{Feature, Report};
use crate::report::text::{age, list, readable_unit, sentence, visible};
use crate::report::wording;

/// The features that were looked for.
pub(super) fn section(report: &Report) -> Markup {
    let record = &report.record;
    let excluded: Vec<String> = record.excluded.iter().map(|phrase| visible(phrase)).collect();
    html! {
        section aria-labelledby="record" {
            h2 id="record" { "What the record said at the time of the exam" }
            @if let Some(text) = wording::without_record(record) { p { (text) } }
            @if record.features.iter().any(|feature| feature.value.is_some()) { (table(&record.features)) }
            (missing(&record.features))
            @if !excluded.is_empty() { p class="note" { "Not used: " (sentence(&list(&excluded))) } }
        }
    }
}

fn table(features: &[Feature]) -> Markup {
    html! {
        div class="scroll" role="region" aria-label="Values of the record" tabindex="0" {
            table {
                caption { "Only what was known before the exam; age is counted back from it" }
                thead {
                    tr {
                        th scope="col" { "Feature" } th scope="col" class="number" { "Value" } th scope="col" { "Unit" }
                        th scope="col" { "Date" } th scope="col" { "Age" } th scope="col" { "Source" }
                    }
                }
                tbody {
                    @for feature in features.iter().filter(|feature| feature.value.is_some()) { (known(feature)) }
                }
            }
        }
    }
}

fn known(feature: &Feature) -> Markup {
    html! {
        tr {
            th scope="row" {
                (shown(&feature.label))
                @if let Some(remark) = &feature.remark { div class="note" { (shown(remark)) } }
            }
            td class="number" { (shown(feature.value.as_deref().unwrap_or_default())) }
            td { (readable_unit(feature.unit.as_deref().unwrap_or_default())) }
            td class="date" { (super::date(feature.date.as_deref())) }
            td class="date" { @match feature.age_days { Some(days) => (age(days)), None => "–" } }
            td class="mono soft" { (shown(feature.source.as_deref().unwrap_or("–"))) }
        }
    }
}

/// What was looked for and is not there, by reason.
fn missing(features: &[Feature]) -> Markup {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for feature in features.iter().filter(|feature| feature.value.is_none()) {
        let reason = visible(feature.missing.as_deref().unwrap_or("not in the record"));
        let label = visible(&feature.label);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, labels)) => labels.push(label),
            None => reasons.push((reason, vec![label])),
        }
    }
    html! {
        @if !reasons.is_empty() {
            h3 { "Looked for and missing" }
            dl class="fine" {
                @for (reason, labels) in &reasons { dt { (reason) } dd { (labels.join("; ")) } }
            }
        }
    }
}
