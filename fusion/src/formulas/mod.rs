//! Published clinical formulas, each one a table of coefficients with its citation and domain, and published rules.
//!
//! | module | what | status |
//! |---|---|---|
//! | [`brock`], [`mayo`], [`herder`] | malignancy of a lung nodule | shipped |
//! | [`plcom2012`] | lung cancer within 6 years | shipped |
//! | [`doubling`] | volume doubling time of a nodule | shipped |
//! | [`fleischner`], [`lung_rads`] | rules for nodules found by chance and on screening | shipped as rules |
//! | [`pbcg`], [`tum_rc`] | prostate cancer on biopsy, without and with MRI | shipped |
//! | [`comparators`], [`pbcg::pcptrc`], [`herder::by_likelihood_ratio`] | one source each, or implausible outside the cohort | beside others only |
//!
//! The logistic sums ([`Calculation`]) are additive on the logit, so the range over unknown inputs is exact: the sum of the
//! least and of the greatest terms. An unknown input is never taken as "no". Variants of one model are
//! never mixed.

pub mod brock;
pub mod comparators;
pub mod doubling;
pub mod fleischner;
pub mod herder;
pub mod lung_rads;
pub mod mayo;
pub mod pbcg;
pub mod plcom2012;
pub mod tum_rc;

/// One term of a formula: coefficient times input, or the range it could have where the input is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Title for a reader.
    pub label: &'static str,
    /// Stable word of the input, as in a risk's `missing`.
    pub input: &'static str,
    /// Least value on the logit.
    pub low: f64,
    /// Greatest value on the logit; equal to `low` where the input is known.
    pub high: f64,
    /// Whether the input is known.
    pub known: bool,
}

impl Term {
    /// Of a known input.
    fn known(label: &'static str, input: &'static str, logit: f64) -> Self {
        Self { label, input, low: logit, high: logit, known: true }
    }

    /// Of an input that may be unknown, with all logits it could have.
    fn tri_state(label: &'static str, input: &'static str, known: Option<f64>, could_be: &[f64]) -> Self {
        match known {
            Some(logit) => Self::known(label, input, logit),
            None => Self {
                label,
                input,
                low: could_be.iter().copied().fold(f64::INFINITY, f64::min),
                high: could_be.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                known: false,
            },
        }
    }

    /// Of a yes-or-no input with a coefficient.
    fn yes_no(label: &'static str, input: &'static str, truth: Option<bool>, coefficient: f64) -> Self {
        let logit = truth.map(|truth| if truth { coefficient } else { 0.0 });
        Self::tri_state(label, input, logit, &[0.0, coefficient])
    }
}

/// A formula with its inputs put in.
#[derive(Debug, Clone, PartialEq)]
pub struct Calculation {
    /// Which published variant it is, such as `2b`.
    pub variant: &'static str,
    /// Intercept.
    pub intercept: f64,
    /// All terms.
    pub terms: Vec<Term>,
}

impl Calculation {
    /// Stable words of the unknown inputs.
    pub fn missing(&self) -> Vec<&'static str> {
        self.terms.iter().filter(|term| !term.known).map(|term| term.input).collect()
    }

    /// The sum, where every input is known.
    pub fn logit(&self) -> Option<f64> {
        self.terms.iter().all(|term| term.known).then(|| self.bounds().0)
    }

    /// The probability from 0 to 1, where every input is known.
    pub fn probability(&self) -> Option<f64> {
        self.logit().map(logistic)
    }

    /// Least and greatest probability over all values of the unknown inputs; equal where all are known.
    pub fn range(&self) -> (f64, f64) {
        let (low, high) = self.bounds();
        (logistic(low), logistic(high))
    }

    fn bounds(&self) -> (f64, f64) {
        self.terms
            .iter()
            .fold((self.intercept, self.intercept), |(low, high), term| (low + term.low, high + term.high))
    }
}

/// p = 1 / (1 + exp(-x)).
pub fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// ln(p / (1 - p)).
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}
