//! Every file of the corpus ends in pixels equal to pydicom's or in the refusal that is pinned here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use dicom_ingest::species::Species;
use support::data;

/// Compares with one line of a reference file; `Err` says how the pixels differ.
fn compare(frames: &[dicom_ingest::frame::Frame], row: &[&str]) -> Result<(), String> {
    let [_, kind, count, rows, columns, sha256, samples] = row else {
        return Err("bad reference".to_owned());
    };
    let first = &frames[0];
    let shape = format!("{},{},{}", frames.len(), first.rows, first.columns);
    if shape != format!("{count},{rows},{columns}") {
        return Err(format!("shape {shape}"));
    }
    if data::digest(frames) == *sha256 {
        return Ok(());
    }
    if *kind != "lossy" {
        return Err("stored values differ".to_owned());
    }
    let stored: Vec<i32> = frames.iter().flat_map(|frame| frame.stored.iter()).collect();
    let differences = samples.split(' ').enumerate().map(|(index, sample)| {
        let at = (index as u64 * 2_654_435_761 % (1 << 32)) % stored.len() as u64;
        (stored[usize::try_from(at).unwrap()] - sample.parse::<i32>().unwrap()).abs()
    });
    let worst = differences.max().unwrap();
    if worst <= 1 { Ok(()) } else { Err(format!("lossy values differ by {worst}")) }
}

#[test]
fn the_corpus_decodes_or_refuses_as_pinned() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let reference: BTreeMap<&str, Vec<&str>> =
        data::rows(include_str!("reference/dicom-corpus.csv")).into_iter().map(|row| (row[0], row)).collect();
    let pinned: BTreeMap<&str, &str> = data::rows(include_str!("reference/dicom-corpus-outcomes.csv"))
        .into_iter()
        .map(|row| (row[0], row[1]))
        .collect();
    let manifest = fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let (mut outcomes, mut wrong, mut seen) = (String::from("path,outcome\n"), Vec::new(), 0);
    for row in data::rows(&manifest) {
        let path = row[0];
        seen += 1;
        let bytes = fs::read(folder.join(path)).unwrap();
        let outcome = match decode(&bytes, &Limits::default()) {
            Ok(decoded) => match reference.get(path) {
                Some(row) => match compare(&decoded.frames, row) {
                    Ok(()) => "equal".to_owned(),
                    Err(how) => how,
                },
                None => "decoded, no reference".to_owned(),
            },
            Err(refusal) => refusal.code.to_string(),
        };
        writeln!(outcomes, "{path},{outcome}").unwrap();
        if pinned.get(path) != Some(&outcome.as_str()) {
            wrong.push(format!("{path}: {outcome}, pinned {:?}", pinned.get(path)));
        }
    }
    fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("dicom-corpus-outcomes.csv"), &outcomes)
        .unwrap();
    assert_eq!(seen, 335);
    assert!(wrong.is_empty(), "{} files end otherwise than pinned:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_radiograph_decodes_to_what_pydicom_reads() {
    for (name, reference) in [
        ("cxr-nih", include_str!("reference/cxr-nih.csv")),
        ("cxr-hannover", include_str!("reference/cxr-hannover.csv")),
    ] {
        let Some(folder) = data::folder(name) else { return };
        for row in data::rows(reference) {
            let bytes = fs::read(folder.join(row[0])).unwrap();
            let decoded =
                decode(&bytes, &Limits::default()).unwrap_or_else(|refusal| panic!("{}: {refusal}", row[0]));
            compare(&decoded.frames, &row).unwrap_or_else(|how| panic!("{}: {how}", row[0]));
            assert_eq!(decoded.instance.species, Species::Human, "{}", row[0]);
            assert_eq!(decoded.instance.lateral_evidence, None, "{}", row[0]);
            let grey = decoded.frames[0].grey();
            assert!(grey.iter().all(|value| (0.0..=1.0).contains(value)), "{}", row[0]);
        }
    }
}

/// Files that pydicom reads and we do not, and why.
const REFUSED_ON_PURPOSE: [(&str, &str); 1] =
    [("pydicom/src/pydicom/data/test_files/JPGExtended.dcm", "lossy JPEG of 12 bits")];

#[test]
fn every_grey_file_that_pydicom_reads_has_the_same_pixels() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    for row in data::rows(include_str!("reference/dicom-corpus.csv")) {
        let bytes = fs::read(folder.join(row[0])).unwrap();
        let read = dicom_ingest::decode::pixels(&bytes, &Limits::default());
        if REFUSED_ON_PURPOSE.iter().any(|(path, _)| *path == row[0]) {
            assert!(read.is_err(), "{} is read after all", row[0]);
            continue;
        }
        let frames = read.unwrap_or_else(|refusal| panic!("{}: {refusal}", row[0]));
        compare(&frames, &row).unwrap_or_else(|how| panic!("{}: {how}", row[0]));
    }
}
