//! Whether there were enough patients: for developing a model of a yes or no (Riley et al., Stat Med 2019;38:1276 and BMJ
//! 2020;368:m441, as the R package `pmsampsize` computes them), and how wide the intervals of an evaluation are to be
//! expected (Riley et al., Stat Med 2021;40:4230).
//!
//! The criteria are made for planning an unpenalised model. Asked of a model that is there, they tell how far it is from a
//! size at which overfitting would be small; they prove nothing.

use serde::{Deserialize, Serialize};

/// Shrinkage that is aimed at: predictions are overfitted by at most a tenth.
const SHRINKAGE: f64 = 0.9;
/// Most by which the apparent Nagelkerke R2 may be above the true one.
const OPTIMISM: f64 = 0.05;
/// Half width of the interval of the overall risk that is aimed at.
const OVERALL: f64 = 0.05;
/// Mean absolute error of the probabilities that is aimed at.
const ERROR: f64 = 0.05;
/// Most parameters that the formula for the mean absolute error was made with.
const ERROR_PARAMETERS: usize = 30;
/// Share of the greatest R2 that is assumed where nothing is known of the outcome (Riley 2020).
const ASSUMED: f64 = 0.15;
/// Two-sided 95 % point of the normal distribution, as the authors take it.
const Z: f64 = 1.96;

/// How a model's data stand to the sizes that are published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleSize {
    /// Candidate parameters: columns that were offered, those with a weight of 0 too.
    pub parameters: usize,
    /// Rows that the model was fitted on.
    pub rows: usize,
    /// Patients of them.
    pub patients: usize,
    /// Rows of them with the outcome.
    pub events: usize,
    /// The rarer outcome for each parameter.
    pub events_per_parameter: Option<f64>,
    /// Sizes that the criteria ask for, with an R2 of 15 % of the greatest that is possible.
    pub assumed: Option<Needed>,
    /// The same with the R2 that was seen on the evaluated rows.
    pub seen: Option<Needed>,
    /// What the evaluation is able to tell.
    pub evaluation: Option<Expected>,
}

/// Rows that each criterion asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Needed {
    /// Share with the outcome.
    pub prevalence: f64,
    /// Cox-Snell R2.
    pub r2: f64,
    /// The greatest R2 at this prevalence.
    pub greatest_r2: f64,
    /// For a shrinkage of 0.9.
    pub shrinkage: u64,
    /// For an optimism in Nagelkerke's R2 of at most 0.05.
    pub optimism: u64,
    /// For an overall risk within 0.05.
    pub overall: u64,
    /// For a mean absolute error of 0.05; `None` above 30 parameters.
    pub error: Option<u64>,
}

impl Needed {
    /// What `pmsampsize` computes for a binary outcome, and the mean absolute error of Riley 2020. `None` where the R2 is
    /// not above 0 and below the greatest, or there is nothing to fit.
    pub fn of(parameters: usize, prevalence: f64, r2: f64) -> Option<Self> {
        let greatest_r2 = greatest_r2(prevalence)?;
        if parameters == 0 || r2.is_nan() || r2 <= 0.0 || r2 >= greatest_r2 {
            return None;
        }
        let count = parameters as f64;
        let for_shrinkage = |shrinkage: f64| count / ((shrinkage - 1.0) * (1.0 - r2 / shrinkage).ln());
        let needed = |rows: f64| (rows.is_finite() && rows > 0.0 && rows < 1e15).then(|| whole(rows));
        let error = (-0.508 + 0.259 * prevalence.ln() + 0.504 * count.ln() - ERROR.ln()) / 0.544;
        Some(Self {
            prevalence,
            r2,
            greatest_r2,
            shrinkage: needed(for_shrinkage(SHRINKAGE))?,
            optimism: needed(for_shrinkage(r2 / (r2 + OPTIMISM * greatest_r2)))?,
            overall: needed((Z / OVERALL).powi(2) * prevalence * (1.0 - prevalence))?,
            error: if parameters <= ERROR_PARAMETERS { needed(error.exp()) } else { None },
        })
    }

    /// The greatest of all.
    pub fn most(&self) -> u64 {
        self.shrinkage.max(self.optimism).max(self.overall).max(self.error.unwrap_or_default())
    }
}

