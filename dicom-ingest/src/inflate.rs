//! The deflated transfer syntax (PS3.5 A.5): raw deflate, inflated under a cap.

use flate2::{Decompress, FlushDecompress, Status};

use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// Room for the output that is made first, in bytes, at most and at least. The library fills all room with zeros before it uses
/// any, so that much of it costs a small stream more than its inflation.
const STEP: usize = 1 << 20;
const LEAST_STEP: usize = 4 << 10;
/// What deflated bytes usually grow to, at most.
const USUAL_RATIO: usize = 4;

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
    let first = deflated.len().saturating_mul(USUAL_RATIO).clamp(LEAST_STEP, STEP);
    loop {
        let consumed = decompress.total_in();
        let rest =
            usize::try_from(consumed).ok().and_then(|consumed| deflated.get(consumed..)).unwrap_or_default();
        if inflated.capacity() == inflated.len() {
            inflated.reserve_exact(room(inflated.len(), first, cap));
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

/// Bytes to make room for behind so many: half as many, `first` at least, and no more than show that `cap` is passed.
fn room(inflated: usize, first: usize, cap: u64) -> usize {
    let most = cap.saturating_add(1).saturating_sub(inflated as u64).max(1);
    first.max(inflated / 2).min(usize::try_from(most).unwrap_or(usize::MAX))
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
        let exact = bytes.len() as u64;
        assert_eq!(inflate_to(&deflated, exact).unwrap(), bytes);
        assert_eq!(inflate_to(&deflated, exact - 1).unwrap_err().code, RefusalCode::ExpansionLimit);
        let cut = &deflated[..deflated.len() / 2];
        assert_eq!(inflate(cut, &Limits::default()).unwrap_err().code, RefusalCode::Truncated);
    }

    #[test]
    fn little_takes_little_memory() {
        for bytes in [&b""[..], b"a", &[7; 3000]] {
            let inflated = inflate(&deflate(bytes), &Limits::default()).unwrap();
            assert_eq!(inflated, bytes);
            assert!(inflated.capacity() <= LEAST_STEP, "{}", inflated.capacity());
        }
        assert_eq!(room(STEP, STEP, u64::MAX), STEP);
        assert_eq!(room(100, LEAST_STEP, 100), 1, "one byte more shows that the cap is passed");
    }
}
