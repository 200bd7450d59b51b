//! From bytes to the structure of a data set: one pass, iterative, bounded (PS3.5 section 7).
//!
//! Nesting costs heap and not stack, no length is believed before it is compared with what holds it, and no
//! value is copied. What is odd but harmless becomes a warning; what could be read in two ways is refused.

use std::ops::Range;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::dataset::{ByteOrder, Dataset, Element, Value, standard_vr};
use crate::header::{Encoding, Header, ITEM, Source};
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};
use crate::warning::{Warning, WarningCode};

/// The length that means: until the delimiter.
const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
/// Greatest number of warnings kept for a file.
const MAX_WARNINGS: usize = 32;

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
    /// Where the zeros begin that the body ends in.
    zeros_at: usize,
    /// Where the Study and Series Instance UID of the root stand, once they were read.
    study_uid: Option<Range<usize>>,
    series_uid: Option<Range<usize>>,
    warnings: &'a mut Vec<Warning>,
}

/// Whether the standard makes the element a sequence.
fn is_sequence(tag: Tag) -> bool {
    standard_vr(tag).is_some_and(|vr| vr.relaxed() == VR::SQ)
}

/// Reads the data set that begins at `start` and goes to the end of `body`.
pub(crate) fn parse(
    body: &[u8],
    start: usize,
    encoding: Encoding,
    limits: &Limits,
    warnings: &mut Vec<Warning>,
) -> Result<Dataset, Broken> {
    let root = Open::Dataset { elements: Vec::new(), sorted: true, end: End::At(body.len()), encoding };
    let source = Source { body, limits };
    let mut parser = Parser {
        source,
        at: start,
        count: 0,
        depth: 0,
        stack: vec![root],
        zeros_at: body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        study_uid: None,
        series_uid: None,
        warnings,
    };
    let read = parser.root();
    let Parser { study_uid, series_uid, .. } = parser;
    read.map_err(|refusal| Broken { refusal, study_uid, series_uid })
}

/// A data set that could not be read to its end.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) refusal: Refusal,
    /// Where its Study Instance UID stands, when it was read before.
    pub(crate) study_uid: Option<Range<usize>>,
    /// The same of its Series Instance UID.
    pub(crate) series_uid: Option<Range<usize>>,
}

impl Parser<'_> {
    fn root(&mut self) -> Result<Dataset, Refusal> {
        loop {
            let done = match self.stack.pop() {
                Some(Open::Dataset { elements, sorted, end, encoding }) => {
                    self.dataset(elements, sorted, end, encoding)?
                }
                Some(Open::Sequence { tag, vr, items, end, encoding }) => {
                    self.sequence(tag, vr, items, end, encoding)?
                }
                None => return Err(self.misplaced(ITEM_END)),
            };
            if let Some(dataset) = done {
                return Ok(dataset);
            }
        }
    }

    fn warn(&mut self, code: WarningCode, message: impl Into<String>) {
        let warning = Warning::new(code, message);
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
                        self.warn(
                            WarningCode::OddLength,
                            format!("element {} has an odd length", header.tag),
                        );
                    }
                    match header.tag {
                        tags::STUDY_INSTANCE_UID if self.stack.is_empty() => {
                            self.study_uid = Some(range.clone());
                        }
                        tags::SERIES_INSTANCE_UID if self.stack.is_empty() => {
                            self.series_uid = Some(range.clone());
                        }
                        _ => {}
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
            let inner = match header.vr {
                VR::SQ => encoding,
                // A sequence that was written by whoever did not know the tag (PS3.5 6.2.2).
                VR::UN if encoding.explicit_vr && is_sequence(header.tag) => Encoding::IMPLICIT_LITTLE,
                _ => return Ok(None),
            };
            let end = End::At(self.source.value(header, usize::MAX).map_or(usize::MAX, |range| range.end));
            return Ok((!pixel_data).then_some((inner, Some(end))));
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
            self.warn(WarningCode::UnsortedElements, "elements are not in ascending order");
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
        let padding = (self.zeros_at..self.source.body.len()).contains(&self.at);
        if padding {
            self.warn(WarningCode::TrailingZeros, "zeros follow the last element");
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
