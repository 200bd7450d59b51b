//! JPEG 2000 codestreams of any size: no library of the product writes them, so a tile that OpenJPEG encoded
//! (`make_tiles.py`) is repeated. Tiles are coded apart from each other (ITU-T T.800, 6.1), and a grid of 256 keeps every
//! sub-band and code-block where it was.

/// 256 x 256, 12 bits, without loss (5/3).
const LOSSLESS: &[u8] = include_bytes!("tile-90.j2k");
/// The same with loss (9/7), a tenth of the raw bytes.
const LOSSY: &[u8] = include_bytes!("tile-91.j2k");
/// Rows and columns of a tile.
pub(super) const TILE: usize = 256;
/// Start of tile-part.
const SOT: [u8; 4] = [0xFF, 0x90, 0, 10];
/// End of codestream.
const EOC: [u8; 2] = [0xFF, 0xD9];

/// A codestream of `side` x `side` samples of 12 bits; `side` is a multiple of [`TILE`].
pub(super) fn repeated(side: usize, lossless: bool) -> Vec<u8> {
    let coded = if lossless { LOSSLESS } else { LOSSY };
    let start = coded.windows(SOT.len()).position(|bytes| bytes == SOT).unwrap_or(coded.len());
    let (head, part) = coded.split_at(start);
    let part = part.strip_suffix(&EOC).unwrap_or(part);
    let mut out = head.to_vec();
    // SIZ follows SOC: Xsiz and Ysiz stand after marker, length and capabilities (A.5.1)
    let size = u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes();
    out[8..12].copy_from_slice(&size);
    out[12..16].copy_from_slice(&size);
    for tile in 0..(side / TILE).pow(2) {
        let at = out.len();
        out.extend_from_slice(part);
        // Isot (A.4.2)
        out[at + 4..at + 6].copy_from_slice(&u16::try_from(tile).unwrap_or(u16::MAX).to_be_bytes());
    }
    out.extend_from_slice(&EOC);
    out
}
