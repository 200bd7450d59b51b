//! The card of a model of a table: what it is, for whom, how it did, and the TRIPOD+AI checklist as far as it is known.

use std::fmt::Write as _;

use super::checklist::{About, Checklist, Purpose};
use super::config::{CalibrationMethod, TabularConfig};
use super::model::TabularModel;
use super::record::{RecordRule, Requirement};
use crate::calibrate::{Curve, LEAST_ISOTONIC};
use crate::evaluation::{ArmReport, Comparison, Estimate, Report};
use crate::learned::holdout::{Holdout, HoldoutKind};

/// The card in Markdown.
pub(super) fn write(model: &TabularModel, report: &Report, holdouts: &[Holdout]) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail; a line that did would be missing, not wrong.
    let written = head(&mut card, model)
        .and_then(|()| evaluation(&mut card, report, EVALUATION, DEVELOPED))
        .and_then(|()| splits(&mut card, report, holdouts))
        .and_then(|()| limits(&mut card, model))
        .and_then(|()| {
            let own = Checklist {
                purpose: Purpose::Development { apart: apart(holdouts) },
                predictors: "the table of inputs above",
                ..checklist(model, report)
            };
            own.write(&mut card)
        });
    debug_assert!(written.is_ok());
    card
}

/// The checklist of an evaluation of its own.
pub(super) fn checklist<'a>(model: &'a TabularModel, report: &'a Report) -> Checklist<'a> {
    Checklist {
        purpose: Purpose::Evaluation,
        about: About::of(model.config()),
        report,
        predictors: "see the card of the model",
        output: "a calibrated probability, an interval, and whether it is indeterminate",
        missing: "counted as the average of the fitted rows; with flags only where stated",
        analysis: analysis(model.config()),
        usability: "a row without any input gets no number; what is missing is named with each answer",
    }
}

/// What is fitted, and how.
fn analysis(config: &TabularConfig) -> &'static str {
    match config.calibration {
        CalibrationMethod::Platt => {
            "ridge penalty by cross-validation over patients; Platt; intervals by patient bootstrap"
        }
        CalibrationMethod::Isotonic => {
            "ridge penalty by cross-validation over patients; isotonic calibration where there are 1,000 cases, else Platt; intervals by patient bootstrap"
        }
    }
}

fn head(card: &mut String, model: &TabularModel) -> std::fmt::Result {
    let (config, body) = (model.config(), &model.body);
    writeln!(card, "# {} {}\n", config.id, config.version)?;
    writeln!(card, "{}. **Research, not for clinical use.** {}\n", config.title, config.intended_use)?;
    writeln!(card, "| | |\n|---|---|")?;
    writeln!(card, "| predicts | {} ({}) |", config.outcome, config.horizon)?;
    writeln!(card, "| population | {} |", config.population)?;
    if let Some(rule) = &config.record {
        writeln!(card, "| in a report | {} |", of_record(rule))?;
    }
    writeln!(card, "| data | {} |", config.data)?;
    writeln!(card, "| trained | {} |", config.created)?;
    writeln!(card, "| model file SHA-256 | `{}` |", model.digest())?;
    let [rows, patients, events] = body.fitted;
    writeln!(card, "| fitted on | {rows} rows of {patients} patients, {events} with the outcome |")?;
    let [rows, patients, events] = body.calibrated;
    writeln!(
        card,
        "| calibrated on | {rows} rows of {patients} other patients, {events} with the outcome |"
    )?;
    writeln!(
        card,
        "| form | ridge logistic regression (penalty {}), {} columns{}; missing values count as the average |",
        body.lambda,
        body.columns.len(),
        if config.missing_flags { " with missing flags" } else { ", no missing flags" }
    )?;
    if let Some(formula) = &config.formula {
        writeln!(
            card,
            "| formula | {}, column `{}`; its logit is an input with a weight of at least 0 |",
            formula.label, formula.column
        )?;
    }
    let curve = match &body.calibration.pooled {
        Curve::Platt { intercept, slope } => format!("Platt, intercept {intercept:.3}, slope {slope:.3}"),
        Curve::Isotonic { at, .. } => format!("isotonic, {} points", at.len()),
    };
    let few = config.calibration == CalibrationMethod::Isotonic
        && matches!(body.calibration.pooled, Curve::Platt { .. });
    let curve = if few {
        format!("{curve} (isotonic was asked for and needs {LEAST_ISOTONIC} cases)")
    } else {
        curve
    };
    let strata: Vec<&str> = body.calibration.strata.keys().map(String::as_str).collect();
    let own = if strata.is_empty() { "none".to_owned() } else { strata.join(", ") };
    writeln!(card, "| calibration | {curve}; strata with a curve of their own: {own} |")?;
    writeln!(
        card,
        "| interval of one prediction | 95 % over {} models of resampled patients |",
        body.members.len()
    )?;
    writeln!(
        card,
        "| indeterminate | neither or both classes within the {:.0} % conformal bounds, by class and by what is missing |\n",
        (1.0 - body.conformal.alpha) * 100.0
    )?;
    writeln!(
        card,
        "## Inputs and weights\n\nWeights on the logit for one standard deviation.\n\n| column | weight |\n|---|---|"
    )?;
    let mut weights: Vec<(&String, &f64)> = body.columns.iter().zip(&body.linear.weights).collect();
    weights.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()).then_with(|| one.0.cmp(other.0)));
    for (column, weight) in weights {
        writeln!(card, "| {column} | {weight:+.3} |")?;
    }
    writeln!(card)
}

