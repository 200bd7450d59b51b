//! What an ensemble reads of an EfficientNet-Lite's first blocks, on a device.

use burn::tensor::{Tensor, TensorData};

use crate::bundle::manifest::{Manifest, ReadoutPicture};
use crate::bundle::weights::WeightsError;
use crate::cpu::{Mismatch, ReadoutPlan};
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::readout::{Places, added};
use crate::network::{Readout, ReadoutConfig};

/// A readout on a device, and what computes it.
pub(super) struct Reader {
    config: ReadoutConfig,
    picture: ReadoutPicture,
    pub(super) share: f64,
    network: Readout,
    places: Vec<Places>,
    /// The same on the device.
    on_device: Vec<Tensor<3>>,
    bias: Vec<f32>,
    grid: Grid,
}

/// What is read of one picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// One a label.
    pub(super) logits: Vec<f64>,
    /// What each cell of the picture adds, `[labels, side, side]` of the [`Grid`]; their mean and the bias are the logit.
    pub(super) maps: Vec<f32>,
}

/// The cells that a map of the whole picture has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Cells on a side of the picture.
    pub(crate) side: usize,
    /// Cells on each side that the network does not see.
    margin: usize,
    /// Cells on a side of what it sees: the places of its finest map.
    seen: usize,
}

/// The grid of a readout: as fine as its finest map. `None` where a coarser map or what is cut off does not lie on it.
pub(crate) fn grid(config: &ReadoutConfig, picture: ReadoutPicture) -> Option<Grid> {
    let sides: Vec<usize> = config.maps(picture.seen()).into_iter().map(|(_, side)| side).collect();
    let seen = sides.iter().copied().max().filter(|side| *side > 0)?;
    let whole = |value: usize, of: usize| of > 0 && value.is_multiple_of(of);
    let pixels = picture.seen() / seen;
    let fits = whole(picture.seen(), seen)
        && whole(picture.margin, pixels)
        && sides.iter().all(|side| whole(seen, *side));
    let margin = picture.margin.checked_div(pixels)?;
    fits.then_some(Grid { side: seen + 2 * margin, margin, seen })
}

impl Grid {
    /// Adds what each place of a map of `side` x `side` adds, divided among the cells it covers.
    fn add(self, sums: &mut [f32], added: &[f32], side: usize) {
        let cells = self.seen / side.max(1);
        // a mean over the picture of what is added a place
        let factor = (self.side * self.side) as f32 / (cells * cells).max(1) as f32;
        for y in 0..self.seen {
            let row = &mut sums[(y + self.margin) * self.side + self.margin..][..self.seen];
            for (x, sum) in row.iter_mut().enumerate() {
                *sum += factor * added[y / cells * side + x / cells];
            }
        }
    }
}

impl Reader {
    /// The readout of a bundle, `None` where it has none.
    pub(super) fn new(
        manifest: &Manifest,
        network: Option<Readout>,
        device: &Device,
    ) -> Result<Option<Self>, WeightsError> {
        let own = manifest.architecture.readout.as_ref().zip(manifest.preprocessing.readout).zip(network);
        let Some(((own, picture), network)) = own else { return Ok(None) };
        let config = own.config.clone();
        let grid = grid(&config, picture).ok_or_else(|| WeightsError::new("its readout has no grid"))?;
        let (places, bias) =
            network.places(&config, picture.seen()).map_err(|error| WeightsError::new(error.to_string()))?;
        let on_device = places.iter().map(|places| places.tensor(device.burn())).collect();
        Ok(Some(Self { config, picture, share: own.share, network, places, on_device, bias, grid }))
    }

    /// The network's input for pictures of the readout's side, one behind the other.
    pub(super) fn inputs(&self, pictures: &[GreyImage]) -> Vec<f32> {
        pictures.iter().flat_map(|picture| self.picture.input(picture)).collect()
    }

    /// How many lists of values a batch gives.
    pub(super) fn lists(&self) -> usize {
        self.places.len()
    }

    /// Side of a map of the whole picture, in cells.
    pub(super) fn map_side(&self) -> usize {
        self.grid.side
    }

