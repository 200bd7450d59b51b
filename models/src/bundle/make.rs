//! From a network and what is known of it to a bundle: self-test, novelty, card, seal.

use std::collections::BTreeMap;

use super::classifier::{ClassifierManifest, ClassifierSelfTest, NoveltyRecord, SelfTestVector};
use super::segmenter::{SegmenterManifest, SegmenterSelfTest, SegmenterVector};
use super::weights::WeightsError;
use super::{Bundle, BundleError, markdown, selftest, tensors};
use crate::device::Device;
use crate::evaluation::quantile;
use crate::image::GreyImage;
use crate::network::{StateDict, StateTensor};
use crate::novelty::Distance;
use crate::score::{ClassifierNetwork, NOVELTY_MEAN, NOVELTY_WHITENING, ScoreError, SegmenterNetwork};

/// Width and height of the self-test's pictures: a square, a wide and a small one, so that crops and resizes are tested too.
const SELF_TEST_SIZES: [(usize, usize); 3] = [(160, 160), (210, 130), (41, 53)];
/// Folds in which the pictures' distances are measured.
const FOLDS: usize = 5;
/// Quantile of left-out distances at which a picture becomes novel.
const NOVELTY_QUANTILE: f64 = 0.995;

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The manifest is not usable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The weights do not fit the architecture.
    #[error("the weights do not fit the architecture")]
    Weights(#[from] WeightsError),
    /// The network could not be run.
    #[error("the network's self-test could not be computed")]
    Score(#[from] ScoreError),
    /// The weights could not be written.
    #[error("the weights could not be written")]
    Tensors(#[from] safetensors::SafeTensorError),
    /// The pictures do not say what is usual.
    #[error(
        "{pictures} pictures are too few to say which are unlike them: give 20 at least, and not all the same"
    )]
    TooFewPictures {
        /// How many there were.
        pictures: usize,
    },
}

impl MakeError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bundle(error) => error.code(),
            Self::Weights(_) => "ModelWeights",
            Self::Score(error) => error.code(),
            Self::Tensors(_) => "MakeTensors",
            Self::TooFewPictures { .. } => "MakeTooFewPictures",
        }
    }
}

/// Makes a sealed bundle of a network. Of `manifest` the weights' file, the self-test and the seal are filled in; the
/// self-test is computed on the CPU.
pub fn classifier(mut manifest: ClassifierManifest, state: &StateDict) -> Result<Bundle, MakeError> {
    check(&manifest)?;
    let network = ClassifierNetwork::from_state(&manifest, state.clone(), &Device::reference())?;
    let mut vectors = Vec::with_capacity(SELF_TEST_SIZES.len());
    for (width, height) in SELF_TEST_SIZES {
        for said in network.say(&[selftest::picture(width, height)])? {
            let names = manifest.labels.iter().map(|label| label.name.clone());
            let logits: BTreeMap<String, f64> = names.zip(said.logits).collect();
            vectors.push(SelfTestVector { width, height, logits });
        }
    }
    manifest.self_test = ClassifierSelfTest {
        formula: selftest::FORMULA.to_owned(),
        vectors,
        tolerance_cpu: 1e-4,
        tolerance_gpu: 1e-3,
    };
    let card = markdown::card(&manifest);
    Ok(Bundle::classifier(manifest, card, tensors::write(state)?)?)
}

/// The same of a network that segments.
pub fn segmenter(mut manifest: SegmenterManifest, state: &StateDict) -> Result<Bundle, MakeError> {
    manifest.check_network().map_err(|reason| BundleError::Inconsistent { reason })?;
    let network = SegmenterNetwork::from_state(&manifest, state, &Device::reference())?;
    let mut vectors = Vec::with_capacity(SELF_TEST_SIZES.len());
    for (width, height) in SELF_TEST_SIZES {
        let said = network.places(&selftest::picture(width, height))?;
        let names = manifest.segments.iter().map(|segment| segment.name.clone());
        vectors.push(SegmenterVector { width, height, logits: names.zip(said).collect() });
    }
    manifest.self_test = SegmenterSelfTest {
        formula: selftest::FORMULA.to_owned(),
        vectors,
        tolerance_cpu: 1e-4,
        tolerance_gpu: 1e-3,
    };
    let card = markdown::segmenter_card(&manifest);
    Ok(Bundle::segmenter(manifest, card, tensors::write(state)?)?)
}