/// Whose record the model answers for.
pub(in crate::learned) fn of_record(rule: &RecordRule) -> String {
    let mut parts: Vec<String> = rule.requires.iter().map(Requirement::text).collect();
    parts.extend(rule.max_age_days.map(|days| format!("values of at most {days} days")));
    parts.join("; ")
}

/// An evaluation on another table in Markdown, with the checklist as far as it is known.
pub(in crate::learned) fn of_another_table(title: &str, own: &Checklist<'_>) -> String {
    let mut text = format!("# {title}\n\n");
    let written = evaluation(&mut text, own.report, EVALUATION, GIVEN).and_then(|()| own.write(&mut text));
    debug_assert!(written.is_ok());
    text
}

/// Title of the part that holds the measures.
pub(in crate::learned) const EVALUATION: &str = "Evaluation";
/// Whose rows they are.
pub(in crate::learned) const DEVELOPED: &str = "that were neither fitted nor calibrated on";
const GIVEN: &str = "of the table that was given (the program does not know whether they were fitted on)";

pub(in crate::learned) fn evaluation(
    card: &mut String,
    report: &Report,
    title: &str,
    whose: &str,
) -> std::fmt::Result {
    let Some(first) = report.arms.first() else { return Ok(()) };
    writeln!(
        card,
        "## {title}\n\n{} rows of {} patients {whose}, {} with the outcome. Intervals: 95 % over {} draws of patients.\n",
        first.cases, report.patients, first.events, report.draws
    )?;
    writeln!(
        card,
        "| | cases | AUROC | average precision | Brier | scaled Brier | log-loss | slope | intercept | ECE |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for arm in &report.arms {
        row(card, arm)?;
    }
    comparisons(card, &report.comparisons)?;
    writeln!(
        card,
        "\n### At thresholds\n\nF1 is neither proper nor decision-analytic: secondary.\n\n| threshold | sensitivity | specificity | PPV | NPV | F1 |\n|---|---|---|---|---|---|"
    )?;
    for at in &first.at_thresholds {
        let cells = [at.sensitivity, at.specificity, at.ppv, at.npv, at.f1].map(number);
        writeln!(card, "| {} | {} |", at.threshold, cells.join(" | "))?;
    }
    writeln!(card, "\n### Calibration curve\n\n| predicted | observed | cases |\n|---|---|---|")?;
    for bin in &first.curve {
        writeln!(card, "| {:.3} | {:.3} | {} |", bin.predicted, bin.observed, bin.cases)?;
    }
    if !report.subgroups.is_empty() {
        writeln!(
            card,
            "\n### Subgroups\n\nGroups below 50 cases, or 10 of either outcome, are not shown.\n\n| group | cases | events | AUROC | Brier | intercept |\n|---|---|---|---|---|---|"
        )?;
        for group in &report.subgroups {
            let Some((cases, events)) = group.cases.zip(group.events) else {
                writeln!(card, "| {} {} | too few | | | | |", group.column, group.value)?;
                continue;
            };
            writeln!(
                card,
                "| {} {} | {cases} | {events} | {} | {} | {} |",
                group.column,
                group.value,
                estimate(group.auroc.as_ref()),
                number(group.brier),
                number(group.intercept)
            )?;
        }
    }
    writeln!(card, "\n### Under stress\n\n| | AUROC | Brier | intercept |\n|---|---|---|---|")?;
    for one in &report.stress {
        writeln!(
            card,
            "| {} | {} | {} | {} |",
            one.name,
            number(one.auroc),
            number(one.brier),
            number(one.intercept)
        )?;
    }
    if let Some(size) = &report.sample_size {
        writeln!(card, "\n### Sample size\n\n{}", size.text())?;
    }
    writeln!(card)
}

