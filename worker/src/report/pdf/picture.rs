//! The radiograph and its overlay as the streams of a PDF, which has no PNG but packs rows as PNG does (ISO 32000-1,
//! 7.4.4.4): the files that this program writes go in as they are packed, any other is unpacked and packed again.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::PdfError;
use super::file::packed;
use crate::report::document::Picture;

/// The most bytes of one picture's samples; a page's picture is far smaller.
const BYTES: usize = 64 * 1024 * 1024;

/// A picture of eight bits a sample.
pub(super) struct Samples {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colours: Colours,
    pub(super) rows: Rows,
    /// How much each pixel hides; `None` where all of it does.
    pub(super) alpha: Option<Alpha>,
}

/// What a sample is.
pub(super) enum Colours {
    Grey,
    /// Three samples a pixel.
    Rgb,
    /// The sample is the number of a colour, three bytes each.
    Palette(Vec<u8>),
}

/// Rows as zlib packed them.
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
    /// Whether each row begins with the number of a filter, as in a PNG file.
    pub(super) is_filtered: bool,
}

/// Opacity, one sample a pixel.
pub(super) struct Alpha {
    pub(super) rows: Rows,
    /// The opacity of the sample 255; less by its share for any other.
    pub(super) most: f32,
}

/// Radiograph and overlay.
pub(super) struct Pictures {
    pub(super) radiograph: Samples,
    pub(super) overlay: Option<Samples>,
}

impl Pictures {
    /// Bytes of all packed rows.
    pub(super) fn size(&self) -> usize {
        let of = |samples: &Samples| {
            samples.rows.bytes.len() + samples.alpha.as_ref().map_or(0, |alpha| alpha.rows.bytes.len())
        };
        of(&self.radiograph) + self.overlay.as_ref().map_or(0, of)
    }
}

/// Reads the pictures of a report.
pub(super) fn pictures(picture: &Picture) -> Result<Pictures, PdfError> {
    let overlay = picture.saliency.as_ref().map(|saliency| samples(&saliency.png)).transpose()?;
    Ok(Pictures { radiograph: samples(&picture.png)?, overlay })
}

fn samples(png: &[u8]) -> Result<Samples, PdfError> {
    let reader = decoder(png).read_info().map_err(|_| PdfError::Picture)?;
    let info = reader.info();
    let is_plain = info.bit_depth == BitDepth::Eight && !info.interlaced;
    let (width, height) = (info.width, info.height);
    let palette = info.palette.as_deref().filter(|palette| palette.len() == 3 * 256);
    let rows = || Some(Rows { bytes: rows_of(png)?, is_filtered: true });
    match (info.color_type, info.trns.as_deref(), palette) {
        (ColorType::Grayscale, None, _) if is_plain => {
            let rows = rows().ok_or(PdfError::Picture)?;
            Ok(Samples { width, height, colours: Colours::Grey, rows, alpha: None })
        }
        (ColorType::Indexed, Some(opacity), Some(palette)) if is_plain && is_share(opacity) => {
            let alpha = Alpha {
                rows: rows().ok_or(PdfError::Picture)?,
                most: f32::from(opacity.last().copied().unwrap_or_default()) / 255.0,
            };
            let rows = rows().ok_or(PdfError::Picture)?;
            let colours = Colours::Palette(palette.to_vec());
            Ok(Samples { width, height, colours, rows, alpha: Some(alpha) })
        }
        _ => unpacked(png),
    }
}

fn decoder(png: &[u8]) -> Decoder<Cursor<&[u8]>> {
    Decoder::new_with_limits(Cursor::new(png), Limits { bytes: BYTES })
}

/// Whether the opacity of each of 256 colours is its number's share of the last one's, rounded to a level.
fn is_share(opacity: &[u8]) -> bool {
    let Some((&most, 256)) = opacity.last().map(|most| (most, opacity.len())) else { return false };
    let share = |level: u16| (level * u16::from(most) + 127) / 255;
    (0..=255).zip(opacity).all(|(level, opacity)| share(level) == u16::from(*opacity))
}

