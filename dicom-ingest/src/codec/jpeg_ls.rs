//! JPEG-LS, lossless and near-lossless, of one component (ISO/IEC 14495-1, ITU-T T.87).
//!
//! Our own: it needs no C++ compiler, has no unsafe code, and reads a codestream that CharLS refuses. Names
//! follow the annexes of the standard.

use super::jpeg::{EOI, SOS, Segment, check_end, failed, frame_header, segment};
use super::samples::{low_16, store_unsigned};
use crate::pixel_facts::PixelFacts;
use crate::refusal::Refusal;
use crate::stored::StoredValues;

mod bits;
mod damage;
mod model;
mod parameters;

use bits::Bits;
use model::Model;
use parameters::{Parameters, Preset};

/// Samples a byte may hold above the plausible size: runs are cheap in JPEG-LS.
const SAMPLES_PER_BYTE: u64 = 4096;
/// Start of a JPEG-LS frame (SOF55).
const SOF55: u8 = 0xF7;
/// JPEG-LS preset parameters (C.2.4.1).
const LSE: u8 = 0xF8;
/// Define restart interval.
const DRI: u8 = 0xDD;

/// Decodes a frame.
pub(super) fn decode(coded: &[u8], facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    let (marker, header) = frame_header(coded)?;
    if marker != SOF55 {
        return Err(failed("the frame is not a JPEG-LS codestream"));
    }
    check_end(coded)?;
    header.check(facts, coded.len(), SAMPLES_PER_BYTE)?;
    let (scan, preset) = Scan::read(coded)?;
    let parameters = Parameters::new(header.precision, scan.near, &preset)
        .ok_or_else(|| failed("the JPEG-LS parameters contradict each other"))?;
    let raw = samples(scan.entropy, &parameters, header.rows as usize, header.columns as usize)?;
    store_unsigned(raw, header.precision, facts, scan.near == 0)
}

/// Whether a scan has a NEAR above 0 (C.2.3). All scans of a frame that is read have one.
pub(super) fn is_lossy(coded: &[u8]) -> bool {
    let mut at = 2;
    while let Ok(Segment { marker, parameters, end }) = segment(coded, at) {
        match marker {
            SOS => {
                let near = parameters.first().and_then(|count| parameters.get(1 + 2 * usize::from(*count)));
                return near.is_some_and(|near| *near > 0);
            }
            EOI => return false,
            _ => at = end,
        }
    }
    false
}

/// The one scan (C.2.3).
struct Scan<'a> {
    near: i32,
    entropy: &'a [u8],
}

impl<'a> Scan<'a> {
    fn read(coded: &'a [u8]) -> Result<(Self, Preset), Refusal> {
        let mut preset = Preset::default();
        let mut at = 2;
        loop {
            let Segment { marker, parameters, end } = segment(coded, at)?;
            at = end;
            match marker {
                LSE => preset.read(parameters)?,
                DRI if parameters.iter().any(|byte| *byte != 0) => {
                    return Err(failed("JPEG-LS with restart intervals is not read"));
                }
                SOS => {
                    let [1, _component, mapping_table, near, _interleave, point_transform, ..] = *parameters
                    else {
                        return Err(failed("the JPEG-LS scan is not of one component"));
                    };
                    if mapping_table != 0 || point_transform != 0 {
                        return Err(failed("JPEG-LS with a mapping table or point transform is not read"));
                    }
                    let entropy = coded.get(at..).unwrap_or_default();
                    return Ok((Self { near: i32::from(near), entropy }, preset));
                }
                EOI => return Err(failed("the JPEG-LS codestream has no scan")),
                _ => {}
            }
        }
    }
}

/// Decodes all lines (annex A, the decoding order of A.8).
///
/// A line is kept with one sample before it and one after it: before stands the first sample of the line above
/// (Ra of the first sample, and Rc of the first sample of the next line), after stands its own last one (Rd).
fn samples(
    entropy: &[u8],
    parameters: &Parameters,
    rows: usize,
    columns: usize,
) -> Result<Vec<u16>, Refusal> {
    let mut bits = Bits::new(entropy);
    let mut model = Model::new(parameters, rows * columns);
    let mut above = vec![0; columns + 2];
    let mut line = vec![0; columns + 2];
    let mut samples = Vec::with_capacity(rows * columns);
    for _row in 0..rows {
        line[0] = above[1];
        model.line(&mut bits, &above, &mut line)?;
        line[columns + 1] = line[columns];
        samples.extend(line[1..=columns].iter().map(|sample| low_16(*sample)));
        std::mem::swap(&mut above, &mut line);
    }
    Ok(samples)
}
