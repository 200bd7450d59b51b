//! The side of the body: as image, series and frames state it, and as the order names it.

use std::collections::BTreeSet;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// `L`
    Left,
    /// `R`
    Right,
}

impl Side {
    /// The side of a laterality (PS3.3 C.7.3.1.1.1); both, and none, are no side.
    pub fn of(laterality: &str) -> Option<Self> {
        match laterality {
            "L" => Some(Self::Left),
            "R" => Some(Self::Right),
            _ => None,
        }
    }
}

/// A contradiction about the side within one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SideConflict {
    /// Image, series and frames state opposite sides.
    Pictured,
    /// The order names the other side than the image states.
    Ordered,
}

/// What an instance says of the side.
#[derive(Debug, Default)]
pub(crate) struct Laterality {
    /// As image and series state it, or all frames; `None` where they contradict each other.
    pub(crate) stated: Option<String>,
    /// As the order names it.
    pub(crate) ordered: Option<Side>,
    pub(crate) conflict: Option<SideConflict>,
}

impl Laterality {
    pub(crate) fn read(view: &View<'_>) -> Self {
        let ordered = ordered_side(view);
        let Ok(stated) = pictured(view) else {
            return Self { stated: None, ordered, conflict: Some(SideConflict::Pictured) };
        };
        let side = stated.as_deref().and_then(Side::of);
        let differs = side.zip(ordered).is_some_and(|(side, ordered)| side != ordered);
        Self { stated, ordered, conflict: differs.then_some(SideConflict::Ordered) }
    }
}

/// The side that image and series state, or all frames. One that contradicts another tells which of them is wrong to nobody.
fn pictured(view: &View<'_>) -> Result<Option<String>, SideConflict> {
    let upper = |item: &View<'_>, tag| item.first(tag).map(|text| text.to_uppercase());
    let whole = [tags::IMAGE_LATERALITY, tags::LATERALITY].into_iter().filter_map(|tag| upper(view, tag));
    let whole: Vec<String> = whole.collect();
    let groups =
        [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE].into_iter();
    let frames: BTreeSet<String> = groups
        .flat_map(|tag| view.items(tag))
        .filter_map(|group| upper(&group.item(tags::FRAME_ANATOMY_SEQUENCE)?, tags::FRAME_LATERALITY))
        .collect();
    // frames may differ among themselves: an image of both sides
    let all = || whole.iter().chain(&frames);
    let opposed =
        |side: &str, other: &str| whole.iter().any(|one| one == side) && all().any(|one| one == other);
    if opposed("L", "R") || opposed("R", "L") {
        return Err(SideConflict::Pictured);
    }
    let of_all_frames = if frames.len() == 1 { frames.into_iter().next() } else { None };
    Ok(whole.into_iter().next().or(of_all_frames))
}

/// What was ordered, as text and by the meanings of codes, in the data set or in an item of its requests.
const ORDERED_TEXT: [Tag; 2] =
    [tags::REQUESTED_PROCEDURE_DESCRIPTION, tags::SCHEDULED_PROCEDURE_STEP_DESCRIPTION];
/// Words of an order for a side.
const LEFT: [&str; 3] = ["LEFT", "LINKS", "LINKE"];
const RIGHT: [&str; 3] = ["RIGHT", "RECHTS", "RECHTE"];
/// Words for both.
const BOTH: [&str; 3] = ["BILATERAL", "BOTH", "BEIDSEITS"];
/// Words beside which `left` and `right` are those of a projection, or of a position of the patient.
const PROJECTION: [&str; 6] = ["LATERAL", "DECUBITUS", "OBLIQUE", "ANTERIOR", "POSTERIOR", "SEITLICH"];

/// The one side that the order names; `None` where it names none, or both.
fn ordered_side(view: &View<'_>) -> Option<Side> {
    let requests = view.items(tags::REQUEST_ATTRIBUTES_SEQUENCE);
    let texts = std::iter::once(*view).chain(requests).flat_map(|item| {
        let codes = item.codes(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE).into_iter().map(|code| code.meaning);
        ORDERED_TEXT.into_iter().filter_map(move |tag| item.text(tag)).chain(codes)
    });
    let sides: BTreeSet<Side> = texts.flat_map(|text| named_sides(&text)).collect();
    if sides.len() == 1 { sides.first().copied() } else { None }
}

/// The sides that a text names.
fn named_sides(text: &str) -> Vec<Side> {
    let upper = text.to_uppercase();
    let words: Vec<&str> = upper.split(|letter: char| !letter.is_alphanumeric()).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if has(&BOTH) {
        return vec![Side::Left, Side::Right];
    }
    if has(&PROJECTION) {
        return Vec::new();
    }
    let named = [(Side::Left, has(&LEFT)), (Side::Right, has(&RIGHT))];
    named.into_iter().filter(|(_, is_named)| *is_named).map(|(side, _)| side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_side_by_whole_words() {
        for (text, sides) in [
            ("XR HAND LEFT", &[Side::Left][..]),
            ("Knie rechts 2 Ebenen", &[Side::Right]),
            ("XR knees, left and right", &[Side::Left, Side::Right]),
            ("MAMMOGRAM BILATERAL", &[Side::Left, Side::Right]),
            ("CHEST PA AND LEFT LATERAL", &[]),
            ("left lateral decubitus", &[]),
            ("RIGHT ANTERIOR OBLIQUE", &[]),
            ("BRIGHT FIELD", &[]),
            ("", &[]),
        ] {
            assert_eq!(named_sides(text), sides, "{text}");
        }
    }
}
