//! The gated network of L2 in Burn.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::config::NetworkShape;

/// Widths of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Widths {
    /// Components of the picture.
    pub(super) image: usize,
    /// Cells of the row.
    pub(super) record: usize,
    /// The row's hidden layer.
    pub(super) hidden: usize,
    /// Where both meet.
    pub(super) meeting: usize,
    /// Members.
    pub(super) members: usize,
}

impl Widths {
    /// Those that a configuration asks for, with this many components of the picture and cells of the row.
    pub(super) fn of(shape: &NetworkShape, image: usize, record: usize) -> Self {
        let NetworkShape { width: hidden, meeting, members, .. } = *shape;
        Self { image, record, hidden, meeting, members }
    }

    /// Weights of a network of these widths; `None` where they are more than can be counted.
    fn weights(self) -> Option<usize> {
        let Self { image, record, hidden, meeting, members } = self;
        let linear = |input: usize, output: usize| input.checked_add(1)?.checked_mul(output);
        let met = meeting.checked_mul(2)?.checked_add(2)?;
        let parts = [
            // each side to where both meet, the gate, what follows it, and the picture's own head
            linear(image, meeting),
            linear(record, hidden),
            linear(hidden, meeting),
            linear(met, meeting),
            linear(meeting, meeting),
            linear(meeting, 1),
            // two tokens, each member's scales, its two heads and its shift, and alpha
            meeting.checked_mul(2),
            members.checked_mul(record),
            members.checked_mul(meeting)?.checked_mul(2),
            members.checked_add(1),
        ];
        parts.into_iter().try_fold(0_usize, |sum, part| sum.checked_add(part?))
    }
}

/// `logit = L1 + alpha * head(relu(W h))`, `h = g * image + (1 - g) * record`, `g = sigmoid(W [image; record; masks])`.
///
/// The row's side is TabM-mini (Gorishniy et al., arXiv 2410.24210): all members share the weights, each scales the input with
/// an adapter of its own and has a head of its own. A side that is not there is a learned token. `alpha` starts at 0, so that
/// training starts at L1.
#[derive(Module, Debug)]
pub(super) struct GatedNetwork {
    image: Linear,
    image_token: Param<Tensor<1>>,
    record_token: Param<Tensor<1>>,
    adapter: Param<Tensor<2>>,
    first: Linear,
    second: Linear,
    gate: Linear,
    hidden: Linear,
    heads: Param<Tensor<2>>,
    alpha: Param<Tensor<1>>,
    image_head: Linear,
    record_heads: Param<Tensor<2>>,
    record_shift: Param<Tensor<1>>,
}

/// What goes in: `n` rows.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// `[n, components]`, zeros where there is no picture.
    pub(super) image: Tensor<2>,
    /// `[n, cells]`, zeros where there is no row.
    pub(super) record: Tensor<2>,
    /// `[n, 1]`, 1 where there is a picture.
    pub(super) has_image: Tensor<2>,
    /// `[n, 1]`, 1 where there is a row.
    pub(super) has_record: Tensor<2>,
    /// `[n, 1]`, the logit of L1.
    pub(super) offset: Tensor<2>,
}

/// What comes out.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    /// `[n, members]`.
    pub(super) logits: Tensor<2>,
    /// `[n, 1]`, of the picture alone.
    pub(super) image: Tensor<2>,
    /// `[n, members]`, of the row alone.
    pub(super) record: Tensor<2>,
}

impl GatedNetwork {
    /// First weights from a seeded generator.
    pub(super) fn new(widths: Widths, random: &mut impl Rng, device: &Device) -> Self {
        let Widths { image, record, hidden, meeting, members } = widths;
        let mut draw = |count: usize, deviation: f32| -> Vec<f32> {
            // uniform with that deviation
            let bound = deviation * 3.0_f32.sqrt();
            (0..count).map(|_| random.random_range(-bound..=bound)).collect()
        };
        let mut linear = |input: usize, output: usize| {
            let mut made = LinearConfig::new(input, output).with_initializer(Initializer::Zeros).init(device);
            let weights = draw(input * output, (1.0 / input as f32).sqrt());
            made.weight = Param::from_data(TensorData::new(weights, [input, output]), device);
            made
        };
        let (image, first, second) =
            (linear(image, meeting), linear(record, hidden), linear(hidden, meeting));
        let (gate, between, image_head) =
            (linear(2 * meeting + 2, meeting), linear(meeting, meeting), linear(meeting, 1));
        let spread = (1.0 / meeting as f32).sqrt();
        let signs: Vec<f32> = draw(members * record, 1.0)
            .into_iter()
            .map(|value| if value < 0.0 { -1.0 } else { 1.0 })
            .collect();
        let heads = draw(members * meeting, spread);
        let record_heads = draw(members * meeting, spread);
        let vector = |values: Vec<f32>| {
            let length = values.len();
            Param::from_data(TensorData::new(values, [length]), device)
        };
        let matrix =
            |values: Vec<f32>, shape: [usize; 2]| Param::from_data(TensorData::new(values, shape), device);
        Self {
            image,
            image_token: vector(vec![0.0; meeting]),
            record_token: vector(vec![0.0; meeting]),
            adapter: matrix(signs, [members, record]),
            first,
            second,
            gate,
            hidden: between,
            heads: matrix(heads, [members, meeting]),
            alpha: vector(vec![0.0]),
            image_head,
            record_heads: matrix(record_heads, [members, meeting]),
            record_shift: vector(vec![0.0; members]),
        }
    }

