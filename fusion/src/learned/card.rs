//! The model card of the late fusion, written from its evaluation.

use std::fmt::Write as _;

use super::encode::{LABS, MAX_AGE_DAYS};
use super::evaluate::{Evaluation, SubsetEvaluation};
use super::measured::Interval;
use super::model::LateFusionModel;
use super::tabular::card as table_card;
use super::tabular::checklist::{About, Checklist, Purpose};
use crate::evaluation::Report;

/// The card in Markdown.
pub(super) fn write(
    model: &LateFusionModel,
    evaluation: &Evaluation,
    reports: &[(String, Report)],
) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail; a line that did would be missing, not wrong.
    let written = lines(&mut card, model, evaluation)
        .and_then(|()| measures(&mut card, reports))
        .and_then(|()| limits(&mut card, evaluation))
        .and_then(|()| checklist(&mut card, reports));
    debug_assert!(written.is_ok());
    card
}

fn lines(card: &mut String, model: &LateFusionModel, evaluation: &Evaluation) -> std::fmt::Result {
    let (exams, patients, positives) = model.trained_on();
    writeln!(card, "# icu-concurrent {}\n", model.version())?;
    writeln!(
        card,
        "Probability that a patient with COVID-19 is in intensive care **at the time of** a frontal chest radiograph, from the findings of the image model and the laboratory values known by then. It is a technical demonstration of late fusion on a concurrent state that the ward already knows. It is **not a forecast** and not for clinical use.\n"
    )?;
    writeln!(card, "| | |\n|---|---|")?;
    writeln!(card, "| model file SHA-256 | `{}` |", model.digest())?;
    writeln!(card, "| trained | {} |", model.created().unwrap_or("not stated"))?;
    writeln!(card, "| image model, digest of weights | `{}` |", model.image_model())?;
    writeln!(
        card,
        "| data | COVID-19 Image Repository, Hannover Medical School (CC BY 3.0, doi 10.6084/m9.figshare.12275009): {exams} examinations of {patients} patients, {positives} in intensive care |"
    )?;
    writeln!(
        card,
        "| population | adult in-patients with COVID-19 of one hospital; for others no number is given |"
    )?;
    writeln!(
        card,
        "| form | logistic regression over two logits with weights of at least 0, each from a ridge logistic regression: {} image findings; {} laboratory values with missing flags, and sex |",
        model.labels().len(),
        LABS.len()
    )?;
    let labs: Vec<&str> = LABS.iter().map(|lab| lab.id).collect();
    writeln!(
        card,
        "| record inputs | latest {} known before the examination and at most {MAX_AGE_DAYS} days old |",
        labs.join(", ")
    )?;
    writeln!(
        card,
        "| weights | image {:.3}, record {:.3}, intercept {:.3} |",
        model.body.parameters.late.fused[1],
        model.body.parameters.late.fused[2],
        model.body.parameters.late.fused[0]
    )?;
    writeln!(
        card,
        "| missing side | the other side's own calibrated model answers; with both missing there is no answer. {} examinations state no laboratory value |",
        evaluation.without_laboratory
    )?;
    writeln!(
        card,
        "| interval of one prediction | 95 % over {} models of resampled patients |",
        model.body.members.len()
    )?;
    if let Some(conformal) = &model.body.conformal {
        let strata: Vec<&str> = conformal.strata.keys().map(String::as_str).collect();
        writeln!(
            card,
            "| indeterminate | neither or both outcomes within the {:.0} % conformal bounds, by outcome and by which sides answered, on what the first split that tested a case said; strata with bounds of their own: {} |",
            (1.0 - conformal.alpha) * 100.0,
            if strata.is_empty() { "none".to_owned() } else { strata.join(", ") }
        )?;
    }
    writeln!(card)?;
    writeln!(
        card,
        "## Evaluation\n\n{} random splits by patient ({:.0} % of patients tested), everything fitted inside the training side, logits and calibration cross-fitted by patient. Mean over splits with the 2.5 % and 97.5 % points; the splits overlap, so this is the spread of the estimate, not its standard error. *Pooled*: each case's mean prediction over the splits that tested it, with 95 % intervals over {} draws of patients; no AUROC is given there, as every split has a base rate of its own that leaves the tested patients out.\n",
        evaluation.splits,
        evaluation.test_share * 100.0,
        evaluation.draws
    )?;
    for subset in &evaluation.subsets {
        table(card, subset)?;
    }
    Ok(())
}

/// Every measure of the shared evaluation.
fn measures(card: &mut String, reports: &[(String, Report)]) -> std::fmt::Result {
    writeln!(
        card,
        "The tables below are of each case's mean prediction over the splits that tested it, the fusion first. Each split has a base rate of its own, which leaves the tested patients out: AUROCs across splits are lower than those within splits, above.\n"
    )?;
    for (name, report) in reports {
        table_card::evaluation(
            card,
            report,
            &format!("Every measure: {}", set(name)),
            table_card::DEVELOPED,
        )?;
    }
    Ok(())
}

fn set(name: &str) -> &'static str {
    if name == "all" { "all examinations" } else { "AP examinations only" }
}