/// The packed rows of a PNG file: what its `IDAT` chunks hold, one after the other
/// (<https://www.w3.org/TR/png-3/#11IDAT>); `None` where a chunk is longer than the file.
fn rows_of(png: &[u8]) -> Option<Vec<u8>> {
    let mut rest = png.get(8..)?;
    let mut rows = Vec::with_capacity(png.len());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (kind, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if kind == b"IDAT" {
            rows.extend_from_slice(after.get(..length)?);
        }
        // four bytes are its checksum
        rest = after.get(length.checked_add(4)?..)?;
    }
    (!rows.is_empty()).then_some(rows)
}

fn unpacked(png: &[u8]) -> Result<Samples, PdfError> {
    let mut decoder = decoder(png);
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
    let plain = |samples: &[u8]| Rows { bytes: packed(samples), is_filtered: false };
    let (rows, alpha) = if has_alpha {
        let pixels = rows.chunks_exact(channels + 1);
        let alpha: Vec<u8> = pixels.clone().map(|pixel| pixel[channels]).collect();
        let colours: Vec<u8> = pixels.flat_map(|pixel| &pixel[..channels]).copied().collect();
        (plain(&colours), Some(Alpha { rows: plain(&alpha), most: 1.0 }))
    } else {
        (plain(&rows), None)
    };
    let colours = if channels == 1 { Colours::Grey } else { Colours::Rgb };
    Ok(Samples { width: info.width, height: info.height, colours, rows, alpha })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// A PNG file of one colour type, eight bits a sample.
    fn png(colour: ColorType, palette: Option<(Vec<u8>, Vec<u8>)>, samples: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 16, 16);
        encoder.set_color(colour);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_filter(png::Filter::NoFilter);
        if let Some((palette, opacity)) = palette {
            encoder.set_palette(palette);
            encoder.set_trns(opacity);
        }
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(samples).expect("samples");
        writer.finish().expect("a file");
        file
    }

    fn inflated(rows: &Rows) -> Vec<u8> {
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(&rows.bytes[..]).read_to_end(&mut bytes).expect("zlib");
        bytes
    }

    #[test]
    fn what_this_program_writes_goes_in_as_it_is_packed() {
        let levels: Vec<u8> = (0..=255).collect();
        let grey = samples(&png(ColorType::Grayscale, None, &levels)).expect("a picture");
        assert!(grey.rows.is_filtered && grey.alpha.is_none() && matches!(grey.colours, Colours::Grey));
        let rows = inflated(&grey.rows);
        assert!(rows.chunks(17).zip(levels.chunks(16)).all(|(row, own)| row[0] == 0 && &row[1..] == own));

        let colours: Vec<u8> = (0..=255).flat_map(|level| [level, 7, 9]).collect();
        let share: Vec<u8> =
            (0..=255_u16).map(|level| u8::try_from((level * 153 + 127) / 255).expect("a byte")).collect();
        let heat =
            samples(&png(ColorType::Indexed, Some((colours.clone(), share)), &levels)).expect("a picture");
        let alpha = heat.alpha.as_ref().expect("opacity");
        assert!((alpha.most - 0.6).abs() < 1e-6 && inflated(&alpha.rows) == inflated(&heat.rows));
        assert!(matches!(heat.colours, Colours::Palette(palette) if palette == colours));
    }

    #[test]
    fn any_other_is_packed_again() {
        let levels: Vec<u8> = (0..=255).collect();
        let colours: Vec<u8> = (0..=255).flat_map(|level| [level, 7, 9]).collect();
        let bent: Vec<u8> = (0..=255).map(|level| if level < 100 { 0 } else { 200 }).collect();
        let heat = samples(&png(ColorType::Indexed, Some((colours.clone(), bent.clone())), &levels))
            .expect("a picture");
        let alpha = heat.alpha.as_ref().expect("opacity");
        assert!(!heat.rows.is_filtered && matches!(heat.colours, Colours::Rgb));
        assert_eq!((inflated(&heat.rows), inflated(&alpha.rows)), (colours, bent));
    }

    #[test]
    fn a_file_that_ends_too_early_is_refused_or_holds_what_it_has() {
        let whole = png(ColorType::Grayscale, None, &[3; 256]);
        for end in 0..whole.len() {
            let _any: Result<Samples, PdfError> = samples(&whole[..end]);
        }
        assert!(rows_of(&whole[..whole.len() - 20]).is_none() && rows_of(b"no PNG").is_none());
    }
}
