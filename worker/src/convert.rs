//! From the types of one pillar to those of another, and to the worker's own. Pure.

use dicom_ingest::code::Code;
use dicom_ingest::instance::Instance;
use dicom_ingest::patient::{PatientIdentity, Sex as ImageSex};
use dicom_ingest::species::Species;
use dicom_ingest::sr::{Composition, Fault, Lobe, ProstateFact, SrLesion, SrNodule, SrReport};
use fusion::{
    ChestView, Gender, Nodule, NoduleKind, Outlined, ProstateLesion, ProstateReport, RecordPatient,
    Sex as BinarySex, Site,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use models::StudyFacts;

use crate::identity::{Identifier, Person, Sex};
use crate::report::document as doc;

/// Views by their codes in SNOMED CT (SCT) and SNOMED RT (SRT), PS3.16 CID 4010.
const VIEW_CODES: [(&str, &str); 4] =
    [("272479007", "PA"), ("R-10214", "PA"), ("399348003", "AP"), ("R-10206", "AP")];

/// The person on the images as reports name them; the age is another's to know.
pub fn patient(stated: Option<&PatientIdentity>, subject: doc::Subject) -> doc::Patient {
    let name = stated.and_then(|stated| stated.display_name.as_ref()).map(|name| name.expose().clone());
    doc::Patient {
        subject,
        name: name.as_deref().map(doc::readable_name),
        name_as_stated: name,
        issuer: stated.and_then(|stated| stated.issuer.clone()),
        identifier: stated.and_then(|stated| stated.id.as_ref()).map(|id| id.expose().clone()),
        sex: stated.and_then(|stated| stated.sex).map(|sex| {
            match sex {
                ImageSex::Female => "female",
                ImageSex::Male => "male",
                ImageSex::Other => "other",
            }
            .to_owned()
        }),
        birth_date: stated
            .and_then(|stated| stated.birth_date.as_ref())
            .map(|date| date.expose().to_string()),
        age_years: None,
    }
}

/// View Position (0018,5101), else the coded view (0054,0220): `PA`, `AP`, or the code's meaning. Where the two contradict each
/// other it is both, which no model reads.
pub fn view(instance: &Instance) -> Option<String> {
    let known = |code: &Code| VIEW_CODES.iter().find(|(value, _)| *value == code.value);
    let coded = instance
        .view_codes
        .first()
        .map(|code| known(code).map_or_else(|| code.meaning.to_uppercase(), |(_, view)| (*view).to_owned()));
    let stated = instance.view_position.clone();
    match (&stated, &coded) {
        (Some(stated), Some(coded)) if contradicts(stated.trim(), coded) => {
            Some(format!("{stated}, coded as {coded}"))
        }
        _ => stated.or(coded),
    }
}

/// Whether a coded view names another one than a frontal View Position does.
fn contradicts(stated: &str, coded: &str) -> bool {
    let words: Vec<&str> = coded.split(|letter: char| !letter.is_alphanumeric()).collect();
    let names = |views: &[&str]| words.iter().any(|word| views.contains(word));
    let (pa, ap) = (&["PA", "POSTEROANTERIOR"], &["AP", "ANTEROPOSTERIOR"]);
    let other = match stated {
        "PA" => names(ap) && !names(pa),
        "AP" => names(pa) && !names(ap),
        _ => return false,
    };
    let decubitus = names(&["DECUBITUS"]);
    other
        || (!decubitus
            && names(&["LATERAL", "OBLIQUE", "LL", "RL", "LAO", "RAO", "LPO", "RPO", "AXIAL", "TANGENTIAL"]))
}

/// What the model's applicability gate asks of an instance.
pub fn study_facts<'a>(
    instance: &'a Instance,
    view: Option<&'a str>,
    body_part: Option<&'a str>,
) -> StudyFacts<'a> {
    StudyFacts {
        sop_class_uid: instance.sop_class_uid.as_str(),
        modality: instance.modality.as_deref().unwrap_or_default(),
        body_part,
        view_position: view,
        human: match &instance.species {
            Species::Human => Ok(()),
            Species::NotHuman { evidence } => Err(evidence),
        },
        lateral_text: instance.lateral_evidence.is_some(),
        orientation: &instance.patient_orientation,
        age_years: instance.age_years,
        pixel_spacing_mm: instance
            .imager_pixel_spacing
            .or(instance.pixel_spacing)
            .map(|[rows, columns]| rows.max(columns)),
    }
}

