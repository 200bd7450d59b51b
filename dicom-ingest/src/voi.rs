//! From modality values to grey: VOI LUT and window (PS3.3 C.11.2).

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::modality_lut::LookupTable;
use crate::refusal::Refusal;

/// VOI LUT Function (0028,1056).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowFunction {
    /// `LINEAR`, the default (C.11.2.1.2.1).
    Linear,
    /// `LINEAR_EXACT` (C.11.2.1.3.2).
    LinearExact,
    /// `SIGMOID` (C.11.2.1.3.1).
    Sigmoid,
}

/// What makes grey of modality values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Voi {
    /// A look-up table.
    Table(LookupTable),
    /// A window.
    Window {
        /// Window Center (0028,1050).
        center: f64,
        /// Window Width (0028,1051): at least 1 for `LINEAR`, above 0 for the others.
        width: f64,
        /// How values inside the window map.
        function: WindowFunction,
    },
    /// The images state none: from the lowest to the highest value of the range that the frame's rule names.
    Range {
        /// Modality value that is black.
        low: f64,
        /// Modality value that is white.
        high: f64,
    },
}

impl Voi {
    /// Grey of a modality value, 0 to 1.
    pub fn apply(&self, value: f64) -> f64 {
        let grey = match self {
            Self::Table(table) => table.entry(value) / table.greatest(),
            Self::Window { center, width, function: WindowFunction::Linear } => {
                let (center, span) = (center - 0.5, width - 1.0);
                if value <= center - span / 2.0 {
                    0.0
                } else if value > center + span / 2.0 {
                    1.0
                } else {
                    (value - center) / span + 0.5
                }
            }
            Self::Window { center, width, function: WindowFunction::LinearExact } => {
                (value - center) / width + 0.5
            }
            Self::Window { center, width, function: WindowFunction::Sigmoid } => {
                1.0 / (1.0 + (-4.0 * (value - center) / width).exp())
            }
            Self::Range { low, high } if high > low => (value - low) / (high - low),
            Self::Range { .. } => 0.0,
        };
        grey.clamp(0.0, 1.0)
    }

    /// Reads the transform of a data set or of a functional group's item: the table first, else the first window.
    /// `None` when there is neither, or when the window is none by the standard. `signed`: values may be negative.
    pub(crate) fn read(view: &View<'_>, signed: bool) -> Result<Option<Self>, Refusal> {
        if let Some(item) = view.item(tags::VOILUT_SEQUENCE) {
            return Ok(Some(Self::Table(LookupTable::read(&item, signed)?)));
        }
        let (Some(center), Some(width)) = (view.number(tags::WINDOW_CENTER), view.number(tags::WINDOW_WIDTH))
        else {
            return Ok(None);
        };
        let function = match view.first(tags::VOILUT_FUNCTION).as_deref() {
            Some("SIGMOID") => WindowFunction::Sigmoid,
            Some("LINEAR_EXACT") => WindowFunction::LinearExact,
            _ => WindowFunction::Linear,
        };
        let valid = if function == WindowFunction::Linear { width >= 1.0 } else { width > 0.0 };
        Ok(valid.then_some(Self::Window { center, width, function }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(center: f64, width: f64, function: WindowFunction) -> Voi {
        Voi::Window { center, width, function }
    }

    /// The example of C.11.2.1.2.1: center 2048, width 4096 maps 0 to 4095 onto the whole range.
    #[test]
    fn windows_of_the_standard() {
        let linear = window(2048.0, 4096.0, WindowFunction::Linear);
        for stored in [0.0, 1.0, 1000.0, 4094.0, 4095.0] {
            assert!((linear.apply(stored) - stored / 4095.0).abs() < 1e-12);
        }
        // Width 1 is a threshold.
        let threshold = window(2048.0, 1.0, WindowFunction::Linear);
        assert_eq!((threshold.apply(2047.0), threshold.apply(2048.0)), (0.0, 1.0));
        let exact = window(128.0, 256.0, WindowFunction::LinearExact);
        for (value, grey) in [(0.0, 0.0), (128.0, 0.5), (256.0, 1.0), (300.0, 1.0)] {
            assert!((exact.apply(value) - grey).abs() < 1e-12);
        }
        let sigmoid = window(100.0, 40.0, WindowFunction::Sigmoid);
        assert!((sigmoid.apply(100.0) - 0.5).abs() < 1e-12);
        assert!((sigmoid.apply(110.0) - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn tables_clamp_at_both_ends() {
        let table = Voi::Table(LookupTable { first: -10.0, entries: vec![0, 100, 255], bits: 8 });
        for (value, grey) in [(-99.0, 0.0), (-10.0, 0.0), (-9.0, 100.0 / 255.0), (-8.0, 1.0), (99.0, 1.0)] {
            assert!((table.apply(value) - grey).abs() < 1e-12);
        }
    }
}
