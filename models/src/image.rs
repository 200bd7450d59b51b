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
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(ImageError::Size { width, height });
        }
        if pixels.len() != width * height {
            return Err(ImageError::Count { width, height, pixels: pixels.len() });
        }
        if let Some(index) = pixels.iter().position(|value| !value.is_finite()) {
            return Err(ImageError::NotFinite { index });
        }
        if let Some(index) = pixels.iter().position(|value| !(0.0..=1.0).contains(value)) {
            return Err(ImageError::Range { index });
        }
        Ok(Self { width, height, pixels })
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
