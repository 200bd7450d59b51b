//! How a job ends without a result: refused for a typed reason, or failed for a human to look at.

use dicom_ingest::outcome::Outcome;
use dicom_ingest::refusal::RefusalCode;

/// A job without a result. No text of it holds patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The study cannot be analysed, and trying again would not change that.
    #[error("{}: {}", .0.code, .0.reason)]
    Refused(Why),
    /// Something broke; a human has to look.
    #[error("{}: {}", .0.code, .0.reason)]
    Failed(Why),
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Stable code.
    pub code: String,
    /// What was found, in one sentence.
    pub reason: String,
    /// What a person can do about it, in one sentence.
    pub next_step: String,
}

impl Ending {
    /// A refusal; the next step follows from the code.
    pub fn refused(code: &str, reason: impl Into<String>) -> Self {
        Self::Refused(Why {
            code: code.to_owned(),
            reason: reason.into(),
            next_step: next_step(code).to_owned(),
        })
    }

    /// A failure.
    pub fn failed(code: &str, reason: impl Into<String>, next_step: &str) -> Self {
        Self::Failed(Why { code: code.to_owned(), reason: reason.into(), next_step: next_step.to_owned() })
    }

    /// Why there is no result.
    pub fn why(&self) -> &Why {
        match self {
            Self::Refused(why) | Self::Failed(why) => why,
        }
    }
}

/// Whether a refusal of this code is held for a person before it goes out (`docs/codes.md`): somebody can find out whose images
/// and whose record these are, or that the picture was lost on its way, and a new version takes the refusal's place. What files
/// hold is declared with their codes; what record and images say of each other is declared here.
pub(crate) fn is_held(code: &str) -> bool {
    let is_of_a_file = |known: &RefusalCode| known.as_str() == code && known.outcome() == Outcome::Hold;
    let is_of_the_record = matches!(
        code,
        "RecordOfOtherPatient"
            | "SeveralRecords"
            | "RecordMixedPatients"
            | "SexConflict"
            | "BirthDateConflict"
            | "NameConflict"
            | "IdentityUnconfirmed"
    );
    is_of_the_record || RefusalCode::ALL.iter().any(is_of_a_file)
}

/// What a person can do about a refusal.
fn next_step(code: &str) -> &'static str {
    match code {
        code if code.starts_with("NotApplicable") => {
            "Read the study without this program; no result is not a negative result."
        }
        "RecordOfOtherPatient"
        | "SexConflict"
        | "BirthDateConflict"
        | "NameConflict"
        | "IdentityUnconfirmed"
        | "RecordNotCurrent"
        | "SeveralRecords"
        | "RecordMixedPatients"
        | "NoPatientId"
        | "MixedPatient"
        | "LateralityConflict"
        | "OrderConflict"
        | "ImplausibleDate" => {
            "Check whose images and whose record these are, correct the source, and submit the study again."
        }
        "RecordUnreadable" => "Offer a FHIR R4 bundle of this patient, or leave the record out.",
        "RejectedByArchive" => {
            "Look in the archive for corrected images, and submit the study again once they are there."
        }
        "NoStudyTime" => "Correct Study Date (0008,0020) at the source, and submit the study again.",
        "BlankImage" => "Look at the image: it has no contrast. Send it again from the modality.",
        "Truncated" | "LengthOverrun" | "UnreadableFile" | "DecoderFailed" | "SourceChanged" => {
            "Fetch the study again from the archive: the file is damaged or was changed."
        }
        "UnsupportedTransferSyntax" | "UnsupportedPixel" | "ColourPixel" => {
            "Send the image as grey values in a lossless transfer syntax."
        }
        _ => "Look at the file at its source; it cannot be read as it is.",
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, is_held};

    #[test]
    fn what_is_held_is_what_the_list_of_codes_says() {
        let list = include_str!("../../docs/codes.md");
        let section =
            list.split("## What a person has to look at first").nth(1).expect("the section is there");
        let section = section.split("\n## ").next().expect("it has a text");
        let named = |code: &&str| is_held(code) && section.contains(&format!("`{code}`"));
        let codes: Vec<&str> = list.split("| `").skip(1).filter_map(|row| row.split('`').next()).collect();
        let held: Vec<&str> = codes.iter().copied().filter(|code| is_held(code)).collect();
        assert_eq!(held.len(), 11, "{held:?}");
        assert!(held.iter().all(named), "{held:?}");
        assert_eq!(
            codes.iter().filter(|code| section.contains(&format!("`{code}`"))).count(),
            12,
            "and StudyIncomplete"
        );
    }

    #[test]
    fn every_refusal_says_what_to_do_next() {
        for code in ["NotApplicableView", "SexConflict", "Truncated", "TooDeep", "AnythingNew"] {
            let ending = Ending::refused(code, "because");
            assert!(ending.why().next_step.ends_with('.'), "{code}");
            assert_eq!(ending.to_string(), format!("{code}: because"));
        }
    }
}
