//! The same picture in another encoding gives the same findings.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chiasm_tests::{lines, phantom, run};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject};

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// Largest difference of a probability between two encodings of one picture.
const TOLERANCE: f64 = 1e-3;

/// A variant: its name, its transfer syntax, and what is done to the data set.
type Variant = (&'static str, &'static str, fn(&mut InMemDicomObject));

const VARIANTS: [Variant; 8] = [
    ("as it is", EXPLICIT_LITTLE, |_| {}),
    ("implicit", IMPLICIT_LITTLE, |_| {}),
    ("deflated", DEFLATED, |_| {}),
    ("big endian", EXPLICIT_BIG, |_| {}),
    ("monochrome1", EXPLICIT_LITTLE, inverted),
    ("signed", EXPLICIT_LITTLE, signed),
    ("rescaled", EXPLICIT_LITTLE, rescaled),
    ("16 bit", EXPLICIT_LITTLE, sixteen_bits),
];

#[test]
fn findings_do_not_depend_on_the_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let studies = folder.path().join("studies");
    fs::create_dir(&studies).unwrap();
    let original = dicom_object::from_reader(phantom(11).as_slice()).unwrap();
    for (index, (name, syntax, change)) in VARIANTS.iter().enumerate() {
        write(&original, syntax, index, *change, &studies.join(name));
    }
    let out = folder.path().join("out");
    let arguments = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
    let output = run(&[&arguments[..], &[&out, &studies]].concat());
    let found: BTreeMap<String, Vec<f64>> = lines(&output)
        .iter()
        .map(|line| {
            assert_eq!(line["state"], "reported", "{line}");
            let findings = line["findings"].as_array().unwrap();
            let probabilities =
                findings.iter().map(|finding| finding["probability"].as_f64().unwrap()).collect();
            (line["study_uid"].as_str().unwrap().to_owned(), probabilities)
        })
        .collect();
    assert_eq!(found.len(), VARIANTS.len());
    let reference = &found[&study_uid(0)];
    for (index, (name, ..)) in VARIANTS.iter().enumerate() {
        let difference = reference
            .iter()
            .zip(&found[&study_uid(index)])
            .map(|(one, other)| (one - other).abs())
            .fold(0.0, f64::max);
        assert!(difference <= TOLERANCE, "{name}: findings differ by {difference}");
    }
}

fn study_uid(index: usize) -> String {
    format!("2.25.7700{index}")
}

fn write(
    original: &DefaultDicomObject,
    syntax: &str,
    index: usize,
    change: fn(&mut InMemDicomObject),
    path: &Path,
) {
    let mut dataset: InMemDicomObject = (**original).clone();
    change(&mut dataset);
    dataset.put(DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, study_uid(index)));
    let instance = format!("2.25.8800{index}");
    dataset.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, instance.clone()));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(original.meta().media_storage_sop_class_uid())
        .media_storage_sop_instance_uid(instance);
    dataset.with_meta(meta).unwrap().write_to_file(path).unwrap();
}

fn integer(dataset: &InMemDicomObject, tag: dicom_core::Tag) -> i64 {
    dataset.element(tag).unwrap().to_int().unwrap()
}

fn number(dataset: &InMemDicomObject, tag: dicom_core::Tag) -> Option<f64> {
    dataset.element(tag).ok().and_then(|element| element.to_float64().ok())
}

fn stored(dataset: &InMemDicomObject) -> Vec<u16> {
    dataset.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap()
}

fn put_stored(dataset: &mut InMemDicomObject, values: Vec<u16>) {
    dataset.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.into())));
}

fn put_text(dataset: &mut InMemDicomObject, tag: dicom_core::Tag, vr: VR, text: &str) {
    dataset.put(DataElement::new(tag, vr, text));
}

/// The highest stored value.
fn highest(dataset: &InMemDicomObject) -> u16 {
    u16::try_from((1_u32 << integer(dataset, tags::BITS_STORED)) - 1).unwrap()
}

/// MONOCHROME1 with inverted stored values; the window moves to the mirrored side.
fn inverted(dataset: &mut InMemDicomObject) {
    let top = highest(dataset);
    let values = stored(dataset).into_iter().map(|value| top - value).collect();
    put_stored(dataset, values);
    put_text(dataset, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    put_text(dataset, tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE");
    if let Some(centre) = number(dataset, tags::WINDOW_CENTER) {
        let mirrored = f64::from(top) + 1.0 - centre;
        put_text(dataset, tags::WINDOW_CENTER, VR::DS, &mirrored.to_string());
    }
}

/// Two's complement around the middle; the intercept gives the old values back.
fn signed(dataset: &mut InMemDicomObject) {
    let bits = integer(dataset, tags::BITS_STORED);
    let middle = 1_u16 << (bits - 1);
    let mask = highest(dataset);
    let values = stored(dataset).into_iter().map(|value| value.wrapping_sub(middle) & mask).collect();
    put_stored(dataset, values);
    dataset.put(DataElement::new(tags::PIXEL_REPRESENTATION, VR::US, PrimitiveValue::from(1_u16)));
    put_text(dataset, tags::RESCALE_INTERCEPT, VR::DS, &middle.to_string());
    put_text(dataset, tags::RESCALE_SLOPE, VR::DS, "1");
}

/// Modality values of another scale; the window follows them.
fn rescaled(dataset: &mut InMemDicomObject) {
    let (slope, intercept) = (0.25, -100.0);
    put_text(dataset, tags::RESCALE_SLOPE, VR::DS, &slope.to_string());
    put_text(dataset, tags::RESCALE_INTERCEPT, VR::DS, &intercept.to_string());
    if let (Some(centre), Some(width)) =
        (number(dataset, tags::WINDOW_CENTER), number(dataset, tags::WINDOW_WIDTH))
    {
        // LINEAR maps centre - 0.5 and width - 1 (PS3.3 C.11.2.1.2.1), so those scale.
        let centre = (centre - 0.5) * slope + intercept + 0.5;
        let width = (width - 1.0) * slope + 1.0;
        put_text(dataset, tags::WINDOW_CENTER, VR::DS, &centre.to_string());
        put_text(dataset, tags::WINDOW_WIDTH, VR::DS, &width.to_string());
    }
}

/// The same values in the upper bits of 16.
fn sixteen_bits(dataset: &mut InMemDicomObject) {
    let shift = u32::try_from(16 - integer(dataset, tags::BITS_STORED)).unwrap();
    let factor = f64::from(1_u32 << shift);
    let values = stored(dataset).into_iter().map(|value| value << shift).collect();
    put_stored(dataset, values);
    dataset.put(DataElement::new(tags::BITS_STORED, VR::US, PrimitiveValue::from(16_u16)));
    dataset.put(DataElement::new(tags::HIGH_BIT, VR::US, PrimitiveValue::from(15_u16)));
    if let (Some(centre), Some(width)) =
        (number(dataset, tags::WINDOW_CENTER), number(dataset, tags::WINDOW_WIDTH))
    {
        put_text(dataset, tags::WINDOW_CENTER, VR::DS, &((centre - 0.5) * factor + 0.5).to_string());
        put_text(dataset, tags::WINDOW_WIDTH, VR::DS, &((width - 1.0) * factor + 1.0).to_string());
    }
}
