//! JPEG 2000 (ISO/IEC 15444-1), through OpenJPEG.
//!
//! OpenJPEG decodes the blocks of a picture on as many threads as `OPJ_NUM_THREADS` in the environment of the process says, on the
//! caller's alone where nothing is said. The values are the same. A pool of readers says it to its processes
//! (`decoders/threads.rs`).

use jpeg2k::{DecodeParameters, Image};

use super::Codestream;
use super::jpeg::{Segment, failed, segment};
use super::samples::{refuse_left_aligned, store_numbers};
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;
use crate::warning::{Warning, WarningCode};

/// Samples a byte may hold above the plausible size: a blank tile costs a few bytes.
const SAMPLES_PER_BYTE: u64 = 4096;
/// Most tiles: OpenJPEG keeps several kilobytes for each before it decodes any.
const MAX_TILES: u64 = 4096;

/// Coding style of all components (A.6.1), and of one (A.6.2).
const COD: u8 = 0x52;
const COC: u8 = 0x53;
/// Start of the first tile: the main header is over.
const SOT: u8 = 0x90;
/// Length of a COC from which the component's index has two bytes, where no precincts are stated: there are 257 or more.
const COC_OF_MANY: usize = 8;
/// The wavelet transform that rounds (table A.20).
const IRREVERSIBLE: u8 = 0;

/// The image and tile size segment (A.5.1).
struct Size {
    header: Codestream,
    signed: bool,
}

/// Decodes a frame.
///
/// A codestream whose sign is not that of Pixel Representation is corrected when the header can be believed:
/// the low bits are the stored bits, and Pixel Representation says how they read. That is what pydicom does, and
/// a warning says so.
pub(super) fn decode(
    coded: &[u8],
    facts: &PixelFacts,
    warnings: &mut Vec<Warning>,
) -> Result<StoredValues, Refusal> {
    let size = size(codestream(coded)?)?;
    size.header.check(facts, coded.len(), SAMPLES_PER_BYTE)?;
    refuse_left_aligned(facts)?;
    let image = Image::from_bytes_with(coded, DecodeParameters::new().strict(true))
        .map_err(|_| failed("the JPEG 2000 decoder refuses the frame"))?;
    let [component] = image.components() else {
        return Err(failed("the JPEG 2000 decoder did not return one component"));
    };
    if (component.width(), component.height()) != (facts.columns, facts.rows)
        || component.data().len() as u64 != facts.samples_per_frame()
    {
        return Err(failed("the JPEG 2000 decoder did not return the frame that the header promised"));
    }
    if size.signed != facts.signed {
        let message =
            "the sign of the JPEG 2000 codestream differs from PixelRepresentation, which was followed";
        if !warnings.iter().any(|known| known.code == WarningCode::CodestreamSign) {
            warnings.push(Warning::new(WarningCode::CodestreamSign, message));
        }
    }
    store_numbers(component.data(), size.header.precision, facts)
}

/// Whether the main header names the transform that does not give back what went in (A.6.1, A.6.2).
pub(super) fn is_lossy(coded: &[u8]) -> bool {
    let codestream = codestream(coded).unwrap_or_default();
    let mut at = 2;
    while let Ok(Segment { marker, parameters, end }) = segment(codestream, at) {
        // after what is there in any case come a component's index, or the order, layers and colour of all
        let transform = match marker {
            COD => parameters.get(9),
            COC => parameters.get(if parameters.len() < COC_OF_MANY { 6 } else { 7 }),
            SOT => return false,
            _ => None,
        };
        if transform == Some(&IRREVERSIBLE) {
            return true;
        }
        at = end;
    }
    false
}

/// The contiguous codestream: the frame itself, or the box that holds it in a JP2 file (I.5.4).
fn codestream(coded: &[u8]) -> Result<&[u8], Refusal> {
    const SOC_SIZ: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
    if coded.starts_with(&SOC_SIZ) {
        return Ok(coded);
    }
    let mut at = 0_usize;
    while let Some(header) = coded.get(at..at.saturating_add(8)) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if header.ends_with(b"jp2c") {
            return coded[at + 8..].starts_with(&SOC_SIZ).then(|| &coded[at + 8..]).ok_or_else(no_codestream);
        }
        if length < 8 {
            break;
        }
        at = at.saturating_add(length);
    }
    Err(no_codestream())
}

fn no_codestream() -> Refusal {
    failed("the frame is not a JPEG 2000 codestream")
}

fn size(codestream: &[u8]) -> Result<Size, Refusal> {
    let cut = || failed("the JPEG 2000 size segment is cut off");
    let u32_at = |at: usize| {
        let bytes = codestream.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(cut)?;
        Ok::<u32, Refusal>(u32::from_be_bytes(bytes))
    };
    // SOC 2, SIZ marker 2, Lsiz 2, Rsiz 2; then eight sizes of 4, Csiz 2, and 3 bytes a component.
    let (x1, y1, x0, y0) = (u32_at(8)?, u32_at(12)?, u32_at(16)?, u32_at(20)?);
    let (tile_x, tile_y) = (u64::from(u32_at(24)?), u64::from(u32_at(28)?));
    let component: [u8; 5] =
        codestream.get(40..45).and_then(|bytes| bytes.try_into().ok()).ok_or_else(cut)?;
    let [csiz1, csiz0, ssiz, step_x, step_y] = component;
    let (Some(columns), Some(rows)) = (x1.checked_sub(x0), y1.checked_sub(y0)) else {
        return Err(failed("the JPEG 2000 image offset lies outside the image"));
    };
    if tile_x == 0 || tile_y == 0 || step_x != 1 || step_y != 1 {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            "the JPEG 2000 codestream is subsampled or has no tiles",
        ));
    }
    if u64::from(x1).div_ceil(tile_x) * u64::from(y1).div_ceil(tile_y) > MAX_TILES {
        return Err(Refusal::new(
            RefusalCode::PixelLimit,
            format!("the JPEG 2000 codestream has more than {MAX_TILES} tiles"),
        ));
    }
    let header = Codestream {
        rows,
        columns,
        components: u32::from(u16::from_be_bytes([csiz1, csiz0])),
        precision: u32::from(ssiz & 0x7F) + 1,
    };
    Ok(Size { header, signed: ssiz & 0x80 != 0 })
}
