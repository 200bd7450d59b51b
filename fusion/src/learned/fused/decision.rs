//! Which level is kept: L2 only where it is shown to be better and nowhere seen to be worse.

use serde::{Deserialize, Serialize};

use crate::evaluation::{Estimate, LEAST_CASES, LEAST_EVENTS, patient_bootstrap};

/// A level of the ladder that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Late fusion.
    L1,
    /// Late fusion with the gated network's correction.
    L2,
}

/// Brier scores of both levels on one subgroup, or under one stress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// Subgroup or stress.
    pub name: String,
    /// Brier score of L1.
    pub l1: f64,
    /// Brier score of L2.
    pub l2: f64,
    /// Whether L2's is higher.
    pub worse: bool,
}

/// The rule's numbers and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The level that is kept.
    pub keeps: Level,
    /// Brier score of L2 less that of L1 on the same rows, with its interval over resampled patients. It is that of one fit,
    /// meaned over the splits: not that of the splits' mean answer, which is an ensemble that nobody would be given.
    pub brier: Option<Estimate>,
    /// Whether the interval is wholly below 0.
    pub better: bool,
    /// Every subgroup that is large enough to be shown, and every stress.
    pub compared: Vec<Worse>,
    /// The rule and how it came out, in one sentence.
    pub reason: String,
}

/// Squared errors of both levels on the same rows, each meaned over the splits that tested the row.
pub(super) struct Errors<'a> {
    pub(super) labels: &'a [bool],
    pub(super) patients: &'a [usize],
    pub(super) l1: &'a [f64],
    pub(super) l2: &'a [f64],
    /// Subgroups by title: the value of each row, by column.
    pub(super) columns: &'a [(String, Vec<String>)],
    /// What is taken away, with the errors of L1 and of L2.
    pub(super) stress: &'a [(String, Vec<f64>, Vec<f64>)],
    pub(super) draws: usize,
    pub(super) seed: u64,
}

impl Errors<'_> {
    /// L2 less L1 with its interval over resampled patients.
    fn difference(&self) -> Option<Estimate> {
        let gap = |rows: &[usize]| {
            let sum: f64 = rows.iter().map(|row| self.l2[*row] - self.l1[*row]).sum();
            (!rows.is_empty()).then(|| sum / rows.len() as f64)
        };
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let value = gap(&all)?;
        let found = patient_bootstrap(self.patients, self.draws, self.seed, gap);
        Some(Estimate { value, low: found.map(|one| one.0), high: found.map(|one| one.1) })
    }

    /// Both levels' mean errors on every subgroup that is large enough to be shown.
    fn subgroups(&self) -> Vec<(String, f64, f64)> {
        let mut found = Vec::new();
        for (column, values) in self.columns {
            let distinct: std::collections::BTreeSet<&String> = values.iter().collect();
            for value in distinct {
                let rows: Vec<usize> = (0..values.len()).filter(|row| values[*row] == *value).collect();
                let events = rows.iter().filter(|row| self.labels[**row]).count();
                let shown = rows.len() >= LEAST_CASES
                    && events >= LEAST_EVENTS
                    && rows.len() - events >= LEAST_EVENTS;
                if shown {
                    let of =
                        |errors: &[f64]| rows.iter().map(|row| errors[*row]).sum::<f64>() / rows.len() as f64;
                    found.push((format!("{column} {value}"), of(self.l1), of(self.l2)));
                }
            }
        }
        found
    }
}

impl Decision {
    /// Decides. What cannot be computed speaks for L1.
    pub(super) fn make(errors: &Errors<'_>) -> Self {
        let brier = errors.difference();
        let better = brier.and_then(|found| found.high).is_some_and(|high| high < 0.0);
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let stress = errors.stress.iter().map(|(name, l1, l2)| (name.clone(), mean(l1), mean(l2)));
        let compared: Vec<Worse> = errors
            .subgroups()
            .into_iter()
            .chain(stress)
            .map(|(name, l1, l2)| Worse { name, l1, l2, worse: l2 > l1 + TIE })
            .collect();
        let worse: Vec<&str> = compared.iter().filter(|one| one.worse).map(|one| one.name.as_str()).collect();
        let keeps = if better && worse.is_empty() { Level::L2 } else { Level::L1 };
        let shown = brier.map_or_else(
            || "it could not be computed".to_owned(),
            |found| crate::learned::tabular::card::estimate(Some(&found)),
        );
        let reason = format!(
            "L2 is kept only where the interval of its Brier score less that of L1 lies wholly below 0 and no subgroup or stress is worse. Difference {shown}: {}. Worse in {} of {} subgroups and stresses{}. Kept: {keeps:?}",
            if better { "below 0" } else { "not shown to be below 0" },
            worse.len(),
            compared.len(),
            if worse.is_empty() { String::new() } else { format!(" ({})", worse.join(", ")) },
        );
        Self { keeps, brier, better, compared, reason }
    }
}

/// Differences of the Brier score below this are rounding: a side that is missing gives both levels the same answer.
const TIE: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 rows of 200 patients in two groups; L2's errors are lower by `gain`, in group b by `gain - harm`, with some noise.
    fn decide(gain: f64, harm: f64, stressed: f64) -> Decision {
        let labels: Vec<bool> = (0..200).map(|case| case % 3 == 0).collect();
        let patients: Vec<usize> = (0..200).collect();
        let group = |case: usize| if case % 4 < 2 { "a" } else { "b" };
        let l1 = vec![0.25; 200];
        let l2: Vec<f64> = (0..200_usize)
            .map(|case| {
                let noise = f64::from(u8::try_from(case * 7 % 11).unwrap_or_default()) / 55.0 - 0.09;
                0.25 - gain + if group(case) == "b" { harm } else { 0.0 } + noise
            })
            .collect();
        let columns = [("group".to_owned(), (0..200).map(|case| group(case).to_owned()).collect())];
        let stress = [("halved".to_owned(), vec![0.3; 200], vec![0.3 + stressed; 200])];
        Decision::make(&Errors {
            labels: &labels,
            patients: &patients,
            l1: &l1,
            l2: &l2,
            columns: &columns,
            stress: &stress,
            draws: 400,
            seed: 1,
        })
    }

    #[test]
    fn the_gated_level_is_kept_only_where_it_is_better_and_nowhere_worse() {
        assert_eq!(decide(0.05, 0.0, 0.0).keeps, Level::L2);
        let same = decide(0.0, 0.0, 0.0);
        assert!(same.keeps == Level::L1 && !same.better, "{}", same.reason);
        let harms = decide(0.1, 0.15, 0.0);
        assert!(harms.better && harms.keeps == Level::L1, "{}", harms.reason);
        assert!(harms.compared.iter().any(|one| one.name == "group b" && one.worse));
        assert!(harms.reason.contains("group b"));
        let under_stress = decide(0.05, 0.0, 0.01);
        assert!(under_stress.better && under_stress.keeps == Level::L1, "{}", under_stress.reason);
        assert_eq!(decide(-0.05, 0.0, 0.0).keeps, Level::L1);
    }
}
