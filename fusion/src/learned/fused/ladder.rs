//! The levels side by side on patients kept apart, over many splits.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::answer::Answered;
use super::decision::{Decision, Errors};
use super::prepared::Prepared;
use crate::calibrate::Conformal;
use crate::evaluation::{self, Report, ReportInput, SubgroupColumn};
use crate::learned::holdout::{self, Holdout, Member};
use crate::learned::measured::{Interval, Measured};

/// Names of the arms that are always there, in the order of the tables; shortcuts and comparators follow.
pub(super) const ARMS: [&str; 4] = ["L2 gated", "L1 late", "L0 image only", "L0 record only"];
/// The arm after them where a formula is declared.
pub(super) const FORMULA_ARM: &str = "L0 formula only";

/// Draws of patients.
const DRAWS: usize = 2000;
/// Share of each class that the conformal bounds may leave out.
const ALPHA: f64 = 0.1;

/// One arm over the splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmOverSplits {
    /// Name.
    pub name: String,
    /// Area under the curve.
    pub auroc: Option<Interval>,
    /// Brier score.
    pub brier: Option<Interval>,
    /// Calibration slope.
    pub slope: Option<Interval>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<Interval>,
    /// AUROC less that of L1 in the same split.
    pub auroc_less_l1: Option<Interval>,
    /// Brier score less that of L1 in the same split; below 0 is better than L1.
    pub brier_less_l1: Option<Interval>,
}

/// The comparison on a set of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LadderSubset {
    /// Which rows.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Their patients.
    pub patients: usize,
    /// Rows with the outcome.
    pub events: usize,
    /// Every arm.
    pub arms: Vec<ArmOverSplits>,
}

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// Splits by patient.
    pub splits: usize,
    /// Share of the patients that each tested.
    pub test_share: f64,
    /// Seed.
    pub seed: u64,
    /// All rows with a picture, then the sets that the configuration names.
    pub subsets: Vec<LadderSubset>,
    /// Brier score of L2 with the learned token in the place of a side, which is not used: `image removed`, `record removed`,
    /// and the calibrated side alone beside it.
    pub tokens: Vec<(String, f64, f64)>,
    /// Which level is kept, and why.
    pub decision: Decision,
    /// The kept level first, on each row's mean answer over the splits that tested it. Its AUROCs are across splits with base
    /// rates of their own and so lower than those within splits.
    pub report: Report,
    /// The kept level without the latest patients, and without each site, where the configuration names the columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holdouts: Vec<Holdout>,
}

/// Answers of one split: row, and a probability for each arm, each stress of L1 and of L2, and each token.
pub(super) struct Tested {
    pub(super) row: usize,
    pub(super) arms: Vec<Option<f64>>,
    pub(super) stress_l1: Vec<f64>,
    pub(super) stress_l2: Vec<f64>,
    pub(super) tokens: Vec<f64>,
}

/// Titles of what is taken away, and of how much of the record in percent; 100 is all of it.
pub(super) const STRESSES: [(&str, u64); 4] = [
    ("25 % of the record's inputs taken away", 25),
    ("50 % of the record's inputs taken away", 50),
    ("record taken away", 100),
    ("picture taken away", 0),
];
/// What stands in for a side in [`Ladder::tokens`].
pub(super) const TOKENS: [&str; 2] = ["picture", "record"];

