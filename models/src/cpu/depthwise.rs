//! A convolution of each channel by itself: channels of a pixel lie together, so each tap of the kernel is a product of
//! vectors, for some pixels at once.

use macerator::{Simd, Vector, WithSimd};

use super::aligned::Aligned;
use super::convolution::{Affine, Kernel};
use super::map::{Part, Shape};
use super::tile::{self, Output, WIDEST};
use super::vector::{Rectifier, dispatch, load, store};
use super::window::Slide;

/// Pixels that are computed for one vector of channels before the next: what they read of a channel stays in the first cache.
const BLOCK: usize = 64;
/// Pixels of a tile: their sums and a vector of weights fit into 16 registers.
const TILE: usize = 8;

/// A depthwise convolution, ready to run.
#[derive(Debug)]
pub(super) struct Depthwise {
    slide: Slide,
    /// Where each place of the kernel begins after the first.
    taps: Vec<usize>,
    /// For each place of the kernel, one weight a channel.
    weights: Aligned,
    bias: Aligned,
    rectifier: Rectifier,
}

impl Depthwise {
    /// From `source` to all channels of `target`; the weights are `[channels, 1, side, side]`. `None` where the shapes do not
    /// fit.
    pub(super) fn new(kernel: Kernel<'_>, after: &Affine, source: Shape, target: Shape) -> Option<Self> {
        let Kernel { weights: own, inputs, outputs: channels, window } = kernel;
        let slide = window.slide(source, target)?;
        let places = window.side * window.side;
        let fits = inputs == 1
            && channels > 0
            && channels == source.channels
            && channels == target.channels
            && own.len() == channels * places
            && after.scale.len() == channels
            && after.shift.len() == channels
            && [target.height, target.width] == [window.out(source.height), window.out(source.width)];
        if !fits {
            return None;
        }
        let (mut weights, mut bias) = (Aligned::zeros(places * channels), Aligned::zeros(channels));
        bias.values_mut().copy_from_slice(&after.shift);
        for (place, row) in weights.values_mut().chunks_exact_mut(channels).enumerate() {
            for (channel, (value, scale)) in row.iter_mut().zip(&after.scale).enumerate() {
                *value = own[channel * places + place] * scale;
            }
        }
        let taps = (0..places).map(|place| source.at(place / window.side, place % window.side)).collect();
        Some(Self { slide, taps, weights, bias, rectifier: Rectifier::None })
    }

    /// Rectified at the end.
    pub(super) fn rectified(self, rectifier: Rectifier) -> Self {
        Self { rectifier, ..self }
    }

    /// Computes a run of the target's pixels.
    pub(super) fn run(&self, source: &[f32], part: Part<'_>) {
        dispatch(Run { own: self, source, part });
    }

    /// The channels from `first` on of as many pixels as there are bases: one vector each.
    #[inline(always)]
    fn tile<S: Simd, const M: usize>(
        &self,
        source: &[f32],
        first: usize,
        bases: &[usize],
        output: &mut Output<'_>,
        places: &[usize],
    ) {
        let lanes = S::lanes32();
        let bases: [usize; M] = std::array::from_fn(|i| bases[i]);
        let bias: Vector<S, f32> = load(&self.bias.values()[first..]);
        let mut sums = [bias; M];
        let rows = self.weights.values().chunks_exact(self.slide.source.channels);
        for (tap, weights) in self.taps.iter().zip(rows) {
            let weight: Vector<S, f32> = load(&weights[first..]);
            let values = &source[tap + first..];
            for (base, sum) in bases.iter().zip(&mut sums) {
                let value: Vector<S, f32> = load(&values[*base..]);
                *sum = value.mul_add(weight, *sum);
            }
        }
        // through memory, as in `tile`
        let mut values = [0.0_f32; TILE * WIDEST];
        for (values, sum) in values.chunks_exact_mut(lanes).zip(sums) {
            store(values, sum);
        }
        for (values, place) in values.chunks_exact(lanes).zip(places) {
            tile::finish::<S>(values, output, place + first, lanes);
        }
    }

    /// One pixel of fewer channels than a vector has values.
    #[inline(always)]
    fn narrow<S: Simd>(&self, source: &[f32], base: usize, output: &mut Output<'_>, place: usize) {
        let channels = self.slide.source.channels;
        let mut sums = [0.0_f32; WIDEST];
        let sums = &mut sums[..channels];
        sums.copy_from_slice(self.bias.values());
        for (tap, weights) in self.taps.iter().zip(self.weights.values().chunks_exact(channels)) {
            let values = &source[base + tap..][..channels];
            for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                *sum += value * weight;
            }
        }
        tile::finish::<S>(sums, output, place, channels);
    }
}

struct Run<'a> {
    own: &'a Depthwise,
    source: &'a [f32],
    part: Part<'a>,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let Self { own, source, part: Part { pixels, target, origin } } = self;
        let (lanes, channels) = (S::lanes32(), own.slide.source.channels);
        let mut output = Output { target, add: None, keep: channels, rectifier: own.rectifier };
        let (mut bases, mut places) = ([0_usize; BLOCK], [0_usize; BLOCK]);
        for begin in pixels.clone().step_by(BLOCK) {
            let count = BLOCK.min(pixels.end - begin);
            for (index, (base, place)) in bases.iter_mut().zip(&mut places).take(count).enumerate() {
                *base = own.slide.base(begin + index);
                *place = own.slide.target.place(begin + index) - origin;
            }
            let (bases, places) = (&bases[..count], &places[..count]);
            let Some(last) = channels.checked_sub(lanes) else {
                for (base, place) in bases.iter().zip(places) {
                    own.narrow::<S>(source, *base, &mut output, *place);
                }
                continue;
            };
            for channel in (0..channels).step_by(lanes) {
                // the last vector may lie over the one before it and says the same
                let first = channel.min(last);
                let whole = count / TILE * TILE;
                let (now, rest) = bases.split_at(whole);
                let (here, there) = places.split_at(whole);
                for (bases, places) in now.chunks_exact(TILE).zip(here.chunks_exact(TILE)) {
                    own.tile::<S, TILE>(source, first, bases, &mut output, places);
                }
                for (bases, places) in rest.chunks_exact(1).zip(there.chunks_exact(1)) {
                    own.tile::<S, 1>(source, first, bases, &mut output, places);
                }
            }
        }
    }
}
