//! The index lesion: what the formulas were fed with. Somebody measured it, and it is cited; or a model outlined it, which is said.

use jiff::Timestamp;

use super::{Coding, Risk};

/// The lesion that risks were computed for.
#[derive(Clone, PartialEq)]
pub struct Lesion {
    /// What it is, such as `Lung nodule`.
    pub title: String,
    /// The same as a code.
    pub finding: Coding,
    /// Where it lies, for a reader.
    pub site: String,
    /// The same as a code.
    pub site_coding: Coding,
    /// Texture, such as `solid`.
    pub kind: Option<String>,
    /// The same as a code.
    pub kind_coding: Option<Coding>,
    /// Whether its margin is spiculated.
    pub spiculated: Option<bool>,
    /// Longest diameter, mm.
    pub diameter_mm: f64,
    /// When it was seen.
    pub seen: Option<Timestamp>,
    /// Lesions of its kind on its examination, this one included, where that is known.
    pub count: Option<u32>,
    /// Reference of what states it: a resource of the record, or `urn:oid:` and a SOP Instance UID.
    pub source: Option<String>,
    /// The model whose outline it is; `None` where somebody measured it.
    pub outlined: Option<OutlinedLesion>,
    /// The same lesion on the examination before.
    pub earlier: Option<EarlierLesion>,
}

/// The outline that a lesion's diameter was measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlinedLesion {
    /// The model, as `name@version`.
    pub model: String,
    /// Label of the [`Segment`](super::Segment).
    pub segment: String,
}

/// The lesion as the examination before saw it.
#[derive(Clone, PartialEq)]
pub struct EarlierLesion {
    /// Longest diameter, mm.
    pub diameter_mm: f64,
    /// When it was seen.
    pub seen: Option<Timestamp>,
    /// Reference of what states it.
    pub source: Option<String>,
    /// The later diameter less the earlier one, mm.
    pub difference_mm: f64,
    /// Growth, where it can be told.
    pub growth: Option<LesionGrowth>,
}

/// How a lesion grew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LesionGrowth {
    /// Not at all: it is not larger.
    None,
    /// Its volume, taken as a sphere's, doubles in so many days.
    Doubles {
        /// Days.
        days: f64,
    },
}

impl Lesion {
    /// Whether a risk was computed for it: one of its inputs is stated where the lesion is.
    pub fn is_input_of(&self, risk: &Risk) -> bool {
        self.source.is_some() && risk.inputs.iter().any(|input| input.source == self.source)
    }

    /// Days in which its volume doubles.
    pub fn doubling_days(&self) -> Option<f64> {
        match self.earlier.as_ref()?.growth? {
            LesionGrowth::None => None,
            LesionGrowth::Doubles { days } => Some(days),
        }
    }
}

/// A length as every rendering writes it: at most two digits after the point, none that say nothing. `None` for what is no
/// number.
pub fn millimetres(length: f64) -> Option<String> {
    written(length, 2)
}

/// Whole days.
pub fn days(days: f64) -> Option<String> {
    written(days, 0)
}

fn written(number: f64, digits: usize) -> Option<String> {
    let text = number.is_finite().then(|| format!("{number:.digits$}"))?;
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    Some(if text == "-0" { "0".to_owned() } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_the_same_everywhere() {
        let rows = [
            (9.0, Some("9")),
            (9.25, Some("9.25")),
            (-0.001, Some("0")),
            (-1.5, Some("-1.5")),
            (f64::NAN, None),
        ];
        for (length, expected) in rows {
            assert_eq!(millimetres(length).as_deref(), expected);
        }
        assert_eq!((days(400.4).as_deref(), days(120.0).as_deref()), (Some("400"), Some("120")));
    }
}
