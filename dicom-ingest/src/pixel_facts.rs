//! What the header says about the pixels (PS3.3 C.7.6.3), checked against limits and against the pixel data
//! element before anything is allocated.

use std::ops::Range;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::{Value, View};
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};
use crate::transfer_syntax::TransferSyntax;
use crate::warning::{Warning, WarningCode};

/// Photometric Interpretation (0028,0004).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Photometric {
    /// Lowest value white.
    Monochrome1,
    /// Lowest value black.
    Monochrome2,
    /// Indices into a palette.
    PaletteColor,
    /// Any other: RGB, YBR and retired ones. The defined term.
    Colour(String),
}

/// The image attributes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelFacts {
    /// Rows of a frame.
    pub rows: u32,
    /// Columns of a frame.
    pub columns: u32,
    /// Number of frames, 1 when not stated.
    pub frames: u32,
    /// Samples per Pixel: 1 for grey and palette, 3 for colour.
    pub samples_per_pixel: u32,
    /// Bits Allocated for a sample.
    pub bits_allocated: u32,
    /// Bits Stored, at most Bits Allocated.
    pub bits_stored: u32,
    /// High Bit; Bits Stored - 1 unless an old writer aligned samples to the left.
    pub high_bit: u32,
    /// Pixel Representation 1: samples are two's complement.
    pub signed: bool,
    /// Photometric Interpretation.
    pub photometric: Photometric,
}

/// Greatest number of rows, columns or samples of a pixel: each is two bytes (US).
pub(crate) const MOST_OF_TWO_BYTES: u32 = 0xFFFF;

/// Where the pixel data are, as ranges of the scanned body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PixelData {
    /// Samples as they are.
    Native(Range<usize>),
    /// Basic offset table, then fragments.
    Encapsulated(Vec<Range<usize>>),
}

impl PixelFacts {
    /// Samples of one frame.
    pub fn samples_per_frame(&self) -> u64 {
        let pixels = u64::from(self.rows) * u64::from(self.columns);
        pixels.saturating_mul(self.samples_per_pixel.into())
    }

    /// Reads the image attributes. `None`: the instance has no Pixel Data element.
    pub(crate) fn read(view: &View<'_>, limits: &Limits) -> Result<Option<Self>, Refusal> {
        if !view.has(tags::PIXEL_DATA) {
            return Ok(None);
        }
        let unusable = |tag, keyword: &str| {
            Refusal::new(RefusalCode::MissingAttribute, format!("{keyword} {tag} is absent or unusable"))
        };
        let need = |tag, keyword: &str| view.unsigned(tag).ok_or_else(|| unusable(tag, keyword));
        // What is stated is never guessed.
        let or = |tag, keyword: &str, absent: u32| {
            if is_stated(view, tag) { need(tag, keyword) } else { Ok(absent) }
        };
        let bits_allocated = need(tags::BITS_ALLOCATED, "BitsAllocated")?;
        let bits_stored = or(tags::BITS_STORED, "BitsStored", bits_allocated)?;
        let photometric = view.first(tags::PHOTOMETRIC_INTERPRETATION).ok_or_else(|| {
            Refusal::new(RefusalCode::MissingAttribute, "PhotometricInterpretation (0028,0004) is absent")
        })?;
        let facts = Self {
            rows: need(tags::ROWS, "Rows")?,
            columns: need(tags::COLUMNS, "Columns")?,
            frames: or(tags::NUMBER_OF_FRAMES, "NumberOfFrames", 1)?.max(1),
            samples_per_pixel: or(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", 1)?,
            bits_allocated,
            bits_stored,
            high_bit: or(tags::HIGH_BIT, "HighBit", bits_stored.saturating_sub(1))?,
            signed: match or(tags::PIXEL_REPRESENTATION, "PixelRepresentation", 0)? {
                0 => false,
                1 => true,
                _ => return Err(unsupported("PixelRepresentation (0028,0103) is neither 0 nor 1")),
            },
            photometric: match photometric.as_str() {
                "MONOCHROME1" => Photometric::Monochrome1,
                "MONOCHROME2" => Photometric::Monochrome2,
                "PALETTE COLOR" => Photometric::PaletteColor,
                _ => Photometric::Colour(photometric),
            },
        };
        facts.check(limits)?;
        Ok(Some(facts))
    }

    /// Refuses contradictions and sizes beyond the limits, whatever the pixel data hold.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let Self { rows, columns, frames, bits_allocated, bits_stored, high_bit, .. } = *self;
        if rows == 0 || columns == 0 || self.samples_per_pixel == 0 {
            return Err(Refusal::new(
                RefusalCode::PixelMismatch,
                "Rows, Columns and SamplesPerPixel must not be 0",
            ));
        }
        if [rows, columns, self.samples_per_pixel].iter().any(|count| *count > MOST_OF_TWO_BYTES) {
            return Err(Refusal::new(
                RefusalCode::PixelLimit,
                format!("Rows, Columns or SamplesPerPixel is more than {MOST_OF_TWO_BYTES}"),
            ));
        }
        if bits_allocated == 0 || bits_allocated > 64 || bits_stored == 0 || bits_stored > bits_allocated {
            return Err(unsupported(&format!("BitsStored {bits_stored} of BitsAllocated {bits_allocated}")));
        }
        if high_bit >= bits_allocated || high_bit + 1 < bits_stored {
            return Err(unsupported(&format!(
                "HighBit {high_bit} for BitsStored {bits_stored} of BitsAllocated {bits_allocated}"
            )));
        }
        let samples = self.samples_per_frame().checked_mul(u64::from(frames));
        if frames > limits.max_frames || samples.is_none_or(|samples| samples > limits.max_samples) {
            return Err(Refusal::new(
                RefusalCode::PixelLimit,
                format!("{frames} frames of {rows} x {columns} are more than {} samples", limits.max_samples),
            ));
        }
        Ok(())
    }

