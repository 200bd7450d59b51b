//! L0 and L1: each side's ridge logistic regression, its calibration, and the regression over both logits.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::model::Answered;
use crate::learned::fit::{self, Crossed, FOLDS, REPEATS};
use crate::learned::linear::Linear;

/// What is known of one row: the picture's components, the record's columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sides {
    pub(super) image: Option<Vec<f64>>,
    pub(super) record: Option<Vec<Option<f64>>>,
}

impl Sides {
    /// Which sides are there; `None` where none is.
    pub(super) fn answered(&self) -> Option<Answered> {
        match (self.image.is_some(), self.record.is_some()) {
            (true, true) => Some(Answered::Fused),
            (true, false) => Some(Answered::ImageOnly),
            (false, true) => Some(Answered::RecordOnly),
            (false, false) => None,
        }
    }
}

/// One row with its outcome.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) sides: Sides,
    pub(super) label: f64,
    pub(super) patient: usize,
}

/// Logits of both sides together and of each alone, as far as they exist.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offsets {
    pub(super) fused: Option<f64>,
    pub(super) image: Option<f64>,
    pub(super) record: Option<f64>,
}

impl Offsets {
    /// That of the sides that are there.
    pub(super) fn of(&self, sides: &Sides) -> Option<f64> {
        match sides.answered()? {
            Answered::Fused => self.fused,
            Answered::ImageOnly => self.image,
            Answered::RecordOnly => self.record,
        }
    }
}

/// L0 and L1 of one set of patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Late {
    pub(super) image: Linear,
    pub(super) record: Linear,
    /// Intercept, weight of the picture's logit, weight of the record's logit.
    pub(super) fused: [f64; 3],
    /// Platt's intercept and slope of each side alone.
    pub(super) image_only: [f64; 2],
    pub(super) record_only: [f64; 2],
    /// Share of outcomes.
    pub(super) base_rate: f64,
}

impl Late {
    /// Fits both sides, their calibration and their fusion, each on the rows that have what it needs; logits are cross-fitted
    /// by patient. Also gives each row's cross-fitted logits. `None` where a class is empty.
    pub(super) fn fit(
        cases: &[Case],
        weights: &[f64],
        widths: (usize, usize),
        random: &mut ChaCha8Rng,
    ) -> Option<(Self, Vec<Offsets>)> {
        let folds: Vec<Vec<usize>> = (0..REPEATS).map(|_| folds(cases, random)).collect();
        let labels: Vec<f64> = cases.iter().map(|case| case.label).collect();
        let images: Vec<Vec<Option<f64>>> = cases
            .iter()
            .map(|case| match &case.sides.image {
                Some(values) => values.iter().copied().map(Some).collect(),
                None => vec![None; widths.0],
            })
            .collect();
        let records: Vec<Vec<Option<f64>>> = cases
            .iter()
            .map(|case| case.sides.record.clone().unwrap_or_else(|| vec![None; widths.1]))
            .collect();
        let where_known = |known: fn(&Sides) -> bool| -> Vec<f64> {
            let weighted = cases.iter().zip(weights);
            weighted.map(|(case, weight)| if known(&case.sides) { *weight } else { 0.0 }).collect()
        };
        let pictured = where_known(|sides| sides.image.is_some());
        let recorded = where_known(|sides| sides.record.is_some());
        let both = where_known(|sides| sides.image.is_some() && sides.record.is_some());
        let image = fit::cross_fit(&images, &labels, &pictured, &folds)?;
        let record = fit::cross_fit(&records, &labels, &recorded, &folds)?;
        let total: f64 = weights.iter().sum();
        let events: f64 = labels.iter().zip(weights).map(|(label, weight)| label * weight).sum();
        let made = Self {
            fused: fit::fuse(&image, &record, &labels, &both)?,
            image_only: fit::platt(&image, &labels, &pictured)?,
            record_only: fit::platt(&record, &labels, &recorded)?,
            image: fit::fit_side(&images, &labels, &pictured, image.lambda)?,
            record: fit::fit_side(&records, &labels, &recorded, record.lambda)?,
            base_rate: events / total,
        };
        let crossed =
            (0..cases.len()).map(|case| made.offsets_of(mean(&image, case), mean(&record, case))).collect();
        Some((made, crossed))
    }

    /// L1's logit of the sides that are there; `None` where none is.
    pub(super) fn logit(&self, sides: &Sides) -> Option<f64> {
        self.offsets(sides).of(sides)
    }

    /// The three logits of a row.
    pub(super) fn offsets(&self, sides: &Sides) -> Offsets {
        let image = sides.image.as_ref().map(|values| {
            let columns: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            self.image.logit(&columns)
        });
        let record = sides.record.as_ref().map(|columns| self.record.logit(columns));
        self.offsets_of(image, record)
    }

    fn offsets_of(&self, image: Option<f64>, record: Option<f64>) -> Offsets {
        Offsets {
            fused: image
                .zip(record)
                .map(|(image, record)| self.fused[0] + self.fused[1] * image + self.fused[2] * record),
            image: image.map(|logit| self.image_only[0] + self.image_only[1] * logit),
            record: record.map(|logit| self.record_only[0] + self.record_only[1] * logit),
        }
    }

    /// Whether it fits these widths, all numbers are finite and no side has a negative weight.
    pub(super) fn is_sound(&self, image: usize, record: usize) -> bool {
        let numbers = self.fused.iter().chain(&self.image_only).chain(&self.record_only);
        let slopes = [self.fused[1], self.fused[2], self.image_only[1], self.record_only[1]];
        self.image.is_sound(image)
            && self.record.is_sound(record)
            && numbers.into_iter().all(|number| number.is_finite())
            && slopes.iter().all(|slope| *slope >= 0.0)
            && (0.0..=1.0).contains(&self.base_rate)
    }
}

/// Mean of a row's cross-fitted logits over the repeats.
fn mean(side: &Crossed, case: usize) -> Option<f64> {
    let found: Vec<f64> = side.logits.iter().filter_map(|repeat| repeat[case]).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

/// Patients who ever had the outcome, and those who never had, each in a random order.
pub(super) fn by_outcome(cases: &[Case], random: &mut ChaCha8Rng) -> [Vec<usize>; 2] {
    let mut ever = std::collections::BTreeMap::new();
    for case in cases {
        *ever.entry(case.patient).or_insert(false) |= case.label > 0.5;
    }
    [true, false].map(|wanted| {
        let mut group: Vec<usize> =
            ever.iter().filter(|(_, ever)| **ever == wanted).map(|(patient, _)| *patient).collect();
        group.shuffle(random);
        group
    })
}

/// A fold for each row, the same for all rows of a patient; patients with the outcome are dealt out first.
fn folds(cases: &[Case], random: &mut ChaCha8Rng) -> Vec<usize> {
    let order = by_outcome(cases, random);
    let of: std::collections::BTreeMap<usize, usize> =
        order.into_iter().flatten().enumerate().map(|(at, patient)| (patient, at % FOLDS)).collect();
    cases.iter().map(|case| of.get(&case.patient).copied().unwrap_or_default()).collect()
}
