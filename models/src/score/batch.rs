//! One batch through the networks.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData};

use super::{MAX_BATCH, ScoreError, Scorer};
use crate::image::GreyImage;
use crate::preprocess::{resize, standardise};

/// What the networks and distances say of one picture, before calibration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    pub(crate) logits: Vec<f64>,
    pub(crate) age: f64,
    pub(crate) male: f64,
    pub(crate) view_ap: f64,
    pub(crate) frontal: f64,
    pub(crate) features_distance: f64,
    pub(crate) thumbnail_distance: f64,
}

impl Scorer {
    /// The networks' means for each picture.
    pub(crate) fn raw<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Raw>, ScoreError> {
        let mut all = Vec::with_capacity(images.len());
        for (number, chunk) in images.chunks(MAX_BATCH).enumerate() {
            let batch = self.raw_batch(chunk)?;
            let finite = |raw: &Raw| {
                let others = [
                    raw.age,
                    raw.male,
                    raw.view_ap,
                    raw.frontal,
                    raw.features_distance,
                    raw.thumbnail_distance,
                ];
                raw.logits.iter().chain(&others).all(|value| value.is_finite())
            };
            if let Some(index) = batch.iter().position(|raw| !finite(raw)) {
                return Err(ScoreError::NotFinite { index: number * MAX_BATCH + index });
            }
            all.extend(batch);
        }
        Ok(all)
    }

    fn raw_batch<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Raw>, ScoreError> {
        let rule = &self.manifest.preprocessing;
        let labels = self.manifest.labels.len();
        let whole: Vec<GreyImage> =
            images.iter().map(|image| resize(image.borrow(), rule.side, rule.side)).collect();
        let small: Vec<GreyImage> =
            whole.iter().map(|image| resize(image, rule.frontal_side, rule.frontal_side)).collect();
        let mut raws: Vec<Raw> = whole
            .iter()
            .map(|image| {
                let thumbnail = resize(image, rule.thumbnail_side, rule.thumbnail_side);
                Raw {
                    logits: vec![0.0; labels],
                    age: 0.0,
                    male: 0.0,
                    view_ap: 0.0,
                    frontal: 0.0,
                    features_distance: 0.0,
                    thumbnail_distance: self.thumbnail.of(&standardise(thumbnail.pixels())),
                }
            })
            .collect();
        let share = 1.0 / self.findings.len() as f64;
        let pictures = self.pictures(&whole, rule.side);
        for (network, distance) in self.findings.iter().zip(&self.features) {
            let outputs = network.forward(pictures.clone());
            let logits = numbers(outputs.logits)?;
            let features = numbers(outputs.features)?;
            let rows = logits.chunks_exact(labels + crate::network::AUXILIARY);
            for ((raw, row), features) in
                raws.iter_mut().zip(rows).zip(features.chunks_exact(distance.size()))
            {
                let [logits @ .., age, male, view_ap] = row else { continue };
                raw.logits.iter_mut().zip(logits).for_each(|(sum, x)| *sum += share * f64::from(*x));
                raw.age += share * f64::from(*age);
                raw.male += share * f64::from(*male);
                raw.view_ap += share * f64::from(*view_ap);
                raw.features_distance += share * distance.of(features);
            }
        }
        let pictures = self.pictures(&small, rule.frontal_side);
        for network in &self.frontal {
            let logits = numbers(network.forward(pictures.clone()).logits)?;
            for (raw, logit) in raws.iter_mut().zip(logits) {
                raw.frontal += f64::from(logit) / self.frontal.len() as f64;
            }
        }
        Ok(raws)
    }

    /// Standardised pictures as `[batch, 1, side, side]`.
    pub(super) fn pictures(&self, images: &[GreyImage], side: usize) -> Tensor<4> {
        let values: Vec<f32> = images.iter().flat_map(|image| standardise(image.pixels())).collect();
        Tensor::from_data(TensorData::new(values, [images.len(), 1, side, side]), self.device.burn())
    }
}

/// A tensor's values on this side of the device.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ScoreError> {
    let failed = |reason| ScoreError::Device { reason };
    let data = tensor.try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))
}
