//! What headers state, and what is not taken from them: nothing is guessed where something is stated.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test may stop where it fails; the compared floats are exact"
)]

mod support;

use std::path::PathBuf;

use dicom_ingest::decode::{Decoded, decode};
use dicom_ingest::identity::{Conflict, StatedIdentity};
use dicom_ingest::instance::Instance;
use dicom_ingest::laterality::{Side, SideConflict};
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::study::{StudyFile, StudyOutcome, group};
use dicom_ingest::warning::WarningCode;
use support::file::{
    Element, Encoding, Picture, Value, code, encapsulated, head, identified, items, plain, text,
};
use support::malformed::pictures;

fn with(more: Vec<Element>) -> Picture {
    Picture { more, ..pictures()[1].clone() }
}

fn read(more: Vec<Element>) -> Instance {
    read_header(&with(more).file(Encoding::Explicit), &Limits::default()).unwrap()
}

fn refused(more: Vec<Element>) -> RefusalCode {
    let bytes = with(more).file(Encoding::Explicit);
    decode(&bytes, &Limits::default()).map(|_| ()).unwrap_err().code
}

/// The elements of a sequence's value in implicit little endian, as UN has it (PS3.5 6.2.2).
fn unknown((group, element, _, value): Element) -> Element {
    let sequence = plain(&[(group, element, "SQ", value)], Encoding::Implicit);
    let value_at = head(Encoding::Implicit.uid()).len() + 8;
    (group, element, "UN", Value::Bytes(sequence[value_at..].to_vec()))
}

#[test]
fn a_sequence_of_unknown_representation_is_read_as_one() {
    let table = vec![
        (0x28, 0x3002, "US", Value::U16(vec![256, 0, 16])),
        (0x28, 0x3006, "OW", Value::U16((0..256).map(|entry| 1000 - entry).collect())),
    ];
    let of = |wrap: fn(Element) -> Element| {
        let region = vec![code("SCT", "51185008", "Chest")];
        let more = vec![wrap(items(8, 0x2218, region)), wrap(items(0x28, 0x3000, vec![table.clone()]))];
        decode(&with(more).file(Encoding::Explicit), &Limits::default()).unwrap()
    };
    let (known, unknown) = (of(|element| element), of(unknown));
    let facts = |decoded: &Decoded| format!("{:?}", Instance { sha256: [0; 32], ..decoded.instance.clone() });
    assert_eq!(facts(&known), facts(&unknown));
    assert_eq!(unknown.instance.anatomic_regions[0].meaning, "Chest");
    assert_eq!(unknown.frames[0].modality_values()[..2], [1000.0, 999.0]);
    assert_eq!(known.frames[0].grey(), unknown.frames[0].grey());
    // what is no sequence is refused, and not passed over
    let junk = vec![(0x28, 0x3000, "UN", Value::Bytes(vec![7; 20]))];
    assert_eq!(refused(junk), RefusalCode::BadStructure);
}

