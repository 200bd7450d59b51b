//! What other models say beside a risk, and when they disagree with it.

use serde::{Deserialize, Serialize};

use super::Risk;
use crate::formulas::logit;

/// Difference in log odds above which two probabilities of the same outcome disagree.
const DISAGREEMENT_LOGIT: f64 = 1.0;

/// What another model says of the same outcome, or of one that is near it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name for a reader, such as `image only`.
    pub name: String,
    /// 0 to 1; `None` where it cannot be computed.
    pub probability: Option<f64>,
    /// What to bear in mind.
    pub note: Option<String>,
    /// Category by the rule of the risk that it stands beside, where the rule is for it.
    #[serde(default)]
    pub category: Option<String>,
    /// Whether it is of another outcome, so that another number is no disagreement.
    #[serde(default)]
    pub other_outcome: bool,
}

impl Comparison {
    /// Of the same outcome, without a category.
    pub(super) fn of_same(name: &str, probability: Option<f64>, note: &str) -> Self {
        Self {
            name: name.to_owned(),
            probability,
            note: Some(note.to_owned()),
            category: None,
            other_outcome: false,
        }
    }

    /// Whether it disagrees with a risk: log odds that differ by more than 1, or another category.
    pub fn disagrees(&self, risk: &Risk) -> bool {
        let (Some(own), Some(other), false) = (risk.probability, self.probability, self.other_outcome) else {
            return false;
        };
        let difference = (logit(own) - logit(other)).abs();
        let by_category =
            risk.category.as_ref().zip(self.category.as_ref()).is_some_and(|(own, other)| own != other);
        by_category || difference.is_nan() || difference > DISAGREEMENT_LOGIT
    }
}
