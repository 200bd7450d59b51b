//! Files made to break a reader: each ends in a typed refusal or in pixels, on a small stack, in bounded memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it fails"
)]

mod support;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use dicom_ingest::decode::{decode, pixels};
use dicom_ingest::limits::Limits;
use dicom_ingest::prescan::prescan;
use dicom_ingest::read::read_header;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::sr;
use dicom_ingest::warning::WarningCode;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::data;
use support::file::{Encoding, Picture, Value, encapsulated, head, items, number, rle, text};

/// The stack that a spawned thread has by default.
const STACK_BYTES: usize = 2 << 20;
/// No file of these tests may take longer.
const LONGEST: Duration = Duration::from_secs(20);

/// Decodes on a default thread stack. A panic that was contained is a failure all the same.
fn decode_safely(bytes: Vec<u8>) -> Result<(), RefusalCode> {
    let work = move || {
        let begun = Instant::now();
        let limits = Limits::default();
        let outcome = decode(&bytes, &limits).map(|decoded| {
            for frame in &decoded.frames {
                assert!(frame.grey().iter().all(|grey| grey.is_finite()));
            }
        });
        let _report = sr::read(&bytes, &limits);
        assert!(begun.elapsed() < LONGEST, "took {:?}", begun.elapsed());
        outcome.map_err(|refusal| refusal.code)
    };
    let outcome = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
    assert_ne!(outcome, Err(RefusalCode::DecoderPanicked));
    outcome
}

/// The greatest resident size of this process so far, in MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn grey_picture() -> Picture {
    Picture {
        rows: 16,
        columns: 16,
        allocated: 16,
        stored: 12,
        high: 11,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: (0..256).collect(),
        more: Vec::new(),
    }
}

fn refused(bytes: Vec<u8>, code: RefusalCode) {
    assert_eq!(decode_safely(bytes), Err(code));
}

