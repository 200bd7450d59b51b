//! Intervals of AUROC, average precision, Brier score and log-loss over resampled patients, in one pass a draw.
//!
//! The cases are sorted once; a draw is a number of times for each patient, so that it costs one walk over the cases and no
//! memory of its own: a million cases and 2,000 draws stay within minutes and the size of the table.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{order, quantile};

/// One score of some cases, ready to be resampled.
pub struct Resampler<'a> {
    probabilities: &'a [f64],
    labels: &'a [bool],
    /// Patient of each case, from 0 without gaps.
    patients: Vec<u32>,
    count: u32,
    ascending: Vec<usize>,
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

impl<'a> Resampler<'a> {
    /// The cases of one score; `patients` are any numbers, equal for one patient.
    pub fn new(probabilities: &'a [f64], labels: &'a [bool], patients: &[usize]) -> Self {
        let mut known = std::collections::BTreeMap::new();
        let patients: Vec<u32> = patients
            .iter()
            .map(|patient| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                *known.entry(*patient).or_insert(next)
            })
            .collect();
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        Self { probabilities, labels, patients, count, ascending: order(probabilities) }
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
        let weight = |case: usize| f64::from(times[self.patients[case] as usize]);
        let (mut below, mut pairs) = (0.0, 0.0);
        let (mut positives, mut negatives) = (0.0, 0.0);
        let (mut brier, mut loss) = (0.0, 0.0);
        // groups of equal probability, lowest first: weights of positives and negatives
        let mut groups: Vec<(f64, f64)> = Vec::new();
        let mut at = 0;
        while at < self.ascending.len() {
            let score = self.probabilities[self.ascending[at]];
            let (mut yes, mut no) = (0.0, 0.0);
            while at < self.ascending.len()
                && self.probabilities[self.ascending[at]].total_cmp(&score).is_eq()
            {
                let case = self.ascending[at];
                if self.labels[case] {
                    yes += weight(case);
                } else {
                    no += weight(case);
                }
                at += 1;
            }
            pairs += yes * (below + no / 2.0);
            below += no;
            let sure = score.clamp(1e-15, 1.0 - 1e-15);
            brier += yes * (1.0 - score).powi(2) + no * score.powi(2);
            loss -= yes * sure.ln() + no * (1.0 - sure).ln();
            positives += yes;
            negatives += no;
            groups.push((yes, no));
        }
        let all = positives + negatives;
        let precision = || {
            let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
            for (yes, no) in groups.iter().rev() {
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

/// The 95 % interval of values; `None` where fewer than half of the draws have one.
pub(super) fn interval(mut values: Vec<f64>, draws: usize) -> Option<(f64, f64)> {
    values.retain(|value| value.is_finite());
    if values.len() * 2 < draws || values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, 0.025), quantile(&values, 0.975)))
}
