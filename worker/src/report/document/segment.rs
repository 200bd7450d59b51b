//! What the image model outlines.

use models::Mask;

use super::Coding;

/// One thing as the image model outlines it.
#[derive(Clone, PartialEq)]
pub struct Segment {
    /// Stable name, as in the `--json` line.
    pub label: String,
    /// Title for a reader, such as `Left lung`.
    pub title: String,
    /// What kind of thing it is, in SNOMED CT, such as *Anatomical Structure*.
    pub category: Coding,
    /// What it is, in SNOMED CT, such as *Lung*.
    pub property: Coding,
    /// Identifier of the [`Model`](super::Model) that outlined it.
    pub model: String,
    /// Its pixels in the image that was read; none where the model outlined nothing.
    pub mask: Mask,
    /// Their area in mm²; `None` where the image does not say how large its pixels are in the patient.
    pub area_mm2: Option<f64>,
    /// Mean probability of the pixels, 0 to 1, not calibrated; `None` where there are none.
    pub probability: Option<f64>,
    /// A pixel with this probability or more is inside, 0 to 1.
    pub threshold: f64,
}

impl Segment {
    /// Whether the model outlined nothing.
    pub fn is_empty(&self) -> bool {
        self.mask.pixels() == 0
    }
}
