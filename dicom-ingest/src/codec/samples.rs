//! From raw samples to stored values: which bits are stored, their sign, and what must fit (PS3.5 8.1.1, PS3.3
//! C.7.6.3.1).
//!
//! Passes over a picture have no branch a sample, so that several are done at once.

use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;

/// A mask of the lowest `bits` bits, all of them from 16 on.
pub(super) const fn mask(bits: u32) -> u16 {
    if bits >= u16::BITS { u16::MAX } else { (1 << bits) - 1 }
}

/// The lowest 16 bits of a number.
pub(super) const fn low_16(number: i32) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The bits that any of the samples has.
pub(super) fn any_bits(samples: &[u16]) -> u16 {
    samples.iter().fold(0, |any, sample| any | sample)
}

/// Which bits of a sample are stored, and how they read.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredBits {
    /// Bits below the stored ones, at most 15.
    shift: u32,
    mask: u16,
    /// The sign of a stored value, 0 where it has none.
    sign: u16,
}

impl StoredBits {
    /// `bits` of them, 1 to 16, above `shift` others.
    const fn new(bits: u32, shift: u32, signed: bool) -> Self {
        let sign = if signed { 1 << (bits - 1) } else { 0 };
        Self { shift, mask: mask(bits), sign }
    }

    /// Those of allocated samples. Samples that are aligned to the left (HighBit above BitsStored - 1, retired) have bits
    /// below.
    pub(super) const fn of(facts: &PixelFacts) -> Self {
        Self::new(facts.bits_stored, facts.high_bit + 1 - facts.bits_stored, facts.signed)
    }

    /// The bits below the stored ones, which have to be empty; `None` where there are none.
    pub(super) fn below(self) -> Option<Self> {
        (self.shift > 0).then(|| Self::new(self.shift, 0, false))
    }

    /// The stored value of a sample, in two's complement of 16 bits where it has a sign.
    #[inline]
    pub(super) const fn value(self, sample: u16) -> u16 {
        let stored = sample.wrapping_shr(self.shift) & self.mask;
        (stored ^ self.sign).wrapping_sub(self.sign)
    }

    /// Whether above the stored bits of a sample of `precision` bits are only zeros or copies of the sign.
    const fn fits(self, sample: u16, precision: u32) -> bool {
        sample <= self.mask || self.value(sample) & mask(precision) == sample
    }

    /// The stored values of samples that have no bits above the lowest `width`.
    fn values(self, mut samples: Vec<u16>, width: u32) -> StoredValues {
        let is_all = self.shift == 0 && self.mask >= mask(width);
        let is_itself = is_all && matches!(self.sign, 0 | 0x8000);
        if !is_itself {
            for sample in &mut samples {
                *sample = self.value(*sample);
            }
        }
        StoredValues::new(samples, self.sign != 0)
    }
}

/// Stored values of samples as they are allocated.
pub(super) fn store_allocated(samples: Vec<u16>, facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    let bits = StoredBits::of(facts);
    if bits.below().is_some_and(|below| below.value(any_bits(&samples)) != 0) {
        return Err(not_empty_below(facts));
    }
    Ok(bits.values(samples, facts.bits_allocated))
}

/// Stored values of unsigned raw samples of `precision` bits, from a codec without a notion of sign.
///
/// Bits above Bits Stored are unused or hold an overlay and are masked, except from a lossy codestream, where
/// such a bit means that the value overshot: refused. Signed samples extend from the codestream's precision
/// where it is below Bits Stored.
pub(super) fn store_unsigned(
    raw: Vec<u16>,
    precision: u32,
    facts: &PixelFacts,
    lossless: bool,
) -> Result<StoredValues, Refusal> {
    refuse_left_aligned(facts)?;
    if !lossless && precision > facts.bits_stored && any_bits(&raw) > mask(facts.bits_stored) {
        return Err(overflow(facts));
    }
    let bits = StoredBits::new(facts.bits_stored.min(precision), 0, facts.signed);
    Ok(bits.values(raw, precision))
}

/// Stored values of a decoder's numbers, whose lowest `precision` bits are the samples whatever sign it gave them; what
/// Bits Stored cannot hold is refused.
pub(super) fn store_numbers(
    numbers: &[i32],
    precision: u32,
    facts: &PixelFacts,
) -> Result<StoredValues, Refusal> {
    let bits = StoredBits::new(facts.bits_stored.min(precision), 0, facts.signed);
    let samples = numbers.iter().map(|number| low_16(*number) & mask(precision));
    if precision > facts.bits_stored && !samples.clone().all(|sample| bits.fits(sample, precision)) {
        return Err(overflow(facts));
    }
    Ok(StoredValues::new(samples.map(|sample| bits.value(sample)).collect(), facts.signed))
}

/// Samples from a codec cannot be left-aligned in the allocated word.
pub(super) fn refuse_left_aligned(facts: &PixelFacts) -> Result<(), Refusal> {
    if facts.high_bit + 1 == facts.bits_stored {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::UnsupportedPixel,
        format!("HighBit {} with BitsStored {} in an encapsulated image", facts.high_bit, facts.bits_stored),
    ))
}

