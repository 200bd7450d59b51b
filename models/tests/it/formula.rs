//! Weights and pictures by name and index: the formula of `reference/make_parity.py`.

use models::GreyImage;
use models::network::{StateDict, StateTensor};

/// `count` values in 0 to 1: FNV-1a of the name, then splitmix64 of the index; the upper 24 bits.
fn uniform(name: &str, seed: u64, count: usize) -> impl Iterator<Item = f64> {
    let key = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let key = key.wrapping_add(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..count as u64).map(move |index| {
        let mut z = key.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}

/// One tensor by its name.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub(crate) fn tensor(name: &str, shape: &[usize], seed: u64) -> StateTensor {
    let values = uniform(name, seed, shape.iter().product());
    let values: Vec<f32> = if name.ends_with("running_var") || (name.ends_with("weight") && shape.len() == 1)
    {
        values.map(|u| (0.5 + u) as f32).collect()
    } else if shape.len() < 2 {
        values.map(|u| ((u - 0.5) * 0.2) as f32).collect()
    } else {
        let bound = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
        values.map(|u| ((2.0 * u - 1.0) * bound) as f32).collect()
    };
    StateTensor::new(shape.to_vec(), values).unwrap()
}

/// The same tensors with the formula's values.
pub(crate) fn filled(state: &StateDict, seed: u64) -> StateDict {
    state.iter().map(|(name, old)| (name.clone(), tensor(name, old.shape(), seed))).collect()
}

/// The values of a picture, -1 to 1.
#[expect(clippy::cast_possible_truncation, reason = "pictures are f32")]
pub(crate) fn picture(seed: u64, count: usize) -> Vec<f32> {
    uniform("picture", seed, count).map(|u| (2.0 * u - 1.0) as f32).collect()
}

/// A picture of 0 to 1 with large and small structure (`smooth` of the script).
#[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
pub(crate) fn smooth(height: usize, width: usize) -> GreyImage {
    let grain: Vec<f64> = uniform("grain", (height * 10_000 + width) as u64, height * width).collect();
    let tau = std::f64::consts::TAU;
    let pixels = (0..height * width).map(|index| {
        let u = ((index % width) as f64 + 0.5) / width as f64;
        let v = ((index / width) as f64 + 0.5) / height as f64;
        let wave = 0.5 + 0.25 * (tau * 3.0 * u).sin() * (tau * 2.0 * v).cos();
        (wave + 0.3 * (grain[index] - 0.5)).clamp(0.0, 1.0) as f32
    });
    GreyImage::new(width, height, pixels.collect()).unwrap()
}
