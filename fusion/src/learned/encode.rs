//! From a feature table to the numbers that the record's side of the fusion reads.

use crate::features::{FeatureTable, FeatureValue};

/// A laboratory value of the model.
pub(super) struct Lab {
    /// Feature identifier.
    pub(super) id: &'static str,
    /// Whether log(1 + value) is taken, for values with a long tail.
    pub(super) log1p: bool,
}

/// The values that are read, in the order of the columns. LOINC 3209-4 is left out: code and display of
/// the records disagree about what it is.
pub(super) const LABS: [Lab; 7] = [
    Lab { id: "crp", log1p: true },
    Lab { id: "ldh", log1p: true },
    Lab { id: "d-dimer", log1p: true },
    Lab { id: "lymphocytes", log1p: true },
    Lab { id: "neutrophils", log1p: true },
    Lab { id: "pao2", log1p: false },
    Lab { id: "paco2", log1p: false },
];

/// A value older than this says nothing about the time of the examination, in days.
pub(super) const MAX_AGE_DAYS: f64 = 30.0;

/// Columns: a value and a missing flag for each laboratory value, and sex.
pub(super) const COLUMNS: usize = 2 * LABS.len() + 1;

/// The record's side of one examination.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RecordRow {
    /// Transformed value of each of [`LABS`]; `None` where it is missing or too old.
    pub(super) labs: [Option<f64>; LABS.len()],
    /// 1 male, 0 female; `None` where it is another or unknown.
    pub(super) male: Option<f64>,
}

impl RecordRow {
    pub(super) fn from_features(table: &FeatureTable) -> Self {
        let labs = LABS.map(|lab| {
            let feature = table.feature(lab.id)?;
            let FeatureValue::Number(value) = feature.value else { return None };
            let fresh = feature.age_days.is_some_and(|age| age <= MAX_AGE_DAYS);
            let usable = fresh && value >= 0.0;
            usable.then(|| if lab.log1p { value.ln_1p() } else { value })
        });
        let male = match table.code("sex") {
            Some("male") => Some(1.0),
            Some("female") => Some(0.0),
            _ => None,
        };
        Self { labs, male }
    }

    /// Nothing known.
    pub(super) fn empty() -> Self {
        Self { labs: [None; LABS.len()], male: None }
    }

    /// Identifiers of the values that are missing or too old.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        LABS.iter().zip(&self.labs).filter(|(_, value)| value.is_none()).map(|(lab, _)| lab.id).collect()
    }

    /// Whether the record says anything that the model reads, sex aside.
    pub(super) fn has_labs(&self) -> bool {
        self.labs.iter().any(Option::is_some)
    }

    /// The columns: values (`None` where missing), then missing flags, then sex.
    pub(super) fn columns(&self) -> [Option<f64>; COLUMNS] {
        let mut columns = [None; COLUMNS];
        for (index, lab) in self.labs.iter().enumerate() {
            columns[index] = *lab;
            columns[LABS.len() + index] = Some(if lab.is_none() { 1.0 } else { 0.0 });
        }
        columns[COLUMNS - 1] = self.male;
        columns
    }
}

/// Names of the columns, for the model file.
pub(super) fn column_names() -> Vec<String> {
    let values = LABS.iter().map(|lab| lab.id.to_owned());
    let flags = LABS.iter().map(|lab| format!("{} missing", lab.id));
    values.chain(flags).chain(["male".to_owned()]).collect()
}