/// TRIPOD+AI, item by item.
fn checklist(card: &mut String, reports: &[(String, Report)]) -> std::fmt::Result {
    let Some((_, report)) = reports.first() else { return Ok(()) };
    writeln!(card)?;
    let own = Checklist {
        purpose: Purpose::Development {
            apart: "the same source, other patients over many random splits; no second site, no later period",
        },
        about: About {
            data: "COVID-19 Image Repository, Hannover Medical School, CC BY 3.0, doi 10.6084/m9.figshare.12275009",
            population: "adult in-patients with COVID-19 of one hospital",
            outcome: "in intensive care at the time of the examination; a state now, not a forecast",
        },
        report,
        predictors: "the image model's findings, laboratory values with missing flags, sex; the table at the top",
        output: "a calibrated probability, an interval, which sides answered, and whether it is indeterminate",
        missing: "a missing side is answered by the other alone; inside of the record missing values count as the average, with flags",
        analysis: "two sides by ridge logistic regression, joined by a third with weights of at least 0; penalties, Platt and weights cross-fitted by patient; intervals over splits and by patient bootstrap",
        usability: "without findings and without laboratory values there is no number; what is missing is named",
    };
    own.write(card)
}

fn table(card: &mut String, subset: &SubsetEvaluation) -> std::fmt::Result {
    writeln!(
        card,
        "### {}: {} examinations of {} patients, {} in intensive care\n",
        if subset.name == "all" { "All examinations" } else { "AP examinations only" },
        subset.exams,
        subset.patients,
        subset.positives
    )?;
    writeln!(
        card,
        "| | AUROC | Brier | calibration slope | calibration intercept | Brier, pooled | slope, pooled | intercept, pooled |\n|---|---|---|---|---|---|---|---|"
    )?;
    for (arm, pooled) in subset.arms.iter().zip(&subset.pooled) {
        writeln!(
            card,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            arm.arm.name(),
            text(arm.auroc.as_ref()),
            text(arm.brier.as_ref()),
            text(arm.slope.as_ref()),
            text(arm.intercept.as_ref()),
            text(pooled.brier.as_ref()),
            text(pooled.slope.as_ref()),
            text(pooled.intercept.as_ref()),
        )?;
    }
    let beats = &subset.beats;
    writeln!(
        card,
        "\nFused AUROC above both sides in {:.0} % of {} splits, below both in {:.0} %. Fused less image only: {}; fused less record only: {}.\n",
        beats.above_both * 100.0,
        beats.splits,
        beats.below_both * 100.0,
        text(beats.less_image.as_ref()),
        text(beats.less_record.as_ref())
    )
}

fn limits(card: &mut String, evaluation: &Evaluation) -> std::fmt::Result {
    let gain = evaluation.subsets.iter().any(|subset| {
        let above = |found: &Option<Interval>| found.is_some_and(|found| found.low > 0.0);
        above(&subset.beats.less_image) && above(&subset.beats.less_record)
    });
    writeln!(card, "## What this does and does not show\n")?;
    if gain {
        writeln!(
            card,
            "- On one of the sets the interval of the fused gain lies above 0 against both sides. The splits overlap and the data are few: read it as a hint."
        )?;
    } else {
        writeln!(
            card,
            "- **No gain of fusion is shown.** The intervals of the differences hold 0; with this many patients nothing else could be expected."
        )?;
    }
    writeln!(
        card,
        "- On average {:.1} resources of a record became known only after the examination. They are left out here; a model that does not look at the time would see the future.",
        evaluation.known_later
    )?;
    for line in [
        "- The view is a shortcut: no PA examination of the data was taken in intensive care. The view is no input, but the image model may see it; the AP-only table is the honest one.",
        "- Which values are measured, and how often, depends on the ward: missing flags carry part of the signal.",
        "- One hospital, one disease, spring 2020; no external validation; groups by sex and age that are too small are not shown.",
        "- LOINC 3209-4 (factor VIII by LOINC, displayed as factor XIII in the records) is left out.",
    ] {
        writeln!(card, "{line}")?;
    }
    Ok(())
}

/// One sentence on a set of examinations: AUROC of every arm.
pub(super) fn performance(subset: &SubsetEvaluation) -> String {
    let set = set(&subset.name);
    let arms: Vec<String> = subset
        .arms
        .iter()
        .map(|found| format!("{} {}", found.arm.name(), brief(found.auroc.as_ref())))
        .collect();
    format!(
        "on patients not trained on, {set} ({} of {} patients), mean AUROC over splits with 95 % interval: {}",
        subset.exams,
        subset.patients,
        arms.join(", ")
    )
}

/// One sentence on the calibration of the fused arm.
pub(super) fn calibration(evaluation: &Evaluation) -> String {
    let fused = evaluation.subsets.first().and_then(|subset| subset.pooled.first());
    let slope = brief(fused.and_then(|found| found.slope.as_ref()));
    let intercept = brief(fused.and_then(|found| found.intercept.as_ref()));
    format!(
        "calibrated on patients not trained on, cross-fitted by patient; on patients of other splits slope {slope}, intercept {intercept}; one hospital only"
    )
}

fn brief(found: Option<&Interval>) -> String {
    found.map_or_else(
        || "not defined".to_owned(),
        |found| format!("{:.2} ({:.2} to {:.2})", found.value, found.low, found.high),
    )
}

fn text(found: Option<&Interval>) -> String {
    found.map_or_else(
        || "-".to_owned(),
        |found| format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high),
    )
}
