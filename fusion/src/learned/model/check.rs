//! Whether the parts of a model file fit each other.

use super::{ModelBody, ModelError, Parameters};
use crate::learned::encode::{COLUMNS, column_names};

/// Most findings of an image model and most resampled members.
const MAX_LABELS: usize = 64;
const MAX_MEMBERS: usize = 1000;

pub(super) fn check(body: &ModelBody) -> Result<(), ModelError> {
    let inconsistent = |what| Err(ModelError::Inconsistent { what });
    if body.labels.is_empty() || body.labels.len() > MAX_LABELS {
        return inconsistent("labels");
    }
    if body.columns != column_names() {
        return inconsistent("columns of the record");
    }
    if body.members.len() > MAX_MEMBERS {
        return inconsistent("too many members");
    }
    let sound = |parameters: &Parameters| {
        let numbers = parameters.fused.iter().chain(&parameters.image_only).chain(&parameters.record_only);
        let rates = [parameters.base_rate, parameters.ap_rate, parameters.pa_rate];
        let slopes =
            [parameters.fused[1], parameters.fused[2], parameters.image_only[1], parameters.record_only[1]];
        parameters.image.is_sound(body.labels.len())
            && parameters.record.is_sound(COLUMNS)
            && numbers.clone().all(|number| number.is_finite())
            && rates.iter().all(|rate| (0.0..=1.0).contains(rate))
            && slopes.iter().all(|slope| *slope >= 0.0)
    };
    if body.familiarity.as_ref().is_some_and(|known| !known.is_sound(COLUMNS)) {
        return inconsistent("distances");
    }
    if !std::iter::once(&body.parameters).chain(&body.members).all(sound) {
        return inconsistent("parameters");
    }
    Ok(())
}
