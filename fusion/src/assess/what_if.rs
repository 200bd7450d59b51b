//! What if: the same risks with one input set to another value, by the formulas themselves.
//!
//! Nothing is computed a second way: the input is changed, and [`assess`] is asked again. What else the record states stays as it
//! is, so that the answer is that of a person who differs in this one thing. The one exception is a definition: a current smoker
//! has quit for 0 years.

use serde::Serialize;

use super::inputs::index_nodule;
use super::{AssessInput, Risk, assess};
use crate::calibrate::bounded_logit;
use crate::features::{Feature, FeatureTable, FeatureValue, MissingReason, Schema};
use crate::nodule::{Nodule, NoduleKind};
use crate::number::stored;

/// A risk as it is, and as it would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WhatIf {
    /// Identifier of the risk, such as `plcom2012`.
    pub id: String,
    /// As it is; `None` where it is listed only with the change.
    pub before: Option<Risk>,
    /// As it would be; `None` where it would not be listed.
    pub after: Option<Risk>,
    /// Log odds after less before, where both have a probability.
    pub change_logit: Option<f64>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// No formula reads an input of that name.
    #[error("no risk reads `{name}`; what can be changed: {}", names().join(", "))]
    Unread {
        /// The name.
        name: String,
    },
    /// The input has no such value.
    #[error("`{value}` is no value of `{name}`: it is {expected}")]
    Value {
        /// The input.
        name: String,
        /// The value.
        value: String,
        /// What it could be.
        expected: String,
    },
    /// There is no record, or one without this feature.
    #[error("there is no record to change `{name}` in")]
    NoRecord {
        /// The input.
        name: String,
    },
    /// There is no nodule to change.
    #[error("there is no nodule to change `{name}` of: {reason}")]
    NoNodule {
        /// The input.
        name: String,
        /// Why.
        reason: &'static str,
    },
}

/// What a value of an input is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A number between two others.
    Number(f64, f64),
    /// A whole number between two others.
    Whole(f64, f64),
    /// A number in the range that the feature schema has for it.
    Measured,
    /// One of these.
    Code(&'static [&'static str]),
    /// Yes or no.
    Truth,
    /// Longest diameter of the index nodule, mm.
    Diameter,
    /// Texture of the index nodule.
    Texture,
    /// Whether the index nodule is spiculated.
    Spiculated,
    /// Whether the index nodule lies in an upper lobe.
    UpperLobe,
}

/// Every input that a risk reads: features of the record in the schema's words, and the index nodule.
const INPUTS: [(&str, Kind); 39] = [
    ("age", Kind::Number(0.0, 120.0)),
    ("sex", Kind::Code(&["female", "male"])),
    (
        "race",
        Kind::Code(&[
            "white",
            "black",
            "hispanic",
            "asian",
            "american-indian-or-alaska-native",
            "native-hawaiian-or-pacific-islander",
        ]),
    ),
    ("education", Kind::Whole(1.0, 6.0)),
    ("bmi", Kind::Measured),
    ("smoking-status", Kind::Code(&["current-smoker", "former-smoker", "never-smoker", "non-smoker"])),
    ("pack-years", Kind::Number(0.0, 400.0)),
    ("cigarettes-per-day", Kind::Number(0.0, 200.0)),
    ("years-smoked", Kind::Number(0.0, 110.0)),
    ("years-quit", Kind::Number(0.0, 110.0)),
    ("cancer", Kind::Truth),
    ("years-since-cancer", Kind::Number(0.0, 120.0)),
    ("copd", Kind::Truth),
    ("covid-19", Kind::Truth),
    ("emphysema", Kind::Truth),
    ("extrathoracic-cancer", Kind::Truth),
    ("immunosuppression", Kind::Truth),
    ("lung-cancer", Kind::Truth),
    ("prostate-cancer", Kind::Truth),
    ("family-lung-cancer", Kind::Truth),
    ("family-prostate-cancer", Kind::Truth),
    ("five-alpha-reductase-inhibitor", Kind::Truth),
    ("prior-prostate-biopsy", Kind::Truth),
    ("dre-abnormal", Kind::Truth),
    ("fdg-uptake", Kind::Whole(0.0, 3.0)),
    ("pi-rads", Kind::Whole(1.0, 5.0)),
    ("psa", Kind::Measured),
    ("prostate-volume", Kind::Measured),
    ("crp", Kind::Measured),
    ("ldh", Kind::Measured),
    ("d-dimer", Kind::Measured),
    ("lymphocytes", Kind::Measured),
    ("neutrophils", Kind::Measured),
    ("pao2", Kind::Measured),
    ("paco2", Kind::Measured),
    ("nodule-diameter", Kind::Diameter),
    ("nodule-type", Kind::Texture),
    ("nodule-spiculated", Kind::Spiculated),
    ("nodule-upper-lobe", Kind::UpperLobe),
];

