//! What an ensemble reads of a network that learnt from other pictures: the maps after some blocks of an EfficientNet-Lite,
//! and one linear layer on their means over a grid of cells. The network's own last layers are not there.
//!
//! The layer is linear in the maps. So each place of a map adds a number of its own to each output (`Places`), and all of
//! them with the bias are the output: where a score comes from is known exactly.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, ArchitectureError, MAX_OUTPUTS, limit};
use super::efficientnet::{self, Block, EfficientnetLiteConfig};
use super::init::Init;
use super::state::{self, Misfits, ReadBack, StateDict};

/// The most cells on a side of the grid.
const MAX_CELLS: usize = 16;
/// The most blocks that are read.
const MAX_READ: usize = 16;
/// Outputs that are computed together.
const LANES: usize = 16;
/// The linear layer's name among the weights.
const LINEAR: &str = "linear";

/// The hyper-parameters of a [`Readout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadoutConfig {
    /// The network whose first blocks are kept.
    pub network: EfficientnetLiteConfig,
    /// Numbers of the blocks whose maps are read, from 0, each larger than the one before; the last is the last that is kept.
    pub blocks: Vec<usize>,
    /// Cells on each side of the grid that means are taken over: those of PyTorch's `AdaptiveAvgPool2d`, which overlap where
    /// they do not divide a side.
    pub cells: usize,
    /// Number of outputs of the linear layer.
    pub outputs: usize,
}

impl ReadoutConfig {
    /// Whether it is within limits.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        Architecture::EfficientnetLite(self.network.clone()).check()?;
        limit("cells", self.cells, 1, MAX_CELLS)?;
        limit("outputs", self.outputs, 1, MAX_OUTPUTS)?;
        limit("blocks", self.blocks.len(), 1, MAX_READ)?;
        let count = self.network.plan().len();
        // each has to be larger than the one before
        let mut least = 0;
        for block in &self.blocks {
            limit("blocks", *block, least, count - 1)?;
            least = block + 1;
        }
        Ok(())
    }

    /// The number of the first block that is not there.
    pub(crate) fn end(&self) -> usize {
        self.blocks.last().map_or(0, |last| last + 1)
    }

    /// Channels, and the side for pictures of `side` x `side`, of each map that is read.
    pub(crate) fn maps(&self, side: usize) -> Vec<(usize, usize)> {
        let half = side.div_ceil(2); // the stem's stride
        let sides = self.network.plan().into_iter().scan(half, |side, block| {
            *side = side.div_ceil(block.stride);
            Some((block.output, *side))
        });
        let sides: Vec<(usize, usize)> = sides.collect();
        self.blocks.iter().filter_map(|block| sides.get(*block).copied()).collect()
    }

    /// Number of means that the linear layer reads: of each map in order, of each channel, of each cell row by row.
    pub fn features(&self) -> usize {
        self.maps(1).iter().map(|(channels, _)| channels * self.cells * self.cells).sum()
    }

    /// How many values the weights have, running statistics included.
    pub(crate) fn weights(&self) -> u64 {
        self.network.block_weights(self.end()) + ((self.features() + 1) * self.outputs) as u64
    }
}

/// Places of a side of `side` places that belong to the cell with this number.
fn cell(index: usize, cells: usize, side: usize) -> std::ops::Range<usize> {
    index * side / cells..((index + 1) * side).div_ceil(cells)
}

/// The first blocks of an EfficientNet-Lite with a linear layer on what they give.
#[derive(Module, Debug)]
pub struct Readout {
    stem: Conv2d,
    stem_norm: BatchNorm,
    blocks: Vec<Block>,
    linear: Linear,
}

impl Readout {
    /// One to put weights into.
    pub(crate) fn blank(config: &ReadoutConfig, device: &Device) -> Self {
        let mut init = Init::zeros(device);
        let (stem, stem_norm) = efficientnet::stem(&config.network, &mut init);
        let plan = config.network.plan();
        let blocks = plan.into_iter().take(config.end()).map(|plan| Block::new(plan, &mut init)).collect();
        Self { stem, stem_norm, blocks, linear: init.linear(config.features(), config.outputs) }
    }

