//! Volumes: the slices of a series, in the order in which they lie in the patient.
//!
//! A [`Plan`] says from headers alone which frames become which slices and how far they lie apart; what would have to be
//! guessed is refused. [`Volume::read`] then takes decoded frames in any order, one at a time, as they are or resampled
//! to a stated spacing, so that nothing but the volume itself and the frame at hand is ever held.

mod plan;
mod resample;

pub use plan::{LeftOut, Member, Plan, Series};

use crate::frame::Frame;
use crate::plane::{Vector, scaled, sum};
use crate::refusal::{Refusal, RefusalCode};

use resample::Resampler;

/// Where the voxels of a volume lie. Index order is slice, row, column.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Number of slices, rows and columns.
    pub size: [usize; 3],
    /// Distance in mm between slices (along the normal), rows and columns.
    pub spacing: [f64; 3],
    /// Centre of the first voxel in the patient.
    pub origin: Vector,
    /// From a slice to the next one, in mm. Of a tilted gantry it is not along the normal.
    pub slice_step: Vector,
    /// From a row to the next one, of length 1.
    pub row_direction: Vector,
    /// From a column to the next one, of length 1.
    pub column_direction: Vector,
}

impl Grid {
    /// Where a voxel lies in the patient.
    pub fn position(&self, [slice, row, column]: [f64; 3]) -> Vector {
        let [_, row_mm, column_mm] = self.spacing;
        let along_slices = sum(self.origin, scaled(self.slice_step, slice));
        let along_rows = sum(along_slices, scaled(self.row_direction, row * row_mm));
        sum(along_rows, scaled(self.column_direction, column * column_mm))
    }

    /// Number of voxels; `None` beyond what this machine can address.
    pub fn voxels(&self) -> Option<usize> {
        let [slices, rows, columns] = self.size;
        slices.checked_mul(rows)?.checked_mul(columns)
    }
}

/// A volume of modality values.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Where its voxels lie.
    pub grid: Grid,
    /// Modality values, e.g. Hounsfield units of a CT, slice by slice, row by row.
    pub values: Vec<f32>,
}

/// What a volume is to look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Spacing in mm between slices, rows and columns; `None` leaves the slices as they are. Slices of a tilted gantry
    /// that are resampled are set upright.
    pub spacing: Option<[f64; 3]>,
    /// Greatest number of voxels.
    pub max_voxels: usize,
}

impl Wanted {
    /// The slices as they are, up to 2,000 of 512 x 512.
    pub const AS_IT_IS: Self = Self { spacing: None, max_voxels: 2000 * 512 * 512 };
}

/// Takes one decoded frame with its index.
pub type TakeFrame<'a> = dyn FnMut(usize, Frame) -> Result<(), Refusal> + 'a;

impl Volume {
    /// Reads a volume. `frames` is called once for each instance of the plan, with its index in the series, and hands
    /// over its frames, one after the other; it says where the bytes come from and who decodes them.
    pub fn read(
        plan: &Plan,
        wanted: Wanted,
        frames: &mut dyn FnMut(usize, &mut TakeFrame<'_>) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        let mut resampler = Resampler::new(&plan.grid, wanted)?;
        let mut seen = vec![false; plan.members.len()];
        for instance in plan.instances() {
            frames(instance, &mut |index, frame| {
                let Some(slice) = plan.slice_of(instance, index) else { return Ok(()) };
                if (frame.rows, frame.columns) != (plan.grid.size[1], plan.grid.size[2]) {
                    return Err(incomplete("a decoded slice has another size than its header said"));
                }
                match seen.get_mut(slice) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(incomplete("a slice was handed over twice")),
                }
                resampler.add(slice, &frame.modality_values());
                Ok(())
            })?;
        }
        if seen.contains(&false) {
            return Err(incomplete("a slice of the series was not handed over"));
        }
        Ok(resampler.finish())
    }
}

fn incomplete(message: &str) -> Refusal {
    Refusal::new(RefusalCode::IncompleteSeries, message)
}
