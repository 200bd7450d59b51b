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
        let rates = [parameters.ap_rate, parameters.pa_rate];
        parameters.late.is_sound(body.labels.len(), COLUMNS)
            && parameters.late.formula.is_none()
            && rates.iter().all(|rate| (0.0..=1.0).contains(rate))
    };
    if body.familiarity.as_ref().is_some_and(|known| !known.is_sound(COLUMNS)) {
        return inconsistent("distances");
    }
    if !std::iter::once(&body.parameters).chain(&body.members).all(sound) {
        return inconsistent("parameters");
    }
    Ok(())
}