/// Below the stored bits of left-aligned samples are others.
pub(super) fn not_empty_below(facts: &PixelFacts) -> Refusal {
    Refusal::new(
        RefusalCode::PixelMismatch,
        format!("HighBit is {} but there are bits below the stored ones", facts.high_bit),
    )
}

/// A decoded value lies outside what Bits Stored can hold.
fn overflow(facts: &PixelFacts) -> Refusal {
    Refusal::new(
        RefusalCode::PixelMismatch,
        format!("a decoded value does not fit into the {} bits that the header states", facts.bits_stored),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pixel_facts::Photometric;

    /// The low `bits` bits as a number, two's complement where there is a sign: by arithmetic.
    pub(crate) fn number(sample: i32, bits: u32, signed: bool) -> i32 {
        let number = sample.rem_euclid(1 << bits);
        if signed && number >= 1 << (bits - 1) { number - (1 << bits) } else { number }
    }

    /// A row of 7 samples.
    pub(crate) fn facts(bits_allocated: u32, bits_stored: u32, high_bit: u32, signed: bool) -> PixelFacts {
        PixelFacts {
            rows: 1,
            columns: 7,
            frames: 1,
            samples_per_pixel: 1,
            bits_allocated,
            bits_stored,
            high_bit,
            signed,
            photometric: Photometric::Monochrome2,
        }
    }

    fn numbers(stored: Result<StoredValues, Refusal>) -> Result<Vec<i32>, RefusalCode> {
        stored.map(|stored| stored.iter().collect()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn signs() {
        let twelve = StoredBits::new(12, 0, true);
        assert_eq!([0xFFF, 0x7FF, 0xF800].map(|sample| twelve.value(sample)), [0xFFFF, 0x7FF, 0xF800]);
        assert_eq!(StoredBits::new(1, 15, true).value(0x8000), 0xFFFF);
        assert_eq!([mask(1), mask(15), mask(16)], [1, 0x7FFF, 0xFFFF]);
        assert_eq!([-1, 0x1_8000, i32::MIN].map(low_16), [0xFFFF, 0x8000, 0]);
    }

    #[test]
    fn above_the_stored_bits_stand_zeros_or_the_sign() {
        let stored =
            |decoded: &[i32], signed| numbers(store_numbers(decoded, 16, &facts(16, 12, 11, signed)));
        let overflow = Err(RefusalCode::PixelMismatch);
        assert_eq!(stored(&[0, 0xFFF, -0x1_0000], false), Ok(vec![0, 0xFFF, 0]));
        assert_eq!(stored(&[0, 0x1000], false), overflow);
        assert_eq!(stored(&[0x7FF, 0xFFF, 0xFFFF, -2048], true), Ok(vec![0x7FF, -1, -1, -2048]));
        assert_eq!([stored(&[0xF7FF], true), stored(&[0x1800], true)], [overflow.clone(), overflow]);
        // as many bits as the codestream has, there are none above
        let narrow = store_numbers(&[0x8FF, 0xF00], 12, &facts(16, 16, 15, true));
        assert_eq!(numbers(narrow), Ok(vec![0x8FF - 0x1000, -0x100]));
    }

    proptest! {
        #[test]
        fn a_codec_without_signs_gives_what_its_bits_say(
            raw in proptest::collection::vec(any::<u16>(), 7), precision in 2_u32..17, bits in 1_u32..17,
            signed: bool, lossless: bool,
        ) {
            let raw: Vec<u16> = raw.iter().map(|sample| sample & mask(precision)).collect();
            let overshot = !lossless && raw.iter().any(|sample| u32::from(*sample) >> bits != 0);
            let expected: Vec<i32> = raw.iter().map(|sample| number((*sample).into(), bits.min(precision), signed)).collect();
            let stored = store_unsigned(raw, precision, &facts(16, bits, bits - 1, signed), lossless);
            prop_assert_eq!(numbers(stored), if overshot { Err(RefusalCode::PixelMismatch) } else { Ok(expected) });
        }

        #[test]
        fn allocated_samples_are_shifted_masked_and_signed(
            raw in proptest::collection::vec(any::<u16>(), 7), bits in 1_u32..17, shift in 0_u32..16, empty: bool,
            signed: bool,
        ) {
            let bits = bits.min(16 - shift);
            let raw: Vec<u16> = raw.iter().map(|sample| if empty { sample & !mask(shift) } else { *sample }).collect();
            let not_empty = raw.iter().any(|sample| sample & mask(shift) != 0);
            let expected: Vec<i32> = raw.iter().map(|sample| number(i32::from(*sample) >> shift, bits, signed)).collect();
            let stored = store_allocated(raw, &facts(16, bits, shift + bits - 1, signed));
            prop_assert_eq!(numbers(stored), if not_empty { Err(RefusalCode::PixelMismatch) } else { Ok(expected) });
        }
    }
}
