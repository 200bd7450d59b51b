//! Key Object Selection documents by which an archive rejects instances (IHE Radiology, Imaging Object Change Management:
//! RAD-66, RAD-74). A note is read as any other instance; what it names is no input any more.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::uid::Uid;

/// Key Object Selection Document Storage.
pub const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.59";

/// Why instances are rejected: the title of the note (PS3.16 CID 7011). The gravest is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// 113038: they are of another patient or procedure than they say.
    WorklistEntry,
    /// 113037.
    PatientSafety,
    /// 113001.
    Quality,
    /// 113039: they were kept long enough. They were right, and so is what was made of them.
    RetentionExpired,
}

impl Reason {
    fn of(code: &str) -> Option<Self> {
        Some(match code {
            "113001" => Self::Quality,
            "113037" => Self::PatientSafety,
            "113038" => Self::WorklistEntry,
            "113039" => Self::RetentionExpired,
            _ => return None,
        })
    }

    /// The code and its meaning, as the standard has them.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Quality => "113001 Rejected for Quality Reasons",
            Self::PatientSafety => "113037 Rejected for Patient Safety Reasons",
            Self::WorklistEntry => "113038 Incorrect Modality Worklist Entry",
            Self::RetentionExpired => "113039 Data Retention Policy Expired",
        }
    }

    /// Whether what was made from the instances is wrong too.
    pub const fn is_against_reports(self) -> bool {
        !matches!(self, Self::RetentionExpired)
    }
}

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The instances of the note's own study that it names.
    pub instances: Vec<Uid>,
}

impl Rejection {
    /// Reads a note; `None` where the instance is none. What a note says of other studies is not read: it lies in each of them
    /// (PS3.3 C.17.6.2.1).
    pub(crate) fn read(view: &View<'_>, sop_class: &Uid, study: &Uid) -> Option<Self> {
        if sop_class.as_str() != SOP_CLASS {
            return None;
        }
        let titles = view.codes(tags::CONCEPT_NAME_CODE_SEQUENCE);
        let title = titles.first().filter(|title| title.scheme.eq_ignore_ascii_case("DCM"))?;
        let reason = Reason::of(&title.value)?;
        let of_study =
            |item: &View<'_>| item.first(tags::STUDY_INSTANCE_UID).as_deref() == Some(study.as_str());
        let mut instances: Vec<Uid> = view
            .items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
            .filter(of_study)
            .flat_map(|study| study.items(tags::REFERENCED_SERIES_SEQUENCE))
            .flat_map(|series| series.items(tags::REFERENCED_SOP_SEQUENCE))
            .filter_map(|one| one.first(tags::REFERENCED_SOP_INSTANCE_UID)?.parse().ok())
            .collect();
        instances.sort();
        instances.dedup();
        Some(Self { reason, instances })
    }
}
