//! Lung nodules that the record states as coded facts. Nothing here looks at pixels.
//!
//! **The accepted form** is one FHIR Observation for each nodule, of status final, amended or corrected,
//! known at t0:
//!
//! | element | accepted | mark |
//! |---|---|---|
//! | `code`, or `valueCodeableConcept` | SNOMED CT 427359005 solitary nodule of lung, 786838002 nodule of lung; RadElement RDES195 | read in several public profiles |
//! | `code` LOINC 21889-1 size of tumour | only with a `bodySite` of the lung; its own `valueQuantity` is the diameter | mCODE |
//! | `valueBoolean` false, or a value "absent" | the nodule is not there | |
//! | component diameter | LOINC 33728-7, SNOMED CT 81827009 diameter or 103339001 long axis, RadElement RDE1302; a quantity in mm or cm | 33728-7 mCODE, others read |
//! | component composition | RadElement RDE1301, RadLex RID6037, or SNOMED CT 35702001 as the Observation's value; answers RDE1301.0, RID5741 or 35702001 solid, RDE1301.1 ground glass; else the answer's display decides (solid, part-solid, ground-glass and their spellings) | the other answer codes of RDE1301 could not be verified, so their display decides |
//! | component margin | SNOMED CT 129737002 radiographic lesion margin, 129742005 being spiculated and any other code not; or component 129742005 with a boolean | read in DICOM SR examples |
//! | `bodySite`, or component SNOMED CT 363698007 finding site or RadElement RDE1304 | lobes: SNOMED CT 45653009, 42400003, 44714003 upper; 72481006 middle; 90572001, 266005, 41224006 lower; RadLex RID1303, RID1327 upper, RID1310 middle, RID1315, RID1338 lower | SNOMED CT read; RadLex RID1315 read, the others unverified |
//! | component count | SNOMED CT 246205007 quantity, an integer or a pure number: nodules on the examination | this project's choice |
//!
//! The lingula is not counted as upper lobe or as another lobe: it reads as unknown.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::features::{View, convert};
use crate::record::{Coding, Concept, Observation, ObservedValue, Record};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const RADELEMENT: [&str; 3] = ["https://radelement.org", "http://radelement.org", "https://radelement.org/"];
const RADLEX: [&str; 4] = [
    "http://radlex.org",
    "http://www.radlex.org",
    "https://anatomiclocations.org/",
    "http://www.radlex.org/RID",
];

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
    /// Nodules on the whole examination, this one included.
    pub count: Option<u32>,
    /// Where it is stated: references of resources, or SOP instances of a DICOM SR.
    pub source: Vec<String>,
    /// When it was seen.
    pub dated: Option<Timestamp>,
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
    let view = View::new(record, t0, zone);
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

fn read(fact: &Observation) -> Option<Nodule> {
    let by_value = matches!(&fact.value, ObservedValue::Concept(concept) if is_nodule(concept));
    let by_size = fact.code.has(LOINC, "21889-1") && lobe(&fact.body_site).is_some_and(|lobe| lobe.is_lung);
    if !(is_nodule(&fact.code) || by_value || by_size) || is_absent(fact) {
        return None;
    }
    let own = by_size.then(|| millimetres(&fact.value)).flatten();
    let measured = fact
        .components
        .iter()
        .filter(|part| is_diameter(&part.code))
        .filter_map(|part| millimetres(&part.value))
        .max_by(f64::total_cmp);
    let diameter_mm = measured.or(own).filter(|diameter| (0.1..=500.0).contains(diameter))?;
    let site = fact.components.iter().find(|part| is_site(&part.code)).and_then(|part| match &part.value {
        ObservedValue::Concept(concept) => lobe(concept),
        _ => None,
    });
    Some(Nodule {
        diameter_mm,
        kind: kind(fact),
        spiculated: spiculated(fact),
        upper_lobe: lobe(&fact.body_site).and_then(|lobe| lobe.upper).or(site.and_then(|lobe| lobe.upper)),
        count: count(fact),
        source: fact.origin.reference.iter().cloned().collect(),
        dated: None,
    })
}

fn is_nodule(concept: &Concept) -> bool {
    concept.has(SNOMED, "427359005")
        || concept.has(SNOMED, "786838002")
        || RADELEMENT.iter().any(|system| concept.has(system, "RDES195"))
}

fn has_element(concept: &Concept, code: &str) -> bool {
    RADELEMENT.iter().any(|system| concept.has(system, code))
}

fn has_radlex(concept: &Concept, code: &str) -> bool {
    RADLEX.iter().any(|system| concept.has(system, code))
}