/// The person as the images state them. A name whose character set failed is no name.
pub fn person_of_images(patient: &PatientIdentity) -> Person {
    let written = patient.display_name.as_ref().filter(|_| !patient.name_undecoded);
    let component = |at: usize| -> Vec<String> {
        let groups = written.iter().flat_map(|name| name.expose().split('='));
        groups.filter_map(|group| group.split('^').nth(at)).map(str::to_owned).collect()
    };
    Person {
        identifiers: patient
            .id
            .iter()
            .map(|id| Identifier {
                value: id.expose().clone(),
                issuers: patient.issuer.iter().cloned().collect(),
            })
            .collect(),
        family: component(0),
        given: component(1),
        birth_date: patient.birth_date.as_ref().map(|date| (*date.expose(), *date.expose())),
        sex: patient.sex.map(|sex| match sex {
            ImageSex::Female => Sex::Female,
            ImageSex::Male => Sex::Male,
            ImageSex::Other => Sex::Other,
        }),
        current: true,
    }
}

/// The person as the record states them.
pub fn person_of_record(patient: &RecordPatient) -> Person {
    Person {
        identifiers: patient
            .identifiers
            .iter()
            .map(|identifier| Identifier {
                value: identifier.value.expose().clone(),
                issuers: identifier.system.iter().chain(&identifier.assigner).cloned().collect(),
            })
            .collect(),
        family: patient.names.iter().filter_map(|name| name.expose().family.clone()).collect(),
        given: patient.names.iter().flat_map(|name| name.expose().given.clone()).collect(),
        birth_date: patient.birth_date.as_ref().and_then(|stated| {
            let stated = stated.expose();
            Some((stated.first_day()?, stated.next_day()?.yesterday().ok()?))
        }),
        sex: patient.gender.and_then(|gender| match gender {
            Gender::Female => Some(Sex::Female),
            Gender::Male => Some(Sex::Male),
            Gender::Other => Some(Sex::Other),
            Gender::Unknown => None,
        }),
        current: patient.active != Some(false) && !patient.links,
    }
}

/// SOP classes of structured reports that facts are taken from: Enhanced, Comprehensive and Comprehensive 3D SR.
const REPORT_CLASSES: [&str; 3] =
    ["1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34"];

/// True for a structured report.
pub fn is_report(instance: &Instance) -> bool {
    REPORT_CLASSES.contains(&instance.sop_class_uid.as_str())
}

/// A nodule of a structured report as the fusion takes it; `None` where the report states no diameter. `count` is the
/// number of nodules in the report.
pub fn nodule(
    nodule: &SrNodule,
    report: &str,
    count: Option<u32>,
    dated: Option<Timestamp>,
) -> Option<Nodule> {
    Some(Nodule {
        diameter_mm: nodule.diameter_mm?,
        kind: nodule.composition.map(|composition| match composition {
            Composition::Solid => NoduleKind::Solid,
            Composition::PartSolid => NoduleKind::PartSolid,
            Composition::Nonsolid => NoduleKind::NonSolid,
        }),
        spiculated: nodule.spiculated,
        upper_lobe: nodule.lobe.map(|lobe| lobe == Lobe::Upper),
        site: nodule
            .site
            .as_ref()
            .filter(|site| is_snomed(site))
            .map(|site| Site { code: site.value.clone(), display: site.meaning.clone() }),
        count,
        source: vec![reference(report)],
        dated,
        outlined: None,
    })
}

/// A nodule that a model outlined in an image at `t0`: a mask says how long it is, and the image perhaps on which side it lies.
pub fn outlined_nodule(diameter_mm: f64, image: &Instance, t0: Timestamp, outlined: Outlined) -> Nodule {
    let side = match image.laterality.as_deref() {
        Some("R") => Some(("3341006", "Right lung structure")),
        Some("L") => Some(("44029006", "Left lung structure")),
        _ => None,
    };
    Nodule {
        diameter_mm,
        kind: None,
        spiculated: None,
        upper_lobe: None,
        site: side.map(|(code, display)| Site { code: code.to_owned(), display: display.to_owned() }),
        count: None,
        source: vec![reference(image.sop_instance_uid.as_str())],
        dated: Some(t0),
        outlined: Some(outlined),
    }
}

