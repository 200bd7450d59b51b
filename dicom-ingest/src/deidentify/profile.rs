//! Table E.1-1 of PS3.15, edition 2024e, as data, and what it says of an attribute under the options that are on.
//!
//! Where the table leaves a choice by the type that the attribute has in its information object (`X/Z`, `X/D`, `Z/D`, `X/Z/D`,
//! `X/Z/U*`), the last of them is taken: a value that is a dummy, or empty, conforms to whichever type it is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::{Dates, Options};

/// The edition of the standard that the table is of.
pub const EDITION: &str = "PS3.15 2024e";

/// One line an attribute: tag, basic profile, then the options. Lines with a pattern for a tag (private attributes, curves,
/// overlays) are code, in `rewrite`.
const TABLE: &str = include_str!("profile-2024e.csv");

static ROWS: LazyLock<BTreeMap<Tag, Row>> = LazyLock::new(|| TABLE.lines().skip(1).filter_map(row).collect());

/// What becomes of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It stays; the items of a sequence are looked at one by one (K).
    Keep,
    /// It is removed (X).
    Remove,
    /// Its value is removed (Z).
    Empty,
    /// Its value is replaced (D).
    Dummy,
    /// Its UIDs are replaced, each by one that follows from the key (U).
    Uid,
    /// Its date is moved (C of the modified dates).
    Shift,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a line of a table: one column an option")]
struct Row {
    basic: Action,
    uids: bool,
    device: bool,
    institution: bool,
    patient: bool,
    dates: bool,
}

/// What the table says of an attribute under these options; `None` where it does not list it.
pub fn action(tag: Tag, options: &Options) -> Option<Action> {
    let row = ROWS.get(&tag)?;
    let kept = (options.retain_uids && row.uids)
        || (options.retain_device && row.device)
        || (options.retain_institution && row.institution)
        || (options.retain_patient_characteristics && row.patient);
    Some(match (kept, row.dates, options.dates) {
        (true, false, _) | (_, true, Dates::Keep) => Action::Keep,
        (_, true, Dates::Shift) => Action::Shift,
        _ => row.basic,
    })
}

/// UIDs and addresses, of those that the table does not list, that say of what kind something is, or in which system it is
/// coded: classes, transfer syntaxes, coding schemes.
const KINDS: [Tag; 18] = [
    tags::SOP_CLASS_UID,
    tags::RELATED_GENERAL_SOP_CLASS_UID,
    tags::ORIGINAL_SPECIALIZED_SOP_CLASS_UID,
    tags::SOP_CLASSES_IN_STUDY,
    tags::CODING_SCHEME_UID,
    tags::CODING_SCHEME_URL,
    tags::CONTEXT_UID,
    tags::MAPPING_RESOURCE_UID,
    tags::URN_CODE_VALUE,
    tags::STORED_INSTANCE_TRANSFER_SYNTAX_UID,
    tags::REFERENCED_SOP_CLASS_UID,
    tags::SOP_CLASSES_SUPPORTED,
    tags::AVAILABLE_TRANSFER_SYNTAX_UID,
    tags::FLOW_TRANSFER_SYNTAX_UID,
    tags::MAC_CALCULATION_TRANSFER_SYNTAX_UID,
    tags::ENCRYPTED_CONTENT_TRANSFER_SYNTAX_UID,
    tags::PERTINENT_SOP_CLASSES_IN_STUDY,
    tags::PERTINENT_SOP_CLASSES_IN_SERIES,
];

/// Attributes of the patient, of those that the table does not list, by which nobody is known.
const OF_ANYBODY: [Tag; 10] = [
    tags::TYPE_OF_PATIENT_ID,
    tags::SUBJECT_RELATIVE_POSITION_IN_IMAGE,
    tags::QUALITY_CONTROL_SUBJECT,
    tags::QUALITY_CONTROL_SUBJECT_TYPE_CODE_SEQUENCE,
    tags::PATIENT_SPECIES_DESCRIPTION,
    tags::PATIENT_SPECIES_CODE_SEQUENCE,
    tags::ANATOMICAL_ORIENTATION_TYPE,
    tags::PATIENT_BREED_DESCRIPTION,
    tags::PATIENT_BREED_CODE_SEQUENCE,
    tags::EXAMINED_BODY_THICKNESS,
];

/// Characteristics of the patient that the table does not list.
const CHARACTERISTICS: [Tag; 4] = [
    tags::PATIENT_SIZE_CODE_SEQUENCE,
    tags::PATIENT_BODY_MASS_INDEX,
    tags::MEASURED_AP_DIMENSION,
    tags::MEASURED_LATERAL_DIMENSION,
];