    /// The first blocks of the network in `state`, whose names are the package's, with a linear layer of zeros. A network of
    /// one input channel takes a stem of several: the sum of its kernels is what it makes of a grey picture.
    pub fn of_backbone(
        config: &ReadoutConfig,
        state: &StateDict,
        device: &Device,
    ) -> Result<Self, Box<Misfits>> {
        let blank = Self::blank(config, device);
        let own = blank.state().map(|own| own.into_keys().collect::<Vec<_>>()).unwrap_or_default();
        let mut kept: StateDict =
            own.iter().filter_map(|name| Some((name.clone(), state.get(name)?.clone()))).collect();
        for name in own.iter().filter(|name| name.starts_with(LINEAR)) {
            let zeros = if name.ends_with("bias") {
                state::StateTensor::new(vec![config.outputs], vec![0.0; config.outputs])
            } else {
                let (rows, columns) = (config.outputs, config.features());
                state::StateTensor::new(vec![rows, columns], vec![0.0; rows * columns])
            };
            kept.extend(zeros.map(|zeros| (name.clone(), zeros)));
        }
        if config.network.input_channels == 1
            && let Some(stem) = kept.get_mut(efficientnet::STEM_WEIGHT)
            && let Some(grey) = grey(stem)
        {
            *stem = grey;
        }
        state::fill(blank, &kept, &name).map_err(Box::new)
    }

    /// The same with these weights of the linear layer, `[features, outputs]`, and biases.
    #[must_use]
    pub fn with_linear(self, weights: Vec<f32>, bias: &[f32]) -> Self {
        let device = self.linear.weight.val().device();
        let shape = [weights.len() / bias.len().max(1), bias.len()];
        let linear = Linear {
            weight: Param::from_data(TensorData::new(weights, shape), &device),
            bias: Some(Param::from_data(TensorData::new(bias.to_vec(), [bias.len()]), &device)),
        };
        Self { linear, ..self }
    }

    /// The weights under the package's names, running statistics included; the linear layer is `linear`.
    pub fn state(&self) -> Result<StateDict, ReadBack> {
        state::collect(self, &name)
    }

    /// The maps that are read, `[batch, channels, height, width]` each, of pictures `[batch, channels, side, side]`.
    pub fn maps(&self, config: &ReadoutConfig, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let mut maps = efficientnet::stemmed(&self.stem, &self.stem_norm, pictures);
        let mut read = Vec::with_capacity(config.blocks.len());
        for (index, block) in self.blocks.iter().enumerate() {
            maps = block.forward(maps);
            if config.blocks.contains(&index) {
                read.push(maps.clone());
            }
        }
        read
    }

    /// What each value of each map that is read adds to each output, and the biases.
    pub(crate) fn places(
        &self,
        config: &ReadoutConfig,
        side: usize,
    ) -> Result<(Vec<Places>, Vec<f32>), ReadBack> {
        let state = self.state()?;
        let values = |part: &str| {
            let tensor = state.get(&format!("{LINEAR}.{part}"));
            tensor.map(|tensor| tensor.values().to_vec()).unwrap_or_default()
        };
        let (weights, features) = (values("weight"), config.features()); // [outputs, features]
        let mut first = 0;
        let places = config.maps(side).into_iter().map(|(channels, side)| {
            let places = Places::new(config, (&weights, features), first, (channels, side));
            first += channels * config.cells * config.cells;
            places
        });
        Ok((places.collect(), values("bias")))
    }
}

/// The sum of a kernel over its input channels, `[outputs, inputs, height, width]` to `[outputs, 1, height, width]`.
fn grey(kernel: &state::StateTensor) -> Option<state::StateTensor> {
    let [outputs, inputs, height, width] = *kernel.shape() else { return None };
    let size = height * width;
    let mut values = vec![0.0; outputs * size];
    for (sum, own) in
        values.chunks_exact_mut(size.max(1)).zip(kernel.values().chunks_exact((inputs * size).max(1)))
    {
        for channel in own.chunks_exact(size.max(1)) {
            sum.iter_mut().zip(channel).for_each(|(sum, value)| *sum += value);
        }
    }
    state::StateTensor::new(vec![outputs, 1, height, width], values)
}