#[test]
fn an_attribute_of_the_pixels_that_is_stated_and_unusable_is_not_guessed() {
    for element in [2, 0x101, 0x102, 0x103] {
        for odd in
            [text(0x28, element, "LO", "12"), text(0x28, element, "IS", "-1"), items(0x28, element, vec![])]
        {
            assert_eq!(refused(vec![odd]), RefusalCode::MissingAttribute, "(0028,{element:04X})");
        }
    }
    let unsigned = |picture: &Picture| {
        let mut elements = picture.elements();
        elements.retain(|element| (element.0, element.1) != (0x28, 0x103));
        decode(&support::file::file(&elements, Encoding::Explicit, picture), &Limits::default())
    };
    let read = unsigned(&pictures()[1]).unwrap();
    // a value of 16 bits that a sign makes another of; one of 8 bits
    let with_last = |picture: &Picture, last: u16| {
        let mut samples = picture.samples.clone();
        samples[255] = last;
        unsigned(&Picture { samples, ..picture.clone() }).map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(with_last(&pictures()[1], 0x7FFF), Ok(()));
    assert_eq!(with_last(&pictures()[1], 0x8000), Err(RefusalCode::MissingAttribute));
    assert_eq!(with_last(&pictures()[0], 0xFF), Ok(()));
    assert!(read.instance.warnings.iter().any(|warning| warning.code == WarningCode::SignUnstated));
}

#[test]
fn sizes_that_two_bytes_do_not_hold_are_refused() {
    let wide = |element, value: u32| (0x28, element, "UL", Value::Bytes(value.to_le_bytes().to_vec()));
    for more in [
        vec![wide(0x10, 65_536)],
        vec![wide(0x11, u32::MAX)],
        vec![wide(2, 65_536)],
        vec![wide(0x10, u32::MAX), wide(0x11, u32::MAX), wide(2, u32::MAX)],
    ] {
        assert_eq!(refused(more.clone()), RefusalCode::PixelLimit, "{more:?}");
    }
}

#[test]
fn half_a_rescale_is_none() {
    for (element, value) in [(0x1053, "2"), (0x1052, "-1024")] {
        assert_eq!(refused(vec![text(0x28, element, "DS", value)]), RefusalCode::PixelMismatch);
    }
    let rescale = || vec![text(0x28, 0x1052, "DS", "-1024"), text(0x28, 0x1053, "DS", "1")];
    let ct = |more: Vec<Element>| read([vec![text(8, 0x60, "CS", "CT")], more].concat()).unit;
    assert_eq!(ct(rescale()).as_deref(), Some("HU"));
    assert_eq!(ct(vec![]), None, "stored values of a CT are in no unit that is known");
    assert_eq!(ct([rescale(), vec![text(0x28, 0x1054, "LO", "mgml")]].concat()).as_deref(), Some("mgml"));
}

#[test]
fn padding_is_no_measurement() {
    let mut samples: Vec<u16> = (100..356).collect();
    samples[..3].copy_from_slice(&[63_536, 63_536, 100]);
    let more = vec![
        (0x28, 0x120, "SS", Value::Bytes((-2000_i16).to_le_bytes().to_vec())),
        text(0x28, 0x1052, "DS", "-1024"),
        text(0x28, 0x1053, "DS", "1"),
    ];
    let of = |samples: Vec<u16>| {
        let picture = Picture { signed: true, samples, ..with(more.clone()) };
        decode(&picture.file(Encoding::Explicit), &Limits::default()).unwrap().frames[0].modality_values()
    };
    assert_eq!(of(samples)[..4], [-924.0, -924.0, -924.0, -921.0]);
    assert!(of(vec![63_536; 256]).iter().all(|value| *value == -3024.0), "nothing was measured");
}

/// The refusal of the study that these are the instances of.
fn refusal_of(instances: Vec<Instance>) -> Option<RefusalCode> {
    let files = instances.into_iter().enumerate();
    let files = files.map(|(at, instance)| StudyFile { path: PathBuf::from(at.to_string()), instance });
    match &group(files.collect(), Vec::new()).0[0] {
        StudyOutcome::Ready(_) => None,
        StudyOutcome::Refused(refused) => Some(refused.refusal.code),
    }
}

#[test]
fn a_side_that_contradicts_another_refuses_the_study() {
    let image = |side: &str| text(0x20, 0x62, "CS", side);
    let series = |side: &str| text(0x20, 0x60, "CS", side);
    let frame = |side: &str| {
        let anatomy = vec![text(0x20, 0x9072, "CS", side)];
        items(0x5200, 0x9230, vec![vec![items(0x20, 0x9071, vec![anatomy])]])
    };
    for more in [vec![image("L"), series("R")], vec![image("R"), frame("L")], vec![series("L"), frame("R")]] {
        let instance = read(more.clone());
        assert_eq!((&instance.laterality, instance.side_conflict), (&None, Some(SideConflict::Pictured)));
        assert_eq!(refusal_of(vec![instance]), Some(RefusalCode::LateralityConflict), "{more:?}");
    }
    let sound = read(vec![image("L"), series("L"), frame("L")]);
    assert_eq!((sound.laterality.as_deref(), sound.side_conflict), (Some("L"), None));
    assert_eq!(refusal_of(vec![sound]), None);
    assert_eq!(read(vec![image("U"), series("R")]).laterality.as_deref(), Some("U"));
    assert_eq!(read(vec![frame("R")]).laterality.as_deref(), Some("R"));
}

#[test]
fn a_side_that_was_not_ordered_refuses_the_study() {
    let ordered = |words: &str| text(0x32, 0x1060, "LO", words);
    let requested = |words: &[&str]| {
        let request = |words: &&str| vec![items(0x32, 0x1064, vec![code("99X", "1", words)])];
        items(0x40, 0x275, words.iter().map(request).collect())
    };
    let image = |side: &str| text(0x20, 0x62, "CS", side);
    for (side, order, conflicts) in [
        ("R", ordered("XR HAND LEFT"), true),
        ("L", ordered("XR HAND LEFT"), false),
        ("L", requested(&["Right knee"]), true),
        ("L", requested(&["Right knee", "Left knee"]), false),
        ("R", ordered("CHEST PA AND LEFT LATERAL"), false),
        ("B", ordered("XR HAND LEFT"), false),
        ("U", ordered("XR HAND LEFT"), false),
    ] {
        let code = refusal_of(vec![read(vec![image(side), order.clone()])]);
        assert_eq!(code, conflicts.then_some(RefusalCode::LateralityConflict), "{side} {order:?}");
    }
}

#[test]
fn patient_order_and_side_are_one_value_with_its_conflicts() {
    let other = |more: Vec<Element>| read([vec![text(8, 0x18, "UI", "1.2.3.5")], more].concat());
    let one = read(vec![
        text(8, 0x50, "SH", "A1"),
        text(0x20, 0x62, "CS", "L"),
        text(0x10, 0x30, "DA", "19500102"),
    ]);
    let stated = StatedIdentity::of([&one, &other(vec![text(0x20, 0x62, "CS", "R")])].into_iter());
    assert_eq!(
        stated.conflicts,
        [],
        "an instance that states less contradicts nothing, nor do the hands of one patient"
    );
    assert_eq!(stated.accession_number.as_ref().unwrap().expose(), "A1");
    assert_eq!(stated.sides.into_iter().collect::<Vec<_>>(), [Side::Left, Side::Right]);
    for (more, conflict, code) in [
        (vec![text(8, 0x50, "SH", "A2")], Conflict::Order, RefusalCode::OrderConflict),
        (vec![text(0x10, 0x20, "LO", "T2")], Conflict::Patient("PatientID"), RefusalCode::MixedPatient),
    ] {
        let second = other(more);
        assert_eq!(StatedIdentity::of([&one, &second].into_iter()).conflicts, [conflict]);
        assert_eq!(refusal_of(vec![one.clone(), second]), Some(code));
    }
    // the gravest speaks
    let worst = other(vec![text(8, 0x50, "SH", "A2"), text(0x10, 0x20, "LO", "T2")]);
    assert_eq!(refusal_of(vec![one.clone(), worst]), Some(RefusalCode::MixedPatient));
    // the day of birth itself is sound: a newborn is pictured at once
    assert_eq!(refusal_of(vec![read(vec![text(0x10, 0x30, "DA", "20200102")])]), None);
    let age = |age: &str, born: &str| read(vec![text(0x10, 0x1010, "AS", age), text(0x10, 0x30, "DA", born)]);
    for (instance, code) in [
        (age("999Y", ""), Some(RefusalCode::ImplausibleDate)),
        (age("999Y", "19500102"), None), // the dates tell it
        (age("999D", ""), None),
        (age("22Y", ""), None),
    ] {
        assert_eq!(refusal_of(vec![instance]), code);
    }
    let unborn = read(vec![text(0x10, 0x30, "DA", "20200103")]);
    assert_eq!(refusal_of(vec![unborn]), Some(RefusalCode::ImplausibleDate));
}

#[test]
fn a_codestream_that_loses_something_says_so() {
    let lossy = |syntax: &str, frame: Vec<u8>| {
        read_header(&encapsulated(&pictures()[0], syntax, &[frame]), &Limits::default()).unwrap().lossy
    };
    let jpeg_ls = |near: u8| {
        let frame = [0xFF, 0xF7, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0];
        let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, near, 0, 0];
        [&[0xFF, 0xD8][..], &frame, &scan, &[0, 0, 0xFF, 0xD9]].concat()
    };
    for syntax in ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"] {
        assert_eq!([lossy(syntax, jpeg_ls(0)), lossy(syntax, jpeg_ls(3))], [false, true]);
    }
    let jpeg_2000 = |transform: u8, of_one: Option<u8>| {
        let size = [&[0xFF, 0x51, 0, 41][..], &[0; 39]].concat();
        let style = [0xFF, 0x52, 0, 12, 0, 0, 0, 1, 0, 5, 4, 4, 0, transform];
        let one = of_one.map(|transform| [0xFF, 0x53, 0, 9, 0, 0, 5, 4, 4, 0, transform]);
        let one = one.map(|segment| segment.to_vec()).unwrap_or_default();
        [&[0xFF, 0x4F][..], &size, &style, &one, &[0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1]].concat()
    };
    for syntax in ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"] {
        let found = [(1, None), (0, None), (1, Some(1)), (1, Some(0))]
            .map(|(transform, of_one)| lossy(syntax, jpeg_2000(transform, of_one)));
        assert_eq!(found, [false, true, false, true]);
    }
}

