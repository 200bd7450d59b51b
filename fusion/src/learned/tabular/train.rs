//! Fits a model of a table on 60 % of the patients, calibrates it on 20 %, evaluates it on the rest.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::card;
use super::columns::{Column, Encoded, columns, encode};
use super::config::{CalibrationMethod, ColumnSign, TabularConfig};
use super::model::{Body, FORMAT, TabularModel};
use super::shown::Shown;
use super::table::{Row, Table, TableError};
use crate::calibrate::{Calibration, Case as CalibrationCase, Conformal};
use crate::evaluation::Report;
use crate::learned::familiarity::Familiarity;
use crate::learned::file::ModelFileError;
use crate::learned::formula::{self, FormulaInput};
use crate::learned::holdout::{self, Holdout, Member};
use crate::learned::linear::{self, Linear};

/// Ridge penalties that are tried.
const LAMBDAS: [f64; 6] = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0];
/// Folds, by patient, in which the penalty is chosen.
const FOLDS: usize = 5;
/// Models on resampled patients.
const MEMBERS: usize = 50;
/// Share of each class that the conformal sets may leave out.
const ALPHA: f64 = 0.1;

/// A model with its evaluation and its card.
#[derive(Debug, Clone)]
pub struct TabularTrained {
    /// The model.
    pub model: TabularModel,
    /// How it did on patients that it was neither fitted nor calibrated on.
    pub report: Report,
    /// The same made anew without the latest patients, and without each site, where the configuration names the columns.
    pub holdouts: Vec<Holdout>,
    /// The card, in Markdown.
    pub card: String,
}

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TabularTrainError {
    /// The table lacks what the configuration reads.
    #[error(transparent)]
    Table(#[from] TableError),
    /// What was fitted is no sound model.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// A cell of the formula's column is neither empty nor a probability.
    #[error(
        "column `{column}` of the formula has no probability from 0 to 1 in row {row}: empty where it is not computable"
    )]
    Formula {
        /// The column.
        column: String,
        /// The row, from 1.
        row: usize,
    },
    /// Too few patients, or one class only in one of the parts.
    #[error(
        "the table has {rows} labelled rows of {patients} patients; fitting, calibration and evaluation each need both outcomes"
    )]
    TooFew {
        /// Rows with an outcome.
        rows: usize,
        /// Their patients.
        patients: usize,
    },
}

/// A labelled row as it is fitted on.
struct Case<'a> {
    row: Row<'a>,
    encoded: Encoded,
    label: bool,
    patient: usize,
}

/// Every row that has an outcome, a patient and at least one input; patients are numbered in the order they come.
fn members<'a>(config: &TabularConfig, table: &'a Table) -> (Vec<Member<'a>>, usize) {
    let shared = table.shared(&config.patient);
    let mut numbers: Vec<Option<u32>> = vec![None; shared.len()];
    let (mut patients, mut found) = (0_u32, Vec::new());
    for (row, patient) in table.rows().zip(&shared) {
        let (Some(label), Some(patient)) = (row.label(config), *patient) else { continue };
        if encode(config, row).present == 0 {
            continue;
        }
        let number = numbers[patient as usize].get_or_insert_with(|| {
            patients += 1;
            patients - 1
        });
        found.push(Member { row, patient: *number as usize, label });
    }
    found.shrink_to_fit();
    (found, patients as usize)
}

/// Trains, calibrates and evaluates.
pub fn train_table(config: &TabularConfig, table: &Table) -> Result<TabularTrained, TabularTrainError> {
    table.check(config, true)?;
    let unusable = config.formula.as_ref().and_then(|input| Some((input, input.unusable(table)?)));
    if let Some((input, row)) = unusable {
        return Err(TabularTrainError::Formula { column: input.column.clone(), row });
    }
    let (all, patients) = members(config, table);
    let too_few = || TabularTrainError::TooFew { rows: all.len(), patients };
    let all: Vec<Case<'_>> = all
        .iter()
        .map(|one| Case {
            row: one.row,
            encoded: encode(config, one.row),
            label: one.label,
            patient: one.patient,
        })
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(config.seed);
    let mut order: Vec<usize> = (0..patients).collect();
    order.shuffle(&mut random);
    let mut part = vec![0_u8; patients];
    for (at, patient) in order.iter().enumerate() {
        part[*patient] = match at * 5 / patients.max(1) {
            0..=2 => 0,
            3 => 1,
            _ => 2,
        };
    }
    let of =
        |wanted: u8| -> Vec<&Case<'_>> { all.iter().filter(|case| part[case.patient] == wanted).collect() };
    let (fit_on, calibrate_on, test_on) = (of(0), of(1), of(2));
    let model = develop(config, &fit_on, &calibrate_on, &mut random).ok_or_else(too_few)??;
    let report = Shown::of(&model, &seen(&test_on)).report(&model).ok_or_else(too_few)?;
    let holdouts = held_out(config, &all);
    let card = card::write(&model, &report, &holdouts);
    Ok(TabularTrained { model, report, holdouts, card })
}

