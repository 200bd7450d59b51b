//! The grey rows of a frame from the top down: the look-up table is made once, and the picture not at all.

use super::Frame;
use crate::voi::Voi;

/// How many values two bytes can have.
const RAW_VALUES: usize = 1 << 16;

/// The rows of a frame as grey values from 0 to 1; see [`Frame::grey`].
#[derive(Debug, Clone)]
pub struct GreyRows<'a> {
    stored: &'a [u16],
    columns: usize,
    /// The grey value of each value of two bytes, read without a sign.
    table: Vec<f32>,
    are_grey: bool,
}

impl<'a> GreyRows<'a> {
    pub(super) fn new(frame: &'a Frame, voi: &Voi) -> Self {
        let transform = &frame.transform;
        let (lowest, highest) = (*transform.possible.start(), *transform.possible.end());
        // what is beyond the possible values is as black as the lowest of them
        let black = if lowest <= highest { transform.grey(lowest, voi) } else { 0.0 };
        let is_grey = |grey: f32| (0.0..=1.0).contains(&grey);
        let (mut table, mut are_grey) = (vec![black; RAW_VALUES], is_grey(black));
        let held = frame.stored.holds();
        for stored in lowest.max(*held.start())..=highest.min(*held.end()) {
            let grey = transform.grey(stored, voi);
            are_grey &= is_grey(grey);
            table[stored.cast_unsigned() as usize % RAW_VALUES] = grey;
        }
        Self { stored: frame.stored.raw(), columns: frame.columns, table, are_grey }
    }

    /// Whether every value that a row could have is from 0 to 1: it is, but where the transform makes no numbers.
    pub fn are_grey(&self) -> bool {
        self.are_grey
    }

    /// Hands over row by row, each in the place of the one before. A row that is not whole is none.
    pub fn each(&self, mut take: impl FnMut(&[f32])) {
        let mut row = vec![0.0_f32; self.columns];
        for stored in self.stored.chunks_exact(self.columns.max(1)) {
            for (grey, value) in row.iter_mut().zip(self.grey(stored)) {
                *grey = value;
            }
            take(&row);
        }
    }

    /// All values, row by row.
    pub fn all(&self) -> Vec<f32> {
        self.grey(self.stored).collect()
    }

    fn grey(&self, stored: &[u16]) -> impl Iterator<Item = f32> {
        // of a table that is known to be so long, two bytes name an entry, and nothing is checked a value
        let table = &self.table[..RAW_VALUES];
        stored.iter().map(move |raw| table[usize::from(*raw)])
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use proptest::prelude::*;

    use super::super::GreyTransform;
    use super::*;
    use crate::modality_lut::{LookupTable, ModalityLut};
    use crate::stored::StoredValues;

    /// What the rule says of each value, without a table.
    fn written_out(frame: &Frame) -> Vec<f32> {
        let transform = &frame.transform;
        let voi = transform.voi.clone().unwrap_or_else(|| frame.range());
        let black = transform.grey(*transform.possible.start(), &voi);
        let of = |stored: i32| {
            if transform.possible.contains(&stored) { transform.grey(stored, &voi) } else { black }
        };
        frame.stored.iter().map(of).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn possible(signed: bool) -> impl Strategy<Value = RangeInclusive<i32>> {
        let of = move |bits: u32| -> RangeInclusive<i32> {
            if signed { -(1 << (bits - 1))..=(1 << (bits - 1)) - 1 } else { 0..=(1 << bits) - 1 }
        };
        // the last two are what no file states and a process that lies may send
        prop_oneof![(1_u32..=16).prop_map(of), Just(-100_i32..=100), Just(-70_000_i32..=70_000)]
    }

    fn voi() -> impl Strategy<Value = Option<Voi>> {
        let table = LookupTable { first: 20.0, entries: (0..99).map(|value| value * 2).collect(), bits: 8 };
        prop_oneof![
            Just(None),
            (-2e4_f64..2e4, 1.0_f64..4e4)
                .prop_map(|(low, width)| Some(Voi::Range { low, high: low + width })),
            Just(Some(Voi::Table(table))),
        ]
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let facts = (any::<bool>(), any::<bool>(), any::<bool>(), 1_usize..12, 1_usize..12);
        facts.prop_flat_map(|(signed, invert, is_padded, columns, rows)| {
            let raw = proptest::collection::vec(any::<u16>(), columns * rows);
            (raw, possible(signed), voi(), -9_i32..9).prop_map(move |(raw, possible, voi, low)| Frame {
                rows,
                columns,
                stored: StoredValues::new(raw, signed),
                transform: GreyTransform {
                    modality: ModalityLut::Rescale { slope: 0.5, intercept: -7.0 },
                    voi,
                    invert,
                    padding: is_padded.then_some(low * 1000..=low * 1000 + 5000),
                    possible,
                },
            })
        })
    }

    proptest! {
        #[test]
        fn rows_and_picture_are_what_the_rule_says(frame in frames()) {
            let expected = bits(&written_out(&frame));
            prop_assert_eq!(&bits(&frame.grey()), &expected);
            let rows = frame.grey_rows();
            prop_assert!(rows.are_grey());
            let (mut given, mut count) = (Vec::new(), 0);
            rows.each(|row| {
                count += 1;
                given.extend_from_slice(row);
            });
            prop_assert_eq!(count, frame.rows);
            prop_assert_eq!(&bits(&given), &expected);
        }
    }

    #[test]
    fn a_transform_that_makes_no_numbers_is_seen() {
        let modality = ModalityLut::Rescale { slope: f64::NAN, intercept: 0.0 };
        let voi = Some(Voi::Range { low: 0.0, high: 1.0 });
        let transform = GreyTransform { modality, voi, invert: false, padding: None, possible: 0..=255 };
        let stored = StoredValues::new(vec![0, 1], false);
        assert!(!Frame { rows: 1, columns: 2, stored, transform }.grey_rows().are_grey());
    }
}
