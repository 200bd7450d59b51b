//! Risks: what was computed, by which method, from which values, and how sure it is.

use super::Coding;

/// One risk: a probability of a state or of an outcome in a horizon.
#[derive(Clone, PartialEq)]
pub struct Risk {
    /// Stable identifier, as in the `--json` line, such as `brock-2b`.
    pub id: String,
    /// Title for a reader.
    pub title: String,
    /// Exactly what the probability is of.
    pub outcome: String,
    /// Codings of the outcome; may be empty.
    pub outcome_codings: Vec<Coding>,
    /// Horizon for a reader, such as `6 years` or `at the time of the exam`.
    pub horizon: String,
    /// The horizon in years from the exam, from and to, where it is one.
    pub horizon_years: Option<(f64, f64)>,
    /// What was computed, or why not.
    pub value: RiskValue,
    /// What was missing, as stable words; may hold something for a computed risk too.
    pub missing: Vec<String>,
    /// Of a computed risk without something: what it could be with it.
    pub could_be: Option<Interval>,
    /// Who computed it.
    pub performer: Performer,
    /// Method: name, version and where it was published.
    pub method: Method,
    /// The values that went in.
    pub inputs: Vec<RiskInput>,
    /// Contributions to the logit, in the order of the method; the page shows the largest.
    pub contributions: Vec<Contribution>,
    /// What other models say of the same outcome.
    pub comparators: Vec<Comparator>,
    /// Whom the method is for, in one sentence.
    pub population: String,
    /// Whether this patient is one of them.
    pub in_population: bool,
    /// How it is calibrated, in one sentence.
    pub calibration: String,
    /// Average risk in the method's own population, 0 to 1.
    pub average: Option<f64>,
    /// Category by a published rule, such as `low`.
    pub category: Option<String>,
    /// What a guideline suggests for the category.
    pub guidance: Option<Guidance>,
    /// Where the method is weak, one sentence each.
    pub limits: Vec<String>,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq)]
pub enum RiskValue {
    /// A probability.
    Computed {
        /// 0 to 1.
        probability: f64,
        /// How sure.
        interval: Option<Interval>,
    },
    /// No probability.
    NotComputable {
        /// Why, in one sentence.
        reason: String,
        /// What it could be, over all values of what is unknown.
        range: Option<Interval>,
    },
}

/// A range of a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower bound, 0 to 1.
    pub low: f64,
    /// Upper bound, 0 to 1.
    pub high: f64,
    /// What the range is, such as `95 % interval over 200 patient bootstraps`.
    pub kind: String,
}

/// Who computed a risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performer {
    /// A published formula, computed by the program.
    Formula,
    /// The trained model of this identifier.
    Model(String),
}

/// A method and where it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Name.
    pub name: String,
    /// Version or variant.
    pub version: String,
    /// Citation.
    pub citation: String,
}

/// One value that went into a risk.
#[derive(Clone, PartialEq)]
pub struct RiskInput {
    /// Title for a reader.
    pub label: String,
    /// Value as text.
    pub value: String,
    /// UCUM unit, where there is one.
    pub unit: Option<String>,
    /// Date or time as the source states it.
    pub date: Option<String>,
    /// Reference of the resource; `None` for values that come from the images.
    pub source: Option<String>,
}

/// One part of a risk's logit.
#[derive(Clone, PartialEq)]
pub struct Contribution {
    /// Title for a reader.
    pub label: String,
    /// Natural-log odds; above 0 it raises the risk.
    pub logit: f64,
}

/// What another model says of the same outcome.
#[derive(Clone, PartialEq)]
pub struct Comparator {
    /// Name for a reader, such as `image only`.
    pub name: String,
    /// 0 to 1; `None` where it cannot be computed.
    pub probability: Option<f64>,
    /// Why not, or what to bear in mind.
    pub note: Option<String>,
    /// Category by the risk's own rule, where the rule is for it.
    pub category: Option<String>,
    /// Whether it disagrees: log odds that differ by more than 1, or another category, for the same outcome.
    pub disagrees: bool,
}

impl Risk {
    /// Whether any comparator disagrees.
    pub fn is_disputed(&self) -> bool {
        self.comparators.iter().any(|other| other.disagrees)
    }
}

/// What a guideline suggests; never an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guidance {
    /// What it suggests.
    pub text: String,
    /// Guideline and version.
    pub citation: String,
}
