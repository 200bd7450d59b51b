//! An image, and what a model says of one, made in code for tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{PhantomSpec, phantom_chest};
use jiff::civil::date;

use super::output::{ModelOutput, PictureData};

/// A phantom chest radiograph as a DICOM file.
pub(crate) fn phantom() -> Vec<u8> {
    phantom_chest(&PhantomSpec {
        seed: 1,
        patient_id: "T1".into(),
        issuer: "TESTS".into(),
        patient_name: "Test^Case".into(),
        birth_date: date(1950, 2, 3),
        sex: Sex::Female,
        study_time: date(2024, 5, 6).at(7, 8, 9, 0),
        offset_minutes: None,
        accession_number: "A1".into(),
        opacity: None,
    })
    .unwrap()
}

/// What a model says that knows the picture and finds and outlines nothing.
pub(crate) fn output() -> ModelOutput {
    ModelOutput {
        sop_instance_uid: "1.2.3".into(),
        device: "cpu".into(),
        findings: Vec::new(),
        segments: Vec::new(),
        view_ap: Some(0.5),
        frontal: Some(0.95),
        novelty: Some(0.4),
        dropped: Vec::new(),
        warnings: Vec::new(),
        picture: PictureData {
            png_base64: STANDARD.encode(b"png"),
            width: 1,
            height: 1,
            saliency_label: "Effusion".into(),
            saliency_base64: STANDARD.encode(b"png"),
        },
    }
}
