//! What the model outlines, as a DICOM segmentation (PS3.3 A.51) in the study of the image that it was made from, in a series
//! of its own: BINARY, one frame a segment, in the image's own pixels. What was outlined nowhere has an empty frame, so that
//! "looked for and not found" is there too.
//!
//! Like the structured report it is the same bytes for the same job, and none is written where the images do not say whose
//! study it is. It states no place in the patient: the pixels are those of its source, which it names.

use dicom_ingest::own::{MANUFACTURER, MODEL, SEGMENTATION_CLASS};
use dicom_ingest::write::{Elements, Tag, VR, tags};

use super::dicom::{self, day, issued, long_string, meaning, referenced, time_of_day};
use super::document::{Coding, Instance, Kind, Model, Report, Segment};
use super::language::Message;
use super::{ids, sr, text};

/// The most pixels of all frames together: what a reader of ours takes.
const MOST_PIXELS: u64 = 256 << 20;

/// The image that was outlined in; `None` where nothing was looked for, or no object could hold it.
pub(super) fn source(report: &Report) -> Option<&Instance> {
    let picture = report.picture.as_ref().filter(|_| report.kind == Kind::Analysis)?;
    let (width, height) = size(&report.segments)?;
    let pixels = u64::from(width) * u64::from(height) * report.segments.len() as u64;
    let mut instances = dicom::valid(&report.study.instances);
    instances.find(|one| one.sop_instance_uid == picture.sop_instance_uid).filter(|_| pixels <= MOST_PIXELS)
}

/// Columns and rows of the image; `None` where there are no segments, or not all are of one image.
fn size(segments: &[Segment]) -> Option<(u16, u16)> {
    let of = |segment: &Segment| {
        Some((u16::try_from(segment.mask.width()).ok()?, u16::try_from(segment.mask.height()).ok()?))
    };
    let first = of(segments.first()?)?;
    segments.iter().all(|segment| of(segment) == Some(first)).then_some(first)
}

/// SOP Instance UID of the report's segmentation; `None` where none is written.
pub fn instance_uid(report: &Report) -> Option<String> {
    sr::instance_uid(report)?;
    source(report).map(|_| ids::uid(ids::segmentation(report)))
}

/// The number of a segment by its place in the report.
pub(super) fn number(index: usize) -> u16 {
    u16::try_from(index + 1).unwrap_or(u16::MAX)
}

/// By what a segment is followed through all versions of the report: no finding has such a name.
pub(super) fn tracked(segment: &Segment) -> String {
    format!("segment {}", segment.label)
}

/// An area in mm² as all renderings write it: two decimals.
pub(super) fn area(mm2: f64) -> String {
    format!("{mm2:.2}")
}

/// Writes the segmentation as a DICOM file.
pub fn document(report: &Report) -> Option<Vec<u8>> {
    let instance = instance_uid(report)?;
    let source = source(report)?;
    let (columns, rows) = size(&report.segments)?;
    let mut elements = Elements::default();
    elements
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, SEGMENTATION_CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
    dicom::patient(&mut elements, &report.patient);
    dicom::study(&mut elements, report);
    series_and_equipment(&mut elements, report);
    image(&mut elements, report, source);
    let segments = report.segments.iter().enumerate();
    let segments = segments.map(|(index, segment)| described(report, index, segment)).collect();
    elements.sequence(tags::SEGMENT_SEQUENCE, segments);
    dimensions(&mut elements, report);
    frames(&mut elements, report, source);
    elements
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .text(tags::NUMBER_OF_FRAMES, VR::IS, &report.segments.len().to_string())
        .number(tags::ROWS, rows)
        .number(tags::COLUMNS, columns)
        .number(tags::BITS_ALLOCATED, 1)
        .number(tags::BITS_STORED, 1)
        .number(tags::HIGH_BIT, 0)
        .number(tags::PIXEL_REPRESENTATION, 0)
        .bytes(tags::PIXEL_DATA, VR::OB, &packed(&report.segments));
    Some(elements.file(SEGMENTATION_CLASS, &instance))
}

