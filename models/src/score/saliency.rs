//! Where in the picture a finding's score comes from: class activation maps
//! (Zhou et al. 2016), exact for a mean followed by a linear layer.

use super::batch::numbers;
use super::{ScoreError, Scorer};
use crate::image::GreyImage;
use crate::preprocess::resize;

impl Scorer {
    /// The parts of the picture that raise the score of `label`, in the picture's
    /// own coordinates: 0 where nothing raises it, 1 where it is raised most. The
    /// mean of the members' maps, negative parts cut off. It is as coarse as the
    /// last stage's maps and shows what the network looked at, not where a finding is.
    pub fn saliency(&self, image: &GreyImage, label: &str) -> Result<GreyImage, ScoreError> {
        let output = self
            .manifest
            .labels
            .iter()
            .position(|known| known.name == label)
            .ok_or_else(|| ScoreError::UnknownLabel { label: label.to_owned() })?;
        let side = self.manifest.preprocessing.side;
        let pictures = self.pictures(&[resize(image, side, side)], side);
        let mut sum: Vec<f32> = Vec::new();
        let mut shape = [1, 1];
        for network in &self.findings {
            let maps = network.forward(pictures.clone()).maps; // [1, features, height, width]
            let [_, features, height, width] = maps.dims();
            let weights = network.head_weights(output).reshape([1, features, 1, 1]);
            let values = numbers((maps * weights).sum_dim(1))?;
            shape = [height, width];
            sum.resize(values.len(), 0.0);
            sum.iter_mut().zip(values).for_each(|(total, value)| *total += value);
        }
        let most = sum.iter().copied().fold(0.0_f32, f32::max);
        let scaled = sum.iter().map(|value| if most > 0.0 { value.max(0.0) / most } else { 0.0 }).collect();
        let map = GreyImage::clamped(shape[1], shape[0], scaled);
        Ok(resize(&map, image.width(), image.height()))
    }
}
