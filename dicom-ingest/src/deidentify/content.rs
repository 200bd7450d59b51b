//! Objects that may show or tell who the patient is in a way that no table of attributes reaches.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::Options;
use crate::dataset::View;
use crate::prescan::Prescan;
use crate::refusal::{Refusal, RefusalCode};

/// SOP classes, with all below them, whose pictures show text as a rule, or the patient: secondary capture, ultrasound, and what
/// is photographed in visible light (PS3.4 table B.5-1).
const CLASSES: [&str; 4] = [
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.77.1",
];
/// The same by Modality (0008,0060).
const MODALITIES: [&str; 8] = ["US", "IVUS", "ES", "XC", "GM", "OT", "DOC", "SC"];
/// What values of Image Type (0008,0008) begin with that name a picture of a screen or of a page.
const IMAGE_TYPES: [&str; 5] = ["SCREEN", "REPORT", "LABEL", "DOSE", "PASTED"];

/// Refuses what cannot be de-identified by its attributes.
pub(super) fn check(found: &Prescan<'_>, options: &Options) -> Result<(), Refusal> {
    let view = found.view();
    if let Some(what) = tells(&view) {
        let message = format!("{what}; it is not read word by word, so it is not written");
        return Err(Refusal::new(RefusalCode::StructuredContent, message));
    }
    match shows(&view).filter(|_| found.pixels.is_some() && !options.pixels_are_clean) {
        Some(why) => {
            let message = format!("{why}; look at the picture, and declare it clean if it is");
            Err(Refusal::new(RefusalCode::BurnedInText, message))
        }
        None => Ok(()),
    }
}

fn tells(view: &View<'_>) -> Option<&'static str> {
    let held = [
        (tags::CONTENT_SEQUENCE, "the object is a structured report or another tree of content"),
        (tags::ENCAPSULATED_DOCUMENT, "the object holds a document"),
    ];
    held.into_iter().find(|(tag, _)| view.has(*tag)).map(|(_, what)| what)
}

/// Why the picture may show text.
fn shows(view: &View<'_>) -> Option<String> {
    let upper = |tag| view.first(tag).map(|text| text.to_uppercase());
    if upper(tags::BURNED_IN_ANNOTATION).is_some_and(|text| text != "NO") {
        return Some("Burned In Annotation (0028,0301) is not NO".to_owned());
    }
    let class = view.first(tags::SOP_CLASS_UID).unwrap_or_default();
    let of_class = |known: &&str| {
        class.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if CLASSES.iter().any(of_class) {
        return Some(format!("its SOP class ({class}) shows text or the patient as a rule"));
    }
    let modality = upper(tags::MODALITY).unwrap_or_default();
    if MODALITIES.contains(&modality.as_str()) {
        return Some(format!("pictures of modality {modality} show text or the patient as a rule"));
    }
    let kinds = view.texts(tags::IMAGE_TYPE);
    if let Some(kind) =
        IMAGE_TYPES.into_iter().find(|start| kinds.iter().any(|kind| kind.to_uppercase().starts_with(start)))
    {
        return Some(format!("Image Type (0008,0008) names a picture of a screen or page ({kind})"));
    }
    if view.first(tags::CONVERSION_TYPE).is_some() {
        return Some(
            "Conversion Type (0008,0064) says that the picture was taken from something else".to_owned(),
        );
    }
    overlay_in_pixels(view).then(|| "an overlay lies in the unused bits of the pixels".to_owned())
}

/// An overlay without Overlay Data of its own (60xx,3000) lies in the bits above the picture (PS3.3 C.9.2, retired).
fn overlay_in_pixels(view: &View<'_>) -> bool {
    (0x6000..=0x601E).step_by(2).any(|group| view.has(Tag(group, 0x0010)) && !view.has(Tag(group, 0x3000)))
}
