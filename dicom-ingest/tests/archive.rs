//! ZIP archives among the files: read like folders, and hostile ones refused with their codes.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it fails; sizes of test files are small"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use dicom_ingest::limits::Limits;
use dicom_ingest::reader::InProcess;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::{Discovery, discover};
use dicom_ingest::study::{DropReason, StudyOutcome};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use support::file::{Encoding, identified, plain, text};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn instance(number: usize) -> Vec<u8> {
    let mut elements = identified("1.2.840.10008.5.1.4.1.1.1");
    elements.retain(|element| (element.0, element.1) != (8, 0x18));
    elements.push(text(8, 0x18, "UI", &format!("1.2.3.4.{number}")));
    plain(&elements, Encoding::Explicit)
}

/// An archive as the zip crate writes it.
fn zipped(entries: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        if name.ends_with('/') {
            writer.add_directory(*name, options).unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.set_comment("a comment, with the mark PK\u{5}\u{6} of an end in it").unwrap();
    writer.finish().unwrap().into_inner()
}

fn look_with(path: &Path, limits: Limits) -> Discovery {
    discover(&[path.to_owned()], &InProcess::new(limits), &mut |_| {}).unwrap()
}

fn look(bytes: &[u8], limits: Limits) -> Discovery {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whatever-it-is-called");
    fs::write(&path, bytes).unwrap();
    look_with(&path, limits)
}

/// The SOP Instance UIDs that were found, and the codes of what was refused, beside studies and in them.
fn found(discovery: &Discovery) -> (BTreeSet<String>, Vec<RefusalCode>) {
    let mut codes: Vec<_> = discovery.unreadable.iter().map(|file| file.refusal.code).collect();
    let mut instances = BTreeSet::new();
    for study in &discovery.studies {
        match study {
            StudyOutcome::Ready(study) => {
                instances
                    .extend(study.instances.iter().map(|file| file.instance.sop_instance_uid.to_string()));
                codes.extend(study.dropped.iter().filter_map(|dropped| match &dropped.reason {
                    DropReason::Refused(refusal) => Some(refusal.code),
                    DropReason::Duplicate => None,
                }));
            }
            StudyOutcome::Refused(refused) => codes.push(refused.refusal.code),
        }
    }
    (instances, codes)
}

#[test]
fn an_archive_is_as_good_as_a_folder() {
    let cut = instance(3)[..300].to_vec();
    let entries = [
        ("DICOM/", vec![]),
        ("DICOM/IM1", instance(1)),
        ("DICOM/Public^Jane/IM2.txt", instance(2)),
        ("readme", b"no DICOM".to_vec()),
        ("cut", cut),
        ("again", instance(1)),
        ("empty", vec![]),
    ];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export");
        fs::write(&path, zipped(&entries, method)).unwrap();
        let discovery = look_with(folder.path(), Limits::default());
        let (instances, codes) = found(&discovery);
        assert_eq!(instances, ["1.2.3.4.1", "1.2.3.4.2"].map(str::to_owned).into());
        assert_eq!(codes, [RefusalCode::Truncated]);
        assert_eq!(discovery.not_dicom, 2);
        let StudyOutcome::Ready(study) = &discovery.studies[0] else { unreachable!() };
        let twice = study.dropped.iter().filter(|dropped| dropped.reason == DropReason::Duplicate);
        assert_eq!(twice.count(), 1);
        for file in &study.instances {
            // the name of an entry, which may be a patient's, is in no path
            assert!(!file.path.to_string_lossy().contains("Jane"), "{}", file.path.display());
            let bytes = read_file(&file.path, &Limits::default()).unwrap();
            let again =
                discover(std::slice::from_ref(&file.path), &InProcess::default(), &mut |_| {}).unwrap();
            assert_eq!(found(&again).0.len(), 1);
            assert!(entries.iter().any(|(_, content)| *content == bytes));
        }
        for gone in ["export/99", "export/x", "export/1/2"] {
            assert!(read_file(&folder.path().join(gone), &Limits::default()).is_err());
        }
    }
}

/// An entry as its parts, so that each can lie.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    size: u32,
    /// Compressed size that the directory states.
    compressed: u32,
    content: Vec<u8>,
    /// Where the directory says that the entry begins, in place of where it does.
    at: Option<u32>,
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn stored(name: &str, bytes: &[u8]) -> Part {
    Part {
        name: name.as_bytes().to_vec(),
        flags: 0,
        method: 0,
        crc: crc(bytes),
        size: bytes.len() as u32,
        compressed: bytes.len() as u32,
        content: bytes.to_vec(),
        at: None,
    }
}

fn deflated(name: &str, bytes: &[u8]) -> Part {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    let content = encoder.finish().unwrap();
    Part { method: 8, compressed: content.len() as u32, content, ..stored(name, bytes) }
}

