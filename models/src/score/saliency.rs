//! Where in the picture a finding's score comes from.
//!
//! For the ensemble: class activation maps (Zhou et al. 2016), exact for a mean
//! followed by a linear layer. For a classifier: Grad-CAM (Selvaraju et al. 2017)
//! by automatic differentiation on the last feature maps, and occlusion (Zeiler and
//! Fergus 2014), which is finer and costs one forward pass a window. What both
//! give is what the network looked at, not where a finding is.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorData};

use super::classifier::ClassifierNetwork;
use super::ensemble::Ensemble;
use super::readback::numbers;
use super::{MAX_BATCH, Networks, ScoreError, Scorer};
use crate::bundle::classifier::Activation;
use crate::image::GreyImage;

/// The most windows of an occlusion.
const MAX_WINDOWS: usize = 4096;

/// How a map is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explanation {
    /// As coarse as the last feature maps: a class activation map or Grad-CAM.
    Coarse,
    /// How much the logit falls where a square of the network's input is set to the input's mean.
    Occlusion {
        /// Side of the square, in pixels of the network's input.
        side: usize,
        /// Distance of two squares, in the same pixels.
        step: usize,
    },
}

impl Scorer {
    /// The parts of the picture that raise the score of `label`, in the picture's
    /// own coordinates: 0 where nothing raises it, 1 where it is raised most. The
    /// coarse map of [`Self::explain`].
    pub fn saliency(&self, image: &GreyImage, label: &str) -> Result<GreyImage, ScoreError> {
        self.explain(image, label, Explanation::Coarse)
    }

    /// The same by a method of choice; an ensemble has the coarse one only.
    pub fn explain(
        &self,
        image: &GreyImage,
        label: &str,
        explanation: Explanation,
    ) -> Result<GreyImage, ScoreError> {
        let unknown = || ScoreError::UnknownLabel { label: label.to_owned() };
        let index = self.model_card.labels.iter().position(|known| known.name == label);
        let index = match &self.networks {
            Networks::Segmenter(_) => return Err(ScoreError::Segments),
            _ => index.ok_or_else(unknown)?,
        };
        match (&self.networks, explanation) {
            (Networks::Ensemble(ensemble), Explanation::Coarse) => ensemble.activation_map(image, index),
            (Networks::Ensemble(_), Explanation::Occlusion { .. }) => Err(ScoreError::NoExplanation),
            (Networks::Classifier(network), Explanation::Coarse) => network.grad_cam(image, index),
            (Networks::Classifier(network), Explanation::Occlusion { side, step }) => {
                network.occlusion(image, index, side, step)
            }
            (Networks::Segmenter(_), _) => Err(ScoreError::Segments),
        }
    }
}

impl Ensemble {
    /// The mean of the members' maps, negative parts cut off.
    fn activation_map(&self, image: &GreyImage, label: usize) -> Result<GreyImage, ScoreError> {
        let raw = self.raw(std::slice::from_ref(image))?;
        let map = raw.first().and_then(|raw| raw.label_maps().of(label, image.width(), image.height()));
        map.ok_or_else(|| ScoreError::Device { reason: "it gave no map".to_owned() })
    }
}

impl ClassifierNetwork {
    /// Grad-CAM: the maps, weighted with the mean gradient of the label's logit, negative parts cut off.
    fn grad_cam(&self, image: &GreyImage, label: usize) -> Result<GreyImage, ScoreError> {
        let (map, height, width) = self.grad_cam_values(image, label)?;
        let map = GreyImage::clamped(width, height, scaled(&map));
        Ok(self.manifest.preprocessing.back(&map, image.height(), image.width()))
    }

    /// The map before it is scaled and enlarged, with its height and width.
    fn grad_cam_values(
        &self,
        image: &GreyImage,
        label: usize,
    ) -> Result<(Vec<f32>, usize, usize), ScoreError> {
        let input = self.manifest.preprocessing.apply(image);
        let maps = self.network.maps(self.tensor(vec![input]));
        let [_, features, height, width] = maps.dims();
        // only the part behind the maps is differentiated, on a copy that keeps gradients
        let learning = self.device.burn().clone().autodiff();
        let values = numbers(maps.clone())?;
        let leaf: Tensor<4> =
            Tensor::from_data(TensorData::new(values, [1, features, height, width]), &learning)
                .require_grad();
        let logits = self.network.clone().train().tail(leaf.clone()).logits;
        let gradients = self.label_logit(&logits, label).backward();
        let gradient = leaf
            .grad(&gradients)
            .ok_or_else(|| ScoreError::Device { reason: "it gave no gradient".to_owned() })?; // [1, features, height, width]
        let weights = gradient.mean_dim(2).mean_dim(3); // [1, features, 1, 1]
        let map = relu((maps * weights).sum_dim(1));
        Ok((numbers(map)?, height, width))
    }

