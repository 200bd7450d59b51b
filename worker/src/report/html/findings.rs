//! The findings: probability with its thresholds, three-way state, and how far to trust it.

use maud::{Markup, html};

use super::{picture, plot, shown};
use crate::report::document::{Assessment, Finding, Performance, Presence, Report};
use crate::report::text::percent;
use crate::report::wording;

/// The table of findings beside the picture.
pub(super) fn section(report: &Report) -> Markup {
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "Findings of the image model" }
            div class="split" {
                div {
                    @if report.findings.is_empty() { p { "No finding was assessed." } } @else { (table(report)) }
                }
                div {
                    @if let Some(picture) = &report.picture { (picture::figures(picture)) }
                    @else { p class="soft" { "No picture is stored with this report." } }
                }
            }
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        table class="stack findings" {
            caption {
                "Sorted by state. The bar is the calibrated probability; the shaded zone is indeterminate, "
                "the line is the threshold for present."
            }
            thead {
                tr {
                    th scope="col" { "Finding" } th scope="col" { "State" }
                    th scope="col" class="meter" { "Probability" } th scope="col" class="number" { "" }
                    th scope="col" class="number" { "AUROC" br; "95 %" }
                }
            }
            tbody { @for finding in sorted(&report.findings) { (row(finding)) } }
        }
        @if report.findings.iter().any(wording::is_near_chance) {
            p class="note" {
                "* No better than chance in the model's own validation: the lower bound of its AUROC is at or below 0.50."
            }
        }
        p class="note" {
            "AUROC: how well the model tells patients with the finding from those without, 0.5 is chance and 1 is perfect, "
            (measured_on(&report.findings)) ". Absent means below the threshold, not excluded."
        }
    }
}

/// How many patients the AUROC were measured on, and how few had a finding.
fn measured_on(findings: &[Finding]) -> String {
    let measured: Vec<&Performance> =
        findings.iter().filter_map(|finding| finding.performance.as_ref()).collect();
    let cases = measured.iter().map(|performance| performance.cases).max();
    let fewest = measured.iter().map(|performance| performance.positives).min();
    match (cases, fewest) {
        (Some(cases), Some(fewest)) => {
            format!(
                "measured on {cases} patients who were not trained on, of whom at least {fewest} had the finding"
            )
        }
        _ => "not measured here".to_owned(),
    }
}

/// Present first, then indeterminate, absent, not assessed; in each the most probable first.
fn sorted(findings: &[Finding]) -> Vec<&Finding> {
    let rank = |finding: &Finding| match finding.assessment {
        Assessment::Assessed { presence: Presence::Present, probability } => (0, -probability),
        Assessment::Assessed { presence: Presence::Indeterminate, probability } => (1, -probability),
        Assessment::Assessed { presence: Presence::Absent, probability } => (2, -probability),
        Assessment::NotAssessed { .. } => (3, 0.0),
    };
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| {
        let (first, second) = (rank(a), rank(b));
        first.0.cmp(&second.0).then(first.1.total_cmp(&second.1))
    });
    sorted
}

fn row(finding: &Finding) -> Markup {
    match &finding.assessment {
        Assessment::Assessed { probability, presence } => html! {
            tr {
                th scope="row" { (shown(&finding.title)) }
                td class={ "state " (wording::presence(*presence)) } { (glyph(*presence)) " " (wording::presence(*presence)) }
                td class="meter" { (plot::finding(*probability, *presence, finding.thresholds)) }
                td class="number probability" { (percent(*probability)) (base_rate(finding)) }
                td class="number auroc" { (performance(finding)) }
            }
        },
        Assessment::NotAssessed { reason } => html! {
            tr class="quiet" {
                th scope="row" { (shown(&finding.title)) }
                td class="state absent" { "– not assessed" }
                td class="wide" colspan="3" { (shown(reason)) }
            }
        },
    }
}

/// States differ by shape too, not by colour alone.
fn glyph(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "●",
        Presence::Indeterminate => "◐",
        Presence::Absent => "○",
    }
}

fn base_rate(finding: &Finding) -> Markup {
    html! { @if let Some(rate) = finding.base_rate { br; " " span class="note" { "base " (percent(rate)) } } }
}

fn performance(finding: &Finding) -> Markup {
    html! {
        @match &finding.performance {
            Some(performance) => {
                (format!("{:.2}", performance.auroc)) @if wording::is_near_chance(finding) { "*" }
                br; " " span class="note" { (interval(performance)) }
            }
            None => { span class="note" { "not measured" } }
        }
    }
}

fn interval(performance: &Performance) -> String {
    format!("{:.2}–{:.2}", performance.low, performance.high)
}