    /// What computes it on the CPU instead of the module, if it gives the module's numbers for `inputs`.
    pub(super) fn plan(&self, inputs: &[f32], device: &Device) -> Result<Option<ReadoutPlan>, Mismatch> {
        let network = (&self.network, &self.config);
        ReadoutPlan::checked(network, self.picture.seen(), &self.places, (inputs, device.burn()))
    }

    /// Asks the device: of each map that is read `[batch, labels, places]`.
    pub(super) fn ask(&self, inputs: Vec<f32>, device: &Device) -> Vec<Tensor<3>> {
        let side = self.picture.seen();
        let shape = [inputs.len() / (side * side).max(1), 1, side, side];
        let pictures = Tensor::from_data(TensorData::new(inputs, shape), device.burn());
        let maps = self.network.maps(&self.config, pictures);
        maps.into_iter().zip(&self.on_device).map(|(maps, places)| added(maps, places.clone())).collect()
    }

    /// The same by a plan: lists as they come from the device.
    pub(super) fn planned(&self, plan: &ReadoutPlan, inputs: &[f32]) -> Option<Vec<Vec<f32>>> {
        let mut lists = vec![Vec::new(); self.lists()];
        for maps in plan.forward(&self.places, inputs)? {
            lists.iter_mut().zip(maps).for_each(|(list, map)| list.extend(map));
        }
        Some(lists)
    }

    /// What the lists say of each picture.
    pub(super) fn read(&self, lists: &[Vec<f32>], pictures: usize) -> Vec<Reading> {
        (0..pictures).map(|picture| self.one(lists, picture)).collect()
    }

    fn one(&self, lists: &[Vec<f32>], picture: usize) -> Reading {
        let mut logits: Vec<f64> = self.bias.iter().map(|bias| f64::from(*bias)).collect();
        let cells = self.grid.side * self.grid.side;
        let mut maps = vec![0.0; logits.len() * cells];
        for (list, places) in lists.iter().zip(&self.places) {
            let size = places.side * places.side;
            let own = list.chunks_exact(size.max(1)).skip(picture * logits.len());
            for ((logit, map), added) in logits.iter_mut().zip(maps.chunks_exact_mut(cells)).zip(own) {
                *logit += added.iter().map(|value| f64::from(*value)).sum::<f64>();
                self.grid.add(map, added, places.side);
            }
        }
        Reading { logits, maps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::efficientnet::EfficientnetLiteConfig;

    fn config() -> ReadoutConfig {
        let network = EfficientnetLiteConfig::lite0(1, 10);
        ReadoutConfig { network, blocks: vec![6, 8, 11], cells: 3, outputs: 2 }
    }

    #[test]
    fn the_grid_lies_on_the_finest_map_and_on_what_is_cut_off() {
        let own = grid(&config(), ReadoutPicture { side: 256, margin: 16 });
        assert_eq!(own, Some(Grid { side: 16, margin: 1, seen: 14 }));
        assert_eq!(grid(&config(), ReadoutPicture { side: 256, margin: 15 }), None);
        assert_eq!(grid(&config(), ReadoutPicture { side: 30, margin: 15 }), None);
        // 216 px: maps of 14 and 7 places, whose pixels are no whole number
        assert_eq!(grid(&config(), ReadoutPicture { side: 216, margin: 0 }), None);
    }

    #[test]
    fn the_mean_of_a_map_is_what_was_added() {
        let grid = Grid { side: 16, margin: 1, seen: 14 };
        for side in [14, 7] {
            let added: Vec<f32> = (0..side * side).map(|k| (k % 11) as f32 - 4.0).collect();
            let mut sums = vec![0.0; 256];
            grid.add(&mut sums, &added, side);
            let mean = sums.iter().sum::<f32>() / 256.0;
            assert!((mean - added.iter().sum::<f32>()).abs() < 1e-2, "{side}: {mean}");
            assert!(sums[..17].iter().all(|sum| *sum == 0.0), "the network does not see the border");
            let seen = sums[17];
            assert!((seen - 256.0 * added[0] / (14 / side * (14 / side)) as f32).abs() < 1e-2, "{seen}");
        }
    }
}
