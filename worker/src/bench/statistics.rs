//! What samples say: percentiles, and ratios with an interval. Pure and seeded.

use models::evaluation::quantile;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples behind an interval.
pub const RESAMPLES: usize = 2000;
/// The interval's coverage. Files hold tens of figures: at 95 % one in twenty would differ by chance.
pub const COVERAGE: f64 = 0.99;

/// A distribution in a few numbers, in the samples' unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// How many samples.
    pub count: usize,
    /// The least.
    pub least: f64,
    /// Half lie below.
    pub median: f64,
    /// The mean.
    pub mean: f64,
    /// Nine in ten lie below.
    pub p90: f64,
    /// 95 % lie below.
    pub p95: f64,
    /// 99 % lie below; with fewer than 100 samples it lies between the two largest.
    pub p99: f64,
    /// The largest.
    pub most: f64,
}

impl Summary {
    /// `None` without samples, and where one is not finite.
    pub fn of(samples: &[f64]) -> Option<Self> {
        if !samples.iter().all(|sample| sample.is_finite()) {
            return None;
        }
        let mut ascending = samples.to_vec();
        ascending.sort_by(f64::total_cmp);
        Some(Self {
            count: ascending.len(),
            least: *ascending.first()?,
            median: quantile(&ascending, 0.5)?,
            mean: ascending.iter().sum::<f64>() / ascending.len() as f64,
            p90: quantile(&ascending, 0.9)?,
            p95: quantile(&ascending, 0.95)?,
            p99: quantile(&ascending, 0.99)?,
            most: *ascending.last()?,
        })
    }
}

/// A ratio of two medians with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Median of `after` over median of `before`, with a bootstrap interval of two levels (Davison and Hinkley 1997, 3.8):
/// rounds are drawn with replacement, and of each its samples. Samples of one round share what the machine did
/// meanwhile; drawing them alone would make the interval too narrow. `None` without samples, or where they are not
/// positive.
pub fn ratio(before: &[Vec<f64>], after: &[Vec<f64>], seed: u64) -> Option<Ratio> {
    let positive = |rounds: &[Vec<f64>]| rounds.iter().flatten().all(|x| x.is_finite() && *x > 0.0);
    if !positive(before) || !positive(after) {
        return None;
    }
    let value = median(&mut after.concat())? / median(&mut before.concat())?;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let (mut a, mut b) = (resample(after, &mut generator), resample(before, &mut generator));
        ratios.push(median(&mut a)? / median(&mut b)?);
    }
    ratios.sort_by(f64::total_cmp);
    let tail = (1.0 - COVERAGE) / 2.0;
    Some(Ratio { value, low: quantile(&ratios, tail)?, high: quantile(&ratios, 1.0 - tail)? })
}

fn resample(rounds: &[Vec<f64>], generator: &mut ChaCha8Rng) -> Vec<f64> {
    let rounds: Vec<&Vec<f64>> = rounds.iter().filter(|round| !round.is_empty()).collect();
    let mut drawn = Vec::new();
    for _ in 0..rounds.len() {
        let round = rounds[generator.random_range(0..rounds.len())];
        drawn.extend((0..round.len()).map(|_| round[generator.random_range(0..round.len())]));
    }
    drawn
}

/// The median; the order of the samples is lost.
fn median(samples: &mut [f64]) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    quantile(samples, 0.5)
}

/// The slope of `y = c + slope * x` by least squares; `None` with fewer than two different `x`.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let joint: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (spread > 0.0).then(|| joint / spread)
}

