//! All tensors of a bundle as one Burn module, to and from safetensors.

use burn::module::{Module, Param};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

use super::manifest::{Architecture, Preprocessing};
use crate::network::{Network, Readout};
use crate::novelty::Distance;

/// Why weights could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WeightsError(String);

impl WeightsError {
    /// An error with a reason in words.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The tensors of a bundle.
#[derive(Module, Debug)]
pub(crate) struct Weights {
    pub(crate) findings: Vec<Network>,
    pub(crate) frontal: Vec<Network>,
    features: Vec<DistanceWeights>,
    thumbnail: DistanceWeights,
    pub(crate) readout: Option<Readout>,
}

/// A [`Distance`] as tensors.
#[derive(Module, Debug)]
struct DistanceWeights {
    mean: Param<Tensor<1>>,
    whitening: Param<Tensor<2>>,
}

impl DistanceWeights {
    fn new(distance: &Distance, device: &Device) -> Self {
        let size = distance.size();
        Self {
            mean: Param::from_data(TensorData::new(distance.mean().to_vec(), [size]), device),
            whitening: Param::from_data(TensorData::new(distance.whitening().to_vec(), [size, size]), device),
        }
    }

    fn distance(&self) -> Result<Distance, WeightsError> {
        Distance::from_parts(values(self.mean.val())?, values(self.whitening.val())?)
            .ok_or_else(|| WeightsError("a distance has the wrong shape".to_owned()))
    }
}

impl Weights {
    /// Joins the trained parts.
    pub(crate) fn new(
        findings: Vec<Network>,
        frontal: Vec<Network>,
        features: &[Distance],
        thumbnail: &Distance,
        device: &Device,
    ) -> Self {
        let features = features.iter().map(|distance| DistanceWeights::new(distance, device)).collect();
        let thumbnail = DistanceWeights::new(thumbnail, device);
        Self { findings, frontal, features, thumbnail, readout: None }
    }

    /// The same with what is read beside the networks.
    pub(crate) fn with_readout(self, readout: Option<Readout>) -> Self {
        Self { readout, ..self }
    }

    /// Reads the tensors that `architecture` needs; missing, unknown and misshapen ones, and others than of f32, are errors.
    pub(crate) fn from_bytes(
        bytes: &[u8],
        architecture: &Architecture,
        preprocessing: &Preprocessing,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        // the store keeps a file's width of numbers, and a network computes in one width only
        let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError(error.to_string()))?;
        if file.iter().any(|(_, tensor)| tensor.dtype() != Dtype::F32) {
            return Err(WeightsError("a tensor holds other numbers than f32".to_owned()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut networks =
            |config| (0..architecture.members).map(|_| Network::new(config, &mut rng, device)).collect();
        let mut weights = Self::new(
            networks(&architecture.findings),
            networks(&architecture.frontal),
            &vec![Distance::zero(architecture.findings.features()); architecture.members],
            &Distance::zero(preprocessing.thumbnail_side * preprocessing.thumbnail_side),
            device,
        )
        .with_readout(architecture.readout.as_ref().map(|own| Readout::blank(&own.config, device)));
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec()));
        let report = weights.load_from(&mut store).map_err(|error| WeightsError(error.to_string()))?;
        if !report.missing.is_empty() || !report.errors.is_empty() || !report.unused.is_empty() {
            return Err(WeightsError(format!(
                "{} tensors missing, {} misshapen, {} unknown",
                report.missing.len(),
                report.errors.len(),
                report.unused.len()
            )));
        }
        Ok(weights)
    }

    /// Writes the tensors as safetensors (f32).
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        // the store's own metadata would be written in any order, and the bytes have to be the same every time
        let mut store = SafetensorsStore::from_bytes(None).clear_metadata();
        self.save_into(&mut store).map_err(|error| WeightsError(error.to_string()))?;
        store.get_bytes().map_err(|error| WeightsError(error.to_string()))
    }

    /// The distances of the members' features, in the members' order.
    pub(crate) fn feature_distances(&self) -> Result<Vec<Distance>, WeightsError> {
        self.features.iter().map(DistanceWeights::distance).collect()
    }

    /// The distance of the thumbnail.
    pub(crate) fn thumbnail_distance(&self) -> Result<Distance, WeightsError> {
        self.thumbnail.distance()
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, WeightsError> {
    tensor.into_data().try_to_vec::<f32>().map_err(|error| WeightsError(format!("{error:?}")))
}
