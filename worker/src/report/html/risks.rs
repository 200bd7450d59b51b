//! The risks: number, interval, comparators on one scale, contributions, inputs; then those not computable.

use maud::{Markup, html};

use super::{plot, shown};
use crate::report::document::{
    Comparator, Contribution, Interval, Performer, Report, Risk, RiskInput, RiskValue,
};
use crate::report::text::{list, percent, percent_range, readable_unit, sentence, visible};
use crate::report::wording;

/// Contributions shown; the rest is in the FHIR bundle.
const SHOWN_CONTRIBUTIONS: usize = 5;
/// Logit difference from which a comparator is said to disagree.
const DISAGREEMENT_LOGIT: f64 = 1.0;

/// Every risk, the computed ones first.
pub(super) fn section(report: &Report) -> Markup {
    let not_computable: Vec<&Risk> =
        report.risks.iter().filter(|risk| matches!(risk.value, RiskValue::NotComputable { .. })).collect();
    html! {
        section aria-labelledby="risks" {
            h2 id="risks" { "Risks" }
            @if report.risks.is_empty() { p { "This pipeline states no risk." } }
            @for risk in &report.risks {
                @if let RiskValue::Computed { probability, interval } = &risk.value {
                    (computed(report, risk, *probability, interval.as_ref()))
                }
            }
            @if !not_computable.is_empty() { (table_of_missing(&not_computable)) }
        }
    }
}

fn computed(report: &Report, risk: &Risk, probability: f64, interval: Option<&Interval>) -> Markup {
    html! {
        article class="risk" {
            div class="head" {
                div {
                    h3 { (shown(&risk.title)) }
                    p { (sentence(&wording::outcome(risk))) }
                    @if let Some(category) = &risk.category { p { "Category: " strong { (shown(category)) } } }
                    @if !risk.in_population { p { span class="flag" { "Outside the population of this method" } } }
                }
                div {
                    div class="big" { (percent(probability)) }
                    div class="interval" {
                        @match interval {
                            Some(interval) => { (percent_range(interval.low, interval.high)) br; (shown(&interval.kind)) }
                            None => "no interval is published for this method",
                        }
                    }
                }
            }
            div class="parts" {
                div { (comparison(risk, probability, interval)) }
                @if !risk.contributions.is_empty() { div { (contributions(&risk.contributions)) } }
                @if !risk.inputs.is_empty() { div { (inputs(&risk.inputs)) } }
            }
            (fine_print(report, risk))
        }
    }
}

/// This risk, the average and the comparators on one scale.
fn comparison(risk: &Risk, probability: f64, interval: Option<&Interval>) -> Markup {
    let bounds = interval.map(|interval| (interval.low, interval.high));
    let others = risk.comparators.iter().filter_map(|other| other.probability);
    let values = [Some(probability), risk.average, bounds.map(|bounds| bounds.1)].into_iter().flatten();
    let end = plot::scale(values.chain(others));
    html! {
        table class="stack" {
            caption { "Compared, on a scale from 0 to " (percent_label(end)) }
            thead { tr { th scope="col" { "Method" } th scope="col" class="meter" { "" } th scope="col" class="number" { "Risk" } } }
            tbody {
                tr {
                    th scope="row" { strong { "This method" } }
                    td class="meter" { (plot::risk(probability, bounds, end, true)) }
                    td class="number" { strong { (percent(probability)) } }
                }
                @if let Some(average) = risk.average {
                    tr {
                        th scope="row" { "Average in its population" }
                        td class="meter" { (plot::risk(average, None, end, false)) }
                        td class="number" { (percent(average)) }
                    }
                }
                @for other in &risk.comparators { (comparator(other, probability, end)) }
            }
        }
    }
}

fn percent_label(end: f64) -> String {
    format!("{:.0}\u{a0}%", end * 100.0)
}

fn comparator(other: &Comparator, own: f64, end: f64) -> Markup {
    let note = other.note.as_deref();
    let Some(probability) = other.probability else {
        return html! {
            tr class="quiet" {
                th scope="row" { (shown(&other.name)) }
                td class="wide" colspan="2" { (note.map_or_else(|| "not computable".to_owned(), visible)) }
            }
        };
    };
    html! {
        tr {
            th scope="row" {
                (shown(&other.name))
                @if let Some(note) = note { br; span class="note" { (shown(note)) } }
                @if disagrees(own, probability) { br; span class="flag" { "disagrees" } }
            }
            td class="meter" { (plot::risk(probability, None, end, false)) }
            td class="number" { (percent(probability)) }
        }
    }
}

