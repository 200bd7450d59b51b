//! Augmentation of training pictures in plain Rust: the same generator state
//! gives the same picture.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::image::GreyImage;

/// Side of the pictures that augmentation starts from, in pixels: a little more
/// than a network takes, so that zooming in does not blur.
pub(crate) const SOURCE_SIDE: usize = 144;

/// What lies beyond the picture's border.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Border {
    /// The nearest pixel.
    Replicate,
    /// One grey value.
    Constant(f32),
}

/// A similarity with a little anisotropy, from new coordinates to old ones; both are -0.5 to 0.5 over the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    /// Rotation in radians.
    pub(crate) angle: f32,
    /// Part of the old width that is seen, 1 is all.
    pub(crate) width: f32,
    /// Part of the old height that is seen.
    pub(crate) height: f32,
    /// Centre of what is seen, in parts of the width to the right of the middle.
    pub(crate) right: f32,
    /// Centre of what is seen, in parts of the height below the middle.
    pub(crate) down: f32,
}

/// Resamples `image` bilinearly to `side` x `side` through `warp`.
pub(crate) fn warp(image: &GreyImage, side: usize, warp: Warp, border: Border) -> GreyImage {
    let (sin, cos) = warp.angle.sin_cos();
    let (old_width, old_height) = (image.width() as f32, image.height() as f32);
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        let v = (y as f32 + 0.5) / side as f32 - 0.5;
        for x in 0..side {
            let u = (x as f32 + 0.5) / side as f32 - 0.5;
            let old_u = warp.width * (cos * u - sin * v) + warp.right;
            let old_v = warp.height * (sin * u + cos * v) + warp.down;
            let (px, py) = ((old_u + 0.5) * old_width - 0.5, (old_v + 0.5) * old_height - 0.5);
            pixels.push(sample(image, px, py, border));
        }
    }
    GreyImage::clamped(side, side, pixels)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are clamped to the picture before the cast"
)]
fn sample(image: &GreyImage, x: f32, y: f32, border: Border) -> f32 {
    let (last_x, last_y) = ((image.width() - 1) as f32, (image.height() - 1) as f32);
    if let Border::Constant(value) = border
        && !((-0.5..=last_x + 0.5).contains(&x) && (-0.5..=last_y + 0.5).contains(&y))
    {
        return value;
    }
    let (x, y) = (x.clamp(0.0, last_x), y.clamp(0.0, last_y));
    let (left, top) = (x.floor() as usize, y.floor() as usize);
    let (right, bottom) = ((left + 1).min(image.width() - 1), (top + 1).min(image.height() - 1));
    let (part_x, part_y) = (x - left as f32, y - top as f32);
    let at = |row: usize, column: usize| image.pixels()[row * image.width() + column];
    let above = at(top, left) * (1.0 - part_x) + at(top, right) * part_x;
    let below = at(bottom, left) * (1.0 - part_x) + at(bottom, right) * part_x;
    above * (1.0 - part_y) + below * part_y
}

/// How far an augmented picture may be from its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Largest rotation to either side, in degrees.
    pub rotation_degrees: f32,
    /// Least and largest part of the side that is seen; 1 is all of it.
    pub seen: (f32, f32),
    /// Largest change of the aspect.
    pub stretch: f32,
    /// Largest gamma as a logarithm, to either side.
    pub gamma: f32,
    /// Least and largest contrast.
    pub contrast: (f32, f32),
    /// Largest change of brightness.
    pub brightness: f32,
    /// Largest deviation of the noise.
    pub noise: f32,
    /// Whether half of the pictures are mirrored; not where left and right matter.
    pub mirror: bool,
}

impl Augmentation {
    /// That of the findings networks: rotation of at most 10 degrees, 0.78 to 1.05 of the side seen, shift, gamma,
    /// contrast and noise. No flips: left and right matter.
    pub const RADIOGRAPH: Self = Self {
        rotation_degrees: 10.0,
        seen: (0.78, 1.05),
        stretch: 0.04,
        gamma: 0.35,
        contrast: (0.8, 1.25),
        brightness: 0.06,
        noise: 0.03,
        mirror: false,
    };

    /// That of a readout's pictures, whose network was not trained on them: half as far.
    pub(crate) const READOUT: Self = Self {
        rotation_degrees: 6.0,
        seen: (0.92, 1.06),
        stretch: 0.03,
        gamma: 0.25,
        contrast: (0.9, 1.12),
        brightness: 0.03,
        noise: 0.01,
        mirror: false,
    };

