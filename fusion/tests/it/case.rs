//! A record as the risks are assessed from it.

use fusion::{AssessInput, FeatureTable, Nodule, Record, features, nodules};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::support::{bundle, bytes, t0};

pub(crate) struct Case {
    pub(crate) table: FeatureTable,
    pub(crate) nodules: Vec<Nodule>,
}

pub(crate) fn case(resources: Vec<Value>) -> Case {
    let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
    Case { table: features(&record, t0(), &TimeZone::UTC), nodules: nodules(&record, t0(), &TimeZone::UTC) }
}

pub(crate) fn input(case: &Case) -> AssessInput<'_> {
    AssessInput {
        t0: t0(),
        features: Some(&case.table),
        nodules: &case.nodules,
        prostate: &[],
        lesions: &[],
        image: None,
        header: None,
        late_fusion: None,
    }
}
