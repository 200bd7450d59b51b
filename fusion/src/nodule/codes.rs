//! The codes and words that facts of a nodule are told by.

use super::NoduleKind;
use crate::features::{RADLEX, convert, presence};
use crate::record::{Coding, Concept, ObservedValue, Quantity};

pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const SNOMED: &str = "http://snomed.info/sct";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// RadElement, as systems write it.
pub(crate) const RADELEMENT: [&str; 3] =
    ["https://radelement.org", "http://radelement.org", "https://radelement.org/"];

/// SNOMED CT: solitary nodule of lung, nodule of lung, and nodule, which counts with a site in the lung.
pub(crate) const NODULE_SNOMED: [&str; 4] = ["427359005", "786838002", "308689002", "27925004"];
/// RadLex: nodule of lung, and nodule, which counts with a site in the lung.
pub(crate) const NODULE_RADLEX: [&str; 2] = ["RID50149", "RID3875"];
/// RadElement: a pulmonary nodule.
pub(crate) const NODULE_ELEMENTS: [&str; 1] = ["RDES195"];
/// Sizes that are Observations of their own.
pub(crate) const NODULE_SIZES: [(&str, &[&str]); 2] =
    [(LOINC, &["21889-1", "33728-7"]), (SNOMED, &["246120007"])];

pub(super) fn has_element(concept: &Concept, code: &str) -> bool {
    RADELEMENT.iter().any(|system| concept.has(system, code))
}

pub(crate) fn has_radlex(concept: &Concept, code: &str) -> bool {
    RADLEX.iter().any(|system| concept.has(system, code))
}

fn has_snomed(concept: &Concept, codes: &[&str]) -> bool {
    codes.iter().any(|code| concept.has(SNOMED, code))
}

/// A nodule of the lung: by its code, a nodule whose site is the lung, or by its text where it has no code.
pub(super) fn is_lung_nodule(concept: &Concept, in_lung: bool) -> bool {
    let [solitary, of_lung, other, any] = NODULE_SNOMED;
    let [radlex_of_lung, radlex_any] = NODULE_RADLEX;
    let by_itself = has_snomed(concept, &[solitary, of_lung, other])
        || has_radlex(concept, radlex_of_lung)
        || NODULE_ELEMENTS.iter().any(|code| has_element(concept, code));
    let nodule = concept.has(SNOMED, any) || has_radlex(concept, radlex_any);
    by_itself || (nodule && in_lung) || is_named_lung_nodule(concept)
}

fn is_named_lung_nodule(concept: &Concept) -> bool {
    const NAMES: [&str; 6] = [
        "lung nodule",
        "pulmonary nodule",
        "nodule of lung",
        "solitary lung nodule",
        "solitary pulmonary nodule",
        "solitary nodule of lung",
    ];
    let uncoded = concept.codings.iter().all(|coding| coding.code.is_none());
    uncoded && concept.text.as_deref().is_some_and(|text| NAMES.contains(&phrase(text).as_str()))
}

/// A size that is an Observation of its own, of a tumour or nodule in the lung.
pub(super) fn is_size(concept: &Concept) -> bool {
    NODULE_SIZES.iter().any(|(system, codes)| codes.iter().any(|code| concept.has(system, code)))
}

pub(super) fn is_diameter(concept: &Concept) -> bool {
    is_size(concept)
        || has_snomed(concept, &["81827009", "103339001", "410668003"])
        || has_element(concept, "RDE1302")
}

pub(crate) fn is_site(concept: &Concept) -> bool {
    concept.has(SNOMED, "363698007") || has_element(concept, "RDE1304")
}

pub(super) fn says_no(value: &ObservedValue) -> bool {
    match value {
        ObservedValue::Boolean(truth) => !truth,
        ObservedValue::Concept(concept) => {
            presence(concept) == Some(false) || words(concept).any(|word| word == "absent")
        }
        _ => false,
    }
}

/// A length in mm. Where the UCUM code and the unit's text name different lengths, it is none.
pub(super) fn millimetres(value: &ObservedValue) -> Option<f64> {
    let ObservedValue::Quantity(quantity) = value else { return None };
    if quantity.comparator.is_some() {
        return None;
    }
    let text = quantity.unit.as_deref().map(|unit| factor(&unit_text(unit)));
    let factor = match (ucum(quantity), text) {
        (Some(code), None | Some(None)) => factor(code)?,
        (Some(code), Some(Some(by_text))) => {
            factor(code).filter(|factor| (factor - by_text).abs() < f64::EPSILON)?
        }
        (None, text) => text.flatten()?,
    };
    Some(quantity.value * factor)
}

fn ucum(quantity: &Quantity) -> Option<&str> {
    let known = quantity.system.as_deref().is_none_or(|system| system == "http://unitsofmeasure.org");
    quantity.code.as_deref().filter(|_| known)
}

fn factor(unit: &str) -> Option<f64> {
    convert(unit, "mm", None).map(|conversion| conversion.factor)
}

fn unit_text(unit: &str) -> String {
    let unit = unit.trim().to_lowercase();
    let ucum = match unit.as_str() {
        "millimeter" | "millimeters" | "millimetre" | "millimetres" => "mm",
        "centimeter" | "centimeters" | "centimetre" | "centimetres" => "cm",
        "meter" | "meters" | "metre" | "metres" => "m",
        "in" | "inch" | "inches" => "[in_i]",
        other => other,
    };
    ucum.to_owned()
}

pub(super) fn is_composition(concept: &Concept) -> bool {
    has_element(concept, "RDE1301") || has_radlex(concept, "RID6037")
}

