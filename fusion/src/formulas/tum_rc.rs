//! TUM-RC: probability of a cancer above ISUP grade group 2 on biopsy, from age, antigen density, PI-RADS and an earlier
//! negative biopsy.
//!
//! ClevelandClinicQHS/riskcalc-website, `Pirads/riskcalc.R`, commit 1938c14: one official source. Made from 603 men of one
//! specialist hospital; its own page says that external validation is awaited. The outcome is ISUP **above** 2 as the code
//! and the page have it, not "2 or more".

use super::{Calculation, Term};

const INTERCEPT: f64 = -6.1785;
const AGE_PER_10: f64 = 0.4933;
const LOG2_DENSITY: f64 = 0.4688;
const PI_RADS: f64 = 0.8548;
const PRIOR_NEGATIVE: f64 = -0.8491;

/// Ages that the page accepts.
pub const AGES: (f64, f64) = (55.0, 90.0);

/// What the formula needs. Age, antigen and volume are mandatory; `None` elsewhere is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Age in years, within [`AGES`].
    pub age_years: f64,
    /// Prostate-specific antigen, ng/mL, above 0.
    pub psa_ng_ml: f64,
    /// Volume of the prostate, mL, above 0.
    pub volume_ml: f64,
    /// PI-RADS category, 1 to 5.
    pub pi_rads: Option<f64>,
    /// There was a biopsy, and all were negative.
    pub prior_negative_biopsy: Option<bool>,
}

/// The formula; `None` outside its domain.
pub fn calculate(inputs: &Inputs) -> Option<Calculation> {
    let positive = inputs.psa_ng_ml > 0.0 && inputs.volume_ml > 0.0;
    let category = inputs.pi_rads.is_none_or(|category| (1.0..=5.0).contains(&category));
    if !(AGES.0..=AGES.1).contains(&inputs.age_years) || !positive || !category {
        return None;
    }
    let density = (inputs.psa_ng_ml / inputs.volume_ml).log2();
    let terms = vec![
        Term::known("age", "age", AGE_PER_10 * inputs.age_years / 10.0),
        Term::known("density of the antigen", "psa-density", LOG2_DENSITY * density),
        Term::tri_state(
            "PI-RADS",
            "pi-rads",
            inputs.pi_rads.map(|category| PI_RADS * category),
            &[PI_RADS, PI_RADS * 5.0],
        ),
        Term::yes_no("earlier negative biopsy", "prior-biopsy", inputs.prior_negative_biopsy, PRIOR_NEGATIVE),
    ];
    Some(Calculation { variant: "", intercept: INTERCEPT, terms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_values() {
        let rows = [
            (65.0, 7.5, 50.0, 4.0, 0, -0.835_939, 0.302_391),
            (65.0, 7.5, 50.0, 4.0, 1, -1.685_039, 0.156_429),
            (65.0, 7.5, 50.0, 3.0, 0, -1.690_739, 0.155_679),
            (65.0, 7.5, 50.0, 5.0, 0, 0.018_861, 0.504_715),
            (70.0, 12.0, 40.0, 5.0, 0, 0.734_311, 0.675_750),
            (60.0, 5.0, 60.0, 2.0, 0, -3.189_730, 0.039_554),
            (55.0, 4.0, 40.0, 3.0, 0, -2.458_270, 0.078_836),
            (80.0, 20.0, 30.0, 5.0, 0, 1.767_670, 0.854_168),
        ];
        for (age_years, psa_ng_ml, volume_ml, pi_rads, prior, logit, probability) in rows {
            let inputs = Inputs {
                age_years,
                psa_ng_ml,
                volume_ml,
                pi_rads: Some(pi_rads),
                prior_negative_biopsy: Some(prior == 1),
            };
            let found = calculate(&inputs).unwrap();
            assert!((found.logit().unwrap() - logit).abs() <= 1e-6, "{inputs:?}");
            assert!((found.probability().unwrap() - probability).abs() <= 1e-6, "{inputs:?}");
            assert_eq!(calculate(&Inputs { age_years: 54.0, ..inputs }), None);
            assert_eq!(calculate(&Inputs { volume_ml: 0.0, ..inputs }), None);
            assert_eq!(calculate(&Inputs { pi_rads: Some(6.0), ..inputs }), None);
            let range = calculate(&Inputs { pi_rads: None, ..inputs }).unwrap();
            assert_eq!(range.missing(), ["pi-rads"]);
        }
    }
}
