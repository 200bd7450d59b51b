//! What the page is, whose images were read, and when.

use maud::{Markup, html};

use super::shown;
use crate::report::document::{Kind, Patient, Report, Subject};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::wording;

/// What the page is, before anything else.
pub(super) fn status(report: &Report) -> Markup {
    let language = report.language;
    let then = match report.kind {
        Kind::Analysis => Message::PhysicianDecides,
        Kind::Withdrawn(..) => Message::EarlierWithdrawn,
        Kind::Refused(_) | Kind::Failed(_) => Message::NoResultIsNotNegative,
    };
    html! {
        aside class="status" aria-label=(language.text(Message::StatusOfThisPage)) {
            p {
                strong { (language.text(Message::Status)) "." } " "
                (language.text(Message::NotADevice)) ". " (language.text(then))
            }
        }
    }
}

/// Title, patient and study.
pub(super) fn header(report: &Report) -> Markup {
    let (study, language) = (&report.study, report.language);
    let modalities: Vec<String> = study.modalities.iter().map(|modality| visible(modality)).collect();
    let heading = match &report.kind {
        Kind::Analysis => wording::examination(report),
        Kind::Refused(_) | Kind::Failed(_) | Kind::Withdrawn(..) => {
            wording::no_result_title(report).to_owned()
        }
    };
    let fact = |term, text: &str, detail: Option<&str>| fact(language, term, text, detail);
    html! {
        header {
            p class="kicker" { (shown(&report.software.name)) " · " (language.text(label(&report.kind))) }
            h1 { (heading) }
            p class="soft what" {
                @if report.kind != Kind::Analysis { (language.text(Message::PipelineToRead)) " " }
                (sentence(&report.pipeline.description))
            }
            dl class="facts" {
                (patient(language, &report.patient))
                (fact(Message::Exam, &language.date(&study.started_text), Some(&study.zone_rule)))
                @if !modalities.is_empty() { (fact(Message::Modality, &modalities.join(", "), study.view.as_deref())) }
                @if let Some(text) = &study.description { (fact(Message::StudyDescription, text, None)) }
                @if let Some(text) = &study.accession_number { (fact(Message::AccessionNumber, text, None)) }
                (fact(Message::ReportIssued, &issued(report), Some(&issue(report))))
            }
        }
    }
}

fn label(kind: &Kind) -> Message {
    match kind {
        Kind::Analysis => Message::LabelPreliminary,
        Kind::Refused(_) => Message::LabelRefused,
        Kind::Failed(_) => Message::LabelFailed,
        Kind::Withdrawn(..) => Message::LabelWithdrawn,
    }
}

fn issue(report: &Report) -> String {
    let word = if report.kind == Kind::Analysis { Message::Preliminary } else { Message::NoResult };
    format!("UTC; {}, {}", report.language.text(word), program(report))
}

/// When the report was issued, in UTC.
fn issued(report: &Report) -> String {
    report.language.date(&report.issued.strftime("%Y-%m-%d %H:%M").to_string())
}

/// The program and its version.
pub(super) fn program(report: &Report) -> String {
    format!("{} {}", visible(&report.software.name), visible(&report.software.version))
}

fn patient(language: Language, patient: &Patient) -> Markup {
    let born = patient.birth_date.as_deref().map(|date| language.date(date));
    let matched = match patient.subject {
        Subject::Reference(_) => None,
        Subject::Identifier { .. } => Some(language.text(Message::AsImagesState)),
        Subject::Unidentified => Some(language.text(Message::NoUsableIdentifier)),
    };
    let age =
        patient.age_years.map(|years| language.say(Message::YearsAtExam, &[("years", &years.to_string())]));
    let sex = patient.sex.as_deref().map(|sex| language.phrase(sex));
    let name = patient.name.as_deref().unwrap_or_else(|| language.text(Message::NameNotStated));
    let identifier = patient.identifier.as_deref().unwrap_or_else(|| language.text(Message::NoIdentifier));
    let fact = |term, text: &str, detail: Option<&str>| fact(language, term, text, detail);
    html! {
        (fact(Message::Patient, name, None))
        (fact(Message::Identifier, identifier, matched))
        @if let Some(sex) = &sex { (fact(Message::Sex, sex, None)) }
        @match (&born, &age) {
            (Some(born), age) => { (fact(Message::Born, born, age.as_deref())) }
            (None, Some(age)) => { (fact(Message::Age, age, None)) }
            (None, None) => {}
        }
    }
}

fn fact(language: Language, term: Message, text: &str, detail: Option<&str>) -> Markup {
    // by which rule a time was read and by which program it was written is not for paper; the details say it too
    let class =
        if matches!(term, Message::Exam | Message::ReportIssued) { "soft note rule" } else { "soft note" };
    html! {
        div {
            dt { (language.text(term)) }
            dd {
                (shown(text))
                @if let Some(detail) = detail { " " span class=(class) { (shown(detail)) } }
            }
        }
    }
}