/// Diameters that a nodule may be given, mm. What is a mass is for the formulas to say.
const DIAMETERS_MM: (f64, f64) = (0.5, 300.0);

/// The word for what is not known.
const UNKNOWN: &str = "unknown";

fn names() -> Vec<&'static str> {
    INPUTS.iter().map(|(name, _)| *name).collect()
}

/// All risks as they are and as they would be if the input `name` had this value; `unknown` takes a value away. A nodule's
/// properties are those of the index nodule; made smaller, another may be the index nodule in its place.
pub fn what_if(input: &AssessInput<'_>, name: &str, value: &str) -> Result<Vec<WhatIf>, WhatIfError> {
    let kind = INPUTS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| WhatIfError::Unread { name: name.to_owned() })?;
    let asked = Asked { name, value, kind };
    let after = match kind {
        Kind::Diameter | Kind::Texture | Kind::Spiculated | Kind::UpperLobe => {
            let nodules = asked.nodules(input)?;
            let mut changed = *input;
            changed.nodules = &nodules;
            assess(&changed)
        }
        Kind::Number(..) | Kind::Whole(..) | Kind::Measured | Kind::Code(_) | Kind::Truth => {
            let table = asked.table(input)?;
            let mut changed = *input;
            changed.features = Some(&table);
            assess(&changed)
        }
    };
    Ok(paired(assess(input), after))
}

/// The same risk before and after, in the order of the first list; then what only the second has.
fn paired(before: Vec<Risk>, after: Vec<Risk>) -> Vec<WhatIf> {
    let mut after: Vec<Option<Risk>> = after.into_iter().map(Some).collect();
    let mut all = Vec::with_capacity(after.len());
    for risk in before {
        let same = after.iter_mut().find(|one| matches!(one, Some(one) if one.id == risk.id));
        all.push(WhatIf::of(risk.id.clone(), same.and_then(Option::take), Some(risk)));
    }
    all.extend(after.into_iter().flatten().map(|risk| WhatIf::of(risk.id.clone(), Some(risk), None)));
    all
}

impl WhatIf {
    fn of(id: String, after: Option<Risk>, before: Option<Risk>) -> Self {
        let logit = |risk: Option<&Risk>| Some(bounded_logit(risk?.probability?));
        let change = logit(after.as_ref()).zip(logit(before.as_ref())).map(|(after, before)| after - before);
        Self { id, before, after, change_logit: change.map(stored) }
    }
}

/// One input and the value that it is to have.
struct Asked<'a> {
    name: &'a str,
    value: &'a str,
    kind: Kind,
}