/// Chooses the penalty and fits on some patients, calibrates on others; `None` where one of them is too few.
fn develop(
    config: &TabularConfig,
    fit_on: &[&Case<'_>],
    calibrate_on: &[&Case<'_>],
    random: &mut ChaCha8Rng,
) -> Option<Result<TabularModel, ModelFileError>> {
    let columns = columns(config);
    let lambda = choose(fit_on, &columns, random)?;
    let linear = fit(fit_on, &columns, lambda, |_| 1.0)?;
    let members = resampled(fit_on, &columns, lambda, random);
    let shown: Vec<CalibrationCase> = calibrate_on
        .iter()
        .map(|case| CalibrationCase {
            stratum: case.encoded.stratum().to_owned(),
            logit: linear.logit(&case.encoded.columns),
            label: case.label,
        })
        .collect();
    let calibration = Calibration::fit(&shown, config.calibration == CalibrationMethod::Isotonic)?;
    let probable: Vec<(String, f64, bool)> = shown
        .iter()
        .map(|case| (case.stratum.clone(), calibration.apply(&case.stratum, case.logit), case.label))
        .collect();
    let conformal = Conformal::fit(&probable, ALPHA)?;
    let formula_alone = match &config.formula {
        Some(input) => Some(alone(input, calibrate_on)?),
        None => None,
    };
    let known: Vec<Vec<Option<f64>>> = fit_on.iter().map(|case| case.encoded.columns.clone()).collect();
    let body = Body {
        format: FORMAT,
        config: config.clone(),
        columns: columns.into_iter().map(|column| column.name).collect(),
        linear,
        lambda,
        calibration,
        conformal,
        members,
        familiarity: Familiarity::fit(&known),
        formula_alone,
        fitted: counts(fit_on),
        calibrated: counts(calibrate_on),
    };
    Some(TabularModel::of(&body))
}

/// The formula alone, calibrated on the same patients as the model.
fn alone(input: &FormulaInput, cases: &[&Case<'_>]) -> Option<[f64; 2]> {
    let logits: Vec<Option<f64>> = cases.iter().map(|case| input.logit(case.row)).collect();
    let labels: Vec<f64> = cases.iter().map(|case| f64::from(u8::from(case.label))).collect();
    formula::alone(&logits, &labels, &vec![1.0; cases.len()])
}

/// The model made anew for each split that is not by chance. Three quarters of the developing patients are fitted on, one is
/// calibrated on; the tested ones are seen by neither, nor by the choice of the penalty.
fn held_out(config: &TabularConfig, all: &[Case<'_>]) -> Vec<Holdout> {
    let members: Vec<Member<'_>> =
        all.iter().map(|case| Member { row: case.row, patient: case.patient, label: case.label }).collect();
    let made = holdout::partitions(config.time.as_ref(), config.site.as_deref(), &members);
    let made = made.into_iter().map(|partition| {
        let mut random = ChaCha8Rng::seed_from_u64(config.seed);
        let mut order: Vec<usize> = partition.developing.iter().copied().collect();
        order.shuffle(&mut random);
        let fitted: BTreeSet<usize> = order.iter().copied().take(order.len() * 3 / 4).collect();
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<&Case<'_>> {
            all.iter().filter(|case| wanted(case.patient)).collect()
        };
        let fit_on = of(&|patient| fitted.contains(&patient));
        let calibrate_on =
            of(&|patient| partition.developing.contains(&patient) && !fitted.contains(&patient));
        let test_on = of(&|patient| partition.tested.contains(&patient));
        let model = develop(config, &fit_on, &calibrate_on, &mut random).and_then(Result::ok);
        let found = model.and_then(|model| Shown::of(&model, &seen(&test_on)).report(&model));
        partition.with(&members, found)
    });
    made.collect()
}

/// Evaluates a model on every labelled row of another table, which is let go before patients are drawn.
pub fn evaluate_table(model: &TabularModel, table: Table) -> Result<Report, TabularTrainError> {
    table.check(model.config(), true)?;
    let (all, patients) = members(model.config(), &table);
    let too_few = TabularTrainError::TooFew { rows: all.len(), patients };
    let shown = Shown::of(model, &all);
    drop(all);
    drop(table);
    shown.report(model).ok_or(too_few)
}

/// Cases as they are evaluated, which reads each row anew: what is fitted on is several times as large.
fn seen<'a>(cases: &[&Case<'a>]) -> Vec<Member<'a>> {
    cases.iter().map(|case| Member { row: case.row, patient: case.patient, label: case.label }).collect()
}

