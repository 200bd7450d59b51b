//! The innermost loop: some pixels times two vectors of output channels, all sums in registers.

use macerator::{Scalar, Simd, Vector};

use super::vector::{Rectifier, load, store};

/// Pixels of a tile at most: eight times two sums, two vectors of weights and one value fit into 32 registers.
pub(super) const MOST: usize = 8;
/// The same where there are 16 registers.
pub(super) const FEWER: usize = 6;
/// Values of the widest vector.
pub(super) const WIDEST: usize = 16;

/// A run of values that lie together in the map that is read: one row of the kernel, or one of its places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Where it begins after a pixel's first value.
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// What a tile is made of.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) source: &'a [f32],
    pub(super) taps: &'a [Tap],
    /// For each value of the taps, one row of as many vectors as the tile is wide.
    pub(super) weights: &'a [f32],
    /// As many vectors.
    pub(super) bias: &'a [f32],
}

/// Where a tile goes.
pub(super) struct Output<'a> {
    pub(super) target: &'a mut [f32],
    /// What is added, at the same places; as long as `target`.
    pub(super) add: Option<&'a [f32]>,
    /// Channels that are kept: the last vector may be only partly an output.
    pub(super) keep: usize,
    pub(super) rectifier: Rectifier,
}

/// Computes `bases.len()` pixels, [`MOST`] at most: pixel `i` reads from `bases[i]` and writes to `places[i]`.
#[inline(always)]
pub(super) fn pixels<S: Simd, const N: usize>(
    inputs: Inputs<'_>,
    output: &mut Output<'_>,
    bases: &[usize],
    places: &[usize],
) {
    match bases.len() {
        1 => tile::<S, 1, N>(inputs, output, bases, places),
        2 => tile::<S, 2, N>(inputs, output, bases, places),
        3 => tile::<S, 3, N>(inputs, output, bases, places),
        4 => tile::<S, 4, N>(inputs, output, bases, places),
        5 => tile::<S, 5, N>(inputs, output, bases, places),
        6 => tile::<S, 6, N>(inputs, output, bases, places),
        7 => tile::<S, 7, N>(inputs, output, bases, places),
        8 => tile::<S, 8, N>(inputs, output, bases, places),
        _ => {}
    }
}

#[inline(always)]
fn tile<S: Simd, const M: usize, const N: usize>(
    inputs: Inputs<'_>,
    output: &mut Output<'_>,
    bases: &[usize],
    places: &[usize],
) {
    let lanes = S::lanes32();
    let bias: [Vector<S, f32>; N] = std::array::from_fn(|j| load(&inputs.bias[j * lanes..]));
    let mut sums = [bias; M];
    let mut weights = inputs.weights;
    for tap in inputs.taps {
        let rows: [&[f32]; M] =
            std::array::from_fn(|i| &inputs.source[bases[i] + tap.offset..][..tap.length]);
        for k in 0..tap.length {
            let (now, rest) = weights.split_at(N * lanes);
            weights = rest;
            let now: [Vector<S, f32>; N] = std::array::from_fn(|j| load(&now[j * lanes..]));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let value = row[k].splat::<S>();
                for (sum, weight) in sums.iter_mut().zip(now) {
                    *sum = value.mul_add(weight, *sum);
                }
            }
        }
    }
    // through memory: sums that a loop with branches reads are kept there while they grow, too
    let mut values = [0.0_f32; MOST * 2 * WIDEST];
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            store(&mut values[(i * N + j) * lanes..], *sum);
        }
    }
    for (values, place) in values.chunks_exact(N * lanes).zip(places) {
        for (j, values) in values.chunks_exact(lanes).enumerate() {
            let keep = output.keep.saturating_sub(j * lanes);
            finish::<S>(values, output, *place + j * lanes, keep);
        }
    }
}

/// Adds, rectifies and stores one vector, of which so many values are kept.
#[inline(always)]
pub(super) fn finish<S: Simd>(values: &[f32], output: &mut Output<'_>, place: usize, keep: usize) {
    let lanes = S::lanes32();
    if keep >= lanes {
        let mut sum = load::<S>(values);
        if let Some(add) = output.add {
            sum += load(&add[place..]);
        }
        store(&mut output.target[place..], output.rectifier.vector(sum));
        return;
    }
    for (index, value) in values[..keep].iter().enumerate() {
        let added = *value + output.add.map_or(0.0, |add| add[place + index]);
        output.target[place + index] = output.rectifier.value(added);
    }
}
