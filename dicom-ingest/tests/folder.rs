//! Studies in folders: whatever the files are called, whoever's they are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dicom_ingest::file::FileBytes;
use dicom_ingest::limits::Limits;
use dicom_ingest::outcome::Outcome;
use dicom_ingest::read::read_header;
use dicom_ingest::reader::{InProcess, Reader as _};
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::source::folder::{Discovery, discover, discover_keeping};
use dicom_ingest::source::kept::Kept;
use dicom_ingest::source::sizes::bytes_below;
use dicom_ingest::species::Species;
use dicom_ingest::study::{DropReason, RefusedFile, Study, StudyFile, StudyOutcome, group};
use dicom_ingest::uid::Home;
use support::data;
use support::file::{Element, Encoding, Picture, identified, plain, text};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An instance of a study, with some elements changed.
fn instance(study: &str, sop: &str, changes: Vec<Element>) -> Vec<u8> {
    let mut elements = identified("1.2.840.10008.5.1.4.1.1.1");
    let own = vec![text(0x20, 0x0D, "UI", study), text(8, 0x18, "UI", sop)];
    for change in own.into_iter().chain(changes) {
        elements.retain(|element| (element.0, element.1) != (change.0, change.1));
        elements.push(change);
    }
    plain(&elements, Encoding::Explicit)
}

fn look(folder: &Path) -> Discovery {
    let mut seen = 0;
    let found = discover(&[folder.to_owned()], &InProcess::default(), &mut |count| seen = count).unwrap();
    assert!(seen > 0);
    found
}

fn ready(outcome: &StudyOutcome) -> &Study {
    match outcome {
        StudyOutcome::Ready(study) => study,
        StudyOutcome::Refused(refused) => panic!("{}", refused.refusal),
    }
}

fn refusal(outcome: &StudyOutcome) -> RefusalCode {
    match outcome {
        StudyOutcome::Ready(study) => panic!("{} is ready", study.uid),
        StudyOutcome::Refused(refused) => refused.refusal.code,
    }
}

/// A study goes on without a refused file, or ends with it, as the table of outcomes says of its code.
#[test]
fn the_code_of_a_refused_file_says_what_becomes_of_its_study() {
    let bytes = instance("1.2.1", "1.2.1.1", vec![]);
    let sound = StudyFile {
        path: PathBuf::from("sound"),
        instance: read_header(&bytes, &Limits::default()).unwrap(),
    };
    for code in RefusalCode::ALL {
        let refused = RefusedFile {
            path: PathBuf::from("refused"),
            home: Home { study_uid: Some(sound.instance.study_uid.clone()), series_uid: None },
            refusal: Refusal::new(*code, "for a test"),
        };
        let (studies, homeless) = group(vec![sound.clone()], vec![refused]);
        assert!(studies.len() == 1 && homeless.is_empty());
        match (code.outcome(), &studies[0]) {
            (Outcome::RefuseStudy | Outcome::Hold, study) => assert_eq!(refusal(study), *code),
            (Outcome::DropInstance | Outcome::RefuseSeries | Outcome::AcceptWithWarning, study) => {
                let study = ready(study);
                assert_eq!((study.instances.len(), study.dropped.len()), (1, 1), "{code}");
            }
        }
    }
}

#[test]
fn studies_are_told_apart_and_bad_files_find_their_study() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("deep/er")).unwrap();
    fs::write(at("b"), instance("1.2.1", "1.2.1.1", vec![])).unwrap();
    fs::write(at("deep/a.txt"), instance("1.2.1", "1.2.1.2", vec![])).unwrap();
    fs::write(at("deep/er/copy"), instance("1.2.1", "1.2.1.2", vec![])).unwrap();
    let other = vec![text(0x10, 0x20, "LO", "T2"), text(0x10, 0x10, "PN", "Other^One")];
    fs::write(at("deep/c"), instance("1.2.2", "1.2.2.1", other)).unwrap();
    fs::write(at("notes.txt"), "no DICOM").unwrap();
    fs::write(at("empty"), "").unwrap();
    // It names a readable study, but not itself.
    fs::write(at("deep/bad"), instance("1.2.1", "x", vec![])).unwrap();
    // It names a study that no readable file has.
    fs::write(at("lost"), instance("1.2.9", "x", vec![])).unwrap();
    let mut cut = instance("1.2.1", "1.2.1.3", vec![]);
    cut.truncate(180);
    fs::write(at("cut"), cut).unwrap();
    // Cut in its last element, after the study's UID.
    let mut late = instance("1.2.1", "1.2.1.4", vec![]);
    late.truncate(late.len() - 2);
    fs::write(at("deep/late"), late).unwrap();

    let found = look(folder.path());
    assert_eq!(found.studies.len(), 2);
    let study = ready(&found.studies[0]);
    assert_eq!((study.uid.as_str(), study.instances.len()), ("1.2.1", 2));
    assert_eq!(study.identity.patient.id.as_ref().unwrap().expose(), "T1");
    let dropped: Vec<_> =
        study.dropped.iter().map(|dropped| (dropped.path.clone(), dropped.reason.clone())).collect();
    assert_eq!(dropped[1], (at("deep/er/copy"), DropReason::Duplicate));
    assert_eq!(dropped[2].0, at("deep/late"));
    assert!(matches!(&dropped[2].1, DropReason::Refused(refusal) if refusal.code == RefusalCode::Truncated));
    assert!(matches!(&dropped[0].1, DropReason::Refused(refusal) if refusal.code == RefusalCode::BadUid));
    assert_eq!(ready(&found.studies[1]).instances.len(), 1);
    assert_eq!(found.not_dicom, 2);
    let unreadable: Vec<_> =
        found.unreadable.iter().map(|file| (file.path.clone(), file.refusal.code)).collect();
    assert_eq!(unreadable, [(at("cut"), RefusalCode::Truncated), (at("lost"), RefusalCode::BadUid)]);
    // Nothing that was found prints who the patient is.
    assert!(!format!("{found:?}").contains("Test^Case"));
}

