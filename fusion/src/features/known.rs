//! Which features there are, whatever a record says.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{FeatureTable, features};
use crate::record::Record;

/// The record of nobody: every feature of the schema is in its table, and none has a value.
const NOBODY: &str = r#"{"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "https://chiasm.example/Patient/1",
    "resource": {"resourceType": "Patient", "id": "1", "identifier": [{"value": "1"}]}}]}"#;

/// Whether the schema that is compiled in has a feature of this identifier.
pub fn is_feature(id: &str) -> bool {
    feature_label(id).is_some()
}

/// What readers know the feature of this identifier by, where the schema that is compiled in has it.
pub fn feature_label(id: &str) -> Option<&'static str> {
    static NOTHING: LazyLock<Option<FeatureTable>> = LazyLock::new(|| {
        let record = Record::from_json(NOBODY.as_bytes()).ok()?;
        Some(features(&record, Timestamp::UNIX_EPOCH, &TimeZone::UTC))
    });
    NOTHING.as_ref()?.feature(id).map(|feature| feature.label.as_str())
}

#[cfg(test)]
mod tests {
    use super::{feature_label, is_feature};

    #[test]
    fn features_of_every_kind_are_known_and_nothing_else_is() {
        for id in ["age", "sex", "crp", "covid-19", "pack-years", "psa-density"] {
            assert!(is_feature(id), "{id}");
        }
        for id in ["", "crp_age_days", "CRP", "diameter"] {
            assert!(!is_feature(id), "{id}");
        }
        assert_eq!(feature_label("crp"), Some("C-reactive protein"));
    }
}