/// Splits, fits and compares; `progress` is told each finished split. `None` where too few splits could be fitted. Beside the
/// comparison is which answers of the kept level say nothing either way, where there are rows enough to tell.
pub(super) fn climb(
    prepared: &Prepared<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Option<(Ladder, Option<Conformal>)> {
    let config = prepared.config;
    let mut random = ChaCha8Rng::seed_from_u64(config.table.seed);
    let mut splits: Vec<Vec<Tested>> = Vec::new();
    for at in 0..config.splits.count {
        splits.extend(prepared.split(&mut random));
        progress(at + 1, config.splits.count);
    }
    if splits.len() * 2 < config.splits.count {
        return None;
    }
    let mut names: Vec<String> = ARMS.iter().map(|name| (*name).to_owned()).collect();
    names.extend(prepared.other_arms());
    let everyone = |row: usize| prepared.is_compared(row);
    let mut subsets = vec![subset("all", &everyone, prepared, &splits, &names)];
    for one in &config.subsets {
        let inside = |row: usize| everyone(row) && prepared.text(row, &one.column) == one.value;
        subsets.push(subset(&one.name, &inside, prepared, &splits, &names));
    }
    let pooled = Pooled::of(prepared, &splits, names.clone())?;
    let decision = pooled.decide(prepared);
    let kept = usize::from(decision.keeps == super::Level::L1);
    let report = pooled.report(prepared, kept)?;
    let holdouts = held_out(prepared, &names, kept);
    let conformal = pooled.conformal(prepared, kept);
    let ladder = Ladder {
        splits: splits.len(),
        test_share: config.splits.test_share,
        seed: config.table.seed,
        subsets,
        tokens: pooled.tokens(),
        decision,
        report,
        holdouts,
    };
    Some((ladder, conformal))
}

/// Both levels made anew for each split that is not by chance; the report is of the arm that is kept. Which level is kept was
/// decided on the random splits.
fn held_out(prepared: &Prepared<'_>, names: &[String], kept: usize) -> Vec<Holdout> {
    let table = &prepared.config.table;
    let rows = prepared.rows.iter().zip(&prepared.cases);
    let members: Vec<Member<'_>> = rows
        .map(|(row, case)| Member { row: *row, patient: case.patient, label: case.label > 0.5 })
        .collect();
    let made = holdout::partitions(table.time.as_ref(), table.site.as_deref(), &members);
    let made = made.into_iter().map(|partition| {
        let mut random = ChaCha8Rng::seed_from_u64(table.seed);
        let tested = prepared.apart(&partition.developing, &partition.tested, &mut random);
        let pooled = tested.and_then(|tested| Pooled::of(prepared, &[tested], names.to_vec()));
        partition.with(&members, pooled.and_then(|pooled| pooled.report(prepared, kept)))
    });
    made.collect()
}

fn subset(
    name: &str,
    inside: &dyn Fn(usize) -> bool,
    prepared: &Prepared<'_>,
    splits: &[Vec<Tested>],
    names: &[String],
) -> LadderSubset {
    let kept: Vec<usize> = (0..prepared.cases.len()).filter(|row| inside(*row)).collect();
    let by_split: Vec<Vec<Measured>> = splits
        .iter()
        .map(|split| {
            let rows: Vec<&Tested> = split.iter().filter(|tested| inside(tested.row)).collect();
            (0..names.len()).map(|arm| measured(prepared, &rows, arm)).collect()
        })
        .collect();
    let arms = names.iter().enumerate().map(|(arm, name)| {
        let over = |pick: fn(&Measured) -> Option<f64>| {
            Interval::over(by_split.iter().filter_map(|split| pick(&split[arm])))
        };
        let less = |pick: fn(&Measured) -> Option<f64>| {
            Interval::over(by_split.iter().filter_map(|split| Some(pick(&split[arm])? - pick(&split[1])?)))
        };
        ArmOverSplits {
            name: name.clone(),
            auroc: over(|found| found.auroc),
            brier: over(|found| found.brier),
            slope: over(|found| found.slope),
            intercept: over(|found| found.intercept),
            auroc_less_l1: less(|found| found.auroc).filter(|_| arm != 1),
            brier_less_l1: less(|found| found.brier).filter(|_| arm != 1),
        }
    });
    let patients: std::collections::BTreeSet<usize> =
        kept.iter().map(|row| prepared.cases[*row].patient).collect();
    LadderSubset {
        name: name.to_owned(),
        rows: kept.len(),
        patients: patients.len(),
        events: kept.iter().filter(|row| prepared.cases[**row].label > 0.5).count(),
        arms: arms.collect(),
    }
}

/// Measures of one arm on the tested rows of one split.
fn measured(prepared: &Prepared<'_>, rows: &[&Tested], arm: usize) -> Measured {
    let answered: Vec<(f64, bool)> = rows
        .iter()
        .filter_map(|tested| Some((tested.arms[arm]?, prepared.cases[tested.row].label > 0.5)))
        .collect();
    let (answers, labels): (Vec<f64>, Vec<bool>) = answered.into_iter().unzip();
    Measured::of(&answers, &labels)
}

/// Each compared row's mean answers over the splits that tested it.
struct Pooled {
    rows: Vec<usize>,
    labels: Vec<bool>,
    names: Vec<String>,
    arms: Vec<Vec<Option<f64>>>,
    /// Each row's answers in the first split that tested it: those of one fit, as a model gives them.
    firsts: Vec<Vec<Option<f64>>>,
    stress_l1: Vec<Vec<f64>>,
    stress_l2: Vec<Vec<f64>>,
    /// Mean squared errors: of L1 and L2, under each stress, and with each token.
    errors: [Vec<f64>; 2],
    stress_errors: Vec<(String, Vec<f64>, Vec<f64>)>,
    token_errors: Vec<Vec<f64>>,
    /// L2's squared error less L1's: of each split, by position in `rows`.
    gaps: Vec<Vec<(usize, f64)>>,
}

impl Pooled {
    fn of(prepared: &Prepared<'_>, splits: &[Vec<Tested>], names: Vec<String>) -> Option<Self> {
        let mut by_row: std::collections::BTreeMap<usize, Vec<&Tested>> = std::collections::BTreeMap::new();
        for tested in splits.iter().flatten() {
            by_row.entry(tested.row).or_default().push(tested);
        }
        let first = by_row.values().next()?.first()?;
        let (stresses, tokens) = (first.stress_l1.len(), first.tokens.len());
        let mean = |pick: &dyn Fn(&Tested) -> f64| -> Vec<f64> {
            by_row
                .values()
                .map(|all| all.iter().map(|one| pick(one)).sum::<f64>() / all.len() as f64)
                .collect()
        };
        let error = |row: usize, probability: f64| (probability - prepared.cases[row].label).powi(2);
        let error = &error;
        let at: std::collections::BTreeMap<usize, usize> =
            by_row.keys().enumerate().map(|(at, row)| (*row, at)).collect();
        let gap = |one: &Tested| {
            let (l2, l1) = (one.arms[0]?, one.arms[1]?);
            Some((*at.get(&one.row)?, error(one.row, l2) - error(one.row, l1)))
        };
        let gaps = splits.iter().map(|split| split.iter().filter_map(gap).collect()).collect();
        let arm = |arm: usize| -> Vec<Option<f64>> {
            by_row
                .values()
                .map(|all| {
                    let found: Vec<f64> = all.iter().filter_map(|one| one.arms[arm]).collect();
                    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
                })
                .collect()
        };
        Some(Self {
            labels: by_row.keys().map(|row| prepared.cases[*row].label > 0.5).collect(),
            arms: (0..names.len()).map(arm).collect(),
            firsts: by_row.values().filter_map(|all| Some(all.first()?.arms.clone())).collect(),
            stress_l1: (0..stresses).map(|at| mean(&move |one: &Tested| one.stress_l1[at])).collect(),
            stress_l2: (0..stresses).map(|at| mean(&move |one: &Tested| one.stress_l2[at])).collect(),
            errors: [1, 0].map(|arm| mean(&move |one: &Tested| error(one.row, one.arms[arm].unwrap_or(0.5)))),
            stress_errors: STRESSES
                .iter()
                .enumerate()
                .map(|(at, (name, _))| {
                    let l1 = mean(&move |one: &Tested| error(one.row, one.stress_l1[at]));
                    let l2 = mean(&move |one: &Tested| error(one.row, one.stress_l2[at]));
                    ((*name).to_owned(), l1, l2)
                })
                .collect(),
            token_errors: (0..tokens)
                .map(|at| mean(&move |one: &Tested| error(one.row, one.tokens[at])))
                .collect(),
            gaps,
            rows: by_row.into_keys().collect(),
            names,
        })
    }

    /// Bounds by class and by which sides answered, on patients that the answering model was not fitted on.
    fn conformal(&self, prepared: &Prepared<'_>, kept: usize) -> Option<Conformal> {
        let mut shown: Vec<(String, f64, bool)> = Vec::new();
        for ((row, label), first) in self.rows.iter().zip(&self.labels).zip(&self.firsts) {
            let sides = &prepared.cases[*row].sides;
            let (has_record, has_formula) = (sides.record.is_some(), sides.formula.is_some());
            let answers = [
                (Answered::Fused, first[kept].filter(|_| has_record)),
                (Answered::ImageAndFormula, first[kept].filter(|_| has_formula && !has_record)),
                (Answered::ImageOnly, first[2]),
                (Answered::RecordOnly, first[3].filter(|_| has_record)),
                (Answered::FormulaOnly, first.get(4).copied().flatten().filter(|_| has_formula)),
            ];
            let known = answers.into_iter().filter_map(|(answered, value)| Some((answered.word(), value?)));
            shown.extend(known.map(|(word, value)| (word.to_owned(), value, *label)));
        }
        Conformal::fit(&shown, ALPHA)
    }

    /// The report with this arm, 0 or 1, as the first.
    fn report(&self, prepared: &Prepared<'_>, first: usize) -> Option<Report> {
        let config = prepared.config;
        let mut order: Vec<usize> = (0..self.names.len()).filter(|arm| *arm != first).collect();
        order.insert(0, first);
        let arms: Vec<(String, Vec<Option<f64>>)> =
            order.iter().map(|arm| (self.names[*arm].clone(), self.arms[*arm].clone())).collect();
        let patients: Vec<usize> = self.rows.iter().map(|row| prepared.cases[*row].patient).collect();
        let subgroups: Vec<SubgroupColumn> = self
            .columns(prepared)
            .into_iter()
            .map(|(name, values)| SubgroupColumn::new(&name, values.iter()))
            .collect();
        let stress = if first == 0 { &self.stress_l2 } else { &self.stress_l1 };
        let stress: Vec<(String, Vec<f64>)> = STRESSES
            .iter()
            .zip(stress)
            .map(|((name, _), values)| ((*name).to_owned(), values.clone()))
            .collect();
        evaluation::evaluate(&ReportInput {
            labels: &self.labels,
            patients: &patients,
            arms: &arms,
            thresholds: &config.table.thresholds,
            subgroups: &subgroups,
            stress: &stress,
            draws: DRAWS,
            seed: config.table.seed,
        })
    }

    /// Values of the columns that subgroups are formed by.
    fn columns(&self, prepared: &Prepared<'_>) -> Vec<(String, Vec<String>)> {
        let values = |at: usize| self.rows.iter().map(|row| prepared.group(*row, at)).collect();
        let columns = prepared.config.table.grouped().enumerate();
        columns.map(|(at, column)| (column.clone(), values(at))).collect()
    }

    fn decide(&self, prepared: &Prepared<'_>) -> Decision {
        let patients: Vec<usize> = self.rows.iter().map(|row| prepared.cases[*row].patient).collect();
        let [l1, l2] = &self.errors;
        Decision::make(&Errors {
            labels: &self.labels,
            patients: &patients,
            l1,
            l2,
            gaps: &self.gaps,
            columns: &self.columns(prepared),
            stress: &self.stress_errors,
            draws: DRAWS,
            seed: prepared.config.table.seed,
        })
    }

    /// Brier score with each token, and with the calibrated other side in its place.
    fn tokens(&self) -> Vec<(String, f64, f64)> {
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let found = TOKENS.iter().zip(&self.token_errors).filter_map(|(name, own)| {
            let (_, other, _) = self.stress_errors.iter().find(|(stress, ..)| stress.starts_with(name))?;
            Some((format!("{name} removed"), mean(own), mean(other)))
        });
        found.collect()
    }
}