#[test]
fn patients_whose_numbers_do_not_decode_are_told_apart() {
    let file = |instance: u8, number: &[u8]| {
        let mut elements = identified("1.2.840.10008.5.1.4.1.1.1");
        elements.retain(|element| !matches!((element.0, element.1), (8, 0x18) | (0x10, 0x20)));
        elements.extend([
            text(8, 5, "CS", "ISO_IR 192"),
            text(8, 0x18, "UI", &format!("1.2.3.4.{instance}")),
            (0x10, 0x20, "LO", Value::Bytes(number.to_vec())),
        ]);
        let bytes = plain(&elements, Encoding::Explicit);
        let instance = read_header(&bytes, &Limits::default()).unwrap();
        assert_eq!(instance.patient.id, None);
        StudyFile { path: PathBuf::from(number.len().to_string()), instance }
    };
    let studies = |files: Vec<StudyFile>| group(files, Vec::new()).0;
    let two = studies(vec![file(1, b"\xE41"), file(2, b"\xE42")]);
    let StudyOutcome::Refused(refused) = &two[0] else { unreachable!() };
    assert_eq!(refused.refusal.code, RefusalCode::MixedPatient);
    // padding makes no other number
    let one = studies(vec![file(1, b"\xE41"), file(2, b"\xE41  ")]);
    assert!(matches!(&one[0], StudyOutcome::Ready(_)));
}
