//! The networks of an ensemble: batches through all of them, and what their means say.

use std::borrow::Borrow;

use burn::tensor::{Tensor, TensorData, Transaction};
use rayon::prelude::*;

use super::maps::{LabelMaps, MapSum};
use super::plans::Plans;
use super::readback::{Batches, Readback, numbers};
use super::readout::{Reader, Reading};
use super::{ChestCheck, MAX_BATCH, Novelty, Score, ScoreError, ScorerError, Scores, present};
use crate::bundle::manifest::{Label, Manifest};
use crate::bundle::selftest;
use crate::bundle::weights::{Weights, WeightsError};
use crate::calibration::sigmoid;
use crate::cpu::{Computed, Mismatch};
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::{Network, Outputs};
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
    pub(super) device: Device,
    pub(super) findings: Vec<Network>,
    /// The last layer's weights of each findings network for the labels, `[1, features, labels]`.
    heads: Vec<Tensor<3>>,
    pub(super) frontal: Vec<Network>,
    features: Vec<Distance>,
    thumbnail: Distance,
    pub(super) readout: Option<Reader>,
    /// What computes the networks instead of them, where there is such a thing.
    plans: Option<Plans>,
}

/// What the networks take of a batch, standardised and scaled, one picture behind the other.
pub(super) struct Inputs {
    pub(super) whole: Vec<f32>,
    pub(super) small: Vec<f32>,
    /// The readout's; none where there is no readout.
    pub(super) readout: Vec<f32>,
}

/// A batch that the networks were asked for, with what is known of each picture without them.
pub(crate) struct Asked {
    raws: Vec<Raw>,
    /// Logits, features and maps of each findings network, then logits of each frontal one, then what the readout's maps add.
    values: Readback,
    /// Height and width of the findings networks' maps.
    sizes: Vec<(usize, usize)>,
}

impl Raw {
    /// The members' maps of every label.
    pub(super) fn label_maps(&self) -> LabelMaps {
        self.maps.label_maps()
    }

