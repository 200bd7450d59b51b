//! A whole network or bundle on a device: from values in this process's memory to outputs in it.

mod volume;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use self::volume::Volumetric;
use super::cost::{Layer, layers, readout_layers};
use super::{Precision, WorkError, supported, values};
use crate::bundle::Contents;
use crate::cpu::{Computed, Plan};
use crate::network::unet::BasicUnet;
use crate::network::{Architecture, Classifier, ReadoutConfig, StateDict};
use crate::{Bundle, Device, GreyImage, Scorer};

/// Batches that take turns.
const TURNS: usize = 4;
/// Side of the pictures that a bundle is given, in pixels, before it prepares them.
const PICTURE_SIDE: usize = 512;

/// Greatest number of values that go into a layer or come out of it, with a whole batch: 8 GiB in binary32. What is counted of
/// such layers can be counted in 64 bits.
const MOST_VALUES: u64 = 1 << 31;

/// What is measured: a published architecture, or a bundle.
#[derive(Clone)]
pub enum Subject {
    /// A network with first weights, and the height and width of its pictures; a volume has as many slices.
    Network {
        /// Its published name.
        name: String,
        /// Which.
        architecture: Architecture,
        /// Height and width.
        side: usize,
    },
    /// A bundle as it serves: its own preprocessing, all of its networks, calibration.
    Bundle(Box<Bundle>),
}

/// One network that a subject runs, how often, and the height and width of its pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is for.
    pub name: &'static str,
    /// Networks of this shape.
    pub copies: usize,
    /// The shape.
    pub network: Shape,
    /// Height and width of a picture.
    pub picture: (usize, usize),
}

/// What runs in a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shape {
    /// A network from its first layer to its last.
    Whole(Architecture),
    /// The first blocks of one, and what is read of them.
    Readout(ReadoutConfig),
}

impl Part {
    /// The counted layers of one of its networks for a batch.
    pub fn layers(&self, batch: usize) -> Vec<Layer> {
        let (height, width) = self.picture;
        match &self.network {
            Shape::Whole(architecture) => layers(architecture, batch, height, width),
            Shape::Readout(config) => readout_layers(config, batch, width),
        }
    }
}

impl Subject {
    /// A short name for tables.
    pub fn name(&self) -> String {
        match self {
            Self::Network { name, side, .. } => format!("{name}, {side} px"),
            Self::Bundle(bundle) => format!("{} {}", bundle.id(), bundle.version()),
        }
    }

    /// Whether batches of this size can be held, layer by layer; asked before anything is made.
    pub fn check_batch(&self, batch: usize) -> Result<(), WorkError> {
        for part in self.parts() {
            for layer in part.layers(batch) {
                let (input, output) = layer.values();
                let values = input.max(output);
                if values > MOST_VALUES {
                    return Err(WorkError::Values { batch, values, most: MOST_VALUES });
                }
            }
        }
        Ok(())
    }

    /// The networks that run for one picture.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name, copies, architecture, picture| Part {
            name,
            copies,
            network: Shape::Whole(architecture),
            picture,
        };
        match self {
            Self::Network { architecture, side, .. } => {
                vec![part("network", 1, architecture.clone(), (*side, *side))]
            }
            Self::Bundle(bundle) => match bundle.contents() {
                Contents::Ensemble(manifest) => {
                    let own = &manifest.architecture;
                    let (side, small) = (manifest.preprocessing.side, manifest.preprocessing.frontal_side);
                    let network =
                        |config: &crate::network::NetworkConfig| Architecture::Residual(config.clone());
                    let mut parts = vec![
                        part("findings", own.members, network(&own.findings), (side, side)),
                        part("frontal", own.members, network(&own.frontal), (small, small)),
                    ];
                    let readout = own.readout.as_ref().zip(manifest.preprocessing.readout);
                    parts.extend(readout.map(|(own, picture)| Part {
                        name: "readout",
                        copies: 1,
                        network: Shape::Readout(own.config.clone()),
                        picture: (picture.seen(), picture.seen()),
                    }));
                    parts
                }
                Contents::Classifier(manifest) => {
                    let picture = (manifest.preprocessing.height, manifest.preprocessing.width);
                    vec![part("network", 1, manifest.architecture.clone(), picture)]
                }
                Contents::Segmenter(manifest) => {
                    let picture = (manifest.preprocessing.height, manifest.preprocessing.width);
                    vec![part("network", 1, manifest.architecture.clone(), picture)]
                }
            },
        }
    }
}

/// A subject on a device.
pub struct Loaded {
    device: Device,
    precision: Precision,
    network: Network,
}

