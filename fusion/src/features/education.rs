//! Education in the six levels of PLCOm2012, from the schema's code with HL7 v3 EducationLevel answers.
//!
//! | HL7 v3 EducationLevel | level |
//! |---|---|
//! | ELEM, SEC | 1 less than high school |
//! | HS | 2 high-school graduate |
//! | ASSOC | 3 post-high-school training |
//! | SCOL | 4 some college |
//! | BD | 5 college graduate |
//! | PB, GD, POSTG | 6 postgraduate |
//!
//! The mapping is this project's; an answer of another list is `unmapped`.

use super::view::{feature, missing};
use super::{Feature, FeatureValue, Group, MissingReason, Original, View};
use crate::record::ObservedValue;

const SYSTEMS: [&str; 2] =
    ["http://terminology.hl7.org/CodeSystem/v3-EducationLevel", "http://hl7.org/fhir/v3/EducationLevel"];
const LEVELS: [(&str, f64); 9] = [
    ("ELEM", 1.0),
    ("SEC", 1.0),
    ("HS", 2.0),
    ("ASSOC", 3.0),
    ("SCOL", 4.0),
    ("BD", 5.0),
    ("PB", 6.0),
    ("GD", 6.0),
    ("POSTG", 6.0),
];

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.push(education(view));
}

fn education(view: &View<'_>) -> Feature {
    let (id, label) = ("education", "Education (level 1 to 6 of PLCOm2012)");
    let mut reason = None;
    let codes = &view.schema.education.codes;
    for known in view.observed(codes).rev() {
        let ObservedValue::Concept(concept) = &known.fact.value else {
            reason.get_or_insert(MissingReason::NotNumeric);
            continue;
        };
        let level = concept.codings.iter().find_map(|coding| {
            let system = coding.system.as_deref()?;
            let code = coding.code.as_deref().filter(|_| SYSTEMS.contains(&system))?;
            LEVELS.iter().find(|(known, _)| *known == code).map(|(_, level)| (*level, coding))
        });
        let Some((level, coding)) = level else {
            reason.get_or_insert(MissingReason::Unmapped);
            continue;
        };
        let mut found = feature(id, label, Group::Social, FeatureValue::Number(level)).stated_by(
            view,
            &known.fact.origin,
            known.fact.effective.as_ref(),
            (known.available, known.effective),
        );
        found.original = Some(Original {
            value: coding.display.clone().unwrap_or_default(),
            unit: None,
            code: Some(coding.token()),
        });
        return found;
    }
    missing(id, label, Group::Social, reason.unwrap_or_else(|| view.why_unstated(codes)))
}
