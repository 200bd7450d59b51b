//! What is behind the sheet: methods and inputs of each risk, the models, the rest of the record, provenance. It folds, with the element that
//! browsers have for that; folded it is not printed.

use maud::{Markup, html};

use super::{plot, provenance, record, shown};
use crate::report::document::{Model, Performer, Report, Risk, RiskInput};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::wording;

/// The folded part. Without a result nothing is large enough to fold.
pub(super) fn section(report: &Report) -> Markup {
    let language = report.language;
    html! {
        details class="details" open[report.models.is_empty()] {
            summary { h2 { (language.text(Message::Details)) } }
            @if !report.risks.is_empty() {
                section aria-labelledby="methods" {
                    h2 id="methods" { (language.text(Message::Methods)) }
                    @for risk in &report.risks { (method(report, risk)) }
                }
            }
            @if !report.models.is_empty() {
                section aria-labelledby="models" {
                    h2 id="models" { (language.text(Message::Models)) }
                    @for model in &report.models { (card(language, model)) }
                }
            }
            (record::behind(report))
            (provenance::section(report))
        }
    }
}

fn method(report: &Report, risk: &Risk) -> Markup {
    let (method, language) = (&risk.method, report.language);
    let by = match &risk.performer {
        Performer::Formula => language.text(Message::ByFormula).to_owned(),
        Performer::Model(id) => {
            let version =
                report.models.iter().find(|model| &model.id == id).map(|model| model.version.as_str());
            let name = format!("{} {}", visible(id), visible(version.unwrap_or_default()));
            language.say(Message::ByModel, &[("model", name.trim())])
        }
    };
    let missing: Vec<String> = risk.missing.iter().map(|word| language.phrase(&visible(word))).collect();
    html! {
        div class="behind" {
            div {
                h3 { (shown(&risk.title)) }
                dl class="fine" {
                    dt { (language.text(Message::Outcome)) } dd { (sentence(&wording::outcome(language, risk))) }
                    dt { (language.text(Message::Method)) }
                    dd { (shown(&method.name)) ", " (shown(&method.version)) " (" (by) "). " (sentence(&method.citation)) }
                    dt { (language.text(Message::Population)) } dd { (sentence(&risk.population)) }
                    dt { (language.text(Message::Calibration)) } dd { (sentence(&risk.calibration)) }
                    @if !missing.is_empty() { dt { (language.text(Message::MissingInputs)) } dd { (language.list(&missing)) } }
                    @if !risk.limits.is_empty() {
                        dt { (language.text(Message::LimitsOfIt)) } dd { @for limit in &risk.limits { (sentence(limit)) " " } }
                    }
                }
            }
            @if !risk.inputs.is_empty() { div { (inputs(language, &risk.inputs)) } }
        }
    }
}

fn inputs(language: Language, inputs: &[RiskInput]) -> Markup {
    html! {
        table {
            caption { (language.text(Message::InputsCaption)) }
            thead {
                tr {
                    th scope="col" { (language.text(Message::Input)) } th scope="col" { (language.text(Message::Value)) }
                    th scope="col" { (language.text(Message::Date)) }
                }
            }
            tbody {
                @for input in inputs {
                    tr {
                        th scope="row" { (shown(&input.label)) }
                        td { (language.value(&input.value)) @if let Some(unit) = &input.unit { " " (language.unit(unit)) } }
                        td class="date" { (input.date.as_deref().map_or_else(|| "–".to_owned(), |date| language.date(date))) }
                    }
                }
            }
        }
    }
}

fn card(language: Language, model: &Model) -> Markup {
    html! {
        div class="behind" {
            div {
                h3 { (shown(&model.title)) " " span class="soft" { (shown(&model.version)) } }
                dl class="fine" {
                    dt { (language.text(Message::AppliesTo)) } dd { (sentence(&model.applicability)) }
                    dt { (language.text(Message::TrainedOn)) } dd { (sentence(&model.training_data)) }
                    dt { (language.text(Message::Calibration)) } dd { (sentence(&model.calibration)) }
                    @if !model.limits.is_empty() {
                        dt { (language.text(Message::LimitsOfIt)) }
                        dd { ul { @for limit in &model.limits { li { (sentence(limit)) } } } }
                    }
                }
            }
            @if !model.calibration_points.is_empty() {
                figure {
                    (plot::calibration(language, &model.calibration_points))
                    figcaption { (language.text(Message::CalibrationCaption)) }
                }
            }
        }
    }
}
