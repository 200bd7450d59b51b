//! Whether the patient is a human, as far as the header tells (PS3.3 C.7.1.1, and words that veterinary
//! systems write into free text).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::dataset::View;

/// The species of the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Species {
    /// Nothing says otherwise.
    Human,
    /// The header says that the patient is an animal.
    NotHuman {
        /// The attribute and the word it was told by; no patient data.
        evidence: String,
    },
}

/// Free text in which veterinary systems name the species.
const FREE_TEXT: [(Tag, &str); 11] = [
    (tags::INSTITUTION_NAME, "InstitutionName"),
    (tags::INSTITUTIONAL_DEPARTMENT_NAME, "InstitutionalDepartmentName"),
    (tags::PROTOCOL_NAME, "ProtocolName"),
    (tags::STUDY_DESCRIPTION, "StudyDescription"),
    (tags::SERIES_DESCRIPTION, "SeriesDescription"),
    (tags::ACQUISITION_DEVICE_PROCESSING_DESCRIPTION, "AcquisitionDeviceProcessingDescription"),
    (tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION, "PerformedProcedureStepDescription"),
    (tags::REQUESTED_PROCEDURE_DESCRIPTION, "RequestedProcedureDescription"),
    (tags::REQUESTING_PHYSICIAN, "RequestingPhysician"),
    (tags::REFERRING_PHYSICIAN_NAME, "ReferringPhysicianName"),
    (tags::BODY_PART_EXAMINED, "BodyPartExamined"),
];

/// Code sequences whose meanings name the species.
const CODED_TEXT: [(Tag, &str); 4] = [
    (tags::PERFORMED_PROTOCOL_CODE_SEQUENCE, "PerformedProtocolCodeSequence"),
    (tags::PROCEDURE_CODE_SEQUENCE, "ProcedureCodeSequence"),
    (tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, "RequestedProcedureCodeSequence"),
    (tags::ANATOMIC_REGION_SEQUENCE, "AnatomicRegionSequence"),
];

/// Words that do not stand in the header of a human's image. Ambiguous ones are left out: CAT (computed axial
/// tomography), DOG and HORSE (bites and kicks), PORCINE and BOVINE (valves), CANINES (teeth), names of people.
const WORDS: [&str; 12] = [
    "CANINE",
    "FELINE",
    "EQUINE",
    "LAPINE",
    "CAPRINE",
    "VETERINARY",
    "VETERINARIAN",
    "VETERINARIANS",
    "VETERINARIO",
    "VETERINAIRE",
    "TIERARZT",
    "TIERKLINIK",
];

impl Species {
    pub(crate) fn read(view: &View<'_>) -> Self {
        evidence(view).map_or(Self::Human, |evidence| Self::NotHuman { evidence })
    }
}

fn evidence(view: &View<'_>) -> Option<String> {
    let not_human = |text: &str| !matches!(text.to_uppercase().as_str(), "HUMAN" | "HOMO SAPIENS" | "");
    if view.first(tags::PATIENT_SPECIES_DESCRIPTION).is_some_and(|text| not_human(&text)) {
        return Some("PatientSpeciesDescription is not human".to_owned());
    }
    let codes = view.codes(tags::PATIENT_SPECIES_CODE_SEQUENCE);
    if codes.iter().any(|code| !is_homo_sapiens(code)) {
        return Some("PatientSpeciesCodeSequence is not Homo sapiens".to_owned());
    }
    if view.first(tags::PATIENT_BREED_DESCRIPTION).is_some()
        || view.item(tags::PATIENT_BREED_CODE_SEQUENCE).is_some()
        || view.item(tags::BREED_REGISTRATION_SEQUENCE).is_some()
    {
        return Some("a breed is stated".to_owned());
    }
    if view.first(tags::RESPONSIBLE_PERSON_ROLE).as_deref() == Some("OWNER") {
        return Some("ResponsiblePersonRole is OWNER".to_owned());
    }
    let free = FREE_TEXT.into_iter().filter_map(|(tag, name)| Some((view.text(tag)?, name)));
    let coded = CODED_TEXT
        .into_iter()
        .flat_map(|(tag, name)| view.codes(tag).into_iter().map(move |code| (code.meaning, name)));
    free.chain(coded).find_map(|(text, name)| Some(format!("{name} says {}", animal_word(&text)?)))
}

/// SNOMED CT 337915000, formerly SRT L-85B00.
fn is_homo_sapiens(code: &Code) -> bool {
    matches!(code.value.as_str(), "337915000" | "L-85B00")
}

fn animal_word(text: &str) -> Option<&'static str> {
    let upper = text.to_uppercase();
    let mut words = upper.split(|letter: char| !letter.is_alphanumeric());
    words.find_map(|word| WORDS.into_iter().find(|animal| *animal == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_only() {
        assert_eq!(animal_word("CANINE LATERAL THORAX 0-15cm"), Some("CANINE"));
        assert_eq!(animal_word("Veterinarian^VeryGood^"), Some("VETERINARIAN"));
        for human in ["CHEST PA", "upper canines", "CANINEX", "Dr. Catherine Dogood", "bovine valve", "CAT"] {
            assert_eq!(animal_word(human), None, "{human}");
        }
    }
}