#[test]
fn nesting_does_not_reach_the_stack() {
    for (levels, code) in [(65, RefusalCode::TooDeep), (20_000, RefusalCode::TooDeep)] {
        let mut open = head(Encoding::Explicit.uid());
        for _ in 0..levels {
            open.extend([0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
            open.extend([0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        refused(open, code);
    }
    let mut closed = head(Encoding::Implicit.uid());
    for _ in 0..64 {
        closed.extend([
            0x08, 0, 0x40, 0x11, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF,
        ]);
    }
    for _ in 0..64 {
        closed.extend([0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    }
    prescan(&closed, &Limits::default()).unwrap();
}

#[test]
fn lengths_are_not_believed() {
    for vr in ["OB", "OW", "UT", "UN", "OD", "SQ"] {
        let mut bytes = head(Encoding::Explicit.uid());
        bytes.extend([0x09, 0, 0x10, 0x10]);
        bytes.extend(vr.as_bytes());
        bytes.extend([0, 0, 0xFE, 0xFF, 0xFF, 0xFF]);
        bytes.resize(266, 0);
        refused(bytes, RefusalCode::LengthOverrun);
    }
    let mut undefined = head(Encoding::Explicit.uid());
    undefined.extend([0x08, 0, 0x60, 0, b'U', b'T', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    refused(undefined, RefusalCode::LengthOverrun);
    // An element longer than the item that holds it.
    let mut inner = head(Encoding::Explicit.uid());
    inner.extend([0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 18, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 10, 0, 0, 0]);
    inner.extend([0x08, 0, 0x50, 0x11, b'U', b'I', 60, 0, b'1', 0]);
    inner.extend([0; 64]);
    refused(inner, RefusalCode::LengthOverrun);
}

#[test]
fn stray_and_repeated_elements_are_refused() {
    for stray in [[0xFE, 0xFF, 0x0D, 0xE0], [0xFE, 0xFF, 0xDD, 0xE0], [0xFE, 0xFF, 0, 0xE0]] {
        let mut bytes = head(Encoding::Explicit.uid());
        bytes.extend(stray);
        bytes.extend([0; 4]);
        refused(bytes, RefusalCode::BadStructure);
    }
    let mut twice = grey_picture().file(Encoding::Explicit);
    twice.extend([0x10, 0, 0x20, 0, b'L', b'O', 2, 0, b'T', b'2']);
    refused(twice, RefusalCode::BadStructure);
    let mut many = head(Encoding::Implicit.uid());
    for element in 0..1_000_001_u32 {
        many.extend((0x0011 + (element >> 16) as u16 * 2).to_le_bytes());
        many.extend((element as u16).to_le_bytes());
        many.extend([0; 4]);
    }
    refused(many, RefusalCode::TooManyElements);
}

#[test]
fn bombs_do_not_inflate() {
    let before = peak_mib();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&[0x09, 0, 0x10, 0x10, b'O', b'B', 0, 0, 0, 0, 0, 0x40]).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        deflate.write_all(&zeros).unwrap();
    }
    refused(
        [head(Encoding::Deflated.uid()), deflate.finish().unwrap()].concat(),
        RefusalCode::ExpansionLimit,
    );
    // 65535 x 65535, native and packed.
    for encoding in [Encoding::Explicit, Encoding::Rle] {
        let huge =
            Picture { more: vec![number(0x28, 0x10, 65_535), number(0x28, 0x11, 65_535)], ..grey_picture() };
        refused(huge.file(encoding), RefusalCode::PixelLimit);
    }
    let frames = Picture { more: vec![text(0x28, 8, "IS", "2147483647")], ..grey_picture() };
    refused(frames.file(Encoding::Rle), RefusalCode::PixelLimit);
    // Within the limit, but more than so few bytes can hold.
    let lie =
        Picture { more: vec![number(0x28, 0x10, 16_384), number(0x28, 0x11, 16_384)], ..grey_picture() };
    refused(lie.file(Encoding::Rle), RefusalCode::PixelMismatch);
    assert!(peak_mib() - before < 400, "grew by {} MiB", peak_mib() - before);
}

/// 128 KiB of a file that would be gigabytes, as each frame has a transform of its own.
#[test]
fn a_table_is_not_held_for_frames_without_end() {
    let table = vec![
        (0x28, 0x3002, "US", Value::U16(vec![0, 0, 16])),
        (0x28, 0x3006, "OW", Value::U16((0..=u16::MAX).collect())),
    ];
    let dots = |frames: usize| {
        let picture = Picture { rows: 1, columns: 1, frames, samples: vec![7; frames], ..grey_picture() };
        Picture { more: vec![items(0x28, 0x3010, vec![table.clone()])], ..picture }
    };
    for encoding in [Encoding::Explicit, Encoding::Rle] {
        assert_eq!(decode(&dots(3).file(encoding), &Limits::default()).unwrap().frames.len(), 3);
        let refusal = decode(&dots(60_000).file(encoding), &Limits::default()).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::PixelLimit, "{refusal:?}");
    }
}

#[test]
fn short_and_lying_rle_is_refused() {
    let samples: Vec<u16> = (0..256).collect();
    let whole = rle(&samples, 16);
    let wrapped = |frame: &[u8]| encapsulated(&grey_picture(), Encoding::Rle.uid(), &[frame.to_vec()]);
    decode_safely(wrapped(&whole)).unwrap();
    for cut in 0..whole.len() - 1 {
        let outcome = decode_safely(wrapped(&whole[..cut]));
        assert!(outcome.is_err(), "cut at {cut}");
    }
    let mut far = whole.clone();
    far[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(wrapped(&far), RefusalCode::DecoderFailed);
    let mut many = whole;
    many[..4].copy_from_slice(&15_u32.to_le_bytes());
    refused(wrapped(&many), RefusalCode::PixelMismatch);
}

#[test]
fn text_and_pages_are_not_dicom() {
    for bytes in [b"".to_vec(), b"<html></html>".to_vec(), b"{}".to_vec(), vec![0; 4096], b"DICM".to_vec()] {
        refused(bytes, RefusalCode::NotDicom);
    }
    // No preamble, but valid file meta information: read, with a warning.
    let bare = grey_picture().file(Encoding::Explicit)[132..].to_vec();
    let decoded = decode(&bare, &Limits::default()).unwrap();
    assert_eq!(decoded.instance.warnings[0].code, WarningCode::NoPreamble);
}

#[test]
fn a_preamble_that_is_another_file_is_said() {
    let whole = grey_picture().file(Encoding::Explicit);
    for (start, codes) in [
        (&b"MZ"[..], &[WarningCode::SuspiciousPreamble][..]),
        (b"\x7fELF", &[WarningCode::SuspiciousPreamble]),
        (b"#!/bin/sh", &[WarningCode::SuspiciousPreamble]),
        (b"<html>", &[WarningCode::SuspiciousPreamble]),
        (b"II*\0", &[]), // TIFF, for slides that are both
        (b"", &[]),
    ] {
        let mut bytes = whole.clone();
        bytes[..start.len()].copy_from_slice(start);
        let header = read_header(&bytes, &Limits::default()).unwrap();
        let said: Vec<WarningCode> = header.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(said, codes, "{start:?}");
    }
}

/// Files of many encodings, small enough for many rounds.
fn samples() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = data::folder("dicom-corpus") else { return Vec::new() };
    [
        "robyoung/data/pydicom/CT_small.dcm",
        "robyoung/data/pydicom/MR_small_RLE.dcm",
        "robyoung/data/pydicom/MR_small_bigendian.dcm",
        "robyoung/data/pydicom/image_dfl.dcm",
        "robyoung/data/pydicom/emri_small_jpeg_ls_lossless.dcm",
        "robyoung/data/pydicom/emri_small_jpeg_2k_lossless.dcm",
        "robyoung/data/WG04/JPLL/NM1_JPLL",
        "robyoung/data/pydicom/reportsi.dcm",
        "highdicom/data/test_files/sr_document.dcm",
        "pydicom/src/pydicom/data/test_files/dicomdirtests/77654033/CR1/6154",
    ]
    .into_iter()
    .filter_map(|path| Some((path.to_owned(), fs::read(folder.join(path)).ok()?)))
    .collect()
}

/// Cuts at every place where an element of the header can begin or end, and at 1,000 others.
#[test]
fn every_cut_is_typed() {
    const HEADER_BYTES: usize = 12 << 10;
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for (name, bytes) in samples() {
        let limits = Limits::default();
        let whole = decode(&bytes, &limits).map(|decoded| data::digest(&decoded.frames));
        // Elements begin at even offsets.
        let mut cuts: Vec<usize> = (0..bytes.len().min(HEADER_BYTES)).step_by(2).collect();
        cuts.extend((0..1000).map(|_| random.random_range(0..bytes.len())));
        for cut in cuts {
            let begun = Instant::now();
            let outcome = decode(&bytes[..cut], &limits);
            let _report = sr::read(&bytes[..cut], &limits);
            assert!(begun.elapsed() < LONGEST, "{name} cut at {cut}");
            match outcome {
                // Only what follows the pixels may be missing.
                Ok(decoded) => assert_eq!(Ok(data::digest(&decoded.frames)), whole, "{name} cut at {cut}"),
                Err(refusal) => assert_ne!(refusal.code, RefusalCode::DecoderPanicked, "{name} cut at {cut}"),
            }
        }
    }
}

#[test]
fn flipped_bytes_are_typed() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let files = samples();
    if files.is_empty() {
        return;
    }
    for round in 0..2000 {
        let (name, bytes) = &files[round % files.len()];
        let mut bytes = bytes.clone();
        let end = if random.random_bool(0.5) { bytes.len() } else { bytes.len().min(2048) };
        flip(&mut bytes[..end], &mut random);
        check_typed(&bytes, &format!("{name}, round {round}"));
    }
}

#[test]
fn flipped_codestreams_are_typed() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for path in [
        "pydicom/src/pydicom/data/test_files/JPEGLSNearLossless_08.dcm",
        "pydicom/src/pydicom/data/test_files/JPEGLSNearLossless_16.dcm",
        "pydicom-data/data_store/data/JLSL_16_15_1_1F.dcm",
        "robyoung/data/pydicom/emri_small_jpeg_ls_lossless.dcm",
        "robyoung/data/pydicom/emri_small_jpeg_2k_lossless.dcm",
        "robyoung/data/WG04/JPLL/NM1_JPLL",
        "robyoung/data/pydicom/MR_small_RLE.dcm",
    ] {
        let bytes = fs::read(folder.join(path)).unwrap();
        let pixel_data = bytes.windows(4).rposition(|four| four == [0xE0, 0x7F, 0x10, 0]).unwrap();
        for round in 0..400 {
            let mut bytes = bytes.clone();
            // The codestreams' own headers stand close to the start.
            let end = if round % 2 == 0 { bytes.len() } else { bytes.len().min(pixel_data + 300) };
            flip(&mut bytes[pixel_data + 20..end], &mut random);
            check_typed(&bytes, &format!("{path}, round {round}"));
        }
    }
}

fn check_typed(bytes: &[u8], what: &str) {
    let begun = Instant::now();
    let outcome = pixels(bytes, &Limits::default());
    assert!(begun.elapsed() < LONGEST, "{what}");
    if let Err(refusal) = outcome {
        assert_ne!(refusal.code, RefusalCode::DecoderPanicked, "{what}");
    }
}

/// A codestream that was cut before it was wrapped looks whole to the structure: the codec must notice.
#[test]
fn cut_codestreams_are_refused() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    for (path, side, stored, transfer_syntax) in [
        ("robyoung/data/pydicom/MR_small_jp2klossless.dcm", 64, 16, "1.2.840.10008.1.2.4.90"),
        ("robyoung/data/WG04/J2KI/CT1_J2KI", 512, 16, "1.2.840.10008.1.2.4.91"),
        ("pydicom-data/data_store/data/JLSL_16_15_1_1F.dcm", 128, 15, "1.2.840.10008.1.2.4.80"),
    ] {
        let bytes = fs::read(folder.join(path)).unwrap();
        let whole = data::digest(&pixels(&bytes, &Limits::default()).unwrap());
        let start = bytes
            .windows(4)
            .rposition(|four| matches!(four, [0xFF, 0x4F, 0xFF, 0x51] | [0xFF, 0xD8, 0xFF, _]));
        let coded = &bytes[start.unwrap()..bytes.len() - 8];
        let picture =
            Picture { rows: side, columns: side, stored, high: stored - 1, signed: true, ..grey_picture() };
        let read = |coded: &[u8]| {
            let file = encapsulated(&picture, transfer_syntax, &[coded.to_vec()]);
            pixels(&file, &Limits::default()).map(|frames| data::digest(&frames))
        };
        assert_eq!(read(coded).as_ref(), Ok(&whole), "{path}");
        for part in 1..40 {
            let cut = coded.len() * part / 40;
            assert!(read(&coded[..cut]).map_or(true, |digest| digest == whole), "{path} cut to {cut} bytes");
        }
    }
}

/// Changes one to eight bytes.
fn flip(bytes: &mut [u8], random: &mut impl Rng) {
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..bytes.len());
        bytes[at] = random.random();
    }
}
