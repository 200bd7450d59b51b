//! The networks of an ensemble: batches through all of them, and what their means say.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::maps::{LabelMaps, MapSum};
use super::{ChestCheck, MAX_BATCH, Novelty, Score, ScoreError, ScorerError, Scores, present};
use crate::bundle::manifest::{Label, Manifest};
use crate::bundle::selftest;
use crate::bundle::weights::{Weights, WeightsError};
use crate::calibration::sigmoid;
use crate::cpu::{Computed, Mismatch, Plan};
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::{Architecture, Classifier, Network, NetworkConfig, Outputs};
use crate::novelty::Distance;
use crate::preprocess::{resize, standardise};

fn finding(label: &Label, logit: f64) -> Score {
    let probability = label.calibration.probability(logit);
    Score {
        label: label.name.clone(),
        logit,
        probability,
        present: present(probability, label.threshold_low, label.threshold_high),
    }
}

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
    /// Of each label, the mean of the members' maps.
    maps: MapSum,
}

/// The networks of `cxr-findings` on a device.
pub(crate) struct Ensemble {
    pub(super) manifest: Manifest,
    device: Device,
    pub(super) findings: Vec<Network>,
    /// The last layer's weights of each findings network for the labels, `[1, features, labels]`.
    heads: Vec<Tensor<3>>,
    frontal: Vec<Network>,
    features: Vec<Distance>,
    thumbnail: Distance,
    /// What computes the networks instead of them, where there is such a thing.
    plans: Option<Plans>,
}

/// A plan for each network.
struct Plans {
    findings: Vec<Plan>,
    frontal: Vec<Plan>,
}

/// What one network gives for a batch, on this side of the device.
struct Given {
    logits: Vec<f32>,
    features: Vec<f32>,
    /// Class activation maps, `[batch, labels, height, width]`; empty for the frontal networks.
    maps: Vec<f32>,
    size: (usize, usize),
}

impl Raw {
    /// The members' maps of every label.
    pub(super) fn label_maps(&self) -> LabelMaps {
        self.maps.label_maps()
    }
}

impl Ensemble {
    /// Puts the weights onto a device.
    pub(super) fn new(manifest: &Manifest, weights: &[u8], device: &Device) -> Result<Self, WeightsError> {
        let weights =
            Weights::from_bytes(weights, &manifest.architecture, &manifest.preprocessing, device.burn())?;
        let features = weights.feature_distances()?;
        let thumbnail = weights.thumbnail_distance()?;
        let Weights { findings, frontal, .. } = weights;
        let labels = manifest.labels.len();
        let heads = findings.iter().map(|network| network.label_weights(labels).unsqueeze()).collect();
        Ok(Self {
            manifest: manifest.clone(),
            device: device.clone(),
            findings,
            heads,
            frontal,
            features,
            thumbnail,
            plans: None,
        })
    }

    /// Has the networks computed by plans, if they are on the CPU and the plans give their numbers and those of the
    /// self-test.
    pub(super) fn plan(&mut self) -> Computed {
        if self.device.is_gpu() {
            return Computed::Burn;
        }
        let (test, rule) = (&self.manifest.self_test, &self.manifest.preprocessing);
        let whole = resize(&selftest::picture(test.width, test.height), rule.side, rule.side);
        let small = resize(&whole, rule.frontal_side, rule.frontal_side);
        let architecture = &self.manifest.architecture;
        let plans = |networks: &[Network], config: &NetworkConfig, picture: &GreyImage, labels| {
            let architecture = Architecture::Residual(config.clone());
            let (side, values) = (picture.width(), standardise(picture.pixels()));
            let one = |network: &Network| {
                let network = Classifier::Residual(network.clone());
                let pictures = (values.as_slice(), self.device.burn());
                Plan::checked(&network, &architecture, (side, side), labels, pictures)
            };
            networks.iter().map(one).collect::<Result<Option<Vec<Plan>>, Mismatch>>()
        };
        let labels = self.manifest.labels.len();
        let both = plans(&self.findings, &architecture.findings, &whole, labels)
            .and_then(|own| Ok((own, plans(&self.frontal, &architecture.frontal, &small, 0)?)));
        match both {
            Ok((Some(findings), Some(frontal))) => self.plans = Some(Plans { findings, frontal }),
            Ok(_) => return Computed::Burn,
            Err(mismatch) => return Computed::Mismatch(mismatch),
        }
        match self.self_test() {
            Ok(()) => Computed::Plan,
            Err(error) => {
                self.plans = None;
                Computed::Mismatch(Mismatch { difference: error.difference() })
            }
        }
    }

