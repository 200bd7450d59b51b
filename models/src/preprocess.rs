//! From a picture of any size to what a network takes: one resize rule and one
//! standardisation, the same in training and in scoring.

pub mod pipeline;

mod resample;
mod resizing;

use crate::image::GreyImage;

pub use resizing::Resizing;

/// The least standard deviation that [`standardise`] divides by, in grey values of 0 to 1.
pub const MINIMUM_DEVIATION: f32 = 1e-3;

/// Resizes to `width` x `height` by the mean over the area of each new pixel, and
/// bilinearly where a side grows. The aspect ratio is not kept and nothing is
/// padded: the network always sees the whole picture.
///
/// Each new pixel is a weighted mean of old ones (weights of a triangle with the
/// width of one new pixel, but at least of one old pixel), so a constant picture
/// stays constant and no value leaves the range of the input. [`Resizing`] does it
/// for rows of a picture that is nowhere held. A side that no picture has is
/// brought to the nearest that one can have.
pub fn resize(image: &GreyImage, width: usize, height: usize) -> GreyImage {
    Resizing::whole(image, (width, height))
}

/// Resizes values of any range bilinearly, as torchvision does: what has to be seen beside finer ones.
pub(crate) fn resample(values: &[f32], (height, width): (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let plane = pipeline::Plane { height, width, values: values.to_vec() };
    resample::resize(plane, to.0, to.1, pipeline::Resampling::TorchvisionBilinear).values
}

/// Subtracts the picture's mean and divides by its standard deviation (at least
/// [`MINIMUM_DEVIATION`]), so that brightness and contrast of the display do not
/// count. The sums are made in f64.
pub fn standardise(values: &[f32]) -> Vec<f32> {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt().max(f64::from(MINIMUM_DEVIATION));
    #[expect(clippy::cast_possible_truncation, reason = "back to the precision of the pixels")]
    values.iter().map(|v| ((f64::from(*v) - mean) / deviation) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(width: usize, height: usize) -> GreyImage {
        let pixels = (0..width * height).map(|i| (i % width) as f32 / width as f32).collect();
        GreyImage::new(width, height, pixels).unwrap()
    }

    #[test]
    fn halving_a_ramp_keeps_it_a_ramp() {
        let half = resize(&ramp(64, 8), 32, 4);
        for x in 2..30 {
            let step = half.pixels()[x + 1] - half.pixels()[x];
            assert!((step - 1.0 / 32.0).abs() < 1e-5, "{x}: {step}");
        }
    }

    #[test]
    fn the_same_scene_at_two_sizes_gives_nearly_the_same_small_picture() {
        let scene = |side: usize| {
            let pixels = (0..side * side)
                .map(|i| {
                    let (x, y) = ((i % side) as f32 / side as f32, (i / side) as f32 / side as f32);
                    0.5 + 0.4 * (6.0 * x).sin() * (4.0 * y).cos()
                })
                .collect();
            GreyImage::new(side, side, pixels).unwrap()
        };
        let (a, b) = (resize(&scene(384), 112, 112), resize(&scene(1024), 112, 112));
        let worst = a.pixels().iter().zip(b.pixels()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.02, "{worst}");
    }

    #[test]
    fn standardised_values_have_mean_zero_and_deviation_one() {
        let values = standardise(ramp(50, 50).pixels());
        let mean = values.iter().sum::<f32>() / 2500.0;
        let variance = values.iter().map(|v| v * v).sum::<f32>() / 2500.0;
        assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
    }

    #[test]
    fn a_constant_picture_becomes_zeros() {
        assert!(standardise(&[0.3; 9]).iter().all(|v| v.abs() < 1e-3));
    }

    proptest! {
        #[test]
        fn a_resized_picture_stays_in_the_range_of_its_input(
            width in 1_usize..40, height in 1_usize..40, new_width in 1_usize..40, new_height in 1_usize..40,
            low in 0.0_f32..0.4, span in 0.0_f32..0.5, seed in 0_usize..1000,
        ) {
            let pixels = (0..width * height)
                .map(|i| low + span * ((i * 7919 + seed) % 256) as f32 / 255.0)
                .collect();
            let image = GreyImage::new(width, height, pixels).unwrap();
            let out = resize(&image, new_width, new_height);
            prop_assert_eq!(out.pixels().len(), new_width * new_height);
            for value in out.pixels() {
                prop_assert!(*value >= low - 1e-5 && *value <= low + span + 1e-5);
            }
        }

        #[test]
        fn gain_and_offset_of_the_display_do_not_count(gain in 0.2_f32..1.0, offset in 0.0_f32..0.2) {
            let plain = standardise(ramp(24, 24).pixels());
            let changed: Vec<f32> = ramp(24, 24).pixels().iter().map(|v| v * gain * 0.8 + offset).collect();
            for (a, b) in plain.iter().zip(standardise(&changed)) {
                prop_assert!((a - b).abs() < 1e-4);
            }
        }
    }
}
