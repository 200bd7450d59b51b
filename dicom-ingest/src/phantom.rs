//! A phantom chest radiograph: drawn from a seed, written as a Digital X-Ray Image for presentation
//! (PS3.3 A.26). It shows no person; the demo and the tests use it where no real study may be.

use dicom_core::VR;
use dicom_dictionary_std::tags;
use jiff::civil::{Date, DateTime};
use sha2::{Digest, Sha256};

use crate::patient::Sex;
use crate::write::Elements;

mod anatomy;
mod picture;

pub use picture::draw;

/// Digital X-Ray Image Storage - For Presentation.
const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.1.1";
/// Rows and columns of the picture.
pub const SIDE: usize = 1024;
/// Distance of pixels in mm.
pub const PIXEL_SPACING_MM: f64 = 0.36;
/// Greatest stored value: 12 bits.
pub const WHITE: u16 = 4095;

/// A round opacity in the lung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opacity {
    /// Horizontal place of its middle: 0 is the left edge of the picture, 1 the right one.
    pub x: f64,
    /// Vertical place of its middle: 0 is the top, 1 the bottom.
    pub y: f64,
    /// Diameter in mm.
    pub diameter_mm: f64,
    /// How much it takes away of the lung's transparency: 0 nothing, 1 all.
    pub density: f64,
}

/// What the phantom shows and what its header says.
#[derive(Debug, Clone, PartialEq)]
pub struct PhantomSpec {
    /// Same seed and values, same bytes. The UIDs follow from it too.
    pub seed: u64,
    /// Patient ID.
    pub patient_id: String,
    /// Issuer of Patient ID.
    pub issuer: String,
    /// Patient's Name, `Family^Given`.
    pub patient_name: String,
    /// Patient's Birth Date.
    pub birth_date: Date,
    /// Patient's Sex.
    pub sex: Sex,
    /// Local start of the study.
    pub study_time: DateTime,
    /// Timezone Offset From UTC in minutes, when it is to be written.
    pub offset_minutes: Option<i32>,
    /// Accession Number.
    pub accession_number: String,
    /// An opacity, if there is to be one.
    pub opacity: Option<Opacity>,
}

/// A value of the specification that a DICOM file cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is empty, longer than 64 characters, or holds a backslash or a control character")]
pub struct PhantomError {
    /// The field.
    pub field: &'static str,
}

/// Draws the phantom and writes it as a DICOM file.
pub fn phantom_chest(spec: &PhantomSpec) -> Result<Vec<u8>, PhantomError> {
    let texts = [
        ("patient_id", &spec.patient_id),
        ("issuer", &spec.issuer),
        ("patient_name", &spec.patient_name),
        ("accession_number", &spec.accession_number),
    ];
    for (field, text) in texts {
        let limit = if field == "accession_number" { 16 } else { 64 };
        let plain = |letter: char| letter != '\\' && !letter.is_control();
        if text.trim().is_empty() || text.chars().count() > limit || !text.chars().all(plain) {
            return Err(PhantomError { field });
        }
    }
    let sop_instance = uid(spec.seed, "instance");
    let mut elements = Elements::default();
    patient_and_study(&mut elements, spec);
    series_and_equipment(&mut elements, spec);
    image(&mut elements, spec, &sop_instance);
    let pixels: Vec<u8> = draw(spec.seed, spec.opacity).into_iter().flat_map(u16::to_le_bytes).collect();
    elements.bytes(tags::PIXEL_DATA, VR::OW, &pixels);
    Ok(elements.file(SOP_CLASS, &sop_instance))
}

