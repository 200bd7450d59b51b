//! From stored values to modality values: Modality LUT and Rescale (PS3.3 C.11.1).

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::refusal::{Refusal, RefusalCode};

/// A look-up table (PS3.3 C.11.1.1.1): values below the first take the first entry, above the last the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookupTable {
    /// The value that the first entry is for.
    pub first: f64,
    /// The entries.
    pub entries: Vec<u16>,
    /// Bits of an entry, 8 to 16.
    pub bits: u32,
}

impl LookupTable {
    /// The entry for a value; a value between two integers takes the lower one's.
    pub fn entry(&self, value: f64) -> f64 {
        let last = self.entries.len().saturating_sub(1);
        let index = (value - self.first).clamp(0.0, last as f64);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped in the line above"
        )]
        let index = index as usize;
        self.entries.get(index).copied().map_or(0.0, f64::from)
    }

    /// The greatest value that an entry of this many bits can have.
    pub fn greatest(&self) -> f64 {
        f64::from((1_u32 << self.bits) - 1)
    }

    /// Reads descriptor and data from an item. `signed`: the values looked up may be negative.
    pub(crate) fn read(item: &View<'_>, signed: bool) -> Result<Self, Refusal> {
        let bad =
            |message: &str| Refusal::new(RefusalCode::PixelMismatch, format!("look-up table: {message}"));
        let descriptor = item.numbers(tags::LUT_DESCRIPTOR);
        let [count, first, bits] = *descriptor.as_slice() else {
            return Err(bad("LUTDescriptor (0028,3002) has not three values"));
        };
        // The descriptor is US or SS; the count is unsigned whatever it says.
        let count = if count == 0.0 { 65_536.0 } else { count.rem_euclid(65_536.0) };
        let first = if signed && first > 32_767.0 { first - 65_536.0 } else { first };
        if !(8.0..=16.0).contains(&bits) {
            return Err(bad("an entry has not 8 to 16 bits"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both lie in 0 to 65,536"
        )]
        let (count, bits) = (count as usize, bits as u32);
        let words = item.words(tags::LUT_DATA);
        let bytes = item.bytes(tags::LUT_DATA).unwrap_or_default();
        let entries = match (words.len(), bytes.len()) {
            (words_count, _) if words_count == count => words,
            (_, bytes_count) if bits == 8 && bytes_count == count + count % 2 => {
                let packed = words.into_iter().flat_map(u16::to_le_bytes).map(u16::from);
                packed.take(count).collect()
            }
            _ => return Err(bad("LUTData (0028,3006) has not the number of entries of its descriptor")),
        };
        let widest = entries.iter().copied().max().unwrap_or(0);
        let bits = bits.max(16 - widest.leading_zeros());
        Ok(Self { first, entries, bits })
    }
}

/// The modality transform of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ModalityLut {
    /// Modality value = slope x stored value + intercept; slope is finite and not 0.
    Rescale {
        /// Rescale Slope (0028,1053).
        slope: f64,
        /// Rescale Intercept (0028,1052).
        intercept: f64,
    },
    /// A look-up table.
    Table(LookupTable),
}

impl ModalityLut {
    /// No transform.
    pub const IDENTITY: Self = Self::Rescale { slope: 1.0, intercept: 0.0 };

    /// The modality value of a stored value.
    pub fn apply(&self, stored: f64) -> f64 {
        match self {
            Self::Rescale { slope, intercept } => slope.mul_add(stored, *intercept),
            Self::Table(table) => table.entry(stored),
        }
    }

    /// Reads the transform of a data set or of a functional group's item; `None` when it has none.
    pub(crate) fn read(view: &View<'_>, signed: bool) -> Result<Option<Self>, Refusal> {
        if let Some(item) = view.item(tags::MODALITY_LUT_SEQUENCE) {
            return Ok(Some(Self::Table(LookupTable::read(&item, signed)?)));
        }
        let stated = |tag| view.text(tag).is_some();
        match (stated(tags::RESCALE_SLOPE), stated(tags::RESCALE_INTERCEPT)) {
            (false, false) => return Ok(None),
            (true, true) => {}
            _ => {
                return Err(Refusal::new(
                    RefusalCode::PixelMismatch,
                    "of RescaleSlope (0028,1053) and RescaleIntercept (0028,1052) only one is there",
                ));
            }
        }
        match (view.number(tags::RESCALE_SLOPE), view.number(tags::RESCALE_INTERCEPT)) {
            (Some(slope), Some(intercept)) if slope != 0.0 => Ok(Some(Self::Rescale { slope, intercept })),
            _ => Err(Refusal::new(
                RefusalCode::PixelMismatch,
                "RescaleSlope (0028,1053) or RescaleIntercept (0028,1052) is no number, or the slope is 0",
            )),
        }
    }
}
