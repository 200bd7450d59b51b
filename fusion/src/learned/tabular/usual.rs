//! What inputs that are missing could make of an answer: the bounds over values that are usual among the fitted rows.

use super::columns::Encoded;
use super::config::TabularConfig;
use crate::learned::linear::Linear;

/// Standard deviations around the average that 95 % of a normal distribution are within.
const USUAL_DEVIATIONS: f64 = 1.96;

/// The least and the greatest logit of a linear model with every missing input known: a number within 1.96 standard deviations of
/// the average and within its range, yes or no, any value of a list. The sum is additive, so that they are exact. `None` where no input
/// is missing, or all are.
pub(in crate::learned) fn bounds(
    config: &TabularConfig,
    linear: &Linear,
    encoded: &Encoded,
) -> Option<(f64, f64)> {
    if encoded.present == 0 || encoded.present == encoded.inputs {
        return None;
    }
    let (mut least, mut greatest, mut at) = (linear.intercept, linear.intercept, 0);
    for choices in choices(config, linear) {
        let width = choices.first().map_or(0, Vec::len);
        let stated = encoded.columns.get(at..at + width)?;
        let of = |values: &[Option<f64>]| -> f64 {
            values.iter().enumerate().map(|(place, value)| term(linear, at + place, *value)).sum()
        };
        if stated.iter().any(Option::is_some) {
            let own = of(stated);
            (least, greatest) = (least + own, greatest + own);
        } else {
            let sums = || choices.iter().map(|values| of(values));
            least += sums().fold(f64::INFINITY, f64::min);
            greatest += sums().fold(f64::NEG_INFINITY, f64::max);
        }
        at += width;
        if config.missing_flags {
            let known = term(linear, at, Some(0.0));
            (least, greatest) = (least + known, greatest + known);
            at += 1;
        }
    }
    Some((least, greatest))
}

/// What the columns of each input can hold, in the order of the columns and without flags.
fn choices(config: &TabularConfig, linear: &Linear) -> Vec<Vec<Vec<Option<f64>>>> {
    let flags = usize::from(config.missing_flags);
    let numbers = config.numeric.iter().enumerate().map(|(place, one)| {
        let at = place * (1 + flags);
        let scaled = |value: f64| if one.log1p { value.ln_1p() } else { value };
        let (low, high) = (scaled(one.range.0), scaled(one.range.1));
        let centre = linear.centre.get(at).copied().unwrap_or_default();
        let half = USUAL_DEVIATIONS * linear.scale.get(at).copied().unwrap_or_default();
        [(centre - half).max(low), (centre + half).min(high)].map(|value| vec![Some(value)]).to_vec()
    });
    let truths = config.truth.iter().map(|_| vec![vec![Some(0.0)], vec![Some(1.0)]]);
    let categories = config.category.iter().map(|one| {
        let width = one.values.len() + 1;
        let choice = |chosen: usize| -> Vec<Option<f64>> {
            (0..width).map(|at| Some(f64::from(u8::from(at == chosen)))).collect()
        };
        (0..width).map(choice).collect::<Vec<_>>()
    });
    // the formula's logit, the last input
    let formulas = config.formula.iter().map(|_| {
        let at = linear.weights.len().saturating_sub(1 + flags);
        let centre = linear.centre.get(at).copied().unwrap_or_default();
        let half = USUAL_DEVIATIONS * linear.scale.get(at).copied().unwrap_or_default();
        vec![vec![Some(centre - half)], vec![Some(centre + half)]]
    });
    numbers.chain(truths).chain(categories).chain(formulas).collect()
}

/// What a column adds to the logit.
fn term(linear: &Linear, at: usize, value: Option<f64>) -> f64 {
    let numbers = linear.weights.get(at).zip(linear.centre.get(at)).zip(linear.scale.get(at));
    let added =
        value.zip(numbers).map(|(value, ((weight, centre), scale))| weight * (value - centre) / scale);
    added.unwrap_or_default()
}
