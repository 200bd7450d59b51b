//! A convolution with what stands before and after it: normalisation, rectifying, a shortcut.
//!
//! Batch normalisation after a convolution is a factor and a sum for each output channel, and goes into the weights. One
//! before it, with a rectifier between (DenseNet's order), is computed where pixels are gathered for the product.

use macerator::{Simd, WithSimd};

use super::aligned::Aligned;
use super::map::{Part, Shape};
use super::tile::{self, Inputs, Output, Tap};
use super::vector::{Rectifier, dispatch, lanes, rectify};
use super::window::{Slide, Window};

/// Pixels that are computed for one panel of weights before the next: what they read stays in the second cache.
const BLOCK: usize = 64;
/// Values between two gathered pixels beside their own: rows at a power of two would share few lines of the first cache.
const APART: usize = 16;

/// A factor and a sum a channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Affine {
    /// What leaves so many channels as they are.
    pub(super) fn none(channels: usize) -> Self {
        Self { scale: vec![1.0; channels], shift: vec![0.0; channels] }
    }
}

/// A convolution's weights as PyTorch has them, `[outputs, inputs, side, side]`, and where they read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel<'a> {
    pub(super) weights: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) window: Window,
}

/// What is done to the input of a 1x1 convolution: normalised and rectified, and then perhaps halved in both directions
/// by the mean of two by two, which is the same before a 1x1 convolution as after it and a quarter of the work.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) affine: Affine,
    pub(super) halve: bool,
}

/// A convolution, ready to run.
#[derive(Debug)]
pub(super) struct Convolution {
    slide: Slide,
    /// The first channel that is written.
    channel: usize,
    inputs: usize,
    outputs: usize,
    taps: Vec<Tap>,
    /// For each panel of two vectors of outputs (the last may have one), for each value of the taps, a row of the panel.
    weights: Aligned,
    bias: Aligned,
    before: Option<Before>,
    rectifier: Rectifier,
}

/// Panels of outputs: their first channel and their vectors, one or two.
fn panels(outputs: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..outputs).step_by(2 * lanes).map(move |first| (first, if outputs - first > lanes { 2 } else { 1 }))
}

impl Convolution {
    /// From `source` to the channels of `target` from `channel` on. `None` where the shapes do not fit.
    pub(super) fn new(
        kernel: Kernel<'_>,
        after: &Affine,
        source: Shape,
        (target, channel): (Shape, usize),
    ) -> Option<Self> {
        let Kernel { weights, inputs, outputs, window } = kernel;
        let (slide, side) = (window.slide(source, target)?, window.side);
        let fits = inputs <= source.channels
            && channel + outputs <= target.channels
            && weights.len() == inputs * outputs * side * side
            && after.scale.len() == outputs
            && after.shift.len() == outputs;
        if !fits {
            return None;
        }
        // a kernel's row lies together where all channels are read
        let taps: Vec<Tap> = if inputs == source.channels {
            (0..side).map(|row| Tap { offset: source.at(row, 0), length: side * inputs }).collect()
        } else {
            let places = (0..side * side).map(|place| source.at(place / side, place % side));
            places.map(|offset| Tap { offset, length: inputs }).collect()
        };
        let lanes = lanes();
        let wide = outputs.div_ceil(lanes) * lanes;
        let depth = side * side * inputs;
        let (mut packed, mut bias) = (Aligned::zeros(depth * wide), Aligned::zeros(wide));
        bias.values_mut()[..outputs].copy_from_slice(&after.shift);
        let mut rows = packed.values_mut();
        for (first, vectors) in panels(outputs, lanes) {
            for place in 0..side * side {
                for input in 0..inputs {
                    let (row, rest) = std::mem::take(&mut rows).split_at_mut(vectors * lanes);
                    rows = rest;
                    for (output, value) in (first..outputs).zip(row) {
                        let weight = weights[(output * inputs + input) * side * side + place];
                        *value = weight * after.scale[output];
                    }
                }
            }
        }
        Some(Self {
            slide,
            channel,
            inputs,
            outputs,
            taps,
            weights: packed,
            bias,
            before: None,
            rectifier: Rectifier::None,
        })
    }

    /// Rectified at the end.
    pub(super) fn rectified(self, rectifier: Rectifier) -> Self {
        Self { rectifier, ..self }
    }

