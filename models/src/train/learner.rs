//! One network's training: AdamW steps with a one-cycle rate, a cut gradient norm
//! and a moving average of the weights, which is what is kept.
//!
//! The optimiser's state is plain numbers here, so that a checkpoint is nothing
//! but numbers and a resumed run goes the way of an unbroken one to the bit.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use super::config::{TrainConfig, TrainError};

/// Share of the steps in which the rate rises.
const RISE: f64 = 0.3;
/// The first rate is the peak divided by this.
const FIRST_DIVISOR: f64 = 25.0;
/// The last rate is the peak divided by this.
const LAST_DIVISOR: f64 = 1e5;
/// AdamW's decay of the mean gradient (Loshchilov and Hutter 2019).
const BETA_1: f32 = 0.9;
/// AdamW's decay of the mean squared gradient.
const BETA_2: f32 = 0.999;
/// What AdamW adds to the root.
const EPSILON: f32 = 1e-8;

/// How fast a network learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// The highest learning rate of the one-cycle schedule.
    pub(crate) peak: f64,
    /// AdamW's weight decay.
    pub(crate) weight_decay: f32,
    /// The gradient's norm is cut to this.
    pub(crate) gradient_norm: f32,
    /// Decay of the moving average of the weights, a step.
    pub(crate) average_decay: f32,
}

impl From<&TrainConfig> for Rates {
    fn from(config: &TrainConfig) -> Self {
        Self {
            peak: config.peak_rate,
            weight_decay: config.weight_decay,
            gradient_norm: config.gradient_norm,
            average_decay: config.average_decay,
        }
    }
}

/// Where a network's training stands: everything that the next step depends on, beside the data.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Numbers {
    /// Steps made.
    pub(crate) step: usize,
    /// The weights, running statistics included.
    pub(crate) values: Vec<f32>,
    /// Their moving average.
    pub(crate) average: Vec<f32>,
    /// AdamW's mean gradient.
    pub(crate) first: Vec<f32>,
    /// AdamW's mean squared gradient.
    pub(crate) second: Vec<f32>,
}

/// A network in training.
pub(crate) struct Learner<M> {
    network: M,
    rates: Rates,
    steps: usize,
    step: usize,
    average: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl<M: Module> Learner<M> {
    /// Starts `network`, which is on a device with autodiff, for `steps` steps.
    pub(crate) fn new(network: M, rates: Rates, steps: usize) -> Self {
        let (average, first, second) = (Vec::new(), Vec::new(), Vec::new());
        Self { network, rates, steps: steps.max(1), step: 0, average, first, second }
    }

    /// The network to compute a loss with.
    pub(crate) fn network(&self) -> &M {
        &self.network
    }

    /// Goes one step down the gradient of `loss` and returns its value.
    pub(crate) fn step(&mut self, loss: Tensor<1>) -> Result<f64, TrainError> {
        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        let factor = self.cut(&gradients)?;
        let mut collect = Collect { gradients: Some(&mut gradients), ..Collect::default() };
        self.network.visit(&mut collect);
        let (mut values, slopes) = collect.finish()?;
        self.descend(&mut values, &slopes, factor);
        self.network = self.network.clone().map(&mut Replace { values: &values });
        if self.average.is_empty() {
            self.average = values;
        } else {
            // the average of the first steps is short, so that it forgets the start
            let decay = self.rates.average_decay.min((1 + self.step) as f32 / (10 + self.step) as f32);
            for (average, value) in self.average.iter_mut().zip(values) {
                *average += (1.0 - decay) * (value - *average);
            }
        }
        Ok(f64::from(numbers(loss)?.first().copied().unwrap_or(f32::NAN)))
    }

    /// One step of AdamW on every weight that has a slope.
    #[expect(clippy::cast_possible_truncation, reason = "rates are rounded to the weights' precision")]
    fn descend(&mut self, values: &mut [f32], slopes: &[Option<f32>], factor: f32) {
        let rate = one_cycle(self.step, self.steps, self.rates.peak);
        let kept = (1.0 - rate * f64::from(self.rates.weight_decay)) as f32;
        let rate = rate as f32;
        self.step += 1;
        self.first.resize(values.len(), 0.0);
        self.second.resize(values.len(), 0.0);
        let time = i32::try_from(self.step).unwrap_or(i32::MAX);
        let (part_1, part_2) = (1.0 - BETA_1.powi(time), 1.0 - BETA_2.powi(time));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, slope), (first, second)) in values.iter_mut().zip(slopes).zip(moments) {
            let Some(slope) = slope.map(|slope| slope * factor) else { continue };
            *first = *first * BETA_1 + slope * (1.0 - BETA_1);
            *second = *second * BETA_2 + slope * slope * (1.0 - BETA_2);
            *value = *value * kept - (*first / part_1) / ((*second / part_2).sqrt() + EPSILON) * rate;
        }
    }

    /// Everything the next step depends on.
    pub(crate) fn state(&self) -> Result<Numbers, TrainError> {
        // running statistics wait in the module for the next forward pass; `valid` brings them in
        drop(self.network.valid());
        let mut collect = Collect::default();
        self.network.visit(&mut collect);
        Ok(Numbers {
            step: self.step,
            values: collect.finish()?.0,
            average: self.average.clone(),
            first: self.first.clone(),
            second: self.second.clone(),
        })
    }

    /// Goes on from `state`.
    pub(crate) fn resume(&mut self, state: Numbers) {
        self.network = self.network.clone().map(&mut Replace { values: &state.values });
        self.step = state.step;
        self.average = state.average;
        self.first = state.first;
        self.second = state.second;
    }

    /// How many values the network has, running statistics included.
    pub(crate) fn size(&self) -> usize {
        self.network.num_params()
    }

    /// The averaged weights.
    pub(crate) fn average(&self) -> &[f32] {
        &self.average
    }

    /// The network with the weights `values`, without autodiff.
    pub(crate) fn with(&self, values: &[f32]) -> M {
        let network = self.network.valid();
        if values.is_empty() { network } else { network.map(&mut Replace { values }) }
    }

    /// What the gradient is multiplied with so that its norm over all parameters is the configured length at most.
    fn cut(&self, gradients: &GradientsParams) -> Result<f32, TrainError> {
        let mut norm = SquaredNorm { gradients, sum: None };
        self.network.visit(&mut norm);
        let Some(sum) = norm.sum else { return Ok(1.0) };
        let length = numbers(sum)?.first().copied().unwrap_or(0.0).sqrt();
        let most = self.rates.gradient_norm;
        Ok(if length > most { most / length } else { 1.0 })
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

/// All weights one after the other, running statistics included, and the slope of each that has one.
#[derive(Default)]
struct Collect<'a> {
    gradients: Option<&'a mut GradientsParams>,
    values: Vec<f32>,
    slopes: Vec<Option<f32>>,
    failed: Option<TrainError>,
}

