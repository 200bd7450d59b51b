//! One network that outlines, on a device: pictures to masks in their own pixels.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData};

use super::readback::numbers;
use super::{Mask, ScoreError, ScorerError, Scores, Segment};
use crate::bundle::segmenter::{SELF_TEST_PLACES, SegmenterManifest};
use crate::bundle::weights::WeightsError;
use crate::bundle::{selftest, tensors};
use crate::calibration::sigmoid;
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::unet::BasicUnet;
use crate::network::{Architecture, StateDict};

/// A segmenter on a device.
pub(crate) struct SegmenterNetwork {
    manifest: SegmenterManifest,
    device: Device,
    network: BasicUnet,
}

impl SegmenterNetwork {
    /// Puts the weights onto a device.
    pub(super) fn new(
        manifest: &SegmenterManifest,
        weights: &[u8],
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let state = tensors::read(weights).map_err(|error| WeightsError::new(error.to_string()))?;
        Self::from_state(manifest, &state, device)
    }

    /// Makes the network of its tensors.
    pub(crate) fn from_state(
        manifest: &SegmenterManifest,
        state: &StateDict,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let Architecture::BasicUnet(config) = &manifest.architecture else {
            return Err(WeightsError::new("the architecture does not segment pictures"));
        };
        let network = BasicUnet::from_state(config, state, device.burn())
            .map_err(|misfits| WeightsError::new(misfits.to_string()))?;
        Ok(Self { manifest: manifest.clone(), device: device.clone(), network })
    }

    /// Compares what the network says of the self-test's pictures with what the manifest states.
    pub(super) fn self_test(&self) -> Result<(), ScorerError> {
        let (id, words) = (self.manifest.id.clone(), self.device.description().to_owned());
        let test = &self.manifest.self_test;
        let tolerance = if self.device.is_gpu() { test.tolerance_gpu } else { test.tolerance_cpu };
        let mut pairs = Vec::new();
        for vector in &test.vectors {
            let picture = selftest::picture(vector.width, vector.height);
            let failed = |source| ScorerError::SelfTest { id: id.clone(), device: words.clone(), source };
            let said = self.places(&picture).map_err(failed)?;
            for (segment, found) in self.manifest.segments.iter().zip(&said) {
                let stated = vector.logits.get(&segment.name).map_or(&[][..], Vec::as_slice);
                let stated = stated.iter().copied().chain(std::iter::repeat(f64::NAN));
                pairs.extend(found.iter().copied().zip(stated));
            }
        }
        let difference = selftest::deviation(pairs);
        if difference > tolerance || difference.is_nan() {
            return Err(ScorerError::SelfTestDiffers { id, device: words, difference, tolerance });
        }
        Ok(())
    }

    /// Outlines in pictures, one after the other: a map has the picture's size in memory, and that is enough for one.
    pub(super) fn score<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Scores>, ScoreError> {
        let one = |(index, image): (usize, &I)| {
            let segments = self.segments(image.borrow(), index)?;
            Ok(Scores { findings: Vec::new(), chest: None, out_of_distribution: None, maps: None, segments })
        };
        images.iter().enumerate().map(one).collect()
    }

    /// Each segment's logits at some places of its map, for the self-test.
    pub(crate) fn places(&self, image: &GreyImage) -> Result<Vec<Vec<f64>>, ScoreError> {
        let (height, width) = (self.manifest.preprocessing.height, self.manifest.preprocessing.width);
        let place = |index: usize, side: usize| (2 * index + 1) * side / (2 * SELF_TEST_PLACES);
        let logits = self.logits(image, 0)?;
        Ok(logits
            .iter()
            .map(|map| {
                let of = |row: usize| {
                    let row = place(row, height) * width;
                    (0..SELF_TEST_PLACES).map(move |column| map[row + place(column, width)])
                };
                (0..SELF_TEST_PLACES).flat_map(of).collect()
            })
            .collect())
    }

    /// The probability goes back into the picture's own pixels, bilinear, and is compared with the threshold there: an edge
    /// comes to lie between the network's pixels, and what the network did not see is outside.
    fn segments(&self, image: &GreyImage, index: usize) -> Result<Vec<Segment>, ScoreError> {
        let rule = &self.manifest.preprocessing;
        let (width, height) = (image.width(), image.height());
        let logits = self.logits(image, index)?;
        let one = |(segment, logits): (&crate::bundle::segmenter::SegmentLabel, Vec<f64>)| {
            #[expect(clippy::cast_possible_truncation, reason = "the precision of pixels")]
            let map = logits.iter().map(|logit| sigmoid(*logit) as f32).collect();
            let map = rule.back(&GreyImage::clamped(rule.width, rule.height, map), height, width);
            let is_inside = |value: &f32| f64::from(*value) >= segment.threshold;
            let mask = Mask::new(width, height, map.pixels().iter().map(is_inside))
                .ok_or(ScoreError::Ragged { index })?;
            let inside = mask.inside().flat_map(|range| &map.pixels()[range]);
            let sum: f64 = inside.map(|value| f64::from(*value)).sum();
            let pixels = mask.pixels();
            let probability = (pixels > 0).then(|| sum / pixels as f64);
            Ok(Segment { label: segment.name.clone(), mask, probability })
        };
        self.manifest.segments.iter().zip(logits).map(one).collect()
    }

    /// A map of logits a segment, of the network's input's size.
    fn logits(&self, image: &GreyImage, index: usize) -> Result<Vec<Vec<f64>>, ScoreError> {
        let rule = &self.manifest.preprocessing;
        let shape = [1, rule.channels.len(), rule.height, rule.width];
        let input = Tensor::from_data(TensorData::new(rule.apply(image), shape), self.device.burn());
        let values = numbers(self.network.forward(input))?; // [1, outputs, height, width]
        let size = rule.height * rule.width;
        let outputs = self.manifest.architecture.outputs();
        if values.len() != outputs * size {
            return Err(ScoreError::Device { reason: "it gave a map of another size".to_owned() });
        }
        let mut maps = vec![Vec::with_capacity(size); self.manifest.segments.len()];
        let mut row = vec![0.0_f32; outputs];
        for pixel in 0..size {
            for (output, value) in row.iter_mut().enumerate() {
                *value = values[output * size + pixel];
            }
            for (segment, map) in self.manifest.segments.iter().zip(&mut maps) {
                let logit = self.manifest.activation.logit(&row, segment.output);
                if !logit.is_finite() {
                    return Err(ScoreError::NotFinite { index });
                }
                map.push(logit);
            }
        }
        Ok(maps)
    }
}
