//! The bounded pass over a file that stands in front of everything else.
//!
//! It is the one parser of this crate: header facts and pixels are read from the structure it found, so nothing
//! is read that was not checked. It decodes no pixels. Bounds: [`Limits`].

use std::borrow::Cow;
use std::ops::Range;

use dicom_dictionary_std::tags;

use crate::charset::CharacterSet;
use crate::dataset::{Dataset, View};
use crate::header::Encoding;
use crate::inflate::inflate;
use crate::limits::Limits;
use crate::meta::{self, Meta};
use crate::parse::parse;
use crate::pixel_facts::{PixelData, PixelFacts};
use crate::refusal::{Refusal, RefusalCode};
use crate::transfer_syntax::TransferSyntax;
use crate::uid::Home;
use crate::warning::Warning;

/// What the pass found.
#[derive(Debug)]
pub struct Prescan<'a> {
    pub(crate) meta: Meta,
    pub(crate) body: Cow<'a, [u8]>,
    pub(crate) dataset: Dataset,
    pub(crate) charset: CharacterSet,
    pub(crate) pixels: Option<(PixelFacts, PixelData)>,
    /// What was odd but harmless, for people; no patient data.
    pub warnings: Vec<Warning>,
}

impl Prescan<'_> {
    /// The transfer syntax of the data set.
    pub fn transfer_syntax(&self) -> &TransferSyntax {
        &self.meta.transfer_syntax
    }

    /// The image attributes; `None` for an instance without Pixel Data.
    pub fn pixel_facts(&self) -> Option<&PixelFacts> {
        self.pixels.as_ref().map(|(facts, _)| facts)
    }

    /// The fragments of encapsulated pixel data; none where they are native.
    pub(crate) fn fragments(&self) -> &[Range<usize>] {
        match &self.pixels {
            Some((_, PixelData::Encapsulated(table_and_fragments))) => {
                table_and_fragments.split_first().map_or(&[], |(_, fragments)| fragments)
            }
            Some((_, PixelData::Native(_))) | None => &[],
        }
    }

    /// The root data set with its bytes.
    pub(crate) fn view(&self) -> View<'_> {
        View { body: &self.body, dataset: &self.dataset, charset: self.charset }
    }
}

/// Whether the bytes claim to be a DICOM file: the prefix `DICM`, or file meta information at the start.
pub fn claims_to_be_dicom(bytes: &[u8]) -> bool {
    meta::start(bytes).is_some()
}

/// Scans a file. See the module for what it bounds and [`crate::refusal::RefusalCode`] for how it refuses.
pub fn prescan<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Prescan<'a>, Refusal> {
    let found = scan_structure(bytes, limits).map_err(|rejected| rejected.refusal)?;
    with_pixels(found, limits)
}

/// A file whose structure is refused, with the study and series that it names, when those could be read.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) refusal: Refusal,
    pub(crate) home: Home,
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, home: Home::default() }
    }
}

/// Everything but the pixels: for telling to which study a file with unusable pixels belongs.
pub(crate) fn scan_structure<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Prescan<'a>, Rejected> {
    if bytes.len() as u64 > limits.max_file_bytes {
        let message = format!("the file has {} bytes, the limit is {}", bytes.len(), limits.max_file_bytes);
        return Err(Refusal::new(RefusalCode::TooLarge, message).into());
    }
    let mut warnings = Vec::new();
    let meta = meta::read(bytes, limits, &mut warnings)?;
    let (body, start) = match meta.transfer_syntax {
        TransferSyntax::DeflatedExplicitLittleEndian => {
            (Cow::Owned(inflate(bytes.get(meta.dataset_at..).unwrap_or_default(), limits)?), 0)
        }
        _ => (Cow::Borrowed(bytes), meta.dataset_at),
    };
    let encoding = match meta.transfer_syntax {
        TransferSyntax::ImplicitLittleEndian => Encoding::IMPLICIT_LITTLE,
        TransferSyntax::ExplicitBigEndian => Encoding::EXPLICIT_BIG,
        _ => Encoding::EXPLICIT_LITTLE,
    };
    let dataset = parse(&body, start, encoding, limits, &mut warnings).map_err(|broken| {
        let uid = |range: Option<Range<usize>>| range.and_then(|range| meta::text(&body[range]).parse().ok());
        let home = Home { study_uid: uid(broken.study_uid), series_uid: uid(broken.series_uid) };
        Rejected { refusal: broken.refusal, home }
    })?;
    let ascii = CharacterSet::from_terms(&[]);
    let root = View { body: &body, dataset: &dataset, charset: ascii };
    let charset = CharacterSet::from_terms(&root.texts(tags::SPECIFIC_CHARACTER_SET));
    Ok(Prescan { meta, body, dataset, charset, pixels: None, warnings })
}

/// Adds the pixel facts, checked.
pub(crate) fn with_pixels<'a>(mut found: Prescan<'a>, limits: &Limits) -> Result<Prescan<'a>, Refusal> {
    let Some(facts) = PixelFacts::read(&found.view(), limits)? else { return Ok(found) };
    let mut warnings = std::mem::take(&mut found.warnings);
    let data = facts.locate(&found.view(), &found.meta.transfer_syntax, &mut warnings)?;
    found.warnings = warnings;
    found.pixels = Some((facts, data));
    Ok(found)
}