/// An archive by hand; `end` changes the last 22 bytes.
fn archive(parts: &[Part], end: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for part in parts {
        let at = part.at.unwrap_or(bytes.len() as u32);
        let fixed = |out: &mut Vec<u8>| {
            out.extend(part.flags.to_le_bytes());
            out.extend(part.method.to_le_bytes());
            out.extend([0; 4]);
            out.extend(part.crc.to_le_bytes());
            out.extend(part.compressed.to_le_bytes());
            out.extend(part.size.to_le_bytes());
            out.extend((part.name.len() as u16).to_le_bytes());
            out.extend([0; 2]);
        };
        bytes.extend(b"PK\x03\x04\x14\x00");
        fixed(&mut bytes);
        bytes.extend(&part.name);
        bytes.extend(&part.content);
        directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        fixed(&mut directory);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(&part.name);
    }
    let at = bytes.len() as u32;
    bytes.extend(&directory);
    let mut tail = b"PK\x05\x06\0\0\0\0".to_vec();
    tail.extend((parts.len() as u16).to_le_bytes());
    tail.extend((parts.len() as u16).to_le_bytes());
    tail.extend((directory.len() as u32).to_le_bytes());
    tail.extend(at.to_le_bytes());
    tail.extend([0; 2]);
    end(&mut tail);
    bytes.extend(tail);
    bytes
}

fn plain_archive(parts: &[Part]) -> Vec<u8> {
    archive(parts, |_| {})
}

fn small() -> Limits {
    Limits {
        max_archive_entries: 5,
        max_archive_bytes: 1 << 20,
        inflate_floor_bytes: 1 << 16,
        ..Limits::default()
    }
}

/// Nothing is read of these, and each is one refusal.
#[test]
fn hostile_archives_are_refused_as_a_whole() {
    let good = || stored("a", &instance(1));
    let bomb = || deflated("bomb", &vec![0; 400_000]);
    let named = |name: &[u8]| Part { name: name.to_vec(), ..good() };
    let overlapping = [good(), Part { at: Some(0), ..stored("b", &instance(2)) }];
    let many: Vec<Part> = (0..6).map(|_| good()).collect();
    let quine = Part { at: Some(u32::MAX - 1), ..good() };
    let cases: Vec<(&str, Vec<u8>, RefusalCode)> = vec![
        ("encrypted", plain_archive(&[Part { flags: 1, ..good() }, good()]), RefusalCode::ArchiveEncrypted),
        ("strongly", plain_archive(&[Part { flags: 0x41, ..good() }]), RefusalCode::ArchiveEncrypted),
        ("masked", plain_archive(&[Part { flags: 1 << 13, ..good() }]), RefusalCode::ArchiveEncrypted),
        ("up", plain_archive(&[good(), named(b"../../etc/passwd")]), RefusalCode::PathEscape),
        ("up inside", plain_archive(&[named(b"a/../../b")]), RefusalCode::PathEscape),
        ("up the other way", plain_archive(&[named(b"a\\..\\b")]), RefusalCode::PathEscape),
        ("root", plain_archive(&[named(b"/etc/passwd")]), RefusalCode::PathEscape),
        ("share", plain_archive(&[named(b"\\\\server\\share")]), RefusalCode::PathEscape),
        ("drive", plain_archive(&[named(b"C:\\x")]), RefusalCode::PathEscape),
        ("nul", plain_archive(&[named(b"a\0.dcm")]), RefusalCode::PathEscape),
        ("many", plain_archive(&many), RefusalCode::TooManyEntries),
        ("ratio", plain_archive(&[bomb()]), RefusalCode::ExpansionLimit),
        ("overlap", plain_archive(&overlapping), RefusalCode::ArchiveDamaged),
        ("outside", plain_archive(&[quine]), RefusalCode::ArchiveDamaged),
        ("stored too long", plain_archive(&[Part { size: 1 << 19, ..good() }]), RefusalCode::ExpansionLimit),
        ("parts", archive(&[good()], |end| end[4] = 1), RefusalCode::ArchiveDamaged),
        ("directory elsewhere", archive(&[good()], |end| end[19] = 9), RefusalCode::ArchiveDamaged),
        ("directory longer", archive(&[good()], |end| end[13] = 9), RefusalCode::ArchiveDamaged),
        ("fewer than said", archive(&[good()], |end| end[10] = 2), RefusalCode::ArchiveDamaged),
        ("no end", plain_archive(&[good()])[..300].to_vec(), RefusalCode::ArchiveDamaged),
        ("wide and nowhere", archive(&[good()], |end| end[16..20].fill(0xFF)), RefusalCode::ArchiveDamaged),
    ];
    for (what, bytes, code) in cases {
        let discovery = look(&bytes, small());
        assert_eq!(found(&discovery), (BTreeSet::new(), vec![code]), "{what}");
    }
    // each below its own limit, all together above that of the archive
    let slices: Vec<Part> = (0..5).map(|n| deflated(&n.to_string(), &vec![7; 60_000])).collect();
    let limits = Limits { max_archive_bytes: 250_000, ..small() };
    assert_eq!(found(&look(&plain_archive(&slices), limits)).1, [RefusalCode::ExpansionLimit]);
    assert_eq!(found(&look(&plain_archive(&slices), small())).1, []);
}

