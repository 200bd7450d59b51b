//! One step of a plan, and how it is divided among threads.

use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::map::{Part, Shape};
use super::pool::{Largest, Mean};
use super::sketch::Id;

/// Pixels below which a step is not divided.
const LEAST: usize = 16;

/// From one map to another.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) from: Id,
    /// What is added, a map of the target's shape.
    pub(super) add: Option<Id>,
    pub(super) to: Id,
    pub(super) work: Work,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Work {
    Convolution(Box<Convolution>),
    Depthwise(Box<Depthwise>),
    Largest(Largest),
    Mean(Mean),
}

/// What a step reads.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a> {
    pub(super) source: &'a [f32],
    pub(super) add: Option<&'a [f32]>,
}

impl Work {
    /// Values of working memory that a part needs.
    pub(super) fn scratch(&self) -> usize {
        match self {
            Self::Convolution(own) => own.scratch(),
            Self::Depthwise(_) | Self::Largest(_) | Self::Mean(_) => 0,
        }
    }

    /// Computes the part in as many threads as there is working memory for, each with a run of its pixels.
    pub(super) fn run(&self, reads: Reads<'_>, shape: Shape, part: Part<'_>, scratch: &mut [Vec<f32>]) {
        let Part { pixels, target, origin } = part;
        if scratch.len() > 1 && pixels.len() >= 2 * LEAST {
            let threads = scratch.len();
            let middle = pixels.start + pixels.len() * (threads / 2) / threads;
            let place = shape.place(middle);
            let (one, other) = target.split_at_mut(place - origin);
            let (own, rest) = scratch.split_at_mut(threads / 2);
            let one = Part { pixels: pixels.start..middle, target: one, origin };
            let other = Part { pixels: middle..pixels.end, target: other, origin: place };
            rayon::join(|| self.run(reads, shape, one, own), || self.run(reads, shape, other, rest));
            return;
        }
        let part = Part { pixels, target, origin };
        match self {
            Self::Convolution(own) => {
                let scratch = scratch.first_mut().map_or(&mut [][..], Vec::as_mut_slice);
                own.run(reads.source, reads.add, part, scratch);
            }
            Self::Depthwise(own) => own.run(reads.source, part),
            Self::Largest(own) => own.run(reads.source, part),
            Self::Mean(own) => own.run(reads.source, part.target),
        }
    }
}
