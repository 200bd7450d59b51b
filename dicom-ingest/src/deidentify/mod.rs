//! De-identification by the Basic Application Level Confidentiality Profile (PS3.15 annex E), with the usual options.
//!
//! What becomes of an attribute is data: [`profile`] holds table E.1-1 of the standard, edition 2024e. UIDs, the patient's
//! number and name, and the days by which dates are moved follow from a secret [`Key`] ([`pseudonym`]): the same key gives the
//! same ones, so that what belonged together still does, and nobody without it finds the way back. Sequences are walked at
//! every depth (`rewrite`). Pixels are left as they are: an object that may show text is refused (`content`).
//!
//! Three things go beyond the profile: a private attribute is removed always, so is one that the dictionary does not know, and
//! so is a name of a person in an attribute that the table does not list.

mod content;
mod encode;
pub mod profile;
pub mod pseudonym;
mod rewrite;

use serde::{Deserialize, Serialize};

use crate::contain::contain;
use crate::limits::Limits;
use crate::prescan::prescan;
use crate::refusal::Refusal;
use crate::uid::Uid;

pub use pseudonym::Key;

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the options of the standard are on or off, each by itself"
)]
pub struct Options {
    /// The secret that pseudonyms follow from.
    pub key: Key,
    /// What becomes of dates and times.
    pub dates: Dates,
    /// Retain UIDs Option (E.3.9).
    pub retain_uids: bool,
    /// Retain Device Identity Option (E.3.7).
    pub retain_device: bool,
    /// Retain Institution Identity Option (E.3.8).
    pub retain_institution: bool,
    /// Retain Patient Characteristics Option (E.3.5): sex, age, size, weight and the like.
    pub retain_patient_characteristics: bool,
    /// Clean Descriptors Option (E.3.4), by removal: texts of more than one line are removed wherever they stand.
    pub clean_descriptors: bool,
    /// Somebody has looked, and no picture shows who the patient is.
    pub pixels_are_clean: bool,
}

/// What becomes of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dates {
    /// Removed, emptied or replaced, as the basic profile says.
    Remove,
    /// Moved back by a number of days that is one for all of a patient: intervals stay (E.3.6, modified dates).
    Shift,
    /// Left as they are (E.3.6, full dates).
    Keep,
}

impl Options {
    /// The basic profile alone.
    pub fn basic(key: Key) -> Self {
        Self {
            key,
            dates: Dates::Remove,
            retain_uids: false,
            retain_device: false,
            retain_institution: false,
            retain_patient_characteristics: false,
            clean_descriptors: false,
            pixels_are_clean: false,
        }
    }

    /// The codes of what was applied (PS3.16 CID 7050), with their meanings.
    pub fn codes(&self) -> Vec<(&'static str, &'static str)> {
        let options = [
            (true, "113100", "Basic Application Confidentiality Profile"),
            (self.clean_descriptors, "113105", "Clean Descriptors Option"),
            (
                self.dates == Dates::Keep,
                "113106",
                "Retain Longitudinal Temporal Information Full Dates Option",
            ),
            (
                self.dates == Dates::Shift,
                "113107",
                "Retain Longitudinal Temporal Information Modified Dates Option",
            ),
            (self.retain_patient_characteristics, "113108", "Retain Patient Characteristics Option"),
            (self.retain_device, "113109", "Retain Device Identity Option"),
            (self.retain_uids, "113110", "Retain UIDs Option"),
            (self.retain_institution, "113112", "Retain Institution Identity Option"),
        ];
        options.into_iter().filter(|(on, ..)| *on).map(|(_, code, meaning)| (code, meaning)).collect()
    }
}

/// The UIDs that a de-identified instance has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Series Instance UID.
    pub series_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
}

/// A de-identified instance.
#[derive(Debug, Clone)]
pub struct Deidentified {
    /// Its UIDs.
    pub named: Named,
    /// The file. It keeps its transfer syntax, unless that was the deflated one, which becomes explicit little endian.
    pub bytes: Vec<u8>,
}

/// De-identifies an instance. Refused are those that cannot be read, also without what may not be kept of them, and those that may
/// show or tell who the patient is in a way that no table of attributes reaches: [`crate::refusal::RefusalCode::BurnedInText`],
/// [`crate::refusal::RefusalCode::StructuredContent`].
pub fn deidentify(bytes: &[u8], limits: &Limits, options: &Options) -> Result<Deidentified, Refusal> {
    contain(|| {
        let found = prescan(bytes, limits)?;
        content::check(&found, options)?;
        let done = rewrite::rewrite(&found, options)?;
        prescan(&done.bytes, limits).map_err(|refusal| unreadable(&refusal))?;
        Ok(done)
    })
}

/// The file states something that reading needs as what it is not, a name for instance, and nothing of that is kept.
fn unreadable(refusal: &Refusal) -> Refusal {
    let message =
        format!("without what may not be kept of it, the instance could not be read: {}", refusal.message);
    Refusal::new(refusal.code, message)
}