    /// A network with stored weights; `None` where there are not as many as it has.
    pub(super) fn with_values(widths: Widths, values: &[f32], device: &Device) -> Option<Self> {
        if widths.weights() != Some(values.len()) {
            return None;
        }
        let mut random = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(0);
        Some(Self::new(widths, &mut random, device).map(&mut Replace { values }))
    }

    /// All weights one after the other; `None` where the device does not give them.
    pub(super) fn values(&self) -> Option<Vec<f32>> {
        let mut collect = Collect { values: Vec::new(), whole: true };
        self.visit(&mut collect);
        collect.whole.then_some(collect.values)
    }

    /// The weight of what L2 adds to L1, `[1]`.
    pub(super) fn alpha(&self) -> Tensor<1> {
        self.alpha.val()
    }

    /// Logits of rows.
    pub(super) fn forward(&self, batch: Batch) -> Outputs {
        let Batch { image, record, has_image, has_record, offset } = batch;
        let [rows, cells] = record.dims();
        let [members, meeting] = self.heads.dims();
        let wide = |tensor: Tensor<2>| tensor.unsqueeze_dim::<3>(1).expand([rows, members, meeting]);
        let token = |token: &Param<Tensor<1>>| token.val().reshape([1, meeting]);

        let seen = relu(self.image.forward(image)); // [n, meeting]
        let image_alone = self.image_head.forward(seen.clone()); // [n, 1]
        let missing_image = has_image.clone().neg() + 1.0;
        let seen = wide(seen * has_image.clone() + token(&self.image_token) * missing_image);

        let scaled = record.reshape([rows, 1, cells]) * self.adapter.val().reshape([1, members, cells]);
        let read = relu(self.second.forward(relu(self.first.forward(scaled)))); // [n, members, meeting]
        let record_alone =
            by_member(read.clone(), &self.record_heads) + self.record_shift.val().reshape([1, members]);
        let there = has_record.clone().reshape([rows, 1, 1]);
        let missing_record = there.clone().neg() + 1.0;
        let read = read * there + self.record_token.val().reshape([1, 1, meeting]) * missing_record;

        let masks = Tensor::cat(vec![has_image, has_record], 1); // [n, 2]
        let masks = masks.unsqueeze_dim::<3>(1).expand([rows, members, 2]);
        let gate = sigmoid(self.gate.forward(Tensor::cat(vec![seen.clone(), read.clone(), masks], 2)));
        let met = gate.clone() * seen + (gate.neg() + 1.0) * read;
        let added = by_member(relu(self.hidden.forward(met)), &self.heads);
        let logits = offset + added * self.alpha.val().reshape([1, 1]);
        Outputs { logits, image: image_alone, record: record_alone }
    }
}

/// Each member's own head: `[n, members, meeting]` and `[members, meeting]` to `[n, members]`.
fn by_member(values: Tensor<3>, heads: &Param<Tensor<2>>) -> Tensor<2> {
    let [rows, members, _] = values.dims();
    let weighted = values * heads.val().unsqueeze_dim::<3>(0);
    weighted.sum_dim(2).reshape([rows, members])
}

struct Collect {
    values: Vec<f32>,
    whole: bool,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match param.val().try_into_data().ok().and_then(|data| data.try_to_vec::<f32>().ok()) {
            Some(values) => self.values.extend(values),
            None => self.whole = false,
        }
    }
}

/// Puts values in the order of [`Collect`] back.
struct Replace<'a> {
    values: &'a [f32],
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.dims();
            let (own, rest) = self.values.split_at(shape.iter().product::<usize>().min(self.values.len()));
            self.values = rest;
            Tensor::from_data(TensorData::new(own.to_vec(), shape), &tensor.device())
        })
    }
}
