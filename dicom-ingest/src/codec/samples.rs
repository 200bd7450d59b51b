//! From raw samples to stored values: masking, sign, and what must fit (PS3.5 8.1.1, PS3.3 C.7.6.3.1).

use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};

/// A mask of the lowest `bits` bits, at most 31.
pub(crate) const fn mask(bits: u32) -> i32 {
    if bits >= 31 { i32::MAX } else { (1 << bits) - 1 }
}

/// The low `bits` bits of a raw sample as a two's complement number; `bits` from 1 to 31.
pub(crate) const fn sign_extend(raw: i32, bits: u32) -> i32 {
    let sign = 1 << (bits - 1);
    ((raw & mask(bits)) ^ sign) - sign
}

/// Stored values of unsigned raw samples of `precision` bits, from a codec without a notion of sign.
///
/// Bits above Bits Stored are unused or hold an overlay and are masked, except from a lossy codestream, where
/// such a bit means that the value overshot: refused. Signed samples extend from the codestream's precision
/// where it is below Bits Stored.
pub(crate) fn store_unsigned(
    mut raw: Vec<i32>,
    precision: u32,
    facts: &PixelFacts,
    lossless: bool,
) -> Result<Vec<i32>, Refusal> {
    let stored = facts.bits_stored.min(precision);
    refuse_left_aligned(facts)?;
    if !lossless && precision > facts.bits_stored && raw.iter().any(|value| *value > mask(facts.bits_stored))
    {
        return Err(overflow(facts));
    }
    if facts.signed {
        for value in &mut raw {
            *value = sign_extend(*value, stored);
        }
    } else if precision > facts.bits_stored {
        for value in &mut raw {
            *value &= mask(stored);
        }
    }
    Ok(raw)
}

/// Samples from a codec cannot be left-aligned in the allocated word.
pub(crate) fn refuse_left_aligned(facts: &PixelFacts) -> Result<(), Refusal> {
    if facts.high_bit + 1 == facts.bits_stored {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::UnsupportedPixel,
        format!("HighBit {} with BitsStored {} in an encapsulated image", facts.high_bit, facts.bits_stored),
    ))
}

/// A decoded value lies outside what Bits Stored can hold.
pub(crate) fn overflow(facts: &PixelFacts) -> Refusal {
    Refusal::new(
        RefusalCode::PixelMismatch,
        format!("a decoded value does not fit into the {} bits that the header states", facts.bits_stored),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs() {
        assert_eq!(sign_extend(0xFFF, 12), -1);
        assert_eq!(sign_extend(0x7FF, 12), 2047);
        assert_eq!(sign_extend(0x1_8000, 16), -32_768);
        assert_eq!(mask(16), 0xFFFF);
    }
}
