//! The card of a fused model: what it is, how the levels did, which one is kept and why.

use std::fmt::Write as _;

use super::config::FusedConfig;
use super::ladder::{Ladder, LadderSubset};
use super::model::{Body, FusedModel};
use crate::evaluation::{Estimate, Report, SampleSize};
use crate::learned::fit::{FOLDS, REPEATS};
use crate::learned::measured::Interval;
use crate::learned::tabular::card as table_card;
use crate::learned::tabular::checklist::{About, Checklist, Purpose};

/// The card in Markdown.
pub(super) fn write(model: &FusedModel, ladder: &Ladder) -> String {
    let mut card = String::new();
    // Writing to a String cannot fail; a line that did would be missing, not wrong.
    let written = head(&mut card, model)
        .and_then(|()| levels(&mut card, ladder))
        .and_then(|()| rule(&mut card, ladder))
        .and_then(|()| {
            writeln!(
                card,
                "The tables below are of each row's mean answer over the splits that tested it. Each split has a base rate of its own, which leaves the tested patients out: AUROCs across splits are lower than those within splits, above.\n"
            )
        })
        .and_then(|()| {
            let (title, whose) = (table_card::EVALUATION, table_card::DEVELOPED);
            table_card::evaluation(&mut card, &ladder.report, title, whose)
        })
        .and_then(|()| table_card::splits(&mut card, &ladder.report, &ladder.holdouts))
        .and_then(|()| limits(&mut card, model))
        .and_then(|()| {
            let own = Checklist {
                purpose: Purpose::Development { apart: table_card::apart(&ladder.holdouts) },
                predictors: "the picture's components and the record's columns, as the table above counts them and the configuration names them",
                ..checklist(model, &ladder.report)
            };
            own.write(&mut card)
        });
    debug_assert!(written.is_ok());
    card
}

/// An evaluation on another table.
pub(super) fn of_another_table(model: &FusedModel, title: &str, report: &Report) -> String {
    table_card::of_another_table(title, &checklist(model, report))
}

/// The checklist of an evaluation of its own.
fn checklist<'a>(model: &'a FusedModel, report: &'a Report) -> Checklist<'a> {
    Checklist {
        purpose: Purpose::Evaluation,
        about: About::of(&model.config().table),
        report,
        predictors: "see the card of the model",
        output: "a calibrated probability, an interval, which side answered, and how far the record is from those that it was fitted on",
        missing: "a missing side is answered by the other alone; inside of the record's side missing values count as the average of the fitted rows, with flags only where stated",
        analysis: "two sides by ridge logistic regression, joined at L1 and L2; which is kept by the rule above; penalties by cross-validation over patients; intervals over splits and by patient bootstrap",
        usability: "a row without a picture and without any input of the record gets no number; what is missing is named with each answer",
    }
}

/// What holds where reports carry the risk.
fn in_a_report(card: &mut String, config: &FusedConfig) -> std::fmt::Result {
    if let Some(rule) = &config.table.record {
        writeln!(card, "| in a report | {} |", table_card::of_record(rule))?;
    }
    if let Some(bundle) = &config.image.bundle {
        writeln!(card, "| bundle of the pictures' vectors | `{bundle}` |")?;
    }
    Ok(())
}

fn head(card: &mut String, model: &FusedModel) -> std::fmt::Result {
    let (config, body) = (model.config(), &model.body);
    let table = &config.table;
    writeln!(card, "# {} {}\n", table.id, table.version)?;
    writeln!(card, "{}. **Research, not for clinical use.** {}\n", table.title, table.intended_use)?;
    writeln!(card, "| | |\n|---|---|")?;
    writeln!(card, "| predicts | {} ({}) |", table.outcome, table.horizon)?;
    writeln!(card, "| population | {} |", table.population)?;
    in_a_report(card, config)?;
    writeln!(card, "| data | {} |", table.data)?;
    writeln!(card, "| trained | {} |", table.created)?;
    writeln!(card, "| model file SHA-256 | `{}` |", model.digest())?;
    let ([rows, patients, events], [pictured, of, with]) = (body.fitted, body.pictured);
    writeln!(
        card,
        "| fitted on | {rows} rows of {patients} patients, {events} with the outcome; {pictured} rows of {of} patients have a picture, {with} with the outcome |"
    )?;
    writeln!(card, "| level kept | {:?} |", body.level)?;
    writeln!(
        card,
        "| picture's side | {}; {} principal components of {} |",
        config.image.source,
        body.projection.components(),
        config.image.label
    )?;
    writeln!(
        card,
        "| record's side | {} columns, ridge logistic regression{} |",
        body.columns.len(),
        if table.missing_flags { " with missing flags" } else { ", no missing flags" }
    )?;
    let late = &body.late;
    writeln!(
        card,
        "| L1 | intercept {:.3}, weight of the picture's logit {:.3}, of the record's {:.3}; both at least 0 |",
        late.fused[0], late.fused[1], late.fused[2]
    )?;
    formula(card, model)?;
    writeln!(
        card,
        "| calibration | Platt of each side, where it answers alone, and the weights of L1: fitted on logits that are cross-fitted by patient ({FOLDS} folds, {REPEATS} times), so that no model judges a patient that it saw; within each split anew |"
    )?;
    let network = &config.network;
    writeln!(
        card,
        "| L2 | {} networks of {} members, row {} wide, meeting at {}; sides left out at 30 %, inputs at 10 %; stopped on a fifth of the patients |",
        network.seeds, network.members, network.width, network.meeting
    )?;
    writeln!(
        card,
        "| missing side | the other side's calibrated probability answers, and the answer says so; with both missing there is none |"
    )?;
    writeln!(
        card,
        "| interval of one prediction | 95 % over {} models of resampled patients{} |",
        body.members.len(),
        if body.gated.is_some() { " and the members of L2" } else { "" }
    )?;
    if let Some(conformal) = &body.conformal {
        let strata: Vec<&str> = conformal.strata.keys().map(String::as_str).collect();
        writeln!(
            card,
            "| indeterminate | neither or both classes within the {:.0} % conformal bounds, by class and by which sides answered, on the answers of the first split that tested a row; strata with bounds of their own: {} |",
            (1.0 - conformal.alpha) * 100.0,
            if strata.is_empty() { "none".to_owned() } else { strata.join(", ") }
        )?;
    }
    writeln!(card)
}

