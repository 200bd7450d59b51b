//! Lung nodules that the record states as coded facts, and the form in which a structured report's and a model's are taken.
//! Nothing here looks at pixels.
//!
//! **The accepted form** is one FHIR Observation for each nodule, of status final, amended or corrected,
//! known at t0:
//!
//! | element | accepted | mark |
//! |---|---|---|
//! | `code`, or `valueCodeableConcept` | SNOMED CT 427359005 solitary nodule of lung, 786838002 nodule of lung, 308689002; RadElement RDES195; RadLex RID50149 | 427359005, 786838002 and RDES195 read in several public profiles, others as in DICOM SR |
//! | the same, with a site in the lung | SNOMED CT 27925004 nodule; RadLex RID3875 | |
//! | the same, as text without any code | lung nodule, pulmonary nodule, nodule of lung, each also solitary | |
//! | `code` of a size, with a site in the lung | LOINC 21889-1 size of tumour, 33728-7 maximum dimension; SNOMED CT 246120007 nodule size | 21889-1, 33728-7 mCODE |
//! | `valueBoolean` false, or a value that says absent, no or negative | the nodule is not there | |
//! | diameter: a component, or else the Observation's own `valueQuantity` | component LOINC 33728-7 or 21889-1, SNOMED CT 81827009 diameter, 103339001 long axis, 410668003 length or 246120007 nodule size, RadElement RDE1302; a quantity in mm or cm whose `unit` and `code` agree; the largest counts; without one there is no nodule | 33728-7, 21889-1 mCODE, others read |
//! | component composition | RadElement RDE1301, RadLex RID6037, or SNOMED CT 35702001 as the Observation's value; answers RDE1301.0, RID5741 or 35702001 solid, RDE1301.1, 1217294009 or DICOM 112120 ground glass; else the answer's display decides (solid, part-solid, ground-glass and their spellings) | the other answer codes of RDE1301 could not be verified, so their display decides |
//! | component margin | SNOMED CT 129737002 radiographic lesion margin: 129742005 or DICOM 112136 spiculated; 82280004, 129738007, 129741003 or DICOM 112135 not; else by display; another margin says nothing | read in DICOM SR examples |
//! | component spiculated | SNOMED CT 129742005: a boolean, or present, yes, positive (52101004, 373066001, 10828004, LA33-6, LA9633-4), or absent, no, negative (2667000, 41647002, 373067005, 260385009, LA32-8, LA9634-2) | |
//! | `bodySite`, or component SNOMED CT 363698007 finding site or RadElement RDE1304 | lobes: SNOMED CT 45653009, 42400003, 44714003 and segments 22270008, 39743006, 3236000 upper; 72481006, 40020002 middle; 90572001, 266005, 41224006 lower; RadLex RID1303, RID1327 upper, RID1310 middle, RID1315, RID1338 lower; where no code names a lobe, a display or text with "upper lobe", "middle lobe" or "lower lobe" of a lung | SNOMED CT read; RadLex RID1315 read, the others unverified |
//! | component count | SNOMED CT 246205007 quantity, an integer or a pure number: nodules on the examination | this project's choice |
//!
//! The lingula is not counted as upper lobe or as another lobe: it reads as unknown.
//!
//! A nodule that a model outlined and nobody measured says so ([`Nodule::outlined`]). The risks are computed for one only where
//! no person states a nodule.

mod codes;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::features::{Schema, View};
use crate::record::{Concept, Observation, ObservedValue, Record};
use crate::time::days_between;
use codes::{
    Lobe, SNOMED, has_element, is_composition, is_diameter, is_lung_nodule, is_size, kind_of, lobe,
    millimetres, says_no, spiculation,
};
pub(crate) use codes::{
    NODULE_ELEMENTS, NODULE_RADLEX, NODULE_SIZES, NODULE_SNOMED, RADELEMENT, has_radlex, is_site,
};

/// Nodules seen within this time of each other belong to one examination, in days.
pub(crate) const SAME_EXAM_DAYS: f64 = 1.0;

/// Texture of a nodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoduleKind {
    /// Solid.
    Solid,
    /// Part-solid (subsolid with a solid part).
    PartSolid,
    /// Nonsolid: pure ground glass.
    NonSolid,
}

impl NoduleKind {
    /// For a reader.
    pub fn text(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::PartSolid => "part-solid",
            Self::NonSolid => "nonsolid",
        }
    }
}

/// Where in the lung, as a concept of SNOMED CT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Code of SNOMED CT.
    pub code: String,
    /// The source's words for it; may be empty.
    pub display: String,
}

/// The model that outlined a nodule, where no person measured it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlined {
    /// The model, as `name@version`.
    pub model: String,
    /// The model's own name of what it outlined.
    pub segment: String,
}

/// What is stated of one nodule. `None` is unknown, never "no". Its `Debug` leaves the source out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Nodule {
    /// Longest diameter, mm.
    pub diameter_mm: f64,
    /// Texture.
    pub kind: Option<NoduleKind>,
    /// Whether its margin is spiculated.
    pub spiculated: Option<bool>,
    /// Whether it lies in an upper lobe.
    pub upper_lobe: Option<bool>,
    /// Where it is stated to lie, where SNOMED CT says it.
    #[serde(default)]
    pub site: Option<Site>,
    /// Nodules on the whole examination, this one included.
    pub count: Option<u32>,
    /// Where it is stated: references of resources, or SOP instances of a DICOM SR; of an outline, the image.
    pub source: Vec<String>,
    /// When it was seen.
    pub dated: Option<Timestamp>,
    /// The model that outlined it; `None` where a person states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlined: Option<Outlined>,
}

