//! How a plan is drawn up: maps that are taken and given back, and steps from one to the other.

use super::convolution::{Affine, Before, Convolution, Kernel};
use super::depthwise::Depthwise;
use super::map::Shape;
use super::pool::{Largest, Mean};
use super::step::{Step, Work};
use super::vector::Rectifier;
use super::window::{Padding, Window};
use crate::network::StateDict;

/// What keeps a batch normalisation from dividing by zero, as PyTorch and Burn have it.
const EPSILON: f64 = 1e-5;

/// A map's number in a plan.
pub(super) type Id = usize;

/// A plan that is being drawn up. Its methods give `None` where a tensor is missing or does not fit: then there is no plan.
pub(super) struct Sketch<'a> {
    state: &'a StateDict,
    pub(super) shapes: Vec<Shape>,
    pub(super) steps: Vec<Step>,
    free: Vec<Id>,
}

/// A convolution of a plan.
pub(super) struct Layer<'a> {
    /// The weight's name without `.weight`.
    pub(super) name: &'a str,
    /// What follows it.
    pub(super) after: Option<Affine>,
    pub(super) before: Option<Before>,
    pub(super) stride: usize,
    /// Zeros around what it reads; without it half of the kernel's side.
    pub(super) padding: Option<Padding>,
    pub(super) add: Option<Id>,
    pub(super) rectifier: Rectifier,
    /// The border of a map of its own, for what reads that.
    pub(super) border: usize,
}

impl<'a> Layer<'a> {
    pub(super) fn plain(name: &'a str) -> Self {
        Self {
            name,
            after: None,
            before: None,
            stride: 1,
            padding: None,
            add: None,
            rectifier: Rectifier::None,
            border: 1,
        }
    }
}

impl<'a> Sketch<'a> {
    pub(super) fn new(state: &'a StateDict) -> Self {
        Self { state, shapes: Vec::new(), steps: Vec::new(), free: Vec::new() }
    }

    /// A map of this shape: one that was given back, or a new one. Its border is zero in both cases, for no step writes
    /// there.
    pub(super) fn map(&mut self, shape: Shape) -> Id {
        if let Some(index) = self.free.iter().position(|id| self.shapes[*id] == shape) {
            return self.free.swap_remove(index);
        }
        self.shapes.push(shape);
        self.shapes.len() - 1
    }

    /// Gives a map back that no later step reads.
    pub(super) fn release(&mut self, id: Id) {
        self.free.push(id);
    }

    /// The normalisation's factor and sum: those of its running statistics.
    pub(super) fn norm(&self, name: &str) -> Option<Affine> {
        self.norm_by(name, EPSILON)
    }

