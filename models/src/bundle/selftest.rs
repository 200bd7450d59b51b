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

/// The largest tolerance of a self-test: a network that differs by more computes something else.
const MAX_TOLERANCE: f64 = 0.01;
/// Longest side of a self-test's picture.
const MAX_SIDE: usize = 1024;
/// Most pictures of a self-test: each is run whenever a bundle is loaded.
const MAX_PICTURES: usize = 16;

/// What makes a self-test prove nothing, or cost too much, if anything: its formula, the tolerances on the CPU and on a GPU,
/// width and height of its pictures.
pub(super) fn check(
    formula: &str,
    tolerances: [f64; 2],
    mut sizes: impl ExactSizeIterator<Item = (usize, usize)>,
) -> Result<(), &'static str> {
    if sizes.len() == 0 {
        return Err("it has no self-test");
    }
    if sizes.len() > MAX_PICTURES {
        return Err("its self-test has more than 16 pictures");
    }
    if formula != FORMULA {
        return Err("the formula of its self-test is not known");
    }
    if !tolerances.iter().all(|tolerance| *tolerance > 0.0 && *tolerance <= MAX_TOLERANCE) {
        return Err("a tolerance of its self-test is not between 0 and 0.01");
    }
    let usable = |side: usize| (1..=MAX_SIDE).contains(&side);
    if sizes.all(|(width, height)| usable(width) && usable(height)) {
        Ok(())
    } else {
        Err("a picture of its self-test has a side outside 1 to 1024")
    }
}

/// The largest difference of what a network says from what is stated, pair by pair, each in units of the larger of 1 and what is
/// stated; see [`worst`].
pub(crate) fn deviation(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let own = |(found, stated): (f64, f64)| (found - stated).abs() / stated.abs().max(1.0);
    worst(pairs.into_iter().map(own))
}

/// The largest of these differences. NaN where one is no number, which `f64::max` would pass over: the right ones beside it do
/// not make up for it.
pub(crate) fn worst(differences: impl Iterator<Item = f64>) -> f64 {
    let worse = |worst: f64, own: f64| if own.is_nan() || own > worst { own } else { worst };
    differences.fold(0.0, worse)
}

#[cfg(test)]
mod tests {
    use super::deviation;

    #[test]
    fn what_is_no_number_is_kept_wherever_it_stands() {
        assert!((deviation([(1.5, 1.0), (30.0, 20.0)]) - 0.5).abs() < 1e-12);
        for at in 0..3 {
            let mut pairs = [(1.0, 1.0); 3];
            pairs[at].0 = f64::NAN;
            assert!(deviation(pairs).is_nan(), "found {at}");
            pairs[at] = (1.0, f64::NAN);
            assert!(deviation(pairs).is_nan(), "stated {at}");
        }
    }
}
