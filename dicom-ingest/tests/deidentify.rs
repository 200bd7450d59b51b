//! De-identified files: what is gone, what is replaced, and that nothing else has changed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use dicom_ingest::decode::decode;
use dicom_ingest::deidentify::{Dates, Key, Options, deidentify, profile};
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::stored::StoredValues;
use proptest::prelude::*;
use support::data;
use support::file::{Element, Encoding, Picture, Value, code, encapsulated, items, text};

fn basic() -> Options {
    Options::basic(Key::new([5; 32]))
}

/// A picture whose header tells the patient at every depth.
fn telling(more: Vec<Element>) -> Picture {
    let canary = "CanaryText";
    let person = vec![code("99X", "17", "Canary^Doctor")];
    let elements = vec![
        text(8, 0x80, "LO", "CanaryHospital"),
        text(8, 0x90, "PN", "CanaryReferrer"),
        text(8, 0x1030, "LO", canary),
        text(8, 0x103E, "LO", canary),
        text(8, 0x21, "DA", "20200101"),
        text(8, 0x2A, "DT", "20200101101112"),
        text(0x10, 0x10, "PN", "Canary^Carla"),
        text(0x10, 0x20, "LO", "CANARY17"),
        text(0x10, 0x30, "DA", "19500203"),
        text(0x10, 0x40, "CS", "F"),
        text(0x10, 0x1010, "AS", "070Y"),
        text(0x10, 0x4000, "LT", canary),
        text(0x18, 0x1000, "LO", "CanarySerial"),
        // a private block, at the root and inside
        text(0x11, 0x10, "LO", "CANARY PRIVATE"),
        text(0x11, 0x1001, "LO", canary),
        // a public attribute that no dictionary knows
        text(0x10, 0x7777, "LO", canary),
        // a name of a person that the table does not list at all: Interpretation Recorder is, this one's tag is made up
        text(0x4008, 0x7777, "PN", "Canary^Nobody"),
        // an overlay with data
        text(0x6000, 0x22, "LO", canary),
        (0x6000, 0x3000, "OW", Value::U16(vec![0xFFFF])),
        text(0x6000, 0x4000, "LT", canary),
        items(
            0x40,
            0x275,
            vec![vec![text(0x40, 7, "LO", canary), items(0x40, 0x8, vec![code("99X", "1", "CanaryStep")])]],
        ),
        items(
            8,
            0x1140,
            vec![vec![
                text(8, 0x1150, "UI", "1.2.840.10008.5.1.4.1.1.1"),
                text(8, 0x1155, "UI", "1.2.3.4.77"),
                text(0x13, 0x10, "LO", "CANARY NESTED"),
                text(0x10, 0x20, "LO", "CANARY18"),
            ]],
        ),
        items(8, 0x1052, person),
    ];
    Picture {
        rows: 4,
        columns: 4,
        allocated: 16,
        stored: 12,
        high: 11,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: (0..16).map(|value| value * 17).collect(),
        more: [elements, more].concat(),
    }
}

fn done(bytes: &[u8], options: &Options) -> Vec<u8> {
    deidentify(bytes, &Limits::default(), options).unwrap().bytes
}

fn refused(picture: &Picture, options: &Options) -> RefusalCode {
    deidentify(&picture.file(Encoding::Explicit), &Limits::default(), options).unwrap_err().code
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes
        .to_ascii_uppercase()
        .windows(what.len())
        .any(|window| window == what.to_ascii_uppercase().as_bytes())
}

#[test]
fn nothing_of_the_patient_is_left_in_any_encoding_and_the_picture_is_the_same() {
    for encoding in Encoding::ALL {
        let original = telling(vec![]).file(encoding);
        let bytes = done(&original, &basic());
        // deflated files are inflated, so that what is left can be seen
        assert!(!holds(&bytes, "Canary"), "{encoding:?}");
        for gone in ["19500203", "20200102", "070Y", "1.2.3.4", "1.2.3.1"] {
            assert!(!holds(&bytes, gone), "{gone} in {encoding:?}");
        }
        let (before, after) =
            [&original, &bytes].map(|bytes| decode(bytes, &Limits::default()).unwrap()).into();
        assert_eq!(before.frames, after.frames, "{encoding:?}");
        assert!(after.instance.warnings.iter().all(|warning| before.instance.warnings.contains(warning)));
        let kept = encoding != Encoding::Deflated;
        assert_eq!(before.instance.transfer_syntax == after.instance.transfer_syntax, kept);
        assert_eq!(after.instance.modality.as_deref(), Some("DX"));
    }
}

