//! The networks of an ensemble: batches through all of them, and what their means say.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData, Transaction};
use rayon::prelude::*;

use super::maps::{LabelMaps, MapSum};
use super::readback::{Batches, Readback, numbers};
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

/// What a network's plan gives for a batch.
struct Given {
    logits: Vec<f32>,
    features: Vec<f32>,
    /// Class activation maps, `[batch, labels, height, width]`; empty for the frontal networks.
    maps: Vec<f32>,
    size: (usize, usize),
}

/// A batch that the networks were asked for, with what is known of each picture without them.
pub(crate) struct Asked {
    raws: Vec<Raw>,
    /// Logits, features and maps of each findings network, then logits of each frontal one.
    values: Readback,
    /// Height and width of the findings networks' maps.
    sizes: Vec<(usize, usize)>,
}

impl Raw {
    /// The members' maps of every label.
    pub(super) fn label_maps(&self) -> LabelMaps {
        self.maps.label_maps()
    }

    fn is_finite(&self) -> bool {
        let others = [
            self.age,
            self.male,
            self.view_ap,
            self.frontal,
            self.features_distance,
            self.thumbnail_distance,
        ];
        self.logits.iter().chain(&others).all(|value| value.is_finite())
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

    /// Asks for the scores of pictures, each by itself.
    pub(super) fn begin<I: Borrow<GreyImage>>(
        &self,
        images: &[I],
    ) -> Result<Batches<Asked, Raw>, ScoreError> {
        Batches::begin(images, |batch| self.ask(batch), |asked| self.read(asked))
    }

    /// Waits for scores.
    pub(super) fn finish(&self, begun: Batches<Asked, Raw>) -> Result<Vec<Scores>, ScoreError> {
        Ok(begun.finish(|asked| self.read(asked))?.iter().map(|raw| self.scores(raw)).collect())
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
        self.begin(images)?.finish(|asked| self.read(asked))
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
            let planned = self.planned(|plans| &plans.findings, &values);
            let given: Vec<Vec<f32>> = if let Some(given) = planned {
                given.into_iter().map(|given| given.features).collect()
            } else {
                let outputs = self.forward(&self.findings, &self.pictures(values, side));
                outputs.into_iter().map(|outputs| numbers(outputs.features)).collect::<Result<_, _>>()?
            };
            for features in given {
                let width = features.len() / chunk.len();
                for (row, features) in rows.iter_mut().zip(features.chunks_exact(width)) {
                    row.extend_from_slice(features);
                }
            }
            all.extend(rows);
        }
        Ok(all)
    }

    /// Asks all networks for a batch before anything of it is read: on a GPU reading one stalls none.
    fn ask<I: Borrow<GreyImage>>(&self, images: &[I]) -> Asked {
        let rule = &self.manifest.preprocessing;
        let whole: Vec<GreyImage> =
            images.iter().map(|image| resize(image.borrow(), rule.side, rule.side)).collect();
        let small: Vec<GreyImage> =
            whole.iter().map(|image| resize(image, rule.frontal_side, rule.frontal_side)).collect();
        let raws = whole
            .iter()
            .map(|image| {
                let thumbnail = resize(image, rule.thumbnail_side, rule.thumbnail_side);
                Raw {
                    logits: vec![0.0; self.manifest.labels.len()],
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
        let (values, sizes) = self.values(&whole, &small);
        Asked { raws, values, sizes }
    }

    /// Reads what the networks gave for a batch.
    fn read(&self, asked: Asked) -> Result<Vec<Raw>, ScoreError> {
        let Asked { mut raws, values, sizes } = asked;
        let values = values.finish()?;
        let (findings, frontal) = values.split_at(values.len().min(3 * sizes.len()));
        let labels = self.manifest.labels.len();
        let share = 1.0 / self.findings.len() as f64;
        for ((given, (height, width)), distance) in findings.chunks_exact(3).zip(sizes).zip(&self.features) {
            let [logits, features, maps] = given else { continue };
            let rows = logits.chunks_exact(labels + crate::network::AUXILIARY);
            for (((raw, row), features), maps) in raws
                .iter_mut()
                .zip(rows)
                .zip(features.chunks_exact(distance.size()))
                .zip(maps.chunks_exact(labels * height * width))
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
        for logits in frontal {
            for (raw, logit) in raws.iter_mut().zip(logits) {
                raw.frontal += f64::from(*logit) / self.frontal.len() as f64;
            }
        }
        match raws.iter().position(|raw| !raw.is_finite()) {
            Some(index) => Err(ScoreError::NotFinite { index }),
            None => Ok(raws),
        }
    }

    /// What the findings networks and the frontal ones give, in the order of [`Asked::values`], and the maps' sizes.
    fn values(&self, whole: &[GreyImage], small: &[GreyImage]) -> (Readback, Vec<(usize, usize)>) {
        let rule = &self.manifest.preprocessing;
        let (whole, small) = (standardised(whole), standardised(small));
        let planned = self.planned(|plans| &plans.findings, &whole);
        if let Some((findings, frontal)) = planned.zip(self.planned(|plans| &plans.frontal, &small)) {
            let sizes = findings.iter().map(|given| given.size).collect();
            let findings = findings.into_iter().flat_map(|given| [given.logits, given.features, given.maps]);
            let values = findings.chain(frontal.into_iter().map(|given| given.logits)).collect();
            return (Readback::Here(Ok(values)), sizes);
        }
        let findings = self.forward(&self.findings, &self.pictures(whole, rule.side));
        let maps: Vec<Tensor<3>> =
            findings.iter().zip(&self.heads).map(|(outputs, head)| label_maps(&outputs.maps, head)).collect();
        let frontal = self.forward(&self.frontal, &self.pictures(small, rule.frontal_side));
        let size = |outputs: &Outputs| {
            let [_, _, height, width] = outputs.maps.dims();
            (height, width)
        };
        let sizes: Vec<(usize, usize)> = findings.iter().map(size).collect();
        let count = 3 * findings.len() + frontal.len();
        let mut tensors = Transaction::default();
        for (outputs, maps) in findings.into_iter().zip(maps) {
            tensors = tensors.register(outputs.logits).register(outputs.features).register(maps);
        }
        for outputs in frontal {
            tensors = tensors.register(outputs.logits);
        }
        (Readback::begin(tensors, count), sizes)
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