fn row(card: &mut String, arm: &ArmReport) -> std::fmt::Result {
    writeln!(
        card,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        arm.name,
        arm.cases,
        estimate(arm.auroc.as_ref()),
        estimate(arm.average_precision.as_ref()),
        estimate(arm.brier.as_ref()),
        number(arm.scaled_brier),
        estimate(arm.log_loss.as_ref()),
        number(arm.slope),
        number(arm.intercept),
        number(arm.expected_calibration_error)
    )
}

fn comparisons(card: &mut String, comparisons: &[Comparison]) -> std::fmt::Result {
    if comparisons.is_empty() {
        return Ok(());
    }
    writeln!(
        card,
        "\n| the model less | common cases | AUROC | DeLong p (as if rows were independent) | Brier |\n|---|---|---|---|---|"
    )?;
    for one in comparisons {
        let p = one.delong.map_or_else(|| "-".to_owned(), |found| format!("{:.2e}", found.p));
        writeln!(
            card,
            "| {} | {} | {} | {p} | {} |",
            one.against,
            one.cases,
            estimate(one.auroc.as_ref()),
            estimate(one.brier.as_ref())
        )?;
    }
    Ok(())
}

/// Splits that are not by chance, beside the random one.
pub(in crate::learned) fn splits(
    card: &mut String,
    random: &Report,
    holdouts: &[Holdout],
) -> std::fmt::Result {
    if holdouts.is_empty() {
        return Ok(());
    }
    writeln!(
        card,
        "## Splits by time and site\n\nThe model made anew on the other patients each time: fitted, its penalty chosen and calibrated without the tested ones. Whoever is on both sides takes part in neither.\n"
    )?;
    writeln!(
        card,
        "| tested | developed on (rows, patients, events) | tested (rows, patients, events) | in neither | AUROC | Brier | slope | intercept |\n|---|---|---|---|---|---|---|---|"
    )?;
    let measures = |report: &Report| {
        let first = report.arms.first();
        let cells = [first.and_then(|arm| arm.auroc.as_ref()), first.and_then(|arm| arm.brier.as_ref())];
        let numbers = [first.and_then(|arm| arm.slope), first.and_then(|arm| arm.intercept)];
        format!("{} | {}", cells.map(estimate).join(" | "), numbers.map(number).join(" | "))
    };
    writeln!(card, "| random patients | - | - | - | {} |", measures(random))?;
    for one in holdouts {
        let counts = |[rows, patients, events]: [usize; 3]| format!("{rows}, {patients}, {events}");
        let found = one.report.as_ref().map_or_else(|| "too few | | |".to_owned(), measures);
        let (developed, tested) = (counts(one.developed), counts(one.tested));
        writeln!(card, "| {} | {developed} | {tested} | {} | {found} |", one.name, one.left_out)?;
    }
    writeln!(card)
}

/// What was kept apart, for the checklist.
pub(in crate::learned) fn apart(holdouts: &[Holdout]) -> &'static str {
    let has = |kind: HoldoutKind| holdouts.iter().any(|one| one.kind == kind && one.report.is_some());
    match (has(HoldoutKind::Time), has(HoldoutKind::Site)) {
        (true, true) => "other patients by chance, a later period, and each site in turn",
        (true, false) => "other patients by chance, and a later period; no second site",
        (false, true) => "other patients by chance, and each site in turn; no later period",
        (false, false) => "the same source, other patients; no second site, no later period",
    }
}

fn limits(card: &mut String, model: &TabularModel) -> std::fmt::Result {
    writeln!(card, "## Limits\n")?;
    for limit in &model.config().limits {
        writeln!(card, "- {limit}")?;
    }
    writeln!(card)
}

fn number(found: Option<f64>) -> String {
    found.map_or_else(|| "-".to_owned(), |found| format!("{found:.3}"))
}

pub(in crate::learned) fn estimate(found: Option<&Estimate>) -> String {
    let Some(found) = found else { return "-".to_owned() };
    match found.low.zip(found.high) {
        Some((low, high)) => format!("{:.3} ({low:.3} to {high:.3})", found.value),
        None => format!("{:.3}", found.value),
    }
}
