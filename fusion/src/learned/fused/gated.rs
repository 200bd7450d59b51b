//! L2: networks that correct L1, trained by AdamW with a side left out now and then, stopped on patients kept apart.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::coder::Coder;
use super::config::NetworkShape;
use super::late::Sides;
use super::network::{Batch, GatedNetwork, Widths};
use crate::formulas::logistic;
use crate::learned::late::Offsets;

/// Chance that a row's picture, or its record, is left out of a step; never both.
const SIDE_DROPOUT: f64 = 0.3;
/// Chance that one cell's column of the record is left out, its flag raised.
const CELL_DROPOUT: f64 = 0.1;
/// Weight of each side's own loss.
const AUXILIARY: f32 = 0.3;
/// Penalty on `alpha` squared.
const ALPHA_PENALTY: f32 = 0.01;
/// AdamW's weight decay.
const WEIGHT_DECAY: f32 = 0.01;
/// Steps between two looks at the patients kept apart, and looks without a gain until training stops.
const LOOK: usize = 5;
const PATIENCE: usize = 8;
/// Share of the patients that stop the training.
const STOP_SHARE: f64 = 0.2;

/// The device did not give numbers, or weights do not fit their widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gated network cannot be computed: its weights do not fit, or the device gave no numbers")]
pub struct NetworkError;

/// The networks of L2 as they are stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) widths: Widths,
    pub(super) coder: Coder,
    /// Weights of each network.
    pub(super) networks: Vec<Vec<f32>>,
}

/// The networks of L2 on a device.
#[derive(Debug, Clone)]
pub(super) struct Gated {
    coder: Coder,
    widths: Widths,
    networks: Vec<GatedNetwork>,
    device: Device,
}

/// One row to train on.
pub(super) struct GatedCase<'a> {
    pub(super) sides: &'a Sides,
    /// L1's logits, cross-fitted.
    pub(super) offsets: Offsets,
    pub(super) label: f64,
    pub(super) patient: usize,
}

impl Gated {
    /// Puts stored networks on a device.
    pub(super) fn of(stored: &Stored, device: &Device) -> Result<Self, NetworkError> {
        let Stored { widths, coder, networks } = stored;
        let fits = coder.is_sound() && coder.width() == widths.record && !networks.is_empty();
        let sound = networks.iter().flatten().all(|weight| weight.is_finite());
        if !fits || !sound {
            return Err(NetworkError);
        }
        let networks: Option<Vec<_>> =
            networks.iter().map(|values| GatedNetwork::with_values(*widths, values, device)).collect();
        let networks = networks.ok_or(NetworkError)?;
        Ok(Self { coder: coder.clone(), widths: *widths, networks, device: device.clone() })
    }

    /// Probability of every member of every network for each row; `offsets` are L1's logits.
    pub(super) fn members(&self, rows: &[(&Sides, f64)]) -> Result<Vec<Vec<f64>>, NetworkError> {
        let mut found = vec![Vec::new(); rows.len()];
        if rows.is_empty() {
            return Ok(found);
        }
        let inputs: Vec<Vec<Input>> = rows
            .iter()
            .map(|(sides, offset)| Input::spread(sides, &self.coder, self.widths.image, *offset))
            .collect();
        for network in &self.networks {
            for (row, members) in found.iter_mut().zip(answers(network, &inputs, &self.device)?) {
                row.extend(members);
            }
        }
        Ok(found)
    }

