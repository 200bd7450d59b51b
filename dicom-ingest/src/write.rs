//! A small writer of DICOM files in explicit VR little endian, for the phantom and for reports of our own.

use std::fmt;
use std::ops::Range;

pub use dicom_core::{Tag, VR};
pub use dicom_dictionary_std::tags;

/// Explicit VR Little Endian.
const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";
/// Identifies this writer (PS3.10 7.1); of the UUID-derived form, which needs no registration (PS3.5 B.2).
const IMPLEMENTATION_CLASS: &str = "2.25.127390511928450276637108211946355172471";
const IMPLEMENTATION_VERSION: &str = "CHIASM";

/// Greatest even length of a value whose length field has 16 bits (PS3.5 7.1.2).
const MAX_SHORT: usize = 0xFFFE;
/// Characters of a Code Value (0008,0100); a longer one is a Long Code Value (0008,0119), PS3.3 8.1.
const MAX_CODE: usize = 16;
/// What an item of a sequence begins with (PS3.5 7.5).
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];

/// The elements of a data set or item; they are written in the order of their tags.
#[derive(Default)]
pub struct Elements {
    /// All of them in one piece, as they came.
    bytes: Vec<u8>,
    /// Where each lies.
    places: Vec<(Tag, Range<usize>)>,
}

/// Values can hold patient data and are not shown.
impl fmt::Debug for Elements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} elements", self.places.len())
    }
}

impl Elements {
    /// Adds an element; its value is padded to an even length. What is longer than its length field can say is cut.
    pub fn bytes(&mut self, tag: Tag, vr: VR, value: &[u8]) -> &mut Self {
        let begin = self.bytes.len();
        append(&mut self.bytes, tag, vr, value);
        self.places.push((tag, begin..self.bytes.len()));
        self
    }

    /// Adds a text element.
    pub fn text(&mut self, tag: Tag, vr: VR, value: &str) -> &mut Self {
        self.bytes(tag, vr, value.as_bytes())
    }

    /// Adds an unsigned 16-bit number.
    pub fn number(&mut self, tag: Tag, value: u16) -> &mut Self {
        self.bytes(tag, VR::US, &value.to_le_bytes())
    }

    /// Adds a sequence of items.
    pub fn sequence(&mut self, tag: Tag, items: Vec<Elements>) -> &mut Self {
        let begin = self.bytes.len();
        let length = items.iter().map(|item| ITEM.len() + 4 + item.bytes.len()).sum();
        head(&mut self.bytes, tag, VR::SQ, length);
        for item in items {
            self.bytes.extend_from_slice(&ITEM);
            self.bytes.extend_from_slice(&u32::try_from(item.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            item.append_to(&mut self.bytes);
        }
        self.places.push((tag, begin..self.bytes.len()));
        self
    }

    /// Adds a sequence of one coded item.
    pub fn code(&mut self, tag: Tag, scheme: &str, value: &str, meaning: &str) -> &mut Self {
        self.sequence(tag, vec![Self::coded(scheme, value, meaning)])
    }

    /// A coded item.
    pub fn coded(scheme: &str, value: &str, meaning: &str) -> Self {
        let mut item = Self::default();
        let (tag, vr) = if value.chars().count() > MAX_CODE {
            (tags::LONG_CODE_VALUE, VR::UC)
        } else {
            (tags::CODE_VALUE, VR::SH)
        };
        item.text(tag, vr, value).text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme).text(
            tags::CODE_MEANING,
            VR::LO,
            meaning,
        );
        item
    }

    /// Appends the elements in their order.
    fn append_to(mut self, bytes: &mut Vec<u8>) {
        if self.places.is_sorted_by_key(|(tag, _)| *tag) {
            return bytes.extend_from_slice(&self.bytes);
        }
        self.places.sort_by_key(|(tag, _)| *tag);
        bytes.reserve(self.bytes.len());
        for (_, place) in self.places {
            bytes.extend_from_slice(&self.bytes[place]);
        }
    }

    /// The whole file: preamble, prefix, file meta information, data set.
    pub fn file(self, sop_class: &str, sop_instance: &str) -> Vec<u8> {
        let mut file = file_head(sop_class, sop_instance, TRANSFER_SYNTAX);
        self.append_to(&mut file);
        file
    }
}

/// What stands in front of a data set in a file (PS3.10 7.1): preamble, prefix, file meta information. The same three UIDs
/// give the same bytes, in every version of this program.
pub fn file_head(sop_class: &str, sop_instance: &str, transfer_syntax: &str) -> Vec<u8> {
    let mut meta = Elements::default();
    meta.bytes(tags::FILE_META_INFORMATION_VERSION, VR::OB, &[0, 1])
        .text(tags::MEDIA_STORAGE_SOP_CLASS_UID, VR::UI, sop_class)
        .text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, VR::UI, sop_instance)
        .text(tags::TRANSFER_SYNTAX_UID, VR::UI, transfer_syntax)
        .text(tags::IMPLEMENTATION_CLASS_UID, VR::UI, IMPLEMENTATION_CLASS)
        .text(tags::IMPLEMENTATION_VERSION_NAME, VR::SH, IMPLEMENTATION_VERSION);
    let mut length = Elements::default();
    let meta_length = u32::try_from(meta.bytes.len()).unwrap_or(u32::MAX);
    length.bytes(tags::FILE_META_INFORMATION_GROUP_LENGTH, VR::UL, &meta_length.to_le_bytes());
    let mut head = vec![0; 128];
    head.extend_from_slice(b"DICM");
    length.append_to(&mut head);
    meta.append_to(&mut head);
    head
}

/// Appends one element to a data set whose last tag is less; its value is padded to an even length. What is longer than its
/// length field can say is cut.
pub fn append(bytes: &mut Vec<u8>, tag: Tag, vr: VR, value: &[u8]) {
    let value = if is_long(vr) { value } else { &value[..value.len().min(MAX_SHORT)] };
    bytes.reserve(value.len() + 14);
    head(bytes, tag, vr, value.len() + value.len() % 2);
    bytes.extend_from_slice(value);
    if value.len() % 2 == 1 {
        bytes.push(if vr == VR::UI || vr == VR::OB { 0 } else { b' ' });
    }
}

/// Tag, VR and length (PS3.5 7.1.2).
fn head(bytes: &mut Vec<u8>, tag: Tag, vr: VR, length: usize) {
    bytes.extend_from_slice(&tag.0.to_le_bytes());
    bytes.extend_from_slice(&tag.1.to_le_bytes());
    bytes.extend_from_slice(vr.to_string().as_bytes());
    if is_long(vr) {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    } else {
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    }
}

/// Whether the length field of this VR has 32 bits.
fn is_long(vr: VR) -> bool {
    matches!(vr, VR::OB | VR::OW | VR::SQ | VR::UT | VR::UC | VR::UN)
}
