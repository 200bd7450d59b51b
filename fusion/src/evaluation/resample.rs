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
    /// Place after the last case of each.
    ends: Vec<u32>,
}

/// Cases of equal probability, and what each costs. A million cases are a million of these: what two multiplications give
/// is not stored.
struct Group {
    /// The probability.
    score: f64,
    /// Log-likelihood of a positive and of a negative.
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
        let (patients, count) = numbered(patients);
        let ascending = order(probabilities);
        let (mut groups, mut ends): (Vec<Group>, Vec<u32>) = (Vec::new(), Vec::new());
        for (end, case) in (1_u32..).zip(&ascending) {
            let score = probabilities[*case as usize];
            match (groups.last(), ends.last_mut()) {
                (Some(group), Some(last)) if group.score.total_cmp(&score).is_eq() => *last = end,
                _ => {
                    groups.push(Group::new(score));
                    ends.push(end);
                }
            }
        }
        groups.shrink_to_fit();
        ends.shrink_to_fit();
        Self {
            count,
            patients: ascending.iter().map(|case| patients[*case as usize]).collect(),
            labels: ascending.iter().map(|case| labels[*case as usize]).collect(),
            groups,
            ends,
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
        let mut weights: Vec<(u32, u32)> = Vec::with_capacity(self.groups.len());
        for (group, end) in self.groups.iter().zip(&self.ends) {
            let end = *end as usize;
            let (mut yes, mut no) = (0_u32, 0_u32);
            for (patient, label) in self.patients[at..end].iter().zip(&self.labels[at..end]) {
                let time = times[*patient as usize];
                yes += if *label { time } else { 0 };
                no += if *label { 0 } else { time };
            }
            at = end;
            weights.push((yes, no));
            let (yes, no) = (f64::from(yes), f64::from(no));
            pairs += yes * (below + no / 2.0);
            below += no;
            brier += yes * (1.0 - group.score).powi(2) + no * group.score.powi(2);
            loss -= yes * group.loss[0] + no * group.loss[1];
            positives += yes;
            negatives += no;
        }
        let all = positives + negatives;
        let precision = || {
            let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
            for (yes, no) in weights.iter().rev() {
                let (yes, no) = (f64::from(*yes), f64::from(*no));
                found += yes;
                seen += yes + no;
                if yes > 0.0 {
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
    fn new(score: f64) -> Self {
        let sure = score.clamp(1e-15, 1.0 - 1e-15);
        Self { score, loss: [sure.ln(), (1.0 - sure).ln()] }
    }
}

/// The patients, numbered from 0 in the order they come, and how many there are.
fn numbered(patients: &[usize]) -> (Vec<u32>, u32) {
    const NONE: u32 = u32::MAX;
    let mut count = 0_u32;
    let mut next = || {
        count += 1;
        count - 1
    };
    let highest = patients.iter().copied().max().unwrap_or_default();
    let found = if highest < patients.len().saturating_mul(4) {
        let mut known = vec![NONE; highest + 1];
        let number = |patient: &usize| {
            if known[*patient] == NONE {
                known[*patient] = next();
            }
            known[*patient]
        };
        patients.iter().map(number).collect()
    } else {
        let mut known = std::collections::HashMap::new();
        patients.iter().map(|patient| *known.entry(*patient).or_insert_with(&mut next)).collect()
    };
    (found, count)
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
