//! Which level is kept: L2 only where it is shown to be better and nowhere seen to be worse.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::evaluation::{Estimate, LEAST_CASES, LEAST_EVENTS, quantile};

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
    /// Brier score of L2 less that of L1 on the same rows, with its interval over resampled patients and resampled splits. It
    /// is that of one fit, meaned over the splits: not that of the splits' mean answer, which is an ensemble that nobody would
    /// be given. Splits are drawn too, so that the luck of which patients were fitted on is part of the interval.
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
    /// L2's squared error less L1's: of each split, by row.
    pub(super) gaps: &'a [Vec<(usize, f64)>],
    /// Subgroups by title: the value of each row, by column.
    pub(super) columns: &'a [(String, Vec<String>)],
    /// What is taken away, with the errors of L1 and of L2.
    pub(super) stress: &'a [(String, Vec<f64>, Vec<f64>)],
    pub(super) draws: usize,
    pub(super) seed: u64,
}

impl Errors<'_> {
    /// L2 less L1 with its interval over resampled patients and splits.
    fn difference(&self) -> Option<Estimate> {
        let highest = *self.patients.iter().max()?;
        let gap = |of_patient: &[f64], of_split: &[f64]| {
            let (mut sum, mut all) = (0.0, 0.0);
            for (gaps, times) in self.gaps.iter().zip(of_split) {
                for (row, gap) in gaps {
                    let weight = times * of_patient[self.patients[*row]];
                    sum += weight * gap;
                    all += weight;
                }
            }
            (all > 0.0).then(|| sum / all)
        };
        let value = gap(&vec![1.0; highest + 1], &vec![1.0; self.gaps.len()])?;
        let known: Vec<usize> =
            self.patients.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn: Vec<f64> = (0..self.draws)
            .filter_map(|_| {
                let mut of_patient = vec![0.0; highest + 1];
                for _ in &known {
                    of_patient[known[random.random_range(0..known.len())]] += 1.0;
                }
                let mut of_split = vec![0.0; self.gaps.len()];
                for _ in self.gaps {
                    of_split[random.random_range(0..self.gaps.len())] += 1.0;
                }
                gap(&of_patient, &of_split)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let enough = drawn.len() * 2 >= self.draws && !drawn.is_empty();
        let at = |share: f64| enough.then(|| quantile(&drawn, share));
        Some(Estimate { value, low: at(0.025), high: at(0.975) })
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

    /// 200 rows of 200 patients in two groups; L2's errors are lower by `gain`, in group b by `gain - harm`, with some
    /// noise, and by `luck` more or less in every other split.
    fn decide(gain: f64, harm: f64, stressed: f64, luck: f64) -> Decision {
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
        let of_split = |split: usize| -> Vec<(usize, f64)> {
            // which patients were fitted on moves a split's gap as a whole
            let luck = if split.is_multiple_of(2) { luck } else { -luck };
            (0..200).map(|row| (row, l2[row] - l1[row] + luck)).collect()
        };
        let gaps: Vec<Vec<(usize, f64)>> = (0..10).map(of_split).collect();
        let columns = [("group".to_owned(), (0..200).map(|case| group(case).to_owned()).collect())];
        let stress = [("halved".to_owned(), vec![0.3; 200], vec![0.3 + stressed; 200])];
        Decision::make(&Errors {
            labels: &labels,
            patients: &patients,
            l1: &l1,
            l2: &l2,
            gaps: &gaps,
            columns: &columns,
            stress: &stress,
            draws: 400,
            seed: 1,
        })
    }

    #[test]
    fn the_gated_level_is_kept_only_where_it_is_better_and_nowhere_worse() {
        assert_eq!(decide(0.05, 0.0, 0.0, 0.0).keeps, Level::L2);
        let same = decide(0.0, 0.0, 0.0, 0.0);
        assert!(same.keeps == Level::L1 && !same.better, "{}", same.reason);
        let harms = decide(0.1, 0.15, 0.0, 0.0);
        assert!(harms.better && harms.keeps == Level::L1, "{}", harms.reason);
        assert!(harms.compared.iter().any(|one| one.name == "group b" && one.worse));
        assert!(harms.reason.contains("group b"));
        let under_stress = decide(0.05, 0.0, 0.01, 0.0);
        assert!(under_stress.better && under_stress.keeps == Level::L1, "{}", under_stress.reason);
        let by_luck = decide(0.01, 0.0, 0.0, 0.05);
        assert!(!by_luck.better, "patients alone would say so, the splits do not: {}", by_luck.reason);
        assert!(decide(0.01, 0.0, 0.0, 0.0).better);
        assert_eq!(decide(-0.05, 0.0, 0.0, 0.0).keeps, Level::L1);
    }
}
