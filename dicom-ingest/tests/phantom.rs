//! The phantom is a valid, readable, deterministic chest radiograph.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may stop where it fails; its places are inside the picture"
)]

use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{Opacity, PhantomSpec, SIDE, phantom_chest};
use dicom_ingest::species::Species;
use jiff::civil::{date, datetime};

fn spec(seed: u64) -> PhantomSpec {
    PhantomSpec {
        seed,
        patient_id: "DEMO-1".into(),
        issuer: "CHIASM-DEMO".into(),
        patient_name: "Möbius^Äda".into(),
        birth_date: date(1958, 3, 14),
        sex: Sex::Female,
        study_time: datetime(2024, 5, 6, 9, 30, 0, 0),
        offset_minutes: Some(-330),
        accession_number: "DEMO1".into(),
        opacity: None,
    }
}

#[test]
fn reads_back_as_it_was_specified() {
    let bytes = phantom_chest(&spec(1)).unwrap();
    assert_eq!(bytes, phantom_chest(&spec(1)).unwrap(), "same seed, same bytes");
    // For looking at it.
    std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("phantom.dcm"), &bytes).unwrap();
    let decoded = decode(&bytes, &Limits::default()).unwrap();
    let instance = &decoded.instance;
    assert_eq!(instance.warnings, []);
    assert_eq!(instance.patient.id.as_ref().unwrap().expose(), "DEMO-1");
    assert_eq!(instance.patient.name.as_ref().unwrap().expose().family, "MOBIUS");
    assert_eq!(instance.patient.sex, Some(Sex::Female));
    assert_eq!(instance.species, Species::Human);
    assert_eq!(instance.view_position.as_deref(), Some("PA"));
    assert_eq!(instance.lateral_evidence, None);
    assert!((66.0..66.3).contains(&instance.age_years.unwrap()));
    let started = instance.study_time.as_ref().unwrap().instant(&jiff::tz::TimeZone::UTC);
    assert_eq!(started.0.to_string(), "2024-05-06T15:00:00Z");
    let grey = decoded.frames[0].grey();
    assert_eq!((decoded.frames.len(), grey.len()), (1, SIDE * SIDE));
    // Air beside the neck is black, lung is darker than heart, spine is brightest.
    let at = |x: f64, y: f64| {
        let middle = |part: f64| (part * SIDE as f64) as usize;
        let (rows, columns) = (middle(y) - 8..middle(y) + 8, middle(x) - 8..middle(x) + 8);
        let values: Vec<f32> = rows
            .flat_map(|row| columns.clone().map(move |column| row * SIDE + column))
            .map(|at| grey[at])
            .collect();
        values.iter().sum::<f32>() / values.len() as f32
    };
    let (air, lung, heart) = (at(0.05, 0.05), at(0.27, 0.45), at(0.58, 0.65));
    assert!(air < 0.1 && lung > air + 0.05 && heart > lung + 0.2, "{air} {lung} {heart}");
}

#[test]
fn an_opacity_brightens_its_place_and_no_other() {
    let opacity = Opacity { x: 0.27, y: 0.4, diameter_mm: 24.0, density: 0.8 };
    let plain = dicom_ingest::phantom::draw(7, None);
    let with = dicom_ingest::phantom::draw(7, Some(opacity));
    let changed: Vec<usize> = (0..plain.len()).filter(|at| plain[*at] != with[*at]).collect();
    let area_px = std::f64::consts::PI * (12.0 / 0.36_f64).powi(2);
    assert!(
        (changed.len() as f64) < area_px * 1.5 && (changed.len() as f64) > area_px * 0.8,
        "{}",
        changed.len()
    );
    let middle = (0.4 * SIDE as f64) as usize * SIDE + (0.27 * SIDE as f64) as usize;
    assert!(with[middle] > plain[middle] + 300, "{} {}", plain[middle], with[middle]);
}

#[test]
fn seeds_differ_and_bad_text_is_refused() {
    assert_ne!(phantom_chest(&spec(1)).unwrap(), phantom_chest(&spec(2)).unwrap());
    let bad = PhantomSpec { patient_id: "a\\b".into(), ..spec(1) };
    assert_eq!(phantom_chest(&bad).unwrap_err().field, "patient_id");
}