    /// With something done to its input; for 1x1 convolutions of stride 1.
    pub(super) fn with(self, before: Before) -> Self {
        let taps = vec![Tap { offset: 0, length: self.inputs }];
        Self { before: Some(before), taps, ..self }
    }

    /// Values of working memory that a part needs.
    pub(super) fn scratch(&self) -> usize {
        if self.before.is_some() { BLOCK * (self.inputs + APART) } else { 0 }
    }

    /// Computes a run of the target's pixels; `add` is a map of the target's shape.
    pub(super) fn run(&self, source: &[f32], add: Option<&[f32]>, part: Part<'_>, scratch: &mut [f32]) {
        dispatch(Run { own: self, source, add, part, scratch });
    }
}

struct Run<'a> {
    own: &'a Convolution,
    source: &'a [f32],
    add: Option<&'a [f32]>,
    part: Part<'a>,
    scratch: &'a mut [f32],
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { own, source, add, part: Part { pixels, target, origin }, scratch } = self;
        let lanes = S::lanes32();
        // AVX-512 and NEON have 32 registers, the others 16
        let most = if lanes == 16 || cfg!(target_arch = "aarch64") { tile::MOST } else { tile::FEWER };
        let add = add.map(|add| &add[origin..]);
        let mut output = Output { target, add, keep: 0, rectifier: own.rectifier };
        let (mut bases, mut places) = ([0_usize; BLOCK], [0_usize; BLOCK]);
        for first in pixels.clone().step_by(BLOCK) {
            let count = BLOCK.min(pixels.end - first);
            for (index, (base, place)) in bases.iter_mut().zip(&mut places).take(count).enumerate() {
                *place = own.slide.target.place(first + index) + own.channel - origin;
                *base = own.slide.base(first + index);
            }
            let mut read = source;
            if let Some(before) = &own.before {
                let apart = own.inputs + APART;
                for (index, gathered) in scratch.chunks_exact_mut(apart).take(count).enumerate() {
                    let gathered = &mut gathered[..own.inputs];
                    gather(before, &own.slide, source, first + index, gathered);
                    bases[index] = index * apart;
                }
                read = &*scratch;
            }
            let (bases, places) = (&bases[..count], &mut places[..count]);
            let mut weights = own.weights.values();
            for (begin, vectors) in panels(own.outputs, lanes) {
                let width = vectors * lanes;
                let depth: usize = own.taps.iter().map(|tap| tap.length).sum();
                let (now, rest) = weights.split_at(depth * width);
                weights = rest;
                let bias = &own.bias.values()[begin..begin + width];
                let inputs = Inputs { source: read, taps: &own.taps, weights: now, bias };
                output.keep = own.outputs - begin;
                for (bases, places) in bases.chunks(most).zip(places.chunks(most)) {
                    if vectors == 2 {
                        tile::pixels::<S, 2>(inputs, &mut output, bases, places);
                    } else {
                        tile::pixels::<S, 1>(inputs, &mut output, bases, places);
                    }
                }
                for place in places.iter_mut() {
                    *place += width;
                }
            }
        }
    }
}

/// One pixel of the input as the convolution reads it.
#[inline(always)]
fn gather(before: &Before, slide: &Slide, source: &[f32], pixel: usize, to: &mut [f32]) {
    let (shape, width) = (slide.source, slide.target.width);
    let (row, column) = (pixel / width + shape.border, pixel % width + shape.border);
    if !before.halve {
        normalised(before, &source[shape.at(row, column)..], to, |_, value| value);
        return;
    }
    let (row, column) = (2 * row - shape.border, 2 * column - shape.border);
    normalised(before, &source[shape.at(row, column)..], to, |_, value| 0.25 * value);
    for (row, column) in [(row, column + 1), (row + 1, column), (row + 1, column + 1)] {
        normalised(before, &source[shape.at(row, column)..], to, |sum, value| sum + 0.25 * value);
    }
}

/// Puts together what is there and the next values, normalised and rectified.
#[inline(always)]
fn normalised(before: &Before, values: &[f32], to: &mut [f32], put: impl Fn(f32, f32) -> f32) {
    let Affine { scale, shift } = &before.affine;
    for (((to, value), scale), shift) in to.iter_mut().zip(values).zip(scale).zip(shift) {
        *to = put(*to, rectify(value * scale + shift));
    }
}