#[test]
fn a_limit_may_be_the_greatest_number() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), instance("1.2.1", "1.2.1.1", vec![])).unwrap();
    let reader = InProcess::new(Limits { max_file_bytes: u64::MAX, ..Limits::default() });
    let found = discover(&[folder.path().to_owned()], &reader, &mut |_| {}).unwrap();
    assert_eq!(ready(&found.studies[0]).instances.len(), 1);
}

#[test]
fn files_that_name_no_study_can_be_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b"), instance("1.2.1", "1.2.1.1", vec![])).unwrap();
    for name in ["a", "c"] {
        fs::write(folder.path().join(name), [&[0; 128][..], b"DICM\x02\0"].concat()).unwrap();
    }
    let mut found = look(folder.path());
    assert!(ready(&found.studies[0]).dropped.is_empty(), "nobody knows whose they are");
    let StudyOutcome::Ready(study) = &mut found.studies[0] else { unreachable!() };
    study.adopt(found.unreadable);
    let dropped: Vec<_> = study.dropped.iter().map(|dropped| dropped.path.file_name().unwrap()).collect();
    assert_eq!(dropped, ["a", "c"]);
    for dropped in &study.dropped {
        let DropReason::Refused(refusal) = &dropped.reason else { unreachable!() };
        assert_eq!(refusal.code, RefusalCode::Truncated);
    }
}

#[test]
fn two_patients_or_two_contents_refuse_a_study() {
    let contradictions = [
        vec![text(0x10, 0x20, "LO", "T2")],
        vec![text(0x10, 0x10, "PN", "Another^Case")],
        vec![text(0x10, 0x40, "CS", "M")],
    ];
    for changes in contradictions {
        let folder = tempfile::tempdir().unwrap();
        let female = vec![text(0x10, 0x40, "CS", "F")];
        fs::write(folder.path().join("a"), instance("1.2.1", "1.2.1.1", female)).unwrap();
        fs::write(folder.path().join("b"), instance("1.2.1", "1.2.1.2", changes)).unwrap();
        assert_eq!(refusal(&look(folder.path()).studies[0]), RefusalCode::MixedPatient);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), instance("1.2.1", "1.2.1.1", vec![])).unwrap();
    fs::write(folder.path().join("b"), instance("1.2.1", "1.2.1.1", vec![text(8, 0x50, "SH", "A")])).unwrap();
    assert_eq!(refusal(&look(folder.path()).studies[0]), RefusalCode::ConflictingInstance);
}

#[cfg(unix)]
#[test]
fn links_are_followed_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("a")).unwrap();
    fs::write(at("a/one"), instance("1.2.1", "1.2.1.1", vec![])).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("a/loop")).unwrap();
    std::os::unix::fs::symlink(at("a/one"), at("b")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("c")).unwrap();
    let found = look(folder.path());
    assert_eq!(ready(&found.studies[0]).instances.len(), 1);
    assert_eq!(ready(&found.studies[0]).dropped.len(), 0);
    let codes: Vec<_> = found.unreadable.iter().map(|file| file.refusal.code).collect();
    assert_eq!(codes, [RefusalCode::UnreadableFile]);
    let missing = PathBuf::from("/nowhere/at/all");
    let error = discover(&[missing], &InProcess::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "could not read `/nowhere/at/all`");
}

/// A file with pixels.
fn picture() -> Vec<u8> {
    let picture = Picture {
        rows: 32,
        columns: 32,
        allocated: 16,
        stored: 12,
        high: 11,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: vec![7; 32 * 32],
        more: Vec::new(),
    };
    picture.file(Encoding::Explicit)
}