impl Collect<'_> {
    fn finish(self) -> Result<(Vec<f32>, Vec<Option<f32>>), TrainError> {
        self.failed.map_or(Ok((self.values, self.slopes)), Err)
    }
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let own = self.gradients.as_mut().and_then(|gradients| gradients.remove::<D>(param.id));
        match (numbers(param.val()), own.map(numbers).transpose()) {
            (Ok(values), Ok(slopes)) => {
                match slopes {
                    Some(slopes) => self.slopes.extend(slopes.into_iter().map(Some)),
                    None => self.slopes.resize(self.slopes.len() + values.len(), None),
                }
                self.values.extend(values);
            }
            (Err(error), _) | (_, Err(error)) => self.failed = Some(error),
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
            let fresh = Tensor::from_data(TensorData::new(own.to_vec(), shape), &tensor.device());
            fresh.set_require_grad(tensor.is_require_grad())
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

    #[test]
    fn a_step_is_that_of_burns_own_optimiser() {
        use burn::nn::{Initializer, Linear, LinearConfig};
        use burn::optim::AdamWConfig;

        let device = crate::device::Device::reference().burn().clone().autodiff();
        let start: Linear =
            LinearConfig::new(3, 2).with_initializer(Initializer::Constant { value: 0.3 }).init(&device);
        let loss = |network: &Linear, step: usize| {
            let shift = step as f32 / 10.0;
            let input = Tensor::<2>::from_floats([[0.5, -1.0, shift], [2.0, shift, 0.25]], &device);
            let target = Tensor::<2>::from_floats([[1.0, -0.5], [0.0, 2.0]], &device);
            (network.forward(input) - target).square().mean()
        };
        let rates = Rates { peak: 0.05, weight_decay: 0.1, gradient_norm: 1e9, average_decay: 0.5 };
        let mut learner = Learner::new(start.clone(), rates, 12);
        let mut optimizer = AdamWConfig::new().with_weight_decay(0.1).with_epsilon(EPSILON).init();
        let mut reference = start;
        for step in 0..12 {
            let own = loss(learner.network(), step);
            learner.step(own).unwrap();
            let gradients = GradientsParams::from_grads(loss(&reference, step).backward(), &reference);
            reference = optimizer.step(one_cycle(step, 12, 0.05), reference, gradients);
            let mut collect = Collect::default();
            reference.visit(&mut collect);
            let stated = collect.finish().unwrap().0;
            for (found, stated) in learner.state().unwrap().values.iter().zip(stated) {
                assert!((found - stated).abs() < 1e-6, "step {step}: {found} and not {stated}");
            }
        }
    }
}