#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Network {
    Classifier { network: Classifier, plan: Option<Plan>, computed: Computed, channels: usize, side: usize },
    Segmenter { network: BasicUnet, channels: usize, side: usize },
    Volume { network: Volumetric, channels: usize, side: usize },
    Scorer { scorer: Scorer, bundle: Box<Bundle> },
}

impl Loaded {
    /// Puts the subject onto the device; a bundle runs its self-test too. A network's first weights are drawn from `seed`.
    pub fn new(
        subject: &Subject,
        precision: Precision,
        device: &Device,
        seed: u64,
    ) -> Result<Self, WorkError> {
        supported(device, precision)?;
        let mut cast = Cast(precision.dtype());
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let network = match subject {
            Subject::Network { architecture, side, .. } => {
                let (side, channels, least) =
                    (*side, architecture.input_channels(), architecture.least_side());
                if side < least {
                    return Err(WorkError::Side { side, least });
                }
                match (Classifier::new(architecture, &mut generator, device.burn()), architecture) {
                    (Some(network), _) => {
                        let network = network.map(&mut cast);
                        let (plan, computed) = planned(&network, architecture, side, precision, device);
                        Network::Classifier { network, plan, computed, channels, side }
                    }
                    (None, Architecture::BasicUnet(config)) => {
                        let network = BasicUnet::new(config, &mut generator, device.burn());
                        Network::Segmenter { network: network.map(&mut cast), channels, side }
                    }
                    (None, _) => {
                        let network =
                            Volumetric::new(architecture, &mut generator, device.burn(), &mut cast)?;
                        Network::Volume { network, channels, side }
                    }
                }
            }
            Subject::Bundle(bundle) => {
                // a bundle computes in the precision that its self-test was stated in
                if precision != Precision::F32 {
                    let device = "a bundle".to_owned();
                    return Err(WorkError::Precision { device, precision: precision.as_str() });
                }
                Network::Scorer { scorer: Scorer::load(bundle, device)?, bundle: bundle.clone() }
            }
        };
        Ok(Self { device: device.clone(), precision, network })
    }

    /// A classifier with the weights of `state`, in f32, for pictures of `side` x `side`: what is measured beside another
    /// program has that program's weights.
    pub fn of_weights(
        architecture: &Architecture,
        side: usize,
        state: &StateDict,
        device: &Device,
    ) -> Result<Self, WorkError> {
        let least = architecture.least_side();
        if side < least {
            return Err(WorkError::Side { side, least });
        }
        let unfit = |reason| WorkError::Weights { reason };
        let network = Classifier::from_state(architecture, state, device.burn())
            .ok_or_else(|| unfit("the architecture is no classifier".to_owned()))?
            .map_err(|misfits| unfit(misfits.to_string()))?;
        let (plan, computed) = planned(&network, architecture, side, Precision::F32, device);
        let channels = architecture.input_channels();
        let network = Network::Classifier { network, plan, computed, channels, side };
        Ok(Self { device: device.clone(), precision: Precision::F32, network })
    }

    /// The outputs of a classifier for pictures that are `values`, picture by picture, channel by channel, row by row.
    pub fn outputs(&self, values: Vec<f32>) -> Result<Vec<f32>, WorkError> {
        let unfit = |reason: &str| WorkError::Weights { reason: reason.to_owned() };
        let Network::Classifier { network, plan, channels, side, .. } = &self.network else {
            return Err(unfit("only a classifier gives outputs"));
        };
        let picture = channels * side * side;
        if values.is_empty() || !values.len().is_multiple_of(picture) {
            return Err(unfit("the values are no whole pictures"));
        }
        if let Some(seen) = plan.as_ref().and_then(|plan| plan.forward(&values)) {
            return Ok(seen.into_iter().flat_map(|seen| seen.logits).collect());
        }
        let shape = [values.len() / picture, *channels, *side, *side];
        let pictures: Tensor<4> = Tensor::from_data(TensorData::new(values, shape), self.device.burn());
        numbers(network.forward(pictures.cast(self.precision.dtype())).logits)
    }

    /// What computes it.
    pub fn computed(&self) -> Computed {
        match &self.network {
            Network::Classifier { computed, .. } => *computed,
            Network::Segmenter { .. } | Network::Volume { .. } => Computed::Burn,
            Network::Scorer { scorer, .. } => scorer.computed(),
        }
    }

    /// The same with nothing but Burn's module, for a network alone.
    #[must_use]
    pub fn by_burn(mut self) -> Self {
        if let Network::Classifier { plan, computed, .. } = &mut self.network {
            (*plan, *computed) = (None, Computed::Burn);
        }
        self
    }

    /// Values on the device, in the precision of the weights.
    fn tensor<const D: usize>(&self, data: TensorData) -> Tensor<D> {
        let values: Tensor<D> = Tensor::from_data(data, self.device.burn());
        values.cast(self.precision.dtype())
    }