impl Asked<'_> {
    /// The record's table with the feature changed.
    fn table(&self, input: &AssessInput<'_>) -> Result<FeatureTable, WhatIfError> {
        let no_record = || WhatIfError::NoRecord { name: self.name.to_owned() };
        let value = self.feature_value()?;
        let quits = value == FeatureValue::Code("current-smoker".to_owned());
        let mut table = input.features.ok_or_else(no_record)?.clone();
        let feature = table.features.iter_mut().find(|one| one.id == self.name).ok_or_else(no_record)?;
        set(feature, value);
        if let Some(feature) = table.features.iter_mut().find(|one| quits && one.id == "years-quit") {
            set(feature, FeatureValue::Number(0.0));
        }
        Ok(table)
    }

    fn feature_value(&self) -> Result<FeatureValue, WhatIfError> {
        if self.value == UNKNOWN {
            return Ok(FeatureValue::Missing { reason: MissingReason::NotRecorded });
        }
        match self.kind {
            Kind::Code(codes) => match codes.iter().find(|code| **code == self.value) {
                Some(code) => Ok(FeatureValue::Code((*code).to_owned())),
                None => Err(self.no_value(&format!("one of {}, unknown", codes.join(", ")))),
            },
            Kind::Number(least, most) => self.number((least, most), false).map(FeatureValue::Number),
            Kind::Whole(least, most) => self.number((least, most), true).map(FeatureValue::Number),
            Kind::Measured => {
                let measured = Schema::built_in().all_measurements().find(|one| one.id == self.name);
                let range = measured.map(|one| one.range);
                let range = range.ok_or_else(|| WhatIfError::Unread { name: self.name.to_owned() })?;
                self.number(range, false).map(FeatureValue::Number)
            }
            _ => self.truth().map(FeatureValue::Bool),
        }
    }

    /// The nodules with the index nodule changed.
    fn nodules(&self, input: &AssessInput<'_>) -> Result<Vec<Nodule>, WhatIfError> {
        let none = |reason| WhatIfError::NoNodule { name: self.name.to_owned(), reason };
        let index = index_nodule(input).map_err(none)?;
        let mut nodules = input.nodules.to_vec();
        let at = input.nodules.iter().position(|one| std::ptr::eq(one, index.nodule));
        let nodule = at.and_then(|at| nodules.get_mut(at)).ok_or_else(|| none("it is not listed"))?;
        match self.kind {
            Kind::Diameter => nodule.diameter_mm = self.number(DIAMETERS_MM, false)?,
            Kind::Texture => nodule.kind = self.texture()?,
            Kind::Spiculated => nodule.spiculated = self.known_truth()?,
            _ => nodule.upper_lobe = self.known_truth()?,
        }
        Ok(nodules)
    }

    fn number(&self, (least, most): (f64, f64), whole: bool) -> Result<f64, WhatIfError> {
        let found = self.value.parse().ok().filter(|number: &f64| (least..=most).contains(number));
        let found = found.filter(|number| !whole || number.fract() == 0.0);
        let kind = if whole { "a whole number" } else { "a number" };
        found.ok_or_else(|| self.no_value(&format!("{kind} from {least} to {most}")))
    }

    fn truth(&self) -> Result<bool, WhatIfError> {
        match self.value {
            "yes" | "true" => Ok(true),
            "no" | "false" => Ok(false),
            _ => Err(self.no_value("yes, no or unknown")),
        }
    }

    fn known_truth(&self) -> Result<Option<bool>, WhatIfError> {
        if self.value == UNKNOWN { Ok(None) } else { self.truth().map(Some) }
    }

    fn texture(&self) -> Result<Option<NoduleKind>, WhatIfError> {
        if self.value == UNKNOWN {
            return Ok(None);
        }
        let kinds = [NoduleKind::Solid, NoduleKind::PartSolid, NoduleKind::NonSolid];
        let found = kinds.into_iter().find(|kind| kind.text() == self.value);
        found.map(Some).ok_or_else(|| self.no_value("one of solid, part-solid, nonsolid, unknown"))
    }

    fn no_value(&self, expected: &str) -> WhatIfError {
        let (name, value) = (self.name.to_owned(), self.value.to_owned());
        WhatIfError::Value { name, value, expected: expected.to_owned() }
    }
}

/// Gives a feature a value that nobody stated, as if it held at t0.
fn set(feature: &mut Feature, value: FeatureValue) {
    let is_number = matches!(value, FeatureValue::Number(_));
    let unit = Schema::built_in().unit_of(&feature.id).map(str::to_owned).or_else(|| feature.unit.take());
    *feature = Feature {
        id: std::mem::take(&mut feature.id),
        label: std::mem::take(&mut feature.label),
        group: feature.group,
        unit: unit.filter(|_| is_number),
        effective: None,
        available: None,
        age_days: (!matches!(value, FeatureValue::Missing { .. })).then_some(0.0),
        value,
        source: None,
        other_sources: Vec::new(),
        source_version: None,
        original: None,
        comparator: None,
        factor: None,
        passage: None,
        note: Some("what if".to_owned()),
        questioned: false,
        changed_after_t0: false,
        series: Vec::new(),
        windows: Vec::new(),
    };
}