    /// Whether every range can be drawn from.
    pub(crate) fn is_usable(&self) -> bool {
        let open = [self.rotation_degrees, self.stretch, self.gamma, self.brightness, self.noise];
        let ordered = |(low, high): (f32, f32)| low > 0.0 && low < high && high <= 4.0;
        open.iter().all(|value| *value > 0.0 && *value <= 180.0)
            && self.stretch < 0.5
            && ordered(self.seen)
            && ordered(self.contrast)
    }
}

/// One augmented picture for the findings networks, see [`Augmentation::RADIOGRAPH`].
pub(crate) fn findings(image: &GreyImage, side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    augmented(image, side, &Augmentation::RADIOGRAPH, rng)
}

/// One augmented picture.
pub(crate) fn augmented(
    image: &GreyImage,
    side: usize,
    how: &Augmentation,
    rng: &mut ChaCha8Rng,
) -> GreyImage {
    let seen = rng.random_range(how.seen.0..how.seen.1);
    let stretch = rng.random_range(-how.stretch..how.stretch);
    let slack = ((1.0 - seen) / 2.0).max(0.0) + 0.02;
    let view = Warp {
        angle: rng.random_range(-how.rotation_degrees..how.rotation_degrees).to_radians(),
        width: seen * (1.0 + stretch),
        height: seen * (1.0 - stretch),
        right: rng.random_range(-slack..slack),
        down: rng.random_range(-slack..slack),
    };
    let mut picture = warp(image, side, view, Border::Replicate);
    if how.mirror && rng.random_bool(0.5) {
        picture = mirrored(&picture);
    }
    display(&picture, how, rng)
}

fn mirrored(image: &GreyImage) -> GreyImage {
    let pixels =
        image.pixels().chunks_exact(image.width()).flat_map(|row| row.iter().rev().copied()).collect();
    GreyImage::clamped(image.width(), image.height(), pixels)
}

/// One augmented frontal picture for the frontal networks: as [`findings`], with
/// more zoom to both sides and black or grey borders.
pub(crate) fn frontal(image: &GreyImage, side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let seen = rng.random_range(0.72_f32..1.2);
    let stretch = rng.random_range(-0.1_f32..0.1);
    let slack = ((1.0 - seen) / 2.0).max(0.0) + 0.04;
    let view = Warp {
        angle: rng.random_range(-12.0_f32..12.0).to_radians(),
        width: seen * (1.0 + stretch),
        height: seen * (1.0 - stretch),
        right: rng.random_range(-slack..slack),
        down: rng.random_range(-slack..slack),
    };
    let border = if rng.random_bool(0.5) {
        Border::Replicate
    } else {
        Border::Constant(rng.random_range(0.0_f32..0.3))
    };
    display(&warp(image, side, view, border), &Augmentation::RADIOGRAPH, rng)
}

/// Gamma, contrast with clipping, and noise, as another detector or window would give.
pub(crate) fn display(image: &GreyImage, how: &Augmentation, rng: &mut ChaCha8Rng) -> GreyImage {
    let gamma = rng.random_range(-how.gamma..how.gamma).exp();
    let contrast = rng.random_range(how.contrast.0..how.contrast.1);
    let shift = rng.random_range(-how.brightness..how.brightness);
    let noise = rng.random_range(0.0..how.noise);
    let pixels = image
        .pixels()
        .iter()
        .map(|value| {
            let grain = noise * (rng.random::<f32>() + rng.random::<f32>() - 1.0) * 2.45;
            (value.powf(gamma) - 0.5) * contrast + 0.5 + shift + grain
        })
        .collect();
    GreyImage::clamped(image.width(), image.height(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::selftest;
    use rand::SeedableRng;

    const STILL: Warp = Warp { angle: 0.0, width: 1.0, height: 1.0, right: 0.0, down: 0.0 };

    #[test]
    fn the_identity_changes_nothing() {
        let image = selftest::picture(40, 40);
        let same = warp(&image, 40, STILL, Border::Replicate);
        for (a, b) in image.pixels().iter().zip(same.pixels()) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    #[test]
    fn half_a_turn_twice_is_the_identity() {
        let image = selftest::picture(31, 31);
        let turn = Warp { angle: std::f32::consts::PI, ..STILL };
        let back = warp(&warp(&image, 31, turn, Border::Replicate), 31, turn, Border::Replicate);
        for (a, b) in image.pixels().iter().zip(back.pixels()) {
            assert!((a - b).abs() < 1e-3);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_picture_and_another_seed_another() {
        let image = selftest::picture(SOURCE_SIDE, SOURCE_SIDE);
        let draw = |seed| findings(&image, 64, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn beyond_the_border_lies_the_constant() {
        let image = selftest::picture(20, 20);
        let out = warp(&image, 20, Warp { width: 3.0, height: 3.0, ..STILL }, Border::Constant(0.25));
        assert!((out.pixels()[0] - 0.25).abs() < 1e-6);
    }
}
