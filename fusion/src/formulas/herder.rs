//! Herder: probability that a nodule is malignant, from the Mayo probability and the uptake on FDG-PET.
//!
//! Herder GJ et al., Chest 2005;128:2490-2496; coefficients as read in three sources. The Mayo probability enters as a
//! fraction from 0 to 1, not as percent. The uptake scale is the one of the British Thoracic Society, as the paper defines
//! none. The likelihood ratios that go by the same name elsewhere are not in the paper: [`by_likelihood_ratio`] is a
//! comparator and is never mixed with the model.

use super::{Calculation, Term, logistic, logit};

const INTERCEPT: f64 = -4.739;
const MAYO: f64 = 3.691;

/// Least diameter of a solid nodule that the British Thoracic Society uses the model for, mm.
pub const MIN_DIAMETER_MM: f64 = 8.0;

/// FDG uptake of the nodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uptake {
    /// Indiscernible from the background.
    None,
    /// At most the mediastinal blood pool.
    Faint,
    /// Above the blood pool.
    Moderate,
    /// Far above the blood pool.
    Intense,
}

impl Uptake {
    const ALL: [Self; 4] = [Self::None, Self::Faint, Self::Moderate, Self::Intense];

    /// Coefficient on the logit.
    fn coefficient(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Faint => 2.322,
            Self::Moderate => 4.617,
            Self::Intense => 4.771,
        }
    }

    /// Likelihood ratio of the British Thoracic Society.
    fn likelihood_ratio(self) -> f64 {
        match self {
            Self::None => 0.08,
            Self::Faint => 0.17,
            Self::Moderate => 1.9,
            Self::Intense => 9.9,
        }
    }
}

/// The model; `mayo` is the range of the Mayo probability, equal bounds where all its inputs are known.
pub fn calculate(mayo: (f64, f64), uptake: Option<Uptake>) -> Calculation {
    let (low, high) = (MAYO * mayo.0, MAYO * mayo.1);
    let known = mayo.0.total_cmp(&mayo.1).is_eq();
    let uptakes = Uptake::ALL.map(Uptake::coefficient);
    let terms = vec![
        Term { label: "Mayo probability", input: "mayo", low, high, known },
        Term::tri_state("FDG uptake", "fdg-uptake", uptake.map(Uptake::coefficient), &uptakes),
    ];
    Calculation { variant: "2005, uptake after the British Thoracic Society", intercept: INTERCEPT, terms }
}

/// Comparator only: the Mayo odds times a likelihood ratio of the uptake.
pub fn by_likelihood_ratio(mayo: f64, uptake: Uptake) -> f64 {
    logistic(logit(mayo) + uptake.likelihood_ratio().ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_values() {
        let rows = [
            (0.1, [0.012_494, 0.114_265, 0.561_463, 0.598_952]),
            (0.187, [0.017_145, 0.151_000, 0.638_352, 0.673_095]),
            (0.560_083, [0.064_662, 0.413_447, 0.874_930, 0.890_832]),
            (0.9, [0.195_117, 0.711_955, 0.960_831, 0.966_232]),
        ];
        for (mayo, expected) in rows {
            for (uptake, expected) in Uptake::ALL.into_iter().zip(expected) {
                let found = calculate((mayo, mayo), Some(uptake)).probability().unwrap();
                assert!((found - expected).abs() <= 1e-6, "{mayo} {uptake:?}: {found}");
            }
        }
    }

    #[test]
    fn likelihood_ratios_are_another_model() {
        for (uptake, expected) in Uptake::ALL.into_iter().zip([0.092_438, 0.177_927, 0.707_517, 0.926_494]) {
            let found = by_likelihood_ratio(0.560_083, uptake);
            assert!((found - expected).abs() <= 1e-6, "{uptake:?}: {found}");
        }
    }

    #[test]
    fn unknown_uptake_gives_the_range_over_all() {
        let found = calculate((0.1, 0.1), None);
        let (low, high) = found.range();
        assert!((low - 0.012_494).abs() <= 1e-6 && (high - 0.598_952).abs() <= 1e-6, "{low} {high}");
        assert_eq!(calculate((0.1, 0.9), Some(Uptake::Faint)).missing(), ["mayo"]);
    }
}
