//! From a model's logit to a probability that means what it says, fitted on patients of their own; and which probabilities
//! say nothing either way.
//!
//! | method | where |
//! |---|---|
//! | Platt, `sigmoid(a + b * logit)` with b at least 0 | the default, one for each stratum of what is there |
//! | isotonic | asked for, and only with 1,000 cases and more |
//! | pooled | a stratum with fewer than 100 events is calibrated together with the others |
//! | split conformal, by class and stratum (Mondrian) | to mark "indeterminate" only; no set is ever shown as an answer |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::formulas::{logistic, logit};
use crate::learned::non_negative;

/// Fewest events of a stratum that is calibrated alone.
pub const LEAST_EVENTS: usize = 100;
/// Fewest cases of an isotonic calibration.
pub const LEAST_ISOTONIC: usize = 1000;
/// Fewest cases of a class of a stratum that has a conformal bound of its own.
const LEAST_CONFORMAL: usize = 30;

/// A case that a calibration is fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What was there, such as `complete` or `image-only`.
    pub stratum: String,
    /// The model's logit.
    pub logit: f64,
    /// What happened.
    pub label: bool,
}

/// One calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// `sigmoid(intercept + slope * logit)`.
    Platt {
        /// Intercept.
        intercept: f64,
        /// At least 0, so that the order of cases is kept.
        slope: f64,
    },
    /// Linear between these points, constant beyond them.
    Isotonic {
        /// Logits, ascending.
        at: Vec<f64>,
        /// Probabilities, ascending.
        probability: Vec<f64>,
    },
}

impl Curve {
    /// The probability.
    pub fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Platt { intercept, slope } => logistic(intercept + slope * value),
            Self::Isotonic { at, probability } => interpolate(at, probability, value),
        }
    }

    /// Whether all numbers are finite, the slope is not negative, and each point has a probability.
    fn is_sound(&self) -> bool {
        match self {
            Self::Platt { intercept, slope } => intercept.is_finite() && slope.is_finite() && *slope >= 0.0,
            Self::Isotonic { at, probability } => {
                !at.is_empty()
                    && at.len() == probability.len()
                    && at.iter().all(|point| point.is_finite())
                    && probability.iter().all(|value| (0.0..=1.0).contains(value))
            }
        }
    }
}

fn interpolate(at: &[f64], probability: &[f64], value: f64) -> f64 {
    let above = at.partition_point(|point| *point < value);
    match (above.checked_sub(1), probability.get(above)) {
        (None, Some(first)) => *first,
        (Some(last), None) => probability.get(last).copied().unwrap_or(f64::NAN),
        (None, None) => f64::NAN,
        (Some(below), Some(upper)) => {
            let width = at[above] - at[below];
            if width <= 0.0 {
                return *upper;
            }
            probability[below] + (upper - probability[below]) * (value - at[below]) / width
        }
    }
}

/// Platt's curve; `None` where the labels are all the same.
pub fn platt(cases: &[Case]) -> Option<Curve> {
    let design: Vec<Vec<f64>> = cases.iter().map(|case| vec![case.logit]).collect();
    let labels: Vec<f64> = cases.iter().map(|case| f64::from(u8::from(case.label))).collect();
    let solved = non_negative(&design, &labels)?;
    Some(Curve::Platt { intercept: *solved.first()?, slope: *solved.get(1)? })
}

