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
mod residual;
mod sketch;
mod step;
mod tile;
mod vector;
mod window;

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use aligned::Aligned;
use map::{Part, Shape};
use sketch::{Id, Sketch};
use step::{Reads, Step};

use crate::network::efficientnet::STEM;
use crate::network::{Architecture, StateDict};

pub use check::{Computed, Mismatch, TOLERANCE};

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
    picture: Shape,
    shapes: Vec<Shape>,
    steps: Vec<Step>,
    features: Id,
    logits: Id,
    last: Shape,
    /// Class activation maps.
    activation: Option<Id>,
    /// Values of working memory that a thread needs.
    scratch: usize,
    /// Memory that no picture uses now.
    idle: Mutex<Vec<Memory>>,
}

/// Memory for one picture: the maps, and working memory a thread.
#[derive(Debug, Default)]
struct Memory {
    maps: Vec<Aligned>,
    scratch: Vec<Vec<f32>>,
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
        let Sketch { shapes, steps, .. } = sketch;
        let scratch = steps.iter().map(|step| step.work.scratch()).max().unwrap_or_default();
        Some(Self {
            picture,
            last: shapes[ends.maps],
            shapes,
            steps,
            features: ends.features,
            logits: ends.logits,
            activation,
            scratch,
            idle: Mutex::default(),
        })
    }

    /// Runs pictures `[channels, height, width]`, which lie one behind the other in `pictures`: as many at once as there are
    /// threads; the rest one after the other, each by all threads. Each gives what it gives alone, to the last bit.
    /// `None` where they are no whole pictures, or a value is no finite number: what comes of such is the module's to say.
    pub fn forward(&self, pictures: &[f32]) -> Option<Vec<Seen>> {
        let size = self.picture_values();
        if !pictures.len().is_multiple_of(size) || !pictures.iter().all(|value| value.is_finite()) {
            return None;
        }
        let threads = rayon::current_num_threads();
        let (together, alone) = pictures.split_at(pictures.len() / size / threads * threads * size);
        let mut seen: Vec<Seen> =
            together.par_chunks_exact(size).map(|picture| self.one(picture, 1)).collect();
        if !alone.is_empty() {
            // in a thread of the pool, so that no step waits to get into it
            let rest = || alone.chunks_exact(size).map(|picture| self.one(picture, threads)).collect();
            seen.extend(rayon::scope(|_| -> Vec<Seen> { rest() }));
        }
        Some(seen)
    }

    /// Values of a picture.
    fn picture_values(&self) -> usize {
        self.picture.pixels() * self.picture.channels
    }

    /// One picture by so many threads.
    fn one(&self, picture: &[f32], threads: usize) -> Seen {
        let mut memory = self.memory(threads);
        if let Some(input) = memory.maps.first_mut() {
            pool::fill(picture, self.picture, input.values_mut());
        }
        for step in &self.steps {
            let mut target = std::mem::take(&mut memory.maps[step.to]);
            let reads = Reads {
                source: memory.maps[step.from].values(),
                add: step.add.map(|add| memory.maps[add].values()),
            };
            let shape = self.shapes[step.to];
            let part = Part { pixels: 0..shape.pixels(), target: target.values_mut(), origin: 0 };
            step.work.run(reads, shape, part, &mut memory.scratch[..threads]);
            memory.maps[step.to] = target;
        }
        let seen = self.seen(&memory);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        seen
    }

    fn seen(&self, memory: &Memory) -> Seen {
        let values = |id: Id| memory.maps[id].values().to_vec();
        let maps = self.activation.map_or_else(Vec::new, |id| {
            let labels = self.shapes[id].channels;
            let values = memory.maps[id].values();
            (0..labels).flat_map(|label| values[label..].iter().step_by(labels).copied()).collect()
        });
        Seen {
            logits: values(self.logits),
            features: values(self.features),
            maps,
            size: (self.last.height, self.last.width),
        }
    }

    /// Memory that was used before, or new.
    fn memory(&self, threads: usize) -> Memory {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = idle.unwrap_or_else(|| Memory {
            maps: self.shapes.iter().map(|shape| Aligned::zeros(shape.values())).collect(),
            scratch: Vec::new(),
        });
        while memory.scratch.len() < threads {
            memory.scratch.push(vec![0.0; self.scratch]);
        }
        memory
    }
}

#[cfg(test)]
mod tests;
