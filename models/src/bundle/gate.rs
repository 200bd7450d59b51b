//! The pictures a bundle may be used on, as data.

use serde::{Deserialize, Serialize};

/// The pictures a model may be used on. An empty list of modalities or SOP classes lets nothing through: what nobody
/// stated is not assumed. An empty list of body parts or views asks for none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Values of Modality (0008,0060).
    pub modalities: Vec<String>,
    /// Values of SOP Class UID (0008,0016).
    pub sop_classes: Vec<String>,
    /// Values of Body Part Examined (0018,0015) and of the coded region's meaning, upper case.
    pub body_parts: Vec<String>,
    /// Values of View Position (0018,5101).
    pub views: Vec<String>,
    /// The least age in years; younger patients are refused.
    pub age_min_years: Option<f64>,
    /// The largest age in years; older patients are refused.
    pub age_max_years: Option<f64>,
    /// The youngest training patient's age in years.
    pub age_seen_min_years: Option<f64>,
    /// The oldest training patient's age in years.
    pub age_seen_max_years: Option<f64>,
    /// The least distance of two pixels in mm (0018,1164 or 0028,0030).
    pub pixel_spacing_min_mm: Option<f64>,
    /// The largest distance of two pixels in mm.
    pub pixel_spacing_max_mm: Option<f64>,
}
