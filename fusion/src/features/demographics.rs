//! Age, sex, and race where it is coded.

use super::view::{feature, missing};
use super::{Feature, FeatureValue, Group, MissingReason, Original, View};
use crate::record::{Coding, Gender};
use crate::time::age_years;

/// Oldest plausible age, in years.
const MAX_AGE_YEARS: i32 = 120;

/// CDC Race and Ethnicity, as US Core uses it.
const RACE_SYSTEM: &str = "urn:oid:2.16.840.1.113883.6.238";

/// US Core race codes and the words used here.
const RACES: [(&str, &str); 5] = [
    ("1002-5", "american-indian-or-alaska-native"),
    ("2028-9", "asian"),
    ("2054-5", "black"),
    ("2076-8", "native-hawaiian-or-pacific-islander"),
    ("2106-3", "white"),
];

/// Hispanic or Latino.
const HISPANIC: &str = "2135-2";

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.push(age(view));
    all.push(sex(view));
    all.push(race(view));
}

fn age(view: &View<'_>) -> Feature {
    let (id, label, group) = ("age", "Age", Group::Demographics);
    let Some(birth) = view.record.patient.birth_date.as_ref().map(|birth| *birth.expose()) else {
        return missing(id, label, group, MissingReason::NotRecorded);
    };
    let years = age_years(birth, view.t0, view.zone).filter(|years| (0..=MAX_AGE_YEARS).contains(years));
    let Some(years) = years else { return missing(id, label, group, MissingReason::Implausible) };
    let mut found = feature(id, label, group, FeatureValue::Number(f64::from(years)));
    found.unit = Some("a".to_owned());
    found.source = Some(view.record.patient.reference.clone());
    found.note = (!birth.is_exact()).then(|| "the birth date is not known to the day".to_owned());
    found
}

fn sex(view: &View<'_>) -> Feature {
    let (id, label, group) = ("sex", "Sex", Group::Demographics);
    let code = match view.record.patient.gender {
        Some(Gender::Female) => "female",
        Some(Gender::Male) => "male",
        Some(Gender::Other) => "other",
        Some(Gender::Unknown) | None => return missing(id, label, group, MissingReason::NotRecorded),
    };
    let mut found = feature(id, label, group, FeatureValue::Code(code.to_owned()));
    found.source = Some(view.record.patient.reference.clone());
    found.note = Some("administrative gender of the record".to_owned());
    found
}

/// Race from the US Core extensions. Hispanic ethnicity is a category of its own, as PLCOm2012 has it;
/// several races are no category.
fn race(view: &View<'_>) -> Feature {
    let (id, label, group) = ("race", "Race or ethnicity", Group::Demographics);
    let patient = &view.record.patient;
    let hispanic = patient.ethnicities.iter().find(|coding| coding.is(RACE_SYSTEM, HISPANIC));
    let (code, coding): (&str, &Coding) = match (hispanic, patient.races.as_slice()) {
        (Some(coding), _) => ("hispanic", coding),
        (None, []) => return missing(id, label, group, MissingReason::NotRecorded),
        (None, [only]) => match RACES.iter().find(|(code, _)| only.is(RACE_SYSTEM, code)) {
            Some((_, name)) => (name, only),
            None => return missing(id, label, group, MissingReason::Unmapped),
        },
        (None, _) => return missing(id, label, group, MissingReason::Ambiguous),
    };
    let mut found = feature(id, label, group, FeatureValue::Code(code.to_owned()));
    found.source = Some(patient.reference.clone());
    found.original = Some(Original {
        value: coding.display.clone().unwrap_or_default(),
        unit: None,
        code: Some(coding.token()),
    });
    found
}
