//! Intervals of AUROC, average precision, Brier score and log-loss over resampled patients, in one pass a draw.
//!
//! The cases are sorted once; a draw is a number of times for each patient, so that it costs one walk over the cases and no
//! memory of its own: a million cases and 2,000 draws stay within minutes and the size of the table.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{order, quantile};

/// One score of some cases, ready to be resampled.
pub struct Resampler {
    /// Patients.
    count: u32,
    /// Patient of each case, from 0 without gaps, the cases in ascending order of probability.
    patients: Vec<u32>,
    /// Outcome of each of them.
    labels: Vec<bool>,
    /// Cases of equal probability, lowest first.
    groups: Vec<Group>,
}

/// Cases of equal probability, and what each costs.
struct Group {
    /// Place after the last of them.
    end: usize,
    /// Squared error and log-likelihood of a positive and of a negative.
    squared: [f64; 2],
    loss: [f64; 2],
}

/// Measures of one draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// AUROC; `None` where a class is empty.
    pub auroc: Option<f64>,
    /// Average precision; `None` without positives.
    pub average_precision: Option<f64>,
    /// Brier score; `None` without cases.
    pub brier: Option<f64>,
    /// Log-loss; `None` without cases.
    pub log_loss: Option<f64>,
}

impl Resampler {
    /// The cases of one score; `patients` are any numbers, equal for one patient.
    pub fn new(probabilities: &[f64], labels: &[bool], patients: &[usize]) -> Self {
        let mut known = std::collections::HashMap::new();
        let patients: Vec<u32> = patients
            .iter()
            .map(|patient| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                *known.entry(*patient).or_insert(next)
            })
            .collect();
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let ascending = order(probabilities);
        let mut groups: Vec<Group> = Vec::new();
        let mut last = None;
        for (at, case) in ascending.iter().enumerate() {
            let score = probabilities[*case];
            match groups.last_mut() {
                Some(group) if last.is_some_and(|last: f64| last.total_cmp(&score).is_eq()) => {
                    group.end = at + 1;
                }
                _ => groups.push(Group::new(score, at + 1)),
            }
            last = Some(score);
        }
        Self {
            count,
            patients: ascending.iter().map(|case| patients[*case]).collect(),
            labels: ascending.iter().map(|case| labels[*case]).collect(),
            groups,
        }
    }

    /// How often each patient is drawn, for every draw of a seed: the same for every score of the same cases, so that
    /// differences are paired.
    pub fn draws(&self, draws: usize, seed: u64) -> impl Iterator<Item = Vec<u32>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = self.count;
        (0..draws).map(move |_| {
            let mut times = vec![0_u32; count as usize];
            for _ in 0..count {
                times[random.random_range(0..count) as usize] += 1;
            }
            times
        })
    }

    /// The measures where each patient counts so many times.
    pub fn measure(&self, times: &[u32]) -> Drawn {
        let (mut below, mut pairs) = (0.0, 0.0);
        let (mut positives, mut negatives) = (0.0, 0.0);
        let (mut brier, mut loss) = (0.0, 0.0);
        let mut at = 0;
        // weights of positives and negatives of each group
        let mut weights: Vec<(f64, f64)> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let (mut yes, mut no) = (0_u32, 0_u32);
            for (patient, label) in self.patients[at..group.end].iter().zip(&self.labels[at..group.end]) {
                let time = times[*patient as usize];
                yes += if *label { time } else { 0 };
                no += if *label { 0 } else { time };
            }
            at = group.end;
            let (yes, no) = (f64::from(yes), f64::from(no));
            pairs += yes * (below + no / 2.0);
            below += no;
            brier += yes * group.squared[0] + no * group.squared[1];
            loss -= yes * group.loss[0] + no * group.loss[1];
            positives += yes;
            negatives += no;
            weights.push((yes, no));
        }
        let all = positives + negatives;
        let precision = || {
            let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
            for (yes, no) in weights.iter().rev() {
                found += yes;
                seen += yes + no;
                if *yes > 0.0 {
                    sum += yes / positives * (found / seen);
                }
            }
            sum
        };
        Drawn {
            auroc: (positives > 0.0 && negatives > 0.0).then(|| pairs / (positives * negatives)),
            average_precision: (positives > 0.0).then(precision),
            brier: (all > 0.0).then(|| brier / all),
            log_loss: (all > 0.0).then(|| loss / all),
        }
    }
}

impl Group {
    fn new(score: f64, end: usize) -> Self {
        let sure = score.clamp(1e-15, 1.0 - 1e-15);
        Self { end, squared: [(1.0 - score).powi(2), score.powi(2)], loss: [sure.ln(), (1.0 - sure).ln()] }
    }
}

/// The 95 % interval of values; `None` where fewer than half of the draws have one.
pub(super) fn interval(mut values: Vec<f64>, draws: usize) -> Option<(f64, f64)> {
    values.retain(|value| value.is_finite());
    if values.len() * 2 < draws || values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, 0.025), quantile(&values, 0.975)))
}
