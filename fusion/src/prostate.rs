//! What a structured report of the study states of the prostate. Nothing here looks at pixels.

use jiff::Timestamp;

/// The prostate in one report; what it does not state is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProstateReport {
    /// PI-RADS category, 1 to 5, highest of all lesions.
    pub pi_rads: Option<u8>,
    /// Volume of the whole gland in mL.
    pub volume_ml: Option<f64>,
    /// Antigen that the report quotes in ng/mL, and when it was taken, where the report says so.
    pub psa: Option<(f64, Option<Timestamp>)>,
    /// Reference of the report, such as `urn:oid:1.2.3`.
    pub source: String,
    /// When it was written.
    pub dated: Option<Timestamp>,
}
