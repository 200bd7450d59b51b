//! Whether a plan may be used: it has to give the numbers of Burn's module.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Plan, Seen};
use crate::network::{Architecture, Classifier};

/// The largest difference from the module that passes, in units of the larger of 1 and the module's value: what parity
/// with PyTorch is held to, too.
pub const TOLERANCE: f64 = 1e-4;

/// What computes a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Computed {
    /// A plan for the CPU that gave the module's numbers.
    Plan,
    /// Burn's module: asked for, or on a GPU, or of an architecture that no plan covers.
    Burn,
    /// Burn's module, because the plan gave other numbers: a fault of this program or of the machine.
    Mismatch(Mismatch),
}

/// A plan that gave other numbers than the module.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "the plan for the CPU differs by {difference:.2e} from the network, more than {TOLERANCE:.0e}: the network is computed by Burn, which is slower; report the kind of processor"
)]
pub struct Mismatch {
    /// The largest difference; NaN where a value was none.
    pub difference: f64,
}

impl Plan {
    /// The plan of a network that gives the network's numbers for `pictures`, as [`Plan::forward`] takes them. `Ok(None)`
    /// where no plan covers it.
    pub fn checked(
        network: &Classifier,
        architecture: &Architecture,
        size: (usize, usize),
        labels: usize,
        (pictures, device): (&[f32], &Device),
    ) -> Result<Option<Self>, Mismatch> {
        let Some(plan) = network.state().ok().and_then(|state| Self::new(architecture, &state, size, labels))
        else {
            return Ok(None);
        };
        let difference = plan.difference(network, pictures, device);
        if difference <= TOLERANCE { Ok(Some(plan)) } else { Err(Mismatch { difference }) }
    }

    /// The largest difference of logits and features from the module's; NaN where one could not be had.
    pub fn difference(&self, network: &Classifier, pictures: &[f32], device: &Device) -> f64 {
        let values = self.program.picture_values();
        let Some(seen) = self.forward(pictures).filter(|seen| !seen.is_empty()) else { return f64::NAN };
        let picture = self.program.picture();
        let shape = [seen.len(), picture.channels, picture.height, picture.width];
        let own = TensorData::new(pictures[..seen.len() * values].to_vec(), shape);
        let outputs = network.forward(Tensor::<4>::from_data(own, device));
        let read = |tensor: Tensor<2>| tensor.try_into_data().ok()?.try_to_vec::<f32>().ok();
        let (Some(logits), Some(features)) = (read(outputs.logits), read(outputs.features)) else {
            return f64::NAN;
        };
        let found = |part: fn(&Seen) -> &Vec<f32>| seen.iter().flat_map(part).copied().collect::<Vec<f32>>();
        let logits = largest(&found(|seen| &seen.logits), &logits);
        larger(logits, largest(&found(|seen| &seen.features), &features))
    }
}

/// The largest difference, in units of the larger of 1 and the reference.
pub(super) fn largest(found: &[f32], reference: &[f32]) -> f64 {
    if found.len() != reference.len() {
        return f64::NAN;
    }
    let one = |(found, stated): (&f32, &f32)| {
        let (found, stated) = (f64::from(*found), f64::from(*stated));
        (found - stated).abs() / stated.abs().max(1.0)
    };
    found.iter().zip(reference).map(one).fold(0.0, larger)
}

/// The larger of two; NaN where one is, which `f64::max` would pass over.
pub(super) fn larger(one: f64, other: f64) -> f64 {
    if one.is_nan() || one > other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_relative_above_one_and_what_is_no_number_is_kept() {
        assert!((largest(&[1.0, 202.0], &[0.5, 200.0]) - 0.5).abs() < 1e-9);
        assert!((largest(&[202.0], &[200.0]) - 0.01).abs() < 1e-9);
        assert!(largest(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert!(largest(&[1.0, f32::NAN, 1.0], &[1.0; 3]).is_nan());
        assert!(largest(&[1.0], &[]).is_nan());
        assert!(larger(0.0, f64::NAN).is_nan() && larger(f64::NAN, 0.0).is_nan());
    }
}