pub(super) fn kind_of(concept: &Concept) -> Option<NoduleKind> {
    let solid = has_element(concept, "RDE1301.0")
        || has_radlex(concept, "RID5741")
        || concept.has(SNOMED, "35702001");
    if solid {
        return Some(NoduleKind::Solid);
    }
    let ground_glass = has_element(concept, "RDE1301.1")
        || concept.has(SNOMED, "1217294009")
        || concept.has(DICOM, "112120");
    if ground_glass {
        return Some(NoduleKind::NonSolid);
    }
    words(concept).find_map(|word| match word.as_str() {
        "solid" | "solid nodule" => Some(NoduleKind::Solid),
        "part solid" | "partly solid" | "partsolid" | "part solid nodule" | "semi solid" | "mixed"
        | "mixed ground glass" => Some(NoduleKind::PartSolid),
        "nonsolid"
        | "non solid"
        | "non solid nodule"
        | "ground glass"
        | "ground glass opacity"
        | "pure ground glass"
        | "pure ground glass nodule"
        | "ground glass nodule" => Some(NoduleKind::NonSolid),
        _ => None,
    })
}

/// What a component says of spiculation: present or absent, or the margin by name. A margin that is not
/// known here says nothing.
pub(super) fn spiculation(code: &Concept, value: &ObservedValue) -> Option<bool> {
    match value {
        ObservedValue::Boolean(truth) if code.has(SNOMED, "129742005") => Some(*truth),
        ObservedValue::Concept(answer) if code.has(SNOMED, "129742005") => {
            presence(answer).or_else(|| margin(answer))
        }
        ObservedValue::Concept(answer) if code.has(SNOMED, "129737002") => margin(answer),
        _ => None,
    }
}

fn margin(concept: &Concept) -> Option<bool> {
    let says = |names: &[&str]| words(concept).any(|word| names.contains(&word.as_str()));
    let spiculated = concept.has(SNOMED, "129742005") || concept.has(DICOM, "112136");
    if spiculated || says(&["spiculated", "spiculated margin", "spiculated lesion"]) {
        return Some(true);
    }
    let otherwise =
        has_snomed(concept, &["82280004", "129738007", "129741003"]) || concept.has(DICOM, "112135");
    let named = ["smooth", "smooth margin", "lobulated", "circumscribed", "well defined"];
    (otherwise || says(&named)).then_some(false)
}

/// Where in the lung a site is.
#[derive(Clone, Copy)]
pub(super) struct Lobe {
    pub(super) upper: Option<bool>,
    pub(super) is_lung: bool,
}

const UPPER: [&str; 6] = ["45653009", "42400003", "44714003", "22270008", "39743006", "3236000"];
const UPPER_RADLEX: [&str; 2] = ["RID1303", "RID1327"];
const OTHER: [&str; 5] = ["72481006", "40020002", "90572001", "266005", "41224006"];
const OTHER_RADLEX: [&str; 3] = ["RID1310", "RID1315", "RID1338"];
const LUNG: [&str; 4] = ["39607008", "3341006", "44029006", "31094006"];
const LINGULA: &str = "50837003";

/// The lobe by its code; where no code names one, by a display or text that names exactly one.
pub(super) fn lobe(concept: &Concept) -> Option<Lobe> {
    let radlex = |codes: &[&str]| codes.iter().any(|code| has_radlex(concept, code));
    if has_snomed(concept, &UPPER) || radlex(&UPPER_RADLEX) {
        return Some(Lobe { upper: Some(true), is_lung: true });
    }
    if has_snomed(concept, &OTHER) || radlex(&OTHER_RADLEX) {
        return Some(Lobe { upper: Some(false), is_lung: true });
    }
    if concept.has(SNOMED, LINGULA) {
        return Some(Lobe { upper: None, is_lung: true });
    }
    let coded = has_snomed(concept, &LUNG) || radlex(&["RID1301"]);
    let named: Vec<Lobe> = words(concept).filter_map(|word| named_lobe(&word)).collect();
    let is_lung = coded || named.iter().any(|lobe| lobe.is_lung);
    let mut uppers = named.iter().filter_map(|lobe| lobe.upper);
    let first = uppers.next();
    let upper = first.filter(|first| uppers.all(|other| other == *first));
    (coded || !named.is_empty()).then_some(Lobe { upper, is_lung })
}

/// The lobe that a phrase names. "Middle lobe" alone is one of the lung, that of another organ is not.
fn named_lobe(phrase: &str) -> Option<Lobe> {
    let words: Vec<&str> = phrase.split(|letter: char| !letter.is_alphanumeric()).collect();
    let has = |word: &str| words.contains(&word);
    let of_lung = ["lung", "lungs", "pulmonary", "lingula"].iter().any(|word| has(word));
    let bare = words.iter().all(|word| ["right", "left", "upper", "middle", "lower", "lobe"].contains(word));
    let is_lung = of_lung || (bare && has("lobe"));
    let places = ["upper", "middle", "lower"].iter().filter(|word| has(word)).count();
    let lobes = ["upper lobe", "middle lobe", "lower lobe"];
    let named = lobes.iter().position(|lobe| phrase.contains(lobe));
    let upper = named.filter(|_| is_lung && places == 1 && !has("lingula")).map(|place| place == 0);
    is_lung.then_some(Lobe { upper, is_lung })
}

/// Displays and text of a concept, in lower case, hyphens as spaces, single spaces.
fn words(concept: &Concept) -> impl Iterator<Item = String> + '_ {
    let displays = concept.codings.iter().filter_map(|coding: &Coding| coding.display.as_deref());
    displays.chain(concept.text.as_deref()).map(phrase)
}

fn phrase(text: &str) -> String {
    let text = text.to_lowercase().replace(['-', '_'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
