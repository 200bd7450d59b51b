//! The plan of what an ensemble reads of an EfficientNet-Lite's first blocks.

use burn::tensor::{Device, Tensor, TensorData};

use super::check::{larger, largest};
use super::map::Shape;
use super::program::{Memory, Program};
use super::sketch::{Id, Sketch};
use super::{Mismatch, TOLERANCE, efficientnet};
use crate::network::efficientnet::STEM;
use crate::network::readout::{Places, added};
use crate::network::{Readout, ReadoutConfig, StateDict};

/// The first blocks for pictures of one size, and what each place of the maps that are read adds to each output.
#[derive(Debug)]
pub(crate) struct ReadoutPlan {
    program: Program,
    maps: Vec<Id>,
}

impl ReadoutPlan {
    /// Draws up the plan for pictures of `side` x `side`; `None` where a weight is missing or does not fit.
    fn new(config: &ReadoutConfig, state: &StateDict, side: usize) -> Option<Self> {
        if side == 0 || config.check().is_err() {
            return None;
        }
        let mut sketch = Sketch::new(state);
        let channels = config.network.input_channels;
        let picture = Shape { height: side, width: side, channels, border: STEM / 2 };
        let input = sketch.map(picture);
        let mut last = efficientnet::stem(&mut sketch, input)?;
        let mut maps = Vec::with_capacity(config.blocks.len());
        for (index, plan) in config.network.plan().into_iter().take(config.end()).enumerate() {
            let out = efficientnet::block(&mut sketch, plan, index, last)?;
            if maps.last() != Some(&last) {
                sketch.release(last);
            }
            last = out;
            if config.blocks.contains(&index) {
                maps.push(out);
            }
        }
        Some(Self { program: Program::new(picture, sketch), maps })
    }

    /// The plan of a readout that gives its numbers for `pictures`. `Ok(None)` where there is none.
    pub(crate) fn checked(
        (network, config): (&Readout, &ReadoutConfig),
        side: usize,
        places: &[Places],
        (pictures, device): (&[f32], &Device),
    ) -> Result<Option<Self>, Mismatch> {
        let Some(plan) = network.state().ok().and_then(|state| Self::new(config, &state, side)) else {
            return Ok(None);
        };
        let difference = plan.difference((network, config), side, places, (pictures, device));
        if difference <= TOLERANCE { Ok(Some(plan)) } else { Err(Mismatch { difference }) }
    }

    /// The largest difference from what the module's maps add; NaN where one could not be had.
    fn difference(
        &self,
        (network, config): (&Readout, &ReadoutConfig),
        side: usize,
        places: &[Places],
        (pictures, device): (&[f32], &Device),
    ) -> f64 {
        let Some(seen) = self.forward(places, pictures).filter(|seen| !seen.is_empty()) else {
            return f64::NAN;
        };
        let channels = config.network.input_channels;
        let own = TensorData::new(pictures.to_vec(), [seen.len(), channels, side, side]);
        let maps = network.maps(config, Tensor::<4>::from_data(own, device));
        let mut difference = 0.0;
        for (index, (map, places)) in maps.into_iter().zip(places).enumerate() {
            let stated = added(map, places.tensor(device)).try_into_data().ok();
            let Some(stated) = stated.and_then(|data| data.try_to_vec::<f32>().ok()) else { return f64::NAN };
            let found: Vec<f32> = seen.iter().filter_map(|maps| maps.get(index)).flatten().copied().collect();
            difference = larger(difference, largest(&found, &stated));
        }
        difference
    }

    /// Of each picture, of each map that is read, what each place adds to each output: `[outputs, places]`.
    pub(crate) fn forward(&self, places: &[Places], pictures: &[f32]) -> Option<Vec<Vec<Vec<f32>>>> {
        self.program.run(pictures, |memory| {
            self.maps.iter().zip(places).map(|(id, places)| places.added(&self.inner(memory, *id))).collect()
        })
    }

    /// A map's values without its border, channels last.
    fn inner(&self, memory: &Memory, id: Id) -> Vec<f32> {
        let shape = self.program.shape(id);
        let values = memory.values(id);
        let row = shape.width * shape.channels;
        (0..shape.height)
            .flat_map(|y| {
                let first = shape.at(y + shape.border, shape.border);
                values[first..first + row].iter().copied()
            })
            .collect()
    }
}