    /// Finds the pixel data and compares native ones with the size that the attributes give.
    pub(crate) fn locate(
        &self,
        view: &View<'_>,
        transfer_syntax: &TransferSyntax,
        warnings: &mut Vec<Warning>,
    ) -> Result<PixelData, Refusal> {
        if !is_stated(view, tags::PIXEL_REPRESENTATION) {
            let message = "PixelRepresentation (0028,0103) is absent: samples are read as unsigned";
            warnings.push(Warning::new(WarningCode::SignUnstated, message));
        }
        let value = view.element(tags::PIXEL_DATA).map(|element| &element.value);
        match (value, transfer_syntax.is_native()) {
            (Some(Value::Bytes(range)), true) => {
                self.check_native(range.len() as u64, warnings)?;
                Ok(PixelData::Native(range.clone()))
            }
            (Some(Value::Fragments(fragments)), false) => Ok(PixelData::Encapsulated(fragments.clone())),
            (Some(Value::Bytes(_)), false) => {
                Err(mismatch("the pixel data are native though the transfer syntax is encapsulated"))
            }
            (Some(Value::Fragments(_)), true) => {
                Err(mismatch("the pixel data are encapsulated though the transfer syntax is native"))
            }
            (Some(Value::Items(_)) | None, _) => Err(mismatch("the pixel data are a sequence")),
        }
    }

    fn check_native(&self, length: u64, warnings: &mut Vec<Warning>) -> Result<(), Refusal> {
        if matches!(&self.photometric, Photometric::Colour(term) if term.ends_with("422") || term.ends_with("420"))
        {
            return Ok(()); // subsampled colour is refused at decoding, whatever its size
        }
        let samples = self.samples_per_frame().saturating_mul(self.frames.into());
        let bits = samples.saturating_mul(self.bits_allocated.into());
        let expected = bits.div_ceil(8);
        if length < expected {
            return Err(mismatch(&format!("the pixel data hold {length} bytes where {expected} are needed")));
        }
        if length > expected + 1 {
            // A frame count or a size that is too small would show a part of the picture as the whole.
            if self.frames > 1 || length >= expected * 2 {
                return Err(mismatch(&format!(
                    "the pixel data hold {length} bytes where {expected} are needed"
                )));
            }
            let message = format!("{} bytes follow the pixels", length - expected);
            warnings.push(Warning::new(WarningCode::BytesAfterPixels, message));
        }
        Ok(())
    }
}

/// Whether the element is there and not empty, of whatever kind.
fn is_stated(view: &View<'_>, tag: Tag) -> bool {
    view.element(tag)
        .is_some_and(|element| !matches!(&element.value, Value::Bytes(range) if range.is_empty()))
}

fn mismatch(message: &str) -> Refusal {
    Refusal::new(RefusalCode::PixelMismatch, message)
}

fn unsupported(message: &str) -> Refusal {
    Refusal::new(RefusalCode::UnsupportedPixel, message)
}