/// The exponent of `y = c * x^exponent`, by least squares of the logarithms; `None` with fewer than two different `x`, or
/// where a value is not positive.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite() && *x > 0.0 && *y > 0.0)) {
        return None;
    }
    slope(&points.iter().map(|(x, y)| (x.ln(), y.ln())).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Four rounds of noise of a tenth around `centre`, each round shifted as a whole.
    fn rounds(centre: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut round = || {
            let shift = generator.random_range(-0.03..0.03);
            (0..20).map(|_| centre * (1.0 + shift + generator.random_range(-0.05..0.05))).collect()
        };
        (0..5).map(|_| round()).collect()
    }

    /// `reference/make_percentiles.py` made the numbers.
    #[test]
    fn percentiles_are_numpys() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("reference/percentiles.json")).unwrap();
        let cases = reference["cases"].as_array().unwrap();
        assert!(cases.len() > 5);
        for case in cases {
            let samples: Vec<f64> = serde_json::from_value(case["samples"].clone()).unwrap();
            let own = Summary::of(&samples).unwrap();
            assert_eq!(own.count, samples.len());
            let held = |end: f64| samples.iter().any(|sample| sample.total_cmp(&end).is_eq());
            assert!(held(own.least) && held(own.most) && own.least <= own.median && own.median <= own.most);
            for (name, found) in [
                ("mean", own.mean),
                ("median", own.median),
                ("p90", own.p90),
                ("p95", own.p95),
                ("p99", own.p99),
            ] {
                let wanted = case[name].as_f64().unwrap();
                assert!((found - wanted).abs() <= 1e-12 * wanted, "{name}: {found} {wanted}");
            }
        }
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn a_ratio_holds_one_for_the_same_samples_and_two_for_doubled_work() {
        let own = rounds(5.0, 1);
        let same = ratio(&own, &own, 1).unwrap();
        assert!((same.value - 1.0).abs() < 1e-12 && same.low < 1.0 && 1.0 < same.high);
        let doubled: Vec<Vec<f64>> =
            own.iter().map(|round| round.iter().map(|x| 2.0 * x).collect()).collect();
        let twice = ratio(&own, &doubled, 1).unwrap();
        assert!((twice.value - 2.0).abs() < 1e-12 && twice.low > 1.8 && twice.high < 2.2, "{twice:?}");
        assert_eq!(ratio(&own, &doubled, 1), ratio(&own, &doubled, 1), "seeded");
    }

    /// Two hundred pairs without a difference: an interval of 99 % leaves 1 out in few of them.
    #[test]
    fn the_interval_covers_what_it_says_about() {
        let misses = (0..200)
            .filter(|seed| {
                let own = ratio(&rounds(5.0, 2 * seed), &rounds(5.0, 2 * seed + 1), 1).unwrap();
                own.low > 1.0 || own.high < 1.0
            })
            .count();
        assert!(misses <= 10, "{misses} of 200");
    }

    #[test]
    fn a_ratio_needs_positive_samples() {
        assert_eq!(ratio(&[], &rounds(1.0, 1), 1), None);
        assert_eq!(ratio(&[vec![]], &rounds(1.0, 1), 1), None);
        assert_eq!(ratio(&[vec![0.0]], &rounds(1.0, 1), 1), None);
        assert_eq!(ratio(&[vec![f64::NAN]], &rounds(1.0, 1), 1), None);
    }

    #[test]
    fn exponents_of_powers_are_found() {
        let points =
            |power: i32| -> Vec<_> { [1.0, 2.0, 5.0, 9.0].map(|x: f64| (x, 3.0 * x.powi(power))).to_vec() };
        for power in [-1, 0, 1, 2] {
            assert!((exponent(&points(power)).unwrap() - f64::from(power)).abs() < 1e-12);
        }
        assert_eq!(slope(&[(0.0, 1.0), (2.0, 5.0), (4.0, 9.0)]), Some(2.0));
        assert_eq!(exponent(&[(1.0, 1.0)]), None);
        assert_eq!(exponent(&[(1.0, 0.0), (2.0, 1.0)]), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_in_order(samples in proptest::collection::vec(-1e6..1e6_f64, 1..60)) {
            let own = Summary::of(&samples).unwrap();
            let steps = [own.least, own.median, own.p90, own.p95, own.p99, own.most];
            prop_assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
