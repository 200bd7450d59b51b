//! Where the model looked, as a picture for viewers of DICOM: a Secondary Capture image (PS3.3 A.8.1) in the study of the
//! image that it was made from, in a series of its own.
//!
//! Label and legend are burned in, so that it is never taken for an acquired image. Like the structured report it is the
//! same bytes for the same job, and none is written where the images do not say whose study it is.
//!
//! Its pixels are half of a report's bytes, and a FHIR server takes none of them. So the ledger stores a [`plan`]: the file
//! without its pixels, and the texts that are burned in. The pixels are drawn of the pictures in the stored page when a target
//! takes the [`file()`].

mod canvas;

use std::borrow::Cow;

use base64_simd::STANDARD;
use dicom_ingest::own::{MANUFACTURER, MODEL, OVERLAY_CLASS};
use dicom_ingest::write::{Elements, VR, append, tags};
use serde::{Deserialize, Serialize};

use super::dicom::{self, long_string, referenced};
use super::document::{Instance, Kind, Picture, Report, Saliency, Shows};
use super::language::Message;
use super::{html, ids, sr, text};

/// How [`canvas`] draws and lays out. Who changes what it draws takes the next number and keeps what drew those before: a stored
/// plan gives the same bytes in every version of this program.
const DRAWING: u32 = 1;

/// The picture with its map, and the instance that it was made from.
fn source(report: &Report) -> Option<(&Picture, &Saliency, &Instance)> {
    let picture =
        report.picture.as_ref().filter(|_| report.makes_overlay && report.kind == Kind::Analysis)?;
    let mut instances = dicom::valid(&report.study.instances);
    let instance = instances.find(|one| one.sop_instance_uid == picture.sop_instance_uid)?;
    // outlines are a segmentation's to show
    let saliency = picture.saliency.as_ref().filter(|own| own.shows == Shows::WhereItLooked)?;
    Some((picture, saliency, instance))
}

/// SOP Instance UID of the report's overlay; `None` where none is written.
pub fn instance_uid(report: &Report) -> Option<String> {
    sr::instance_uid(report)?;
    source(report).map(|_| ids::uid(ids::overlay(report)))
}

/// Title of the finding that the overlay explains.
pub(super) fn explains(report: &Report) -> Option<&str> {
    source(report).map(|(_, saliency, _)| saliency.finding.as_str())
}

/// An overlay that is not drawn yet.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// How it is drawn: [`DRAWING`].
    drawing: u32,
    /// What stands above the picture.
    label: String,
    /// What stands below it.
    captions: Vec<String>,
    /// Width and height of all of it, as the file says.
    size: (usize, usize),
    /// The file up to its pixels, base64.
    head: String,
}

impl Plan {
    fn of(report: &Report) -> Option<Self> {
        let instance = instance_uid(report)?;
        let (picture, saliency, source) = source(report)?;
        let label = report.language.text(Message::BurnedIn).to_owned();
        let captions = vec![legend(report, saliency), origin(report)];
        let size = canvas::size(&picture.png, &label, &captions)?;
        let mut elements = Elements::default();
        elements
            .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, VR::UI, OVERLAY_CLASS)
            .text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
        dicom::patient(&mut elements, &report.patient);
        dicom::study(&mut elements, report);
        series_and_equipment(&mut elements, report, picture);
        image(&mut elements, report, (picture, saliency, source));
        pixel_format(&mut elements, size);
        let head = STANDARD.encode_to_string(elements.file(OVERLAY_CLASS, &instance));
        Some(Self { drawing: DRAWING, label, captions, size, head })
    }

    /// The file, its pixels drawn of these PNG files; `None` where they are others than those that it was made for.
    fn drawn(&self, radiograph: &[u8], heat: &[u8]) -> Option<Vec<u8>> {
        let mut file = STANDARD.decode_to_vec(&self.head).ok().filter(|_| self.drawing == DRAWING)?;
        let canvas = canvas::draw(radiograph, heat, &self.label, &self.captions)?;
        if (canvas.width, canvas.height) != self.size {
            return None;
        }
        append(&mut file, tags::PIXEL_DATA, VR::OB, &canvas.pixels);
        Some(file)
    }
}

/// What a ledger stores of the overlay; `None` where the report has no map, or no structured report that it could lie beside.
pub fn plan(report: &Report) -> Option<Vec<u8>> {
    // numbers and strings always serialise
    serde_json::to_vec(&Plan::of(report)?).ok()
}

/// Whether this is a [`plan`]. Earlier versions stored the file itself, which begins with zeros.
pub fn is_plan(stored: &[u8]) -> bool {
    stored.first() == Some(&b'{')
}

/// The overlay as a DICOM file, of what is stored of it and of the page that is stored beside it; `None` where they do not go
/// together, or are of a version after this one.
pub fn file<'a>(stored: &'a [u8], page: &[u8]) -> Option<Cow<'a, [u8]>> {
    if !is_plan(stored) {
        return Some(Cow::Borrowed(stored));
    }
    let plan: Plan = serde_json::from_slice(stored).ok()?;
    let [radiograph, heat] = html::pictures(std::str::from_utf8(page).ok()?)?;
    plan.drawn(&radiograph, &heat).map(Cow::Owned)
}

