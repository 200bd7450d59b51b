//! What a model holds of a device's memory while it is resident: an estimate from its manifest, before anything is loaded.

use serde::{Deserialize, Serialize};

use crate::bench::cost;
use crate::bundle::{Bundle, Contents};
use crate::cpu::Plan;
use crate::network::Architecture;
use crate::score::MAX_BATCH;

/// Copies of the largest layer's input and output that are alive at once, at most: each, its normalised and rectified
/// twin, and what the convolution works in. DenseNet-121 on the CPU at 224 pixels takes 8.5 MB a picture where this says
/// 13.6 MB.
const COPIES: u64 = 4;

/// Batches that are begun on a GPU at once, at most: one is computed, the next one waits behind it.
const BEGUN: u64 = 2;

/// Bytes of one value on a device: f32.
const VALUE: u64 = 4;

/// Memory of a model on a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Weights: the bytes of their file, f32 there as on the device, and again as much where a plan for the CPU
    /// ([`crate::cpu`]) holds them in its own order. While a model is loaded, the file is in memory once more.
    pub weights: u64,
    /// What a batch of the stated size needs beside them, at most.
    pub activations: u64,
}

impl Footprint {
    /// The footprint of a bundle that scores up to `batch` pictures together, 1 at least and [`MAX_BATCH`] at most.
    pub fn of(bundle: &Bundle, batch: usize) -> Self {
        let batch = batch.clamp(1, MAX_BATCH);
        let activations = match bundle.contents() {
            // the members are computed side by side, the findings networks before the frontal ones
            Contents::Ensemble(manifest) => {
                let networks = [&manifest.architecture.findings, &manifest.architecture.frontal];
                let largest = networks.map(|network| {
                    largest_layer(
                        &Architecture::Residual(network.clone()),
                        batch,
                        [network.input, network.input],
                    )
                });
                let networks =
                    largest.into_iter().max().unwrap_or_default() * manifest.architecture.members as u64;
                // after them
                let readout = manifest.architecture.readout.as_ref().zip(manifest.preprocessing.readout);
                let readout = readout.map_or(0, |(own, picture)| {
                    most_values(&cost::readout_layers(&own.config, batch, picture.seen()))
                });
                networks.max(readout)
            }
            Contents::Classifier(manifest) => {
                let rule = &manifest.preprocessing;
                largest_layer(&manifest.architecture, batch, [rule.height, rule.width])
            }
            // one picture after the other, whatever the batch; the maps of all levels going down wait for their way up
            Contents::Segmenter(manifest) => {
                let rule = &manifest.preprocessing;
                2 * largest_layer(&manifest.architecture, 1, [rule.height, rule.width])
            }
        };
        let planned = match bundle.contents() {
            Contents::Ensemble(_) => true,
            Contents::Segmenter(_) => false,
            Contents::Classifier(manifest) => Plan::covers(&manifest.architecture),
        };
        let copies = if planned { 2 } else { 1 };
        Self { weights: copies * bundle.weights().len() as u64, activations: COPIES * VALUE * activations }
    }

    /// The footprint on a GPU, where a batch is begun while the one before it is computed ([`crate::Scorer::begin`]): both
    /// count. A segmenter has one picture at a time.
    pub fn on_gpu(bundle: &Bundle, batch: usize) -> Self {
        let one = Self::of(bundle, batch);
        let begun = if matches!(bundle.contents(), Contents::Segmenter(_)) { 1 } else { BEGUN };
        Self { activations: one.activations.saturating_mul(begun), ..one }
    }

    /// Weights and activations.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.activations)
    }
}

/// Values of the input and output of the layer that has most of them.
fn largest_layer(architecture: &Architecture, batch: usize, [height, width]: [usize; 2]) -> u64 {
    most_values(&cost::layers(architecture, batch, height, width))
}

fn most_values(layers: &[cost::Layer]) -> u64 {
    let values = |shape: &[usize; 4]| shape.iter().map(|side| *side as u64).product::<u64>();
    layers.iter().map(|layer| values(&layer.input) + values(&layer.output)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_densenet_needs_what_its_largest_layer_holds() {
        // features.transition1.conv: [256, 56, 56] to [128, 56, 56]
        let densenet = Architecture::preset("densenet121", 1, 18).unwrap();
        assert_eq!(largest_layer(&densenet, 1, [224, 224]), (256 + 128) * 56 * 56);
        assert_eq!(largest_layer(&densenet, 8, [224, 224]), 8 * largest_layer(&densenet, 1, [224, 224]));
    }

    #[test]
    fn the_built_in_model_has_a_footprint_that_grows_with_the_batch() {
        let bundle = Bundle::embedded().unwrap();
        let (one, eight) = (Footprint::of(&bundle, 1), Footprint::of(&bundle, 8));
        assert_eq!(one.weights, 2 * bundle.weights().len() as u64, "the modules' and the plans'");
        assert_eq!(eight.activations, 8 * one.activations);
        assert!(one.activations > 0 && one.total() < 256 << 20, "{one:?}");
        assert_eq!(Footprint::of(&bundle, 0), one);
        assert_eq!(Footprint::of(&bundle, usize::MAX), Footprint::of(&bundle, MAX_BATCH));
        let gpu = Footprint::on_gpu(&bundle, 8);
        assert_eq!(
            (gpu.weights, gpu.activations),
            (one.weights, 2 * eight.activations),
            "two batches at once"
        );
    }
}
