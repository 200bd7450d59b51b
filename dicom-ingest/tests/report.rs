//! Nodules of structured reports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod support;

use std::fs;

use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::sr::{Composition, Lobe, Side, SrNodule, nodules};
use support::data;
use support::file::{Element, Encoding, code, identified, items, plain, text};

const COMPREHENSIVE_3D_SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";

fn item(relationship: &str, value_type: &str, name: Vec<Element>, more: Vec<Element>) -> Vec<Element> {
    let own = vec![
        text(0x40, 0xA010, "CS", relationship),
        text(0x40, 0xA040, "CS", value_type),
        items(0x40, 0xA043, vec![name]),
    ];
    [own, more].concat()
}

fn coded(name: Vec<Element>, value: Vec<Element>, content: Vec<Vec<Element>>) -> Vec<Element> {
    let mut more = vec![items(0x40, 0xA168, vec![value])];
    if !content.is_empty() {
        more.push(items(0x40, 0xA730, content));
    }
    item("CONTAINS", "CODE", name, more)
}

fn measured(name: Vec<Element>, value: &str, unit: &str) -> Vec<Element> {
    let measured = vec![text(0x40, 0xA30A, "DS", value), items(0x40, 0x08EA, vec![code("UCUM", unit, unit)])];
    item("CONTAINS", "NUM", name, vec![items(0x40, 0xA300, vec![measured])])
}

fn container(name: Vec<Element>, content: Vec<Vec<Element>>) -> Vec<Element> {
    item("CONTAINS", "CONTAINER", name, vec![items(0x40, 0xA730, content)])
}

fn group(content: Vec<Vec<Element>>) -> Vec<Element> {
    container(code("DCM", "125007", "Measurement Group"), content)
}

fn report(groups: Vec<Vec<Element>>, encoding: Encoding) -> Vec<u8> {
    let mut root = identified(COMPREHENSIVE_3D_SR);
    let measurements = container(code("DCM", "126010", "Imaging Measurements"), groups);
    root.extend(container(code("DCM", "126000", "Imaging Measurement Report"), vec![measurements]));
    root.push(text(0x40, 0xA493, "CS", "VERIFIED"));
    plain(&root, encoding)
}

fn finding(scheme: &str, value: &str) -> Vec<Element> {
    coded(code("DCM", "121071", "Finding"), code(scheme, value, "Nodule"), vec![])
}

fn site(value: &str, meaning: &str, content: Vec<Vec<Element>>) -> Vec<Element> {
    coded(code("SCT", "363698007", "Finding Site"), code("SCT", value, meaning), content)
}

fn long_axis(value: &str, unit: &str) -> Vec<Element> {
    measured(code("SCT", "103339001", "Long Axis"), value, unit)
}

fn read(bytes: &[u8]) -> Vec<SrNodule> {
    nodules(bytes, &Limits::default()).unwrap()
}

#[test]
fn a_nodule_with_all_its_facts() {
    let full = group(vec![
        item(
            "HAS OBS CONTEXT",
            "TEXT",
            code("DCM", "112039", "Tracking Identifier"),
            vec![text(0x40, 0xA160, "UT", "N1")],
        ),
        item(
            "HAS OBS CONTEXT",
            "UIDREF",
            code("DCM", "112040", "Tracking UID"),
            vec![text(0x40, 0xA124, "UI", "2.25.7")],
        ),
        finding("SCT", "27925004"),
        site(
            "45653009",
            "Upper lobe of lung",
            vec![coded(code("SCT", "272741003", "Laterality"), code("SCT", "7771000", "Left"), vec![])],
        ),
        long_axis("1.25", "cm"),
        measured(code("SCT", "103340004", "Short Axis"), "40", "mm"),
        coded(code("99X", "1", "Attenuation"), code("99X", "2", "Part-solid"), vec![]),
        coded(code("DCM", "111037", "Margins"), code("DCM", "112136", "Spiculated"), vec![]),
    ]);
    let second = group(vec![
        finding("SRT", "M-03010"),
        site("266005", "Structure of lower lobe of right lung", vec![]),
        measured(code("SCT", "81827009", "Diameter"), "6", "mm"),
        measured(code("SCT", "81827009", "Diameter"), "7.5", "mm"),
        coded(code("DCM", "111037", "Margins"), code("SCT", "82280004", "Smooth"), vec![]),
    ]);
    for encoding in [Encoding::Implicit, Encoding::Explicit, Encoding::Big, Encoding::Deflated] {
        let found = read(&report(vec![full.clone(), second.clone()], encoding));
        let [one, two] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.tracking_id.as_deref(), Some("N1"));
        assert_eq!(one.tracking_uid.as_ref().unwrap().as_str(), "2.25.7");
        assert_eq!(one.diameter_mm, Some(12.5));
        assert_eq!((one.lobe, one.side), (Some(Lobe::Upper), Some(Side::Left)));
        assert_eq!((one.composition, one.spiculated), (Some(Composition::PartSolid), Some(true)));
        assert!(one.verified);
        assert_eq!(two.diameter_mm, Some(7.5));
        assert_eq!((two.lobe, two.side), (Some(Lobe::Lower), Some(Side::Right)));
        assert_eq!((two.composition, two.spiculated), (None, Some(false)));
    }
}

#[test]
fn only_nodules_of_the_lung() {
    let thyroid =
        group(vec![finding("SCT", "27925004"), site("69748006", "Thyroid", vec![]), long_axis("9", "mm")]);
    let nowhere = group(vec![finding("SCT", "27925004"), long_axis("9", "mm")]);
    let by_itself = group(vec![finding("SCT", "427359005")]);
    let found = read(&report(vec![thyroid, nowhere, by_itself], Encoding::Explicit));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].diameter_mm, found[0].spiculated, found[0].composition), (None, None, None));
}

#[test]
fn a_strange_unit_or_length_is_refused() {
    for (value, unit) in [("12", "[in_i]"), ("12", "1"), ("-3", "mm"), ("5000", "mm")] {
        let nodule = group(vec![finding("SCT", "427359005"), long_axis(value, unit)]);
        let refused = nodules(&report(vec![nodule], Encoding::Explicit), &Limits::default()).unwrap_err();
        assert_eq!(refused.code, RefusalCode::BadUnit, "{value} {unit}");
    }
    let image = plain(&identified("1.2.840.10008.5.1.4.1.1.1"), Encoding::Explicit);
    assert_eq!(nodules(&image, &Limits::default()).unwrap_err().code, RefusalCode::MissingAttribute);
}

#[test]
fn reports_of_other_makers() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let read = |path: &str| read(&fs::read(folder.join(path)).unwrap());
    for path in [
        "highdicom/data/test_files/sr_document.dcm",
        "dcmqi/data/sr-example/sr.dcm",
        "robyoung/data/pydicom/reportsi.dcm",
        "robyoung/data/pydicom/test-SR.dcm",
    ] {
        assert_eq!(read(path), [], "{path}");
    }
    // Of four measurement groups, one is a nodule of the lung; one is the aorta, with a diameter too.
    let found = read("highdicom/data/test_files/sr_document_with_multiple_groups.dcm");
    let [nodule] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((nodule.tracking_id.as_deref(), nodule.diameter_mm), (Some("LungNodule0001"), Some(10.0)));
    assert_eq!((nodule.lobe, nodule.spiculated, nodule.verified), (None, None, false));
}
