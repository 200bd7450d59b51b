//! The deflated transfer syntax (PS3.5 A.5): raw deflate, inflated under a cap.

use flate2::{Decompress, FlushDecompress, Status};

use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// How much the output may grow before it is looked at again, in bytes.
const STEP: usize = 1 << 20;

/// Inflates a raw deflate stream. Memory grows with what really comes out, never with what is promised.
pub(crate) fn inflate(deflated: &[u8], limits: &Limits) -> Result<Vec<u8>, Refusal> {
    inflate_to(deflated, cap(deflated.len() as u64, limits))
}

/// How far so many deflated bytes may grow.
pub(crate) fn cap(deflated: u64, limits: &Limits) -> u64 {
    let by_ratio = deflated.saturating_mul(limits.max_inflate_ratio);
    by_ratio.max(limits.inflate_floor_bytes).min(limits.max_inflated_bytes)
}

/// Inflates a raw deflate stream to `cap` bytes at most.
pub(crate) fn inflate_to(deflated: &[u8], cap: u64) -> Result<Vec<u8>, Refusal> {
    let mut decompress = Decompress::new(false);
    let mut inflated = Vec::new();
    loop {
        let consumed = decompress.total_in();
        let rest =
            usize::try_from(consumed).ok().and_then(|consumed| deflated.get(consumed..)).unwrap_or_default();
        if inflated.capacity() == inflated.len() {
            inflated.reserve(STEP.max(inflated.len() / 2));
        }
        let before = inflated.len();
        let status = decompress
            .decompress_vec(rest, &mut inflated, FlushDecompress::None)
            .map_err(|_| Refusal::new(RefusalCode::DecoderFailed, "the deflated bytes are damaged"))?;
        if inflated.len() as u64 > cap {
            return Err(Refusal::new(
                RefusalCode::ExpansionLimit,
                format!("{} deflated bytes inflate to more than {cap}", deflated.len()),
            ));
        }
        let progress = inflated.len() > before || decompress.total_in() > consumed;
        match status {
            Status::StreamEnd => return Ok(inflated),
            Status::Ok | Status::BufError if progress || inflated.capacity() == inflated.len() => {}
            Status::Ok | Status::BufError => {
                return Err(Refusal::new(
                    RefusalCode::Truncated,
                    "the deflated bytes end before their last block; send the file again",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn inflates_and_stops_at_the_cap() {
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        let deflated = deflate(&bytes);
        assert_eq!(inflate(&deflated, &Limits::default()).unwrap(), bytes);
        let tight = Limits { inflate_floor_bytes: 1 << 20, max_inflate_ratio: 2, ..Limits::default() };
        assert_eq!(inflate(&deflated, &tight).unwrap_err().code, RefusalCode::ExpansionLimit);
        let cut = &deflated[..deflated.len() / 2];
        assert_eq!(inflate(cut, &Limits::default()).unwrap_err().code, RefusalCode::Truncated);
    }
}
