//! The report as one self-contained page, in the order an oncologist reads: status, bottom line, findings with the
//! picture, risks with comparators, the record's drivers, what is missing, limits, provenance.
//!
//! The page has no script and loads nothing: its content security policy allows its own style sheet, by digest, and
//! pictures inside the page. All text is escaped by `maud`, after what cannot be seen has been made visible.

mod findings;
mod limits;
mod picture;
mod plot;
mod provenance;
mod record;
mod risks;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::document::{Kind, NoResult, Patient, Report, Subject};
use super::text::{sentence, visible};
use super::wording;

const STYLE: &str = include_str!("style.css");

/// Writes the page: the same report gives the same text.
pub fn page(report: &Report) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (status(report))
                main class="sheet" {
                    (header(report))
                    (bottom_line(report))
                    @match &report.kind {
                        Kind::Analysis => { (analysis(report)) }
                        Kind::Refused(why) | Kind::Failed(why) | Kind::Withdrawn(why, _) => {
                            (no_result(report, why))
                        }
                    }
                    (provenance::section(report))
                    (footer(report))
                }
            }
        }
    };
    page.into_string()
}

/// Text from outside, ready to be escaped.
fn shown(text: &str) -> Markup {
    html! { (visible(text)) }
}

/// A date of a source: the `T` of ISO 8601 is for machines.
fn date(date: Option<&str>) -> String {
    let date = visible(date.unwrap_or("–"));
    match date.split_once('T') {
        Some((day, time)) if day.len() == 10 => {
            let time =
                time.strip_suffix(":00Z").map_or_else(|| time.to_owned(), |minutes| format!("{minutes} UTC"));
            format!("{day} {time}")
        }
        _ => date,
    }
}

fn title(report: &Report) -> &'static str {
    match report.kind {
        Kind::Analysis => "Imaging report by Chiasm, preliminary",
        Kind::Refused(_) | Kind::Failed(_) => "No AI result, report by Chiasm",
        Kind::Withdrawn(..) => "Withdrawn report by Chiasm",
    }
}

fn status(report: &Report) -> Markup {
    html! {
        div class="status" role="note" {
            p {
                strong { (wording::STATUS) "." } " " (wording::NOT_A_DEVICE) ". "
                @if report.kind == Kind::Analysis { "Preliminary: a physician decides what it means." }
                @else if matches!(report.kind, Kind::Withdrawn(..)) { "The earlier report is withdrawn." }
                @else { "No AI result is not a negative result." }
            }
        }
    }
}

fn header(report: &Report) -> Markup {
    let study = &report.study;
    let modalities: Vec<String> = study.modalities.iter().map(|modality| visible(modality)).collect();
    let heading = match &report.kind {
        Kind::Analysis => wording::examination(report),
        Kind::Refused(_) | Kind::Failed(_) | Kind::Withdrawn(..) => {
            wording::no_result_title(&report.kind).to_owned()
        }
    };
    html! {
        header {
            p class="kicker" { (shown(&report.software.name)) " · " (label(&report.kind)) }
            h1 { (heading) }
            p class="soft" {
                @if report.kind != Kind::Analysis { "The pipeline that was to read it: " }
                (sentence(&report.pipeline.description))
            }
            dl class="facts" {
                (patient(&report.patient))
                (fact("Exam", &study.started_text, Some(&study.zone_rule)))
                @if !modalities.is_empty() { (fact("Modality", &modalities.join(", "), study.view.as_deref())) }
                @if let Some(text) = &study.description { (fact("Study description", text, None)) }
                @if let Some(text) = &study.accession_number { (fact("Accession number", text, None)) }
                (fact("Report issued", &time(report.issued), Some(&issue(report))))
            }
        }
    }
}

fn label(kind: &Kind) -> &'static str {
    match kind {
        Kind::Analysis => "preliminary AI report",
        Kind::Refused(_) => "study refused",
        Kind::Failed(_) => "analysis failed",
        Kind::Withdrawn(..) => "withdrawal",
    }
}

fn issue(report: &Report) -> String {
    let kind = if report.kind == Kind::Analysis { "preliminary" } else { "no result" };
    format!("UTC; {kind}, {}", version(report))
}

/// A time for a reader, in UTC.
fn time(timestamp: jiff::Timestamp) -> String {
    timestamp.strftime("%Y-%m-%d %H:%M").to_string()
}

fn version(report: &Report) -> String {
    format!("{} {}", report.software.name, report.software.version)
}

fn patient(patient: &Patient) -> Markup {
    let born = patient.birth_date.as_deref();
    let matched = match patient.subject {
        Subject::Reference(_) => None,
        Subject::Identifier { .. } => Some("as the images state it; no record"),
        Subject::Unidentified => Some("the images state no usable one"),
    };
    let age = patient.age_years.map(|years| format!("{years} years at the exam"));
    html! {
        (fact("Patient", patient.name.as_deref().unwrap_or("name not stated"), None))
        (fact("Identifier", patient.identifier.as_deref().unwrap_or("none"), matched))
        @if let Some(sex) = &patient.sex { (fact("Sex", sex, None)) }
        @match (born, age) {
            (Some(born), age) => { (fact("Born", born, age.as_deref())) }
            (None, Some(age)) => { (fact("Age", &age, None)) }
            (None, None) => {}
        }
    }
}

fn fact(term: &str, text: &str, detail: Option<&str>) -> Markup {
    html! {
        div {
            dt { (term) }
            dd {
                (shown(text))
                @if let Some(detail) = detail { br; span class="soft note" { (shown(detail)) } }
            }
        }
    }
}

fn bottom_line(report: &Report) -> Markup {
    let class = if report.kind == Kind::Analysis { "bottom-line" } else { "bottom-line none" };
    html! {
        div class=(class) {
            h2 { "Bottom line" }
            @for sentence in wording::bottom_line(report) { p { (sentence) } }
        }
    }
}

fn analysis(report: &Report) -> Markup {
    html! {
        (findings::section(report))
        (risks::section(report))
        (record::section(report))
        (limits::missing(report))
        (limits::section(report))
    }
}

fn no_result(report: &Report, why: &NoResult) -> Markup {
    html! {
        section aria-labelledby="why" {
            h2 id="why" { "For the person who follows this up" }
            dl class="fine" {
                dt { "Code" } dd class="mono" { (shown(&why.code)) }
                dt { "Pipeline" } dd { (shown(&report.pipeline.id)) " " (shown(&report.pipeline.version)) }
            }
        }
        (limits::missing(report))
    }
}

fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p {
                (wording::STATUS) ". " (wording::NOT_A_DEVICE) ". "
                "Written by " (shown(&version(report))) " from stored inputs: the same inputs give the same page."
            }
        }
    }
}
