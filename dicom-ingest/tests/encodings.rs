//! The same picture in another encoding is the same picture.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may stop where it fails"
)]

mod support;

use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use proptest::prelude::*;
use support::file::{Encoding, Picture, Value, items, number, text};

/// A picture of 12-bit values, shown by the window that maps all of them.
fn twelve_bit(rows: u16, columns: u16, samples: Vec<u16>) -> Picture {
    Picture {
        rows,
        columns,
        allocated: 16,
        stored: 12,
        high: 11,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples,
        more: window(2048.0, 4096.0),
    }
}

fn window(center: f64, width: f64) -> Vec<support::file::Element> {
    vec![text(0x28, 0x1050, "DS", &center.to_string()), text(0x28, 0x1051, "DS", &width.to_string())]
}

fn grey(picture: &Picture, encoding: Encoding) -> Vec<f32> {
    let decoded = decode(&picture.file(encoding), &Limits::default()).unwrap();
    decoded.frames.iter().flat_map(dicom_ingest::frame::Frame::grey).collect()
}

fn worst(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

prop_compose! {
    fn pictures()(rows in 1_u16..24, columns in 1_u16..24)(
        rows in Just(rows),
        columns in Just(columns),
        samples in prop::collection::vec(0_u16..4096, usize::from(rows) * usize::from(columns)),
        runs in any::<bool>(),
    ) -> Picture {
        // Runs make the packed bytes of RLE and deflate interesting.
        let samples = if runs { samples.iter().map(|sample| sample / 1024 * 1024).collect() } else { samples };
        twelve_bit(rows, columns, samples)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lossless_encodings_have_equal_stored_values(picture in pictures(), signed in any::<bool>()) {
        let picture = Picture { signed, ..picture };
        let expected: Vec<i32> = picture.samples.iter().map(|sample| {
            let value = i32::from(*sample);
            if signed && value >= 2048 { value - 4096 } else { value }
        }).collect();
        for encoding in Encoding::ALL {
            let decoded = decode(&picture.file(encoding), &Limits::default()).unwrap();
            let stored: Vec<i32> = decoded.frames[0].stored.iter().collect();
            prop_assert_eq!(&stored, &expected, "{:?}", encoding);
        }
    }

    #[test]
    fn the_same_picture_has_the_same_grey_values(picture in pictures()) {
        let reference = grey(&picture, Encoding::Explicit);
        for (sample, grey) in picture.samples.iter().zip(&reference) {
            prop_assert!((f32::from(*sample) / 4095.0 - grey).abs() < 1e-6);
        }
        let inverted = Picture {
            photometric: "MONOCHROME1",
            samples: picture.samples.iter().map(|sample| 4095 - sample).collect(),
            more: [window(2048.0, 4096.0), vec![text(0x2050, 0x20, "CS", "INVERSE")]].concat(),
            ..picture.clone()
        };
        let signed = Picture {
            signed: true,
            samples: picture.samples.iter().map(|sample| sample.wrapping_sub(2048) & 0xFFF).collect(),
            more: window(0.0, 4096.0),
            ..picture.clone()
        };
        // The slope turns stored into modality values; LINEAR counts pixel centres (C.11.2.1.2.1), so that its
        // window of the rescaled values is center (c - 0.5) x slope + 0.5 + intercept, width (w - 1) x slope + 1.
        let rescaled = Picture {
            more: [
                window(2047.5 * 2.5 + 0.5 - 1024.0, 4095.0 * 2.5 + 1.0),
                vec![text(0x28, 0x1052, "DS", "-1024"), text(0x28, 0x1053, "DS", "2.5")],
            ].concat(),
            ..picture.clone()
        };
        let without_window = Picture { more: Vec::new(), ..picture.clone() };
        let table = Picture {
            more: vec![items(0x28, 0x3010, vec![vec![
                (0x28, 0x3002, "US", Value::U16(vec![4096, 0, 12])),
                (0x28, 0x3006, "OW", Value::Bytes((0_u16..4096).flat_map(u16::to_le_bytes).collect())),
            ]])],
            ..picture.clone()
        };
        let wide = Picture {
            stored: 16,
            high: 15,
            samples: picture.samples.iter().map(|sample| sample << 4).collect(),
            more: window(2047.5 * 16.0 + 0.5, 4095.0 * 16.0 + 1.0),
            ..picture.clone()
        };
        let spread = picture.samples.iter().max().unwrap() - picture.samples.iter().min().unwrap();
        for encoding in Encoding::ALL {
            for (name, variant) in [
                ("inverted", &inverted), ("signed", &signed), ("rescaled", &rescaled), ("table", &table), ("wide", &wide),
            ] {
                if name == "table" && encoding == Encoding::Big {
                    continue; // the writer of the tests does not swap the words of a table
                }
                let difference = worst(&reference, &grey(variant, encoding));
                prop_assert!(difference < 1e-4, "{} {:?}: {}", name, encoding, difference);
            }
            if spread > 1024 {
                prop_assert!(worst(&reference, &grey(&without_window, encoding)) < 1e-6);
            }
        }
    }

    #[test]
    fn bits_above_the_stored_ones_are_masked(picture in pictures(), overlay in any::<u16>()) {
        let marked = Picture {
            samples: picture.samples.iter().enumerate()
                .map(|(at, sample)| sample | ((overlay ^ at as u16) << 12)).collect(),
            ..picture.clone()
        };
        for encoding in Encoding::ALL {
            prop_assert_eq!(grey(&picture, encoding), grey(&marked, encoding));
        }
    }
}

#[test]
fn eight_bits_twelve_bits_and_frames() {
    let eight: Vec<u16> = (0..256).collect();
    let picture = Picture {
        allocated: 8,
        stored: 8,
        high: 7,
        more: window(128.0, 256.0),
        ..twelve_bit(16, 16, eight.clone())
    };
    let reference = grey(&picture, Encoding::Implicit);
    for encoding in Encoding::ALL {
        assert!(worst(&reference, &grey(&picture, encoding)) < 1e-6);
        let samples = eight.iter().map(|value| (f64::from(*value) * 4095.0 / 255.0).round() as u16).collect();
        assert!(worst(&reference, &grey(&twelve_bit(16, 16, samples), encoding)) < 2e-4);
        let frames = Picture { frames: 4, rows: 8, columns: 8, ..picture.clone() };
        let decoded = decode(&frames.file(encoding), &Limits::default()).unwrap();
        assert_eq!(decoded.frames.len(), 4);
        assert!(worst(&reference, &grey(&frames, encoding)) < 1e-6);
    }
}

#[test]
fn left_aligned_samples_are_shifted_or_refused() {
    let samples: Vec<u16> = (0..64).map(|value| value << 4).collect();
    let picture = Picture { high: 15, samples, ..twelve_bit(8, 8, Vec::new()) };
    let decoded = decode(&picture.file(Encoding::Explicit), &Limits::default()).unwrap();
    assert!(decoded.frames[0].stored.iter().eq(0..64));
    let ambiguous = Picture { samples: vec![1; 64], ..picture };
    let refused = decode(&ambiguous.file(Encoding::Explicit), &Limits::default()).unwrap_err();
    assert_eq!(refused.code, RefusalCode::PixelMismatch);
}

#[test]
fn padding_is_black_and_no_part_of_the_range() {
    let mut samples = vec![4095; 16];
    samples.extend((0..48).map(|value| 100 + value));
    for (photometric, expected) in [("MONOCHROME2", [0.0, 0.0, 1.0]), ("MONOCHROME1", [0.0, 1.0, 0.0])] {
        let picture = Picture {
            photometric,
            more: vec![(0x28, 0x120, "US", Value::U16(vec![4095]))],
            ..twelve_bit(8, 8, samples.clone())
        };
        let grey = grey(&picture, Encoding::Explicit);
        assert!(worst(&[grey[0], grey[16], grey[63]], &expected) < 1e-6, "{photometric}");
    }
}

#[test]
fn colour_and_contradictions_are_refused() {
    let picture = twelve_bit(8, 8, vec![0; 64]);
    let refused =
        |picture: &Picture, encoding| decode(&picture.file(encoding), &Limits::default()).unwrap_err().code;
    for photometric in ["RGB", "YBR_FULL", "PALETTE COLOR"] {
        let colour = Picture { photometric, ..picture.clone() };
        assert_eq!(refused(&colour, Encoding::Explicit), RefusalCode::ColourPixel);
    }
    let with = |more| Picture { more, ..picture.clone() };
    let cases = [
        (with(vec![number(0x28, 0x10, 9)]), RefusalCode::PixelMismatch),
        (with(vec![number(0x28, 0x10, 7), number(0x28, 0x11, 4)]), RefusalCode::PixelMismatch),
        (with(vec![number(0x28, 0x10, 0)]), RefusalCode::PixelMismatch),
        (with(vec![text(0x28, 8, "IS", "3")]), RefusalCode::PixelMismatch),
        (with(vec![number(0x28, 0x101, 17)]), RefusalCode::UnsupportedPixel),
        (with(vec![number(0x28, 0x103, 2)]), RefusalCode::UnsupportedPixel),
        (with(vec![text(0x28, 0x1053, "DS", "0")]), RefusalCode::PixelMismatch),
        (with(vec![text(0x28, 0x1053, "DS", "NaN")]), RefusalCode::PixelMismatch),
        (with(vec![text(0x28, 0x1053, "DS", "one")]), RefusalCode::PixelMismatch),
        (with(vec![text(8, 0x18, "UI", "../../x")]), RefusalCode::BadUid),
    ];
    for (picture, code) in cases {
        assert_eq!(refused(&picture, Encoding::Explicit), code, "{:?}", picture.more);
    }
}
