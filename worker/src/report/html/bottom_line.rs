//! The bottom line: what the images say in a sentence, and each risk as a number, an interval and a picture.

use maud::{Markup, html};

use super::{plot, shown};
use crate::report::document::{Interval, Kind, Report, Risk, RiskValue};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::wording;

/// What to know before anything else.
pub(super) fn section(report: &Report) -> Markup {
    let class = if report.kind == Kind::Analysis { "bottom-line" } else { "bottom-line none" };
    html! {
        section class=(class) aria-labelledby="bottom-line" {
            h2 id="bottom-line" { (report.language.text(Message::BottomLine)) }
            @if report.kind == Kind::Analysis { (analysis(report)) }
            @else { @for sentence in wording::bottom_line(report) { p { (sentence) } } }
        }
    }
}

fn analysis(report: &Report) -> Markup {
    let computed: Vec<&Risk> = wording::computed(report).take(wording::NAMED_RISKS).collect();
    html! {
        @for sentence in wording::impression(report) { p { (sentence) } }
        @if !computed.is_empty() {
            ul class="tiles" { @for risk in computed { (tile(report.language, risk)) } }
        }
        @for sentence in wording::rest(report) { p { (sentence) } }
    }
}

fn tile(language: Language, risk: &Risk) -> Markup {
    let RiskValue::Computed { probability, interval } = &risk.value else { return html! {} };
    html! {
        li class="tile" {
            (plot::hundred(language, *probability, interval.as_ref().map(|one| (one.low, one.high))))
            div {
                h3 { (shown(&risk.title)) }
                p class="big" { (language.percent(*probability)) }
                p class="interval" { (range(language, interval.as_ref())) }
                p class="note" { (sentence(&wording::outcome(language, risk))) }
                @if let Some(line) = beside(language, risk) { p class="note" { (line) } }
                @if !risk.in_population { p { span class="flag" { (language.text(Message::OutsideThisPopulation)) } } }
            }
        }
    }
}

/// The interval with what it is, or that there is none.
pub(super) fn range(language: Language, interval: Option<&Interval>) -> String {
    match interval {
        Some(interval) => {
            format!("{} ({})", language.percent_range(interval.low, interval.high), visible(&interval.kind))
        }
        None => language.text(Message::NoIntervalPublished).to_owned(),
    }
}

/// Category and average, where there are any.
fn beside(language: Language, risk: &Risk) -> Option<String> {
    let category = risk
        .category
        .as_deref()
        .map(|category| language.say(Message::CategoryIs, &[("category", &visible(category))]));
    let average = risk
        .average
        .map(|average| language.say(Message::AverageIs, &[("average", &language.percent(average))]));
    let parts: Vec<String> = category.into_iter().chain(average).collect();
    (!parts.is_empty()).then(|| sentence(&parts.join("; ")))
}
