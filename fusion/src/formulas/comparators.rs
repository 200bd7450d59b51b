//! Formulas that are shown beside others and never alone: each has one source, or is not plausible outside its cohort.

use super::logistic;

/// VA model: malignancy of a solitary nodule. Gould MK et al., Chest 2007;131:383-388; read in PMC6717521 table 2, which
/// prints the years since quitting without their minus sign; the minus is taken from the abstract's odds ratio.
pub fn va(age_years: f64, ever_smoker: bool, years_quit: f64, diameter_mm: f64) -> f64 {
    let smoked = if ever_smoker { 2.061 - 0.0567 * years_quit } else { 0.0 };
    logistic(-8.404 + 0.0779 * age_years + smoked + 0.112 * diameter_mm)
}

/// MRI-ERSPC after an earlier negative biopsy: high-grade prostate cancer. Alberts AR et al. 2019, as in the public
/// repository ToishY/pca-riskcalculator. `None` where the category is not 1 to 5 or a number is not above 0.
pub fn mri_erspc(
    psa_ng_ml: f64,
    abnormal_examination: bool,
    volume_ml: f64,
    age_years: f64,
    pi_rads: u8,
) -> Option<f64> {
    if !(psa_ng_ml > 0.0 && volume_ml > 0.0) {
        return None;
    }
    let category = match pi_rads {
        1 | 2 => 0.0,
        3 => 0.949_09,
        4 => 2.675_36,
        5 => 3.052_43,
        _ => return None,
    };
    // the volume counts in the three classes of the rectal examination
    let class: f64 = match volume_ml {
        small if small < 30.0 => 25.0,
        middle if middle < 50.0 => 40.0,
        _ => 60.0,
    };
    let examined = f64::from(u8::from(abnormal_examination));
    let clinical = -3.489 - 1.136 + (1.075 - 0.434) * (psa_ng_ml.log2() - 2.0) - 1.501 * (class.log2() - 5.5)
        + 1.311 * examined;
    let sum = -5.192_08 - 0.745 + (clinical * 0.9420 + 2.1452) * 0.740_27 + 0.042_86 * age_years + category;
    Some(logistic(sum))
}

/// Third of the prostate that a lesion lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Third {
    /// Base.
    Base,
    /// Mid-gland.
    Mid,
    /// Apex.
    Apex,
}

/// Insights into Imaging 2024;15:3 (PMC10772021 table 2): cancer in a lesion of PI-RADS 3 to 5. `None` for other
/// categories.
pub fn insights(age_years: f64, density: f64, pi_rads: u8, peripheral: bool, third: Third) -> Option<f64> {
    let category = match pi_rads {
        3 => 0.0,
        4 => 1.64,
        5 => 3.94,
        _ => return None,
    };
    let third = match third {
        Third::Base => 0.0,
        Third::Mid => 0.28,
        Third::Apex => 0.67,
    };
    let zone = if peripheral { 2.34 } else { 0.0 };
    Some(logistic(-8.38 + 0.83 * age_years / 10.0 + 0.83 * density / 0.05 + category + zone + third))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-6, "{found} against {expected}");
    }

    #[test]
    fn worked_values() {
        close(va(62.0, false, 0.0, 10.0), 0.079_132);
        close(va(70.0, true, 10.0, 15.0), 0.555_520);
        close(va(70.0, true, 0.0, 15.0), 0.687_831);
        close(mri_erspc(7.5, false, 40.0, 65.0, 4).unwrap(), 0.179_284);
        close(mri_erspc(7.5, false, 40.0, 65.0, 2).unwrap(), 0.014_824);
        close(mri_erspc(7.5, false, 60.0, 65.0, 5).unwrap(), 0.147_240);
        close(insights(65.0, 0.15, 4, true, Third::Mid).unwrap(), 0.977_357);
        close(insights(65.0, 0.15, 3, false, Third::Base).unwrap(), 0.378_716);
        assert_eq!(mri_erspc(0.0, false, 40.0, 65.0, 4), None);
        assert_eq!(mri_erspc(7.5, false, 40.0, 65.0, 6), None);
        assert_eq!(insights(65.0, 0.15, 2, true, Third::Mid), None);
    }
}
