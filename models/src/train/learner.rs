//! One network's training: AdamW steps with a one-cycle rate, a cut gradient norm
//! and a moving average of the weights, which is what is kept.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::config::{TrainConfig, TrainError};
use crate::network::{Network, NetworkConfig};

/// Share of the steps in which the rate rises.
const RISE: f64 = 0.3;
/// The first rate is the peak divided by this.
const FIRST_DIVISOR: f64 = 25.0;
/// The last rate is the peak divided by this.
const LAST_DIVISOR: f64 = 1e5;

/// A network in training.
pub(crate) struct Learner {
    network: Network,
    optimizer: ModuleOptimizer,
    average: Vec<f32>,
    decay: f32,
    gradient_norm: f32,
    peak_rate: f64,
    step: usize,
    steps: usize,
}

impl Learner {
    /// Starts a network on `device`, which has autodiff, for `steps` steps.
    pub(crate) fn new(
        network: &NetworkConfig,
        config: &TrainConfig,
        steps: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let optimizer = AdamWConfig::new().with_weight_decay(config.weight_decay).with_epsilon(1e-8).init();
        Self {
            network: Network::new(network, rng, device),
            optimizer,
            average: Vec::new(),
            decay: config.average_decay,
            gradient_norm: config.gradient_norm,
            peak_rate: config.peak_rate,
            step: 0,
            steps: steps.max(1),
        }
    }

    /// The network to compute a loss with.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Goes one step down the gradient of `loss` and returns its value.
    pub(crate) fn step(&mut self, loss: Tensor<1>) -> Result<f64, TrainError> {
        let gradients = loss.backward();
        let mut gradients = GradientsParams::from_grads(gradients, &self.network);
        self.cut(&mut gradients)?;
        let rate = one_cycle(self.step, self.steps, self.peak_rate);
        self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        self.step += 1;
        let mut values = Collect::default();
        self.network.visit(&mut values);
        let values = values.finish()?;
        if self.average.is_empty() {
            self.average = values;
        } else {
            // the average of the first steps is short, so that it forgets the start
            let decay = self.decay.min((1 + self.step) as f32 / (10 + self.step) as f32);
            for (average, value) in self.average.iter_mut().zip(values) {
                *average += (1.0 - decay) * (value - *average);
            }
        }
        Ok(f64::from(numbers(loss)?.first().copied().unwrap_or(f32::NAN)))
    }

    /// The averaged network, without autodiff.
    pub(crate) fn finish(self) -> Network {
        let network = self.network.valid();
        if self.average.is_empty() {
            return network;
        }
        network.map(&mut Replace { values: &self.average })
    }

    /// Cuts the gradient's norm over all parameters to the configured length.
    fn cut(&self, gradients: &mut GradientsParams) -> Result<(), TrainError> {
        let mut norm = SquaredNorm { gradients, sum: None };
        self.network.visit(&mut norm);
        let Some(sum) = norm.sum else { return Ok(()) };
        let length = numbers(sum)?.first().copied().unwrap_or(0.0).sqrt();
        if length > self.gradient_norm {
            self.network.visit(&mut Scale { gradients, factor: self.gradient_norm / length });
        }
        Ok(())
    }
}

/// The one-cycle learning rate (Smith and Topin 2018) with cosine ramps.
fn one_cycle(step: usize, steps: usize, peak: f64) -> f64 {
    let rise = (RISE * steps as f64).max(1.0);
    let ramp = |from: f64, to: f64, part: f64| {
        to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * part.clamp(0.0, 1.0)).cos())
    };
    let step = step as f64;
    if step < rise {
        ramp(peak / FIRST_DIVISOR, peak, step / rise)
    } else {
        ramp(peak, peak / LAST_DIVISOR, (step - rise) / (steps as f64 - rise).max(1.0))
    }
}

/// A tensor's values on this side of the device.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let failed = |reason| TrainError::Device { reason };
    let data = tensor.try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))
}

/// All weights one after the other, running statistics included.
#[derive(Default)]
struct Collect {
    values: Vec<f32>,
    failed: Option<TrainError>,
}

impl Collect {
    fn finish(self) -> Result<Vec<f32>, TrainError> {
        self.failed.map_or(Ok(self.values), Err)
    }
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match numbers(param.val()) {
            Ok(values) => self.values.extend(values),
            Err(error) => self.failed = Some(error),
        }
    }
}

/// Puts values in the order of [`Collect`] back.
struct Replace<'a> {
    values: &'a [f32],
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.dims();
            let (own, rest) = self.values.split_at(shape.iter().product::<usize>().min(self.values.len()));
            self.values = rest;
            Tensor::from_data(TensorData::new(own.to_vec(), shape), &tensor.device())
        })
    }
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let own = gradient.square().sum();
            self.sum = Some(self.sum.take().map_or(own.clone(), |sum| sum + own));
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register::<D>(param.id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_nothing() {
        let rates: Vec<f64> = (0..100).map(|step| one_cycle(step, 100, 3e-3)).collect();
        assert!((rates[0] - 1.2e-4).abs() < 1e-9);
        assert!((rates[30] - 3e-3).abs() < 1e-9);
        assert!(rates[99] < 1e-5);
        assert!(rates[..30].windows(2).all(|w| w[0] < w[1]));
        assert!(rates[30..].windows(2).all(|w| w[0] > w[1]));
    }
}
