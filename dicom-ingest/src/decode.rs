//! From bytes to owned pixels: one function, so that a process of its own can stand behind it ([`crate::reader`]).

use std::borrow::Cow;

use dicom_core::VR;
use dicom_dictionary_std::tags;

use crate::codec::{self, Layout};
use crate::contain::contain;
use crate::dataset::ByteOrder;
use crate::file::sha256;
use crate::fragments;
use crate::frame::{Frame, GreyTransform, TableEntries};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::pixel_facts::{PixelData, PixelFacts};
use crate::prescan::{Prescan, prescan};
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;
use crate::warning::{Warning, WarningCode};

/// A decoded instance.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Its header facts.
    pub instance: Instance,
    /// Its frames, at least one.
    pub frames: Vec<Frame>,
}

/// Scans a file, reads its header facts and decodes its grey frames. What cannot be read right is refused; a
/// codec's panic is contained.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, Refusal> {
    decode_as(bytes, limits, || sha256(bytes))
}

/// [`decode`] of a file whose digest `digest` makes.
pub(crate) fn decode_as(
    bytes: &[u8],
    limits: &Limits,
    digest: impl FnOnce() -> [u8; 32],
) -> Result<Decoded, Refusal> {
    contain(|| {
        let found = prescan(bytes, limits)?;
        let mut instance = Instance::read(&found, digest())?;
        let frames = frames(&found, &mut instance.warnings)?;
        Ok(Decoded { instance, frames })
    })
}

/// Scans a file and hands over its grey frames one at a time, with their index, so that a file of many frames is never
/// held decoded as a whole. Nothing is handed over after an error of `take`.
pub fn each_frame(
    bytes: &[u8],
    limits: &Limits,
    take: &mut dyn FnMut(usize, Frame) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    contain(|| walk(&prescan(bytes, limits)?, &mut Vec::new(), take))
}

/// Decodes the grey frames alone, of an instance that need not have UIDs. A study is never read this way.
pub fn pixels(bytes: &[u8], limits: &Limits) -> Result<Vec<Frame>, Refusal> {
    contain(|| frames(&prescan(bytes, limits)?, &mut Vec::new()))
}

/// The frames of a scanned file.
pub(crate) fn frames(found: &Prescan<'_>, warnings: &mut Vec<Warning>) -> Result<Vec<Frame>, Refusal> {
    let (mut frames, mut tables) = (Vec::new(), TableEntries::default());
    walk(found, warnings, &mut |_, frame| {
        tables.add(&frame.transform)?;
        frames.push(frame);
        Ok(())
    })?;
    warn_of_window(frames.iter().map(|frame| &frame.transform), warnings);
    Ok(frames)
}

/// Warns where a frame states no window.
pub(crate) fn warn_of_window<'a>(
    mut transforms: impl Iterator<Item = &'a GreyTransform>,
    warnings: &mut Vec<Warning>,
) {
    if transforms.any(|transform| transform.voi.is_none()) {
        let message = "no window is stated: grey values map the range of the stored values";
        warnings.push(Warning::new(WarningCode::NoWindow, message));
    }
}

/// Hands over the frames of a scanned file.
fn walk(
    found: &Prescan<'_>,
    warnings: &mut Vec<Warning>,
    take: &mut dyn FnMut(usize, Frame) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let view = found.view();
    let Some((facts, data)) = &found.pixels else {
        let float = view.has(tags::FLOAT_PIXEL_DATA) || view.has(tags::DOUBLE_FLOAT_PIXEL_DATA);
        return Err(if float {
            Refusal::new(RefusalCode::UnsupportedPixel, "the pixels are floating point numbers")
        } else {
            Refusal::new(RefusalCode::NoPixelData, "the instance has no Pixel Data (7FE0,0010)")
        });
    };
    codec::check_grey(facts)?;
    let coded = coded_frames(found, facts, data)?;
    for (index, coded) in coded.iter().enumerate() {
        let stored = match data {
            PixelData::Native(_) => codec::decode_native(coded, facts, layout(found))?,
            PixelData::Encapsulated(_) => {
                codec::decode_frame(coded, found.transfer_syntax(), facts, warnings)?
            }
        };
        check_sign(&found.warnings, facts, &stored)?;
        let transform = GreyTransform::read(&view, facts, index)?;
        let (rows, columns) = (facts.rows as usize, facts.columns as usize);
        take(index, Frame { rows, columns, stored, transform })?;
    }
    Ok(())
}

/// Bits of samples that are without a sign where nothing is said: no grey picture of a byte has one.
const BITS_WITHOUT_SIGN: u32 = 8;

/// Refuses stored values that a sign would make others of, where Pixel Representation is absent. Without one they were read.
pub(crate) fn check_sign(
    warnings: &[Warning],
    facts: &PixelFacts,
    stored: &StoredValues,
) -> Result<(), Refusal> {
    let is_unstated = warnings.iter().any(|warning| warning.code == WarningCode::SignUnstated);
    if !is_unstated || facts.bits_stored <= BITS_WITHOUT_SIGN {
        return Ok(());
    }
    let sign = 1 << (facts.bits_stored.min(16) - 1);
    if stored.iter().max().is_none_or(|most| most < sign) {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::MissingAttribute,
        "PixelRepresentation (0028,0103) is absent, and stored values can be read with a sign and without one",
    ))
}

/// The bytes of every frame, still encoded.
fn coded_frames<'a>(
    found: &'a Prescan<'_>,
    facts: &PixelFacts,
    data: &PixelData,
) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let frames = facts.frames as usize;
    match data {
        PixelData::Native(range) => {
            let pixels = &found.body[range.clone()];
            let bytes = facts.samples_per_frame().saturating_mul(u64::from(facts.bits_allocated / 8));
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            Ok(pixels.chunks_exact(bytes).take(frames).map(Cow::Borrowed).collect())
        }
        PixelData::Encapsulated(table_and_fragments) => {
            let extended = found.view().bytes(tags::EXTENDED_OFFSET_TABLE);
            fragments::frames(&found.body, table_and_fragments, extended, frames)
        }
    }
}

/// How native samples lie in the file.
pub(crate) fn layout(found: &Prescan<'_>) -> Layout {
    let words = found.view().element(tags::PIXEL_DATA).is_some_and(|element| element.vr == VR::OW);
    let order = found.dataset.order;
    Layout { order, swapped_bytes: words && order == ByteOrder::Big }
}
