//! The index lesion as a measurement group (TID 1501): somebody else's measurement, cited, so no algorithm is named; or a model's
//! on its own outline, with the model and the segment.

use dicom_ingest::own::SEGMENTATION_CLASS;
use dicom_ingest::write::{Elements, VR, tags};
use jiff::Timestamp;

use super::codes::{self, Code, dcm, own, sct};
use super::content::{self, Relation, number, text};
use super::group::{algorithm, group, tracking};
use crate::report::dicom::offset;
use crate::report::document::{EarlierLesion, Lesion, Report, days, millimetres};
use crate::report::language::Message;
use crate::report::{ids, segmentation, wording};

/// What the lesion is followed by through all versions of the report.
const TRACKED: &str = "index-lesion";

/// Diameter, place, what is known of its course, and where it is stated.
pub(super) fn lesion(report: &Report, lesion: &Lesion) -> Elements {
    let mut content = tracking(report, TRACKED);
    let coded = |coding| codes::coded(std::slice::from_ref(coding));
    let finding = coded(&lesion.finding).unwrap_or_else(|| own("lesion", &lesion.title));
    let site = coded(&lesion.site_coding).unwrap_or_else(|| own("site", &lesion.site));
    content.push(content::code(Relation::Contains, &dcm("121071", "Finding"), &finding));
    content.push(content::code(Relation::HasConceptModifier, &sct("363698007", "Finding Site"), &site));
    content.extend(outline(report, lesion));
    content.extend(length(report, &sct("103339001", "Long Axis"), lesion.diameter_mm, lesion.seen));
    let mut words = |value: &str, meaning: &str, said: Option<&str>| {
        content.extend(said.map(|said| text(Relation::Contains, &own(value, meaning), said)));
    };
    words("texture", "Texture", lesion.kind.as_deref());
    let spiculated = report.language.text(Message::Spiculated);
    words("margin", "Margin", (lesion.spiculated == Some(true)).then_some(spiculated));
    let count = lesion.count.map(|count| count.to_string());
    words("lesion-count", "Lesions of its kind on the examination", count.as_deref());
    words("stated-in", "Where the measurement is stated", lesion.source.as_deref());
    content.extend(lesion.earlier.iter().flat_map(|earlier| course(report, lesion, earlier)));
    let said = wording::lesion(report.language, lesion);
    content.push(text(Relation::Contains, &dcm("121106", "Comment"), &said));
    group(ids::lesion(report), content)
}

/// The model that outlined it (TID 4019) and its segment of the segmentation, where one is written. TID 1501 can be extended; the
/// concept is that of TID 1411.
fn outline(report: &Report, lesion: &Lesion) -> Vec<Elements> {
    let own = lesion.outlined.as_ref();
    let found = own
        .and_then(|own| report.segments.iter().enumerate().find(|(_, segment)| segment.label == own.segment));
    let Some((index, segment)) = found else { return Vec::new() };
    let model = report.models.iter().find(|model| model.id == segment.model);
    let mut content = model.map(algorithm).unwrap_or_default();
    content.extend(segmentation::instance_uid(report).map(|instance| {
        content::segment(
            &dcm("121191", "Referenced Segment"),
            SEGMENTATION_CLASS,
            &instance,
            segmentation::number(index),
        )
    }));
    content
}

fn course(report: &Report, lesion: &Lesion, earlier: &EarlierLesion) -> Vec<Elements> {
    let before = own("earlier-diameter", "Long axis on the earlier examination");
    let difference = own("difference", "Later long axis less the earlier one");
    let doubling = own("doubling-time", "Volume doubling time");
    let stated = earlier.source.as_deref();
    let items = [
        length(report, &before, earlier.diameter_mm, earlier.seen),
        length(report, &difference, earlier.difference_mm, None),
        lesion.doubling_days().and_then(days).map(|written| number(&doubling, &written, &codes::days())),
        stated.map(|source| {
            let name = own("earlier-source", "Where the earlier measurement is stated");
            text(Relation::Contains, &name, source)
        }),
    ];
    items.into_iter().flatten().collect()
}

/// A length, with the time that it was measured at as the item's own, in the time zone of the object (0008,0201).
fn length(report: &Report, name: &Code, length_mm: f64, measured: Option<Timestamp>) -> Option<Elements> {
    let mut item = number(name, &millimetres(length_mm)?, &codes::millimetres());
    if let Some(measured) = measured {
        let written = offset(report).to_datetime(measured).strftime("%Y%m%d%H%M%S").to_string();
        item.text(tags::OBSERVATION_DATE_TIME, VR::DT, &written);
    }
    Some(item)
}
