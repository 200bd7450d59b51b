//! What can be wrong with a scan: a byte, where a refusal is a sentence that every pixel would have room for.

use super::super::jpeg::failed;
use crate::refusal::Refusal;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// No bits are left.
    Ended,
    /// More zeros than a code may have.
    LongCode,
    /// A run goes on behind its line.
    LongRun,
    /// An error that no sample can have.
    GreatError,
}

impl From<Damage> for Refusal {
    fn from(damage: Damage) -> Self {
        failed(match damage {
            Damage::Ended => "the JPEG-LS scan ends before its last pixel",
            Damage::LongCode => "the JPEG-LS scan holds a code that is too long",
            Damage::LongRun => "a JPEG-LS run is longer than its line",
            Damage::GreatError => "a JPEG-LS error is greater than its range",
        })
    }
}
