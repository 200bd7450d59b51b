//! Two sides and their late fusion (L0 and L1): a logistic regression of each side, its calibration where it answers alone, and
//! a third regression over both logits.

use serde::{Deserialize, Serialize};

use super::linear::Linear;

/// The numbers of one late fusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::learned) struct Late {
    pub(in crate::learned) image: Linear,
    pub(in crate::learned) record: Linear,
    /// Intercept, weight of the image's logit, weight of the record's logit.
    pub(in crate::learned) fused: [f64; 3],
    /// Platt's intercept and slope of each side alone.
    pub(in crate::learned) image_only: [f64; 2],
    pub(in crate::learned) record_only: [f64; 2],
    /// Share of outcomes.
    pub(in crate::learned) base_rate: f64,
}

/// Logits of both sides together and of each alone, as far as they exist.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::learned) struct Offsets {
    pub(in crate::learned) fused: Option<f64>,
    pub(in crate::learned) image: Option<f64>,
    pub(in crate::learned) record: Option<f64>,
}

impl Late {
    /// The three logits of a row, from each side's columns.
    pub(in crate::learned) fn offsets(
        &self,
        image: Option<&[Option<f64>]>,
        record: Option<&[Option<f64>]>,
    ) -> Offsets {
        self.offsets_of(
            image.map(|columns| self.image.logit(columns)),
            record.map(|columns| self.record.logit(columns)),
        )
    }

    /// The same from each side's own logit, before its calibration.
    pub(in crate::learned) fn offsets_of(&self, image: Option<f64>, record: Option<f64>) -> Offsets {
        Offsets {
            fused: image
                .zip(record)
                .map(|(image, record)| self.fused[0] + self.fused[1] * image + self.fused[2] * record),
            image: image.map(|logit| self.image_only[0] + self.image_only[1] * logit),
            record: record.map(|logit| self.record_only[0] + self.record_only[1] * logit),
        }
    }

    /// Whether it fits these widths, all numbers are finite and no side has a negative weight.
    pub(in crate::learned) fn is_sound(&self, image: usize, record: usize) -> bool {
        let numbers = self.fused.iter().chain(&self.image_only).chain(&self.record_only);
        let slopes = [self.fused[1], self.fused[2], self.image_only[1], self.record_only[1]];
        self.image.is_sound(image)
            && self.record.is_sound(record)
            && numbers.into_iter().all(|number| number.is_finite())
            && slopes.iter().all(|slope| *slope >= 0.0)
            && (0.0..=1.0).contains(&self.base_rate)
    }
}
