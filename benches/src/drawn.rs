//! What the pictures show: a radiograph of 2048 x 2048, a CT of as many slices as asked for. Seeded, with the noise of a
//! detector, without which a lossless codec would have nothing to do.

use dicom_ingest::phantom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::picture::{Kind, Picture};

/// Greatest sample of 12 bits.
const WHITE: i32 = 4095;
/// Half the width of the noise of a radiograph's pixel; three uniform numbers give a standard deviation as large.
const RADIOGRAPH_NOISE: i32 = 12;
/// The same of a CT, in Hounsfield units.
const CT_NOISE: i32 = 20;
/// Distance of CT slices in mm.
const SLICE_MM: f64 = 1.25;
/// Rows and columns of a CT slice.
pub const CT_SIDE: usize = 512;

/// The phantom chest, drawn on `side` x `side` pixels; `side` is 512, 1024 or 2048.
pub fn radiograph(side: usize, seed: u64) -> Picture {
    let drawn = phantom::draw(seed, None);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let at = |index: usize| index * phantom::SIDE / side;
    let samples = (0..side * side).map(|index| {
        let value = i32::from(drawn[at(index / side) * phantom::SIDE + at(index % side)]);
        clamped(value + noise(&mut random, RADIOGRAPH_NOISE))
    });
    Picture { side, samples: samples.collect(), kind: Kind::Radiograph, number: 1 }
}

/// One slice of a CT of `slices` slices: a trunk with lungs and a spine, of `side` x `side` pixels.
pub fn slice(index: usize, slices: usize, side: usize, seed: u64) -> Picture {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (index as u64) << 32);
    let along = index as f64 / slices as f64;
    let lung = 0.30 + 0.12 * (std::f64::consts::PI * along).sin();
    let samples = (0..side * side).map(|pixel| {
        let place = |own: usize| (own as f64 + 0.5) / side as f64 * 2.0 - 1.0;
        let (x, y) = (place(pixel % side), place(pixel / side));
        let within =
            |cx: f64, cy: f64, rx: f64, ry: f64| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
        let hounsfield = if !within(0.0, 0.0, 0.85, 0.62) {
            -1000
        } else if within(0.0, 0.42, 0.12, 0.14) {
            400
        } else if within(-0.42, 0.0, lung, 0.42) || within(0.42, 0.0, lung, 0.42) {
            -860
        } else {
            40
        };
        clamped(1024 + hounsfield + noise(&mut random, CT_NOISE))
    });
    let kind = Kind::Slice { height_mm: index as f64 * SLICE_MM };
    let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
    Picture { side, samples: samples.collect(), kind, number }
}

/// The sum of three uniform numbers.
fn noise(random: &mut ChaCha8Rng, half: i32) -> i32 {
    (0..3).map(|_| random.random_range(-half..=half)).sum()
}

fn clamped(value: i32) -> u16 {
    u16::try_from(value.clamp(0, WHITE)).unwrap_or_default()
}
