//! A decoded frame: stored values, and how they become grey.

mod rows;

use std::ops::RangeInclusive;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::modality_lut::ModalityLut;
use crate::pixel_facts::{Photometric, PixelFacts};
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;
use crate::voi::Voi;

pub use rows::GreyRows;

/// Without a window, a picture that uses less than this part of its possible range is stretched over what it
/// uses: many detectors write 10 or 12 bits into 16 and say so nowhere.
const LEAST_USED_RANGE: f64 = 0.25;
/// Entries of the look-up tables of all frames of an instance, at most: 64 MiB. A table that stands once in a file is held by
/// each of its frames.
const MOST_TABLE_ENTRIES: usize = 32 << 20;

/// How the stored values of a frame become grey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GreyTransform {
    /// Modality LUT or rescale.
    pub modality: ModalityLut,
    /// VOI LUT or window, `None` when the images state none.
    pub voi: Option<Voi>,
    /// MONOCHROME1: the lowest value is white. Presentation LUT Shape INVERSE says the same of the same image
    /// (PS3.3 C.8.11.3.1.2: INVERSE shall be used if MONOCHROME1), so it never inverts a second time.
    pub invert: bool,
    /// Stored values that are padding around the picture (PS3.3 C.7.5.1.1.2).
    pub padding: Option<RangeInclusive<i32>>,
    /// The stored values that Bits Stored and Pixel Representation allow.
    pub possible: RangeInclusive<i32>,
}

/// A decoded grey frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Stored values, row by row from the top left, masked to Bits Stored and sign-extended.
    pub stored: StoredValues,
    /// How they become grey.
    pub transform: GreyTransform,
}

impl Frame {
    /// The picture: 0 is black, 1 is white, whatever the encoding.
    ///
    /// Modality LUT or rescale; then VOI LUT, else the first window. Where the image states neither, the possible
    /// stored range maps onto 0 to 1, or, when the picture uses less than a quarter of that range, the range that
    /// it uses. MONOCHROME1 is inverted last. Padding is black.
    pub fn grey(&self) -> Vec<f32> {
        self.grey_rows().all()
    }

    /// The rows of [`Self::grey`], for whoever needs no picture of them.
    pub fn grey_rows(&self) -> GreyRows<'_> {
        match &self.transform.voi {
            Some(voi) => GreyRows::new(self, voi),
            None => GreyRows::new(self, &self.range()),
        }
    }

    /// The modality values of the frame, e.g. Hounsfield units of a CT. Padding is no measurement: it takes the least value of
    /// the picture.
    pub fn modality_values(&self) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "f32 holds what a detector resolves")]
        let value = |stored: i32| self.transform.modality.apply(f64::from(stored)) as f32;
        let Some(padding) = &self.transform.padding else {
            return self.stored.iter().map(value).collect();
        };
        let measured = self.stored.iter().filter(|stored| !padding.contains(stored));
        let least = measured.map(value).min_by(f32::total_cmp);
        let of = |stored: i32| match least {
            Some(least) if padding.contains(&stored) => least,
            _ => value(stored),
        };
        self.stored.iter().map(of).collect()
    }

    /// The range of an image that states no window; see [`Self::grey`].
    fn range(&self) -> Voi {
        let transform = &self.transform;
        let used = self.stored.iter().filter(|stored| !transform.is_padding(*stored));
        let (least, most) =
            used.fold((i32::MAX, i32::MIN), |(least, most), stored| (least.min(stored), most.max(stored)));
        let (lowest, highest) = (*transform.possible.start(), *transform.possible.end());
        let used_part =
            (f64::from(most) - f64::from(least)) / (f64::from(highest) - f64::from(lowest)).max(1.0);
        let narrow = most > least && used_part < LEAST_USED_RANGE;
        let ends = if narrow { [least, most] } else { [lowest, highest] };
        let [one, other] = ends.map(|stored| transform.modality.apply(f64::from(stored)));
        Voi::Range { low: one.min(other), high: one.max(other) }
    }
}

impl GreyTransform {
    fn is_padding(&self, stored: i32) -> bool {
        self.padding.as_ref().is_some_and(|padding| padding.contains(&stored))
    }

    fn grey(&self, stored: i32, voi: &Voi) -> f32 {
        if self.is_padding(stored) {
            return 0.0;
        }
        let grey = voi.apply(self.modality.apply(f64::from(stored)));
        #[expect(clippy::cast_possible_truncation, reason = "a grey value from 0 to 1")]
        let grey = grey as f32;
        if self.invert { 1.0 - grey } else { grey }
    }

