//! One network on a device: a classifier's pictures to scores.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData, Transaction};

use super::readback::{Batches, Readback};
use super::{Novelty, Score, ScoreError, ScorerError, Scores, present};
use crate::bundle::classifier::{ClassifierManifest, NoveltyRecord};
use crate::bundle::weights::WeightsError;
use crate::bundle::{selftest, tensors};
use crate::cpu::{Computed, Mismatch, Plan};
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::{Classifier, StateDict};
use crate::novelty::Distance;

/// The tensor of the weights that holds the features' mean.
pub(crate) const NOVELTY_MEAN: &str = "novelty.mean";
/// The tensor of the weights that holds the features' whitening triangle.
pub(crate) const NOVELTY_WHITENING: &str = "novelty.whitening";

/// A classifier on a device.
pub(crate) struct ClassifierNetwork {
    pub(super) manifest: ClassifierManifest,
    pub(super) device: Device,
    pub(super) network: Classifier,
    distance: Option<Distance>,
    /// What computes the network instead of it, where there is such a thing.
    plan: Option<Plan>,
}

/// What the network says of one picture, before calibration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// One logit a label.
    pub(crate) logits: Vec<f64>,
    /// The pooled features.
    pub(crate) features: Vec<f32>,
}

/// A batch that the network was asked for: logits and features of all its pictures.
pub(crate) struct Asked {
    pictures: usize,
    values: Readback,
}

impl ClassifierNetwork {
    /// Puts the weights onto a device.
    pub(super) fn new(
        manifest: &ClassifierManifest,
        weights: &[u8],
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let state = tensors::read(weights).map_err(|error| WeightsError::new(error.to_string()))?;
        Self::from_state(manifest, state, device)
    }

    /// Makes the network of its tensors.
    pub(crate) fn from_state(
        manifest: &ClassifierManifest,
        mut state: StateDict,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let distance = match &manifest.novelty {
            NoveltyRecord::None { .. } => None,
            NoveltyRecord::Features { .. } => Some(distance(&mut state, manifest.architecture.features())?),
        };
        let network = Classifier::from_state(&manifest.architecture, &state, device.burn())
            .ok_or_else(|| WeightsError::new("the architecture does not classify"))?
            .map_err(|misfits| WeightsError::new(misfits.to_string()))?;
        Ok(Self { manifest: manifest.clone(), device: device.clone(), network, distance, plan: None })
    }

    /// Has the network computed by a plan, if it is on the CPU and the plan gives its numbers and those of the self-test.
    pub(super) fn plan(&mut self) -> Computed {
        if self.device.is_gpu() {
            return Computed::Burn;
        }
        let rule = &self.manifest.preprocessing;
        let vectors = &self.manifest.self_test.vectors;
        let pictures =
            vectors.iter().map(|vector| rule.apply(&selftest::picture(vector.width, vector.height)));
        let pictures: Vec<f32> = pictures.flatten().collect();
        let size = (rule.height, rule.width);
        let architecture = &self.manifest.architecture;
        match Plan::checked(&self.network, architecture, size, 0, (&pictures, self.device.burn())) {
            Ok(None) => return Computed::Burn,
            Ok(plan) => self.plan = plan,
            Err(mismatch) => return Computed::Mismatch(mismatch),
        }
        match self.self_test() {
            Ok(()) => Computed::Plan,
            Err(error) => {
                self.plan = None;
                Computed::Mismatch(Mismatch { difference: error.difference() })
            }
        }
    }

    /// Compares what the network says of the self-test's pictures with what the manifest states.
    pub(super) fn self_test(&self) -> Result<(), ScorerError> {
        let (id, words) = (self.manifest.id.clone(), self.device.description().to_owned());
        let test = &self.manifest.self_test;
        let tolerance = if self.device.is_gpu() { test.tolerance_gpu } else { test.tolerance_cpu };
        let mut pairs = Vec::new();
        for vector in &test.vectors {
            let picture = selftest::picture(vector.width, vector.height);
            let said = self.say(&[picture]).map_err(|source| ScorerError::SelfTest {
                id: id.clone(),
                device: words.clone(),
                source,
            })?;
            for (label, found) in self.manifest.labels.iter().zip(said.iter().flat_map(|said| &said.logits)) {
                let stated = vector.logits.get(&label.name).copied().unwrap_or(f64::NAN);
                pairs.push((*found, stated));
            }
        }
        let difference = selftest::deviation(pairs);
        if difference > tolerance || difference.is_nan() {
            return Err(ScorerError::SelfTestDiffers { id, device: words, difference, tolerance });
        }
        Ok(())
    }

    /// Asks for the scores of pictures, each by itself.
    pub(super) fn begin<I: Borrow<GreyImage>>(
        &self,
        images: &[I],
    ) -> Result<Batches<Asked, Said>, ScoreError> {
        Batches::begin(images, |batch| self.ask(batch), |asked| self.read(asked))
    }

    /// Waits for scores.
    pub(super) fn finish(&self, begun: Batches<Asked, Said>) -> Result<Vec<Scores>, ScoreError> {
        Ok(begun.finish(|asked| self.read(asked))?.iter().map(|said| self.scores(said)).collect())
    }

    /// Logits and features of each picture.
    pub(crate) fn say<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Said>, ScoreError> {
        self.begin(images)?.finish(|asked| self.read(asked))
    }

    fn ask<I: Borrow<GreyImage>>(&self, images: &[I]) -> Asked {
        let inputs = images.iter().map(|image| self.manifest.preprocessing.apply(image.borrow())).collect();
        Asked { pictures: images.len(), values: self.values(inputs) }
    }

