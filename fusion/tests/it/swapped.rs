//! Units and codes swapped: what does not fit is missing with its reason, and no value turns up under another name.

use fusion::{FeatureTable, FeatureValue, MissingReason};

use crate::features::{reason, table};
use crate::support::{lab, patient, t0};

/// Identifier, LOINC code, a usual value, its unit, and what the unit measures.
const MEASURED: [(&str, &str, f64, &str, &str); 14] = [
    ("crp", "1988-5", 48.0, "mg/L", "mass"),
    ("ldh", "2532-0", 240.0, "U/L", "catalytic"),
    ("lymphocytes", "731-0", 1.4, "10*9/L", "count"),
    ("platelets", "777-3", 210.0, "10*9/L", "count"),
    ("lymphocytes-percent", "736-9", 22.0, "%", "fraction"),
    ("haemoglobin", "718-7", 13.1, "g/dL", "mass"),
    ("creatinine", "2160-0", 0.9, "mg/dL", "mass"),
    ("albumin", "1751-7", 41.0, "g/L", "mass"),
    ("psa", "2857-1", 7.5, "ng/mL", "mass"),
    ("pao2", "2703-7", 75.0, "mm[Hg]", "pressure"),
    ("temperature", "8310-5", 36.8, "Cel", "temperature"),
    ("heart-rate", "8867-4", 72.0, "/min", "rate"),
    ("bmi", "39156-5", 25.0, "kg/m2", "index"),
    ("spo2", "59408-5", 97.0, "%", "fraction"),
];

fn of(loinc: &str, value: f64, unit: &str) -> FeatureTable {
    table(vec![patient(), lab("x", loinc, "2024-05-01T08:00:00Z", value, unit)], t0())
}

/// Known measurements of the list.
fn known(table: &FeatureTable) -> Vec<&str> {
    MEASURED.iter().map(|row| row.0).filter(|id| table.number(id).is_some()).collect()
}

#[test]
fn a_unit_of_another_kind_leaves_the_value_missing() {
    let mut refused = 0;
    for (id, loinc, value, own, kind) in MEASURED {
        assert_eq!(of(loinc, value, own).number(id), Some(value), "{id}");
        for (_, _, _, unit, other) in MEASURED {
            let found = of(loinc, value, unit);
            if kind != other {
                assert_eq!(reason(&found, id), Some(MissingReason::Unit), "{id} in {unit}");
                assert!(known(&found).is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 130, "{refused}");
}

/// The code of one measurement with value and unit of another: it counts as the code says, where the unit allows it and the
/// value is possible, and never as the other.
#[test]
fn a_swapped_code_is_never_read_as_what_was_meant() {
    for (id, loinc, _, _, kind) in MEASURED {
        for (meant, _, value, unit, other) in MEASURED {
            if id == meant {
                continue;
            }
            let found = of(loinc, value, unit);
            assert!(
                known(&found).iter().all(|name| *name == id),
                "{meant} under the code of {id}: {:?}",
                known(&found)
            );
            match &found.feature(id).unwrap().value {
                FeatureValue::Missing { reason } if kind == other => {
                    assert_eq!(*reason, MissingReason::Implausible, "{meant} under the code of {id}");
                }
                FeatureValue::Missing { reason } => assert_eq!(*reason, MissingReason::Unit),
                _ => {
                    assert_eq!(kind, other, "{meant} under the code of {id}");
                    let original = found.feature(id).unwrap().original.as_ref().unwrap();
                    assert_eq!(original.unit.as_deref(), Some(unit), "what was written is kept");
                }
            }
        }
    }
}

/// Without a unit, or with the unit's letters in the wrong case, nothing is guessed.
#[test]
fn a_number_alone_is_no_value() {
    for (id, loinc, value, _, _) in MEASURED {
        for unit in ["", "mG/l/x", "unit", "{mg}"] {
            let found = of(loinc, value, unit);
            assert_eq!(reason(&found, id), Some(MissingReason::Unit), "{id} in `{unit}`");
        }
    }
}
