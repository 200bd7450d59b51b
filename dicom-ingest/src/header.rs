//! Element headers: tag, value representation, length (PS3.5 7.1). No length is believed here before it is compared
//! with the bytes that hold it.

use std::ops::Range;

use dicom_core::dictionary::VirtualVr;
use dicom_core::{Tag, VR};

use crate::dataset::{ByteOrder, standard_vr};
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// Item; every tag of its group carries no value representation.
pub(crate) const ITEM: Tag = Tag(0xFFFE, 0xE000);

/// How element headers and binary values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) explicit_vr: bool,
    pub(crate) order: ByteOrder,
}

impl Encoding {
    pub(crate) const IMPLICIT_LITTLE: Self = Self { explicit_vr: false, order: ByteOrder::Little };
    pub(crate) const EXPLICIT_LITTLE: Self = Self { explicit_vr: true, order: ByteOrder::Little };
    pub(crate) const EXPLICIT_BIG: Self = Self { explicit_vr: true, order: ByteOrder::Big };
}

/// The header of an element; `value_at` is where its value begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) tag: Tag,
    pub(crate) vr: VR,
    pub(crate) length: u32,
    pub(crate) value_at: usize,
}

/// Bytes, and how far they may be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) limits: &'a Limits,
}

impl Source<'_> {
    /// `count` bytes at `at`, all before `bound`.
    fn array<const N: usize>(&self, at: usize, bound: usize) -> Result<[u8; N], Refusal> {
        let end = at.saturating_add(N);
        let bytes = if end <= bound { self.body.get(at..end) } else { None };
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| self.past_end(bound, at, None))
    }

    fn u16(&self, at: usize, bound: usize, order: ByteOrder) -> Result<u16, Refusal> {
        let raw = self.array(at, bound)?;
        Ok(if order == ByteOrder::Big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    fn u32(&self, at: usize, bound: usize, order: ByteOrder) -> Result<u32, Refusal> {
        let raw = self.array(at, bound)?;
        Ok(if order == ByteOrder::Big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    pub(crate) fn tag(&self, at: usize, bound: usize, order: ByteOrder) -> Result<Tag, Refusal> {
        Ok(Tag(self.u16(at, bound, order)?, self.u16(at + 2, bound, order)?))
    }

    /// The refusal for reading past `bound`: the file ends, or a length overruns what holds it.
    fn past_end(&self, bound: usize, at: usize, tag: Option<Tag>) -> Refusal {
        let what = tag.map_or_else(|| "an element header".to_owned(), |tag| format!("element {tag}"));
        if bound >= self.body.len() {
            Refusal::new(
                RefusalCode::Truncated,
                format!("the data set ends inside {what} at offset {at}; send the file again"),
            )
        } else {
            Refusal::new(
                RefusalCode::LengthOverrun,
                format!("{what} at offset {at} is longer than the item or sequence that holds it"),
            )
        }
    }

    /// The range of a value of declared length, which must end before `bound`.
    pub(crate) fn value(&self, header: &Header, bound: usize) -> Result<Range<usize>, Refusal> {
        let Header { tag, length, value_at, .. } = *header;
        if u64::from(length) > self.limits.max_file_bytes {
            return Err(Refusal::new(
                RefusalCode::LengthOverrun,
                format!(
                    "element {tag} at offset {value_at} declares {length} bytes, more than any file may have"
                ),
            ));
        }
        let end = usize::try_from(length).ok().and_then(|length| value_at.checked_add(length));
        match end.filter(|end| *end <= bound) {
            Some(end) => Ok(value_at..end),
            None => Err(self.past_end(bound, value_at, Some(tag))),
        }
    }

    /// Reads an element's header (PS3.5 7.1.2 and 7.1.3). Item and delimiter tags carry no representation.
    pub(crate) fn header(&self, at: usize, bound: usize, encoding: Encoding) -> Result<Header, Refusal> {
        let order = encoding.order;
        let tag = self.tag(at, bound, order)?;
        if tag.0 == ITEM.0 {
            return Ok(Header { tag, vr: VR::UN, length: self.u32(at + 4, bound, order)?, value_at: at + 8 });
        }
        if !encoding.explicit_vr {
            let vr = standard_vr(tag).map_or(VR::UN, VirtualVr::relaxed);
            return Ok(Header { tag, vr, length: self.u32(at + 4, bound, order)?, value_at: at + 8 });
        }
        let name: [u8; 2] = self.array(at + 4, bound)?;
        if !name.iter().all(u8::is_ascii_uppercase) {
            return Err(Refusal::new(
                RefusalCode::BadVr,
                format!(
                    "element {tag} at offset {at} has no value representation though the transfer syntax is explicit"
                ),
            ));
        }
        // A representation of the future has the long form (PS3.5 7.1.2).
        let vr = VR::from_binary(name).unwrap_or(VR::UN);
        if long_form(vr) {
            Ok(Header { tag, vr, length: self.u32(at + 8, bound, order)?, value_at: at + 12 })
        } else {
            let length = u32::from(self.u16(at + 6, bound, order)?);
            Ok(Header { tag, vr, length, value_at: at + 8 })
        }
    }
}

/// Whether the representation has two reserved bytes and a length of 32 bits (PS3.5 table 7.1-1).
pub(crate) fn long_form(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}