/// The isotonic curve by pooling adjacent violators; equal logits are one point. `None` for no cases.
pub fn isotonic(cases: &[Case]) -> Option<Curve> {
    let mut sorted: Vec<&Case> = cases.iter().filter(|case| case.logit.is_finite()).collect();
    sorted.sort_by(|one, other| one.logit.total_cmp(&other.logit));
    // blocks: lowest and highest logit, sum of labels, cases
    let mut blocks: Vec<(f64, f64, f64, f64)> = Vec::new();
    for case in sorted {
        let label = f64::from(u8::from(case.label));
        match blocks.last_mut() {
            Some(last) if last.1.total_cmp(&case.logit).is_eq() && last.0.total_cmp(&last.1).is_eq() => {
                last.2 += label;
                last.3 += 1.0;
            }
            _ => blocks.push((case.logit, case.logit, label, 1.0)),
        }
    }
    let mut pooled: Vec<(f64, f64, f64, f64)> = Vec::new();
    for block in blocks {
        pooled.push(block);
        while let [.., before, last] = pooled.as_slice() {
            if before.2 / before.3 < last.2 / last.3 {
                break;
            }
            let merged = (before.0, last.1, before.2 + last.2, before.3 + last.3);
            pooled.truncate(pooled.len() - 2);
            pooled.push(merged);
        }
    }
    let (mut at, mut probability) = (Vec::new(), Vec::new());
    for (low, high, sum, count) in pooled {
        let ends = if low.total_cmp(&high).is_eq() { vec![low] } else { vec![low, high] };
        for end in ends {
            at.push(end);
            probability.push(sum / count);
        }
    }
    (!at.is_empty()).then_some(Curve::Isotonic { at, probability })
}

/// Calibration by stratum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// For strata that are not listed.
    pub pooled: Curve,
    /// Strata with events enough for a curve of their own.
    pub strata: BTreeMap<String, Curve>,
}

impl Calibration {
    /// Fits. With `isotonic`, strata of [`LEAST_ISOTONIC`] cases and more have an isotonic curve. `None` where the labels
    /// are all the same.
    pub fn fit(cases: &[Case], wants_isotonic: bool) -> Option<Self> {
        let curve = |cases: &[Case]| {
            if wants_isotonic && cases.len() >= LEAST_ISOTONIC { isotonic(cases) } else { platt(cases) }
        };
        let mut by: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
        for case in cases {
            by.entry(&case.stratum).or_default().push(case.clone());
        }
        let strata = by
            .into_iter()
            .filter(|(_, own)| {
                let events = own.iter().filter(|case| case.label).count();
                events.min(own.len() - events) >= LEAST_EVENTS
            })
            .filter_map(|(name, own)| Some((name.to_owned(), curve(&own)?)))
            .collect();
        Some(Self { pooled: curve(cases)?, strata })
    }

    /// Whether every curve can be computed with.
    pub(crate) fn is_sound(&self) -> bool {
        self.strata.values().chain([&self.pooled]).all(Curve::is_sound)
    }

    /// The probability of a logit in a stratum.
    pub fn apply(&self, stratum: &str, value: f64) -> f64 {
        self.strata.get(stratum).unwrap_or(&self.pooled).apply(value)
    }
}

/// Which probabilities say nothing either way: those for which neither class, or both, would be surprising.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// Share of cases of each class that may be left out of the set.
    pub alpha: f64,
    /// For strata that are not listed: bounds on 1 less the probability of "no" and of "yes".
    pub pooled: [f64; 2],
    /// Strata with cases enough of both classes.
    pub strata: BTreeMap<String, [f64; 2]>,
}

impl Conformal {
    /// Fits on probabilities of cases that were not trained on: stratum, probability, label. `None` where a class is empty.
    pub fn fit(cases: &[(String, f64, bool)], alpha: f64) -> Option<Self> {
        let mut by: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
        for (stratum, probability, label) in cases {
            by.entry(stratum).or_default().push((*probability, *label));
        }
        let all: Vec<(f64, bool)> =
            cases.iter().map(|(_, probability, label)| (*probability, *label)).collect();
        let enough = |own: &[(f64, bool)]| {
            let yes = own.iter().filter(|(_, label)| *label).count();
            yes.min(own.len() - yes) >= LEAST_CONFORMAL
        };
        Some(Self {
            alpha,
            pooled: bounds(&all, alpha)?,
            strata: by
                .into_iter()
                .filter(|(_, own)| enough(own))
                .filter_map(|(name, own)| Some((name.to_owned(), bounds(&own, alpha)?)))
                .collect(),
        })
    }