/// Writes the overlay as a DICOM file; `None` where [`plan`] is.
pub fn document(report: &Report) -> Option<Vec<u8>> {
    let (picture, saliency, _) = source(report)?;
    Plan::of(report)?.drawn(&picture.png, &saliency.png)
}

/// What the colours mean, in the page's words.
fn legend(report: &Report, saliency: &Saliency) -> String {
    let (finding, method) = (text::visible(&saliency.finding), text::visible(&saliency.method));
    report.language.say(Message::OverlayCaption, &[("finding", &finding), ("method", &method)])
}

/// Who made it: no name, no number and no date of a patient.
fn origin(report: &Report) -> String {
    let models = report.models.iter().take(1).map(|model| format!("{} {}", model.id, model.version));
    let software = format!("{} {}", report.software.name, report.software.version);
    let names: Vec<String> = models.chain([software]).map(|name| text::visible(&name)).collect();
    format!("{}. {}.", names.join(", "), report.language.text(Message::NotADevice))
}

/// General Series, General Equipment and SC Equipment (PS3.3 C.7.3.1, C.7.5.1, C.8.6.1). Modality is "other": nothing that
/// reads radiographs may take it for one.
fn series_and_equipment(elements: &mut Elements, report: &Report, picture: &Picture) {
    let version = long_string(&report.software.version);
    elements
        .text(tags::MODALITY, VR::CS, "OT")
        .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &ids::uid(ids::overlay_series(report)))
        .text(tags::SERIES_NUMBER, VR::IS, "9902")
        .text(tags::SERIES_DESCRIPTION, VR::LO, report.language.text(Message::OverlaySeries))
        .text(tags::LATERALITY, VR::CS, laterality(picture).unwrap_or_default())
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(tags::SOFTWARE_VERSIONS, VR::LO, &version)
        .text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(tags::SECONDARY_CAPTURE_DEVICE_SOFTWARE_VERSIONS, VR::LO, &version);
}

/// The side, where the source states one of a pair; empty where it does not (PS3.3 C.7.3.1, type 2C).
fn laterality(picture: &Picture) -> Option<&str> {
    picture.laterality.as_deref().filter(|side| matches!(*side, "R" | "L"))
}

/// General Image, SC Image and Common Instance Reference (PS3.3 C.7.6.1, C.8.6.2, C.12.2).
fn image(elements: &mut Elements, report: &Report, source: (&Picture, &Saliency, &Instance)) {
    let (picture, saliency, instance) = source;
    let (issued, offset) = dicom::issued(report);
    let (date, time) = (dicom::day(issued.date()), dicom::time_of_day(issued.time()));
    let mut derived_from = referenced(&instance.sop_class_uid, &instance.sop_instance_uid);
    derived_from.code(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        "DCM",
        "121322",
        "Source image for image processing operation",
    );
    elements
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::PATIENT_ORIENTATION, VR::CS, &dicom::orientation(picture))
        .text(tags::CONTENT_DATE, VR::DA, &date)
        .text(tags::CONTENT_TIME, VR::TM, &time)
        .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &offset)
        .text(tags::DATE_OF_SECONDARY_CAPTURE, VR::DA, &date)
        .text(tags::TIME_OF_SECONDARY_CAPTURE, VR::TM, &time)
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY")
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, &derivation(report, saliency))
        .code(tags::DERIVATION_CODE_SEQUENCE, "DCM", "113085", "Spatial resampling")
        .sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![derived_from])
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series_of(instance)])
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES")
        .text(tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, "NO")
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, if picture.is_lossy { "01" } else { "00" });
}

/// The source with its series.
fn series_of(instance: &Instance) -> Elements {
    let one = referenced(&instance.sop_class_uid, &instance.sop_instance_uid);
    let mut series = Elements::default();
    series
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &instance.series_instance_uid)
        .sequence(tags::REFERENCED_INSTANCE_SEQUENCE, vec![one]);
    series
}

/// What was done to the source, for people. ST is short: 1024 characters (PS3.5 6.2).
fn derivation(report: &Report, saliency: &Saliency) -> String {
    let text = format!(
        "{}. {} {}",
        report.language.text(Message::BurnedIn),
        legend(report, saliency),
        origin(report)
    );
    text::visible(&text).chars().take(1024).collect::<String>().trim_end().to_owned()
}

/// Image Pixel (PS3.3 C.7.6.3) but for the pixels: eight bits of red, green and blue.
fn pixel_format(elements: &mut Elements, (width, height): (usize, usize)) {
    let length = |side: usize| u16::try_from(side).unwrap_or(u16::MAX);
    elements
        .number(tags::SAMPLES_PER_PIXEL, 3)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
        .number(tags::PLANAR_CONFIGURATION, 0)
        .number(tags::ROWS, length(height))
        .number(tags::COLUMNS, length(width))
        .number(tags::BITS_ALLOCATED, 8)
        .number(tags::BITS_STORED, 8)
        .number(tags::HIGH_BIT, 7)
        .number(tags::PIXEL_REPRESENTATION, 0);
}

#[cfg(test)]
mod tests;
