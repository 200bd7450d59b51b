//! What laboratory values that are missing could make of a prediction.

use super::Parameters;
use crate::learned::encode::RecordRow;

/// Standard deviations around the average that 95 % of a normal distribution are within.
const USUAL_DEVIATIONS: f64 = 1.96;

impl Parameters {
    /// Image and record with every value that is missing: the bounds over values that are usual. The sum is additive, so
    /// they are exact. `None` where nothing is missing.
    pub(super) fn could_be(&self, image: &[Option<f64>], stated: &RecordRow) -> Option<(f64, f64)> {
        let known = &self.late.record;
        let (mut least, mut greatest) = (stated.clone(), stated.clone());
        for (at, _) in stated.labs.iter().enumerate().filter(|(_, value)| value.is_none()) {
            let half = USUAL_DEVIATIONS * known.scale[at];
            let usual = ((known.centre[at] - half).max(0.0), known.centre[at] + half);
            let (low, high) = if known.weights[at] < 0.0 { (usual.1, usual.0) } else { usual };
            (least.labs[at], greatest.labs[at]) = (Some(low), Some(high));
        }
        let of = |row: &RecordRow| self.answer(Some(image), Some(row)).map(|answer| answer.probability);
        stated.labs.iter().any(Option::is_none).then(|| of(&least).zip(of(&greatest))).flatten()
    }
}