/// A UID of the UUID-derived form (PS3.5 B.2), from the seed.
fn uid(seed: u64, kind: &str) -> String {
    let digest =
        Sha256::new().chain_update(b"phantom chest\0").chain_update(seed.to_be_bytes()).chain_update(kind);
    let digest: [u8; 32] = digest.finalize().into();
    let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    // Version 8 and the variant of RFC 9562: a UUID of the maker's own rule.
    let number = (number & !(0xF << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
    format!("2.25.{number}")
}

/// Patient, General Study and Patient Study modules.
fn patient_and_study(elements: &mut Elements, spec: &PhantomSpec) {
    let sex = match spec.sex {
        Sex::Male => "M",
        Sex::Female => "F",
        Sex::Other => "O",
    };
    let age =
        spec.study_time.date().since((jiff::Unit::Year, spec.birth_date)).map_or(0, |span| span.get_years());
    let number = (spec.seed % 100_000).to_string();
    elements
        .text(tags::PATIENT_NAME, VR::PN, &spec.patient_name)
        .text(tags::PATIENT_ID, VR::LO, &spec.patient_id)
        .text(tags::ISSUER_OF_PATIENT_ID, VR::LO, &spec.issuer)
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, &spec.birth_date.strftime("%Y%m%d").to_string())
        .text(tags::PATIENT_SEX, VR::CS, sex)
        .text(tags::PATIENT_AGE, VR::AS, &format!("{:03}Y", age.clamp(0, 120)))
        .text(tags::STUDY_INSTANCE_UID, VR::UI, &uid(spec.seed, "study"))
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "")
        .text(tags::STUDY_ID, VR::SH, &number)
        .text(tags::ACCESSION_NUMBER, VR::SH, &spec.accession_number)
        .text(tags::STUDY_DESCRIPTION, VR::LO, "PHANTOM CHEST PA");
    let (date, time) =
        (spec.study_time.strftime("%Y%m%d").to_string(), spec.study_time.strftime("%H%M%S").to_string());
    for tag in [tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE, tags::CONTENT_DATE] {
        elements.text(tag, VR::DA, &date);
    }
    for tag in [tags::STUDY_TIME, tags::SERIES_TIME, tags::ACQUISITION_TIME, tags::CONTENT_TIME] {
        elements.text(tag, VR::TM, &time);
    }
    if let Some(minutes) = spec.offset_minutes {
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.unsigned_abs();
        let offset = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        elements.text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &offset);
    }
}

/// General Series, DX Series and General Equipment modules.
fn series_and_equipment(elements: &mut Elements, spec: &PhantomSpec) {
    elements
        .text(tags::MODALITY, VR::CS, "DX")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(spec.seed, "series"))
        .text(tags::SERIES_NUMBER, VR::IS, "1")
        .text(tags::SERIES_DESCRIPTION, VR::LO, "PHANTOM CHEST PA")
        .text(tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION")
        .text(tags::MANUFACTURER, VR::LO, "Chiasm phantom")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .text(tags::VIEW_POSITION, VR::CS, "PA");
}

/// The image modules: General Image, Image Pixel, DX Anatomy Imaged, DX Image, DX Detector, DX Positioning,
/// Acquisition Context, SOP Common.
fn image(elements: &mut Elements, spec: &PhantomSpec, sop_instance: &str) {
    let side = u16::try_from(SIDE).unwrap_or(u16::MAX);
    let mut view = Elements::coded("SCT", "272479007", "postero-anterior");
    view.sequence(tags::VIEW_MODIFIER_CODE_SEQUENCE, Vec::new());
    elements
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, SOP_CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, sop_instance)
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, &format!("drawn, not acquired; seed {}", spec.seed))
        .text(tags::PATIENT_ORIENTATION, VR::CS, "L\\F")
        .text(tags::IMAGE_LATERALITY, VR::CS, "U")
        .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO")
        .text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00")
        .text(tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY")
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .text(tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG")
        .bytes(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, VR::SS, &(-1_i16).to_le_bytes())
        .text(tags::RESCALE_INTERCEPT, VR::DS, "0")
        .text(tags::RESCALE_SLOPE, VR::DS, "1")
        .text(tags::RESCALE_TYPE, VR::LO, "US")
        .text(tags::WINDOW_CENTER, VR::DS, "2048")
        .text(tags::WINDOW_WIDTH, VR::DS, "4096")
        .text(tags::DETECTOR_TYPE, VR::CS, "")
        .text(tags::IMAGER_PIXEL_SPACING, VR::DS, &format!("{PIXEL_SPACING_MM}\\{PIXEL_SPACING_MM}"))
        .text(tags::POSITIONER_TYPE, VR::CS, "")
        .code(tags::ANATOMIC_REGION_SEQUENCE, "SCT", "51185008", "Chest")
        .sequence(tags::VIEW_CODE_SEQUENCE, vec![view])
        .sequence(tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new())
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .number(tags::ROWS, side)
        .number(tags::COLUMNS, side)
        .number(tags::BITS_ALLOCATED, 16)
        .number(tags::BITS_STORED, 12)
        .number(tags::HIGH_BIT, 11)
        .number(tags::PIXEL_REPRESENTATION, 0);
}
