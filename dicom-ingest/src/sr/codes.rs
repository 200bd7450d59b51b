//! The codes that facts are told by. SNOMED CT values with their retired SRT forms (PS3.16 annex L), DICOM's
//! own (PS3.16 annex D), IBSI and RadLex. Where a scheme is not known, the meaning decides, as a whole phrase.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::dataset::View;

pub(super) mod prostate;

/// What a nodule is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Composition {
    /// Solid.
    Solid,
    /// Part-solid.
    PartSolid,
    /// Nonsolid: pure ground glass.
    Nonsolid,
}

/// A lobe of the lung. The lingula, a part of the left upper lobe that the risk models' authors do not speak of, is
/// none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lobe {
    /// Upper lobe of either lung.
    Upper,
    /// Middle lobe of the right lung.
    Middle,
    /// Lower lobe of either lung.
    Lower,
}

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// Whether a code is one of `values`, each `(scheme, value)`; SCT stands for its other designators too.
fn is_one_of(code: &Code, values: &[(&str, &str)]) -> bool {
    let scheme = match code.scheme.as_str() {
        "http://snomed.info/sct" | "SNM3" | "99SDM" => {
            if code.value.contains('-') {
                "SRT"
            } else {
                "SCT"
            }
        }
        scheme => scheme,
    };
    values.iter().any(|(known, value)| *known == scheme && *value == code.value)
}

/// The meaning in lower case, with single spaces.
fn phrase(code: &Code) -> String {
    let words = code.meaning.to_lowercase().replace(['-', '_'], " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prior Procedure Descriptions, Previous Findings (CID 7001), or a name that says so.
pub(super) fn is_earlier(name: &Code) -> bool {
    is_one_of(name, &[("DCM", "121066"), ("DCM", "121068")])
        || phrase(name).split(' ').any(|word| matches!(word, "prior" | "previous" | "earlier"))
}

/// History, History General, or a name that says so.
pub(super) fn is_history(name: &Code) -> bool {
    is_one_of(name, &[("DCM", "121060"), ("LN", "11329-0")])
        || phrase(name).split(' ').any(|word| word == "history")
}

/// Measurement Group (TID 1410, 1411, 1501).
pub(super) fn is_measurement_group(item: &View<'_>) -> bool {
    let name = item.codes(tags::CONCEPT_NAME_CODE_SEQUENCE).into_iter().next();
    name.is_some_and(|name| is_one_of(&name, &[("DCM", "125007")]))
}

pub(super) fn is_finding(code: &Code) -> bool {
    is_one_of(code, &[("DCM", "121071"), ("SCT", "404684003")])
}

pub(super) fn is_finding_site(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "363698007"), ("SRT", "G-C0E3")])
}

pub(super) fn is_laterality(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "272741003"), ("SRT", "G-C171")])
}

pub(super) fn is_tracking_id(code: &Code) -> bool {
    is_one_of(code, &[("DCM", "112039")])
}

pub(super) fn is_tracking_uid(code: &Code) -> bool {
    is_one_of(code, &[("DCM", "112040")])
}

pub(super) fn is_long_axis(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "103339001"), ("SRT", "G-A185")])
}

/// Diameter, and IBSI's maximum three-dimensional diameter.
pub(super) fn is_diameter(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "81827009"), ("SRT", "M-02550"), ("IBSI", "L0JK")])
}

pub(super) fn is_length(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "410668003"), ("SRT", "G-D7FE")])
}

/// A nodule of the lung: by the finding itself, or a nodule whose site is in the lung. A nodule without a site
/// could be of the thyroid as well.
pub(super) fn is_lung_nodule(finding: &Code, site: Option<&Code>) -> bool {
    const LUNG_NODULE: [(&str, &str); 6] = [
        ("SCT", "427359005"),
        ("SCT", "786838002"),
        ("SCT", "308689002"),
        ("SRT", "F-20172"),
        ("RADLEX", "RID50149"),
        ("RADELEMENT", "RDES195"),
    ];
    const NODULE: [(&str, &str); 3] = [("SCT", "27925004"), ("SRT", "M-03010"), ("RADLEX", "RID3875")];
    let by_itself = is_one_of(finding, &LUNG_NODULE)
        || matches!(phrase(finding).as_str(), "lung nodule" | "pulmonary nodule" | "nodule of lung");
    let nodule = is_one_of(finding, &NODULE) || phrase(finding) == "nodule";
    by_itself || (nodule && site.is_some_and(is_lung))
}

fn is_lung(site: &Code) -> bool {
    const LUNG: [(&str, &str); 7] = [
        ("SCT", "39607008"),
        ("SRT", "T-28000"),
        ("SCT", "3341006"),
        ("SCT", "44029006"),
        ("SCT", "31094006"),
        ("SRT", "T-28770"),
        ("RADLEX", "RID1301"),
    ];
    let named =
        phrase(site).split(' ').any(|word| matches!(word, "lung" | "lungs" | "lingula" | "pulmonary"));
    is_one_of(site, &LUNG) || lobe(site).is_some() || named
}

