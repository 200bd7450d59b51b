//! Provenance: program, models, keys and every input, so that the report can be traced and recalled.

use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

use super::shown;
use crate::report::document::{Instance, Kind, Model, Report, Source};

/// Rows of a list on the page; the FHIR bundle's Provenance holds all of them.
const ROWS: usize = 40;

/// Where everything came from.
pub(super) fn section(report: &Report) -> Markup {
    let software = &report.software;
    html! {
        section aria-labelledby="provenance" {
            h2 id="provenance" { "Provenance" }
            dl class="fine" {
                dt { "Program" }
                dd {
                    (shown(&software.name)) " " (shown(&software.version))
                    @if report.kind == Kind::Analysis { ", scored on " (shown(&software.compute_device)) }
                }
                dt { "Pipeline" } dd { (shown(&report.pipeline.id)) " " (shown(&report.pipeline.version)) }
                dt { "Issued" } dd { (report.issued) }
                dt { "Exam time" } dd { (shown(&report.study.started_text)) " (" (shown(&report.study.zone_rule)) ")" }
                dt { "Report key" } dd class="mono" { (shown(&report.keys.report)) }
                dt { "Version key" } dd class="mono" { (shown(&report.keys.job)) }
                dt { "Study" } dd class="mono" { (shown(&report.study.study_instance_uid)) }
                @for model in &report.models { (digest(model)) }
            }
            @if !report.study.instances.is_empty() { (instances(&report.study.instances)) }
            @if !report.record.sources.is_empty() { (sources(&report.record.sources)) }
        }
    }
}

fn digest(model: &Model) -> Markup {
    let card = Sha256::digest(model.card_markdown.as_bytes());
    html! {
        dt { "Model" }
        dd {
            (shown(&model.id)) " " (shown(&model.version)) ", " (shown(&model.manufacturer))
            @if let Some(day) = &model.created { ", " (shown(day)) }
            br; span class="mono" { "weights SHA-256 " (shown(&model.digest)) }
            br; span class="mono" { "card SHA-256 " @for byte in &card { (format!("{byte:02x}")) } }
        }
    }
}

fn instances(instances: &[Instance]) -> Markup {
    html! {
        div class="scroll" role="region" aria-label="Images that were read" tabindex="0" {
            table {
                caption { "Images that were read" }
                thead { tr { th scope="col" { "SOP Instance UID" } th scope="col" { "SHA-256 of the file" } } }
                tbody {
                    @for instance in instances.iter().take(ROWS) {
                        tr {
                            td class="mono" { (shown(&instance.sop_instance_uid)) }
                            td class="mono" { (shown(&instance.sha256)) }
                        }
                    }
                }
            }
        }
        (rest(instances.len()))
    }
}

fn rest(count: usize) -> Markup {
    let rest = count.saturating_sub(ROWS);
    html! { @if rest > 0 { p class="note" { "And " (rest) " more, all of them in the Provenance of the FHIR bundle." } } }
}

fn sources(sources: &[Source]) -> Markup {
    html! {
        h3 { "Resources of the record that were used" }
        ul class="sources" {
            @for source in sources.iter().take(ROWS) {
                li { (shown(&source.description)) " " span class="mono soft" { (shown(&source.reference)) } }
            }
        }
        (rest(sources.len()))
    }
}
