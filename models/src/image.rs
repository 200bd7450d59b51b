//! The picture a network takes: grey values and nothing clinical.

/// The longest side of a picture, in pixels. Radiographs have at most about 5,000.
pub const MAX_SIDE: usize = 16_384;

/// A grey picture, row by row from the top left, 0 (black) to 1 (white), where
/// white is what absorbs X-rays (the sense of MONOCHROME2 radiographs, `PS3.3
/// C.7.6.3.1.2`). A value that exists is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct GreyImage {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

/// Why pixels are no [`GreyImage`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A side is 0 or above [`MAX_SIDE`].
    #[error("a picture of {width} x {height} pixels is not supported: each side must be 1 to {MAX_SIDE}")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The number of pixels is not width times height.
    #[error("a picture of {width} x {height} pixels has {pixels} values instead of one a pixel")]
    Count {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Values given.
        pixels: usize,
    },
    /// A value is NaN or infinite.
    #[error("the value of pixel {index} is not a finite number")]
    NotFinite {
        /// Index of the first such pixel, row by row.
        index: usize,
    },
    /// A value is below 0 or above 1.
    #[error("the value of pixel {index} is outside 0 to 1")]
    Range {
        /// Index of the first such pixel, row by row.
        index: usize,
    },
}

impl ImageError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "ImageSize",
            Self::Count { .. } => "ImagePixelCount",
            Self::NotFinite { .. } => "ImageNotFinite",
            Self::Range { .. } => "ImageRange",
        }
    }
}

impl GreyImage {
    /// Makes a picture from `width * height` finite values between 0 and 1.
    pub fn new(width: usize, height: usize, pixels: Vec<f32>) -> Result<Self, ImageError> {
        Self::check_size(width, height, pixels.len())?;
        let is_grey = |value: &f32| (0.0..=1.0).contains(value);
        // Without a way out between the values of a block a processor compares several at once.
        let are_grey = |block: &[f32]| block.iter().fold(true, |all, value| all & is_grey(value));
        if pixels.chunks(64).all(are_grey) {
            return Ok(Self { width, height, pixels });
        }
        let of = |is_wrong: &dyn Fn(&f32) -> bool| pixels.iter().position(is_wrong);
        if let Some(index) = of(&|value| !value.is_finite()) {
            return Err(ImageError::NotFinite { index });
        }
        Err(ImageError::Range { index: of(&|value| !is_grey(value)).unwrap_or_default() })
    }

    /// Checks that a picture can have this width and height, and so many values.
    pub fn check_size(width: usize, height: usize, pixels: usize) -> Result<(), ImageError> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(ImageError::Size { width, height });
        }
        if pixels != width * height {
            return Err(ImageError::Count { width, height, pixels });
        }
        Ok(())
    }

    /// Makes a picture from values that this crate computed; they are brought into 0 to 1.
    pub(crate) fn clamped(width: usize, height: usize, mut pixels: Vec<f32>) -> Self {
        debug_assert_eq!(pixels.len(), width * height);
        for value in &mut pixels {
            *value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        }
        Self { width, height, pixels }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values row by row from the top left, 0 to 1.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// The standard deviation of the values, of the whole picture and not of a sample. The sums are made in f64.
    pub fn deviation(&self) -> f64 {
        let count = self.pixels.len() as f64;
        let mean = sum(&self.pixels, |value| value) / count;
        (sum(&self.pixels, |value| (value - mean).powi(2)) / count).sqrt()
    }
}

/// The sum of what `of` makes of each value, in several sums beside each other, none of which waits for another.
fn sum(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0_f64; 16];
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += of(f64::from(*value));
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|value| of(f64::from(*value))).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_value_is_named_in_a_large_picture_too() {
        for (wrong, code) in [(f32::NAN, "ImageNotFinite"), (1.5, "ImageRange")] {
            let mut pixels = vec![0.5; 200 * 3];
            pixels[417] = wrong;
            pixels[500] = wrong;
            let error = GreyImage::new(200, 3, pixels).unwrap_err();
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains("pixel 417"), "{error}");
        }
    }

    #[test]
    fn deviation_is_that_of_all_values() {
        let image = GreyImage::new(37, 1, (0..37_u8).map(|value| f32::from(value) / 64.0).collect()).unwrap();
        // of 0, 1 .. n - 1 it is the root of (n * n - 1) / 12
        let expected = ((37.0_f64 * 37.0 - 1.0) / 12.0).sqrt() / 64.0;
        assert!((image.deviation() - expected).abs() < 1e-12, "{}", image.deviation());
        assert!(GreyImage::new(40, 40, vec![0.25; 1600]).unwrap().deviation() < 1e-12);
    }

    #[test]
    fn only_valid_pixels_make_a_picture() {
        let cases = [
            (0, 1, vec![], Some("ImageSize")),
            (MAX_SIDE + 1, 1, vec![], Some("ImageSize")),
            (2, 2, vec![0.0; 3], Some("ImagePixelCount")),
            (1, 2, vec![0.0, f32::NAN], Some("ImageNotFinite")),
            (1, 2, vec![0.0, f32::INFINITY], Some("ImageNotFinite")),
            (1, 2, vec![0.0, 1.5], Some("ImageRange")),
            (1, 2, vec![-0.1, 1.0], Some("ImageRange")),
            (2, 1, vec![0.0, 1.0], None),
        ];
        for (width, height, pixels, code) in cases {
            let error = GreyImage::new(width, height, pixels).err();
            assert_eq!(error.as_ref().map(ImageError::code), code, "{width} x {height}");
        }
    }
}
