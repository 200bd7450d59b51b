//! The codes of the prostate: PS3.16 TID 4300, CID 6325 and 6328 (RadLex), and how TID 1500 of other makers names the same.

use super::{is_one_of, phrase};
use crate::code::Code;
use crate::sr::Fault;

/// RadLex: overall assessment (CID 6325), then of a lesion (CID 6328), both from 1 to 5, then what was not assessable.
const CATEGORIES: [(&str, u8); 10] = [
    ("RID50289", 1),
    ("RID50290", 2),
    ("RID50291", 3),
    ("RID50292", 4),
    ("RID50293", 5),
    ("RID50296", 1),
    ("RID50297", 2),
    ("RID50298", 3),
    ("RID50299", 4),
    ("RID50300", 5),
];

/// Overall Prostate Finding (TID 4300).
pub(in crate::sr) fn is_overall(name: &Code) -> bool {
    is_one_of(name, &[("DCM", "130554")])
}

/// The whole prostate: T-9200B is how dcmqi names it, T-92000 its SNOMED RT.
pub(in crate::sr) fn is_prostate(code: &Code) -> bool {
    is_one_of(code, &[("SCT", "41216001"), ("SRT", "T-92000"), ("SRT", "T-9200B")])
        || matches!(
            phrase(code).as_str(),
            "prostate"
                | "whole prostate"
                | "entire prostate"
                | "prostate gland"
                | "whole prostate gland"
                | "entire prostate gland"
                | "prostatic structure"
        )
}

/// An organ as such, as the finding of a group whose site names which.
pub(in crate::sr) fn is_organ(code: &Code) -> bool {
    const ORGAN: [(&str, &str); 6] = [
        ("SCT", "113343008"),
        ("SRT", "T-D0060"),
        ("SCT", "91723000"),
        ("SRT", "T-D0005"),
        ("SCT", "123037004"),
        ("SRT", "T-D000A"),
    ];
    is_one_of(code, &ORGAN)
        || matches!(phrase(code).as_str(), "organ" | "whole gland" | "entire gland" | "anatomical structure")
}

/// Volume of whatever is measured.
pub(in crate::sr) fn is_volume(name: &Code) -> bool {
    is_one_of(name, &[("SCT", "118565006"), ("SRT", "G-D705")])
}

/// A name that says itself that it is the volume of the prostate.
pub(in crate::sr) fn is_prostate_volume(name: &Code) -> bool {
    matches!(
        phrase(name).as_str(),
        "prostate volume" | "volume of prostate" | "total prostate volume" | "whole gland volume"
    )
}

/// Millilitres in one of the unit.
pub(in crate::sr) fn volume_unit(unit: &Code) -> Option<f64> {
    match unit.value.as_str() {
        _ if !unit.scheme.eq_ignore_ascii_case("UCUM") => None,
        "mL" | "ml" | "cm3" => Some(1.0),
        "mm3" => Some(0.001),
        _ => None,
    }
}

/// Total prostate-specific antigen; neither the free one nor its density nor its course.
pub(in crate::sr) fn is_psa(name: &Code) -> bool {
    is_one_of(name, &[("LN", "2857-1"), ("SCT", "63476009"), ("SRT", "P3-67350")])
        || matches!(
            phrase(name).as_str(),
            "psa" | "total psa" | "psa total" | "serum psa" | "prostate specific antigen"
        )
}

/// Nanograms per millilitre in one of the unit. UCUM takes the litre in either case.
pub(in crate::sr) fn psa_unit(unit: &Code) -> Option<f64> {
    match unit.value.as_str() {
        _ if !unit.scheme.eq_ignore_ascii_case("UCUM") => None,
        "ng/mL" | "ng/ml" | "ug/L" | "ug/l" => Some(1.0),
        _ => None,
    }
}

/// Assessment of one kind of picture (T2, diffusion, contrast), which is not the category.
pub(in crate::sr) fn is_of_sequence(name: &Code) -> bool {
    is_one_of(name, &[("DCM", "130561"), ("DCM", "130562"), ("DCM", "130563")])
        || phrase(name).split(' ').any(|word| matches!(word, "t2" | "t2w" | "t2wi" | "dwi" | "adc" | "dce"))
}

/// PI-RADS Localized Abnormality Assessment (TID 4300), PI-RADS Lesion Assessment Category (RadLex), or a name with
/// PI-RADS in it.
pub(in crate::sr) fn asks_pi_rads(name: &Code) -> bool {
    let words = phrase(name);
    is_one_of(name, &[("DCM", "130560"), ("RADLEX", "RID50295")])
        || words.contains("pi rads")
        || words.split(' ').any(|word| word == "pirads")
}

/// Whether the unit is that of a score.
pub(in crate::sr) fn is_plain(unit: &Code) -> bool {
    unit.is("UCUM", "1") || unit.value.starts_with('{')
}

/// The category of a coded value. Where the name did not ask for PI-RADS, only the codes of a category are one.
pub(in crate::sr) fn category(value: &Code, asked: bool) -> Result<Option<u8>, Fault> {
    let of_radlex = value.scheme.eq_ignore_ascii_case("RADLEX");
    let known = CATEGORIES.iter().find(|(code, _)| of_radlex && *code == value.value);
    if let Some((_, category)) = known {
        return Ok(Some(*category));
    }
    if !asked || is_of_sequence(value) {
        return Ok(None);
    }
    let not_assessed =
        phrase(value).split(' ').any(|word| matches!(word, "x" | "inadequate" | "v2.0" | "v2.1"));
    match category_of_words(&value.meaning) {
        None if !not_assessed => Err(Fault::Value),
        category => Ok(category),
    }
}

/// The category that words state: its number alone, or after `PI-RADS`, `category` and the like.
pub(in crate::sr) fn category_of_words(text: &str) -> Option<u8> {
    let words = text.to_lowercase().replace(['-', '_', ':'], " ");
    let ahead = ["pi", "rads", "pirads", "category", "score", "assessment", "v2", "v2.0", "v2.1"];
    let number = words.split_whitespace().find(|word| !ahead.contains(word))?;
    number.parse().ok().filter(|category| (1..=5).contains(category))
}

/// The category of a number.
pub(in crate::sr) fn category_of_number(value: f64) -> Result<Option<u8>, Fault> {
    (1..=5).find(|category| (f64::from(*category) - value).abs() < 1e-9).map(Some).ok_or(Fault::Value)
}
