//! Header facts on their way from one process to another.
//!
//! [`Instance`] itself is not serialisable, so that nobody writes what identifies a patient by accident. What is declared
//! here stays inside this module; the compiler holds it to the fields of the original.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::instance::Instance;
use crate::laterality::{Side, SideConflict};
use crate::listed::listed;
use crate::patient::{PatientIdentity, PersonName, Sex};
use crate::phi::Phi;
use crate::pixel_facts::PixelFacts;
use crate::plane::Plane;
use crate::rejection::Rejection;
use crate::species::Species;
use crate::study_time::StudyTime;
use crate::transfer_syntax::TransferSyntax;
use crate::uid::Uid;
use crate::warning::Warning;

/// An instance in a frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentInstance(#[serde(with = "InstanceDef")] pub(super) Instance);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Instance")]
struct InstanceDef {
    sop_class_uid: Uid,
    sop_instance_uid: Uid,
    study_uid: Uid,
    series_uid: Uid,
    transfer_syntax: TransferSyntax,
    transfer_syntax_uid: Uid,
    #[serde(skip)]
    sha256: [u8; 32],
    #[serde(with = "PatientIdentityDef")]
    patient: PatientIdentity,
    species: Species,
    age_years: Option<f64>,
    impossible_age: bool,
    study_time: Option<StudyTime>,
    #[serde(with = "exposed")]
    accession_number: Option<Phi<String>>,
    #[serde(with = "exposed")]
    study_description: Option<Phi<String>>,
    #[serde(with = "exposed")]
    series_description: Option<Phi<String>>,
    series_number: Option<i32>,
    instance_number: Option<i32>,
    modality: Option<String>,
    body_part: Option<String>,
    #[serde(deserialize_with = "listed")]
    anatomic_regions: Vec<Code>,
    view_position: Option<String>,
    #[serde(deserialize_with = "listed")]
    view_codes: Vec<Code>,
    laterality: Option<String>,
    ordered_side: Option<Side>,
    side_conflict: Option<SideConflict>,
    #[serde(deserialize_with = "listed")]
    patient_orientation: Vec<String>,
    lateral_evidence: Option<String>,
    presentation_intent: Option<String>,
    #[serde(deserialize_with = "listed")]
    image_type: Vec<String>,
    manufacturer: Option<String>,
    model_name: Option<String>,
    kernel: Option<String>,
    contrast: bool,
    pixels: Option<PixelFacts>,
    pixel_spacing: Option<[f64; 2]>,
    imager_pixel_spacing: Option<[f64; 2]>,
    pixel_spacing_calibration: Option<String>,
    frame_of_reference_uid: Option<Uid>,
    #[serde(deserialize_with = "listed")]
    planes: Vec<Plane>,
    unit: Option<String>,
    burned_in_annotation: Option<bool>,
    lossy: bool,
    rejection: Option<Rejection>,
    #[serde(deserialize_with = "listed")]
    warnings: Vec<Warning>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PatientIdentity")]
struct PatientIdentityDef {
    #[serde(with = "exposed")]
    id: Option<Phi<String>>,
    #[serde(with = "exposed")]
    id_bytes: Option<Phi<Vec<u8>>>,
    issuer: Option<String>,
    #[serde(with = "exposed_name")]
    name: Option<Phi<PersonName>>,
    #[serde(with = "exposed")]
    display_name: Option<Phi<String>>,
    name_undecoded: bool,
    #[serde(with = "exposed")]
    birth_date: Option<Phi<jiff::civil::Date>>,
    sex: Option<Sex>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PersonName")]
struct PersonNameDef {
    family: String,
    given: String,
    middle: String,
    ideographic: String,
    phonetic: String,
}

/// A value that identifies a patient.
mod exposed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::phi::Phi;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Phi<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Phi::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Phi<T>>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(Phi::new))
    }
}

/// The patient's name.
mod exposed_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::PersonNameDef;
    use crate::patient::PersonName;
    use crate::phi::Phi;

    #[derive(Serialize)]
    struct Given<'a>(#[serde(with = "PersonNameDef")] &'a PersonName);

    #[derive(Deserialize)]
    struct Taken(#[serde(with = "PersonNameDef")] PersonName);

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        name: &Option<Phi<PersonName>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        name.as_ref().map(|name| Given(name.expose())).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Phi<PersonName>>, D::Error> {
        Ok(Option::deserialize(deserializer)?.map(|Taken(name)| Phi::new(name)))
    }
}
