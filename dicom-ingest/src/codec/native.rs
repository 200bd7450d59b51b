//! Samples as they stand (PS3.5 8.1 and 8.2).

use super::samples::{mask, sign_extend};
use crate::dataset::ByteOrder;
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};

/// How native samples lie in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Order of the bytes of a 16-bit sample.
    pub(crate) order: ByteOrder,
    /// 8-bit samples in big endian words: each pair of bytes is swapped (PS3.5 annex D).
    pub(crate) swapped_bytes: bool,
}

/// Decodes a frame; `bytes` has exactly the size that the attributes give.
pub(super) fn decode(bytes: &[u8], facts: &PixelFacts, layout: Layout) -> Result<Vec<i32>, Refusal> {
    let raw: Vec<i32> = match (facts.bits_allocated, layout.order) {
        (8, _) if layout.swapped_bytes => {
            (0..bytes.len()).map(|index| i32::from(*bytes.get(index ^ 1).unwrap_or(&bytes[index]))).collect()
        }
        (8, _) => bytes.iter().map(|byte| i32::from(*byte)).collect(),
        (_, ByteOrder::Little) => {
            bytes.as_chunks::<2>().0.iter().map(|raw| i32::from(u16::from_le_bytes(*raw))).collect()
        }
        (_, ByteOrder::Big) => {
            bytes.as_chunks::<2>().0.iter().map(|raw| i32::from(u16::from_be_bytes(*raw))).collect()
        }
    };
    store(raw, facts)
}

/// Takes the stored bits out of the allocated ones. Samples that are aligned to the left (HighBit above
/// BitsStored - 1, retired) are shifted, when the bits below are empty.
pub(super) fn store(mut raw: Vec<i32>, facts: &PixelFacts) -> Result<Vec<i32>, Refusal> {
    let shift = facts.high_bit + 1 - facts.bits_stored;
    if shift > 0 && raw.iter().any(|value| value & mask(shift) != 0) {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            format!("HighBit is {} but there are bits below the stored ones", facts.high_bit),
        ));
    }
    let bits = facts.bits_stored;
    if facts.signed {
        for value in &mut raw {
            *value = sign_extend(*value >> shift, bits);
        }
    } else if shift > 0 || bits < facts.bits_allocated {
        for value in &mut raw {
            *value = (*value >> shift) & mask(bits);
        }
    }
    Ok(raw)
}
