//! The header facts of an instance, without its pixels.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::code::Code;
use crate::codec;
use crate::dataset::View;
use crate::laterality::{Laterality, Side, SideConflict};
use crate::patient::PatientIdentity;
use crate::phi::Phi;
use crate::pixel_facts::PixelFacts;
use crate::plane::Plane;
use crate::prescan::Prescan;
use crate::refusal::{Refusal, RefusalCode};
use crate::rejection::Rejection;
use crate::species::Species;
use crate::study_time::StudyTime;
use crate::transfer_syntax::TransferSyntax;
use crate::uid::Uid;
use crate::warning::Warning;

/// Free text and codes in which a projection is named.
const PROJECTION_TEXT: [(Tag, &str); 6] = [
    (tags::SERIES_DESCRIPTION, "SeriesDescription"),
    (tags::STUDY_DESCRIPTION, "StudyDescription"),
    (tags::PROTOCOL_NAME, "ProtocolName"),
    (tags::ACQUISITION_DEVICE_PROCESSING_DESCRIPTION, "AcquisitionDeviceProcessingDescription"),
    (tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION, "PerformedProcedureStepDescription"),
    (tags::VIEW_POSITION, "ViewPosition"),
];

/// What the header of an instance says. Empty values are `None`. Free text that people type is [`Phi`].
#[derive(Debug, Clone)]
pub struct Instance {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: Uid,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: Uid,
    /// Study Instance UID (0020,000D).
    pub study_uid: Uid,
    /// Series Instance UID (0020,000E).
    pub series_uid: Uid,
    /// Transfer syntax of the file.
    pub transfer_syntax: TransferSyntax,
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax_uid: Uid,
    /// SHA-256 of the file's bytes.
    pub sha256: [u8; 32],
    /// Who the patient is.
    pub patient: PatientIdentity,
    /// Whether the patient is a human.
    pub species: Species,
    /// The patient's age at the study in years: from birth date and study date when both are there, else
    /// Patient's Age (0010,1010).
    pub age_years: Option<f64>,
    /// Patient's Age (0010,1010) is one that nobody reaches, such as `999Y`, and no dates tell it.
    pub impossible_age: bool,
    /// When the study began.
    pub study_time: Option<StudyTime>,
    /// Accession Number (0008,0050).
    pub accession_number: Option<Phi<String>>,
    /// Study Description (0008,1030).
    pub study_description: Option<Phi<String>>,
    /// Series Description (0008,103E).
    pub series_description: Option<Phi<String>>,
    /// Series Number (0020,0011).
    pub series_number: Option<i32>,
    /// Instance Number (0020,0013).
    pub instance_number: Option<i32>,
    /// Modality (0008,0060), upper case.
    pub modality: Option<String>,
    /// Body Part Examined (0018,0015), upper case.
    pub body_part: Option<String>,
    /// Codes of Anatomic Region Sequence (0008,2218).
    pub anatomic_regions: Vec<Code>,
    /// View Position (0018,5101), upper case.
    pub view_position: Option<String>,
    /// Codes of View Code Sequence (0054,0220).
    pub view_codes: Vec<Code>,
    /// Image Laterality (0020,0062), else Laterality (0020,0060), else the Frame Laterality (0020,9072) of all frames, upper
    /// case; `None` where they contradict each other.
    pub laterality: Option<String>,
    /// The one side that the order names (Requested Procedure (0032,1060), (0032,1064), also of (0040,0275)).
    pub ordered_side: Option<Side>,
    /// A contradiction about the side.
    pub side_conflict: Option<SideConflict>,
    /// Values of Patient Orientation (0020,0020).
    pub patient_orientation: Vec<String>,
    /// The attribute whose text names a lateral projection, by keyword.
    pub lateral_evidence: Option<String>,
    /// Presentation Intent Type (0008,0068), upper case.
    pub presentation_intent: Option<String>,
    /// Values of Image Type (0008,0008), upper case.
    pub image_type: Vec<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name (0008,1090).
    pub model_name: Option<String>,
    /// Convolution Kernel (0018,1210): how a CT was reconstructed.
    pub kernel: Option<String>,
    /// Contrast/Bolus Agent (0018,0010) or its sequence (0018,0012) states an agent.
    pub contrast: bool,
    /// Image attributes; `None` for an instance without Pixel Data.
    pub pixels: Option<PixelFacts>,
    /// Pixel Spacing (0028,0030) in mm: between rows, between columns.
    pub pixel_spacing: Option<[f64; 2]>,
    /// Imager Pixel Spacing (0018,1164) in mm: between rows, between columns.
    pub imager_pixel_spacing: Option<[f64; 2]>,
    /// Pixel Spacing Calibration Type (0028,0A02), upper case: how a projection's Pixel Spacing was corrected.
    pub pixel_spacing_calibration: Option<String>,
    /// Frame of Reference UID (0020,0052): the coordinate system of the planes.
    pub frame_of_reference_uid: Option<Uid>,
    /// Where each frame lies in the patient; empty for an instance without Pixel Data.
    pub planes: Vec<Plane>,
    /// The unit of modality values ([`Plane::unit`]); `None` where frames differ.
    pub unit: Option<String>,
    /// Burned In Annotation (0028,0301) is `YES`; `None` when not stated.
    pub burned_in_annotation: Option<bool>,
    /// Lossy Image Compression (0028,2110) is `01`, or the transfer syntax or a codestream is lossy.
    pub lossy: bool,
    /// Which instances of the study it rejects, where it is a note by which an archive does.
    pub rejection: Option<Rejection>,
    /// What was odd but harmless, for people; no patient data.
    pub warnings: Vec<Warning>,
}

