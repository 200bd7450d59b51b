//! A classifier's forward pass on the CPU, made ready once: batch normalisation in the weights, no copies to put channels
//! together, convolutions as products of matrices without the matrix being written, and memory that is used again.
//!
//! Burn's modules stay the reference: a [`Plan`] is used only where it gives their numbers ([`Plan::checked`]), and what it
//! does not cover runs on them. ADR 49 says why it is here and what each part of it brought.

#![expect(
    clippy::inline_always,
    reason = "what is compiled for this processor has to be inlined where that is chosen"
)]

mod aligned;
mod check;
mod convolution;
mod densenet;
mod depthwise;
mod efficientnet;
mod map;
mod pool;
mod program;
mod readout;
mod residual;
mod sketch;
mod step;
mod tile;
mod vector;
mod window;

use map::Shape;
use program::{Memory, Program};
use sketch::{Id, Sketch};

use crate::network::efficientnet::STEM;
use crate::network::{Architecture, StateDict};

pub use check::{Computed, Mismatch, TOLERANCE};
pub(crate) use readout::ReadoutPlan;

/// The padding of the widest kernel that reads a picture: the border that pictures are given.
fn border(architecture: &Architecture) -> Option<usize> {
    match architecture {
        Architecture::Residual(config) => Some(config.stem_kernel / 2),
        Architecture::Resnet(_) | Architecture::Densenet(_) => Some(3),
        Architecture::EfficientnetLite(_) => Some(STEM / 2),
        Architecture::Convnext(_)
        | Architecture::BasicUnet(_)
        | Architecture::Resnet3d(_)
        | Architecture::BasicUnet3d(_) => None,
    }
}

/// The last maps of a plan that is being drawn up.
struct Ends {
    maps: Id,
    features: Id,
    logits: Id,
    /// The linear layer's name.
    head: &'static str,
}

/// What a network says of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The last layer's outputs.
    pub logits: Vec<f32>,
    /// The means of the last feature maps.
    pub features: Vec<f32>,
    /// Class activation maps, `[labels, height, width]`; empty where the plan was made without.
    pub maps: Vec<f32>,
    /// Height and width of the last feature maps.
    pub size: (usize, usize),
}

/// A forward pass for pictures of one size.
#[derive(Debug)]
pub struct Plan {
    program: Program,
    features: Id,
    logits: Id,
    last: Shape,
    /// Class activation maps.
    activation: Option<Id>,
}

impl Plan {
    /// Whether networks of this architecture have plans.
    pub fn covers(architecture: &Architecture) -> bool {
        border(architecture).is_some()
    }

    /// Draws up the plan of a network with these weights, under PyTorch's names, for pictures of this size; with class
    /// activation maps of the first `labels` outputs where there are any. `None` where the network is none that is covered.
    pub fn new(
        architecture: &Architecture,
        state: &StateDict,
        (height, width): (usize, usize),
        labels: usize,
    ) -> Option<Self> {
        let border = border(architecture)?;
        let least = architecture.least_side();
        if height < least || width < least || architecture.check().is_err() {
            return None;
        }
        let mut sketch = Sketch::new(state);
        let picture = Shape { height, width, channels: architecture.input_channels(), border };
        let input = sketch.map(picture);
        let ends = match architecture {
            Architecture::Residual(config) => residual::compact(&mut sketch, config, input)?,
            Architecture::Resnet(config) => residual::resnet(&mut sketch, config, input)?,
            Architecture::Densenet(config) => densenet::draw(&mut sketch, config, input)?,
            Architecture::EfficientnetLite(config) => efficientnet::draw(&mut sketch, config, input)?,
            _ => return None,
        };
        let activation = match labels {
            0 => None,
            _ => Some(sketch.activation(ends.maps, ends.head, labels)?),
        };
        let last = sketch.shapes[ends.maps];
        let program = Program::new(picture, sketch);
        Some(Self { program, features: ends.features, logits: ends.logits, last, activation })
    }

    /// Runs pictures `[channels, height, width]`, which lie one behind the other in `pictures`: as many at once as there are
    /// threads, the rest one after the other, each by all threads. Each gives what it gives alone, to the last bit. `None` where
    /// they are no whole pictures, or a value is no finite number: what comes of such is the module's to say.
    pub fn forward(&self, pictures: &[f32]) -> Option<Vec<Seen>> {
        self.program.run(pictures, |memory| self.seen(memory))
    }

    fn seen(&self, memory: &Memory) -> Seen {
        let maps = self.activation.map_or_else(Vec::new, |id| {
            let labels = self.program.shape(id).channels;
            let values = memory.values(id);
            (0..labels).flat_map(|label| values[label..].iter().step_by(labels).copied()).collect()
        });
        Seen {
            logits: memory.values(self.logits).to_vec(),
            features: memory.values(self.features).to_vec(),
            maps,
            size: (self.last.height, self.last.width),
        }
    }
}

#[cfg(test)]
mod tests;
