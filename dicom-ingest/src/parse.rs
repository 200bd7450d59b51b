//! From bytes to the structure of a data set: one pass, iterative, bounded (PS3.5 section 7).
//!
//! Nesting costs heap and not stack, no length is believed before it is compared with what holds it, and no
//! value is copied. What is odd but harmless becomes a warning; what could be read in two ways is refused.

use std::ops::Range;

use dicom_core::dictionary::VirtualVr;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::dataset::{ByteOrder, Dataset, Element, Value, standard_vr};
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// The length that means: until the delimiter.
const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
/// Greatest number of warnings kept for a file.
const MAX_WARNINGS: usize = 32;

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
fn long_form(vr: VR) -> bool {
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

/// Where an open data set or sequence ends.
#[derive(Debug, Clone, Copy)]
enum End {
    At(usize),
    Delimiter { bound: usize },
}

impl End {
    fn bound(self) -> usize {
        match self {
            Self::At(end) => end,
            Self::Delimiter { bound } => bound,
        }
    }

    fn reached(self, at: usize) -> bool {
        matches!(self, Self::At(end) if at >= end)
    }
}

/// What is open while the pass goes on, outermost first.
enum Open {
    Dataset { elements: Vec<Element>, sorted: bool, end: End, encoding: Encoding },
    Sequence { tag: Tag, vr: VR, items: Vec<Dataset>, end: End, encoding: Encoding },
}

struct Parser<'a> {
    source: Source<'a>,
    at: usize,
    count: usize,
    depth: usize,
    stack: Vec<Open>,
    warnings: &'a mut Vec<String>,
}

/// Reads the data set that begins at `start` and goes to the end of `body`.
pub(crate) fn parse(
    body: &[u8],
    start: usize,
    encoding: Encoding,
    limits: &Limits,
    warnings: &mut Vec<String>,
) -> Result<Dataset, Refusal> {
    let root = Open::Dataset { elements: Vec::new(), sorted: true, end: End::At(body.len()), encoding };
    let source = Source { body, limits };
    let mut parser = Parser { source, at: start, count: 0, depth: 0, stack: vec![root], warnings };
    loop {
        let Some(open) = parser.stack.pop() else {
            return Err(Refusal::new(RefusalCode::BadStructure, "a delimiter closes what was never opened"));
        };
        let done = match open {
            Open::Dataset { elements, sorted, end, encoding } => {
                parser.dataset(elements, sorted, end, encoding)?
            }
            Open::Sequence { tag, vr, items, end, encoding } => {
                parser.sequence(tag, vr, items, end, encoding)?
            }
        };
        if let Some(dataset) = done {
            return Ok(dataset);
        }
    }
}