impl Instance {
    /// Reads the header facts of a scanned file.
    pub(crate) fn read(found: &Prescan<'_>, sha256: [u8; 32]) -> Result<Self, Refusal> {
        let view = found.view();
        let mut warnings = found.warnings.clone();
        let patient = PatientIdentity::read(&view);
        warnings.extend(patient.name_warning());
        let study_time = StudyTime::read(&view);
        let age_years = age_years(&view, &patient, study_time.as_ref());
        let upper = |tag| view.first(tag).map(|text| text.to_uppercase());
        let integer = |tag| view.first(tag).and_then(|text| text.parse().ok());
        let sop_class_uid = sop_class(found, &view)?;
        let study_uid = uid(&view, tags::STUDY_INSTANCE_UID, "StudyInstanceUID")?;
        let laterality = Laterality::read(&view);
        let planes = Plane::read_all(&view, found.pixel_facts());
        Ok(Self {
            rejection: Rejection::read(&view, &sop_class_uid, &study_uid),
            sop_class_uid,
            sop_instance_uid: uid(&view, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
            study_uid,
            series_uid: uid(&view, tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
            transfer_syntax: found.meta.transfer_syntax.clone(),
            transfer_syntax_uid: found.meta.transfer_syntax_uid.clone(),
            sha256,
            species: Species::read(&view),
            age_years,
            impossible_age: age_years.is_none() && is_impossible(view.first(tags::PATIENT_AGE).as_deref()),
            patient,
            study_time,
            accession_number: view.first(tags::ACCESSION_NUMBER).map(Phi::new),
            study_description: view.first(tags::STUDY_DESCRIPTION).map(Phi::new),
            series_description: view.first(tags::SERIES_DESCRIPTION).map(Phi::new),
            series_number: integer(tags::SERIES_NUMBER),
            instance_number: integer(tags::INSTANCE_NUMBER),
            modality: upper(tags::MODALITY),
            body_part: upper(tags::BODY_PART_EXAMINED),
            anatomic_regions: view.codes(tags::ANATOMIC_REGION_SEQUENCE),
            view_position: upper(tags::VIEW_POSITION),
            view_codes: view.codes(tags::VIEW_CODE_SEQUENCE),
            laterality: laterality.stated,
            ordered_side: laterality.ordered,
            side_conflict: laterality.conflict,
            patient_orientation: view.texts(tags::PATIENT_ORIENTATION),
            lateral_evidence: lateral_evidence(&view),
            presentation_intent: upper(tags::PRESENTATION_INTENT_TYPE),
            image_type: view.texts(tags::IMAGE_TYPE).iter().map(|text| text.to_uppercase()).collect(),
            manufacturer: view.first(tags::MANUFACTURER),
            model_name: view.first(tags::MANUFACTURER_MODEL_NAME),
            kernel: kernel(&view),
            contrast: view.first(tags::CONTRAST_BOLUS_AGENT).is_some_and(|agent| !names_no_agent(&agent))
                || view.item(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_some(),
            pixels: found.pixel_facts().cloned(),
            pixel_spacing: spacing(&view, tags::PIXEL_SPACING),
            imager_pixel_spacing: spacing(&view, tags::IMAGER_PIXEL_SPACING),
            pixel_spacing_calibration: upper(tags::PIXEL_SPACING_CALIBRATION_TYPE),
            frame_of_reference_uid: view
                .first(tags::FRAME_OF_REFERENCE_UID)
                .and_then(|text| text.parse().ok()),
            unit: unit(&planes),
            planes,
            burned_in_annotation: upper(tags::BURNED_IN_ANNOTATION).map(|text| text == "YES"),
            lossy: view.first(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01") || is_lossy(found),
            warnings,
        })
    }
}

impl Instance {
    /// Body Part Examined (0018,0015), else the meaning of the coded anatomic region (0008,2218), upper case.
    pub fn stated_body_part(&self) -> Option<String> {
        let coded = || self.anatomic_regions.first().map(|region| region.meaning.to_uppercase());
        self.body_part.clone().or_else(coded)
    }

    /// Distance of pixels in the patient in mm, between rows and between columns, where the image states it (PS3.3 10.7.1.3).
    ///
    /// Pixel Spacing is that of a section. A projection's is its detector's, and larger in the patient's plane by nobody
    /// knows how much, unless it was corrected: the image says how, or it states the detector's beside it.
    pub fn spacing_in_patient(&self) -> Option<[f64; 2]> {
        let stated = self.pixel_spacing?;
        let is_section = matches!(self.modality.as_deref(), Some("CT" | "MR" | "PT"));
        let is_calibrated =
            matches!(self.pixel_spacing_calibration.as_deref(), Some("GEOMETRY" | "FIDUCIAL"));
        // a rounding of the same number is no correction
        let differs = |one: f64, other: f64| (one - other).abs() > 1e-3 * other;
        let is_corrected = self
            .imager_pixel_spacing
            .is_some_and(|detector| differs(stated[0], detector[0]) || differs(stated[1], detector[1]));
        (is_section || is_calibrated || is_corrected).then_some(stated)
    }

    /// Number of images: frames, 0 for an instance without Pixel Data.
    pub fn images(&self) -> usize {
        self.pixels.as_ref().map_or(0, |pixels| pixels.frames as usize)
    }
}

/// A UID of the data set, valid.
pub(crate) fn uid(view: &View<'_>, tag: Tag, keyword: &str) -> Result<Uid, Refusal> {
    let Some(text) = view.first(tag) else {
        return Err(Refusal::new(
            RefusalCode::MissingAttribute,
            format!("{keyword} {tag} is absent or empty"),
        ));
    };
    text.parse().map_err(|refusal: Refusal| {
        Refusal::new(RefusalCode::BadUid, format!("{keyword} {tag}: {}", refusal.message))
    })
}

/// The SOP class; the file meta information has it too where an old writer left it out of the data set.
fn sop_class(found: &Prescan<'_>, view: &View<'_>) -> Result<Uid, Refusal> {
    match (view.has(tags::SOP_CLASS_UID), &found.meta.media_storage_sop_class) {
        (false, Some(text)) => text.parse(),
        _ => uid(view, tags::SOP_CLASS_UID, "SOPClassUID"),
    }
}

/// Whether the transfer syntax, or what a codestream says of itself, loses something.
fn is_lossy(found: &Prescan<'_>) -> bool {
    let syntax = &found.meta.transfer_syntax;
    let by_name = matches!(syntax, TransferSyntax::JpegBaseline | TransferSyntax::JpegExtended);
    by_name || found.fragments().iter().any(|range| codec::is_lossy(&found.body[range.clone()], syntax))
}

/// The kernel of an image, or of the first reconstruction of an enhanced one (0018,9314).
fn kernel(view: &View<'_>) -> Option<String> {
    let groups =
        [tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE].into_iter();
    let items = groups.filter_map(|tag| view.item(tag)?.item(tags::CT_RECONSTRUCTION_SEQUENCE));
    std::iter::once(*view).chain(items).find_map(|item| item.text(tags::CONVOLUTION_KERNEL))
}

/// Words that modalities write where no agent was given.
fn names_no_agent(agent: &str) -> bool {
    matches!(agent.to_uppercase().as_str(), "NO" | "NONE" | "N" | "WITHOUT")
}

/// A pair of spacings in mm; `None` unless both are positive and finite.
fn spacing(view: &View<'_>, tag: Tag) -> Option<[f64; 2]> {
    match view.numbers(tag).as_slice() {
        [rows, columns] if [rows, columns].iter().all(|mm| mm.is_finite() && **mm > 0.0) => {
            Some([*rows, *columns])
        }
        _ => None,
    }
}

/// The unit that all frames have.
fn unit(planes: &[Plane]) -> Option<String> {
    let unit = planes.first()?.unit.as_ref()?;
    planes.iter().all(|plane| plane.unit.as_ref() == Some(unit)).then(|| unit.clone())
}

fn age_years(view: &View<'_>, patient: &PatientIdentity, study_time: Option<&StudyTime>) -> Option<f64> {
    let born = patient.birth_date.as_ref().map(|date| *date.expose());
    let by_dates = born.zip(study_time).and_then(|(born, study)| years_between(born, study.date));
    by_dates.or_else(|| parse_age(&view.first(tags::PATIENT_AGE)?))
}

/// Full years and the fraction of the next, `None` when the birth lies in the future or more than 150 years back.
fn years_between(born: jiff::civil::Date, then: jiff::civil::Date) -> Option<f64> {
    let span = then.since((jiff::Unit::Year, born)).ok()?;
    let days_in_year = 365.25;
    let rest = born.checked_add(jiff::Span::new().try_years(span.get_years()).ok()?).ok()?;
    let rest_days = then.since((jiff::Unit::Day, rest)).ok()?.get_days();
    let years = f64::from(span.get_years()) + f64::from(rest_days) / days_in_year;
    (0.0..MOST_YEARS).contains(&years).then_some(years)
}

/// An age in years that nobody reaches.
const MOST_YEARS: f64 = 150.0;

/// Reads an AS value as years that somebody can have reached.
fn parse_age(text: &str) -> Option<f64> {
    stated_age(text).filter(|years| *years < MOST_YEARS)
}

/// Whether a stated age is one that nobody reaches; what is no age is none.
fn is_impossible(text: Option<&str>) -> bool {
    text.and_then(stated_age).is_some_and(|years| years >= MOST_YEARS)
}

/// Reads an AS value, `nnnD`, `nnnW`, `nnnM` or `nnnY` (PS3.5 6.2), as years.
fn stated_age(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at_checked(3)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    Some(match unit {
        "Y" => number,
        "M" => number / 12.0,
        "W" => number * 7.0 / 365.25,
        "D" => number / 365.25,
        _ => return None,
    })
}

/// The attribute whose text holds the word LATERAL or LAT (or LL, RL as a view position), by keyword. "LATERAL
/// DECUBITUS" is a position of the patient and not a projection; a text that names a frontal view beside it (`PA
/// AND LATERAL`) names a procedure of two views and tells nothing about this image.
fn lateral_evidence(view: &View<'_>) -> Option<String> {
    let codes = view
        .codes(tags::PERFORMED_PROTOCOL_CODE_SEQUENCE)
        .into_iter()
        .map(|code| (code.meaning, "PerformedProtocolCodeSequence"));
    let views =
        view.codes(tags::VIEW_CODE_SEQUENCE).into_iter().map(|code| (code.meaning, "ViewCodeSequence"));
    let texts = PROJECTION_TEXT.into_iter().filter_map(|(tag, name)| Some((view.text(tag)?, name)));
    texts
        .chain(codes)
        .chain(views)
        .find(|(text, _)| names_lateral_only(text))
        .map(|(_, name)| name.to_owned())
}

fn names_lateral_only(text: &str) -> bool {
    let upper = text.to_uppercase();
    let words: Vec<&str> = upper.split(|letter: char| !letter.is_alphanumeric()).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    has(&["LATERAL", "LAT", "LLAT", "RLAT", "LATERALE", "SEITLICH", "SEITLICHE"])
        && !has(&[
            "PA",
            "AP",
            "FRONTAL",
            "POSTEROANTERIOR",
            "ANTEROPOSTERIOR",
            "DECUBITUS",
            "DECUB",
            "VIEWS",
            "2V",
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (text, years) in [("061Y", 61.0), ("006M", 0.5), ("000D", 0.0)] {
            assert_eq!(parse_age(text), Some(years));
        }
        for bad in ["", "61Y", "999Y", "061X", "+61Y", "06ÄY", "061YY"] {
            assert_eq!(parse_age(bad), None, "{bad}");
        }
        let date = jiff::civil::date;
        let years = years_between(date(1960, 2, 29), date(2020, 2, 28)).unwrap();
        assert!((59.9..60.0).contains(&years), "{years}");
        assert_eq!(years_between(date(2020, 1, 1), date(2019, 1, 1)), None);
        assert_eq!(years_between(date(1850, 1, 1), date(2020, 1, 1)), None);
    }

    #[test]
    fn lateral_words() {
        for lateral in ["CANINE LATERAL THORAX", "W Chest Lat.", "XR CHEST LLAT"] {
            assert!(names_lateral_only(lateral), "{lateral}");
        }
        for other in [
            "XR CHEST PA",
            "CHEST PA AND LATERAL",
            "LEFT LATERAL DECUBITUS",
            "collateral",
            "CHEST 2 VIEWS LAT",
        ] {
            assert!(!names_lateral_only(other), "{other}");
        }
    }
}
