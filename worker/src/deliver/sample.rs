//! A report on its way to a target, for tests.

use super::Parcel;
use crate::ledger::{JobState, ReportBytes};

/// A report that is its page alone.
pub(crate) fn report() -> ReportBytes {
    ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: None,
        html: b"<p>".to_vec(),
        sr: None,
        overlay: None,
        segmentation: None,
    }
}

/// Version `j` of the report `r` of the study 1.2, which nobody sent before.
pub(crate) fn parcel(report: &ReportBytes) -> Parcel<'_> {
    Parcel {
        study_uid: "1.2",
        job_key: "j",
        report_key: "r",
        report,
        address: None,
        earlier: &[],
        sent_before: false,
    }
}