#[test]
fn the_same_key_keeps_together_what_belonged_together() {
    let one = telling(vec![]).file(Encoding::Explicit);
    let other = telling(vec![text(8, 0x18, "UI", "1.2.3.4.77")]).file(Encoding::Implicit);
    let read = |bytes: &[u8], key: u8| {
        let done = deidentify(bytes, &Limits::default(), &Options::basic(Key::new([key; 32]))).unwrap();
        let header = read_header(&done.bytes, &Limits::default()).unwrap();
        assert_eq!(
            (&header.study_uid, &header.series_uid, &header.sop_instance_uid),
            (&done.named.study_uid, &done.named.series_uid, &done.named.sop_instance_uid)
        );
        (header, done.bytes)
    };
    let ((first, bytes), (second, _), (stranger, _)) = (read(&one, 5), read(&other, 5), read(&one, 6));
    assert_eq!(first.study_uid, second.study_uid);
    assert_eq!(first.patient.id, second.patient.id);
    assert!(first.patient.id.is_some() && first.patient.name.is_some());
    assert_ne!(first.sop_instance_uid, second.sop_instance_uid);
    assert_ne!(first.study_uid, stranger.study_uid);
    assert_ne!(first.patient.id, stranger.patient.id);
    // the reference in the sequence points to the second instance still
    assert!(holds(&bytes, second.sop_instance_uid.as_str()));
    assert!(holds(&bytes, "1.2.840.10008.5.1.4.1.1.1"));
}

#[test]
fn what_was_done_is_written_down() {
    let options = Options { dates: Dates::Shift, clean_descriptors: true, retain_device: true, ..basic() };
    let bytes = done(&telling(vec![]).file(Encoding::Explicit), &options);
    for told in ["PS3.15 2024e", "113100", "113105", "113107", "113109", "MODIFIED", "YES"] {
        assert!(holds(&bytes, told), "{told}");
    }
    assert!(!holds(&bytes, "113110") && holds(&bytes, "CanarySerial") && !holds(&bytes, "CanaryHospital"));
}

#[test]
fn options_keep_what_they_name() {
    let original = telling(vec![]).file(Encoding::Explicit);
    let header = |options: &Options| read_header(&done(&original, options), &Limits::default()).unwrap();
    let plain = header(&basic());
    assert!(plain.study_time.is_none() || plain.study_time.unwrap().date.year() == 1900);
    assert_eq!((plain.age_years, plain.patient.sex), (None, None));
    let patient = header(&Options { retain_patient_characteristics: true, ..basic() });
    assert!(
        patient.age_years.is_some() && patient.patient.sex.is_some() && patient.patient.birth_date.is_none()
    );
    let kept = header(&Options { dates: Dates::Keep, ..basic() });
    assert_eq!(kept.study_time.unwrap().date.to_string(), "2020-01-02");
    let shifted = header(&Options { dates: Dates::Shift, ..basic() }).study_time.unwrap().date;
    let days = Key::new([5; 32]).days(b"CANARY17");
    assert_eq!(shifted, jiff::civil::date(2020, 1, 2).checked_sub(jiff::Span::new().days(days)).unwrap());
    let uids = header(&Options { retain_uids: true, ..basic() });
    assert_eq!(uids.study_uid.as_str(), "1.2.3");
}

