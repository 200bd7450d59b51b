//! What the model does not apply to is refused as such, whatever the header says.

use std::fs;
use std::path::Path;

use chiasm_tests::{lines, phantom, run};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde_json::Value;

/// Analyses the phantom after `change`.
fn analyze(change: impl FnOnce(&mut InMemDicomObject)) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let original = dicom_object::from_reader(phantom(21).as_slice()).unwrap();
    let meta = original.meta().clone();
    let mut dataset: InMemDicomObject = original.into_inner();
    change(&mut dataset);
    let path = folder.path().join("image");
    dataset.with_exact_meta(meta).write_to_file(&path).unwrap();
    let out = folder.path().join("out");
    let arguments = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
    let output = run(&[&arguments[..], &[&out, &path]].concat());
    (output.status.code(), lines(&output).remove(0))
}

fn refused(change: impl FnOnce(&mut InMemDicomObject)) -> String {
    let (exit, line) = analyze(change);
    assert_eq!(exit, Some(3), "{line}");
    line["code"].as_str().unwrap().to_owned()
}

fn put(dataset: &mut InMemDicomObject, tag: dicom_core::Tag, vr: VR, text: &str) {
    dataset.put(DataElement::new(tag, vr, text));
}

#[test]
fn other_modalities_parts_views_species_and_undated_studies_are_refused() {
    assert_eq!(refused(|study| put(study, tags::MODALITY, VR::CS, "CT")), "NotApplicableModality");
    assert_eq!(
        refused(|study| put(study, tags::BODY_PART_EXAMINED, VR::CS, "HAND")),
        "NotApplicableBodyPart"
    );
    assert_eq!(refused(|study| put(study, tags::VIEW_POSITION, VR::CS, "LL")), "NotApplicableView");
    let sideways = |study: &mut InMemDicomObject| {
        study.remove_element(tags::VIEW_POSITION);
        put(study, tags::PATIENT_ORIENTATION, VR::CS, "A\\F");
    };
    assert_eq!(refused(sideways), "NotApplicableView");
    let cat =
        |study: &mut InMemDicomObject| put(study, tags::PATIENT_SPECIES_DESCRIPTION, VR::LO, "Felis catus");
    assert_eq!(refused(cat), "NotApplicableSpecies");
    let undated = |study: &mut InMemDicomObject| {
        for tag in [tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE, tags::CONTENT_DATE] {
            study.remove_element(tag);
        }
    };
    assert_eq!(refused(undated), "NoStudyTime");
}

#[test]
fn an_unstated_view_is_taken_from_a_frontal_picture_only() {
    let unstated = |study: &mut InMemDicomObject| {
        study.remove_element(tags::VIEW_POSITION);
        study.remove_element(tags::BODY_PART_EXAMINED);
        study.remove_element(tags::ANATOMIC_REGION_SEQUENCE);
        study.remove_element(tags::VIEW_CODE_SEQUENCE);
    };
    let (exit, line) = analyze(unstated);
    assert_eq!(exit, Some(0), "{line}");
    let code = refused(|study| {
        unstated(study);
        put_noise(study);
    });
    assert_eq!(code, "NotApplicableView");
}

#[test]
fn a_picture_that_is_surely_something_else_is_refused_under_any_header() {
    assert_eq!(refused(put_noise), "NotApplicablePicture");
    let blank = |study: &mut InMemDicomObject| {
        let pixels = study.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap().len();
        put_pixels(study, vec![1000; pixels]);
    };
    assert_eq!(refused(blank), "BlankImage");
}

#[test]
fn a_named_file_that_is_no_dicom_gets_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.dcm");
    fs::write(&path, "no DICOM").unwrap();
    let out = folder.path().join("out");
    let arguments = ["analyze", "--json", "--out"].map(Path::new);
    let output = run(&[&arguments[..], &[&out, &path]].concat());
    assert_eq!(output.status.code(), Some(3));
    let line = lines(&output).remove(0);
    assert_eq!((line["code"].as_str(), line["state"].as_str()), (Some("NotDicom"), Some("refused")));
    assert!(line["file"].as_str().unwrap().ends_with("notes.dcm"));
}

/// Noise of a fixed seed in place of the picture.
fn put_noise(study: &mut InMemDicomObject) {
    let pixels = study.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap().len();
    let mut state = 0x2545_f491_u32;
    let noise = (0..pixels).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 20) as u16
    });
    let noise = noise.collect();
    put_pixels(study, noise);
}

fn put_pixels(study: &mut InMemDicomObject, values: Vec<u16>) {
    study.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
}