/// The lobe of a site. SNOMED CT: lobes of either lung (45653009, 90572001), of the right (42400003, 72481006,
/// 266005) and the left (44714003, 41224006), and segments of the upper lobes.
pub(super) fn lobe(site: &Code) -> Option<Lobe> {
    const UPPER: [(&str, &str); 13] = [
        ("SCT", "45653009"),
        ("SRT", "T-28820"),
        ("SCT", "42400003"),
        ("SCT", "44714003"),
        ("SRT", "T-28600"),
        ("SCT", "22270008"),
        ("SRT", "T-28630"),
        ("SCT", "39743006"),
        ("SRT", "T-28230"),
        ("SCT", "3236000"),
        ("SRT", "T-28220"),
        ("RADLEX", "RID1303"),
        ("RADLEX", "RID1327"),
    ];
    const MIDDLE: [(&str, &str); 5] = [
        ("SCT", "72481006"),
        ("SRT", "T-28300"),
        ("SCT", "40020002"),
        ("SRT", "T-28825"),
        ("RADLEX", "RID1310"),
    ];
    const LOWER: [(&str, &str); 6] = [
        ("SCT", "90572001"),
        ("SRT", "T-28830"),
        ("SCT", "266005"),
        ("SCT", "41224006"),
        ("RADLEX", "RID1315"),
        ("RADLEX", "RID1338"),
    ];
    let named = phrase(site);
    if is_one_of(site, &UPPER) || named.contains("upper lobe") {
        Some(Lobe::Upper)
    } else if is_one_of(site, &MIDDLE) || named.contains("middle lobe") {
        Some(Lobe::Middle)
    } else if is_one_of(site, &LOWER) || named.contains("lower lobe") {
        Some(Lobe::Lower)
    } else {
        None
    }
}

/// The side that a site names itself.
pub(super) fn side_of_site(site: &Code) -> Option<Side> {
    const RIGHT: [(&str, &str); 5] =
        [("SCT", "3341006"), ("SCT", "42400003"), ("SCT", "72481006"), ("SRT", "T-28300"), ("SCT", "266005")];
    const LEFT: [(&str, &str); 4] =
        [("SCT", "44029006"), ("SCT", "44714003"), ("SRT", "T-28600"), ("SCT", "41224006")];
    let named = phrase(site);
    let names = |side: &str| named.split(' ').any(|word| word == side);
    match (is_one_of(site, &RIGHT) || names("right"), is_one_of(site, &LEFT) || names("left")) {
        (true, false) => Some(Side::Right),
        (false, true) => Some(Side::Left),
        _ => None,
    }
}

/// The side of a laterality.
pub(super) fn side(laterality: &Code) -> Option<Side> {
    if is_one_of(laterality, &[("SCT", "24028007"), ("SRT", "G-A100")]) {
        Some(Side::Right)
    } else if is_one_of(laterality, &[("SCT", "7771000"), ("SRT", "G-A101")]) {
        Some(Side::Left)
    } else {
        None
    }
}

/// What a coded value says the nodule is made of.
pub(super) fn composition(value: &Code) -> Option<Composition> {
    if is_one_of(value, &[("DCM", "112120"), ("SCT", "1217294009"), ("RADELEMENT", "RDE1301.1")]) {
        return Some(Composition::Nonsolid);
    }
    if is_one_of(value, &[("SCT", "35702001"), ("RADLEX", "RID5741"), ("RADELEMENT", "RDE1301.0")]) {
        return Some(Composition::Solid);
    }
    match phrase(value).as_str() {
        "solid" | "solid nodule" => Some(Composition::Solid),
        "part solid" | "part solid nodule" | "partly solid" | "semi solid" | "mixed ground glass" => {
            Some(Composition::PartSolid)
        }
        "nonsolid"
        | "non solid"
        | "non solid nodule"
        | "ground glass"
        | "ground glass opacity"
        | "ground glass nodule"
        | "pure ground glass"
        | "pure ground glass nodule" => Some(Composition::Nonsolid),
        _ => None,
    }
}

/// Whether the coded values call the margin spiculated; a margin described otherwise is not spiculated.
pub(super) fn spiculated(values: &[Code]) -> Option<bool> {
    const SPICULATED: [(&str, &str); 3] = [("DCM", "112136"), ("SCT", "129742005"), ("SRT", "F-01745")];
    const OTHERWISE: [(&str, &str); 7] = [
        ("DCM", "112135"),
        ("SCT", "82280004"),
        ("SRT", "G-A545"),
        ("SCT", "129738007"),
        ("SRT", "F-01741"),
        ("SCT", "129741003"),
        ("SRT", "F-01744"),
    ];
    let says = |codes: &[(&str, &str)], phrases: &[&str]| {
        values.iter().any(|value| is_one_of(value, codes) || phrases.contains(&phrase(value).as_str()))
    };
    if says(&SPICULATED, &["spiculated", "spiculated margin", "spiculated lesion"]) {
        Some(true)
    } else if says(&OTHERWISE, &["smooth", "smooth margin", "lobulated", "circumscribed", "well defined"]) {
        Some(false)
    } else {
        None
    }
}