    /// The logit of a label as a tensor of one value, `[1, outputs]` to `[1]`.
    fn label_logit(&self, logits: &Tensor<2>, label: usize) -> Tensor<1> {
        let output = self.manifest.labels[label].output;
        let own = logits.clone().slice([0..1, output..output + 1]).reshape([1]);
        match self.manifest.activation {
            Activation::Sigmoid => own,
            Activation::Softmax => {
                let outputs = logits.dims()[1];
                let rest: Vec<Tensor<2>> = (0..outputs)
                    .filter(|other| *other != output)
                    .map(|other| logits.clone().slice([0..1, other..other + 1]))
                    .collect();
                let rest = Tensor::cat(rest, 1);
                let most = rest.clone().max_dim(1).detach();
                let sum = (rest - most.clone()).exp().sum_dim(1).log() + most;
                own - sum.reshape([1])
            }
        }
    }

    /// How much the label's logit falls where a square is hidden, the mean over the squares that hide a pixel.
    fn occlusion(
        &self,
        image: &GreyImage,
        label: usize,
        side: usize,
        step: usize,
    ) -> Result<GreyImage, ScoreError> {
        let rule = &self.manifest.preprocessing;
        let (height, width) = (rule.height, rule.width);
        let (side, step) = (side.clamp(1, height.min(width)), step.max(1));
        let starts = |length: usize| {
            let mut starts: Vec<usize> = (0..=length - side).step_by(step).collect();
            if starts.last() != Some(&(length - side)) {
                starts.push(length - side);
            }
            starts
        };
        let (rows, columns) = (starts(height), starts(width));
        if rows.len() * columns.len() > MAX_WINDOWS {
            return Err(ScoreError::TooFine { windows: rows.len() * columns.len() });
        }
        let input = rule.apply(image);
        let whole = self.label_logits(vec![input.clone()], label)?.first().copied().unwrap_or(f64::NAN);
        let windows: Vec<(usize, usize)> =
            rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column))).collect();
        let (mut falls, mut counts) = (vec![0.0_f64; height * width], vec![0_u32; height * width]);
        for chunk in windows.chunks(MAX_BATCH) {
            let hidden = chunk.iter().map(|window| hide(&input, height, width, *window, side)).collect();
            for ((row, column), logit) in chunk.iter().zip(self.label_logits(hidden, label)?) {
                for y in *row..row + side {
                    for x in *column..column + side {
                        falls[y * width + x] += whole - logit;
                        counts[y * width + x] += 1;
                    }
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the precision of pixels")]
        let means: Vec<f32> =
            falls.iter().zip(counts).map(|(fall, count)| (fall / f64::from(count.max(1))) as f32).collect();
        let map = GreyImage::clamped(width, height, scaled(&means));
        Ok(rule.back(&map, image.height(), image.width()))
    }

    /// The label's logit for each network input.
    fn label_logits(&self, inputs: Vec<Vec<f32>>, label: usize) -> Result<Vec<f64>, ScoreError> {
        let (outputs, _) = self.outputs(inputs)?;
        let own = self.manifest.labels[label].output;
        let rows = outputs.chunks_exact(self.manifest.architecture.outputs());
        Ok(rows.map(|row| self.manifest.activation.logit(row, own)).collect())
    }
}

/// The input with a square set to each channel's mean.
fn hide(input: &[f32], height: usize, width: usize, at: (usize, usize), side: usize) -> Vec<f32> {
    let mut hidden = input.to_vec();
    for channel in hidden.chunks_exact_mut(height * width) {
        #[expect(clippy::cast_possible_truncation, reason = "the precision of pixels")]
        let mean = (channel.iter().map(|v| f64::from(*v)).sum::<f64>() / channel.len().max(1) as f64) as f32;
        for row in channel.chunks_exact_mut(width).skip(at.0).take(side) {
            row[at.1..at.1 + side].fill(mean);
        }
    }
    hidden
}

/// Negative parts cut off, the largest value to 1.
pub(super) fn scaled(values: &[f32]) -> Vec<f32> {
    let most = values.iter().copied().fold(0.0_f32, f32::max);
    values.iter().map(|value| if most > 0.0 { value.max(0.0) / most } else { 0.0 }).collect()
}
