//! Fits a model of a table on 60 % of the patients, calibrates it on 20 %, evaluates it on the rest.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::card;
use super::columns::{Column, Encoded, Row, Table, TableError, columns, encode};
use super::config::{ColumnSign, TabularConfig};
use super::model::{Body, FORMAT, TabularModel};
use crate::calibrate::{Calibration, Case as CalibrationCase, Conformal};
use crate::evaluation::{self, Report, ReportInput, SubgroupColumn};
use crate::learned::familiarity::Familiarity;
use crate::learned::file::ModelFileError;
use crate::learned::holdout::{self, Holdout, Member};
use crate::learned::linear::{self, Linear};

/// Ridge penalties that are tried.
const LAMBDAS: [f64; 6] = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0];
/// Folds, by patient, in which the penalty is chosen.
const FOLDS: usize = 5;
/// Models on resampled patients.
const MEMBERS: usize = 50;
/// Draws of patients of the evaluation.
const DRAWS: usize = 2000;
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

/// A labelled row.
struct Case<'a> {
    row: Row<'a>,
    encoded: Encoded,
    label: bool,
    patient: usize,
}

/// Every row that has an outcome, a patient and at least one input; patients are numbered in the order they come.
fn cases<'a>(config: &TabularConfig, table: &'a Table) -> (Vec<Case<'a>>, usize) {
    let mut patients = std::collections::HashMap::new();
    let mut found = Vec::new();
    for row in table.rows() {
        let (Some(label), Some(patient)) = (row.label(config), row.text(&config.patient)) else { continue };
        let encoded = encode(config, row);
        if encoded.present == 0 {
            continue;
        }
        let next = patients.len();
        let patient = *patients.entry(patient).or_insert(next);
        found.push(Case { row, encoded, label, patient });
    }
    (found, patients.len())
}

/// Trains, calibrates and evaluates.
pub fn train_table(config: &TabularConfig, table: &Table) -> Result<TabularTrained, TabularTrainError> {
    table.check(config, true)?;
    let (all, patients) = cases(config, table);
    let too_few = || TabularTrainError::TooFew { rows: all.len(), patients };
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
    let report = report(&model, &test_on).ok_or_else(too_few)?;
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
    let members = members(fit_on, &columns, lambda, random);
    let shown: Vec<CalibrationCase> = calibrate_on
        .iter()
        .map(|case| CalibrationCase {
            stratum: case.encoded.stratum().to_owned(),
            logit: linear.logit(&case.encoded.columns),
            label: case.label,
        })
        .collect();
    let calibration = Calibration::fit(&shown, false)?;
    let probable: Vec<(String, f64, bool)> = shown
        .iter()
        .map(|case| (case.stratum.clone(), calibration.apply(&case.stratum, case.logit), case.label))
        .collect();
    let conformal = Conformal::fit(&probable, ALPHA)?;
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
        fitted: counts(fit_on),
        calibrated: counts(calibrate_on),
    };
    Some(TabularModel::of(&body))
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
        let found = model.and_then(|model| report(&model, &test_on));
        partition.with(&members, found)
    });
    made.collect()
}

/// Evaluates a model on every labelled row of another table.
pub fn evaluate_table(model: &TabularModel, table: &Table) -> Result<Report, TabularTrainError> {
    table.check(model.config(), true)?;
    let (all, patients) = cases(model.config(), table);
    let shown: Vec<&Case<'_>> = all.iter().collect();
    report(model, &shown).ok_or(TabularTrainError::TooFew { rows: all.len(), patients })
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

fn members(cases: &[&Case<'_>], columns: &[Column], lambda: f64, random: &mut ChaCha8Rng) -> Vec<Linear> {
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

/// The model on cases that it does not know, beside its comparators, by subgroup, and with values taken away.
fn report(model: &TabularModel, cases: &[&Case<'_>]) -> Option<Report> {
    let config = model.config();
    let body = &model.body;
    let labels: Vec<bool> = cases.iter().map(|case| case.label).collect();
    let patients: Vec<usize> = cases.iter().map(|case| case.patient).collect();
    let own: Vec<Option<f64>> = cases.iter().map(|case| model.probability(case.row)).collect();
    let mut arms = vec![(config.id.clone(), own)];
    for comparator in &config.comparators {
        let raw: Vec<Option<f64>> = cases.iter().map(|case| case.row.compared(comparator)).collect();
        let shown = match comparator {
            super::Comparator::Column { .. } => ranked(&raw),
            super::Comparator::BrockNodule { .. } => raw,
        };
        arms.push((comparator.name(), shown));
    }
    let mut subgroups: Vec<SubgroupColumn> = config
        .subgroups
        .iter()
        .map(|column| SubgroupColumn {
            name: column.clone(),
            values: cases
                .iter()
                .map(|case| case.row.text(column).unwrap_or("not stated").to_owned())
                .collect(),
        })
        .collect();
    let members: Vec<Member<'_>> =
        cases.iter().map(|case| Member { row: case.row, patient: case.patient, label: case.label }).collect();
    let named = |one: &SubgroupColumn| config.subgroups.contains(&one.name);
    let more = holdout::groups(config.time.as_ref(), config.site.as_deref(), &members);
    subgroups.extend(more.into_iter().filter(|one| !named(one)));
    let stress = [25_u64, 50, 100].map(|share| {
        let mut random = ChaCha8Rng::seed_from_u64(config.seed ^ share);
        let masked = |case: &&Case<'_>| {
            let columns = masked(config, &case.encoded.columns, share, &mut random);
            body.calibration.apply("incomplete", body.linear.logit(&columns))
        };
        (format!("{share} % of the inputs taken away"), cases.iter().map(masked).collect())
    });
    evaluation::evaluate(&ReportInput {
        labels: &labels,
        patients: &patients,
        arms: &arms,
        thresholds: &config.thresholds,
        subgroups: &subgroups,
        stress: &stress,
        draws: DRAWS,
        seed: config.seed,
    })
}

/// Each input is missing with this chance in percent: its columns have no number, its flag is 1.
pub(in crate::learned) fn masked(
    config: &TabularConfig,
    values: &[Option<f64>],
    percent: u64,
    random: &mut ChaCha8Rng,
) -> Vec<Option<f64>> {
    let mut made = Vec::with_capacity(values.len());
    let widths = config.numeric.iter().map(|_| 1);
    let widths = widths.chain(config.truth.iter().map(|_| 1));
    let widths = widths.chain(config.category.iter().map(|one| one.values.len() + 1));
    for width in widths {
        let gone = random.random_range(0..100) < percent;
        let at = made.len();
        made.extend(values[at..at + width].iter().map(|value| value.filter(|_| !gone)));
        if config.missing_flags {
            made.push(if gone { Some(1.0) } else { values[at + width] });
        }
    }
    made
}

/// Numbers brought to 0 to 1 by their rank.
pub(in crate::learned) fn ranked(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let share = |value: f64| (sorted.partition_point(|other| *other < value) as f64 + 0.5) / (count + 1.0);
    values.iter().map(|value| value.map(share)).collect()
}
