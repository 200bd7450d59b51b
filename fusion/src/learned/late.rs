//! The sides of a row and their late fusion (L0 and L1): a logistic regression of picture and record, a published formula where
//! one is declared, each side's calibration where it answers alone, and a regression over their logits.

use serde::{Deserialize, Serialize};

use super::formula::FormulaSide;
use super::linear::Linear;

/// The numbers of one late fusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::learned) struct Late {
    pub(in crate::learned) image: Linear,
    pub(in crate::learned) record: Linear,
    /// Intercept, weight of the image's logit, weight of the record's logit.
    pub(in crate::learned) fused: [f64; 3],
    /// A published formula as a third side, and what a missing side adds beside the others; a model without a formula has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::learned) formula: Option<FormulaSide>,
    /// Platt's intercept and slope of each side alone.
    pub(in crate::learned) image_only: [f64; 2],
    pub(in crate::learned) record_only: [f64; 2],
    /// Share of outcomes.
    pub(in crate::learned) base_rate: f64,
}

/// Logits of the sides together and of each alone, as far as they exist. Where the formula is known it is part of `fused`.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::learned) struct Offsets {
    pub(in crate::learned) fused: Option<f64>,
    pub(in crate::learned) image: Option<f64>,
    pub(in crate::learned) record: Option<f64>,
    pub(in crate::learned) formula: Option<f64>,
    pub(in crate::learned) image_and_formula: Option<f64>,
    pub(in crate::learned) record_and_formula: Option<f64>,
}

impl Late {
    /// The logits of a row, from the columns of image and record and the formula's own logit.
    pub(in crate::learned) fn offsets(
        &self,
        image: Option<&[Option<f64>]>,
        record: Option<&[Option<f64>]>,
        formula: Option<f64>,
    ) -> Offsets {
        self.offsets_of(
            image.map(|columns| self.image.logit(columns)),
            record.map(|columns| self.record.logit(columns)),
            formula,
        )
    }

    /// The same from each side's own logit, before its calibration.
    pub(in crate::learned) fn offsets_of(
        &self,
        image: Option<f64>,
        record: Option<f64>,
        formula: Option<f64>,
    ) -> Offsets {
        // a model that knows no formula does not read one
        let formula = formula.zip(self.formula.as_ref()).map(|(logit, _)| logit);
        let with_formula = |side: Option<f64>| side.and(formula);
        Offsets {
            fused: image.and(record).map(|_| self.joined([image, record, formula])),
            image: image.map(|logit| self.image_only[0] + self.image_only[1] * logit),
            record: record.map(|logit| self.record_only[0] + self.record_only[1] * logit),
            formula: formula.zip(self.formula.as_ref()).map(|(logit, side)| side.alone_logit(logit)),
            image_and_formula: with_formula(image).map(|_| self.joined([image, None, formula])),
            record_and_formula: with_formula(record).map(|_| self.joined([None, record, formula])),
        }
    }

    /// L1's logit of at least two sides: image, record and formula, each by its weight or, where it is missing, its term.
    fn joined(&self, logits: [Option<f64>; 3]) -> f64 {
        let terms = logits.iter().zip(self.weights()).zip(self.missing());
        terms.fold(self.fused[0], |sum, ((logit, weight), missing)| {
            sum + logit.map_or(missing, |logit| weight * logit)
        })
    }

    /// Weights of the logits of image, record and formula.
    pub(in crate::learned) fn weights(&self) -> [f64; 3] {
        [self.fused[1], self.fused[2], self.formula.as_ref().map_or(0.0, |side| side.weight)]
    }

    /// What L1 adds where image, record or formula is missing beside the two others. Without a formula no row of two sides
    /// lacks one.
    pub(in crate::learned) fn missing(&self) -> [f64; 3] {
        self.formula.as_ref().map_or([0.0; 3], |side| side.missing)
    }

    /// Whether it fits these widths, all numbers are finite and no side has a negative weight.
    pub(in crate::learned) fn is_sound(&self, image: usize, record: usize) -> bool {
        let numbers = self.fused.iter().chain(&self.image_only).chain(&self.record_only);
        let slopes = [self.fused[1], self.fused[2], self.image_only[1], self.record_only[1]];
        self.image.is_sound(image)
            && self.record.is_sound(record)
            && self.formula.as_ref().is_none_or(FormulaSide::is_sound)
            && numbers.into_iter().all(|number| number.is_finite())
            && slopes.iter().all(|slope| *slope >= 0.0)
            && (0.0..=1.0).contains(&self.base_rate)
    }
}
