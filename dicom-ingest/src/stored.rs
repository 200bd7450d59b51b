//! The stored values of a frame: what codecs make, and what becomes grey.

use std::ops::RangeInclusive;

/// The sign of a value in two's complement of 16 bits.
const SIGN: u16 = 0x8000;

/// Stored values in two bytes each: images of 8 and 16 bits allocated are read, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValues {
    raw: Vec<u16>,
    signed: bool,
}

impl StoredValues {
    /// Of values as they are or, where they are `signed`, in two's complement of 16 bits.
    pub fn new(raw: Vec<u16>, signed: bool) -> Self {
        Self { raw, signed }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The values in their order: -32,768 to 32,767 where they are signed, else 0 to 65,535.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i32> + Clone {
        let flip = if self.signed { SIGN } else { 0 };
        // with its sign flipped, a negative value is below 0x8000 and any other is above: no branch a value
        self.raw.iter().map(move |raw| i32::from(raw ^ flip) - i32::from(flip))
    }

    /// The values in two bytes each, as [`Self::new`] takes them.
    pub(crate) fn raw(&self) -> &[u16] {
        &self.raw
    }

    /// What two bytes with this sign can hold.
    pub(crate) fn holds(&self) -> RangeInclusive<i32> {
        if self.signed { i16::MIN.into()..=i16::MAX.into() } else { 0..=u16::MAX.into() }
    }

    /// The values in two bytes each, as [`Self::new`] takes them.
    pub fn into_raw(self) -> Vec<u16> {
        self.raw
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_both_ranges() {
        let raw = vec![0, 1, 0x7FFF, 0x8000, 0xFFFF];
        let values = |signed| StoredValues::new(raw.clone(), signed).iter().collect::<Vec<_>>();
        assert_eq!(values(false), [0, 1, 32_767, 32_768, 65_535]);
        assert_eq!(values(true), [0, 1, 32_767, -32_768, -1]);
    }

    proptest! {
        #[test]
        fn values_are_what_their_bits_say(raw in proptest::collection::vec(any::<u16>(), 0..99)) {
            let (unsigned, signed) = (StoredValues::new(raw.clone(), false), StoredValues::new(raw.clone(), true));
            prop_assert!(unsigned.iter().eq(raw.iter().copied().map(i32::from)));
            prop_assert!(signed.iter().eq(raw.iter().map(|raw| i32::from(raw.cast_signed()))));
            prop_assert_eq!((signed.len(), signed.iter().len(), signed.is_empty()), (raw.len(), raw.len(), raw.is_empty()));
            prop_assert_eq!(signed.into_raw(), raw);
        }
    }
}