/// Widths of 95 % intervals that rows of this number are to be expected to give, as if they were independent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Evaluated rows.
    pub rows: usize,
    /// Rows of them with the outcome.
    pub events: usize,
    /// Width of the interval of the share with the outcome.
    pub prevalence: f64,
    /// Bounds of observed over expected, were it 1.
    pub observed_over_expected: (f64, f64),
    /// Width of the interval of the AUROC that was seen (Newcombe 2006).
    pub auroc: Option<f64>,
}

impl Expected {
    /// For an evaluation on `rows`, of which `events` have the outcome. `None` where one outcome is missing.
    pub fn of(rows: usize, events: usize, auroc: Option<f64>) -> Option<Self> {
        let (count, share) = (rows as f64, events as f64 / rows.max(1) as f64);
        if events == 0 || events >= rows {
            return None;
        }
        let ratio = Z * ((1.0 - share) / (count * share)).sqrt();
        Some(Self {
            rows,
            events,
            prevalence: 2.0 * Z * (share * (1.0 - share) / count).sqrt(),
            observed_over_expected: ((-ratio).exp(), ratio.exp()),
            auroc: auroc.map(|auroc| 2.0 * Z * auroc_error(auroc, count, share)),
        })
    }
}

/// Standard error of an AUROC after Newcombe.
fn auroc_error(auroc: f64, rows: f64, share: f64) -> f64 {
    let half = rows / 2.0 - 1.0;
    let spread = 1.0 + half * (1.0 - auroc) / (2.0 - auroc) + half * auroc / (1.0 + auroc);
    (auroc * (1.0 - auroc) * spread / (rows * rows * share * (1.0 - share))).sqrt()
}

/// The greatest Cox-Snell R2 that is possible at a prevalence.
fn greatest_r2(prevalence: f64) -> Option<f64> {
    let inside = prevalence > 0.0 && prevalence < 1.0;
    inside.then(|| 1.0 - (-2.0 * entropy(prevalence)).exp())
}

/// Log-loss of a model that says the prevalence.
fn entropy(share: f64) -> f64 {
    -(share * share.ln() + (1.0 - share) * (1.0 - share).ln())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has looked at the range"
)]
fn whole(rows: f64) -> u64 {
    rows.ceil() as u64
}

impl SampleSize {
    /// For a model of so many parameters that was fitted on these rows, patients and events, and the log-loss and AUROC that
    /// it had on others.
    pub fn of(
        parameters: usize,
        [rows, patients, events]: [usize; 3],
        evaluated: (usize, usize),
        log_loss: Option<f64>,
        auroc: Option<f64>,
    ) -> Self {
        let prevalence = events as f64 / rows.max(1) as f64;
        let evaluated_share = evaluated.1 as f64 / evaluated.0.max(1) as f64;
        // Likelihoods as means of rows: Cox and Snell's R2 of the probabilities as they stand.
        let r2 = log_loss.map(|loss| 1.0 - (-2.0 * (entropy(evaluated_share) - loss)).exp());
        Self {
            parameters,
            rows,
            patients,
            events,
            events_per_parameter: (parameters > 0)
                .then(|| events.min(rows - events) as f64 / parameters as f64),
            assumed: greatest_r2(prevalence)
                .and_then(|most| Needed::of(parameters, prevalence, ASSUMED * most)),
            seen: r2.and_then(|r2| Needed::of(parameters, prevalence, r2)),
            evaluation: Expected::of(evaluated.0, evaluated.1, auroc),
        }
    }

    /// The statement, for item 10 of TRIPOD+AI and for reports.
    pub fn text(&self) -> String {
        let each = self.events_per_parameter;
        let each = each.map(|each| format!(": {each:.1} of the rarer outcome for each parameter"));
        let fitted = format!(
            "{} candidate parameters, fitted on {} rows of {} patients, {} with the outcome{}",
            self.parameters,
            self.rows,
            self.patients,
            self.events,
            each.unwrap_or_default()
        );
        let evaluated = self
            .evaluation
            .as_ref()
            .map_or_else(|| "One outcome is missing among the evaluated rows.".to_owned(), Expected::text);
        format!(
            "{fitted}. No size was calculated before; {}. The criteria are for an unpenalised model of independent rows. {evaluated}",
            self.asked()
        )
    }

