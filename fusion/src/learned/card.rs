//! The model card of the late fusion, written from its evaluation.

use std::fmt::Write as _;

use super::encode::{LABS, MAX_AGE_DAYS};
use super::evaluate::{Arm, Evaluation, SubsetEvaluation};
use super::measured::Interval;
use super::model::LateFusionModel;

/// The card in Markdown.
pub(super) fn write(model: &LateFusionModel, evaluation: &Evaluation) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail; a line that did would be missing, not wrong.
    let written = lines(&mut card, model, evaluation);
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
        "| interval of one prediction | 95 % over {} models of resampled patients |\n",
        model.body.members.len()
    )?;
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
    limits(card, evaluation)
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
            name(arm.arm),
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
        "- One hospital, one disease, spring 2020; no external validation; no analysis by sex or age, as the groups are too small.",
        "- LOINC 3209-4 (factor VIII by LOINC, displayed as factor XIII in the records) is left out.",
    ] {
        writeln!(card, "{line}")?;
    }
    Ok(())
}

/// One sentence on a set of examinations: AUROC of every arm.
pub(super) fn performance(subset: &SubsetEvaluation) -> String {
    let set = if subset.name == "all" { "all examinations" } else { "AP examinations only" };
    let arms: Vec<String> = subset
        .arms
        .iter()
        .map(|found| format!("{} {}", name(found.arm), brief(found.auroc.as_ref())))
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

fn name(arm: Arm) -> &'static str {
    match arm {
        Arm::Fused => "fused",
        Arm::ImageOnly => "image only",
        Arm::RecordOnly => "record only",
        Arm::ViewOnly => "view only",
    }
}

fn text(found: Option<&Interval>) -> String {
    found.map_or_else(
        || "-".to_owned(),
        |found| format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high),
    )
}
