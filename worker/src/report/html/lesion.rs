//! The index lesion: what the nodule formulas were fed with, in one row, and whose measurement it is.

use maud::{Markup, html};

use super::{heading, shown};
use crate::report::document::{EarlierLesion, Lesion, Report, days, millimetres};
use crate::report::language::{Language, Message};
use crate::report::text::visible;
use crate::report::wording;

/// One row; nothing where there is no lesion.
pub(super) fn section(report: &Report) -> Markup {
    let Some(lesion) = &report.lesion else { return html! {} };
    let language = report.language;
    html! {
        section class="lesion" aria-labelledby="lesion" {
            (heading("lesion", language.text(Message::IndexLesion), Some(&wording::lesion_source(language, lesion))))
            (table(language, lesion))
        }
    }
}

fn table(language: Language, lesion: &Lesion) -> Markup {
    let earlier = lesion.earlier.as_ref();
    let head = |message| html! { th scope="col" { (language.text(message)) } };
    html! {
        table class="stack lesion" aria-labelledby="lesion" {
            thead {
                tr {
                    (head(Message::Finding)) (head(Message::Site)) (head(Message::LongestDiameter)) (head(Message::Seen))
                    @if earlier.is_some() {
                        (head(Message::Before)) (head(Message::Difference)) (head(Message::DoublingTime))
                    }
                    (head(Message::LesionCount)) (head(Message::StatedIn))
                }
            }
            tbody {
                tr data-lesion=[millimetres(lesion.diameter_mm)] data-site=(visible(&lesion.site_coding.code))
                    data-seen=[lesion.seen.map(|seen| seen.to_string())] data-count=[lesion.count] data-outlined-by=[lesion.outlined.as_ref().map(|own| visible(&own.model))]
                    data-stated-in=[lesion.source.as_deref().map(visible)]
                    data-before=[earlier.and_then(|earlier| millimetres(earlier.diameter_mm))]
                    data-difference=[earlier.and_then(|earlier| millimetres(earlier.difference_mm))]
                    data-doubling-days=[lesion.doubling_days().and_then(days)] {
                    th scope="row" { (shown(&kind(language, lesion))) }
                    (cell(language, Message::Site, &html! { (shown(&lesion.site)) }))
                    (cell(language, Message::LongestDiameter, &html! {
                        strong { (wording::millimetres_of(language, lesion.diameter_mm)) }
                    }))
                    (cell(language, Message::Seen, &html! { (seen(language, lesion.seen)) }))
                    @if let Some(earlier) = earlier { (course(language, earlier)) }
                    (cell(language, Message::LesionCount, &html! { (lesion.count.map_or_else(|| "–".to_owned(), |count| count.to_string())) }))
                    (cell(language, Message::StatedIn, &html! { span class="mono" { (source(language, lesion)) } }))
                }
            }
        }
    }
}

fn kind(language: Language, lesion: &Lesion) -> String {
    let spiculated = (lesion.spiculated == Some(true)).then(|| language.text(Message::Spiculated).to_owned());
    let parts =
        [visible(&lesion.title)].into_iter().chain(lesion.kind.as_deref().map(visible)).chain(spiculated);
    parts.collect::<Vec<_>>().join(", ")
}

/// A value; where the row is narrow and stands without its head, it has its own.
fn cell(language: Language, head: Message, value: &Markup) -> Markup {
    html! { td data-head=(language.text(head)) { (value) } }
}

fn course(language: Language, earlier: &EarlierLesion) -> Markup {
    let before = html! {
        (wording::millimetres_of(language, earlier.diameter_mm))
        @if earlier.seen.is_some() { " " span class="note" { "(" (seen(language, earlier.seen)) ")" } }
    };
    html! {
        (cell(language, Message::Before, &before))
        (cell(language, Message::Difference, &html! { (wording::difference(language, earlier.difference_mm)) }))
        (cell(language, Message::DoublingTime, &html! { (wording::growth(language, earlier.growth)) }))
    }
}

/// The day: times are in the FHIR resource.
fn seen(language: Language, seen: Option<jiff::Timestamp>) -> String {
    let day = |seen: jiff::Timestamp| seen.strftime("%Y-%m-%d").to_string();
    seen.map_or_else(|| "–".to_owned(), |seen| language.date(&day(seen)))
}

fn source(language: Language, lesion: &Lesion) -> String {
    if let Some(own) = &lesion.outlined {
        return language.say(Message::LesionOutlineOf, &[("model", &visible(&own.model))]);
    }
    match lesion.source.as_deref() {
        Some(document) if document.starts_with("urn:oid:") => {
            language.text(Message::LesionInThisStudy).to_owned()
        }
        Some(reference) => visible(reference),
        None => "–".to_owned(),
    }
}