/// The name in the package of a weight with this path.
fn name(path: &str) -> String {
    if path.starts_with(LINEAR) { path.to_owned() } else { efficientnet::name(path) }
}

/// A linear layer on the means of a map's cells, by place: what a value there adds to each output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Places {
    /// Height and width of the map.
    pub(crate) side: usize,
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
    /// `[side * side, channels]` rows of the outputs' weights, in lanes; those of the last row that are none are zero.
    weights: Vec<[f32; LANES]>,
}

impl Places {
    /// Of the map whose first mean is number `first` of the layer's `features`; `weights` are `[outputs, features]`.
    fn new(
        config: &ReadoutConfig,
        (weights, features): (&[f32], usize),
        first: usize,
        (channels, side): (usize, usize),
    ) -> Self {
        let (cells, outputs) = (config.cells, config.outputs);
        let lanes = outputs.div_ceil(LANES);
        let mut own = vec![[0.0; LANES]; side * side * channels * lanes];
        for row in 0..cells {
            for column in 0..cells {
                let (rows, columns) = (cell(row, cells, side), cell(column, cells, side));
                let share = 1.0 / (rows.len() * columns.len()).max(1) as f32;
                for place in rows.flat_map(|y| columns.clone().map(move |x| y * side + x)) {
                    for channel in 0..channels {
                        let feature = first + (channel * cells + row) * cells + column;
                        let target = &mut own[(place * channels + channel) * lanes..][..lanes];
                        let target = target.as_flattened_mut();
                        for (output, sum) in target.iter_mut().enumerate().take(outputs) {
                            *sum += weights[output * features + feature] * share;
                        }
                    }
                }
            }
        }
        Self { side, channels, outputs, weights: own }
    }

