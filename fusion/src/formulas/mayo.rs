//! Mayo model: probability that a solitary pulmonary nodule is malignant.
//!
//! Swensen SJ et al., Arch Intern Med 1997;157:849-855. Coefficients as read in five sources; PMC6717521
//! table 2 prints the intercept as -6.872, a typing error. Extrathoracic cancer counts only when it was
//! diagnosed more than 5 years ago; a person with a cancer within 5 years was not in the data.

use super::{Calculation, Term};

/// Least and greatest diameter of the domain, mm.
pub const DIAMETER_MM: (f64, f64) = (4.0, 30.0);
/// A cancer within this many years is outside the domain.
pub const CANCER_FREE_YEARS: f64 = 5.0;

const INTERCEPT: f64 = -6.8272;
const AGE: f64 = 0.0391;
const EVER_SMOKER: f64 = 0.7917;
const CANCER: f64 = 1.3388;
const DIAMETER: f64 = 0.1274;
const SPICULATION: f64 = 1.0407;
const UPPER_LOBE: f64 = 0.7838;

/// What the formula needs. Age and diameter are mandatory; `None` elsewhere is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Age in years.
    pub age_years: f64,
    /// Current or former smoker.
    pub ever_smoker: Option<bool>,
    /// Extrathoracic cancer diagnosed more than 5 years ago.
    pub extrathoracic_cancer: Option<bool>,
    /// Longest diameter, mm, within [`DIAMETER_MM`].
    pub diameter_mm: f64,
    /// Spiculated margin.
    pub spiculated: Option<bool>,
    /// Nodule in an upper lobe.
    pub upper_lobe: Option<bool>,
}

/// The formula; `None` outside the domain of the diameter.
pub fn calculate(inputs: &Inputs) -> Option<Calculation> {
    if !(DIAMETER_MM.0..=DIAMETER_MM.1).contains(&inputs.diameter_mm) {
        return None;
    }
    let terms = vec![
        Term::known("age", "age", AGE * inputs.age_years),
        Term::yes_no("ever smoked", "smoking-status", inputs.ever_smoker, EVER_SMOKER),
        Term::yes_no("extrathoracic cancer", "cancer-history", inputs.extrathoracic_cancer, CANCER),
        Term::known("nodule size", "nodule-diameter", DIAMETER * inputs.diameter_mm),
        Term::yes_no("spiculation", "spiculation", inputs.spiculated, SPICULATION),
        Term::yes_no("upper lobe", "upper-lobe", inputs.upper_lobe, UPPER_LOBE),
    ];
    Some(Calculation { variant: "clinical, without PET", intercept: INTERCEPT, terms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_values() {
        let rows = [
            (55.0, 0, 0, 20.0, 0, 0, -2.128_700, 0.106_338),
            (65.0, 1, 0, 15.0, 1, 1, 0.241_500, 0.560_083),
            (70.0, 1, 1, 25.0, 1, 1, 3.049_800, 0.954_774),
            (60.0, 0, 0, 8.0, 0, 0, -3.462_000, 0.030_413),
            (60.0, 1, 0, 8.0, 0, 0, -2.670_300, 0.064_749),
            (60.0, 0, 1, 8.0, 0, 0, -2.123_200, 0.106_862),
            (60.0, 0, 0, 8.0, 1, 0, -2.421_300, 0.081_563),
            (60.0, 0, 0, 8.0, 0, 1, -2.678_200, 0.064_272),
        ];
        for (age_years, smoker, cancer, diameter_mm, spiculated, upper, logit, probability) in rows {
            let inputs = Inputs {
                age_years,
                ever_smoker: Some(smoker == 1),
                extrathoracic_cancer: Some(cancer == 1),
                diameter_mm,
                spiculated: Some(spiculated == 1),
                upper_lobe: Some(upper == 1),
            };
            let found = calculate(&inputs).unwrap();
            assert!((found.logit().unwrap() - logit).abs() <= 1e-6, "{inputs:?}");
            assert!((found.probability().unwrap() - probability).abs() <= 1e-6, "{inputs:?}");
        }
    }

    #[test]
    fn range_and_domain() {
        let inputs = Inputs {
            age_years: 60.0,
            ever_smoker: None,
            extrathoracic_cancer: None,
            diameter_mm: 8.0,
            spiculated: None,
            upper_lobe: None,
        };
        let found = calculate(&inputs).unwrap();
        let (low, high) = found.range();
        assert!((low - 0.030_413).abs() <= 1e-6 && high > 0.5, "{low} {high}");
        assert_eq!(found.missing(), ["smoking-status", "cancer-history", "spiculation", "upper-lobe"]);
        for diameter_mm in [3.9, 30.1, f64::NAN] {
            assert_eq!(calculate(&Inputs { diameter_mm, ..inputs }), None);
        }
    }
}
