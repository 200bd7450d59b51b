//! L0 and L1 of rows with pictures: which sides a row has, and the fit on those that it has.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::answer::Answered;
use crate::learned::fit::{self, Crossed, FOLDS, REPEATS};
use crate::learned::formula::{self, Known};
use crate::learned::late::{Late, Offsets};

/// What is known of one row: the picture's components, the record's columns, the logit of the formula's probability.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sides {
    pub(super) image: Option<Vec<f64>>,
    pub(super) record: Option<Vec<Option<f64>>>,
    pub(super) formula: Option<f64>,
}

impl Sides {
    /// Which sides are there; `None` where none is.
    pub(super) fn answered(&self) -> Option<Answered> {
        match (self.image.is_some(), self.record.is_some(), self.formula.is_some()) {
            (true, true, _) => Some(Answered::Fused),
            (true, false, true) => Some(Answered::ImageAndFormula),
            (false, true, true) => Some(Answered::RecordAndFormula),
            (true, false, false) => Some(Answered::ImageOnly),
            (false, true, false) => Some(Answered::RecordOnly),
            (false, false, true) => Some(Answered::FormulaOnly),
            (false, false, false) => None,
        }
    }

    /// Which sides are there, for the fit of L1.
    fn known(&self) -> Known {
        Known { image: self.image.is_some(), record: self.record.is_some(), formula: self.formula }
    }

    /// L1's logit of the sides that are there; `None` where none is.
    pub(super) fn logit(&self, late: &Late) -> Option<f64> {
        self.offsets(late).of(self)
    }

    /// The logits of the sides together and alone.
    pub(super) fn offsets(&self, late: &Late) -> Offsets {
        let image: Option<Vec<Option<f64>>> =
            self.image.as_ref().map(|values| values.iter().copied().map(Some).collect());
        late.offsets(image.as_deref(), self.record.as_deref(), self.formula)
    }
}

/// One row with its outcome.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) sides: Sides,
    pub(super) label: f64,
    pub(super) patient: usize,
}

impl Offsets {
    /// That of the sides that are there.
    pub(super) fn of(&self, sides: &Sides) -> Option<f64> {
        match sides.answered()? {
            Answered::Fused => self.fused,
            Answered::ImageOnly => self.image,
            Answered::RecordOnly => self.record,
            Answered::FormulaOnly => self.formula,
            Answered::ImageAndFormula => self.image_and_formula,
            Answered::RecordAndFormula => self.record_and_formula,
        }
    }
}

/// Fits the sides, their calibration and their fusion, each on the rows that have what it needs; logits are cross-fitted by
/// patient. `with_formula` makes a formula one of the sides. Also gives each row's cross-fitted logits. `None` where a class is
/// empty.
pub(super) fn fit(
    cases: &[Case],
    weights: &[f64],
    widths: (usize, usize),
    with_formula: bool,
    random: &mut ChaCha8Rng,
) -> Option<(Late, Vec<Offsets>)> {
    let folds: Vec<Vec<usize>> = (0..REPEATS).map(|_| folds(cases, random)).collect();
    let labels: Vec<f64> = cases.iter().map(|case| case.label).collect();
    let images: Vec<Vec<Option<f64>>> = cases
        .iter()
        .map(|case| match &case.sides.image {
            Some(values) => values.iter().copied().map(Some).collect(),
            None => vec![None; widths.0],
        })
        .collect();
    let records: Vec<Vec<Option<f64>>> =
        cases.iter().map(|case| case.sides.record.clone().unwrap_or_else(|| vec![None; widths.1])).collect();
    let where_known = |known: fn(&Sides) -> bool| -> Vec<f64> {
        let weighted = cases.iter().zip(weights);
        weighted.map(|(case, weight)| if known(&case.sides) { *weight } else { 0.0 }).collect()
    };
    let pictured = where_known(|sides| sides.image.is_some());
    let recorded = where_known(|sides| sides.record.is_some());
    let both = where_known(|sides| sides.image.is_some() && sides.record.is_some());
    let total: f64 = weights.iter().sum();
    let events: f64 = labels.iter().zip(weights).map(|(label, weight)| label * weight).sum();
    let (mut made, [image, record]) =
        fit::two_sides([&images, &records], &labels, [&pictured, &recorded, &both], &folds, events / total)?;
    if with_formula {
        let known: Vec<Known> = cases.iter().map(|case| case.sides.known()).collect();
        formula::join(&mut made, [&image, &record], &known, &labels, weights)?;
    }
    let crossed = cases
        .iter()
        .enumerate()
        .map(|(at, case)| made.offsets_of(mean(&image, at), mean(&record, at), case.sides.formula));
    let crossed = crossed.collect();
    Some((made, crossed))
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
