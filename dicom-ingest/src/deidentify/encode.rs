//! Data elements as bytes, in the encoding of the file that they came from (PS3.5 section 7).

use std::ops::Range;

use dicom_core::{Tag, VR};

use crate::dataset::ByteOrder;
use crate::fragments::{ITEM_HEADER, first_fragments, offsets};
use crate::header::{Encoding, ITEM, long_form};

const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = 0xFFFF_FFFF;

/// Whether any has an odd length.
pub(super) fn are_odd(fragments: &[Range<usize>]) -> bool {
    fragments.iter().any(|fragment| fragment.len() % 2 == 1)
}

/// The offsets of the frames once every fragment is padded; `None` where there is no table, or none that can be believed.
fn moved_offsets(table: &[u8], extended: Option<&[u8]>, fragments: &[Range<usize>]) -> Option<Vec<u32>> {
    let first_frames = first_fragments(fragments, &offsets(table, extended)?.ok()?).ok()?;
    let mut at = 0_usize;
    let starts: Vec<usize> = fragments
        .iter()
        .map(|fragment| {
            let start = at;
            at += ITEM_HEADER + fragment.len() + fragment.len() % 2;
            start
        })
        .collect();
    first_frames.into_iter().map(|first| u32::try_from(*starts.get(first)?).ok()).collect()
}

/// Writes elements one after the other.
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    pub(super) encoding: Encoding,
}

impl Encoder {
    /// An element with its value, which is padded to an even length.
    pub(super) fn value(&mut self, tag: Tag, vr: VR, value: &[u8]) {
        let length = u32::try_from(value.len() + value.len() % 2).unwrap_or(UNDEFINED - 1);
        self.header(tag, vr, length);
        self.bytes.extend_from_slice(value);
        if value.len() % 2 == 1 {
            let binary = matches!(vr, VR::UI | VR::OB | VR::UN);
            self.bytes.push(if binary { 0 } else { b' ' });
        }
    }

    /// Begins a sequence, which [`Self::end_sequence`] ends.
    pub(super) fn begin_sequence(&mut self, tag: Tag) {
        self.header(tag, VR::SQ, UNDEFINED);
    }

    /// Begins an item, which [`Self::end_item`] ends.
    pub(super) fn begin_item(&mut self) {
        self.mark(ITEM, UNDEFINED);
    }

    pub(super) fn end_item(&mut self) {
        self.mark(ITEM_END, 0);
    }

    pub(super) fn end_sequence(&mut self) {
        self.mark(SEQUENCE_END, 0);
    }

    /// Encapsulated pixel data: offset table and fragments as they are (PS3.5 A.4). A fragment of odd length is padded, which
    /// moves those after it: the table is then written anew, from the extended one where there is one.
    pub(super) fn fragments(
        &mut self,
        tag: Tag,
        body: &[u8],
        table_and_fragments: &[Range<usize>],
        extended: Option<&[u8]>,
    ) {
        self.header(tag, VR::OB, UNDEFINED);
        let Some((table, fragments)) = table_and_fragments.split_first() else {
            return self.mark(SEQUENCE_END, 0);
        };
        let table = body.get(table.clone()).unwrap_or_default();
        if are_odd(table_and_fragments) {
            let offsets = moved_offsets(table, extended, fragments).unwrap_or_default();
            self.fragment(&offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect::<Vec<_>>());
        } else {
            self.fragment(table);
        }
        for range in fragments {
            self.fragment(body.get(range.clone()).unwrap_or_default());
        }
        self.mark(SEQUENCE_END, 0);
    }

    fn fragment(&mut self, fragment: &[u8]) {
        let padded = fragment.len() + fragment.len() % 2;
        self.mark(ITEM, u32::try_from(padded).unwrap_or(UNDEFINED - 1));
        self.bytes.extend_from_slice(fragment);
        self.bytes.resize(self.bytes.len() + padded - fragment.len(), 0);
    }

    fn header(&mut self, tag: Tag, vr: VR, length: u32) {
        self.tag(tag);
        if !self.encoding.explicit_vr {
            self.u32(length);
            return;
        }
        let short = u16::try_from(length).ok().filter(|_| !long_form(vr));
        // A value that is too long for its representation's short length is of unknown representation (PS3.5 6.2.2).
        let vr = if short.is_none() && !long_form(vr) { VR::UN } else { vr };
        self.bytes.extend_from_slice(vr.to_string().as_bytes());
        if let Some(length) = short {
            self.u16(length);
        } else {
            self.u16(0);
            self.u32(length);
        }
    }

    fn mark(&mut self, tag: Tag, length: u32) {
        self.tag(tag);
        self.u32(length);
    }

    fn tag(&mut self, tag: Tag) {
        self.u16(tag.0);
        self.u16(tag.1);
    }

    fn u16(&mut self, value: u16) {
        let bytes = if self.big() { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend_from_slice(&bytes);
    }

    fn u32(&mut self, value: u32) {
        let bytes = if self.big() { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend_from_slice(&bytes);
    }

    fn big(&self) -> bool {
        self.encoding.order == ByteOrder::Big
    }
}
