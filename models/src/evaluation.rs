//! How good scores are: area under the ROC curve with a bootstrap interval, Brier
//! score, calibration slope and the table of a reliability diagram; [`report`] puts
//! them together, [`markdown`] and [`plot`] show them.

pub mod markdown;
pub mod metrics;
pub mod plot;
pub mod report;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::calibration;

/// An estimate with the bounds of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The 2.5 % bound.
    pub low: f64,
    /// The 97.5 % bound.
    pub high: f64,
}

/// The area under the ROC curve: the chance that a case scores above a control,
/// ties counting half. `None` without a case or without a control.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    debug_assert_eq!(scores.len(), positive.len());
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let cases = positive.iter().filter(|p| **p).count();
    let controls = positive.len() - cases;
    if cases == 0 || controls == 0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && scores[order[end]].total_cmp(&scores[order[start]]).is_eq() {
            end += 1;
        }
        let mean_rank = (start + end + 1) as f64 / 2.0;
        rank_sum += mean_rank * order[start..end].iter().filter(|i| positive[**i]).count() as f64;
        start = end;
    }
    let cases = cases as f64;
    Some((rank_sum - cases * (cases + 1.0) / 2.0) / (cases * controls as f64))
}

/// The 95 % percentile interval of `statistic` over `rounds` resamples of `count`
/// patients with replacement; resamples where it is undefined are left out.
pub fn bootstrap(
    count: usize,
    rounds: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let all: Vec<usize> = (0..count).collect();
    let value = statistic(&all)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values: Vec<f64> = (0..rounds)
        .filter_map(|_| {
            let sample: Vec<usize> = (0..count).map(|_| rng.random_range(0..count)).collect();
            statistic(&sample)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    Some(Interval { value, low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
}

/// As [`bootstrap`], where a patient may have several pictures: patients are drawn, each with all of theirs.
pub fn patient_interval(
    patients: &[&str],
    rounds: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    let mut pictures: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
    for (index, patient) in patients.iter().enumerate() {
        pictures.entry(patient).or_default().push(index);
    }
    let pictures: Vec<Vec<usize>> = pictures.into_values().collect();
    bootstrap(pictures.len(), rounds, seed, |drawn| {
        let sample: Vec<usize> =
            drawn.iter().flat_map(|patient| pictures[*patient].iter().copied()).collect();
        statistic(&sample)
    })
}

/// The area under the ROC curve with its interval over patients, each with all of their pictures.
pub fn auroc_interval(
    scores: &[f64],
    positive: &[bool],
    patients: &[&str],
    rounds: usize,
    seed: u64,
) -> Option<Interval> {
    patient_interval(patients, rounds, seed, |sample| {
        let scores: Vec<f64> = sample.iter().map(|i| scores[*i]).collect();
        let positive: Vec<bool> = sample.iter().map(|i| positive[*i]).collect();
        auroc(&scores, &positive)
    })
}

/// The quantile of ascending values, linear between neighbours; `None` where there are none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the position is between 0 and the last index"
)]
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    Some(ascending[below] + (ascending[above] - ascending[below]) * (position - below as f64))
}

/// The mean squared difference between probabilities and outcomes.
pub fn brier(probabilities: &[f64], positive: &[bool]) -> f64 {
    let squares = probabilities.iter().zip(positive).map(|(p, y)| (p - f64::from(u8::from(*y))).powi(2));
    squares.sum::<f64>() / probabilities.len().max(1) as f64
}

/// Slope and intercept of the outcomes on the probabilities' logits: 1 and 0
/// when calibrated, a slope below 1 when too sure.
pub fn calibration_slope(probabilities: &[f64], positive: &[bool]) -> calibration::Platt {
    let logits: Vec<f64> = probabilities.iter().map(|p| logit(*p)).collect();
    let targets: Vec<f64> = positive.iter().map(|y| f64::from(u8::from(*y))).collect();
    calibration::fit(&logits, &targets, None)
}

/// ln(p / (1 - p)), with p kept 1e-6 away from 0 and 1.
pub fn logit(probability: f64) -> f64 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// One row of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Values in the bin.
    pub count: usize,
    /// Mean probability.
    pub probability: f64,
    /// Share of cases.
    pub observed: f64,
}

/// A reliability diagram with `bins` bins of equal count, from the lowest probability up.
pub fn reliability(probabilities: &[f64], positive: &[bool], bins: usize) -> Vec<ReliabilityBin> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let bins = bins.clamp(1, order.len().max(1));
    (0..bins)
        .map(|bin| &order[bin * order.len() / bins..(bin + 1) * order.len() / bins])
        .filter(|members| !members.is_empty())
        .map(|members| {
            let count = members.len() as f64;
            ReliabilityBin {
                count: members.len(),
                probability: members.iter().map(|i| probabilities[*i]).sum::<f64>() / count,
                observed: members.iter().filter(|i| positive[**i]).count() as f64 / count,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_counts_pairs_and_ties() {
        // scikit-learn's `roc_auc_score` gives the same numbers
        let cases = [
            (vec![0.1, 0.4, 0.35, 0.8], vec![false, false, true, true], Some(0.75)),
            (vec![0.5, 0.5, 0.5], vec![true, false, true], Some(0.5)),
            (vec![0.2, 0.3], vec![true, true], None),
            (vec![0.9, 0.1, 0.5, 0.5], vec![true, false, true, false], Some(0.875)),
        ];
        for (scores, positive, stated) in cases {
            assert_eq!(auroc(&scores, &positive), stated);
        }
    }

    #[test]
    fn the_interval_holds_the_estimate_and_is_the_same_every_time() {
        let scores: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 60)).collect();
        let positive: Vec<bool> = (0..60).map(|i| i * 37 % 60 > 25 + (i % 7) * 3).collect();
        let names: Vec<String> = (10..70).map(|i| format!("P{i}")).collect();
        let patients: Vec<&str> = names.iter().map(String::as_str).collect();
        let a = auroc_interval(&scores, &positive, &patients, 200, 5).unwrap();
        assert!(a.low <= a.value && a.value <= a.high);
        assert_eq!(Some(a), auroc_interval(&scores, &positive, &patients, 200, 5));
        // five pictures alike of each patient say no more than one
        let five = |values: &[f64]| values.iter().flat_map(|value| [*value; 5]).collect::<Vec<_>>();
        let (many, of) = (five(&scores), patients.iter().flat_map(|who| [*who; 5]).collect::<Vec<_>>());
        let cases: Vec<bool> = positive.iter().flat_map(|case| [*case; 5]).collect();
        assert_eq!(Some(a), auroc_interval(&many, &cases, &of, 200, 5));
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn calibrated_probabilities_have_slope_one() {
        let probabilities = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5];
        let positive: Vec<bool> = (0..14).map(|i| i == 0 || i == 10 || i == 11).collect();
        let line = calibration_slope(&probabilities, &positive);
        assert!((line.a - 1.0).abs() < 1e-3 && line.b.abs() < 1e-3, "{line:?}");
        assert!((brier(&[0.0, 1.0], &[true, true]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn reliability_bins_hold_every_value_once() {
        let probabilities: Vec<f64> = (0..23).map(|i| f64::from(i) / 23.0).collect();
        let bins = reliability(&probabilities, &[true; 23], 5);
        assert_eq!(bins.iter().map(|b| b.count).sum::<usize>(), 23);
        assert!(bins.windows(2).all(|w| w[0].probability < w[1].probability));
    }
}