    /// Compares what the networks say of the self-test's picture with what the manifest states.
    pub(super) fn self_test(&self) -> Result<(), ScorerError> {
        let (id, words) = (self.manifest.id.clone(), self.device.description().to_owned());
        let test = &self.manifest.self_test;
        let raw = self
            .raw(&[selftest::picture(test.width, test.height)])
            .map_err(|source| ScorerError::SelfTest { id: id.clone(), device: words.clone(), source })?;
        let tolerance = if self.device.is_gpu() { test.tolerance_gpu } else { test.tolerance_cpu };
        let differences = raw
            .iter()
            .flat_map(|raw| raw.logits.iter().zip(&test.logits).chain([(&raw.frontal, &test.frontal_logit)]))
            .map(|(found, stated)| (found - stated).abs());
        let difference = selftest::worst(differences);
        if difference > tolerance || difference.is_nan() {
            return Err(ScorerError::SelfTestDiffers { id, device: words, difference, tolerance });
        }
        Ok(())
    }

    /// Scores pictures, each by itself.
    pub(super) fn score<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Scores>, ScoreError> {
        Ok(self.raw(images)?.iter().map(|raw| self.scores(raw)).collect())
    }

    fn scores(&self, raw: &Raw) -> Scores {
        let rule = &self.manifest.novelty;
        let features = raw.features_distance / rule.features_threshold;
        let thumbnail = raw.thumbnail_distance / rule.thumbnail_threshold;
        let score = features.max(thumbnail);
        let novelty = Novelty { features, thumbnail: Some(thumbnail), score, exceeded: score > 1.0 };
        let frontal = sigmoid(raw.frontal);
        let architecture = &self.manifest.architecture;
        Scores {
            findings: self
                .manifest
                .labels
                .iter()
                .zip(&raw.logits)
                .map(|(label, x)| finding(label, *x))
                .collect(),
            chest: Some(ChestCheck {
                frontal,
                is_frontal: frontal >= self.manifest.frontal.threshold && !novelty.exceeded,
                view_ap: sigmoid(raw.view_ap),
                male: sigmoid(raw.male),
                age_years: architecture.age_mean + architecture.age_deviation * raw.age,
            }),
            out_of_distribution: Some(novelty),
            maps: Some(raw.label_maps()),
            segments: Vec::new(),
        }
    }

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