    /// The transform of frame `index`: from its functional groups (PS3.3 C.7.6.16), the shared ones, or the
    /// data set itself.
    pub(crate) fn read(root: &View<'_>, facts: &PixelFacts, index: usize) -> Result<Self, Refusal> {
        let per_frame = root.item_at(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, index);
        let shared = root.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        let groups: Vec<View<'_>> = per_frame.into_iter().chain(shared).collect();
        let group = |tag: Tag| groups.iter().find_map(|group| group.item(tag)).unwrap_or(*root);
        let modality = ModalityLut::read(&group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE), facts.signed)?
            .unwrap_or(ModalityLut::IDENTITY);
        let possible = possible_range(facts);
        let negative =
            [possible.start(), possible.end()].iter().any(|stored| modality.apply(f64::from(**stored)) < 0.0);
        Ok(Self {
            voi: Voi::read(&group(tags::FRAME_VOILUT_SEQUENCE), negative)?,
            modality,
            invert: facts.photometric == Photometric::Monochrome1,
            padding: padding(root, facts),
            possible,
        })
    }
}

/// Counts the entries of the look-up tables of an instance's frames.
#[derive(Debug, Default)]
pub(crate) struct TableEntries(usize);

impl TableEntries {
    /// Adds those of a frame; refused where they are more than an instance may have.
    pub(crate) fn add(&mut self, transform: &GreyTransform) -> Result<(), Refusal> {
        if let ModalityLut::Table(table) = &transform.modality {
            self.0 += table.entries.len();
        }
        if let Some(Voi::Table(table)) = &transform.voi {
            self.0 += table.entries.len();
        }
        if self.0 <= MOST_TABLE_ENTRIES {
            return Ok(());
        }
        let message = format!("the look-up tables of its frames have more than {MOST_TABLE_ENTRIES} entries");
        Err(Refusal::new(RefusalCode::PixelLimit, message))
    }
}

/// The stored values that Bits Stored and Pixel Representation allow; Bits Stored is at most 16 here.
fn possible_range(facts: &PixelFacts) -> RangeInclusive<i32> {
    let bits = facts.bits_stored.clamp(1, 16);
    if facts.signed { -(1 << (bits - 1))..=(1 << (bits - 1)) - 1 } else { 0..=(1 << bits) - 1 }
}

/// Pixel Padding Value (0028,0120) up to Pixel Padding Range Limit (0028,0121), in either order.
fn padding(root: &View<'_>, facts: &PixelFacts) -> Option<RangeInclusive<i32>> {
    let value = |tag| {
        let number = root.number(tag)?;
        // An implicit file does not say whether the value is signed; Pixel Representation does.
        let number = if facts.signed && number > 32_767.0 { number - 65_536.0 } else { number };
        #[expect(clippy::cast_possible_truncation, reason = "checked in the same expression")]
        (number.fract() == 0.0 && number.abs() <= 65_535.0).then_some(number as i32)
    };
    let one = value(tags::PIXEL_PADDING_VALUE)?;
    let other = value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(one);
    Some(one.min(other)..=one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(values: &[i16], padding: Option<RangeInclusive<i32>>) -> Frame {
        let raw = values.iter().map(|value| value.cast_unsigned()).collect();
        Frame {
            rows: 1,
            columns: values.len(),
            stored: StoredValues::new(raw, true),
            transform: GreyTransform {
                modality: ModalityLut::Rescale { slope: 1.0, intercept: 10.0 },
                voi: Some(Voi::Range { low: -90.0, high: 110.0 }),
                invert: false,
                padding,
                possible: -100..=100,
            },
        }
    }

    fn are(one: &[f32], other: &[f32]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-6)
    }

    /// No file has them; a process that lies may send them.
    #[test]
    fn values_beyond_the_possible_ones_are_black() {
        let grey = frame(&[-100, 0, 100, -101, 101, i16::MIN, i16::MAX], None).grey();
        assert!(are(&grey, &[0.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0]), "{grey:?}");
    }

    #[test]
    fn padding_takes_the_least_value_of_the_picture() {
        let values = [-100, -5, 7, -100];
        let [plain, padded] =
            [None, Some(-100..=-50)].map(|padding| frame(&values, padding).modality_values());
        assert!(are(&plain, &[-90.0, 5.0, 17.0, -90.0]), "{plain:?}");
        assert!(are(&padded, &[5.0, 5.0, 17.0, 5.0]), "{padded:?}");
        let empty = frame(&[-100], Some(-100..=-50)).modality_values();
        assert!(are(&empty, &[-90.0]), "padding alone is what it is: {empty:?}");
    }
}