impl std::fmt::Debug for Nodule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Nodule")
            .field("diameter_mm", &self.diameter_mm)
            .field("kind", &self.kind)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// The nodules that the record states and that were known at `t0`, largest first. `zone` is the site's,
/// for dates without a zone.
pub fn nodules(record: &Record, t0: Timestamp, zone: &TimeZone) -> Vec<Nodule> {
    let view = View::new(record, Schema::built_in(), t0, zone);
    let mut found: Vec<Nodule> = view
        .observations
        .known
        .iter()
        .filter_map(|known| {
            let mut nodule = read(known.fact)?;
            nodule.dated = Some(known.effective);
            Some(nodule)
        })
        .collect();
    found.sort_by(|one, other| {
        other.diameter_mm.total_cmp(&one.diameter_mm).then_with(|| one.source.cmp(&other.source))
    });
    found
}

/// Whether the record says of the examination at `t0` that there is no nodule. `zone` is the site's, for dates without a zone.
pub fn denies_nodules(record: &Record, t0: Timestamp, zone: &TimeZone) -> bool {
    let view = View::new(record, Schema::built_in(), t0, zone);
    let mut known = view.observations.known.iter();
    known.any(|known| {
        let is_of_exam = days_between(known.effective, t0).abs() <= SAME_EXAM_DAYS;
        is_of_exam && is_about_nodule(known.fact, &sites(known.fact)) && is_absent(known.fact)
    })
}

/// Whether a code of SNOMED CT says by itself that something is a nodule of the lung: 427359005, 786838002 or 308689002. A nodule
/// of which no place is stated is none.
pub fn is_lung_nodule_code(system: &str, code: &str) -> bool {
    let [solitary, of_lung, other, _] = NODULE_SNOMED;
    system == SNOMED && [solitary, of_lung, other].contains(&code)
}

/// Whether an Observation states a nodule.
pub(crate) fn is_nodule(fact: &Observation) -> bool {
    read(fact).is_some()
}

fn read(fact: &Observation) -> Option<Nodule> {
    let sites = sites(fact);
    if !is_about_nodule(fact, &sites) || is_absent(fact) {
        return None;
    }
    let measured = fact
        .components
        .iter()
        .filter(|part| is_diameter(&part.code))
        .filter_map(|part| millimetres(&part.value))
        .max_by(f64::total_cmp);
    let diameter_mm =
        measured.or_else(|| millimetres(&fact.value)).filter(|diameter| (0.1..=500.0).contains(diameter))?;
    Some(Nodule {
        diameter_mm,
        kind: kind(fact),
        spiculated: fact.components.iter().find_map(|part| spiculation(&part.code, &part.value)),
        upper_lobe: sites.iter().find_map(|site| site.upper),
        site: places(fact).find_map(site),
        count: count(fact),
        source: fact.origin.reference.iter().cloned().collect(),
        dated: None,
        outlined: None,
    })
}

/// Whether it is about a nodule of the lung, there or not.
fn is_about_nodule(fact: &Observation, sites: &[Lobe]) -> bool {
    let in_lung = sites.iter().any(|site| site.is_lung);
    let by_value = matches!(&fact.value, ObservedValue::Concept(concept) if is_lung_nodule(concept, in_lung));
    let by_size = is_size(&fact.code) && in_lung;
    is_lung_nodule(&fact.code, in_lung) || by_value || by_size
}

fn sites(fact: &Observation) -> Vec<Lobe> {
    places(fact).filter_map(lobe).collect()
}

/// `bodySite`, then the sites of components.
fn places(fact: &Observation) -> impl Iterator<Item = &Concept> {
    let parts = fact.components.iter().filter(|part| is_site(&part.code)).filter_map(|part| {
        let ObservedValue::Concept(concept) = &part.value else { return None };
        Some(concept)
    });
    [&fact.body_site].into_iter().chain(parts)
}

/// The concept in SNOMED CT, where it is one of the lung.
fn site(concept: &Concept) -> Option<Site> {
    lobe(concept).filter(|lobe| lobe.is_lung)?;
    let coding = concept.codings.iter().find(|coding| coding.system.as_deref() == Some(SNOMED))?;
    Some(Site { code: coding.code.clone()?, display: coding.display.clone().unwrap_or_default() })
}

fn is_absent(fact: &Observation) -> bool {
    says_no(&fact.value)
        || fact.components.iter().any(|part| has_element(&part.code, "RDE1300") && says_no(&part.value))
}

fn kind(fact: &Observation) -> Option<NoduleKind> {
    let stated = fact.components.iter().filter(|part| is_composition(&part.code)).map(|part| &part.value);
    stated.chain([&fact.value]).find_map(|value| match value {
        ObservedValue::Concept(concept) => kind_of(concept),
        _ => None,
    })
}

fn count(fact: &Observation) -> Option<u32> {
    let part = fact.components.iter().find(|part| part.code.has(SNOMED, "246205007"))?;
    let number = match &part.value {
        ObservedValue::Integer(number) => u32::try_from(*number).ok()?,
        ObservedValue::Quantity(quantity)
            if quantity.comparator.is_none() && quantity.value.fract() == 0.0 =>
        {
            format!("{:.0}", quantity.value).parse().ok()?
        }
        _ => return None,
    };
    (1..=1000).contains(&number).then_some(number)
}
