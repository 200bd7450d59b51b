//! What a model says of cases that it does not know, beside its comparators, by subgroup, and with values taken away.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::columns::encode;
use super::config::{Comparator, TabularConfig};
use super::model::TabularModel;
use crate::evaluation::{self, Estimate, Report, ReportInput, SampleSize, SubgroupColumn};
use crate::learned::formula;
use crate::learned::holdout::{self, Member};

/// Draws of patients.
const DRAWS: usize = 2000;

/// Numbers alone, without the table that they were made from.
pub(super) struct Shown {
    labels: Vec<bool>,
    patients: Vec<usize>,
    arms: Vec<(String, Vec<Option<f64>>)>,
    subgroups: Vec<SubgroupColumn>,
    stress: [(String, Vec<f64>); 3],
}

impl Shown {
    pub(super) fn of(model: &TabularModel, cases: &[Member<'_>]) -> Self {
        let config = model.config();
        let body = &model.body;
        let own: Vec<Option<f64>> = cases.iter().map(|case| model.probability(case.row)).collect();
        let mut arms = vec![(config.id.clone(), own)];
        if let Some((input, alone)) = config.formula.as_ref().zip(body.formula_alone) {
            let said = |case: &Member<'_>| input.logit(case.row).map(|logit| formula::answer(alone, logit));
            arms.push(("formula only".to_owned(), cases.iter().map(said).collect()));
        }
        for comparator in &config.comparators {
            let raw: Vec<Option<f64>> = cases.iter().map(|case| case.row.compared(comparator)).collect();
            let shown = match comparator {
                Comparator::Column { .. } => ranked(&raw),
                Comparator::BrockNodule { .. } => raw,
            };
            arms.push((comparator.name(), shown));
        }
        let mut subgroups: Vec<SubgroupColumn> = config
            .grouped()
            .enumerate()
            .map(|(at, column)| {
                SubgroupColumn::new(column, cases.iter().map(|case| config.group(at, case.row)))
            })
            .collect();
        let named = |one: &SubgroupColumn| config.grouped().any(|column| *column == one.name);
        let more = holdout::groups(config.time.as_ref(), config.site.as_deref(), cases);
        subgroups.extend(more.into_iter().filter(|one| !named(one)));
        let stress = [25_u64, 50, 100].map(|share| {
            let mut random = ChaCha8Rng::seed_from_u64(config.seed ^ share);
            let masked = |case: &Member<'_>| {
                let columns = masked(config, &encode(config, case.row).columns, share, &mut random);
                body.calibration.apply("incomplete", body.linear.logit(&columns))
            };
            (format!("{share} % of the inputs taken away"), cases.iter().map(masked).collect())
        });
        Self {
            labels: cases.iter().map(|case| case.label).collect(),
            patients: cases.iter().map(|case| case.patient).collect(),
            arms,
            subgroups,
            stress,
        }
    }

    /// The evaluation; `None` where one outcome is missing.
    pub(super) fn report(self, model: &TabularModel) -> Option<Report> {
        let (config, body) = (model.config(), &model.body);
        // One after the other, each let go before patients are drawn.
        let stress = self.stress.into_iter();
        let stress =
            stress.map(|(name, values)| evaluation::stressed(&self.labels, &name, &values)).collect();
        let mut report = evaluation::evaluate(&ReportInput {
            labels: &self.labels,
            patients: &self.patients,
            arms: &self.arms,
            thresholds: &config.thresholds,
            subgroups: &self.subgroups,
            stress: &[],
            draws: DRAWS,
            seed: config.seed,
        })?;
        report.stress = stress;
        let first = report.arms.first()?;
        let value = |found: Option<Estimate>| found.map(|found| found.value);
        report.sample_size = Some(SampleSize::of(
            body.columns.len(),
            body.fitted,
            (first.cases, first.events),
            value(first.log_loss),
            value(first.auroc),
        ));
        Some(report)
    }
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
    let widths = widths.chain(config.formula.iter().map(|_| 1));
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
