//! What is missing and what that does; limits; the models and how they are calibrated.

use maud::{Markup, html};

use super::{plot, shown};
use crate::report::document::{Dropped, Model, Report};
use crate::report::text::sentence;

/// What is missing or odd; nothing where nothing is.
pub(super) fn missing(report: &Report) -> Markup {
    let study = &report.study;
    let is_complete = report.missing.is_empty() && study.warnings.is_empty() && study.dropped.is_empty();
    html! {
        section aria-labelledby="missing" {
            h2 id="missing" { "What is missing or odd" }
            @if is_complete { p { "Nothing that this report knows of." } }
            @else {
                ul {
                    @for missing in &report.missing {
                        li { strong { (sentence(&missing.what)) } " " (sentence(&missing.effect)) }
                    }
                    @for warning in &study.warnings {
                        li { (sentence(&warning.text)) " " span class="mono soft" { (shown(&warning.code)) } }
                    }
                    @for (dropped, count) in counted(&study.dropped) {
                        li {
                            (sentence(&dropped.reason))
                            @if count == 1 { " The instance was left out. " } @else { " " (count) " instances were left out. " }
                            span class="mono soft" { (shown(&dropped.code)) }
                        }
                    }
                }
            }
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

/// Limits of the report and of each model.
pub(super) fn section(report: &Report) -> Markup {
    html! {
        section aria-labelledby="limits" {
            h2 id="limits" { "Limits and the models behind this" }
            @if !report.limits.is_empty() {
                ul { @for limit in &report.limits { li { (sentence(limit)) } } }
            }
            @for model in &report.models { (card(model)) }
        }
    }
}

fn card(model: &Model) -> Markup {
    html! {
        div class="model" {
            div {
                h3 { (shown(&model.title)) " " span class="soft" { (shown(&model.version)) } }
                dl class="fine" {
                    dt { "Applies to" } dd { (sentence(&model.applicability)) }
                    dt { "Trained on" } dd { (sentence(&model.training_data)) }
                    dt { "Calibration" } dd { (sentence(&model.calibration)) }
                    @if !model.limits.is_empty() {
                        dt { "Limits" }
                        dd { ul { @for limit in &model.limits { li { (sentence(limit)) } } } }
                    }
                }
            }
            @if !model.calibration_points.is_empty() {
                figure {
                    (plot::calibration(&model.calibration_points))
                    figcaption { "Calibration; dashed is perfect" }
                }
            }
        }
    }
}
