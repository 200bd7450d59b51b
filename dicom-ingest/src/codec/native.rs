//! Samples as they stand (PS3.5 8.1 and 8.2).

use super::samples::{StoredBits, any_bits, not_empty_below};
use crate::dataset::ByteOrder;
use crate::pixel_facts::PixelFacts;
use crate::refusal::Refusal;
use crate::stored::StoredValues;

/// How native samples lie in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Order of the bytes of a 16-bit sample.
    pub(crate) order: ByteOrder,
    /// 8-bit samples in big endian words: each pair of bytes is swapped (PS3.5 annex D).
    pub(crate) swapped_bytes: bool,
}

/// Decodes a frame; `bytes` has exactly the size that the attributes give.
pub(super) fn decode(bytes: &[u8], facts: &PixelFacts, layout: Layout) -> Result<StoredValues, Refusal> {
    let bits = StoredBits::of(facts);
    if bits.below().is_some_and(|below| any_bits(&values(bytes, facts, layout, below)) != 0) {
        return Err(not_empty_below(facts));
    }
    Ok(StoredValues::new(values(bytes, facts, layout, bits), facts.signed))
}

/// What stands in these bits of each sample, in one pass.
fn values(bytes: &[u8], facts: &PixelFacts, layout: Layout, bits: StoredBits) -> Vec<u16> {
    let byte = move |raw: u8| bits.value(u16::from(raw));
    match (facts.bits_allocated, layout.order) {
        (8, _) if layout.swapped_bytes => {
            (0..bytes.len()).map(|index| byte(*bytes.get(index ^ 1).unwrap_or(&bytes[index]))).collect()
        }
        (8, _) => bytes.iter().map(|raw| byte(*raw)).collect(),
        (_, ByteOrder::Little) => {
            bytes.as_chunks::<2>().0.iter().map(move |raw| bits.value(u16::from_le_bytes(*raw))).collect()
        }
        (_, ByteOrder::Big) => {
            bytes.as_chunks::<2>().0.iter().map(move |raw| bits.value(u16::from_be_bytes(*raw))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::mask;
    use super::super::samples::tests::{facts, number};
    use super::*;
    use crate::refusal::RefusalCode;

    /// Samples as they lie in a file.
    fn bytes(samples: &[u16], allocated: u32, Layout { order, swapped_bytes }: Layout) -> Vec<u8> {
        let two = samples.iter().map(|sample| match order {
            ByteOrder::Little => sample.to_le_bytes(),
            ByteOrder::Big => sample.to_be_bytes(),
        });
        if allocated == 16 {
            return two.flatten().collect();
        }
        let mut bytes: Vec<u8> = samples.iter().map(|sample| sample.to_le_bytes()[0]).collect();
        if swapped_bytes {
            // the last of an odd number has no other to be swapped with
            bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_sample_is_what_its_bits_say(
            raw in proptest::collection::vec(any::<u16>(), 7), wide: bool, big: bool, swapped_bytes: bool,
            bits in 1_u32..17, high in 0_u32..16, empty: bool, signed: bool,
        ) {
            let allocated = if wide { 16 } else { 8 };
            let high = high % allocated;
            let bits = bits.min(high + 1);
            let shift = high + 1 - bits;
            // half of the pictures have nothing below their stored bits
            let unused = if empty { mask(shift) } else { 0 };
            let samples: Vec<u16> = raw.iter().map(|sample| sample & mask(allocated) & !unused).collect();
            let order = if big { ByteOrder::Big } else { ByteOrder::Little };
            let layout = Layout { order, swapped_bytes };
            let decoded = decode(&bytes(&samples, allocated, layout), &facts(allocated, bits, high, signed), layout);
            match decoded {
                Ok(stored) => {
                    let number = |sample: &u16| number(i32::from(*sample) >> shift, bits, signed);
                    prop_assert!(stored.iter().eq(samples.iter().map(number)));
                    prop_assert!(samples.iter().all(|sample| sample & mask(shift) == 0));
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal.code, RefusalCode::PixelMismatch);
                    prop_assert!(samples.iter().any(|sample| sample & mask(shift) != 0));
                }
            }
        }
    }
}