/// The formula's place in L1, where there is one.
fn formula(card: &mut String, model: &FusedModel) -> std::fmt::Result {
    if let (Some(input), Some(side)) = (&model.config().formula, &model.body.late.formula) {
        let [image, record, own] = side.missing;
        writeln!(
            card,
            "| formula | {}, column `{}`; weight of its logit in L1 {:.3}, at least 0; L1 is fitted on every row with at least two of picture, record and formula, and a missing one of them adds {image:.3}, {record:.3} and {own:.3}; one alone answers as it is calibrated |",
            input.label, input.column, side.weight
        )?;
    }
    Ok(())
}

fn levels(card: &mut String, ladder: &Ladder) -> std::fmt::Result {
    writeln!(
        card,
        "## The levels side by side\n\n{} random splits by patient ({:.0} % of the patients tested); components, both sides, calibration and networks are fitted inside the training side of each. Mean over splits with the 2.5 % and 97.5 % points: splits overlap, so this is the spread of the estimate and not its standard error.\n",
        ladder.splits,
        ladder.test_share * 100.0
    )?;
    for subset in &ladder.subsets {
        table(card, subset)?;
    }
    Ok(())
}

fn table(card: &mut String, subset: &LadderSubset) -> std::fmt::Result {
    writeln!(
        card,
        "### {}: {} rows of {} patients, {} with the outcome\n",
        subset.name, subset.rows, subset.patients, subset.events
    )?;
    writeln!(
        card,
        "| | AUROC | Brier | calibration slope | intercept | AUROC less L1 | Brier less L1 |\n|---|---|---|---|---|---|---|"
    )?;
    for arm in &subset.arms {
        let cells = [arm.auroc, arm.brier, arm.slope, arm.intercept, arm.auroc_less_l1, arm.brier_less_l1];
        writeln!(card, "| {} | {} |", arm.name, cells.map(shown).join(" | "))?;
    }
    writeln!(card)
}

fn rule(card: &mut String, ladder: &Ladder) -> std::fmt::Result {
    let decision = &ladder.decision;
    writeln!(
        card,
        "## Which level is kept\n\n{}. Brier scores here are those of one fit, meaned over the splits; the interval is over resampled patients and splits.\n",
        decision.reason
    )?;
    writeln!(card, "| subgroup or stress | Brier L1 | Brier L2 | L2 worse |\n|---|---|---|---|")?;
    for one in &decision.compared {
        let worse = if one.worse { "yes" } else { "no" };
        writeln!(card, "| {} | {:.4} | {:.4} | {worse} |", one.name, one.l1, one.l2)?;
    }
    writeln!(
        card,
        "\nWith a side missing L2 could answer with its learned token; the calibrated other side is used instead:\n"
    )?;
    writeln!(card, "| | Brier with the token | Brier of the other side |\n|---|---|---|")?;
    for (name, token, fallback) in &ladder.tokens {
        writeln!(card, "| {name} | {token:.4} | {fallback:.4} |")?;
    }
    writeln!(card)
}

/// How the rows with a picture stand to the sizes that are published. Candidate parameters are the components of the picture,
/// the columns of the record and the weights of both sides, with a formula also its weight and three terms for what is missing;
/// those of the networks of L2 are more, and no criterion is made for them.
pub(super) fn sample_size(body: &Body, report: &Report) -> Option<SampleSize> {
    let first = report.arms.first()?;
    let value = |found: Option<Estimate>| found.map(|found| found.value);
    let weights = if body.config.formula.is_some() { 6 } else { 2 };
    Some(SampleSize::of(
        body.projection.components() + body.columns.len() + weights,
        body.pictured,
        (first.cases, first.events),
        value(first.log_loss),
        value(first.auroc),
    ))
}

fn limits(card: &mut String, model: &FusedModel) -> std::fmt::Result {
    writeln!(card, "## Limits\n")?;
    for limit in &model.config().table.limits {
        writeln!(card, "- {limit}")?;
    }
    writeln!(card)
}

fn shown(found: Option<Interval>) -> String {
    found.map_or_else(
        || "-".to_owned(),
        |found| format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high),
    )
}
