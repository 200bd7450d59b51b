//! The report as one self-contained page, in the order an oncologist reads: status, bottom line, findings with the
//! picture, the record's values, risks with comparators and reasons, what is missing, limits. What is behind that
//! (methods, models, provenance) folds away at the end, so that the page is one sheet on paper.
//!
//! The page has no script and loads nothing: its content security policy allows its own style sheet, by digest, and
//! pictures inside the page. All text is escaped by `maud`, after what cannot be seen has been made visible. What it
//! shows stands in `data-` attributes too, unrounded, for whoever compares it with the other renderings.

mod bottom_line;
mod details;
mod findings;
mod header;
mod lesion;
mod limits;
mod picture;
mod plot;
mod provenance;
mod record;
mod risks;
#[cfg(test)]
mod style_tests;

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::document::{Kind, NoResult, Presence, Report};
use super::language::Message;
use super::text::visible;
use super::wording;

const STYLE: &str = include_str!("style.css");

/// What the page may load: its own style sheet and pictures inside of it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    )
});

/// Writes the page: the same report gives the same text.
pub fn page(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(report.language.tag()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY.as_str());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body data-report=(visible(&report.keys.report)) data-version=(visible(&report.keys.job)) data-kind=(kind(&report.kind)) {
                (header::status(report))
                main class="sheet" {
                    (header::header(report))
                    (bottom_line::section(report))
                    @match &report.kind {
                        Kind::Analysis => { (analysis(report)) }
                        Kind::Refused(why) | Kind::Failed(why) | Kind::Withdrawn(why, _) => {
                            (no_result(report, why))
                        }
                    }
                    (details::section(report))
                    (footer(report))
                }
            }
        }
    };
    page.into_string()
}

/// The radiograph and what lies over it, as the PNG files that a page of ours holds; `None` where it lacks one.
pub(super) fn pictures(page: &str) -> Option<[Vec<u8>; 2]> {
    picture::files(page)
}

/// The heading of a section, with what to bear in mind for all of it beside it.
fn heading(id: &str, title: &str, note: Option<&str>) -> Markup {
    html! {
        hgroup {
            h2 id=(id) { (title) }
            @if let Some(note) = note { p class="note" { (note) } }
        }
    }
}

/// Text from outside, ready to be escaped.
fn shown(text: &str) -> Markup {
    html! { (visible(text)) }
}

pub(super) fn title(report: &Report) -> &'static str {
    report.language.text(match report.kind {
        Kind::Analysis => Message::PageTitle,
        Kind::Refused(_) | Kind::Failed(_) => Message::PageTitleNoResult,
        Kind::Withdrawn(..) => Message::PageTitleWithdrawn,
    })
}

/// The kind of the report for machines, in no language.
fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Analysis => "analysis",
        Kind::Refused(_) => "refused",
        Kind::Failed(_) => "failed",
        Kind::Withdrawn(..) => "withdrawn",
    }
}

/// The state of a finding for machines and the style sheet, in no language.
fn state(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Indeterminate => "indeterminate",
        Presence::Absent => "absent",
    }
}

/// A probability for machines: 0 to 1 with six decimals, the percent that FHIR has with four.
fn exact(probability: f64) -> Option<String> {
    (0.0..=1.0).contains(&probability).then(|| format!("{probability:.6}"))
}

fn analysis(report: &Report) -> Markup {
    html! {
        (lesion::section(report))
        (findings::section(report))
        (record::section(report))
        (risks::section(report))
        (limits::missing(report))
        (limits::section(report))
    }
}

fn no_result(report: &Report, why: &NoResult) -> Markup {
    let language = report.language;
    html! {
        section aria-labelledby="why" {
            h2 id="why" { (language.text(Message::ForFollowUp)) }
            dl class="fine" {
                dt { (language.text(Message::Code)) } dd class="mono" data-code=(visible(&why.code)) { (shown(&why.code)) }
                dt { (language.text(Message::Pipeline)) }
                dd { (shown(&report.pipeline.id)) " " (shown(&report.pipeline.version)) }
            }
        }
        (limits::missing(report))
    }
}

/// Who made it from what, short enough for the sheet; the rest is in the details.
fn footer(report: &Report) -> Markup {
    let language = report.language;
    html! {
        footer {
            p {
                (wording::status(language)) " "
                (language.say(Message::WrittenBy, &[("program", &header::program(report))]))
            }
            p class="mono" {
                @for model in &report.models {
                    (shown(&model.id)) " " (shown(&model.version)) " " (short(&model.digest)) " · "
                }
                (language.text(Message::ReportKey)) " " (short(&report.keys.report)) " · "
                (language.text(Message::VersionKey)) " " (short(&report.keys.job))
            }
        }
    }
}

/// The first twelve characters of a digest: enough for a person to tell two apart.
fn short(digest: &str) -> String {
    visible(digest).chars().take(12).collect()
}
