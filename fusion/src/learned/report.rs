//! The late fusion by every measure of the shared evaluation, and which of its answers say nothing either way.

use super::encode::{COLUMNS, RecordRow};
use super::evaluate::{Arm, Tested, pool};
use super::fit::Case;
use super::model::Stratum;
use super::train::TrainOptions;
use crate::assess::ChestView;
use crate::calibrate::Conformal;
use crate::evaluation::{self, Estimate, Report, ReportInput, SampleSize, SubgroupColumn};

/// What is taken away, and of how many laboratory values in percent; 100 is the record, 0 the picture.
pub(super) const STRESSES: [(&str, u32); 4] = [
    ("25 % of the laboratory values taken away", 25),
    ("50 % of the laboratory values taken away", 50),
    ("record taken away", 100),
    ("picture taken away", 0),
];

/// Probabilities at which decisions are measured.
const THRESHOLDS: [f64; 3] = [0.3, 0.5, 0.7];
/// Share of each class that the conformal bounds may leave out.
const ALPHA: f64 = 0.1;
/// Where an age band ends and the next begins, in years.
const AGES: [f64; 2] = [50.0, 65.0];

/// All examinations, then AP only; a set without both outcomes is left out.
pub(super) fn all(cases: &[Case], tested: &[Tested], options: &TrainOptions) -> Vec<(String, Report)> {
    let sets = [("all", None), ("AP", Some(ChestView::Ap))];
    let made = sets
        .into_iter()
        .filter_map(|(name, view)| Some((name.to_owned(), report(cases, tested, options, view)?)));
    made.collect()
}

fn report(
    cases: &[Case],
    tested: &[Tested],
    options: &TrainOptions,
    view: Option<ChestView>,
) -> Option<Report> {
    let answers = pool(cases, tested, |one| one.arms);
    let stressed = pool(cases, tested, |one| one.stress);
    let known = cases.iter().zip(answers.iter().zip(&stressed));
    let inside = known.filter(|(case, _)| view.is_none_or(|view| case.view == view));
    let rows: Vec<(&Case, [f64; 4], [f64; 4])> =
        inside.filter_map(|(case, (arms, stress))| Some((case, (*arms)?, (*stress)?))).collect();
    let labels: Vec<bool> = rows.iter().map(|(case, ..)| case.label > 0.5).collect();
    let patients: Vec<usize> = rows.iter().map(|(case, ..)| case.patient).collect();
    let arms: Vec<(String, Vec<Option<f64>>)> = Arm::ALL
        .iter()
        .enumerate()
        .map(|(at, arm)| (arm.name().to_owned(), rows.iter().map(|(_, arms, _)| Some(arms[at])).collect()))
        .collect();
    let stress: Vec<(String, Vec<f64>)> = STRESSES
        .iter()
        .enumerate()
        .map(|(at, (name, _))| ((*name).to_owned(), rows.iter().map(|(.., stress)| stress[at]).collect()))
        .collect();
    let column = |name: &str, of: fn(&Case) -> &'static str| {
        SubgroupColumn::new(name, rows.iter().map(|(case, ..)| of(case)))
    };
    let mut subgroups = vec![column("sex", sex), column("age", age)];
    subgroups.extend(view.is_none().then(|| column("view", seen)));
    let mut report = evaluation::evaluate(&ReportInput {
        labels: &labels,
        patients: &patients,
        arms: &arms,
        thresholds: &THRESHOLDS,
        subgroups: &subgroups,
        stress: &stress,
        draws: options.draws,
        seed: options.seed,
    })?;
    report.sample_size = sample_size(cases, options, &report);
    Some(report)
}

/// Candidate parameters are the findings, the columns of the record, both weights and the intercept of the fusion.
fn sample_size(cases: &[Case], options: &TrainOptions, report: &Report) -> Option<SampleSize> {
    let first = report.arms.first()?;
    let value = |found: Option<Estimate>| found.map(|found| found.value);
    let patients: std::collections::BTreeSet<usize> = cases.iter().map(|case| case.patient).collect();
    let events = cases.iter().filter(|case| case.label > 0.5).count();
    Some(SampleSize::of(
        options.labels.len() + COLUMNS + 2,
        [cases.len(), patients.len(), events],
        (first.cases, first.events),
        value(first.log_loss),
        value(first.auroc),
    ))
}

/// Bounds by class and by which sides answered, on what the first split that tested a case said of it: the answers of one fit, on
/// patients that it did not see. `None` where a class is empty.
pub(super) fn conformal(cases: &[Case], tested: &[Tested]) -> Option<Conformal> {
    let mut seen = vec![false; cases.len()];
    let mut shown: Vec<(String, f64, bool)> = Vec::new();
    for one in tested.iter().flatten() {
        if std::mem::replace(&mut seen[one.case], true) {
            continue;
        }
        let case = &cases[one.case];
        let mut add = |stratum: Stratum, arm: usize| {
            shown.push((stratum.word().to_owned(), one.arms[arm], case.label > 0.5));
        };
        add(Stratum::ImageOnly, 1);
        if case.record.has_labs() {
            add(Stratum::Fused, 0);
            add(Stratum::RecordOnly, 2);
        }
    }
    Conformal::fit(&shown, ALPHA)
}

fn sex(case: &Case) -> &'static str {
    let RecordRow { male, .. } = &case.record;
    match male {
        Some(male) if *male > 0.5 => "male",
        Some(_) => "female",
        None => "not stated",
    }
}

fn age(case: &Case) -> &'static str {
    match case.age {
        None => "not stated",
        Some(years) if years < AGES[0] => "below 50",
        Some(years) if years < AGES[1] => "50 to below 65",
        Some(_) => "65 and more",
    }
}

fn seen(case: &Case) -> &'static str {
    match case.view {
        ChestView::Ap => "AP",
        ChestView::Pa => "PA",
    }
}
