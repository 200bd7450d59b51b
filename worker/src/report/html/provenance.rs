//! Provenance: program, models, keys and every input, so that the report can be traced and recalled.

use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

use super::shown;
use crate::report::document::{Instance, Kind, Model, Report, Source};
use crate::report::language::{Language, Message};
use crate::report::text::{seen, visible};

/// Rows of a list on the page; the FHIR bundle's Provenance holds all of them.
const ROWS: usize = 40;

/// Where everything came from.
pub(super) fn section(report: &Report) -> Markup {
    let (software, language) = (&report.software, report.language);
    html! {
        section aria-labelledby="provenance" {
            h2 id="provenance" { (language.text(Message::Provenance)) }
            dl class="fine" {
                dt { (language.text(Message::Program)) }
                dd {
                    (shown(&software.name)) " " (shown(&software.version))
                    @if report.kind == Kind::Analysis {
                        ", " (language.say(Message::ScoredOn, &[("device", &visible(&software.compute_device))]))
                    }
                }
                dt { (language.text(Message::Pipeline)) } dd { (shown(&report.pipeline.id)) " " (shown(&report.pipeline.version)) }
                dt { (language.text(Message::Issued)) }
                dd { time datetime=(report.issued.to_string()) { (language.date(&report.issued.to_string())) } }
                dt { (language.text(Message::ExamTime)) }
                dd {
                    time datetime=[report.study.started.map(|started| started.to_string())] { (language.date(&report.study.started_text)) }
                    " (" (shown(&report.study.zone_rule)) ")"
                }
                @if let Some(organization) = &report.site.organization {
                    dt { (language.text(Message::AnswersForIt)) } dd data-organization=(seen(&organization.name)) { (shown(&organization.name)) }
                }
                dt { (language.text(Message::ReportKey)) } dd class="mono" { (shown(&report.keys.report)) }
                dt { (language.text(Message::VersionKey)) } dd class="mono" { (shown(&report.keys.job)) }
                dt { (language.text(Message::Study)) }
                dd class="mono" data-study=(seen(&report.study.study_instance_uid)) { (shown(&report.study.study_instance_uid)) }
                @for model in &report.models { (digest(language, model)) }
            }
            @if !report.study.instances.is_empty() { (instances(language, &report.study.instances)) }
            @if !report.record.sources.is_empty() { (sources(language, &report.record.sources)) }
        }
    }
}

fn digest(language: Language, model: &Model) -> Markup {
    let card = Sha256::digest(model.card_markdown.as_bytes());
    html! {
        dt { (language.text(Message::Model)) }
        dd data-model=(seen(&model.id)) data-version=(seen(&model.version)) data-digest=(seen(&model.digest)) {
            (shown(&model.id)) " " (shown(&model.version)) ", "
            @match &model.manufacturer {
                Some(maker) => { (shown(maker)) }
                None => { (language.text(Message::MakerNotStated)) }
            }
            @if let Some(day) = &model.created { ", " (language.date(day)) }
            br; span class="mono" { (language.text(Message::WeightsDigest)) " " (shown(&model.digest)) }
            br; span class="mono" { (language.text(Message::CardDigest)) " " @for byte in &card { (format!("{byte:02x}")) } }
        }
    }
}

fn instances(language: Language, instances: &[Instance]) -> Markup {
    html! {
        div class="scroll" role="region" aria-label=(language.text(Message::ImagesRead)) tabindex="0" {
            table {
                caption { (language.text(Message::ImagesRead)) }
                thead { tr { th scope="col" { "SOP Instance UID" } th scope="col" { (language.text(Message::FileDigest)) } } }
                tbody {
                    @for instance in instances.iter().take(ROWS) {
                        tr data-read=(seen(&instance.sop_instance_uid)) {
                            td class="mono" { (shown(&instance.sop_instance_uid)) }
                            td class="mono" { (shown(&instance.sha256)) }
                        }
                    }
                }
            }
        }
        (rest(language, instances.len()))
    }
}

fn rest(language: Language, count: usize) -> Markup {
    let rest = count.saturating_sub(ROWS);
    html! {
        @if rest > 0 { p class="note" { (language.say(Message::MoreInBundle, &[("count", &rest.to_string())])) } }
    }
}

fn sources(language: Language, sources: &[Source]) -> Markup {
    html! {
        h3 { (language.text(Message::ResourcesUsed)) }
        ul class="sources" {
            @for source in sources.iter().take(ROWS) {
                li { (shown(&source.description)) " " span class="mono soft" { (shown(&source.reference)) } }
            }
        }
        (rest(language, sources.len()))
    }
}