/// General Series, Segmentation Series and Enhanced General Equipment (PS3.3 C.7.3.1, C.8.20.1, C.7.5.2), and the program's
/// part in it (C.12.1).
fn series_and_equipment(elements: &mut Elements, report: &Report) {
    let version = long_string(&report.software.version);
    let mut equipment = Elements::default();
    equipment
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(tags::SOFTWARE_VERSIONS, VR::LO, &version)
        .text(tags::CONTRIBUTION_DESCRIPTION, VR::ST, report.language.text(Message::NotADevice))
        .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, "DCM", "109102", "Processing Equipment");
    elements
        .text(tags::MODALITY, VR::CS, "SEG")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &ids::uid(ids::segmentation_series(report)))
        .text(tags::SERIES_NUMBER, VR::IS, "9903")
        .text(tags::SERIES_DESCRIPTION, VR::LO, report.language.text(Message::SegmentationSeries))
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(
            tags::DEVICE_SERIAL_NUMBER,
            VR::LO,
            &long_string(&format!("{} {}", report.pipeline.id, report.pipeline.version)),
        )
        .text(tags::SOFTWARE_VERSIONS, VR::LO, &version)
        .sequence(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, vec![equipment]);
}

/// General Image, Segmentation Image and Common Instance Reference (PS3.3 C.7.6.1, C.8.20.2, C.12.2).
fn image(elements: &mut Elements, report: &Report, source: &Instance) {
    let (issued, offset) = issued(report);
    let picture = report.picture.as_ref();
    let orientation = picture.map(dicom::orientation).unwrap_or_default();
    let mut series = Elements::default();
    series.text(tags::SERIES_INSTANCE_UID, VR::UI, &source.series_instance_uid).sequence(
        tags::REFERENCED_INSTANCE_SEQUENCE,
        vec![referenced(&source.sop_class_uid, &source.sop_instance_uid)],
    );
    elements
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::PATIENT_ORIENTATION, VR::CS, &orientation)
        .text(tags::CONTENT_DATE, VR::DA, &day(issued.date()))
        .text(tags::CONTENT_TIME, VR::TM, &time_of_day(issued.time()))
        .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &offset)
        .text(tags::CONTENT_LABEL, VR::CS, "AI_SEGMENTATION")
        .text(
            tags::CONTENT_DESCRIPTION,
            VR::LO,
            &long_string(report.language.text(Message::SegmentationSeries)),
        )
        .text(tags::CONTENT_CREATOR_NAME, VR::PN, "")
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::SEGMENTS_OVERLAP, VR::CS, overlap(&report.segments))
        .text(
            tags::LOSSY_IMAGE_COMPRESSION,
            VR::CS,
            if picture.is_some_and(|picture| picture.is_lossy) { "01" } else { "00" },
        )
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
}

/// Whether a pixel is in two segments (PS3.3 C.8.20.2.3).
fn overlap(segments: &[Segment]) -> &'static str {
    let mut ranges: Vec<_> = segments.iter().flat_map(|segment| segment.mask.inside()).collect();
    ranges.sort_by_key(|range| range.start);
    if ranges.windows(2).any(|pair| pair[1].start < pair[0].end) { "YES" } else { "NO" }
}

/// One segment with the algorithm that made it (PS3.3 C.8.20.2, 10.16).
fn described(report: &Report, index: usize, segment: &Segment) -> Elements {
    let model = report.models.iter().find(|model| model.id == segment.model);
    let title = text::visible(&segment.title);
    let mut item = Elements::default();
    item.number(tags::SEGMENT_NUMBER, number(index))
        .text(tags::SEGMENT_LABEL, VR::LO, &long_string(&title))
        .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC")
        .text(tags::TRACKING_ID, VR::UT, &text::visible(&tracked(segment)))
        .text(tags::TRACKING_UID, VR::UI, &ids::uid(ids::tracked(report, &tracked(segment))))
        .sequence(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, vec![code(&segment.category)])
        .sequence(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, vec![code(&segment.property)]);
    let name = model.map_or(segment.model.as_str(), |model| &model.id);
    item.text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &long_string(name));
    if let Some(model) = model {
        item.sequence(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, vec![algorithm(model)]);
    }
    item
}