    /// The same with another value that keeps it from dividing by zero.
    pub(super) fn norm_by(&self, name: &str, epsilon: f64) -> Option<Affine> {
        let values = |part: &str| Some(self.state.get(&format!("{name}.{part}"))?.values());
        let (weight, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        let (mut scale, mut shift) = (Vec::new(), Vec::new());
        for (((weight, bias), mean), variance) in weight.iter().zip(bias).zip(mean).zip(variance) {
            let factor = f64::from(*weight) / (f64::from(*variance) + epsilon).sqrt();
            scale.push(single(factor));
            shift.push(single(f64::from(*bias) - f64::from(*mean) * factor));
        }
        Some(Affine { scale, shift })
    }

    fn kernel(&self, layer: &Layer<'_>) -> Option<Kernel<'a>> {
        let tensor = self.state.get(&format!("{}.weight", layer.name))?;
        let [outputs, inputs, side, across] = *tensor.shape() else { return None };
        let padding = layer.padding.unwrap_or(Padding::Each(side / 2));
        let window = Window { side, stride: layer.stride, padding };
        (side == across).then_some(Kernel { weights: tensor.values(), inputs, outputs, window })
    }

    /// A convolution from `from` to the channels of `to` from `channel` on.
    pub(super) fn convolve(&mut self, layer: Layer<'_>, from: Id, (to, channel): (Id, usize)) -> Option<()> {
        let kernel = self.kernel(&layer)?;
        let (source, target) = (self.shapes[from], self.shapes[to]);
        let halve = layer.before.as_ref().is_some_and(|before| before.halve);
        let wanted = if halve {
            [source.height / 2, source.width / 2]
        } else {
            [kernel.window.out(source.height), kernel.window.out(source.width)]
        };
        let before_fits = layer.before.as_ref().is_none_or(|before| {
            kernel.window.side == 1 && kernel.window.stride == 1 && before.affine.scale.len() == kernel.inputs
        });
        let added_fits = layer.add.is_none_or(|add| self.shapes[add] == target && add != to);
        if [target.height, target.width] != wanted || !before_fits || !added_fits || from == to {
            return None;
        }
        let after = layer.after.unwrap_or_else(|| Affine::none(kernel.outputs));
        let mut own = Convolution::new(kernel, &after, source, (target, channel))?.rectified(layer.rectifier);
        if let Some(before) = layer.before {
            own = own.with(before);
        }
        self.steps.push(Step { from, add: layer.add, to, work: Work::Convolution(Box::new(own)) });
        Some(())
    }

    /// A convolution to a map of its own, with a border for the next one.
    pub(super) fn layer(&mut self, layer: Layer<'_>, from: Id) -> Option<Id> {
        let kernel = self.kernel(&layer)?;
        let to = self.own(&kernel, layer.border, from);
        self.convolve(layer, from, (to, 0))?;
        Some(to)
    }

    /// The same of each channel by itself; nothing stands before it and nothing is added.
    pub(super) fn depthwise(&mut self, layer: Layer<'_>, from: Id) -> Option<Id> {
        let kernel = self.kernel(&layer)?;
        let to = self.own(&kernel, layer.border, from);
        if layer.before.is_some() || layer.add.is_some() || from == to {
            return None;
        }
        let after = layer.after.unwrap_or_else(|| Affine::none(kernel.outputs));
        let own = Depthwise::new(kernel, &after, self.shapes[from], self.shapes[to])?;
        let work = Work::Depthwise(Box::new(own.rectified(layer.rectifier)));
        self.steps.push(Step { from, add: None, to, work });
        Some(to)
    }

    /// A map for what the kernel makes of `from`.
    fn own(&mut self, kernel: &Kernel<'_>, border: usize, from: Id) -> Id {
        let Shape { height, width, .. } = self.shapes[from];
        let (height, width) = (kernel.window.out(height), kernel.window.out(width));
        self.map(Shape { height, width, channels: kernel.outputs, border })
    }

    /// The largest of windows, into the first channels of `to`.
    pub(super) fn largest(&mut self, from: Id, to: Id) -> Option<()> {
        let (source, target) = (self.shapes[from], self.shapes[to]);
        let wanted = [Largest::out(source.height), Largest::out(source.width)];
        if [target.height, target.width] != wanted || target.channels < source.channels || from == to {
            return None;
        }
        self.steps.push(Step { from, add: None, to, work: Work::Largest(Largest { source, target }) });
        Some(())
    }

    /// The mean of a map, and the linear layer `name` on it; gives the two maps of one pixel.
    pub(super) fn head(&mut self, from: Id, before: Option<Affine>, name: &str) -> Option<(Id, Id)> {
        let source = self.shapes[from];
        let features = self.map(Shape::point(source.channels));
        self.steps.push(Step { from, add: None, to: features, work: Work::Mean(Mean { source, before }) });
        let outputs = *self.state.get(&format!("{name}.weight"))?.shape().first()?;
        let logits = self.map(Shape::point(outputs));
        let bias = self.state.get(&format!("{name}.bias"))?.values().to_vec();
        self.linear(name, &Affine { scale: vec![1.0; outputs], shift: bias }, features, logits)?;
        Some((features, logits))
    }

    /// The first outputs of the linear layer `name` without its bias, at each pixel: class activation maps
    /// (Zhou et al. 2016).
    pub(super) fn activation(&mut self, from: Id, name: &str, outputs: usize) -> Option<Id> {
        let to = self.map(Shape { channels: outputs, border: 0, ..self.shapes[from] });
        self.linear(name, &Affine::none(outputs), from, to)?;
        Some(to)
    }

    fn linear(&mut self, name: &str, after: &Affine, from: Id, to: Id) -> Option<()> {
        let tensor = self.state.get(&format!("{name}.weight"))?;
        let [_, inputs] = *tensor.shape() else { return None };
        let outputs = after.shift.len();
        let weights = tensor.values().get(..outputs * inputs)?;
        let kernel = Kernel { weights, inputs, outputs, window: Window::POINT };
        let own = Convolution::new(kernel, after, self.shapes[from], (self.shapes[to], 0))?;
        self.steps.push(Step { from, add: None, to, work: Work::Convolution(Box::new(own)) });
        Some(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the precision of weights")]
fn single(value: f64) -> f32 {
    value as f32
}
