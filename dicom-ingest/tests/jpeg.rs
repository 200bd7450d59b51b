//! JPEG codestreams that the corpus does not have: grey lossy ones of 8 bits, as libjpeg codes and decodes them, and
//! lossless ones of every predictor, precision, restart interval and point transform, from an encoder of our own.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may stop where it fails"
)]

mod support;

use std::fmt::Write;

use dicom_ingest::decode::pixels;
use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use proptest::prelude::*;
use support::data;
use support::file::{Picture, encapsulated};

const BASELINE: &str = "1.2.840.10008.1.2.4.50";
const LOSSLESS: &str = "1.2.840.10008.1.2.4.57";

fn picture(rows: u16, columns: u16, allocated: u16, stored: u16, signed: bool) -> Picture {
    Picture {
        rows,
        columns,
        allocated,
        stored,
        high: stored - 1,
        signed,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: Vec::new(),
        more: Vec::new(),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn grey_lossy_jpeg_is_within_one_grey_level_of_libjpeg() {
    let rows = data::rows(include_str!("reference/jpeg-lossy.csv"));
    assert_eq!(rows.len(), 24);
    for row in rows {
        let [name, height, width, coded, decoded] = row.as_slice() else { panic!("{row:?}") };
        let (height, width): (u16, u16) = (height.parse().unwrap(), width.parse().unwrap());
        for (allocated, stored) in [(8, 8), (16, 8), (16, 12)] {
            let file =
                encapsulated(&picture(height, width, allocated, stored, false), BASELINE, &[bytes(coded)]);
            let frames = pixels(&file, &Limits::default()).unwrap();
            let differences = frames[0]
                .stored
                .iter()
                .zip(bytes(decoded))
                .map(|(ours, theirs)| (ours - i32::from(theirs)).abs());
            assert!(differences.max().unwrap() <= 1, "{name}");
        }
        let signed = encapsulated(&picture(height, width, 8, 8, true), BASELINE, &[bytes(coded)]);
        assert_eq!(pixels(&signed, &Limits::default()).unwrap_err().code, RefusalCode::UnsupportedPixel);
        let taller = encapsulated(&picture(height + 1, width, 8, 8, false), BASELINE, &[bytes(coded)]);
        assert_eq!(pixels(&taller, &Limits::default()).unwrap_err().code, RefusalCode::PixelMismatch);
    }
}

/// What a lossless codestream is made with.
#[derive(Debug, Clone)]
struct Lossless {
    rows: u16,
    columns: u16,
    precision: u32,
    predictor: u8,
    point_transform: u32,
    /// Lines between restart markers, 0 for none.
    restart_lines: u16,
    samples: Vec<i32>,
}

impl Lossless {
    fn prediction(&self, at: usize) -> i32 {
        let columns = usize::from(self.columns);
        let (row, column) = (at / columns, at % columns);
        let line = if self.restart_lines == 0 { row } else { row % usize::from(self.restart_lines) };
        let sample = |at: usize| self.samples[at] >> self.point_transform;
        match (line, column) {
            (0, 0) => 1 << (self.precision - self.point_transform - 1),
            (0, _) => sample(at - 1),
            (_, 0) => sample(at - columns),
            _ => {
                let (a, b, c) = (sample(at - 1), sample(at - columns), sample(at - columns - 1));
                match self.predictor {
                    1 => a,
                    2 => b,
                    3 => c,
                    4 => a + b - c,
                    5 => a + ((b - c) >> 1),
                    6 => b + ((a - c) >> 1),
                    7 => (a + b) >> 1,
                    _ => unreachable!(),
                }
            }
        }
    }

    /// Codes every difference with a Huffman table in which each of the 17 categories has a code of five bits.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![0xFF, 0xD8, 0xFF, 0xC3, 0, 11, self.precision as u8];
        out.extend(self.rows.to_be_bytes());
        out.extend(self.columns.to_be_bytes());
        out.extend([1, 1, 0x11, 0, 0xFF, 0xC4, 0, 36, 0]);
        out.extend((1..=16).map(|length| if length == 5 { 17 } else { 0 }));
        out.extend(0..17);
        if self.restart_lines > 0 {
            out.extend([0xFF, 0xDD, 0, 4]);
            out.extend((self.restart_lines * self.columns).to_be_bytes());
        }
        out.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, self.predictor, 0, self.point_transform as u8]);
        let interval = usize::from(self.restart_lines) * usize::from(self.columns);
        let mut bits = String::new();
        let mut restarts = 0_u8;
        for at in 0..self.samples.len() {
            if interval > 0 && at > 0 && at % interval == 0 {
                flush(&mut bits, &mut out);
                out.extend([0xFF, 0xD0 + restarts % 8]);
                restarts += 1;
            }
            let sample = self.samples[at] >> self.point_transform;
            // Differences are modulo 2^16 (H.1.2.1).
            let difference = (sample - self.prediction(at)).rem_euclid(65_536);
            let difference = if difference > 32_768 { difference - 65_536 } else { difference };
            let category = 32 - difference.abs().leading_zeros();
            write!(bits, "{category:05b}").unwrap();
            if (1..=15).contains(&category) {
                let magnitude = if difference < 0 { difference + (1 << category) - 1 } else { difference };
                write!(bits, "{magnitude:0width$b}", width = category as usize).unwrap();
            }
        }
        flush(&mut bits, &mut out);
        out.extend([0xFF, 0xD9]);
        out
    }
}

/// Writes the bits as bytes, padded with ones, a zero stuffed after each byte of ones.
fn flush(bits: &mut String, out: &mut Vec<u8>) {
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for at in (0..bits.len()).step_by(8) {
        let byte = u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        out.push(byte);
        if byte == 0xFF {
            out.push(0);
        }
    }
    bits.clear();
}

prop_compose! {
    fn lossless()(
        rows in 1_u16..9, columns in 1_u16..9, precision in 2_u32..17, predictor in 1_u8..8, restart_lines in 0_u16..4,
    )(
        rows in Just(rows), columns in Just(columns), precision in Just(precision), predictor in Just(predictor),
        restart_lines in Just(restart_lines), point_transform in 0..precision.min(4),
        samples in prop::collection::vec(0_i32..1 << precision, usize::from(rows * columns)),
    ) -> Lossless {
        let samples = samples.into_iter().map(|sample| sample >> point_transform << point_transform).collect();
        Lossless { rows, columns, precision, predictor, point_transform, restart_lines, samples }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lossless_jpeg_of_every_kind_is_exact(image in lossless(), signed in any::<bool>()) {
        let stored = image.precision as u16;
        let allocated = if stored <= 8 { 8 } else { 16 };
        let picture = picture(image.rows, image.columns, allocated, stored, signed);
        let frames = pixels(&encapsulated(&picture, LOSSLESS, &[image.encode()]), &Limits::default()).unwrap();
        let expected: Vec<i32> = image.samples.iter().map(|sample| {
            if signed && *sample >= 1 << (image.precision - 1) { sample - (1 << image.precision) } else { *sample }
        }).collect();
        prop_assert_eq!(frames[0].stored.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_cut_lossless_codestream_is_refused(image in lossless(), part in 0.0_f64..1.0) {
        let coded = image.encode();
        let cut = (coded.len() as f64 * part) as usize;
        let stored = image.precision as u16;
        let allocated = if stored <= 8 { 8 } else { 16 };
        let picture = picture(image.rows, image.columns, allocated, stored, false);
        let outcome = pixels(&encapsulated(&picture, LOSSLESS, &[coded[..cut].to_vec()]), &Limits::default());
        prop_assert!(outcome.is_err());
    }
}