/// What a structured report states of the prostate, as the fusion takes it. A day counts at its end, as in a record.
pub fn prostate(report: &SrReport, dated: Option<Timestamp>, site_zone: &TimeZone) -> ProstateReport {
    let end_of = |day: jiff::civil::Date| {
        let next = day.tomorrow().ok()?.to_zoned(site_zone.clone()).ok()?;
        next.timestamp().checked_sub(SignedDuration::from_secs(1)).ok()
    };
    ProstateReport {
        pi_rads: report.prostate.pi_rads,
        volume_ml: report.prostate.volume_ml,
        psa: report.prostate.psa.map(|psa| (psa.ng_ml, psa.taken.and_then(end_of))),
        lesions: report.prostate.lesions.iter().filter_map(|lesion| located(lesion, report, dated)).collect(),
        source: reference(report.sop_instance_uid.as_str()),
        dated,
    }
}

/// A lesion of a structured report, where its sites are a sector of the prostate.
fn located(lesion: &SrLesion, report: &SrReport, dated: Option<Timestamp>) -> Option<ProstateLesion> {
    let sites = lesion.sites.iter().map(|site| {
        let code = is_snomed(site);
        (code.then_some(site.value.as_str()), site.meaning.as_str())
    });
    let found = ProstateLesion::at(lesion.pi_rads, sites)?;
    Some(ProstateLesion { source: Some(reference(report.sop_instance_uid.as_str())), dated, ..found })
}

fn is_snomed(code: &Code) -> bool {
    ["SCT", "http://snomed.info/sct"].iter().any(|scheme| code.is(scheme, &code.value))
}

/// A DICOM object as reports cite it.
fn reference(sop_instance_uid: &str) -> String {
    format!("urn:oid:{sop_instance_uid}")
}

/// Why the length of a nodule could not be taken.
pub fn unclear_nodule(fault: Fault) -> &'static str {
    match fault {
        Fault::Unit => {
            "a nodule's length is in a unit other than mm or cm (UCUM); the nodule is left out, correct the report at its source"
        }
        Fault::Value | Fault::Several => {
            "a nodule's length is not between 0 and 1000 mm; the nodule is left out, correct the report at its source"
        }
    }
}

/// What of a structured report could not be taken, and why.
pub fn unclear((fact, fault): (ProstateFact, Fault)) -> &'static str {
    match (fact, fault) {
        (ProstateFact::PiRads, Fault::Unit) => {
            "a structured report states PI-RADS as a number with a unit; it is left out"
        }
        (ProstateFact::PiRads, Fault::Value | Fault::Several) => {
            "a structured report states a PI-RADS category that is none of the scale; it is left out"
        }
        (ProstateFact::Volume, Fault::Unit) => {
            "a structured report states the volume of the prostate without a unit that fits; it is left out"
        }
        (ProstateFact::Volume, Fault::Value) => {
            "a structured report states a volume that no prostate has; it is left out"
        }
        (ProstateFact::Volume, Fault::Several) => {
            "a structured report states the volume of the prostate more than once, differently; it is left out"
        }
        (ProstateFact::Psa, Fault::Unit) => {
            "a structured report states a PSA without a unit that fits; it is left out"
        }
        (ProstateFact::Psa, Fault::Value) => {
            "a structured report states a PSA that cannot be; it is left out"
        }
        (ProstateFact::Psa, Fault::Several) => {
            "a structured report states the PSA of one day more than once, differently; it is left out"
        }
    }
}

/// The view, where it is one of the two frontal ones.
pub fn chest_view(view: Option<&str>) -> Option<ChestView> {
    match view?.trim() {
        "AP" => Some(ChestView::Ap),
        "PA" => Some(ChestView::Pa),
        _ => None,
    }
}

/// The sex, where a formula can take it.
pub fn binary_sex(sex: Option<ImageSex>) -> Option<BinarySex> {
    match sex? {
        ImageSex::Female => Some(BinarySex::Female),
        ImageSex::Male => Some(BinarySex::Male),
        ImageSex::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_view_contradicts_a_frontal_one_where_it_names_another() {
        for (stated, coded) in [
            ("PA", "AP"),
            ("AP", "PA"),
            ("PA", "LEFT LATERAL"),
            ("AP", "RIGHT POSTERIOR OBLIQUE"),
            ("PA", "LL"),
        ] {
            assert!(contradicts(stated, coded), "{stated} {coded}");
        }
        for (stated, coded) in [
            ("PA", "PA"),
            ("AP", "AP"),
            ("PA", "CHEST PA UPRIGHT"),
            ("AP", "LEFT LATERAL DECUBITUS"),
            ("PA", "FRONTAL"),
            ("LL", "LATERAL"),
        ] {
            assert!(!contradicts(stated, coded), "{stated} {coded}");
        }
    }
}
