//! PLCOm2012: probability of lung cancer within 6 years in a person who has ever smoked.
//!
//! Tammemagi MC et al., N Engl J Med 2013;368:728-736 (PMC3929969). Coefficients as read in five sources.
//! The coefficient 1.027152 belongs to Native Hawaiian or Pacific Islander; some implementations give it
//! to American Indian or Alaska Native by mistake. The race term is contested: its effect is a term of
//! its own that a report shows.

use super::{Calculation, Term};

const INTERCEPT: f64 = -4.532_506;
const AGE: f64 = 0.077_886_8;
const EDUCATION: f64 = -0.081_274_4;
const BMI: f64 = -0.027_419_4;
const COPD: f64 = 0.355_306_3;
const CANCER: f64 = 0.458_997_1;
const FAMILY: f64 = 0.587_185;
const CURRENT: f64 = 0.259_743_1;
const INTENSITY: f64 = -1.822_606;
const INTENSITY_CENTRE: f64 = 0.402_154_161_3;
const DURATION: f64 = 0.031_732_1;
const QUIT: f64 = -0.030_857_2;

/// Least and greatest plausible value of an unknown input, for the range.
const EDUCATION_RANGE: [f64; 2] = [1.0, 6.0];
const BMI_RANGE: [f64; 2] = [15.0, 50.0];
const PER_DAY_RANGE: [f64; 2] = [1.0, 80.0];
const YEARS_SMOKED_RANGE: [f64; 2] = [1.0, 60.0];
const YEARS_QUIT_RANGE: [f64; 2] = [0.0, 50.0];

/// Race or ethnicity as the formula has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Race {
    /// White, non-Hispanic.
    White,
    /// Black, non-Hispanic.
    Black,
    /// Hispanic.
    Hispanic,
    /// Asian.
    Asian,
    /// American Indian or Alaska Native.
    AmericanIndian,
    /// Native Hawaiian or Pacific Islander.
    PacificIslander,
}

impl Race {
    const ALL: [Self; 6] =
        [Self::White, Self::Black, Self::Hispanic, Self::Asian, Self::AmericanIndian, Self::PacificIslander];

    /// Coefficient on the logit.
    fn coefficient(self) -> f64 {
        match self {
            Self::White | Self::AmericanIndian => 0.0,
            Self::Black => 0.394_477_8,
            Self::Hispanic => -0.743_474_4,
            Self::Asian => -0.466_585,
            Self::PacificIslander => 1.027_152,
        }
    }
}

/// What the formula needs, of a person who has ever smoked. Age is mandatory; `None` elsewhere is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Age in years.
    pub age_years: f64,
    /// Race or ethnicity.
    pub race: Option<Race>,
    /// 1 less than high school, 2 high-school graduate, 3 post-high-school training, 4 some college,
    /// 5 college graduate, 6 postgraduate.
    pub education: Option<f64>,
    /// Body mass index, kg/m2.
    pub bmi: Option<f64>,
    /// Chronic obstructive pulmonary disease.
    pub copd: Option<bool>,
    /// Any cancer of the person's own.
    pub cancer: Option<bool>,
    /// Lung cancer in the family.
    pub family_history: Option<bool>,
    /// Smokes now.
    pub current_smoker: Option<bool>,
    /// Cigarettes per day, above 0.
    pub cigarettes_per_day: Option<f64>,
    /// Years smoked.
    pub years_smoked: Option<f64>,
    /// Years since quitting; 0 for a current smoker.
    pub years_quit: Option<f64>,
}

