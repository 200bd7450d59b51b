//! Which fragments make up which frame of encapsulated pixel data (PS3.5 A.4).

use std::borrow::Cow;
use std::ops::Range;

use crate::refusal::{Refusal, RefusalCode};

/// Size of an item's tag and length, which offsets count.
pub(crate) const ITEM_HEADER: usize = 8;

/// Assigns fragments to frames. `extended` is the value of the Extended Offset Table (7FE0,0001), little endian.
/// What the tables say must agree with where fragments begin; without tables the assignment must be plain: one
/// frame, one fragment a frame, or every frame recognised by the start of its codestream.
pub(crate) fn frames<'a>(
    body: &'a [u8],
    table_and_fragments: &[Range<usize>],
    extended: Option<&[u8]>,
    frames: usize,
) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
    let Some((table, fragments)) = table_and_fragments.split_first().filter(|(_, rest)| !rest.is_empty())
    else {
        return Err(mismatch("the encapsulated pixel data hold no fragment"));
    };
    let first_frames: Vec<usize> = if let Some(offsets) = offsets(&body[table.clone()], extended) {
        first_fragments(fragments, &offsets?)?
    } else if frames == fragments.len() {
        (0..frames).collect()
    } else if frames == 1 {
        if fragments[1..].iter().any(|fragment| starts_codestream(&body[fragment.clone()])) {
            return Err(mismatch("one frame is declared, but more than one codestream follows"));
        }
        vec![0]
    } else {
        let starts = (0..fragments.len()).filter(|index| starts_codestream(&body[fragments[*index].clone()]));
        starts.collect()
    };
    if first_frames.len() != frames || first_frames.first() != Some(&0) {
        return Err(mismatch(&format!(
            "{frames} frames are declared, the fragments hold {}",
            first_frames.len()
        )));
    }
    let ends = first_frames[1..].iter().copied().chain([fragments.len()]);
    Ok(first_frames.iter().zip(ends).map(|(start, end)| join(body, &fragments[*start..end])).collect())
}

/// The offsets of the frames, from the extended or the basic table; `None` when both are empty.
pub(crate) fn offsets(basic: &[u8], extended: Option<&[u8]>) -> Option<Result<Vec<u64>, Refusal>> {
    let ragged = || Err(mismatch("the offset table is not a whole number of offsets"));
    if let Some(table) = extended.filter(|table| !table.is_empty()) {
        let (offsets, rest) = table.as_chunks::<8>();
        let offsets = offsets.iter().map(|offset| u64::from_le_bytes(*offset)).collect();
        return Some(if rest.is_empty() { Ok(offsets) } else { ragged() });
    }
    let (offsets, rest) = basic.as_chunks::<4>();
    let offsets: Vec<u64> = offsets.iter().map(|offset| u64::from(u32::from_le_bytes(*offset))).collect();
    (!basic.is_empty()).then(|| if rest.is_empty() { Ok(offsets) } else { ragged() })
}

/// The first fragment of every frame, by offsets from the first fragment's item tag.
pub(crate) fn first_fragments(fragments: &[Range<usize>], offsets: &[u64]) -> Result<Vec<usize>, Refusal> {
    let origin = fragments.first().map_or(0, |fragment| fragment.start - ITEM_HEADER);
    let starts: Vec<u64> =
        fragments.iter().map(|fragment| (fragment.start - ITEM_HEADER - origin) as u64).collect();
    let mut indices = Vec::with_capacity(offsets.len().min(fragments.len()));
    for offset in offsets {
        match starts.binary_search(offset) {
            Ok(index) if indices.last().is_none_or(|last| *last < index) => indices.push(index),
            _ => return Err(mismatch("the offset table does not point at the fragments")),
        }
    }
    Ok(indices)
}

/// Whether a fragment begins a JPEG, JPEG-LS or JPEG 2000 codestream.
fn starts_codestream(fragment: &[u8]) -> bool {
    fragment.starts_with(&[0xFF, 0xD8, 0xFF]) || fragment.starts_with(&[0xFF, 0x4F, 0xFF, 0x51])
}

fn join<'a>(body: &'a [u8], fragments: &[Range<usize>]) -> Cow<'a, [u8]> {
    match fragments {
        [one] => Cow::Borrowed(&body[one.clone()]),
        many => Cow::Owned(many.iter().flat_map(|fragment| &body[fragment.clone()]).copied().collect()),
    }
}

fn mismatch(message: &str) -> Refusal {
    Refusal::new(RefusalCode::PixelMismatch, message)
}