    /// The findings networks' pooled features of each picture, one network after the other.
    pub(super) fn embed<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Vec<f32>>, ScoreError> {
        let side = self.manifest.preprocessing.side;
        let mut all: Vec<Vec<f32>> = Vec::with_capacity(images.len());
        for chunk in images.chunks(MAX_BATCH) {
            let whole: Vec<GreyImage> =
                chunk.iter().map(|image| resize(image.borrow(), side, side)).collect();
            let mut rows = vec![Vec::new(); chunk.len()];
            let values = standardised(&whole);
            let given = match self.planned(|plans| &plans.findings, &values) {
                Some(given) => given,
                None => Self::read(self.forward(&self.findings, &self.pictures(values, side)))?,
            };
            for given in given {
                let width = given.features.len() / chunk.len();
                for (row, features) in rows.iter_mut().zip(given.features.chunks_exact(width)) {
                    row.extend_from_slice(features);
                }
            }
            all.extend(rows);
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
                    maps: MapSum::default(),
                }
            })
            .collect();
        let share = 1.0 / self.findings.len() as f64;
        let (findings, frontal) = self.given(&whole, &small)?;
        for (given, distance) in findings.into_iter().zip(&self.features) {
            let (height, width) = given.size;
            let rows = given.logits.chunks_exact(labels + crate::network::AUXILIARY);
            for (((raw, row), features), maps) in raws
                .iter_mut()
                .zip(rows)
                .zip(given.features.chunks_exact(distance.size()))
                .zip(given.maps.chunks_exact(labels * height * width))
            {
                raw.maps.add(maps, height, width);
                let [logits @ .., age, male, view_ap] = row else { continue };
                raw.logits.iter_mut().zip(logits).for_each(|(sum, x)| *sum += share * f64::from(*x));
                raw.age += share * f64::from(*age);
                raw.male += share * f64::from(*male);
                raw.view_ap += share * f64::from(*view_ap);
                raw.features_distance += share * distance.of(features);
            }
        }
        for given in frontal {
            for (raw, logit) in raws.iter_mut().zip(given.logits) {
                raw.frontal += f64::from(logit) / self.frontal.len() as f64;
            }
        }
        Ok(raws)
    }

    /// What the findings networks and the frontal ones give.
    fn given(
        &self,
        whole: &[GreyImage],
        small: &[GreyImage],
    ) -> Result<(Vec<Given>, Vec<Given>), ScoreError> {
        let rule = &self.manifest.preprocessing;
        let (whole, small) = (standardised(whole), standardised(small));
        let planned = self.planned(|plans| &plans.findings, &whole);
        if let Some((findings, frontal)) = planned.zip(self.planned(|plans| &plans.frontal, &small)) {
            return Ok((findings, frontal));
        }
        let outputs = self.forward(&self.findings, &self.pictures(whole, rule.side));
        let maps: Vec<Tensor<3>> =
            outputs.iter().zip(&self.heads).map(|(outputs, head)| label_maps(&outputs.maps, head)).collect();
        // asked before anything is read: on a GPU reading the findings stalls none of it
        let frontal = self.forward(&self.frontal, &self.pictures(small, rule.frontal_side));
        let mut findings = Self::read(outputs)?;
        for (given, maps) in findings.iter_mut().zip(maps) {
            given.maps = numbers(maps)?;
        }
        Ok((findings, Self::read(frontal)?))
    }

    /// What plans give for the same pictures, in the networks' order and side by side: one small network keeps less than
    /// two cores busy. `None` where there are none, or a picture is none for them.
    fn planned(&self, own: impl Fn(&Plans) -> &Vec<Plan>, pictures: &[f32]) -> Option<Vec<Given>> {
        let plans = own(self.plans.as_ref()?);
        let given = plans.par_iter().map(|plan| {
            let seen = plan.forward(pictures)?;
            let mut given =
                Given { logits: Vec::new(), features: Vec::new(), maps: Vec::new(), size: (0, 0) };
            for seen in seen {
                given.logits.extend(seen.logits);
                given.features.extend(seen.features);
                given.maps.extend(seen.maps);
                given.size = seen.size;
            }
            Some(given)
        });
        given.collect()
    }

    /// Reads what networks gave; maps of labels are read apart.
    fn read(outputs: Vec<Outputs>) -> Result<Vec<Given>, ScoreError> {
        let read = |outputs: Outputs| {
            let [_, _, height, width] = outputs.maps.dims();
            let (logits, features) = (numbers(outputs.logits)?, numbers(outputs.features)?);
            Ok(Given { logits, features, maps: Vec::new(), size: (height, width) })
        };
        outputs.into_iter().map(read).collect()
    }

    /// What each network gives for the same pictures, in the networks' order. On the CPU they are computed side by side:
    /// one small network keeps less than two cores busy. On a GPU all are asked before the first is read, so that reading
    /// one stalls none.
    fn forward(&self, networks: &[Network], pictures: &Tensor<4>) -> Vec<Outputs> {
        let forward = |network: &Network| network.forward(pictures.clone());
        if self.device.is_gpu() {
            networks.iter().map(forward).collect()
        } else {
            networks.par_iter().map(forward).collect()
        }
    }

    /// Standardised pictures as `[batch, 1, side, side]`.
    fn pictures(&self, values: Vec<f32>, side: usize) -> Tensor<4> {
        let shape = [values.len() / (side * side), 1, side, side];
        Tensor::from_data(TensorData::new(values, shape), self.device.burn())
    }
}

/// Standardised pictures, one behind the other.
fn standardised(images: &[GreyImage]) -> Vec<f32> {
    images.iter().flat_map(|image| standardise(image.pixels())).collect()
}

/// Class activation maps of all labels (Zhou et al. 2016): `[batch, features, height, width]` and `[1, features, labels]`
/// to `[batch, labels, height * width]`.
fn label_maps(maps: &Tensor<4>, head: &Tensor<3>) -> Tensor<3> {
    let [batch, features, height, width] = maps.dims();
    let [_, _, labels] = head.dims();
    let flat = maps.clone().reshape([batch, features, height * width]);
    let head = head.clone().swap_dims(1, 2).expand([batch, labels, features]);
    head.matmul(flat)
}

/// A tensor's values on this side of the device.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ScoreError> {
    let failed = |reason| ScoreError::Device { reason };
    let data = tensor.try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))
}