    /// The weights on a device, `[side * side, channels, outputs]`.
    pub(crate) fn tensor(&self, device: &Device) -> Tensor<3> {
        let shape = [self.side * self.side, self.channels, self.outputs];
        let rows = self.weights.chunks_exact(self.lanes());
        let values: Vec<f32> = rows.flat_map(|row| row.as_flattened()[..self.outputs].to_vec()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn lanes(&self) -> usize {
        self.outputs.div_ceil(LANES).max(1)
    }

    /// What each place of a map with its channels last, `[side * side, channels]`, adds: `[outputs, side * side]`.
    pub(crate) fn added(&self, map: &[f32]) -> Vec<f32> {
        let (places, lanes) = (self.side * self.side, self.lanes());
        let mut added = vec![0.0; self.outputs * places];
        let mut sums = vec![[0.0_f32; LANES]; lanes];
        let rows = map.chunks_exact(self.channels).zip(self.weights.chunks_exact(self.channels * lanes));
        for (place, (values, weights)) in rows.enumerate() {
            sums.fill([0.0; LANES]);
            for (value, weights) in values.iter().zip(weights.chunks_exact(lanes)) {
                for (sums, weights) in sums.iter_mut().zip(weights) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
            }
            for (output, sum) in sums.as_flattened().iter().take(self.outputs).enumerate() {
                added[output * places + place] = *sum;
            }
        }
        added
    }
}

/// The same on a device: maps `[batch, channels, height, width]` and [`Places::tensor`] to `[batch, outputs, places]`.
pub(crate) fn added(maps: Tensor<4>, places: Tensor<3>) -> Tensor<3> {
    let [batch, channels, height, width] = maps.dims();
    let by_place = maps.reshape([batch, channels, height * width]).permute([2, 0, 1]);
    by_place.matmul(places).permute([1, 2, 0])
}

/// The means that the linear layer reads of one map `[channels, side * side]`, as PyTorch's `AdaptiveAvgPool2d` makes them.
#[expect(clippy::cast_possible_truncation, reason = "the precision of maps")]
pub(crate) fn means(map: &[f32], side: usize, cells: usize) -> Vec<f32> {
    let mut means = Vec::with_capacity(map.len() / (side * side).max(1) * cells * cells);
    for channel in map.chunks_exact((side * side).max(1)) {
        for row in 0..cells {
            for column in 0..cells {
                let (rows, columns) = (cell(row, cells, side), cell(column, cells, side));
                let count = (rows.len() * columns.len()).max(1) as f64;
                let sum: f64 =
                    rows.flat_map(|y| &channel[y * side..][columns.clone()]).map(|v| f64::from(*v)).sum();
                means.push((sum / count) as f32);
            }
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ReadoutConfig {
        ReadoutConfig {
            network: EfficientnetLiteConfig::lite0(1, 10),
            blocks: vec![6, 8, 11],
            cells: 3,
            outputs: 14,
        }
    }

    #[test]
    fn the_maps_of_lite0_have_the_sizes_of_the_package() {
        assert_eq!(config().check(), Ok(()));
        assert_eq!(config().maps(224), [(80, 14), (112, 14), (192, 7)]);
        assert_eq!(config().features(), 9 * (80 + 112 + 192));
    }

    #[test]
    fn blocks_that_are_not_there_or_not_in_order_are_refused() {
        for blocks in [vec![], vec![16], vec![6, 6], vec![8, 6], vec![0; 17]] {
            let wrong = ReadoutConfig { blocks: blocks.clone(), ..config() };
            assert!(wrong.check().is_err(), "{blocks:?}");
        }
        assert!(ReadoutConfig { cells: 0, ..config() }.check().is_err());
        assert!(ReadoutConfig { outputs: 0, ..config() }.check().is_err());
    }

    /// Reference: `torch.nn.functional.adaptive_avg_pool2d(torch.arange(49.).view(1, 7, 7), 3)`.
    #[test]
    fn cells_are_those_of_pytorch() {
        let map: Vec<f32> = (0..49).map(|value| value as f32).collect();
        let means = means(&map, 7, 3);
        assert_eq!(means, [8.0, 10.0, 12.0, 22.0, 24.0, 26.0, 36.0, 38.0, 40.0]);
    }

    #[test]
    fn what_all_places_add_is_the_linear_layer_of_the_means() {
        let own = ReadoutConfig { outputs: 2, ..config() };
        let features = own.features();
        let weights: Vec<f32> = (0..2 * features).map(|k| ((k * 37 % 101) as f32 - 50.0) / 100.0).collect();
        let (channels, side, first) = (112, 14, 9 * 80);
        let map: Vec<f32> = (0..channels * side * side).map(|k| (k * 29 % 97) as f32 / 97.0).collect();
        let places = Places::new(&own, (&weights, features), first, (channels, side));
        // channels last
        let turned: Vec<f32> = (0..side * side)
            .flat_map(|p| (0..channels).map(move |c| (c, p)))
            .map(|(c, p)| map[c * side * side + p])
            .collect();
        let added = places.added(&turned);
        for output in 0..2 {
            let own: f64 = added[output * 196..][..196].iter().map(|v| f64::from(*v)).sum();
            let weights = &weights[output * features + first..];
            let layer: f64 =
                means(&map, side, 3).iter().zip(weights).map(|(m, w)| f64::from(*m) * f64::from(*w)).sum();
            assert!((own - layer).abs() < 1e-3, "{own} {layer}");
        }
        let device = crate::Device::open(crate::DeviceChoice::Cpu).unwrap();
        let shape = [1, channels, side, side];
        let maps = Tensor::<4>::from_data(TensorData::new(map, shape), device.burn());
        let there = super::added(maps, places.tensor(device.burn())).into_data().try_to_vec::<f32>().unwrap();
        for (there, here) in there.iter().zip(&added) {
            assert!((there - here).abs() < 1e-4, "{there} {here}");
        }
    }

    #[test]
    fn a_grey_stem_is_the_sum_over_the_colours() {
        let colour = state::StateTensor::new(vec![2, 3, 1, 2], (0..12).map(|v| v as f32).collect()).unwrap();
        let grey = grey(&colour).unwrap();
        assert_eq!((grey.shape(), grey.values()), (&[2, 1, 1, 2][..], &[6.0, 9.0, 24.0, 27.0][..]));
    }
}
