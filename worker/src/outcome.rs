//! What became of one study, for machines: one JSON line. These names stay stable.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One line of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// StudyInstanceUID; absent for a file that belongs to no readable study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study_uid: Option<String>,
    /// The file, in place of `study_uid`, where it belongs to no readable study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How it ended.
    pub state: State,
    /// Stable code of a refusal or failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it was refused or failed, in one sentence without patient data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a person can do about it, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// One entry a finding, in the model's order.
    pub findings: Vec<Finding>,
    /// One entry for each thing that the model outlines; absent where it outlines nothing of the kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// One entry a risk.
    pub risks: Vec<Risk>,
    /// Absolute paths of what was written, by kind.
    pub files: BTreeMap<String, String>,
    /// Milliseconds a stage took in this run.
    pub timings_ms: BTreeMap<String, f64>,
}

/// How a study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Analysed.
    Reported,
    /// Not analysed for a typed reason; trying again would not change that.
    Refused,
    /// Something broke; a human has to look.
    Failed,
}

/// A finding on the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The model's label.
    pub label: String,
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
    /// The three-way state.
    pub present: Present,
}

/// The three-way state of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Present {
    /// At or above the upper threshold.
    Present,
    /// Between the thresholds.
    Indeterminate,
    /// Below the lower threshold.
    Absent,
}

/// What a model outlines, on the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Stable name.
    pub label: String,
    /// Pixels of the image inside; 0 where nothing is outlined.
    pub pixels: u64,
    /// Their area in mm²; `null` where the image does not say how large its pixels are.
    pub area_mm2: Option<f64>,
    /// Mean probability of the pixels, 0 to 1, not calibrated.
    pub probability: Option<f64>,
    /// The smallest rectangle around them.
    pub bounds: Option<models::Bounds>,
}

/// A risk on the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Stable identifier.
    pub id: String,
    /// 0 to 1; `null` where it is not computable.
    pub probability: Option<f64>,
    /// Lower bound, 0 to 1.
    pub low: Option<f64>,
    /// Upper bound, 0 to 1.
    pub high: Option<f64>,
    /// What was missing.
    pub missing: Vec<String>,
}

impl Outcome {
    /// A line without a result.
    pub fn without_result(state: State, code: &str, reason: &str) -> Self {
        Self {
            study_uid: None,
            file: None,
            state,
            code: Some(code.to_owned()),
            reason: Some(reason.to_owned()),
            next_step: None,
            findings: Vec::new(),
            segments: Vec::new(),
            risks: Vec::new(),
            files: BTreeMap::new(),
            timings_ms: BTreeMap::new(),
        }
    }
}

impl Outcome {
    /// The same line for this study.
    #[must_use]
    pub fn of_study(self, study_uid: &str) -> Self {
        Self { study_uid: Some(study_uid.to_owned()), ..self }
    }

    /// The same line with the times of this run.
    #[must_use]
    pub fn with_timings(self, timings_ms: BTreeMap<String, f64>) -> Self {
        Self { timings_ms, ..self }
    }
}

/// The exit code for a run whose outcomes have these states: 1 if any failed, else 3 if any was refused, else 0.
pub fn exit_code(states: impl IntoIterator<Item = State>) -> u8 {
    let states: BTreeSet<State> = states.into_iter().collect();
    match (states.contains(&State::Failed), states.contains(&State::Refused)) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_outweighs_refused_outweighs_reported() {
        assert_eq!(exit_code([]), 0);
        assert_eq!(exit_code([State::Reported]), 0);
        assert_eq!(exit_code([State::Refused, State::Reported]), 3);
        assert_eq!(exit_code([State::Refused, State::Failed]), 1);
    }
}
