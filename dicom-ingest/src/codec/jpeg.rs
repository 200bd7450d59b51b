//! JPEG (ISO/IEC 10918-1): reads the markers and hands the codestream to the decoder of its process. The process
//! is taken from the codestream, not from the transfer syntax: some writers name a wrong one.

use super::{Codestream, jpeg_dct, jpeg_lossless};
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;

/// A marker segment: its code (the byte after 0xFF), its parameters, and where the bytes after it begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) parameters: &'a [u8],
    pub(super) end: usize,
}

/// Start of a lossless frame (SOF3).
const LOSSLESS: u8 = 0xC3;
/// Start of scan; entropy-coded data follow.
pub(super) const SOS: u8 = 0xDA;
/// End of image.
pub(super) const EOI: u8 = 0xD9;

/// Reads the next marker segment at or after `at`; fill bytes before it are skipped.
pub(super) fn segment(coded: &[u8], mut at: usize) -> Result<Segment<'_>, Refusal> {
    let cut = || failed("the JPEG codestream ends inside its headers");
    loop {
        match coded.get(at..at + 2).ok_or_else(cut)? {
            [0xFF, 0xFF] => at += 1,
            // Markers without parameters: TEM, RSTn, SOI, EOI.
            [0xFF, marker @ (0x01 | 0xD0..=0xD9)] => {
                return Ok(Segment { marker: *marker, parameters: &[], end: at + 2 });
            }
            [0xFF, marker @ 0x02..=0xFE] => {
                let length = coded.get(at + 2..at + 4).ok_or_else(cut)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let end = at + 2 + length;
                let parameters = coded.get(at + 4..end).ok_or_else(cut)?;
                return Ok(Segment { marker: *marker, parameters, end });
            }
            _ => return Err(failed("a JPEG marker is missing where one must be")),
        }
    }
}

/// The frame header of a codestream (B.2.2): its marker and what it states.
pub(super) fn frame_header(coded: &[u8]) -> Result<(u8, Codestream), Refusal> {
    if !coded.starts_with(&[0xFF, 0xD8]) {
        return Err(failed("the frame does not begin with a JPEG start of image"));
    }
    let mut at = 2;
    loop {
        let Segment { marker, parameters, end } = segment(coded, at)?;
        at = end;
        match marker {
            // SOF0 to SOF15 without DHT, JPG and DAC; SOF55 is JPEG-LS.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7 => {
                let [precision, y1, y0, x1, x0, components, ..] = *parameters else {
                    return Err(failed("the JPEG frame header is cut off"));
                };
                let header = Codestream {
                    rows: u32::from(u16::from_be_bytes([y1, y0])),
                    columns: u32::from(u16::from_be_bytes([x1, x0])),
                    components: u32::from(components),
                    precision: u32::from(precision),
                };
                return Ok((marker, header));
            }
            SOS | EOI => return Err(failed("the JPEG codestream has no frame header")),
            _ => {}
        }
    }
}

/// Refuses a codestream without its end marker: what is missing before it could not be told from the picture.
/// Padding may follow, of zeros or ones: a fragment has an even length (PS3.5 A.4).
pub(super) fn check_end(coded: &[u8]) -> Result<(), Refusal> {
    let padding = coded.iter().rev().take_while(|byte| matches!(byte, 0 | 0xFF)).count();
    if coded[..coded.len() - padding].ends_with(&[0xFF, EOI]) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::Truncated, "a codestream ends without its end marker; send the file again"))
}

/// Whether the process is one of the discrete cosine transform.
pub(super) fn is_lossy(coded: &[u8]) -> bool {
    frame_header(coded).is_ok_and(|(marker, _)| marker != LOSSLESS)
}

/// Decodes a frame by the process that its codestream names.
pub(super) fn decode(coded: &[u8], facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    let (marker, header) = frame_header(coded)?;
    check_end(coded)?;
    match marker {
        // Baseline, extended sequential, progressive; all Huffman.
        0xC0..=0xC2 => jpeg_dct::decode(coded, header, facts),
        LOSSLESS => jpeg_lossless::decode(coded, header, facts),
        _ => Err(Refusal::new(
            RefusalCode::UnsupportedTransferSyntax,
            format!("the JPEG process of marker FF{marker:02X} is not read"),
        )),
    }
}

pub(super) fn failed(message: &str) -> Refusal {
    Refusal::new(RefusalCode::DecoderFailed, message)
}
