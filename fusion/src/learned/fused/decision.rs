//! Which level is kept: L2 only where it is shown to be better and nowhere seen to be worse.

use serde::{Deserialize, Serialize};

use crate::evaluation::{Estimate, Report};

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
    /// Brier score of L2 less that of L1 on the same rows, with its interval over resampled patients.
    pub brier: Option<Estimate>,
    /// Whether the interval is wholly below 0.
    pub better: bool,
    /// Every subgroup that is large enough to be shown, and every stress.
    pub compared: Vec<Worse>,
    /// The rule and how it came out, in one sentence.
    pub reason: String,
}

impl Decision {
    /// Decides from two reports on the same rows: `second` with L2 as its first arm and `against` as the name of L1 among its
    /// comparisons, `first` with L1 as its first arm. What is missing in either speaks for L1.
    pub(super) fn make(first: &Report, second: &Report, against: &str) -> Self {
        let brier =
            second.comparisons.iter().find(|one| one.against == against).and_then(|found| found.brier);
        let better = brier.and_then(|found| found.high).is_some_and(|high| high < 0.0);
        let groups = first.subgroups.iter().zip(&second.subgroups).filter_map(|(one, other)| {
            Some((format!("{} {}", one.column, one.value), one.brier?, other.brier?))
        });
        let stress = first
            .stress
            .iter()
            .zip(&second.stress)
            .filter_map(|(one, other)| Some((one.name.clone(), one.brier?, other.brier?)));
        let compared: Vec<Worse> =
            groups.chain(stress).map(|(name, l1, l2)| Worse { name, l1, l2, worse: l2 > l1 + TIE }).collect();
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
    use crate::evaluation::{ReportInput, SubgroupColumn, evaluate};

    /// 200 rows of 200 patients, 60 % right; L2 is L1 pulled towards the truth by `gain`, and away from it in group b by `harm`.
    fn decide(gain: f64, harm: f64) -> Decision {
        let labels: Vec<bool> = (0..200).map(|case| case % 2 == 0).collect();
        let patients: Vec<usize> = (0..200).collect();
        let group = |case: usize| if case % 4 < 2 { "a" } else { "b" };
        let l1: Vec<Option<f64>> = (0..200_usize)
            .map(|case| Some(if (case % 2 == 0) == (case % 5 < 3) { 0.6 } else { 0.4 }))
            .collect();
        let l2: Vec<Option<f64>> = l1
            .iter()
            .zip(&labels)
            .enumerate()
            .map(|(case, (value, label))| {
                let towards = if *label { 1.0 } else { -1.0 };
                let shift = if group(case) == "a" { gain } else { gain - harm };
                value.map(|value| value + towards * shift)
            })
            .collect();
        let subgroups = [SubgroupColumn {
            name: "group".to_owned(),
            values: (0..200).map(|case| group(case).to_owned()).collect(),
        }];
        let report = |arms: &[(String, Vec<Option<f64>>)]| {
            evaluate(&ReportInput {
                labels: &labels,
                patients: &patients,
                arms,
                thresholds: &[],
                subgroups: &subgroups,
                stress: &[],
                draws: 200,
                seed: 1,
            })
            .unwrap()
        };
        let (one, two) = (("L1".to_owned(), l1), ("L2".to_owned(), l2));
        Decision::make(&report(&[one.clone(), two.clone()]), &report(&[two, one]), "L1")
    }

    #[test]
    fn the_gated_level_is_kept_only_where_it_is_better_and_nowhere_worse() {
        assert_eq!(decide(0.2, 0.0).keeps, Level::L2);
        let same = decide(0.0, 0.0);
        assert!(same.keeps == Level::L1 && !same.better, "{}", same.reason);
        let harms = decide(0.3, 0.35);
        assert!(harms.better && harms.keeps == Level::L1, "{}", harms.reason);
        assert!(harms.compared.iter().any(|one| one.name == "group b" && one.worse));
        assert!(harms.reason.contains("group b"));
        assert_eq!(decide(-0.2, 0.0).keeps, Level::L1);
    }
}
