//! RLE Lossless (PS3.5 annex G): a segment of PackBits for each byte of a sample, highest byte first.

use super::samples::store_allocated;
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;

/// Size of the header: the number of segments and fifteen offsets.
const HEADER: usize = 64;
/// Most bytes that one coded byte can stand for: two make a run of 128.
const MAX_EXPANSION: u64 = 64;

/// Decodes a frame of one sample a pixel.
pub(super) fn decode(coded: &[u8], facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    let header = coded.get(..HEADER).ok_or_else(|| failed("the RLE header is cut off"))?;
    let words: Vec<usize> =
        header.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word) as usize).collect();
    let segments = (facts.bits_allocated / 8) as usize;
    if words[0] != segments {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            format!("the RLE header has {} segments, {segments} are needed", words[0]),
        ));
    }
    let samples = facts.samples_per_frame();
    if samples > (coded.len() as u64).saturating_mul(MAX_EXPANSION) {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            format!("{} bytes of RLE cannot hold {samples} samples", coded.len()),
        ));
    }
    let mut raw = vec![0_u16; usize::try_from(samples).unwrap_or(usize::MAX)];
    let offsets = &words[1..=segments];
    for (index, start) in offsets.iter().enumerate() {
        let end = offsets.get(index + 1).copied().unwrap_or(coded.len());
        let segment = coded.get(*start..end).filter(|_| *start >= HEADER);
        unpack(segment.ok_or_else(|| failed("an RLE segment lies outside the frame"))?, &mut raw)?;
    }
    store_allocated(raw, facts)
}

/// Decodes one segment and puts each byte below what the sample holds so far (PS3.5 G.3.2).
fn unpack(segment: &[u8], raw: &mut [u16]) -> Result<(), Refusal> {
    let short = || failed("an RLE segment ends before the last pixel");
    let mut rest = segment;
    let mut filled = 0;
    let mut beyond = 0;
    while filled < raw.len() {
        let (control, after) = rest.split_first().ok_or_else(short)?;
        rest = after;
        let left = raw.len() - filled;
        match *control {
            128 => {}
            literal @ 0..=127 => {
                let count = usize::from(literal) + 1;
                let take = count.min(left);
                let bytes = rest.get(..take).ok_or_else(short)?;
                for (sample, byte) in raw[filled..filled + take].iter_mut().zip(bytes) {
                    *sample = *sample << 8 | u16::from(*byte);
                }
                rest = rest.get(count..).unwrap_or_default();
                filled += take;
                beyond = count - take;
            }
            run => {
                let count = 257 - usize::from(run);
                let take = count.min(left);
                let (byte, after) = rest.split_first().ok_or_else(short)?;
                rest = after;
                raw[filled..filled + take]
                    .iter_mut()
                    .for_each(|sample| *sample = *sample << 8 | u16::from(*byte));
                filled += take;
                beyond = count - take;
            }
        }
    }
    if beyond + unpacked(rest) >= raw.len() {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            "an RLE segment holds at least twice the pixels that the header says",
        ));
    }
    Ok(())
}

/// How many bytes follow in what is left of a segment: none but padding, unless the header shows a part of the picture
/// as the whole.
fn unpacked(mut rest: &[u8]) -> usize {
    let mut bytes = 0;
    while let Some((control, after)) = rest.split_first() {
        let (coded, count) = match *control {
            128 => (0, 0),
            literal @ 0..=127 => {
                let there = after.len().min(usize::from(literal) + 1);
                (there, there)
            }
            run => (1, if after.is_empty() { 0 } else { 257 - usize::from(run) }),
        };
        bytes += count;
        rest = after.get(coded..).unwrap_or_default();
    }
    bytes
}

fn failed(message: &str) -> Refusal {
    Refusal::new(RefusalCode::DecoderFailed, message)
}
