//! Pixels that lie in a file as plain values. The process says where, how they are stored and how they become grey; whoever
//! has the file takes them from there, so that neither they nor the bytes between a file's ends pass between the two.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Layout};
use crate::contain::contain;
use crate::dataset::ByteOrder;
use crate::decode::{Decoded, check_sign, layout, warn_of_window};
use crate::frame::{Frame, GreyTransform, TableEntries};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::pixel_facts::{PixelData, PixelFacts};
use crate::prescan::Prescan;
use crate::refusal::Refusal;

/// Where in a file its pixels lie, and in which order their bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Bytes before them.
    pub(super) at: u64,
    big_endian: bool,
    swapped_bytes: bool,
}

/// An instance whose pixels lie in its file as plain values, with the transform of each frame.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) instance: Instance,
    pub(super) place: Place,
    pub(super) transforms: Vec<GreyTransform>,
}

/// The plain pixels of a file of which these bytes are missing; `None` where something else of the file would be there.
///
/// Elements follow each other and do not overlap. So where the pixels fill what is missing, nothing that stands there was
/// read, and all that was found is what the whole file would have given.
pub(super) fn plain_pixels(found: &Prescan<'_>, missing: &Range<usize>) -> Option<Range<usize>> {
    let Some((_, PixelData::Native(range))) = &found.pixels else { return None };
    let lies_in_file = matches!(found.body, Cow::Borrowed(_));
    let fills = range.start <= missing.start && missing.end <= range.end;
    (lies_in_file && fills).then(|| range.clone())
}

/// Where the pixels of an instance are; `None` where they are no plain values that are read, or a transform is refused: then
/// the file is decoded as any other, and refused for what comes first.
pub(super) fn place(
    found: &Prescan<'_>,
    instance: &mut Instance,
    missing: &Range<usize>,
) -> Option<(Place, Vec<GreyTransform>)> {
    let facts = found.pixel_facts()?;
    let range = plain_pixels(found, missing)?;
    codec::check_grey(facts).ok()?;
    let view = found.view();
    let (mut transforms, mut tables) = (Vec::new(), TableEntries::default());
    for index in 0..facts.frames as usize {
        let transform = GreyTransform::read(&view, facts, index).ok()?;
        tables.add(&transform).ok()?;
        transforms.push(transform);
    }
    warn_of_window(transforms.iter(), &mut instance.warnings);
    let Layout { order, swapped_bytes } = layout(found);
    let place = Place { at: range.start as u64, big_endian: order == ByteOrder::Big, swapped_bytes };
    Some((place, transforms))
}

impl Placed {
    /// Whether there can be such pixels in a file of so many bytes: what the arithmetic of [`Self::decode`] relies on.
    pub(super) fn can_be(&self, file_bytes: usize, limits: &Limits) -> bool {
        let Some(facts) = &self.instance.pixels else { return false };
        facts.check(limits).is_ok()
            && codec::check_grey(facts).is_ok()
            && facts.frames as usize == self.transforms.len()
            && self.range(facts).is_some_and(|range| range.end <= file_bytes)
    }

    fn range(&self, facts: &PixelFacts) -> Option<Range<usize>> {
        let start = usize::try_from(self.place.at).ok()?;
        let bytes = frame_bytes(facts)?.checked_mul(facts.frames as usize)?;
        Some(start..start.checked_add(bytes)?)
    }

    /// Takes the frames out of the file.
    pub(super) fn decode(self, file: &[u8]) -> Result<Decoded, Refusal> {
        contain(|| {
            let mut frames = Vec::new();
            if let Some(facts) = &self.instance.pixels
                && let Some(pixels) = self.range(facts).and_then(|range| file.get(range))
                && let Some(bytes) = frame_bytes(facts)
            {
                let order = if self.place.big_endian { ByteOrder::Big } else { ByteOrder::Little };
                let layout = Layout { order, swapped_bytes: self.place.swapped_bytes };
                let (rows, columns) = (facts.rows as usize, facts.columns as usize);
                for (bytes, transform) in pixels.chunks_exact(bytes).zip(self.transforms) {
                    let stored = codec::decode_native(bytes, facts, layout)?;
                    check_sign(&self.instance.warnings, facts, &stored)?;
                    frames.push(Frame { rows, columns, stored, transform });
                }
            }
            Ok(Decoded { instance: self.instance, frames })
        })
    }
}

/// Bytes of a frame of plain values; of none there are none.
fn frame_bytes(facts: &PixelFacts) -> Option<usize> {
    let bytes = facts.samples_per_frame().checked_mul(u64::from(facts.bits_allocated / 8))?;
    usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}