/// Rows, patients, events.
fn counts(cases: &[&Case<'_>]) -> [usize; 3] {
    let patients: BTreeSet<usize> = cases.iter().map(|case| case.patient).collect();
    [cases.len(), patients.len(), cases.iter().filter(|case| case.label).count()]
}

/// A ridge logistic regression with the signs that the columns ask for: a column whose weight comes out on the wrong side
/// is left out, the worst first, and the rest is fitted again.
fn fit(
    cases: &[&Case<'_>],
    columns: &[Column],
    lambda: f64,
    weight: impl Fn(usize) -> f64,
) -> Option<Linear> {
    let used: Vec<&&Case<'_>> = cases.iter().filter(|case| weight(case.patient) > 0.0).collect();
    let labels: Vec<f64> = used.iter().map(|case| f64::from(u8::from(case.label))).collect();
    let weights: Vec<f64> = used.iter().map(|case| weight(case.patient)).collect();
    let mut left_out = vec![false; columns.len()];
    loop {
        let rows: Vec<Vec<Option<f64>>> = used
            .iter()
            .map(|case| {
                let values = case.encoded.columns.iter().zip(&left_out);
                values.map(|(value, out)| if *out { None } else { *value }).collect()
            })
            .collect();
        let mut found = linear::fit(&rows, &labels, &weights, lambda)?;
        let wrong = |at: usize| match columns[at].sign {
            ColumnSign::Any => 0.0,
            ColumnSign::NonNegative => (-found.weights[at]).max(0.0),
            ColumnSign::NonPositive => found.weights[at].max(0.0),
        };
        let worst = (0..columns.len())
            .filter(|at| !left_out[*at] && wrong(*at) > 0.0)
            .max_by(|one, other| wrong(*one).total_cmp(&wrong(*other)));
        let Some(worst) = worst else {
            for (at, out) in left_out.iter().enumerate() {
                if *out {
                    found.weights[at] = 0.0;
                }
            }
            return Some(found);
        };
        left_out[worst] = true;
    }
}

/// The penalty with the least log-loss over folds by patient.
fn choose(cases: &[&Case<'_>], columns: &[Column], random: &mut ChaCha8Rng) -> Option<f64> {
    let highest = cases.iter().map(|case| case.patient).max()?;
    let folds: Vec<usize> = (0..=highest).map(|_| random.random_range(0..FOLDS)).collect();
    let loss = |lambda: f64| -> Option<f64> {
        let mut sum = 0.0;
        for fold in 0..FOLDS {
            let weight = |patient: usize| if folds[patient] == fold { 0.0 } else { 1.0 };
            let model = fit(cases, columns, lambda, weight)?;
            for case in cases.iter().filter(|case| folds[case.patient] == fold) {
                let logit = model.logit(&case.encoded.columns);
                let signed = if case.label { -logit } else { logit };
                sum += signed.max(0.0) + (-signed.abs()).exp().ln_1p();
            }
        }
        Some(sum)
    };
    let tried = LAMBDAS.iter().filter_map(|lambda| Some((*lambda, loss(*lambda)?)));
    tried.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(lambda, _)| lambda)
}

/// Models on resampled patients.
fn resampled(cases: &[&Case<'_>], columns: &[Column], lambda: f64, random: &mut ChaCha8Rng) -> Vec<Linear> {
    let patients: Vec<usize> = cases
        .iter()
        .map(|case| case.patient)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let highest = patients.last().copied().unwrap_or_default();
    (0..MEMBERS)
        .filter_map(|_| {
            let mut times = vec![0.0; highest + 1];
            for _ in 0..patients.len() {
                times[patients[random.random_range(0..patients.len())]] += 1.0;
            }
            fit(cases, columns, lambda, |patient| times[patient])
        })
        .collect()
}