impl Parser<'_> {
    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn count_one(&mut self) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > self.source.limits.max_elements {
            return Err(Refusal::new(
                RefusalCode::TooManyElements,
                format!("more than {} elements before offset {}", self.source.limits.max_elements, self.at),
            ));
        }
        Ok(())
    }

    /// Reads elements until a sequence opens or the data set ends. Returns the root when that is what ended.
    fn dataset(
        &mut self,
        mut elements: Vec<Element>,
        mut sorted: bool,
        end: End,
        encoding: Encoding,
    ) -> Result<Option<Dataset>, Refusal> {
        let bound = end.bound();
        loop {
            if end.reached(self.at) || (self.stack.is_empty() && self.only_padding_left()) {
                return self.close_dataset(elements, sorted, encoding.order);
            }
            let header = self.source.header(self.at, bound, encoding)?;
            if header.tag == ITEM_END && matches!(end, End::Delimiter { .. }) {
                self.at = header.value_at;
                return self.close_dataset(elements, sorted, encoding.order);
            }
            if header.tag.0 == ITEM.0 {
                return Err(self.misplaced(header.tag));
            }
            self.count_one()?;
            sorted &= elements.last().is_none_or(|last| last.tag < header.tag);
            match self.opens_sequence(&header, encoding)? {
                Some((inner, inner_end)) => {
                    self.open_sequence(&header, inner_end.unwrap_or(End::Delimiter { bound }), bound, inner)?;
                    let sequence = self.stack.pop();
                    self.stack.push(Open::Dataset { elements, sorted, end, encoding });
                    self.stack.extend(sequence);
                    return Ok(None);
                }
                None if header.length == UNDEFINED => {
                    let value = Value::Fragments(self.fragments(&header, bound, encoding)?);
                    elements.push(Element { tag: header.tag, vr: header.vr, value });
                }
                None => {
                    let range = self.source.value(&header, bound)?;
                    self.at = range.end;
                    if header.length % 2 == 1 {
                        self.warn(format!("element {} has an odd length", header.tag));
                    }
                    elements.push(Element { tag: header.tag, vr: header.vr, value: Value::Bytes(range) });
                }
            }
        }
    }

    /// Whether the element is a sequence; its items' encoding, and its end where the length is defined.
    fn opens_sequence(
        &self,
        header: &Header,
        encoding: Encoding,
    ) -> Result<Option<(Encoding, Option<End>)>, Refusal> {
        let pixel_data = header.tag == tags::PIXEL_DATA;
        if header.length != UNDEFINED {
            let end = End::At(self.source.value(header, usize::MAX).map_or(usize::MAX, |range| range.end));
            return Ok((header.vr == VR::SQ && !pixel_data).then_some((encoding, Some(end))));
        }
        match header.vr {
            VR::OB | VR::OW if pixel_data => Ok(None),
            // Of undefined length, UN is a sequence in implicit little endian (PS3.5 6.2.2, note 4).
            VR::UN if encoding.explicit_vr => Ok(Some((Encoding::IMPLICIT_LITTLE, None))),
            VR::SQ | VR::UN => Ok(Some((encoding, None))),
            vr => Err(Refusal::new(
                RefusalCode::LengthOverrun,
                format!(
                    "element {} ({}) at offset {} has an undefined length",
                    header.tag,
                    vr.to_string(),
                    self.at
                ),
            )),
        }
    }

    fn open_sequence(
        &mut self,
        header: &Header,
        end: End,
        bound: usize,
        inner: Encoding,
    ) -> Result<(), Refusal> {
        if let End::At(_) = end {
            self.source.value(header, bound)?;
        }
        self.depth += 1;
        if self.depth > self.source.limits.max_depth {
            return Err(Refusal::new(
                RefusalCode::TooDeep,
                format!("sequences nest deeper than {} at offset {}", self.source.limits.max_depth, self.at),
            ));
        }
        self.at = header.value_at;
        self.stack.push(Open::Sequence {
            tag: header.tag,
            vr: VR::SQ,
            items: Vec::new(),
            end,
            encoding: inner,
        });
        Ok(())
    }

    /// Opens the next item of a sequence, or closes the sequence.
    fn sequence(
        &mut self,
        tag: Tag,
        vr: VR,
        items: Vec<Dataset>,
        end: End,
        encoding: Encoding,
    ) -> Result<Option<Dataset>, Refusal> {
        if end.reached(self.at) {
            return self.close_sequence(tag, vr, items);
        }
        let bound = end.bound();
        let header = self.source.header(self.at, bound, encoding)?;
        if header.tag == SEQUENCE_END && matches!(end, End::Delimiter { .. }) {
            self.at = header.value_at;
            return self.close_sequence(tag, vr, items);
        }
        if header.tag != ITEM {
            return Err(self.misplaced(header.tag));
        }
        self.count_one()?;
        let item_end = if header.length == UNDEFINED {
            End::Delimiter { bound }
        } else {
            End::At(self.source.value(&header, bound)?.end)
        };
        self.at = header.value_at;
        self.stack.push(Open::Sequence { tag, vr, items, end, encoding });
        self.stack.push(Open::Dataset { elements: Vec::new(), sorted: true, end: item_end, encoding });
        Ok(None)
    }

    fn close_sequence(&mut self, tag: Tag, vr: VR, items: Vec<Dataset>) -> Result<Option<Dataset>, Refusal> {
        self.depth -= 1;
        match self.stack.last_mut() {
            Some(Open::Dataset { elements, .. }) => {
                elements.push(Element { tag, vr, value: Value::Items(items) });
                Ok(None)
            }
            _ => Err(self.misplaced(SEQUENCE_END)),
        }
    }

    fn close_dataset(
        &mut self,
        mut elements: Vec<Element>,
        sorted: bool,
        order: ByteOrder,
    ) -> Result<Option<Dataset>, Refusal> {
        if !sorted {
            elements.sort_by_key(|element| element.tag);
            if let Some(twice) = elements.windows(2).find(|pair| pair[0].tag == pair[1].tag) {
                return Err(Refusal::new(
                    RefusalCode::BadStructure,
                    format!(
                        "element {} stands twice in a data set that ends at offset {}",
                        twice[0].tag, self.at
                    ),
                ));
            }
            self.warn("elements are not in ascending order".to_owned());
        }
        let dataset = Dataset { elements, order };
        match self.stack.last_mut() {
            None => Ok(Some(dataset)),
            Some(Open::Sequence { items, .. }) => {
                items.push(dataset);
                Ok(None)
            }
            Some(Open::Dataset { .. }) => Err(self.misplaced(ITEM_END)),
        }
    }

    /// The fragments of encapsulated pixel data, the basic offset table first (PS3.5 A.4).
    fn fragments(
        &mut self,
        header: &Header,
        bound: usize,
        encoding: Encoding,
    ) -> Result<Vec<Range<usize>>, Refusal> {
        self.at = header.value_at;
        let mut fragments = Vec::new();
        loop {
            let item = self.source.header(self.at, bound, encoding)?;
            if item.tag == SEQUENCE_END {
                self.at = item.value_at;
                return Ok(fragments);
            }
            if item.tag != ITEM || item.length == UNDEFINED {
                return Err(self.misplaced(item.tag));
            }
            self.count_one()?;
            let range = self.source.value(&item, bound)?;
            self.at = range.end;
            fragments.push(range);
        }
    }

    /// Some writers pad a file with zeros after the last element.
    fn only_padding_left(&mut self) -> bool {
        let rest = self.source.body.get(self.at..).unwrap_or_default();
        let padding = rest.first() == Some(&0) && rest.get(1).is_none_or(|byte| *byte == 0) && {
            rest.iter().take(8).all(|byte| *byte == 0) && rest.iter().all(|byte| *byte == 0)
        };
        if padding {
            self.warn("zeros follow the last element".to_owned());
            self.at = self.source.body.len();
        }
        padding
    }

    fn misplaced(&self, tag: Tag) -> Refusal {
        Refusal::new(
            RefusalCode::BadStructure,
            format!("{tag} stands at offset {} where it may not", self.at),
        )
    }
}