/// However an archive is packed, its entries are kept in room for as many bytes as they inflate to.
#[test]
fn entries_of_archives_are_kept_in_the_memory_that_their_bytes_take() {
    let bytes = picture();
    let one = bytes.len() as u64;
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.zip");
        let mut writer = ZipWriter::new(fs::File::create(&path).unwrap());
        for name in ["IM1", "IM2"] {
            writer.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        writer.finish().unwrap();
        let room = bytes_below(folder.path(), &Limits::default()).unwrap();
        assert_eq!(room, 2 * one);
        let keeping = |most_bytes: u64| {
            let mut kept = Kept::within(most_bytes);
            let paths = [folder.path().to_owned()];
            discover_keeping(&paths, &InProcess::default(), &mut kept, &mut |_| {}).unwrap();
            kept
        };
        let mut kept = keeping(room);
        assert_eq!(kept.bytes(), room, "{method:?}");
        for number in ["0", "1"] {
            assert_eq!(kept.take(&path.join(number)).unwrap().bytes(), bytes, "{method:?}");
        }
        let mut kept = keeping(room - 1);
        assert!(kept.take(&path.join("0")).is_some() && kept.take(&path.join("1")).is_none());
    }
}

#[test]
fn files_with_pixels_are_kept_as_they_were_read_while_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = picture();
    for name in ["a", "b"] {
        fs::write(at(name), &bytes).unwrap();
    }
    fs::write(at("c"), instance("1.2.3", "1.2.3.5", vec![])).unwrap();
    let one = bytes.len() as u64;
    let look_keeping = |most_bytes: u64| {
        let mut kept = Kept::within(most_bytes);
        let paths = [folder.path().to_owned()];
        let found = discover_keeping(&paths, &InProcess::default(), &mut kept, &mut |_| {}).unwrap();
        (found, kept)
    };
    let (found, mut kept) = look_keeping(u64::MAX);
    assert_eq!(format!("{found:?}"), format!("{:?}", look(folder.path())), "the same is found");
    assert_eq!(kept.bytes(), 2 * one, "what has no pixels is not kept");
    assert!(kept.take(&at("c")).is_none());
    let file = kept.take(&at("a")).unwrap();
    let read = ready(&found.studies[0]).instances.iter().find(|file| file.path == at("a")).unwrap();
    assert_eq!((file.bytes(), file.sha256()), (bytes.as_slice(), read.instance.sha256));
    assert_eq!(file.sha256(), FileBytes::new(&bytes).sha256());

    for (most_bytes, names) in
        [(2 * one, vec!["a", "b"]), (2 * one - 1, vec!["a"]), (one - 1, vec![]), (0, vec![])]
    {
        let (_, mut kept) = look_keeping(most_bytes);
        assert!(kept.bytes() <= most_bytes);
        let there = ["a", "b", "c"].into_iter().filter(|name| kept.take(&at(name)).is_some());
        assert_eq!(there.collect::<Vec<_>>(), names);
        assert_eq!(kept.bytes(), 0);
    }
}

#[test]
fn the_corpus_is_discovered() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let found = look(&folder);
    let again = look(&folder);
    assert_eq!(format!("{found:?}"), format!("{again:?}"), "the order is deterministic");
    assert_eq!(found.directories, 7);
    let dog = found.studies.iter().find_map(|outcome| match outcome {
        StudyOutcome::Ready(study) => study.instances.iter().find(|file| file.path.ends_with("dx_image.dcm")),
        StudyOutcome::Refused(_) => None,
    });
    let dog = &dog.unwrap().instance;
    assert!(matches!(&dog.species, Species::NotHuman { evidence } if evidence.contains("VETERINARIAN")));
    assert_eq!(dog.lateral_evidence.as_deref(), Some("AcquisitionDeviceProcessingDescription"));
}

#[test]
fn names_of_the_character_set_samples_are_decoded_or_flagged() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let folder = folder.join("pydicom/src/pydicom/data/charset_files");
    // As pydicom decodes them, without trailing delimiters.
    for (file, written) in [
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrFrenMulti.dcm", "Buc^Jérôme"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrGreek.dcm", "Διονυσιος"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("chrHbrw.dcm", "שרון^דבורה"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrJapMulti.dcm", "やまだ^たろう"),
        ("chrJapMultiExplicitIR6.dcm", "やまだ^たろう"),
        ("chrKoreanMulti.dcm", "김희중"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东"),
    ] {
        let bytes = fs::read(folder.join(file)).unwrap();
        let instance = dicom_ingest::read::read_header(&bytes, InProcess::default().limits()).unwrap();
        assert!(!instance.patient.name_undecoded, "{file}");
        let name = instance.patient.display_name.as_ref().unwrap().expose();
        assert_eq!(name.trim_end_matches(['=', '^']), written, "{file}");
    }
}