    /// Trains `seeds` networks from different first weights; `flags` says whether they see that a value is missing.
    pub(super) fn train(
        cases: &[GatedCase<'_>],
        (shape, seeds, flags): (&NetworkShape, usize, bool),
        random: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<(Self, Stored), NetworkError> {
        let known: Vec<&[Option<f64>]> =
            cases.iter().filter_map(|case| case.sides.record.as_deref()).collect();
        let coder = Coder::fit(&known, shape.bins, flags);
        let image = cases.iter().find_map(|case| case.sides.image.as_ref().map(Vec::len)).unwrap_or(1);
        let widths = Widths::of(shape, image, coder.width());
        let mut networks = Vec::with_capacity(seeds);
        for _ in 0..seeds {
            let mut own = ChaCha8Rng::seed_from_u64(random.random());
            networks.push(one(cases, &coder, widths, shape, &mut own, device)?);
        }
        let stored = Stored { widths, coder, networks };
        Ok((Self::of(&stored, device)?, stored))
    }
}

/// One row as numbers.
#[derive(Clone)]
struct Input {
    image: Vec<f32>,
    record: Vec<f32>,
    has_image: f32,
    has_record: f32,
    offset: f32,
}

impl Input {
    /// The inputs whose mean answer is the row's.
    fn spread(sides: &Sides, coder: &Coder, width: usize, offset: f64) -> Vec<Self> {
        let Some(record) = &sides.record else { return vec![Self::of(sides, coder, width, offset)] };
        let shown = coder.spread(record).into_iter();
        let sides = shown.map(|record| Sides {
            image: sides.image.clone(),
            record: Some(record),
            formula: sides.formula,
        });
        sides.map(|sides| Self::of(&sides, coder, width, offset)).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the network computes in f32")]
    fn of(sides: &Sides, coder: &Coder, width: usize, offset: f64) -> Self {
        let image = sides.image.as_ref().map(|values| values.iter().map(|value| *value as f32).collect());
        let record = sides.record.as_ref().map(|columns| coder.cells(columns));
        Self {
            has_image: if image.is_some() { 1.0 } else { 0.0 },
            has_record: if record.is_some() { 1.0 } else { 0.0 },
            image: image.unwrap_or_else(|| vec![0.0; width]),
            record: record.unwrap_or_else(|| vec![0.0; coder.width()]),
            offset: offset as f32,
        }
    }
}

fn batch(inputs: &[Input], device: &Device) -> Batch {
    let rows = inputs.len();
    let tensor = |values: Vec<f32>| {
        let width = values.len() / rows.max(1);
        Tensor::<2>::from_data(TensorData::new(values, [rows, width]), device)
    };
    let of = |pick: fn(&Input) -> f32| tensor(inputs.iter().map(pick).collect());
    Batch {
        image: tensor(inputs.iter().flat_map(|input| input.image.clone()).collect()),
        record: tensor(inputs.iter().flat_map(|input| input.record.clone()).collect()),
        has_image: of(|input| input.has_image),
        has_record: of(|input| input.has_record),
        offset: of(|input| input.offset),
    }
}

fn numbers(tensor: Tensor<2>) -> Result<Vec<f32>, NetworkError> {
    let data = tensor.try_into_data().map_err(|_| NetworkError)?;
    let values = data.try_to_vec::<f32>().map_err(|_| NetworkError)?;
    if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(NetworkError) }
}

/// Probability of every member for each row: the mean over the row's inputs.
fn answers(
    network: &GatedNetwork,
    rows: &[Vec<Input>],
    device: &Device,
) -> Result<Vec<Vec<f64>>, NetworkError> {
    let all: Vec<Input> = rows.iter().flatten().cloned().collect();
    let logits = network.forward(batch(&all, device)).logits;
    let members = logits.dims()[1];
    let values = numbers(logits)?;
    let mut of_each = values.chunks_exact(members);
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut sums = vec![0.0; members];
        for logits in of_each.by_ref().take(row.len()) {
            for (sum, logit) in sums.iter_mut().zip(logits) {
                *sum += logistic(f64::from(*logit)) / row.len() as f64;
            }
        }
        found.push(sums);
    }
    Ok(found)
}

/// Mean of `weights * cross-entropy(logits, labels)` over rows and members; weights and labels are `[n, 1]`.
fn cross_entropy(logits: Tensor<2>, labels: &Tensor<2>, weights: Tensor<2>) -> Tensor<1> {
    let members = logits.dims()[1] as f32;
    let losses =
        relu(logits.clone()) - logits.clone() * labels.clone() + (logits.abs().neg().exp() + 1.0).log();
    let total = weights.clone().sum().clamp_min(1.0) * members;
    (losses * weights).sum() / total
}

/// Trains one network and gives the weights that did best on the patients kept apart; the first are those of L1.
fn one(
    cases: &[GatedCase<'_>],
    coder: &Coder,
    widths: Widths,
    shape: &NetworkShape,
    random: &mut ChaCha8Rng,
    device: &Device,
) -> Result<Vec<f32>, NetworkError> {
    let (learn, stop) = parts(cases, random);
    let learning = device.clone().autodiff();
    let mut network = GatedNetwork::new(widths, random, &learning);
    let mut optimiser = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).with_epsilon(1e-8).init();
    let (whole, stop_labels): (Vec<Vec<Input>>, Vec<f64>) = stop
        .iter()
        .filter_map(|case| {
            let offset = case.offsets.of(case.sides)?;
            Some((Input::spread(case.sides, coder, widths.image, offset), case.label))
        })
        .unzip();
    let column = |values: Vec<f32>| {
        let rows = values.len();
        Tensor::<2>::from_data(TensorData::new(values, [rows, 1]), &learning)
    };
    #[expect(clippy::cast_possible_truncation, reason = "0 and 1")]
    let labels = column(learn.iter().map(|case| case.label as f32).collect());
    let weights = column(vec![1.0; learn.len()]);
    let mut best = (f64::INFINITY, network.valid());
    let mut worse = 0;
    for step in 0..=shape.steps {
        if step % LOOK == 0 {
            let loss = held_loss(&network.valid(), &whole, &stop_labels, device)?;
            if loss < best.0 {
                best = (loss, network.valid());
                worse = 0;
            } else {
                worse += 1;
            }
            if worse > PATIENCE {
                break;
            }
        }
        let shown: Vec<Input> = learn.iter().map(|case| dropped(case, coder, widths.image, random)).collect();
        let made = batch(&shown, &learning);
        let (has_image, has_record) = (made.has_image.clone(), made.has_record.clone());
        let outputs = network.forward(made);
        let loss = cross_entropy(outputs.logits, &labels, weights.clone())
            + cross_entropy(outputs.image, &labels, has_image) * AUXILIARY
            + cross_entropy(outputs.record, &labels, has_record) * AUXILIARY
            + network.alpha().square() * ALPHA_PENALTY;
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimiser.step(shape.rate, network, gradients);
    }
    best.1.values().ok_or(NetworkError)
}

/// Log-loss of the members' mean probability.
fn held_loss(
    network: &GatedNetwork,
    inputs: &[Vec<Input>],
    labels: &[f64],
    device: &Device,
) -> Result<f64, NetworkError> {
    if inputs.is_empty() {
        return Ok(0.0);
    }
    let found = answers(network, inputs, device)?;
    let losses = found.iter().zip(labels).map(|(members, label)| {
        let mean = members.iter().sum::<f64>() / members.len().max(1) as f64;
        let mean = mean.clamp(1e-9, 1.0 - 1e-9);
        -(label * mean.ln() + (1.0 - label) * (1.0 - mean).ln())
    });
    Ok(losses.sum::<f64>() / inputs.len() as f64)
}

/// A row with a side, and some columns, left out.
fn dropped(case: &GatedCase<'_>, coder: &Coder, width: usize, random: &mut ChaCha8Rng) -> Input {
    let chance: f64 = random.random_range(0.0..1.0);
    let both = case.sides.image.is_some() && case.sides.record.is_some();
    let mut sides = Sides {
        image: case.sides.image.clone().filter(|_| !both || chance >= SIDE_DROPOUT),
        record: case.sides.record.clone().filter(|_| !both || chance < 1.0 - SIDE_DROPOUT),
        formula: case.sides.formula,
    };
    for value in sides.record.iter_mut().flatten() {
        if random.random_range(0.0..1.0) < CELL_DROPOUT {
            *value = None;
        }
    }
    let offset = case.offsets.of(&sides).unwrap_or_default();
    sides.record = sides.record.map(|record| coder.drawn(&record, random));
    Input::of(&sides, coder, width, offset)
}

/// Rows to learn from and rows to stop on, by patient, each with patients of both outcomes where there are enough.
fn parts<'a, 'b>(
    cases: &'a [GatedCase<'b>],
    random: &mut ChaCha8Rng,
) -> (Vec<&'a GatedCase<'b>>, Vec<&'a GatedCase<'b>>) {
    let mut ever = std::collections::BTreeMap::new();
    for case in cases {
        *ever.entry(case.patient).or_insert(false) |= case.label > 0.5;
    }
    let mut stopping = std::collections::BTreeSet::new();
    for wanted in [true, false] {
        let mut group: Vec<usize> =
            ever.iter().filter(|(_, ever)| **ever == wanted).map(|(patient, _)| *patient).collect();
        group.shuffle(random);
        let wanted = (group.len() as f64 * STOP_SHARE).round();
        stopping
            .extend(group.into_iter().enumerate().filter(|(at, _)| (*at as f64) < wanted).map(|one| one.1));
    }
    cases.iter().partition(|case| !stopping.contains(&case.patient))
}