/// Fits how far a picture may be from `pictures`, which stand for those the model was trained on: the distances of
/// left-out pictures give the threshold. Pictures of one patient are left out together, or they would measure how alike
/// those are; where `patients` are not known, each picture counts as one's own. `data` says in words what the pictures are.
pub fn fit_novelty(
    manifest: &mut ClassifierManifest,
    state: &mut StateDict,
    pictures: &[GreyImage],
    patients: Option<&[&str]>,
    data: &str,
) -> Result<(), MakeError> {
    check(manifest)?;
    manifest.novelty = NoveltyRecord::None { reason: "being fitted".to_owned() };
    let network = ClassifierNetwork::from_state(manifest, state.clone(), &Device::reference())?;
    let features: Vec<Vec<f32>> = network.say(pictures)?.into_iter().map(|said| said.features).collect();
    let few = || MakeError::TooFewPictures { pictures: pictures.len() };
    if pictures.len() < 4 * FOLDS {
        return Err(few());
    }
    let folds = folds(pictures.len(), patients);
    let mut distances = Vec::with_capacity(features.len());
    for fold in 0..FOLDS {
        let in_fold = |index: usize| folds.get(index) == Some(&fold);
        let kept: Vec<Vec<f32>> =
            features.iter().enumerate().filter(|(i, _)| !in_fold(*i)).map(|(_, f)| f.clone()).collect();
        let distance = Distance::fit(&kept).ok_or_else(few)?;
        let left_out = features.iter().enumerate().filter(|(i, _)| in_fold(*i));
        distances.extend(left_out.map(|(_, features)| distance.of(features)));
    }
    distances.sort_by(f64::total_cmp);
    let threshold = quantile(&distances, NOVELTY_QUANTILE).ok_or_else(few)?.max(1e-6);
    let distance = Distance::fit(&features).ok_or_else(few)?;
    let size = distance.size();
    let tensor = |shape: Vec<usize>, values: &[f32]| StateTensor::new(shape, values.to_vec()).ok_or_else(few);
    state.insert(NOVELTY_MEAN.to_owned(), tensor(vec![size], distance.mean())?);
    state.insert(NOVELTY_WHITENING.to_owned(), tensor(vec![size, size], distance.whitening())?);
    manifest.novelty =
        NoveltyRecord::Features { threshold, quantile: NOVELTY_QUANTILE, data: data.to_owned() };
    Ok(())
}

/// The fold of each picture: patients are dealt out in the order in which they come first.
fn folds(pictures: usize, patients: Option<&[&str]>) -> Vec<usize> {
    let Some(patients) = patients else { return (0..pictures).map(|index| index % FOLDS).collect() };
    let mut dealt = BTreeMap::new();
    patients
        .iter()
        .map(|patient| {
            let next = dealt.len() % FOLDS;
            *dealt.entry(*patient).or_insert(next)
        })
        .collect()
}

/// What has to hold before a network is made of a manifest.
fn check(manifest: &ClassifierManifest) -> Result<(), BundleError> {
    manifest.check_network().map_err(|reason| BundleError::Inconsistent { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_one_patient_are_left_out_together() {
        assert_eq!(folds(7, None), [0, 1, 2, 3, 4, 0, 1]);
        let patients = ["a", "a", "b", "a", "c", "d", "e", "f", "b"];
        assert_eq!(folds(9, Some(&patients)), [0, 0, 1, 0, 2, 3, 4, 0, 1]);
    }
}
