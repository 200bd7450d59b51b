//! The walk over a data set, from the root down: each attribute is kept, removed, emptied or replaced.

use dicom_core::dictionary::VirtualVr;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::encode::{Encoder, are_odd};
use super::profile::{self, Action, EDITION};
use super::pseudonym::shifted;
use super::{Dates, Deidentified, Named, Options};
use crate::dataset::{Element, Value, View, standard_vr, trimmed};
use crate::header::Encoding;
use crate::instance::uid;
use crate::prescan::Prescan;
use crate::refusal::Refusal;
use crate::transfer_syntax::TransferSyntax;
use crate::uid::Uid;
use crate::write::file_head;

/// Explicit VR little endian, which a deflated file becomes.
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// What stands in for text, dates and times that may not be empty.
const DUMMY_TEXT: &[u8] = b"REMOVED";
const DUMMY_DATE: &[u8] = b"19000101";
const DUMMY_TIME: &[u8] = b"000000";
const DUMMY_DATE_TIME: &[u8] = b"19000101000000";
/// Coding scheme of a code that stands in for another, of this program.
const DUMMY_SCHEME: &[u8] = b"99CHIASM";

/// What is added to the root, or takes the place of what was there, by tag.
const ADDED: [Tag; 5] = [
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
    tags::BURNED_IN_ANNOTATION,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
];

/// The walk's surroundings.
struct Walk<'a> {
    options: &'a Options,
    /// Patient ID (0010,0020) as it stands in the file; the name, where there is none.
    patient: Vec<u8>,
    days: i64,
    encoder: Encoder,
}

