//! A picture from a formula, and what the bundle must say of it.

use serde::{Deserialize, Serialize};

use crate::image::GreyImage;

/// The check that is run when a bundle is loaded onto a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// The formula of the picture, [`FORMULA`].
    pub formula: String,
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// The ensemble's mean logit of each label.
    pub logits: Vec<f64>,
    /// The frontal networks' mean logit.
    pub frontal_logit: f64,
    /// The largest absolute difference that passes on the CPU.
    pub tolerance_cpu: f64,
    /// The largest absolute difference that passes on a GPU.
    pub tolerance_gpu: f64,
}

/// The formula that [`picture`] computes, as the manifest states it.
pub const FORMULA: &str = "v(x, y) = 0.5 + 0.3 sin(9 u) cos(7 w) + 0.15 sin(31 u w) with u = (x + 0.5) / width, w = (y + 0.5) / height, clamped to 0..1";

/// The picture of [`FORMULA`].
pub fn picture(width: usize, height: usize) -> GreyImage {
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        let w = (y as f64 + 0.5) / height as f64;
        for x in 0..width {
            let u = (x as f64 + 0.5) / width as f64;
            let value = 0.5 + 0.3 * (9.0 * u).sin() * (7.0 * w).cos() + 0.15 * (31.0 * u * w).sin();
            #[expect(clippy::cast_possible_truncation, reason = "the precision of pixels")]
            pixels.push(value as f32);
        }
    }
    GreyImage::clamped(width, height, pixels)
}