    fn asked(&self) -> String {
        let assumed = self.assumed.map(|needed| (needed, "an R2 of 15 % of the greatest"));
        let seen = self.seen.map(|needed| (needed, "the R2 that was seen on the evaluated rows"));
        let all: Vec<String> = assumed
            .into_iter()
            .chain(seen)
            .map(|(needed, how)| {
                let error = needed.error.map(|error| format!(", mean absolute error {error}"));
                let enough = needed.most() <= self.rows as u64;
                format!(
                    "{} rows with {how} ({:.3}; shrinkage {}, optimism {}, overall risk {}{}), so there are {}",
                    needed.most(),
                    needed.r2,
                    needed.shrinkage,
                    needed.optimism,
                    needed.overall,
                    error.unwrap_or_default(),
                    if enough { "enough" } else { "too few" }
                )
            })
            .collect();
        if all.is_empty() {
            return "Riley's criteria cannot be computed, as one outcome is missing or nothing is explained"
                .to_owned();
        }
        format!("asked afterwards, Riley's criteria need {}", all.join("; and "))
    }
}

impl Expected {
    fn text(&self) -> String {
        let (low, high) = self.observed_over_expected;
        let auroc = self.auroc.map(|width| format!(", {width:.3} wide for the AUROC"));
        let few = self.events.min(self.rows - self.events) < 100;
        format!(
            "{} evaluated rows with {} events: 95 % intervals to be expected are {:.3} wide for the overall risk, {low:.2} to {high:.2} for observed over expected{}{}.",
            self.rows,
            self.events,
            self.prevalence,
            auroc.unwrap_or_default(),
            if few { "; fewer than 100 of the rarer outcome: calibration can hardly be judged" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the help page of `pmsampsize`: 24 parameters, prevalence 0.174, R2 0.288.
    #[test]
    fn the_example_of_pmsampsize() {
        let found = Needed::of(24, 0.174, 0.288).unwrap();
        assert_eq!((found.shrinkage, found.optimism, found.overall), (623, 662, 221));
        assert!((found.greatest_r2 - 0.603).abs() < 5e-4, "{}", found.greatest_r2);
    }

    /// Riley 2020, pre-eclampsia: 30 parameters, prevalence 0.05, R2 0.05 for 15 % of the greatest, 0.33.
    #[test]
    fn the_examples_of_the_paper() {
        let found = Needed::of(30, 0.05, 0.05).unwrap();
        assert_eq!((found.shrinkage, found.overall), (5249, 73));
        assert!(
            (found.greatest_r2 - 0.33).abs() < 5e-3 && found.error.unwrap().abs_diff(544) <= 1,
            "{found:?}"
        );
        assert!(Needed::of(31, 0.05, 0.05).unwrap().error.is_none());
    }

    #[test]
    fn widths_shrink_with_the_root_of_the_rows() {
        let (few, many) =
            (Expected::of(400, 100, Some(0.8)).unwrap(), Expected::of(40_000, 10_000, Some(0.8)).unwrap());
        assert!((few.prevalence / many.prevalence - 10.0).abs() < 1e-9);
        assert!((few.auroc.unwrap() / many.auroc.unwrap() - 10.0).abs() < 0.05);
        let (low, high) = few.observed_over_expected;
        assert!((low * high - 1.0).abs() < 1e-12 && (high.ln() - 1.96 * 0.0075_f64.sqrt()).abs() < 1e-12);
        // Riley 2021: 4,252 rows for an AUROC of 0.8 at a prevalence of 0.018 with an interval 0.1 wide.
        assert!((2.0 * Z * auroc_error(0.8, 4252.0, 0.018) - 0.1).abs() < 1e-4);
    }

    #[test]
    fn what_cannot_be_computed_is_none_and_is_said() {
        for (parameters, prevalence, r2) in [
            (0, 0.2, 0.1),
            (5, 0.0, 0.1),
            (5, 1.0, 0.1),
            (5, 0.2, 0.0),
            (5, 0.2, -0.1),
            (5, 0.2, 0.9),
            (5, 0.2, f64::NAN),
        ] {
            assert_eq!(Needed::of(parameters, prevalence, r2), None);
        }
        let none = SampleSize::of(3, [50, 50, 0], (20, 0), Some(0.1), None);
        assert!(none.text().contains("cannot be computed") && none.text().contains("One outcome is missing"));
        let few = SampleSize::of(10, [100, 90, 30], (60, 20), Some(0.6), Some(0.7));
        assert_eq!(few.events_per_parameter, Some(3.0));
        assert!(few.text().contains("too few") && few.text().contains("fewer than 100"), "{}", few.text());
        let many = SampleSize::of(3, [100_000, 100_000, 30_000], (20_000, 6_000), Some(0.5), Some(0.8));
        assert!(many.text().contains("so there are enough") && !many.text().contains("too few"));
    }
}