/// Writes the instance anew.
pub(super) fn rewrite(found: &Prescan<'_>, options: &Options) -> Result<Deidentified, Refusal> {
    let view = found.view();
    let sop_class = uid(&view, tags::SOP_CLASS_UID, "SOPClassUID")?;
    let named = |tag, keyword: &str| -> Result<Uid, Refusal> {
        let original = uid(&view, tag, keyword)?;
        if options.retain_uids { Ok(original) } else { options.key.uid(original.as_str()).parse() }
    };
    let named = Named {
        study_uid: named(tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?,
        series_uid: named(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
        sop_instance_uid: named(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
    };
    let (encoding, transfer_syntax) = match &found.meta.transfer_syntax {
        TransferSyntax::ImplicitLittleEndian => {
            (Encoding::IMPLICIT_LITTLE, found.meta.transfer_syntax_uid.as_str())
        }
        TransferSyntax::ExplicitBigEndian => {
            (Encoding::EXPLICIT_BIG, found.meta.transfer_syntax_uid.as_str())
        }
        TransferSyntax::DeflatedExplicitLittleEndian => (Encoding::EXPLICIT_LITTLE, EXPLICIT_LITTLE_ENDIAN),
        _ => (Encoding::EXPLICIT_LITTLE, found.meta.transfer_syntax_uid.as_str()),
    };
    let stated = |tag| view.trimmed(tag).map(<[u8]>::to_vec);
    let patient = stated(tags::PATIENT_ID).or_else(|| stated(tags::PATIENT_NAME)).unwrap_or_default();
    let mut bytes = file_head(sop_class.as_str(), named.sop_instance_uid.as_str(), transfer_syntax);
    bytes.reserve(found.body.len());
    let days = options.key.days(&patient);
    let mut walk = Walk { options, patient, days, encoder: Encoder { bytes, encoding } };
    walk.root(&view);
    Ok(Deidentified { named, bytes: walk.encoder.bytes })
}

impl Walk<'_> {
    /// The root: what it holds, and what says how it was de-identified (PS3.15 E.1.1).
    fn root(&mut self, view: &View<'_>) {
        let mut added =
            ADDED.into_iter().filter(|tag| self.adds(*tag)).collect::<Vec<_>>().into_iter().peekable();
        for element in &view.dataset.elements {
            while let Some(tag) = added.next_if(|tag| *tag < element.tag) {
                self.add(tag);
            }
            if added.peek() != Some(&element.tag) {
                self.element(view, element);
            }
        }
        for tag in added {
            self.add(tag);
        }
    }

    fn adds(&self, tag: Tag) -> bool {
        tag != tags::BURNED_IN_ANNOTATION || self.options.pixels_are_clean
    }

    fn add(&mut self, tag: Tag) {
        match tag {
            tags::DEIDENTIFICATION_METHOD => {
                let text = format!("Chiasm, {EDITION} table E.1-1");
                self.encoder.value(tag, VR::LO, text.as_bytes());
            }
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE => self.add_codes(),
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED => {
                let text: &[u8] = match self.options.dates {
                    Dates::Remove => b"REMOVED",
                    Dates::Shift => b"MODIFIED",
                    Dates::Keep => b"UNMODIFIED",
                };
                self.encoder.value(tag, VR::CS, text);
            }
            tags::BURNED_IN_ANNOTATION => self.encoder.value(tag, VR::CS, b"NO"),
            _ => self.encoder.value(tags::PATIENT_IDENTITY_REMOVED, VR::CS, b"YES"),
        }
    }

    fn add_codes(&mut self) {
        self.encoder.begin_sequence(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        for (code, meaning) in self.options.codes() {
            self.encoder.begin_item();
            self.encoder.value(tags::CODE_VALUE, VR::SH, code.as_bytes());
            self.encoder.value(tags::CODING_SCHEME_DESIGNATOR, VR::SH, b"DCM");
            self.encoder.value(tags::CODE_MEANING, VR::LO, meaning.as_bytes());
            self.encoder.end_item();
        }
        self.encoder.end_sequence();
    }

    fn item(&mut self, view: &View<'_>) {
        self.encoder.begin_item();
        // Of another order of bytes than the file: values would have to be turned round one by one.
        if view.dataset.order == self.encoder.encoding.order {
            for element in &view.dataset.elements {
                self.element(view, element);
            }
        }
        self.encoder.end_item();
    }

    fn element(&mut self, view: &View<'_>, element: &Element) {
        let (tag, vr) = (element.tag, vr_of(element));
        let bytes = match &element.value {
            Value::Items(_) => return self.sequence(view, tag, vr),
            Value::Fragments(fragments) => {
                let extended = view.bytes(tags::EXTENDED_OFFSET_TABLE);
                return self.encoder.fragments(tag, view.body, fragments, extended);
            }
            // The basic one is written anew where fragments move.
            Value::Bytes(_) if is_extended_table(tag) && has_odd_fragments(view) => return,
            // No sequence, whatever the file says: nothing of the value is kept.
            Value::Bytes(_) if vr == VR::SQ => return self.sequence(view, tag, vr),
            Value::Bytes(_) if hides_text(element.vr, vr) => return,
            Value::Bytes(range) => view.body.get(range.clone()).unwrap_or_default(),
        };
        match action(tag, vr, self.options) {
            Action::Keep => self.encoder.value(tag, element.vr, bytes),
            Action::Remove => {}
            // Who it is, so that files of one patient stay together.
            Action::Empty | Action::Dummy if tag == tags::PATIENT_ID && !trimmed(bytes).is_empty() => {
                self.encoder.value(tag, vr, self.options.key.patient(trimmed(bytes)).as_bytes());
            }
            Action::Empty | Action::Dummy if tag == tags::PATIENT_NAME => {
                self.encoder.value(tag, vr, self.options.key.patient(&self.patient).as_bytes());
            }
            Action::Empty => self.encoder.value(tag, vr, &[]),
            Action::Dummy => self.encoder.value(tag, vr, &dummy(vr, bytes)),
            Action::Uid => {
                let text = String::from_utf8_lossy(trimmed(bytes));
                let mapped: Vec<String> = text.split('\\').map(|uid| self.mapped(uid)).collect();
                self.encoder.value(tag, vr, mapped.join("\\").as_bytes());
            }
            Action::Shift => self.shift(tag, vr, bytes),
        }
    }

    fn mapped(&self, uid: &str) -> String {
        let uid = uid.trim_matches([' ', '\0']);
        if uid.is_empty() { String::new() } else { self.options.key.uid(uid) }
    }

    /// Dates move, times stay; what is no date is emptied.
    fn shift(&mut self, tag: Tag, vr: VR, bytes: &[u8]) {
        let text = String::from_utf8_lossy(trimmed(bytes)).into_owned();
        let moved: Option<Vec<String>> = match vr {
            VR::DA | VR::DT => text.split('\\').map(|value| shifted(value, self.days)).collect(),
            _ => None,
        };
        match (vr, moved) {
            (VR::TM, _) => self.encoder.value(tag, vr, bytes),
            (_, Some(moved)) => self.encoder.value(tag, vr, moved.join("\\").as_bytes()),
            // the zone of times that stay
            _ if tag == tags::TIMEZONE_OFFSET_FROM_UTC => self.encoder.value(tag, vr, bytes),
            _ => self.encoder.value(tag, vr, &[]),
        }
    }

    fn sequence(&mut self, view: &View<'_>, tag: Tag, vr: VR) {
        let action = action(tag, vr, self.options);
        if action == Action::Remove || tag == tags::GRAPHIC_ANNOTATION_SEQUENCE {
            return;
        }
        self.encoder.begin_sequence(tag);
        match action {
            Action::Dummy => self.dummy_item(),
            Action::Empty | Action::Remove => {}
            Action::Keep | Action::Uid | Action::Shift => {
                for item in view.items(tag) {
                    self.item(&item);
                }
            }
        }
        self.encoder.end_sequence();
    }

    /// A code that says that there was one.
    fn dummy_item(&mut self) {
        self.encoder.begin_item();
        self.encoder.value(tags::CODE_VALUE, VR::SH, DUMMY_TEXT);
        self.encoder.value(tags::CODING_SCHEME_DESIGNATOR, VR::SH, DUMMY_SCHEME);
        self.encoder.value(tags::CODE_MEANING, VR::LO, DUMMY_TEXT);
        self.encoder.end_item();
    }
}

/// The Extended Offset Table and its lengths.
fn is_extended_table(tag: Tag) -> bool {
    tag == tags::EXTENDED_OFFSET_TABLE || tag == tags::EXTENDED_OFFSET_TABLE_LENGTHS
}

/// Whether fragments of the pixel data have odd lengths, which no file may have.
fn has_odd_fragments(view: &View<'_>) -> bool {
    match view.element(tags::PIXEL_DATA).map(|element| &element.value) {
        Some(Value::Fragments(fragments)) => are_odd(fragments),
        Some(Value::Bytes(_) | Value::Items(_)) | None => false,
    }
}

/// What becomes of an attribute: the table, and what no table can list.
fn action(tag: Tag, vr: VR, options: &Options) -> Action {
    let Tag(group, element) = tag;
    let private = group % 2 == 1;
    // lengths of groups, commands, file meta information, padding
    let furniture = element == 0 || group <= 0x0007 || group == 0xFFFC;
    // curves and overlays; an overlay without its data would be none
    let drawn = (0x5000..=0x50FF).contains(&group) || (0x6000..=0x60FF).contains(&group);
    if private || furniture || drawn {
        return Action::Remove;
    }
    match profile::action(tag, options) {
        Some(action) => action,
        None if group == tags::PATIENT_ID.0 => profile::of_patient(tag, options),
        None if standard_vr(tag).is_none() || vr == VR::PN => Action::Remove,
        None if vr == VR::UI && !options.retain_uids && !profile::names_a_kind(tag) => Action::Uid,
        None if vr == VR::UR && !profile::names_a_kind(tag) => Action::Remove,
        None if matches!(vr, VR::DA | VR::DT | VR::TM) => match options.dates {
            Dates::Remove => Action::Remove,
            Dates::Shift => Action::Shift,
            Dates::Keep => Action::Keep,
        },
        None if options.clean_descriptors && matches!(vr, VR::LT | VR::ST | VR::UT | VR::UC) => {
            Action::Remove
        }
        None => Action::Keep,
    }
}

/// The standard's representation, whatever the file says; the file's where the standard has none.
fn vr_of(element: &Element) -> VR {
    standard_vr(element.tag).map_or(element.vr, VirtualVr::relaxed)
}

/// Whether the file has text, or a name, in an attribute that by the standard holds something else.
fn hides_text(stated: VR, standard: VR) -> bool {
    (stated == VR::PN && standard != VR::PN) || (is_text(stated) && !is_text(standard))
}

fn is_text(vr: VR) -> bool {
    matches!(
        vr,
        VR::AE
            | VR::AS
            | VR::CS
            | VR::DA
            | VR::DS
            | VR::DT
            | VR::IS
            | VR::LO
            | VR::LT
            | VR::PN
            | VR::SH
            | VR::ST
            | VR::TM
            | VR::UC
            | VR::UI
            | VR::UR
            | VR::UT
    )
}

/// A value that conforms and says nothing.
fn dummy(vr: VR, original: &[u8]) -> Vec<u8> {
    match vr {
        VR::DA => DUMMY_DATE.to_vec(),
        VR::TM => DUMMY_TIME.to_vec(),
        VR::DT => DUMMY_DATE_TIME.to_vec(),
        VR::AS => b"000D".to_vec(),
        VR::DS | VR::IS => b"0".to_vec(),
        VR::UR => b"urn:removed".to_vec(),
        VR::UI => b"2.25.0".to_vec(),
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => DUMMY_TEXT.to_vec(),
        _ => vec![0; original.len()],
    }
}