    /// Seeded batches of `size` pictures.
    pub fn batches(&self, size: usize, seed: u64) -> Batches<'_> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let turns = match &self.network {
            Network::Classifier { channels, side, .. } | Network::Segmenter { channels, side, .. } => {
                let shape = [size, *channels, *side, *side];
                let count = shape.iter().product();
                let one = |_| TensorData::new(values(count, &mut generator), shape);
                Turns::Tensors((0..TURNS).map(one).collect())
            }
            Network::Volume { channels, side, .. } => {
                let shape = [size, *channels, *side, *side, *side];
                let count = shape.iter().product();
                let one = |_| TensorData::new(values(count, &mut generator), shape);
                Turns::Tensors((0..TURNS).map(one).collect())
            }
            Network::Scorer { bundle, .. } => {
                let mut one = || {
                    let pixels = values(PICTURE_SIDE * PICTURE_SIDE, &mut generator);
                    bundle.prepare(GreyImage::clamped(PICTURE_SIDE, PICTURE_SIDE, pixels))
                };
                Turns::Pictures((0..TURNS).map(|_| (0..size).map(|_| one()).collect()).collect())
            }
        };
        Batches { loaded: self, turns, turn: 0 }
    }
}

/// Batches of one size that take turns.
pub struct Batches<'a> {
    loaded: &'a Loaded,
    turns: Turns,
    turn: usize,
}

enum Turns {
    Tensors(Vec<TensorData>),
    Pictures(Vec<Vec<GreyImage>>),
}

impl Batches<'_> {
    /// Sends the next batch to the device, runs it, and reads the outputs back, which waits for the device. Gives the
    /// number of values read, all of them finite.
    pub fn run(&mut self) -> Result<usize, WorkError> {
        self.turn += 1;
        let own = self.loaded;
        match &self.turns {
            Turns::Tensors(turns) => {
                let data = turns[self.turn % TURNS].clone();
                if let Network::Classifier { plan: Some(plan), .. } = &own.network
                    && let Some(seen) = data.as_slice::<f32>().ok().and_then(|values| plan.forward(values))
                {
                    return finite(seen.into_iter().flat_map(|seen| seen.logits).collect())
                        .map(|values| values.len());
                }
                match &own.network {
                    Network::Classifier { network, .. } => read(network.forward(own.tensor(data)).logits),
                    Network::Segmenter { network, .. } => read(network.forward(own.tensor(data))),
                    Network::Volume { network, .. } => network.run(own.tensor(data)),
                    Network::Scorer { .. } => Ok(0),
                }
            }
            Turns::Pictures(turns) => match &own.network {
                Network::Scorer { scorer, .. } => Ok(scorer.score(&turns[self.turn % TURNS])?.len()),
                Network::Classifier { .. } | Network::Segmenter { .. } | Network::Volume { .. } => Ok(0),
            },
        }
    }
}

/// The plan of a network on the CPU in f32, where it gives the network's numbers, and what computes the network.
fn planned(
    network: &Classifier,
    architecture: &Architecture,
    side: usize,
    precision: Precision,
    device: &Device,
) -> (Option<Plan>, Computed) {
    if device.is_gpu() || precision != Precision::F32 {
        return (None, Computed::Burn);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let picture = values(architecture.input_channels() * side * side, &mut generator);
    match Plan::checked(network, architecture, (side, side), 0, (&picture, device.burn())) {
        Ok(Some(plan)) => (Some(plan), Computed::Plan),
        Ok(None) => (None, Computed::Burn),
        Err(mismatch) => (None, Computed::Mismatch(mismatch)),
    }
}

/// How many values are on this side of the device.
fn read<const D: usize>(tensor: Tensor<D>) -> Result<usize, WorkError> {
    numbers(tensor).map(|values| values.len())
}

/// The values on this side of the device, all of them finite.
fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, WorkError> {
    let failed = |reason| WorkError::Device { reason };
    let data = tensor.cast(FloatDType::F32).try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    finite(data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))?)
}

fn finite(values: Vec<f32>) -> Result<Vec<f32>, WorkError> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        Err(WorkError::Device { reason: "a value that is no finite number".to_owned() })
    }
}

/// Turns every weight into another precision. Weights are drawn by fan-out, and normalisation has no statistics yet: kernels
/// with more inputs than outputs are made as much smaller, so that a deep network stays in the range of binary16.
struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let scale = match tensor.dims().as_slice() {
                [output, input, _, _] | [output, input, _, _, _] if output < input => {
                    (*output as f64 / *input as f64).sqrt()
                }
                _ => 1.0,
            };
            tensor.mul_scalar(scale).cast(self.0)
        })
    }
}

#[cfg(test)]
mod tests;