    /// Whether a class would be in the set: "no", "yes".
    pub fn set(&self, stratum: &str, probability: f64) -> [bool; 2] {
        let bounds = self.strata.get(stratum).unwrap_or(&self.pooled);
        [probability <= bounds[0], 1.0 - probability <= bounds[1]]
    }

    /// Whether the set is not exactly one class.
    pub fn is_indeterminate(&self, stratum: &str, probability: f64) -> bool {
        let [no, yes] = self.set(stratum, probability);
        no == yes
    }
}

/// The `ceil((n + 1)(1 - alpha))`-th smallest surprise of each class.
fn bounds(cases: &[(f64, bool)], alpha: f64) -> Option<[f64; 2]> {
    let bound = |class: bool| {
        let own = cases.iter().filter(|(_, label)| *label == class);
        let mut surprise: Vec<f64> =
            own.map(|(probability, _)| if class { 1.0 - probability } else { *probability }).collect();
        surprise.sort_by(f64::total_cmp);
        let share = (surprise.len() as f64 + 1.0) * (1.0 - alpha);
        let rank = (1..=surprise.len()).find(|rank| *rank as f64 >= share - 1e-9);
        // too few cases for the share: nothing would be surprising
        if surprise.is_empty() { None } else { Some(rank.map_or(1.0, |rank| surprise[rank - 1])) }
    };
    Some([bound(false)?, bound(true)?])
}

/// The logit that a probability is calibrated from, kept away from 0 and 1.
pub fn bounded_logit(probability: f64) -> f64 {
    logit(probability.clamp(1e-9, 1.0 - 1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(logit: f64, label: u8) -> Case {
        Case { stratum: "all".to_owned(), logit, label: label == 1 }
    }

    #[test]
    fn pooled_violators_by_hand() {
        let cases = [case(1.0, 0), case(2.0, 1), case(3.0, 0), case(4.0, 1)];
        let curve = isotonic(&cases).unwrap();
        for (value, expected) in
            [(0.0, 0.0), (1.0, 0.0), (1.5, 0.25), (2.0, 0.5), (2.7, 0.5), (3.5, 0.75), (9.0, 1.0)]
        {
            assert!((curve.apply(value) - expected).abs() < 1e-12, "{value}: {}", curve.apply(value));
        }
        assert_eq!(isotonic(&[]), None);
        assert_eq!(platt(&[case(1.0, 1)]), None);
    }

    #[test]
    fn a_stratum_with_few_events_is_pooled() {
        let many = (0..500).map(|index| Case {
            stratum: "full".into(),
            logit: f64::from(index % 7),
            label: index % 2 == 0,
        });
        let few = (0..50).map(|index| Case {
            stratum: "image".into(),
            logit: f64::from(index % 5),
            label: index % 3 == 0,
        });
        let cases: Vec<Case> = many.chain(few).collect();
        let found = Calibration::fit(&cases, false).unwrap();
        assert_eq!(found.strata.keys().collect::<Vec<_>>(), ["full"]);
        assert!((found.apply("image", 2.0) - found.pooled.apply(2.0)).abs() < 1e-15);
    }

    #[test]
    fn conformal_bounds_by_hand() {
        // nine negatives with 0.1 to 0.9: the 9th of 9 for alpha 0.1; for 0.5 the 5th
        let no = (1..=9).map(|step| ("all".to_owned(), f64::from(step) / 10.0, false));
        let yes = (1..=9).map(|step| ("all".to_owned(), 1.0 - f64::from(step) / 100.0, true));
        let cases: Vec<_> = no.chain(yes).collect();
        let found = Conformal::fit(&cases, 0.5).unwrap();
        assert!((found.pooled[0] - 0.5).abs() < 1e-12 && (found.pooled[1] - 0.05).abs() < 1e-12);
        assert_eq!(found.set("all", 0.3), [true, false]);
        assert!(found.is_indeterminate("all", 0.7), "neither class is likely enough");
        assert_eq!(found.set("all", 0.97), [false, true]);
        assert!(Conformal::fit(&cases[..9], 0.1).is_none());
    }
}
