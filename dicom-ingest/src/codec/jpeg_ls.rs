//! JPEG-LS, lossless and near-lossless (ISO/IEC 14495-1), through the crate `charls`.

use charls::CharLS;

use super::jpeg::{SOS, failed, frame_header, segment};
use super::samples::store_unsigned;
use crate::pixel_facts::PixelFacts;
use crate::refusal::Refusal;

/// Samples a byte may hold above the plausible size: runs are cheap in JPEG-LS.
const SAMPLES_PER_BYTE: u64 = 4096;
/// Start of a JPEG-LS frame (SOF55).
const SOF55: u8 = 0xF7;

/// Decodes a frame.
pub(super) fn decode(coded: &[u8], facts: &PixelFacts) -> Result<Vec<i32>, Refusal> {
    let (marker, header) = frame_header(coded)?;
    if marker != SOF55 {
        return Err(failed("the frame is not a JPEG-LS codestream"));
    }
    header.check(facts, coded.len(), SAMPLES_PER_BYTE)?;
    let lossless = near(coded)? == 0;
    let bytes = CharLS::default()
        .decode(coded)
        .map_err(|error| failed(&format!("the JPEG-LS decoder refuses the frame: {error}")))?;
    let raw: Vec<i32> = if header.precision <= 8 {
        bytes.into_iter().map(i32::from).collect()
    } else {
        bytes.as_chunks::<2>().0.iter().map(|raw| i32::from(u16::from_ne_bytes(*raw))).collect()
    };
    if raw.len() as u64 != facts.samples_per_frame() {
        return Err(failed("the JPEG-LS decoder did not return the frame that the header promised"));
    }
    store_unsigned(raw, header.precision, facts, lossless)
}

/// The greatest error of a sample, NEAR of the scan header (C.2.3): 0 when lossless.
fn near(coded: &[u8]) -> Result<u8, Refusal> {
    let mut at = 2;
    loop {
        let next = segment(coded, at)?;
        at = next.end;
        if next.marker == SOS {
            let components = usize::from(*next.parameters.first().unwrap_or(&0));
            let near = next.parameters.get(1 + 2 * components);
            return near.copied().ok_or_else(|| failed("the JPEG-LS scan header is cut off"));
        }
    }
}