fn disagrees(own: f64, other: f64) -> bool {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let difference = (logit(own) - logit(other)).abs();
    difference.is_nan() || difference > DISAGREEMENT_LOGIT
}

fn contributions(contributions: &[Contribution]) -> Markup {
    let mut contributions: Vec<&Contribution> = contributions.iter().collect();
    contributions.sort_by(|a, b| b.logit.abs().total_cmp(&a.logit.abs()));
    let largest = contributions.iter().map(|part| part.logit.abs()).fold(0.0, f64::max);
    let zero = if contributions.iter().any(|part| part.logit < 0.0) { 50.0 } else { 0.0 };
    let more = contributions.len().saturating_sub(SHOWN_CONTRIBUTIONS);
    html! {
        table class="stack" {
            caption { "What moves it most, in log odds: above 0 raises the risk" }
            thead { tr { th scope="col" { "Part" } th scope="col" class="meter" { "" } th scope="col" class="number" { "Log odds" } } }
            tbody {
                @for part in contributions.iter().take(SHOWN_CONTRIBUTIONS) {
                    tr {
                        th scope="row" { (shown(&part.label)) }
                        td class="meter" { (plot::contribution(part.logit, largest, zero)) }
                        td class="number" { (signed(part.logit)) }
                    }
                }
            }
        }
        @if more > 0 { p class="note" { "And " (more) " more, each smaller." } }
    }
}

/// A signed number with a true minus.
fn signed(logit: f64) -> String {
    format!("{logit:+.2}").replace('-', "\u{2212}")
}

fn inputs(inputs: &[RiskInput]) -> Markup {
    html! {
        table {
            caption { "What went in" }
            thead { tr { th scope="col" { "Input" } th scope="col" { "Value" } th scope="col" { "Date" } } }
            tbody {
                @for input in inputs {
                    tr {
                        th scope="row" { (shown(&input.label)) }
                        td { (shown(&input.value)) @if let Some(unit) = &input.unit { " " (readable_unit(unit)) } }
                        td class="date" { (super::date(input.date.as_deref())) }
                    }
                }
            }
        }
    }
}

fn fine_print(report: &Report, risk: &Risk) -> Markup {
    let method = &risk.method;
    let by = match &risk.performer {
        Performer::Formula => "published formula".to_owned(),
        Performer::Model(id) => match report.models.iter().find(|model| &model.id == id) {
            Some(model) => format!("learned model {} {}", model.id, model.version),
            None => format!("learned model {id}"),
        },
    };
    let missing: Vec<String> = risk.missing.iter().map(|word| visible(word)).collect();
    html! {
        dl class="fine" {
            dt { "Method" }
            dd { (shown(&method.name)) ", " (shown(&method.version)) " (" (visible(&by)) "). " (sentence(&method.citation)) }
            dt { "Population" } dd { (sentence(&risk.population)) }
            dt { "Calibration" } dd { (sentence(&risk.calibration)) }
            @if !missing.is_empty() { dt { "Missing" } dd { (list(&missing)) } }
            @if let Some(guidance) = &risk.guidance {
                dt { "Guideline" }
                dd { (shown(&guidance.citation)) " suggests: " (sentence(&guidance.text)) " A suggestion, not an order." }
            }
            @if !risk.limits.is_empty() {
                dt { "Limits" } dd { @for limit in &risk.limits { (sentence(limit)) " " } }
            }
        }
    }
}

fn table_of_missing(risks: &[&Risk]) -> Markup {
    html! {
        h3 { "Not computable" }
        table class="stack" {
            caption { "A risk that is not computable is not a low risk" }
            thead { tr { th scope="col" { "Risk" } th scope="col" { "Why" } } }
            tbody {
                @for risk in risks {
                    tr {
                        th scope="row" class="wide" {
                            (shown(&risk.title)) br;
                            span class="note" { (sentence(&wording::outcome(risk))) }
                        }
                        td class="wide" {
                            (wording::not_computable(risk).unwrap_or_default())
                            @if !risk.in_population {
                                " " span class="flag" { "outside the population" } " " span class="note" { (sentence(&risk.population)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
