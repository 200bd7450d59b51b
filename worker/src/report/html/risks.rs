//! The risks beside what else is known of them: comparators on one scale, contributions in both directions, and what a
//! guideline suggests.

use maud::{Markup, html};

use super::{exact, heading, plot, shown};
use crate::report::document::{Comparator, Contribution, Interval, Performer, Report, Risk, RiskValue};
use crate::report::language::{Language, Message};
use crate::report::text::{seen, sentence, visible};
use crate::report::wording;

/// Contributions shown; the rest is in the FHIR bundle.
const SHOWN_CONTRIBUTIONS: usize = 5;
/// Contributions shown where comparators need the room.
const SHOWN_BESIDE_COMPARATORS: usize = 3;

/// Every computed risk; those that are not computable are said with what is missing.
pub(super) fn section(report: &Report) -> Markup {
    let language = report.language;
    let suggests = wording::computed(report).any(|risk| risk.guidance.is_some());
    html! {
        section aria-labelledby="risks" {
            (heading("risks", language.text(Message::Risks), suggests.then(|| language.text(Message::GuidelinesSuggest))))
            @if report.risks.is_empty() { p { (language.text(Message::NoRiskStated)) } }
            @else if wording::computed(report).next().is_none() { p { (language.text(Message::NoRiskComputed)) } }
            @else { div class="risks" { @for risk in wording::computed(report) { (computed(report, risk)) } } }
        }
    }
}

fn computed(report: &Report, risk: &Risk) -> Markup {
    let RiskValue::Computed { probability, interval } = &risk.value else { return html! {} };
    let language = report.language;
    let bounds = interval.as_ref().and_then(|interval| exact(interval.low).zip(exact(interval.high)));
    let could_be = risk.could_be.as_ref().and_then(|range| exact(range.low).zip(exact(range.high)));
    html! {
        article class="risk" data-risk=(seen(&risk.id)) data-probability=[exact(*probability)]
            data-low=[bounds.as_ref().map(|bounds| &bounds.0)] data-high=[bounds.as_ref().map(|bounds| &bounds.1)]
            data-missing=(seen(&risk.missing.join(" "))) data-model=[model(risk)]
            data-could-low=[could_be.as_ref().map(|bounds| &bounds.0)] data-could-high=[could_be.as_ref().map(|bounds| &bounds.1)] {
            h3 { (shown(&risk.title)) ": " (language.percent(*probability)) }
            @if risk.is_disputed() { p class="rule" { span class="flag" { (language.text(Message::ModelsDisagree)) } } }
            @if has_comparison(risk) { (comparison(language, risk, *probability, interval.as_ref())) }
            @if !risk.contributions.is_empty() { (contributions(language, risk)) }
            @if let Some(guidance) = &risk.guidance {
                p class="note" {
                    (language.say(Message::GuidelineSuggests, &[
                        ("guideline", &visible(&guidance.citation)), ("text", &sentence(&guidance.text)),
                    ]))
                }
            }
        }
    }
}

/// Alone on its scale it would compare with nothing.
fn has_comparison(risk: &Risk) -> bool {
    risk.average.is_some() || !risk.comparators.is_empty()
}

/// The learned model's identifier, for machines.
pub(super) fn model(risk: &Risk) -> Option<String> {
    match &risk.performer {
        Performer::Formula => None,
        Performer::Model(id) => Some(visible(id)),
    }
}

/// This risk, the average and the comparators on one scale.
fn comparison(language: Language, risk: &Risk, probability: f64, interval: Option<&Interval>) -> Markup {
    let bounds = interval.map(|interval| (interval.low, interval.high));
    let others = risk.comparators.iter().filter_map(|other| other.probability);
    let values = [Some(probability), risk.average, bounds.map(|bounds| bounds.1)].into_iter().flatten();
    let end = plot::scale(values.chain(others));
    html! {
        table class="stack compared" {
            caption { (language.say(Message::ComparedCaption, &[("end", &percent_label(end))])) }
            thead class="unseen" {
                tr {
                    th scope="col" { (language.text(Message::Method)) }
                    th scope="col" class="meter" { span class="unseen" { (language.text(Message::Bar)) } }
                    th scope="col" class="number" { (language.text(Message::Risk)) }
                }
            }
            tbody {
                tr {
                    th scope="row" { strong { (language.text(Message::ThisMethod)) } }
                    td class="meter" { (plot::risk(probability, bounds, end, true)) }
                    td class="number" { strong { (language.percent(probability)) } }
                }
                @if let Some(average) = risk.average {
                    tr {
                        th scope="row" { (language.text(Message::AverageInPopulation)) }
                        td class="meter" { (plot::risk(average, None, end, false)) }
                        td class="number" { (language.percent(average)) }
                    }
                }
                @for other in &risk.comparators { (comparator(language, risk, other, end)) }
            }
        }
    }
}

fn percent_label(end: f64) -> String {
    format!("{:.0}\u{a0}%", end * 100.0)
}

fn comparator(language: Language, risk: &Risk, other: &Comparator, end: f64) -> Markup {
    let note = other.note.as_deref();
    let Some(probability) = other.probability else {
        let why = note.map_or_else(|| language.text(Message::NotComputable).to_owned(), visible);
        return html! {
            tr class="quiet" data-comparator=(seen(&other.name)) {
                th scope="row" { (shown(&other.name)) }
                td class="wide" colspan="2" { (why) }
            }
        };
    };
    // where it is the risk's own category, that is said already
    let category = wording::category(language, other).filter(|_| other.category != risk.category);
    html! {
        tr data-comparator=(seen(&other.name)) data-probability=[exact(probability)] data-disagrees=[other.disagrees.then_some("yes")] {
            th scope="row" {
                (shown(&other.name))
                @if let Some(note) = note { " " span class="note" { "(" (shown(note)) ")" } }
                @if let Some(category) = &category { " " span class="note" { (category) } }
                @if other.disagrees { " " span class="flag" { (language.text(Message::Disagrees)) } }
            }
            td class="meter" { (plot::risk(probability, None, end, false)) }
            td class="number" { (language.percent(probability)) }
        }
    }
}

fn contributions(language: Language, risk: &Risk) -> Markup {
    let count = if risk.comparators.is_empty() { SHOWN_CONTRIBUTIONS } else { SHOWN_BESIDE_COMPARATORS };
    let mut contributions: Vec<&Contribution> = risk.contributions.iter().collect();
    contributions.sort_by(|a, b| b.logit.abs().total_cmp(&a.logit.abs()));
    let largest = contributions.iter().map(|part| part.logit.abs()).fold(0.0, f64::max);
    let more = contributions.len().saturating_sub(count);
    html! {
        table class="stack reasons" {
            caption {
                (language.text(Message::ContributionsCaption))
                @if more > 0 { " " (language.say(Message::MoreContributions, &[("count", &more.to_string())])) }
            }
            thead {
                tr {
                    th scope="col" { (language.text(Message::Part)) }
                    th scope="col" class="meter" { (language.text(Message::LowersRaises)) }
                    th scope="col" class="number" { (language.text(Message::LogOdds)) }
                }
            }
            tbody {
                @for part in contributions.iter().take(count) {
                    tr {
                        th scope="row" { (shown(&part.label)) }
                        td class="meter" { (plot::contribution(part.logit, largest)) }
                        td class="number" { (language.signed(part.logit)) }
                    }
                }
            }
        }
    }
}
