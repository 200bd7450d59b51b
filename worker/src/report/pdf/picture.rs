//! The radiograph and its overlay as samples: PDF has no PNG.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::PdfError;
use crate::report::document::Picture;

/// The most bytes of one picture's samples; a page's picture is far smaller.
const BYTES: usize = 64 * 1024 * 1024;

/// Rows of 8-bit samples.
pub(super) struct Samples {
    pub(super) width: u32,
    pub(super) height: u32,
    /// One a pixel, or three where it has colours.
    pub(super) colours: Vec<u8>,
    pub(super) is_grey: bool,
    /// One a pixel, where it lets something through.
    pub(super) alpha: Option<Vec<u8>>,
}

/// Radiograph and overlay.
pub(super) struct Pictures {
    pub(super) radiograph: Samples,
    pub(super) overlay: Option<Samples>,
}

/// Reads the pictures of a report.
pub(super) fn pictures(picture: &Picture) -> Result<Pictures, PdfError> {
    let overlay = picture.saliency.as_ref().map(|saliency| samples(&saliency.png)).transpose()?;
    Ok(Pictures { radiograph: samples(&picture.png)?, overlay })
}

fn samples(png: &[u8]) -> Result<Samples, PdfError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(png), Limits { bytes: BYTES });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|_| PdfError::Picture)?;
    let size = reader.output_buffer_size().filter(|size| *size <= BYTES).ok_or(PdfError::Picture)?;
    let mut rows = vec![0; size];
    let info = reader.next_frame(&mut rows).map_err(|_| PdfError::Picture)?;
    if info.bit_depth != BitDepth::Eight {
        return Err(PdfError::Picture);
    }
    rows.truncate(info.buffer_size());
    let (channels, has_alpha) = match info.color_type {
        ColorType::Grayscale => (1, false),
        ColorType::GrayscaleAlpha => (1, true),
        ColorType::Rgb => (3, false),
        ColorType::Rgba => (3, true),
        ColorType::Indexed => return Err(PdfError::Picture),
    };
    let (colours, alpha) = if has_alpha {
        let pixels = rows.chunks_exact(channels + 1);
        let alpha = pixels.clone().map(|pixel| pixel[channels]).collect();
        (pixels.flat_map(|pixel| &pixel[..channels]).copied().collect(), Some(alpha))
    } else {
        (rows, None)
    };
    Ok(Samples { width: info.width, height: info.height, colours, is_grey: channels == 1, alpha })
}
