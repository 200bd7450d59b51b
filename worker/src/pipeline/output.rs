//! What the networks said of one study: stored in the ledger once, so that every retry builds from the same numbers.

use models::{Mask, ModelCard, Outside};
use serde::{Deserialize, Serialize};

use crate::outcome::Present;

/// The model output of one study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelOutput {
    /// SOPInstanceUID of the image that was read.
    pub sop_instance_uid: String,
    /// The device it was scored on, for a reader.
    pub device: String,
    /// Findings in the model's order.
    pub findings: Vec<FindingScore>,
    /// What the model outlines, in its order; not written where it outlines nothing of the kind, so that output of other
    /// models keeps its bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentOutput>,
    /// The network's own probability that the view is AP, where the model tells.
    pub view_ap: Option<f64>,
    /// The networks' probability that the picture is an upright frontal chest radiograph, 0 to 1, where the model tells.
    pub frontal: Option<f64>,
    /// Distance from the training pictures; above 1 the picture is out of distribution. `None` where the model cannot tell.
    pub novelty: Option<f64>,
    /// Images of the study that could not be read, and why.
    pub dropped: Vec<Note>,
    /// What was odd about the image though it was read.
    pub warnings: Vec<Note>,
    /// The radiograph, small enough for a page.
    pub picture: PictureData,
}

impl ModelOutput {
    /// Whether the picture is so unlike the model's training pictures that its findings are not said.
    pub(crate) fn is_withheld(&self, model: &ModelCard) -> bool {
        model.out_of_distribution == Outside::NotAssessed && self.novelty.is_some_and(|novelty| novelty > 1.0)
    }
}

/// One finding as the network scored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingScore {
    /// The model's label.
    pub label: String,
    /// Uncalibrated logit.
    pub logit: f64,
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
    /// The three-way state.
    pub present: Present,
}

/// One thing as the network outlines it in the image's own pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentOutput {
    /// The model's name of it.
    pub label: String,
    /// Its pixels; none where it is smaller than the model's least area.
    pub mask: Mask,
    /// Their area in mm², where the image states how far its pixels are apart in the patient.
    pub area_mm2: Option<f64>,
    /// Mean probability of its pixels, 0 to 1, not calibrated.
    pub probability: Option<f64>,
}

/// A code and a sentence about an instance or the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// SOPInstanceUID, where it is about one instance.
    pub sop_instance_uid: Option<String>,
    /// Stable code.
    pub code: String,
    /// One sentence without patient data.
    pub text: String,
}

/// The picture for the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureData {
    /// PNG file, base64.
    pub png_base64: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Label of the finding that the overlay explains.
    pub saliency_label: String,
    /// PNG file with alpha, base64.
    pub saliency_base64: String,
}

/// A number as the ledger gives it back: rounded to twelve decimals.
///
/// A report that is made again from stored numbers must have the same bytes. The JSON reader is not exact to the last digit of
/// any `f64`; with at most fifteen digits of which twelve are decimals, both parts of its division are whole numbers that an
/// `f64` holds, and the quotient is correctly rounded (Clinger, How to read floating point numbers accurately, PLDI 1990).
pub(super) fn storable(number: f64) -> f64 {
    const DECIMALS: f64 = 1e12;
    /// Beyond this, more than fifteen digits would be needed.
    const MOST: f64 = 999.0;
    if number.abs() <= MOST { (number * DECIMALS).round() / DECIMALS } else { number.round() }
}

/// An area as the ledger gives it back and as renderings write it: two decimals. An area of a picture has far fewer than
/// fifteen digits, so that what is said of [`storable`] holds of it too.
pub(super) fn storable_area(mm2: f64) -> f64 {
    const DECIMALS: f64 = 100.0;
    (mm2 * DECIMALS).round() / DECIMALS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{storable, storable_area};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_stored_number_is_read_back_as_it_was(number in -1000.0..1000.0_f64, scale in -12..1_i32) {
            let number = storable(number * 10_f64.powi(scale));
            let text = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), number.to_bits(), "{}", text);
        }

        #[test]
        fn a_stored_area_is_read_back_as_it_was(area in 0.0..1e9_f64) {
            let area = storable_area(area);
            let text = serde_json::to_string(&area).unwrap();
            prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), area.to_bits(), "{}", text);
        }
    }
}