fn is_absent(fact: &Observation) -> bool {
    let says_no = |value: &ObservedValue| match value {
        ObservedValue::Boolean(truth) => !truth,
        ObservedValue::Concept(concept) => {
            concept.has(SNOMED, "2667000")
                || concept.has(SNOMED, "41647002")
                || words(concept).any(|word| word == "absent")
        }
        _ => false,
    };
    says_no(&fact.value)
        || fact.components.iter().any(|part| has_element(&part.code, "RDE1300") && says_no(&part.value))
}

fn is_diameter(concept: &Concept) -> bool {
    concept.has(LOINC, "33728-7")
        || concept.has(SNOMED, "81827009")
        || concept.has(SNOMED, "103339001")
        || has_element(concept, "RDE1302")
}

fn is_site(concept: &Concept) -> bool {
    concept.has(SNOMED, "363698007") || has_element(concept, "RDE1304")
}

fn millimetres(value: &ObservedValue) -> Option<f64> {
    let ObservedValue::Quantity(quantity) = value else { return None };
    if quantity.comparator.is_some() {
        return None;
    }
    let unit = quantity.code.as_deref().or(quantity.unit.as_deref())?;
    let conversion = convert(unit, "mm", None)?;
    Some(quantity.value * conversion.factor)
}

fn kind(fact: &Observation) -> Option<NoduleKind> {
    let stated = fact
        .components
        .iter()
        .filter(|part| has_element(&part.code, "RDE1301") || has_radlex(&part.code, "RID6037"))
        .filter_map(|part| match &part.value {
            ObservedValue::Concept(concept) => Some(concept),
            _ => None,
        });
    let own = match &fact.value {
        ObservedValue::Concept(concept) => Some(concept),
        _ => None,
    };
    stated.chain(own).find_map(kind_of)
}

fn kind_of(concept: &Concept) -> Option<NoduleKind> {
    let solid = has_element(concept, "RDE1301.0")
        || has_radlex(concept, "RID5741")
        || concept.has(SNOMED, "35702001");
    if solid {
        return Some(NoduleKind::Solid);
    }
    if has_element(concept, "RDE1301.1") || concept.has(SNOMED, "1217294009") {
        return Some(NoduleKind::NonSolid);
    }
    words(concept).find_map(|word| match word.as_str() {
        "solid" => Some(NoduleKind::Solid),
        "part solid" | "partly solid" | "partsolid" | "part solid nodule" | "mixed" => {
            Some(NoduleKind::PartSolid)
        }
        "nonsolid" | "non solid" | "ground glass" | "pure ground glass" | "ground glass nodule" => {
            Some(NoduleKind::NonSolid)
        }
        _ => None,
    })
}

fn spiculated(fact: &Observation) -> Option<bool> {
    fact.components.iter().find_map(|part| match &part.value {
        ObservedValue::Boolean(truth) if part.code.has(SNOMED, "129742005") => Some(*truth),
        ObservedValue::Concept(concept) if part.code.has(SNOMED, "129737002") => {
            let named = concept.codings.iter().any(|coding| coding.code.is_some());
            named.then(|| concept.has(SNOMED, "129742005") || words(concept).any(|word| word == "spiculated"))
        }
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

/// Where in the lung a site is.
#[derive(Clone, Copy)]
struct Lobe {
    upper: Option<bool>,
    is_lung: bool,
}

fn lobe(concept: &Concept) -> Option<Lobe> {
    let in_list = |snomed: &[&str], radlex: &[&str]| {
        snomed.iter().any(|code| concept.has(SNOMED, code))
            || radlex.iter().any(|code| has_radlex(concept, code))
    };
    if in_list(&["45653009", "42400003", "44714003"], &["RID1303", "RID1327"]) {
        return Some(Lobe { upper: Some(true), is_lung: true });
    }
    let lower = ["72481006", "90572001", "266005", "41224006"];
    if in_list(&lower, &["RID1310", "RID1315", "RID1338"]) {
        return Some(Lobe { upper: Some(false), is_lung: true });
    }
    if in_list(&["39607008", "3341006", "44029006", "31094006", "50837003"], &["RID1301"]) {
        return Some(Lobe { upper: None, is_lung: true });
    }
    words(concept).find_map(|word| match word.as_str() {
        "right upper lobe" | "left upper lobe" | "upper lobe" => {
            Some(Lobe { upper: Some(true), is_lung: false })
        }
        "right lower lobe" | "left lower lobe" | "lower lobe" | "right middle lobe" | "middle lobe" => {
            Some(Lobe { upper: Some(false), is_lung: false })
        }
        _ => None,
    })
}

/// Displays and text of a concept, in lower case, hyphens as spaces.
fn words(concept: &Concept) -> impl Iterator<Item = String> + '_ {
    let displays = concept.codings.iter().filter_map(|coding: &Coding| coding.display.as_deref());
    displays
        .chain(concept.text.as_deref())
        .map(|text| text.to_lowercase().replace('-', " ").trim().to_owned())
}