/// The formula.
pub fn calculate(inputs: &Inputs) -> Calculation {
    let education = |level: f64| EDUCATION * (level - 4.0);
    let bmi = |value: f64| BMI * (value - 27.0);
    let intensity = |daily: f64| INTENSITY * ((daily / 10.0).recip() - INTENSITY_CENTRE);
    let duration = |years: f64| DURATION * (years - 27.0);
    let quit = |years: f64| QUIT * (years - 10.0);
    let per_day = inputs.cigarettes_per_day.filter(|daily| *daily > 0.0);
    let races = Race::ALL.map(Race::coefficient);
    let terms = vec![
        Term::known("age", "age", AGE * (inputs.age_years - 62.0)),
        Term::tri_state("race or ethnicity", "race", inputs.race.map(Race::coefficient), &races),
        Term::tri_state(
            "education",
            "education",
            inputs.education.map(education),
            &EDUCATION_RANGE.map(education),
        ),
        Term::tri_state("body mass index", "bmi", inputs.bmi.map(bmi), &BMI_RANGE.map(bmi)),
        Term::yes_no("COPD", "copd", inputs.copd, COPD),
        Term::yes_no("own cancer", "cancer-history", inputs.cancer, CANCER),
        Term::yes_no("family history of lung cancer", "family-history", inputs.family_history, FAMILY),
        Term::yes_no("smokes now", "smoking-status", inputs.current_smoker, CURRENT),
        Term::tri_state(
            "cigarettes per day",
            "cigarettes-per-day",
            per_day.map(intensity),
            &PER_DAY_RANGE.map(intensity),
        ),
        Term::tri_state(
            "years smoked",
            "years-smoked",
            inputs.years_smoked.map(duration),
            &YEARS_SMOKED_RANGE.map(duration),
        ),
        Term::tri_state(
            "years since quitting",
            "years-quit",
            inputs.years_quit.map(quit),
            &YEARS_QUIT_RANGE.map(quit),
        ),
    ];
    Calculation { variant: "with race or ethnicity", intercept: INTERCEPT, terms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Race::{AmericanIndian, Asian, Black, Hispanic, PacificIslander, White};

    /// Age, race, education, BMI; COPD, cancer, family, current; cigarettes, years, quit; logit, probability.
    type Row = ((f64, Race, f64, f64), [u8; 4], [f64; 5]);

    fn inputs((person, stated, amounts): &Row) -> Inputs {
        Inputs {
            age_years: person.0,
            race: Some(person.1),
            education: Some(person.2),
            bmi: Some(person.3),
            copd: Some(stated[0] == 1),
            cancer: Some(stated[1] == 1),
            family_history: Some(stated[2] == 1),
            current_smoker: Some(stated[3] == 1),
            cigarettes_per_day: Some(amounts[0]),
            years_smoked: Some(amounts[1]),
            years_quit: Some(amounts[2]),
        }
    }

    #[test]
    fn worked_values() {
        let centred = 24.866_086_099_107_09;
        let rows: [Row; 12] = [
            ((62.0, White, 4.0, 27.0), [0, 0, 0, 0], [80.0, 27.0, 10.0, -4.027_363, 0.017_509]),
            ((62.0, White, 4.0, 27.0), [0, 0, 0, 0], [centred, 27.0, 10.0, -4.532_506, 0.010_639]),
            ((62.0, White, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -4.710_840, 0.008_917]),
            ((62.0, Black, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -4.316_363, 0.013_173]),
            ((62.0, Hispanic, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -5.454_315, 0.004_260]),
            ((62.0, Asian, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -5.177_425, 0.005_611]),
            ((62.0, AmericanIndian, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -4.710_840, 0.008_917]),
            ((62.0, PacificIslander, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, -3.683_688, 0.024_514]),
            ((68.0, White, 3.0, 25.0), [1, 0, 1, 1], [20.0, 45.0, 0.0, -2.025_422, 0.116_559]),
            ((68.0, Black, 3.0, 25.0), [1, 0, 1, 1], [20.0, 45.0, 0.0, -1.630_944, 0.163_701]),
            ((55.0, White, 6.0, 30.0), [0, 0, 0, 0], [10.0, 20.0, 14.0, -6.757_712, 0.001_161]),
            ((74.0, White, 1.0, 22.0), [1, 1, 1, 1], [40.0, 55.0, 0.0, -0.081_325, 0.479_680]),
        ];
        for row in &rows {
            let found = calculate(&inputs(row));
            assert!((found.logit().unwrap() - row.2[3]).abs() <= 1e-6, "{row:?}: {:?}", found.logit());
            assert!(
                (found.probability().unwrap() - row.2[4]).abs() <= 1e-6,
                "{row:?}: {:?}",
                found.probability()
            );
        }
    }

    #[test]
    fn an_unknown_race_gives_the_range_over_all() {
        let base = inputs(&((62.0, White, 4.0, 27.0), [0, 0, 0, 0], [20.0, 27.0, 10.0, 0.0, 0.0]));
        let found = calculate(&Inputs { race: None, ..base });
        assert_eq!(found.missing(), ["race"]);
        let (low, high) = found.range();
        assert!((low - 0.004_260).abs() <= 1e-6 && (high - 0.024_514).abs() <= 1e-6, "{low} {high}");
        let none = calculate(&Inputs { cigarettes_per_day: Some(0.0), ..base });
        assert_eq!(none.missing(), ["cigarettes-per-day"]);
    }
}