#[test]
fn what_may_show_or_tell_the_patient_is_refused_unless_it_is_declared_clean() {
    let suspects: [(&str, Vec<Element>); 8] = [
        ("said", vec![text(0x28, 0x301, "CS", "YES")]),
        ("secondary capture", vec![text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7")]),
        ("multi-frame secondary capture", vec![text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7.2")]),
        ("ultrasound", vec![text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.6.1")]),
        ("ultrasound by modality", vec![text(8, 0x60, "CS", "US")]),
        ("a screen", vec![text(8, 8, "CS", "DERIVED\\SECONDARY\\SCREEN SAVE")]),
        ("digitised film", vec![text(8, 0x64, "CS", "DF")]),
        ("an overlay in the pixels", vec![text(0x6002, 0x10, "LO", "4")]),
    ];
    for (what, more) in suspects {
        let picture = telling(more);
        assert_eq!(refused(&picture, &basic()), RefusalCode::BurnedInText, "{what}");
        let clean = Options { pixels_are_clean: true, ..basic() };
        let bytes = done(&picture.file(Encoding::Explicit), &clean);
        let header = read_header(&bytes, &Limits::default()).unwrap();
        assert_eq!(header.burned_in_annotation, Some(false), "{what}");
    }
    // a number that begins like another's is not that class
    let other = telling(vec![text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.77")]);
    drop(done(&other.file(Encoding::Explicit), &basic()));
    let told = telling(vec![items(0x40, 0xA730, vec![vec![text(0x40, 0xA160, "UT", "CanaryText")]])]);
    for options in [basic(), Options { pixels_are_clean: true, ..basic() }] {
        assert_eq!(refused(&told, &options), RefusalCode::StructuredContent);
    }
}

/// A fuzzer found the first: a value of text in Source Image Sequence became a sequence of no items, and no reader could go on.
#[test]
fn text_in_the_place_of_something_else_is_not_kept() {
    let canary = "CanaryText";
    let odd = [
        ("a sequence", text(8, 0x2112, "DA", canary)),
        ("a sequence that is kept", text(0x54, 0x16, "LO", canary)),
        ("a number", text(0x28, 0x106, "LO", canary)),
        ("a code", text(0x18, 0x15, "PN", canary)),
    ];
    for (what, element) in odd {
        let file = telling(vec![element]).file(Encoding::Explicit);
        let done = done(&file, &basic());
        assert!(!holds(&done, canary), "{what}");
        let read = decode(&done, &Limits::default()).map(|image| image.frames.len());
        assert_eq!(read.map_err(|refusal| refusal.to_string()), Ok(1), "{what}");
    }
}

/// A person's name where the standard has a code is not kept, and without that code nothing reads the picture.
#[test]
fn what_could_not_be_read_again_is_refused() {
    let file = telling(vec![text(0x28, 4, "PN", "MONOCHROME2")]).file(Encoding::Explicit);
    assert!(decode(&file, &Limits::default()).is_ok());
    let refusal = deidentify(&file, &Limits::default(), &basic()).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::MissingAttribute);
    assert!(refusal.message.starts_with("without what may not be kept of it"), "{refusal}");
}

#[test]
fn fragments_stay_as_they_are() {
    let picture = telling(vec![]);
    let original = encapsulated(&picture, "1.2.840.10008.1.2.4.90", &[vec![1, 2, 3], vec![4; 10]]);
    let bytes = done(&original, &basic());
    let tail = |bytes: &[u8]| {
        let at = bytes.windows(4).rposition(|four| four == [0xE0, 0x7F, 0x10, 0]).unwrap();
        bytes[at..].to_vec()
    };
    assert_eq!(tail(&bytes), tail(&original));
}

/// Padding moves the fragments after it, so both offset tables go and the basic one is written anew.
#[test]
fn fragments_of_odd_length_are_found_after_they_are_padded() {
    let fragments: [&[u8]; 3] = [&[1, 2, 3], &[4; 10], &[5; 7]];
    let of = |table: &[u32], extended: &[u64]| {
        let mut elements = telling(vec![text(0x28, 8, "IS", "3")]).elements();
        elements.retain(|element| element.0 != 0x7FE0);
        let mut bytes = support::file::plain(&elements, Encoding::Explicit);
        let at = bytes.windows(21).position(|bytes| bytes.starts_with(b"1.2.840.10008.1.2.1\0")).unwrap();
        bytes.splice(at..at + 20, *b"1.2.840.10008.1.2.5\0");
        if !extended.is_empty() {
            bytes.extend([0xE0, 0x7F, 1, 0, b'O', b'V', 0, 0, 24, 0, 0, 0]);
            bytes.extend(extended.iter().flat_map(|offset| offset.to_le_bytes()));
        }
        bytes.extend([0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        let table: Vec<u8> = table.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        for fragment in [&[&table[..]], &fragments[..]].concat() {
            bytes.extend([0xFE, 0xFF, 0, 0xE0, u8::try_from(fragment.len()).unwrap(), 0, 0, 0]);
            bytes.extend(fragment);
        }
        bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        let done = done(&bytes, &basic());
        assert!(!done.windows(4).any(|four| four == [0xE0, 0x7F, 1, 0]), "the extended table is gone");
        let at = done.windows(4).rposition(|four| four == [0xE0, 0x7F, 0x10, 0]).unwrap();
        let length = usize::from(done[at + 16]);
        let (table, _) = done[at + 20..at + 20 + length].as_chunks::<4>();
        table.iter().map(|offset| u32::from_le_bytes(*offset)).collect::<Vec<_>>()
    };
    assert_eq!(of(&[0, 11, 29], &[]), [0, 12, 30]);
    assert_eq!(of(&[], &[0, 11, 29]), [0, 12, 30]);
    assert_eq!(of(&[], &[]), [0_u32; 0]);
    assert_eq!(of(&[0, 10, 29], &[]), [0_u32; 0], "a table that pointed nowhere");
}

/// What the table does not list is looked at by its kind.
#[test]
fn what_the_table_does_not_list_keeps_no_identifier() {
    let more = vec![
        // UIDs and addresses
        text(0x20, 0x9312, "UI", "1.2.3.4.555"),
        text(8, 0x9123, "UI", "1.2.840.10008.19500203"),
        text(8, 0x1190, "UR", "https://canary.example/17"),
        text(8, 0x10E, "UR", "https://example.org/codes"),
        text(8, 0x10C, "UI", "2.16.840.1.113883.6.96"),
        // dates and times
        text(0x14, 0x102, "DA", "19990102"),
        text(0x14, 0x103, "TM", "030405"),
        text(8, 0x41F, "DT", "19990102030405"),
        // of the patient
        text(0x10, 0x12, "LT", "Canary"),
        text(0x10, 0x33, "LO", "Canary 3"),
        text(0x10, 0x2162, "UC", "Canary"),
        text(0x10, 0x2295, "LO", "CANARY99"),
        items(0x10, 0x24, vec![vec![text(0x40, 0x32, "UT", "CanaryIssuer")]]),
        text(0x10, 0x1022, "DS", "31.5"),
        text(0x10, 0x2201, "LO", "Homo sapiens"),
    ];
    let file = telling(more).file(Encoding::Explicit);
    let bytes = done(&file, &basic());
    for gone in ["Canary", "1.2.3.4.555", "10008.19500203", "19990102", "030405", "31.5"] {
        assert!(!holds(&bytes, gone), "{gone}");
    }
    for kept in ["Homo sapiens", "https://example.org/codes", "2.16.840.1.113883.6.96"] {
        assert!(holds(&bytes, kept), "{kept}");
    }
    let kept = done(
        &file,
        &Options { dates: Dates::Keep, retain_uids: true, retain_patient_characteristics: true, ..basic() },
    );
    for stays in ["1.2.3.4.555", "19990102", "030405", "31.5"] {
        assert!(holds(&kept, stays), "{stays}");
    }
    let shifted = done(&file, &Options { dates: Dates::Shift, ..basic() });
    assert!(!holds(&shifted, "19990102") && holds(&shifted, "030405"));
}

/// The table of the product (2024e) against another transcription, of 2024b; between the two the table did not change.
#[test]
fn the_table_is_what_others_read_in_the_standard() {
    let ours: BTreeSet<(String, String)> = include_str!("../src/deidentify/profile-2024e.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split(',').map(str::to_owned);
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .collect();
    let theirs: BTreeSet<(String, String)> = data::rows(include_str!("reference/confidentiality-2024b.csv"))
        .into_iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    assert!(ours.len() > 600);
    assert_eq!(ours, theirs);
    assert_eq!(profile::basic().count(), ours.len());
}

/// Real files of many makers: written anew they are read again, decode to the same pixels, and de-identifying them twice
/// changes nothing that has a length.
#[test]
fn real_files_are_read_again_and_decode_to_the_same() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let options = Options { pixels_are_clean: true, ..basic() };
    let mut waiting = vec![folder];
    let mut written = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let original = fs::read(&path).unwrap();
        let Ok(header) = read_header(&original, &Limits::default()) else { continue };
        let again = match deidentify(&original, &Limits::default(), &options) {
            Ok(done) => read_header(&done.bytes, &Limits::default()).map(|read| (read, done.bytes)),
            Err(refusal) => {
                assert_eq!(refusal.code, RefusalCode::StructuredContent, "{}: {refusal}", path.display());
                continue;
            }
        };
        let (read, bytes) = again.unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
        assert_eq!(read.images(), header.images(), "{}", path.display());
        let names = [&header.patient.display_name, &header.accession_number];
        for name in names.into_iter().flatten().map(|name| name.expose().trim().to_owned()) {
            let long = name.len() > 5 && name.is_ascii();
            assert!(!long || !holds(&bytes, &name), "{} still names its patient", path.display());
        }
        if let (Ok(before), Ok(after)) =
            (decode(&original, &Limits::default()), decode(&bytes, &Limits::default()))
        {
            let stored = |decoded: &dicom_ingest::decode::Decoded| -> Vec<StoredValues> {
                decoded.frames.iter().map(|frame| frame.stored.clone()).collect()
            };
            assert!(stored(&before) == stored(&after), "{}", path.display());
        }
        written += 1;
    }
    assert!(written > 100, "{written}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever bytes stand in the header, what comes out is read again, and holds no value of what was to go.
    #[test]
    fn whatever_stands_in_the_header_what_comes_out_is_read(
        name in "[A-Z]{6,20}", texts in proptest::collection::vec("\\PC{0,30}", 4), encoding in 0..5_usize, shift: bool,
    ) {
        let more = vec![
            text(0x10, 0x10, "PN", &format!("{name}^X")),
            text(8, 0x20, "DA", &texts[0]),
            text(8, 0x1030, "LO", &texts[1]),
            text(0x10, 0x1010, "AS", &texts[2]),
            text(0x20, 0x52, "UI", &texts[3]),
        ];
        let dates = if shift { Dates::Shift } else { Dates::Remove };
        let original = telling(more).file(Encoding::ALL[encoding]);
        let done = deidentify(&original, &Limits::default(), &Options { dates, ..basic() }).unwrap();
        let read = read_header(&done.bytes, &Limits::default());
        prop_assert!(read.is_ok(), "{:?}", read);
        prop_assert!(!holds(&done.bytes, &name));
    }
}
