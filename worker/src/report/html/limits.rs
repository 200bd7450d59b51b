//! What is missing or odd and what that could change; limits of the report.

use maud::{Markup, html};

use super::{exact, heading, plot, shown};
use crate::report::document::{Dropped, Interval, Kind, Report, Risk, RiskValue};
use crate::report::language::{Language, Message};
use crate::report::text::{seen, sentence};
use crate::report::wording;

/// What is missing or odd, and the risks that cannot be computed for it.
pub(super) fn missing(report: &Report) -> Markup {
    let (study, language) = (&report.study, report.language);
    let not_computable: Vec<&Risk> =
        report.risks.iter().filter(|risk| matches!(risk.value, RiskValue::NotComputable { .. })).collect();
    let could_change: Vec<String> =
        report.risks.iter().filter_map(|risk| wording::could_change(language, risk)).collect();
    let is_complete = report.missing.is_empty()
        && could_change.is_empty()
        && study.warnings.is_empty()
        && study.dropped.is_empty();
    let note = (!not_computable.is_empty()).then(|| language.text(Message::NotComputableCaption));
    html! {
        section aria-labelledby="missing" {
            (heading("missing", language.text(Message::Missing), note))
            @if is_complete && not_computable.is_empty() { p { (language.text(Message::NothingMissing)) } }
            @if !is_complete {
                ul class="missing" {
                    @for missing in &report.missing {
                        li { strong { (sentence(&missing.what)) } " " (sentence(&missing.effect)) }
                    }
                    @for sentence in &could_change { li { (sentence) } }
                    @for warning in &study.warnings {
                        li { (sentence(&warning.text)) " " span class="mono soft" { (shown(&warning.code)) } }
                    }
                    @for (dropped, count) in counted(&study.dropped) { (left_out(language, dropped, count)) }
                }
            }
            @if !not_computable.is_empty() { (table(language, &not_computable)) }
        }
    }
}

fn left_out(language: Language, dropped: &Dropped, count: usize) -> Markup {
    html! {
        li {
            (sentence(&dropped.reason)) " "
            @if count == 1 { (language.text(Message::OneLeftOut)) }
            @else { (language.say(Message::SomeLeftOut, &[("count", &count.to_string())])) }
            " " span class="mono soft" { (shown(&dropped.code)) }
        }
    }
}

/// Instances that were left out for the same reason, once, with how many.
fn counted(dropped: &[Dropped]) -> Vec<(&Dropped, usize)> {
    let mut counted: Vec<(&Dropped, usize)> = Vec::new();
    for one in dropped {
        match counted.iter_mut().find(|(known, _)| (&known.code, &known.reason) == (&one.code, &one.reason)) {
            Some((_, count)) => *count += 1,
            None => counted.push((one, 1)),
        }
    }
    counted
}

/// Risks without a probability: what is missing, and what each could be.
fn table(language: Language, risks: &[&Risk]) -> Markup {
    let end = plot::scale(risks.iter().filter_map(|risk| could_be(risk)).map(|range| range.high));
    html! {
        table class="stack uncomputed" aria-labelledby="missing" {
            thead {
                tr {
                    th scope="col" { (language.text(Message::NotComputable)) } th scope="col" { (language.text(Message::Why)) }
                    th scope="col" class="meter" { (language.text(Message::CouldBeColumn)) }
                    th scope="col" class="number" { span class="unseen" { (language.text(Message::CouldBeColumn)) } }
                }
            }
            tbody { @for risk in risks { (row(language, risk, end)) } }
        }
    }
}

fn could_be(risk: &Risk) -> Option<&Interval> {
    match &risk.value {
        RiskValue::NotComputable { range, .. } => range.as_ref(),
        RiskValue::Computed { .. } => None,
    }
}

fn row(language: Language, risk: &Risk, end: f64) -> Markup {
    let range = could_be(risk);
    html! {
        tr data-risk=(seen(&risk.id)) data-missing=(seen(&risk.missing.join(" "))) data-model=[super::risks::model(risk)]
            data-low=[range.and_then(|range| exact(range.low))] data-high=[range.and_then(|range| exact(range.high))] {
            th scope="row" class="wide" { (shown(&risk.title)) }
            td class="wide" {
                (wording::not_computable(language, risk).unwrap_or_default())
                @if !risk.in_population { " " span class="note" { (sentence(&risk.population)) } }
            }
            @match range {
                Some(range) => {
                    td class="meter" { (plot::range(range.low, range.high, end)) }
                    td class="number" { (language.percent_range(range.low, range.high)) }
                }
                None => { td class="meter" { "–" } td class="number" {} }
            }
        }
    }
}

/// Limits of the report, and whom each model is for.
pub(super) fn section(report: &Report) -> Markup {
    let language = report.language;
    html! {
        section aria-labelledby="limits" {
            h2 id="limits" { (language.text(Message::Limits)) }
            ul class="limits" {
                @for limit in &report.limits { li { (sentence(limit)) } }
                @if report.kind == Kind::Analysis {
                    @for model in &report.models {
                        li {
                            strong { (shown(&model.title)) ": " }
                            (sentence(&model.applicability))
                        }
                    }
                }
            }
        }
    }
}