/// Algorithm Identification Macro (PS3.3 10.16).
fn algorithm(model: &Model) -> Elements {
    let mut item = Elements::default();
    item.code(tags::ALGORITHM_FAMILY_CODE_SEQUENCE, "DCM", "123110", "Artificial Intelligence")
        .text(tags::ALGORITHM_NAME, VR::LO, &long_string(&model.id))
        .text(tags::ALGORITHM_VERSION, VR::LO, &long_string(&model.version))
        .text(tags::ALGORITHM_PARAMETERS, VR::LT, &format!("weights SHA-256 {}", model.digest));
    if let Some(maker) = &model.manufacturer {
        item.text(tags::ALGORITHM_SOURCE, VR::LO, &long_string(maker));
    }
    item
}

/// A manifest's code, which is of SNOMED CT.
fn code(coding: &Coding) -> Elements {
    Elements::coded("SCT", &long_string(&coding.code), &meaning(&coding.display))
}

/// Multi-frame Dimension (PS3.3 C.7.6.17): frames differ in their segment alone.
fn dimensions(elements: &mut Elements, report: &Report) {
    let uid = ids::uid(ids::id("Dimensions", &[&report.keys.job]));
    let (mut organization, mut index) = (Elements::default(), Elements::default());
    organization.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &uid);
    index
        .text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &uid)
        .bytes(tags::DIMENSION_INDEX_POINTER, VR::AT, &pointer(tags::REFERENCED_SEGMENT_NUMBER))
        .bytes(tags::FUNCTIONAL_GROUP_POINTER, VR::AT, &pointer(tags::SEGMENT_IDENTIFICATION_SEQUENCE))
        .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Referenced Segment Number");
    elements
        .sequence(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![organization])
        .sequence(tags::DIMENSION_INDEX_SEQUENCE, vec![index]);
}

/// A tag as a value.
fn pointer(tag: Tag) -> [u8; 4] {
    let ([a, b], [c, d]) = (tag.0.to_le_bytes(), tag.1.to_le_bytes());
    [a, b, c, d]
}

/// Multi-frame Functional Groups (PS3.3 C.7.6.16): what each frame was derived from, and which segment it is. The source is
/// the same for all and could be said once; readers that are in use look for it in each frame.
fn frames(elements: &mut Elements, report: &Report, source: &Instance) {
    let frames = (0..report.segments.len()).map(|index| frame(index, source)).collect();
    elements
        .sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![Elements::default()])
        .sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
}

fn frame(index: usize, source: &Instance) -> Elements {
    let mut from = referenced(&source.sop_class_uid, &source.sop_instance_uid);
    from.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES").code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        "DCM",
        "121322",
        "Source image for image processing operation",
    );
    let mut derivation = Elements::default();
    derivation
        .code(tags::DERIVATION_CODE_SEQUENCE, "DCM", "113076", "Segmentation")
        .sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![from]);
    let (mut content, mut segment, mut frame) =
        (Elements::default(), Elements::default(), Elements::default());
    content.bytes(tags::DIMENSION_INDEX_VALUES, VR::UL, &u32::from(number(index)).to_le_bytes());
    segment.number(tags::REFERENCED_SEGMENT_NUMBER, number(index));
    frame
        .sequence(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation])
        .sequence(tags::FRAME_CONTENT_SEQUENCE, vec![content])
        .sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![segment]);
    frame
}

/// The frames one after the other, a bit a pixel, the first in the lowest bit (PS3.5 8.1.1, D.1): a frame need not begin with
/// a byte.
fn packed(segments: &[Segment]) -> Vec<u8> {
    let frame = segments.first().map_or(0, |one| one.mask.width() * one.mask.height());
    let mut bits = vec![0_u8; (frame * segments.len()).div_ceil(8)];
    for (index, segment) in segments.iter().enumerate() {
        for range in segment.mask.inside() {
            for pixel in range {
                let at = index * frame + pixel;
                bits[at / 8] |= 1 << (at % 8);
            }
        }
    }
    bits
}

#[cfg(test)]
mod tests;