    fn read(&self, asked: Asked) -> Result<Vec<Said>, ScoreError> {
        let (logits, pooled) = both(asked.values)?;
        let width = self.manifest.architecture.outputs();
        let features = pooled.len() / asked.pictures;
        let mut all = Vec::with_capacity(asked.pictures);
        for (row, features) in logits.chunks_exact(width).zip(pooled.chunks_exact(features)) {
            let logits: Vec<f64> = self
                .manifest
                .labels
                .iter()
                .map(|label| self.manifest.activation.logit(row, label.output))
                .collect();
            if !logits.iter().all(|logit| logit.is_finite()) {
                return Err(ScoreError::NotFinite { index: all.len() });
            }
            all.push(Said { logits, features: features.to_vec() });
        }
        Ok(all)
    }

    /// Logits and features of network inputs, one input after the other.
    pub(super) fn outputs(&self, inputs: Vec<Vec<f32>>) -> Result<(Vec<f32>, Vec<f32>), ScoreError> {
        both(self.values(inputs))
    }

    /// The same, asked for.
    fn values(&self, inputs: Vec<Vec<f32>>) -> Readback {
        let planned = self.plan.as_ref().and_then(|plan| plan.forward(&inputs.concat()));
        if let Some(seen) = planned {
            let logits = seen.iter().flat_map(|seen| &seen.logits).copied().collect();
            let features = seen.into_iter().flat_map(|seen| seen.features).collect();
            return Readback::Here(Ok(vec![logits, features]));
        }
        let outputs = self.network.forward(self.tensor(inputs));
        Readback::begin(Transaction::default().register(outputs.logits).register(outputs.features), 2)
    }

    /// Network inputs as `[batch, channels, height, width]`.
    pub(super) fn tensor(&self, inputs: Vec<Vec<f32>>) -> Tensor<4> {
        let rule = &self.manifest.preprocessing;
        let shape = [inputs.len(), rule.channels.len(), rule.height, rule.width];
        let values: Vec<f32> = inputs.into_iter().flatten().collect();
        Tensor::from_data(TensorData::new(values, shape), self.device.burn())
    }

    fn scores(&self, said: &Said) -> Scores {
        let findings = self.manifest.labels.iter().zip(&said.logits).map(|(label, logit)| {
            let probability = label.calibration.probability(*logit);
            Score {
                label: label.name.clone(),
                logit: *logit,
                probability,
                present: present(probability, label.threshold_low, label.threshold_high),
            }
        });
        let novelty = match (&self.manifest.novelty, &self.distance) {
            (NoveltyRecord::Features { threshold, .. }, Some(distance)) => {
                let score = distance.of(&said.features) / threshold;
                Some(Novelty { features: score, thumbnail: None, score, exceeded: score > 1.0 })
            }
            _ => None,
        };
        Scores {
            findings: findings.collect(),
            chest: None,
            out_of_distribution: novelty,
            maps: None,
            segments: Vec::new(),
        }
    }
}

/// Waits for logits and features.
fn both(values: Readback) -> Result<(Vec<f32>, Vec<f32>), ScoreError> {
    let [logits, features]: [Vec<f32>; 2] = values
        .finish()?
        .try_into()
        .map_err(|_| ScoreError::Device { reason: "it gave another number of results".to_owned() })?;
    Ok((logits, features))
}

/// Takes the distance of so many features out of the tensors.
fn distance(state: &mut StateDict, features: Option<usize>) -> Result<Distance, WeightsError> {
    let mut take = |name: &str| {
        let tensor = state.remove(name);
        tensor.ok_or_else(|| WeightsError::new(format!("tensor `{name}` is missing")))
    };
    let (mean, whitening) = (take(NOVELTY_MEAN)?, take(NOVELTY_WHITENING)?);
    // every picture would be as near as any other: what is no number exceeds no threshold
    if !mean.values().iter().chain(whitening.values()).all(|value| value.is_finite()) {
        return Err(WeightsError::new("a distance holds a value that is no finite number"));
    }
    Distance::from_parts(mean.values().to_vec(), whitening.values().to_vec())
        .filter(|distance| Some(distance.size()) == features)
        .ok_or_else(|| WeightsError::new("a distance has the wrong shape"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bundle::{Bundle, Contents};
    use crate::network::StateTensor;

    /// `pneumonia-mnist` with other tensors for its distance: mean and whitening.
    fn with(change: fn(&mut Vec<f32>, &mut Vec<f32>)) -> Result<(), String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/pneumonia-mnist");
        let bundle = Bundle::open(&folder).unwrap();
        let Contents::Classifier(manifest) = bundle.contents() else { panic!("a classifier") };
        let mut state = tensors::read(bundle.weights()).unwrap();
        let values = |name: &str| state[name].values().to_vec();
        let (mut mean, mut whitening) = (values(NOVELTY_MEAN), values(NOVELTY_WHITENING));
        change(&mut mean, &mut whitening);
        for (name, values) in [(NOVELTY_MEAN, mean), (NOVELTY_WHITENING, whitening)] {
            let tensor = StateTensor::new(vec![values.len()], values).unwrap();
            state.insert(name.to_owned(), tensor);
        }
        let made = ClassifierNetwork::from_state(manifest, state, &Device::reference());
        made.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_distance_that_could_exceed_no_threshold_is_refused() {
        assert_eq!(with(|_, _| {}), Ok(()));
        let fewer = with(|mean, whitening| {
            mean.truncate(3);
            whitening.truncate(9);
        });
        assert_eq!(fewer, Err("a distance has the wrong shape".to_owned()), "of three features only");
        let none = Err("a distance holds a value that is no finite number".to_owned());
        assert_eq!(with(|mean, _| mean[0] = f32::NAN), none);
        assert_eq!(with(|_, whitening| whitening[5] = f32::INFINITY), none);
    }
}
