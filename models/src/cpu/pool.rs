//! Pooling, and the way in: the largest of a window, the mean of a map, a picture's channels put together by pixel.

use macerator::{Simd, WithSimd};

use super::convolution::Affine;
use super::map::{Part, Shape};
use super::vector::{dispatch, rectify};

/// The largest value of each window of 3x3 with stride 2 and a border that is no value.
#[derive(Debug)]
pub(super) struct Largest {
    pub(super) source: Shape,
    pub(super) target: Shape,
}

/// Side of a window.
const SIDE: usize = 3;
/// Distance of two windows.
const STRIDE: usize = 2;

impl Largest {
    /// Height or width of the output.
    pub(super) fn out(extent: usize) -> usize {
        (extent + 2).saturating_sub(SIDE) / STRIDE + 1
    }

    /// Computes a run of the target's pixels, in its first channels.
    pub(super) fn run(&self, source: &[f32], part: Part<'_>) {
        struct Run<'a>(&'a Largest, &'a [f32], Part<'a>);
        impl WithSimd for Run<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self) {
                let Self(own, source, Part { pixels, target, origin }) = self;
                let Shape { height, width, channels, border } = own.source;
                for pixel in pixels {
                    let (row, column) = (pixel / own.target.width, pixel % own.target.width);
                    let place = own.target.place(pixel) - origin;
                    let target = &mut target[place..place + channels];
                    target.fill(f32::NEG_INFINITY);
                    // the window begins one before twice the place
                    for y in (STRIDE * row).saturating_sub(1)..(STRIDE * row + 2).min(height) {
                        for x in (STRIDE * column).saturating_sub(1)..(STRIDE * column + 2).min(width) {
                            let place = own.source.at(y + border, x + border);
                            for (most, value) in target.iter_mut().zip(&source[place..place + channels]) {
                                // what is no number stays none
                                *most = if *value > *most || value.is_nan() { *value } else { *most };
                            }
                        }
                    }
                }
            }
        }
        dispatch(Run(self, source, part));
    }
}

/// The mean of each channel over a whole map, which may be normalised and rectified before.
#[derive(Debug)]
pub(super) struct Mean {
    pub(super) source: Shape,
    pub(super) before: Option<Affine>,
}

impl Mean {
    /// Puts the means into `target`.
    pub(super) fn run(&self, source: &[f32], target: &mut [f32]) {
        struct Run<'a>(&'a Mean, &'a [f32], &'a mut [f32]);
        impl WithSimd for Run<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self) {
                let Self(own, source, target) = self;
                target.fill(0.0);
                for pixel in 0..own.source.pixels() {
                    let place = own.source.place(pixel);
                    let values = &source[place..place + own.source.channels];
                    match &own.before {
                        None => target.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                        Some(Affine { scale, shift }) => {
                            for (((sum, value), scale), shift) in
                                target.iter_mut().zip(values).zip(scale).zip(shift)
                            {
                                *sum += rectify(value * scale + shift);
                            }
                        }
                    }
                }
                let share = 1.0 / own.source.pixels().max(1) as f32;
                for sum in target.iter_mut() {
                    *sum *= share;
                }
            }
        }
        dispatch(Run(self, source, target));
    }
}

/// A picture `[channels, height, width]` as a map.
pub(super) fn fill(picture: &[f32], shape: Shape, target: &mut [f32]) {
    let rows = picture.chunks_exact(shape.width);
    for (index, values) in rows.enumerate() {
        let (channel, row) = (index / shape.height, index % shape.height);
        let first = shape.at(row + shape.border, shape.border) + channel;
        for (to, value) in target[first..].iter_mut().step_by(shape.channels).zip(values) {
            *to = *value;
        }
    }
}