/// The others of the archive are read.
#[test]
fn bad_entries_are_refused_alone() {
    let good = || deflated("good", &instance(9));
    let dicom = instance(1);
    let inner = plain_archive(&[stored("a", &dicom)]);
    let mut wrong = stored("a", &dicom);
    wrong.content[200] ^= 1;
    // damaged where it says that it is DICOM
    let mut unpackable = deflated("a", &dicom);
    unpackable.content[0] = 0xFF;
    let mut headless = stored("a", &dicom);
    headless.content[129] ^= 1;
    let other = [vec![0; 128], b"DICN".to_vec(), dicom[132..].to_vec()].concat();
    let headless_packed = Part { crc: crc(&dicom), ..deflated("a", &other) };
    let longer = {
        let whole = deflated("a", &[dicom.clone(), vec![0; 5000]].concat());
        Part { size: dicom.len() as u32, crc: crc(&dicom), ..whole }
    };
    let cases = [
        ("nested", stored("a.zip", &inner), RefusalCode::ArchiveNested),
        ("nested, packed", deflated("a", &inner), RefusalCode::ArchiveNested),
        ("checksum", wrong, RefusalCode::ArchiveDamaged),
        ("head does not inflate", unpackable, RefusalCode::ArchiveDamaged),
        ("prefix is gone", headless, RefusalCode::ArchiveDamaged),
        ("prefix is gone, packed", headless_packed, RefusalCode::ArchiveDamaged),
        ("longer than said", longer, RefusalCode::ExpansionLimit),
        ("shorter than said", Part { size: 999, ..deflated("a", &dicom) }, RefusalCode::ArchiveDamaged),
    ];
    for (what, part, code) in cases {
        let (instances, codes) = found(&look(&plain_archive(&[part, good()]), small()));
        assert_eq!((instances.len(), codes), (1, vec![code]), "{what}");
    }
    // of a method that is not known nothing is known, not even whether it is DICOM
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z");
    fs::write(&path, plain_archive(&[Part { method: 12, ..stored("a", &dicom) }, good()])).unwrap();
    let (instances, codes) = found(&look_with(&path, small()));
    assert_eq!((instances.len(), codes), (1, vec![RefusalCode::ArchiveMethod]));
}

/// The entries of an archive of 64-bit sizes, which some writers always write.
#[test]
fn wide_archives_are_read() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().large_file(true).compression_method(CompressionMethod::Deflated);
    writer.start_file("a", options).unwrap();
    writer.write_all(&instance(4)).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(found(&look(&bytes, Limits::default())).0.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What the zip crate writes is what is read, whatever it is.
    #[test]
    fn what_is_written_is_read(
        contents in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..600), any::<bool>()), 0..6),
        packed: bool,
    ) {
        let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let entries: Vec<(String, Vec<u8>)> = contents
            .into_iter()
            .enumerate()
            .map(|(number, (bytes, dicom))| {
                let head = if dicom { instance(number)[..140].to_vec() } else { Vec::new() };
                (format!("folder/{number}"), [head, bytes].concat())
            })
            .collect();
        let entries: Vec<(&str, Vec<u8>)> = entries.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        fs::write(&path, zipped(&entries, method)).unwrap();
        for (number, (_, bytes)) in entries.iter().enumerate() {
            let member = path.join(number.to_string());
            prop_assert_eq!(&read_file(&member, &Limits::default()).unwrap(), bytes);
        }
        let seen = look_with(&path, Limits::default());
        let named: usize = found(&seen).0.len() + found(&seen).1.len();
        prop_assert_eq!(named + seen.not_dicom, entries.len());
    }

    /// No archive, however it was changed, stops or captures its reader.
    #[test]
    fn changed_archives_end_in_a_study_or_a_code(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(), cuts: bool, packed: bool,
    ) {
        let part = |n: usize| if packed { deflated("entry", &instance(n)) } else { stored("entry", &instance(n)) };
        let mut bytes = plain_archive(&[part(1), part(2), deflated("zeros", &[0; 3000])]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            let length = cut.index(bytes.len());
            bytes.truncate(length);
        }
        let (instances, _codes) = found(&look(&bytes, small()));
        prop_assert!(instances.len() <= 2);
    }

    /// The directory alone, made of anything.
    #[test]
    fn any_directory_is_read_or_refused(directory in proptest::collection::vec(any::<u8>(), 0..200), entries: u16, at: u32) {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(&directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([entries.to_le_bytes(), entries.to_le_bytes()].concat());
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend((at % 8).to_le_bytes());
        bytes.extend([0, 0]);
        let (instances, _codes) = found(&look(&bytes, Limits::default()));
        prop_assert!(instances.is_empty());
    }
}
