//! The findings: probability with its thresholds, three-way state, and how far to trust it.

use maud::{Markup, html};

use super::{exact, heading, picture, plot, shown, state};
use crate::report::document::{Assessment, Finding, Performance, Presence, Report, Segment};
use crate::report::language::{Language, Message};
use crate::report::segmentation;
use crate::report::text::seen;
use crate::report::wording;

/// The table of findings beside the picture.
pub(super) fn section(report: &Report) -> Markup {
    let language = report.language;
    let bars = (!report.findings.is_empty()).then(|| language.text(Message::FindingsCaption));
    html! {
        section aria-labelledby="findings" {
            (heading("findings", language.text(Message::Findings), bars))
            div class="split" {
                div {
                    @if report.findings.is_empty() && report.segments.is_empty() {
                        p { (language.text(Message::NoFindingAssessed)) }
                    }
                    @if !report.findings.is_empty() { (table(report)) }
                    @if !report.segments.is_empty() { (segments(language, &report.segments)) }
                }
                div class="pictures" {
                    @if let Some(picture) = &report.picture { (picture::figure(language, picture)) }
                    @else { p class="soft" { (language.text(Message::NoPicture)) } }
                }
            }
            @if !report.findings.is_empty() { (trust(language, &report.findings)) }
        }
    }
}

fn table(report: &Report) -> Markup {
    let (language, findings) = (report.language, &report.findings);
    html! {
        table class="stack findings" aria-labelledby="findings" {
            thead {
                tr {
                    th scope="col" { (language.text(Message::Finding)) } th scope="col" { (language.text(Message::State)) }
                    th scope="col" class="meter" { span class="unseen" { (language.text(Message::Bar)) } }
                    th scope="col" class="number" { (language.text(Message::Probability)) }
                    th scope="col" class="number" { (language.text(Message::BaseRate)) }
                    th scope="col" class="number" { (language.text(Message::Auroc)) }
                }
            }
            tbody { @for finding in sorted(findings) { (row(language, finding)) } }
        }
    }
}

/// What the model outlines, each with its area.
fn segments(language: Language, segments: &[Segment]) -> Markup {
    html! {
        table class="stack segments" {
            caption { (language.text(Message::MachineOutline)) "." }
            thead {
                tr {
                    th scope="col" { (language.text(Message::Outlined)) }
                    th scope="col" class="number" { (language.text(Message::Area)) }
                    th scope="col" class="number" { (language.text(Message::MeanProbability)) }
                }
            }
            tbody {
                @for segment in segments {
                    tr data-segment=(seen(&segment.label)) data-model=(seen(&segment.model)) data-pixels=(segment.mask.pixels())
                        data-area-mm2=[segment.area_mm2.map(segmentation::area)] data-mean-probability=[segment.probability.and_then(exact)] {
                        th scope="row" { (shown(&segment.title)) }
                        td class="number" { (wording::area(language, segment)) }
                        td class="number" {
                            (segment.probability.map_or_else(|| "–".to_owned(), |value| language.percent(value)))
                        }
                    }
                }
            }
        }
    }
}

/// How far to trust the table.
fn trust(language: Language, findings: &[Finding]) -> Markup {
    html! {
        p class="note wide" {
            @if findings.iter().any(wording::is_near_chance) { (language.text(Message::NearChanceNote)) " " }
            (measured_on(language, findings)) " " (language.text(Message::AbsentMeans))
        }
    }
}

/// How many patients the AUROC were measured on, and how few had a finding.
fn measured_on(language: Language, findings: &[Finding]) -> String {
    let measured: Vec<&Performance> =
        findings.iter().filter_map(|finding| finding.performance.as_ref()).collect();
    let cases = measured.iter().map(|performance| performance.cases).max();
    let fewest = measured.iter().map(|performance| performance.positives).min();
    match (cases, fewest) {
        (Some(cases), Some(fewest)) => {
            let (cases, fewest) = (cases.to_string(), fewest.to_string());
            language.say(Message::AurocMeasured, &[("cases", &cases), ("fewest", &fewest)])
        }
        _ => language.text(Message::AurocNotMeasured).to_owned(),
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

fn row(language: Language, finding: &Finding) -> Markup {
    match &finding.assessment {
        Assessment::Assessed { probability, presence } => html! {
            tr data-finding=(seen(&finding.label)) data-model=(seen(&finding.model)) data-state=(state(*presence))
                data-probability=[exact(*probability)] {
                th scope="row" { (shown(&finding.title)) }
                td class={ "state " (state(*presence)) } {
                    span aria-hidden="true" { (glyph(*presence)) } " " (wording::presence(language, *presence))
                }
                td class="meter" { (plot::finding(*probability, *presence, finding.thresholds)) }
                td class="number probability" { (language.percent(*probability)) }
                td class="number base" { (base_rate(language, finding)) }
                td class="number auroc" { (performance(language, finding)) }
            }
        },
        Assessment::NotAssessed { reason } => html! {
            tr class="quiet" data-finding=(seen(&finding.label)) data-model=(seen(&finding.model)) data-state="not-assessed" {
                th scope="row" { (shown(&finding.title)) }
                td class="state absent" { span aria-hidden="true" { "–" } " " (language.text(Message::NotAssessed)) }
                td class="wide" colspan="4" { (shown(reason)) }
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

fn base_rate(language: Language, finding: &Finding) -> String {
    finding.base_rate.map_or_else(|| "–".to_owned(), |rate| language.percent(rate))
}

fn performance(language: Language, finding: &Finding) -> Markup {
    html! {
        @match &finding.performance {
            Some(performance) => {
                (language.number(&format!("{:.2}", performance.auroc)))
                @if wording::is_near_chance(finding) { "*" }
                " " span class="note" { (interval(language, performance)) }
            }
            None => { span class="note" { (language.text(Message::NotMeasured)) } }
        }
    }
}

fn interval(language: Language, performance: &Performance) -> String {
    language.number(&format!("{:.2}–{:.2}", performance.low, performance.high))
}