    /// Gives what was read its share beside the mean of so many members.
    #[expect(clippy::cast_possible_truncation, reason = "the precision of maps")]
    fn add(&mut self, reading: &Reading, reader: &Reader, members: usize) {
        let share = reader.share;
        self.logits
            .iter_mut()
            .zip(&reading.logits)
            .for_each(|(logit, read)| *logit = (1.0 - share) * *logit + share * read);
        self.maps = self.maps.beside(members, &reading.maps, reader.map_side(), share as f32);
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
        let Weights { findings, frontal, readout, .. } = weights;
        let readout = Reader::new(manifest, readout, device)?;
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
            readout,
            plans: None,
        })
    }

    /// Has the networks computed by plans, if they are on the CPU and the plans give their numbers and those of the
    /// self-test.
    pub(super) fn plan(&mut self) -> Computed {
        if self.device.is_gpu() {
            return Computed::Burn;
        }
        match Plans::of(self) {
            Ok(Some(plans)) => self.plans = Some(plans),
            Ok(None) => return Computed::Burn,
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
        let rule = &self.manifest.preprocessing;
        let (side, from) = (rule.side, rule.picture_side());
        let mut all: Vec<Vec<f32>> = Vec::with_capacity(images.len());
        for chunk in images.chunks(MAX_BATCH) {
            let whole: Vec<GreyImage> =
                chunk.iter().map(|image| rule.whole(&resize(image.borrow(), from, from))).collect();
            let mut rows = vec![Vec::new(); chunk.len()];
            let values = standardised(&whole);
            let planned = self.plans.as_ref().and_then(|plans| plans.findings(&values));
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

    /// What the networks take of pictures, with each picture's thumbnail.
    pub(super) fn inputs<I: Borrow<GreyImage>>(&self, images: &[I]) -> (Vec<GreyImage>, Inputs) {
        let rule = &self.manifest.preprocessing;
        let side = rule.picture_side();
        let pictures: Vec<GreyImage> =
            images.iter().map(|image| resize(image.borrow(), side, side)).collect();
        let readout = self.readout.as_ref().map(|reader| reader.inputs(&pictures)).unwrap_or_default();
        let whole: Vec<GreyImage> = pictures.iter().map(|picture| rule.whole(picture)).collect();
        let smaller = |side| whole.iter().map(|image| resize(image, side, side)).collect::<Vec<GreyImage>>();
        let small = standardised(&smaller(rule.frontal_side));
        let thumbnails = smaller(rule.thumbnail_side);
        (thumbnails, Inputs { whole: standardised(&whole), small, readout })
    }

    /// Asks all networks for a batch before anything of it is read: on a GPU reading one stalls none.
    fn ask<I: Borrow<GreyImage>>(&self, images: &[I]) -> Asked {
        let (thumbnails, inputs) = self.inputs(images);
        let raws = thumbnails
            .iter()
            .map(|thumbnail| Raw {
                logits: vec![0.0; self.manifest.labels.len()],
                age: 0.0,
                male: 0.0,
                view_ap: 0.0,
                frontal: 0.0,
                features_distance: 0.0,
                thumbnail_distance: self.thumbnail.of(&standardise(thumbnail.pixels())),
                maps: MapSum::default(),
            })
            .collect();
        let (values, sizes) = self.values(inputs);
        Asked { raws, values, sizes }
    }

    /// Reads what the networks gave for a batch.
    fn read(&self, asked: Asked) -> Result<Vec<Raw>, ScoreError> {
        let Asked { mut raws, values, sizes } = asked;
        let values = values.finish()?;
        let (findings, others) = values.split_at(values.len().min(3 * sizes.len()));
        let (frontal, read) = others.split_at(others.len().min(self.frontal.len()));
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
        if let Some(reader) = &self.readout {
            let readings = reader.read(read, raws.len());
            raws.iter_mut()
                .zip(&readings)
                .for_each(|(raw, reading)| raw.add(reading, reader, self.findings.len()));
        }
        match raws.iter().position(|raw| !raw.is_finite()) {
            Some(index) => Err(ScoreError::NotFinite { index }),
            None => Ok(raws),
        }
    }

    /// What all networks give, in the order of [`Asked::values`], and the sizes of the findings networks' maps.
    fn values(&self, inputs: Inputs) -> (Readback, Vec<(usize, usize)>) {
        let planned = self.plans.as_ref().and_then(|plans| plans.values(&inputs, self.readout.as_ref()));
        if let Some((values, sizes)) = planned {
            return (Readback::Here(Ok(values)), sizes);
        }
        let rule = &self.manifest.preprocessing;
        let Inputs { whole, small, readout } = inputs;
        let findings = self.forward(&self.findings, &self.pictures(whole, rule.side));
        let maps: Vec<Tensor<3>> =
            findings.iter().zip(&self.heads).map(|(outputs, head)| label_maps(&outputs.maps, head)).collect();
        let frontal = self.forward(&self.frontal, &self.pictures(small, rule.frontal_side));
        let read = self.readout.as_ref().map(|reader| reader.ask(readout, &self.device)).unwrap_or_default();
        let size = |outputs: &Outputs| {
            let [_, _, height, width] = outputs.maps.dims();
            (height, width)
        };
        let sizes: Vec<(usize, usize)> = findings.iter().map(size).collect();
        let count = 3 * findings.len() + frontal.len() + read.len();
        let mut tensors = Transaction::default();
        for (outputs, maps) in findings.into_iter().zip(maps) {
            tensors = tensors.register(outputs.logits).register(outputs.features).register(maps);
        }
        for outputs in frontal {
            tensors = tensors.register(outputs.logits);
        }
        for added in read {
            tensors = tensors.register(added);
        }
        (Readback::begin(tensors, count), sizes)
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
