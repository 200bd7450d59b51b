//! Values of the header: every text ends in a value or in none, and a valid one survives.

#![allow(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use dicom_ingest::limits::Limits;
use dicom_ingest::patient::{PersonName, fold};
use dicom_ingest::prescan::prescan;
use dicom_ingest::read::read_header;
use dicom_ingest::study_time::TimeRule;
use dicom_ingest::uid::Uid;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use support::file::{Element, Encoding, head, identified, plain, text};

/// An instance with some elements set.
fn instance(changes: Vec<Element>) -> Vec<u8> {
    let mut elements = identified("1.2.840.10008.5.1.4.1.1.1");
    for change in changes {
        elements.retain(|element| (element.0, element.1) != (change.0, change.1));
        elements.push(change);
    }
    plain(&elements, Encoding::Explicit)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_uid_is_what_the_standard_says(text in "[0-9.a]{0,70}") {
        let valid = text.len() <= 64
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part.len() == 1 || !part.starts_with('0')));
        prop_assert_eq!(text.parse::<Uid>().is_ok(), valid);
    }

    #[test]
    fn a_uid_survives(parts in prop::collection::vec(0_u32..u32::MAX, 1..6)) {
        let text = parts.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let uid: Uid = text.parse().unwrap();
        prop_assert_eq!(serde_json::from_str::<Uid>(&serde_json::to_string(&uid).unwrap()).unwrap(), uid);
    }

    #[test]
    fn a_study_time_is_the_instant_it_states(
        year in 1900_i16..2100, month in 1_i8..13, day in 1_i8..29, hour in 0_i8..24, minute in 0_i8..60,
        second in 0_i8..60, offset in -12 * 4..14 * 4_i32,
    ) {
        let sign = if offset < 0 { '-' } else { '+' };
        let quarters = offset.unsigned_abs();
        let bytes = instance(vec![
            text(8, 0x20, "DA", &format!("{year:04}{month:02}{day:02}")),
            text(8, 0x30, "TM", &format!("{hour:02}{minute:02}{second:02}.5")),
            text(8, 0x201, "SH", &format!("{sign}{:02}{:02}", quarters / 4, quarters % 4 * 15)),
        ]);
        let time = read_header(&bytes, &Limits::default()).unwrap().study_time.unwrap();
        let (instant, rule) = time.instant(&TimeZone::UTC);
        prop_assert_eq!(rule, TimeRule::DicomOffset);
        let local = jiff::civil::date(year, month, day).at(hour, minute, second, 500_000_000);
        let expected = local.to_zoned(TimeZone::UTC).unwrap().timestamp() - jiff::SignedDuration::from_mins(i64::from(offset) * 15);
        prop_assert_eq!(instant, expected);
    }

    #[test]
    fn any_text_in_any_field_is_read(value in "[ -~]{0,60}") {
        let fields = [(8, 0x20, "DA"), (8, 0x30, "TM"), (8, 0x201, "SH"), (0x10, 0x10, "PN"), (0x10, 0x20, "LO"),
            (0x10, 0x30, "DA"), (0x10, 0x1010, "AS"), (0x18, 0x5101, "CS"), (0x28, 0x30, "DS"), (0x20, 0x13, "IS")];
        let changes = fields.iter().map(|(group, element, vr)| text(*group, *element, vr, &value)).collect();
        let read = read_header(&instance(changes), &Limits::default()).unwrap();
        let shown = format!("{:?}", read.patient);
        prop_assert!(value.trim().len() < 4 || !shown.contains(value.trim()) || "PatientIdentity".contains(value.trim()));
        if let Some(age) = read.age_years {
            prop_assert!((0.0..150.0).contains(&age));
        }
    }

    #[test]
    fn any_bytes_are_scanned(bytes in prop::collection::vec(any::<u8>(), 0..600), encoding in 0..3_usize) {
        let encoding = [Encoding::Implicit, Encoding::Explicit, Encoding::Big][encoding];
        let scanned = [head(encoding.uid()), bytes].concat();
        let _outcome = prescan(&scanned, &Limits::default());
    }

    #[test]
    fn folding_is_idempotent(name in "\\PC{0,30}") {
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
        let parsed = PersonName::parse(&name);
        prop_assert!(!parsed.contradicts(&parsed));
    }
}