/// Whether an attribute that the table does not list says of what kind something is.
pub(super) fn names_a_kind(tag: Tag) -> bool {
    KINDS.contains(&tag)
}

/// What becomes of an attribute of the patient (group 0010) that the table does not list.
pub(super) fn of_patient(tag: Tag, options: &Options) -> Action {
    let characteristic = options.retain_patient_characteristics && CHARACTERISTICS.contains(&tag);
    if characteristic || OF_ANYBODY.contains(&tag) { Action::Keep } else { Action::Remove }
}

/// The basic profile's action of every attribute in the table, by tag.
pub fn basic() -> impl Iterator<Item = (Tag, Action)> {
    ROWS.iter().map(|(tag, row)| (*tag, row.basic))
}

fn row(line: &str) -> Option<(Tag, Row)> {
    let cells: Vec<&str> = line.split(',').collect();
    let [tag, basic, uids, device, institution, patient, dates, ..] = cells.as_slice() else { return None };
    let number = u32::from_str_radix(tag, 16).ok()?;
    let [group, element] =
        [number >> 16, number & 0xFFFF].map(|half| u16::try_from(half).unwrap_or_default());
    let basic = match *basic {
        "X" => Action::Remove,
        "Z" | "X/Z" => Action::Empty,
        "D" | "X/D" | "Z/D" | "X/Z/D" => Action::Dummy,
        "U" | "X/Z/U" => Action::Uid,
        _ => return None,
    };
    // C asks for cleaning by somebody who reads the text: here only what may be kept as it is (K) is kept.
    let kept = |cell: &str| cell == "K";
    let row = Row {
        basic,
        uids: kept(uids),
        device: kept(device),
        institution: kept(institution),
        patient: kept(patient),
        dates: *dates == "C",
    };
    Some((Tag(group, element), row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deidentify::Key;

    #[test]
    fn every_line_of_the_table_is_read_and_says_what_the_standard_says() {
        assert_eq!(ROWS.len(), TABLE.lines().count() - 1);
        let options = Options::basic(Key::new([7; 32]));
        for (tag, expected) in [
            (tags::PATIENT_NAME, Action::Empty),
            (tags::PATIENT_ID, Action::Dummy),
            (tags::STUDY_INSTANCE_UID, Action::Uid),
            (tags::INSTITUTION_NAME, Action::Dummy),
            (tags::STUDY_DATE, Action::Empty),
            (tags::PATIENT_AGE, Action::Remove),
            (tags::SOURCE_IMAGE_SEQUENCE, Action::Uid),
        ] {
            assert_eq!(action(tag, &options), Some(expected), "{tag}");
        }
        assert_eq!(action(tags::ROWS, &options), None);
    }

    #[test]
    fn options_keep_what_they_name_and_nothing_else() {
        let basic = Options::basic(Key::new([7; 32]));
        let patient = Options { retain_patient_characteristics: true, ..basic.clone() };
        assert_eq!(action(tags::PATIENT_AGE, &patient), Some(Action::Keep));
        // the table asks for cleaning there
        assert_eq!(action(tags::ALLERGIES, &patient), Some(Action::Remove));
        assert_eq!(action(tags::PATIENT_NAME, &patient), Some(Action::Empty));
        let shifted = Options { dates: Dates::Shift, ..basic.clone() };
        assert_eq!(action(tags::STUDY_DATE, &shifted), Some(Action::Shift));
        assert_eq!(action(tags::PATIENT_BIRTH_DATE, &shifted), Some(Action::Empty));
        let kept = Options { dates: Dates::Keep, ..basic.clone() };
        assert_eq!(action(tags::STUDY_DATE, &kept), Some(Action::Keep));
        assert_eq!(action(tags::PATIENT_BIRTH_DATE, &kept), Some(Action::Empty));
        let device = Options { retain_device: true, ..basic.clone() };
        assert_eq!(action(tags::DEVICE_SERIAL_NUMBER, &device), Some(Action::Keep));
        assert_eq!(action(tags::INSTITUTION_NAME, &device), Some(Action::Dummy));
        let institution = Options { retain_institution: true, ..basic.clone() };
        assert_eq!(action(tags::INSTITUTION_NAME, &institution), Some(Action::Keep));
        let uids = Options { retain_uids: true, ..basic };
        assert_eq!(action(tags::SOP_INSTANCE_UID, &uids), Some(Action::Keep));
    }
}
