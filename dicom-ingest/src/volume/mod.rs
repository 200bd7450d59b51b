//! Volumes: the slices of a series, in the order in which they lie in the patient.
//!
//! A [`Plan`] says from headers alone which frames become which slices and how far they lie apart; what would have to be
//! guessed is refused. [`Volume::read`] then takes decoded frames in any order, one at a time, as they are or resampled
//! to a stated spacing, so that nothing but the volume itself and the frame at hand is ever held.

mod plan;
mod resample;

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

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

/// Hands over the frames of an instance, given by its index in the series, one after the other. It says where the bytes
/// come from and who decodes them, and is called from several threads.
pub type ReadFrames<'a> = dyn Fn(usize, &mut TakeFrame<'_>) -> Result<(), Refusal> + Sync + 'a;

/// A decoded slice on its way to the volume; `None` after the last one of an instance.
type Sent = Result<Option<(usize, Vec<f32>)>, Refusal>;

impl Volume {
    /// Reads a volume, several instances at a time, on as many threads as the machine has processors, or on fewer where the
    /// system gives no more. Beside the volume there are never more than three slices a thread. Slices are added in the order
    /// of the plan, so that the same series gives the same bits.
    pub fn read(plan: &Plan, wanted: Wanted, frames: &ReadFrames<'_>) -> Result<Self, Refusal> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        Self::read_on(plan, wanted, frames, (0..threads).map(|_| thread::Builder::new()))
    }

    /// [`Self::read`] on these threads, as many of them, from the first one on, as the system starts.
    fn read_on(
        plan: &Plan,
        wanted: Wanted,
        frames: &ReadFrames<'_>,
        threads: impl Iterator<Item = thread::Builder>,
    ) -> Result<Self, Refusal> {
        let mut resampler = Resampler::new(&plan.grid, wanted)?;
        let instances = plan.instances();
        // whose turn it is, is known once it is known how many they are
        let started = OnceLock::new();
        thread::scope(|scope| {
            let lanes: Vec<Receiver<Sent>> = threads
                .take(instances.len())
                .enumerate()
                .map_while(|(lane, thread)| {
                    let (sender, receiver) = sync_channel(1);
                    let (started, instances) = (&started, &instances);
                    let work = move || {
                        for instance in instances.iter().copied().skip(lane).step_by(*started.wait()) {
                            if read_instance(plan, instance, frames, &sender).is_err() {
                                return; // whoever waits for slices has the error, or gave up
                            }
                        }
                    };
                    thread.spawn_scoped(scope, work).ok().map(|_| receiver)
                })
                .collect();
            started.get_or_init(|| lanes.len().max(1));
            if lanes.is_empty() && !instances.is_empty() {
                let message = "no thread could be started to read the series";
                return Err(Refusal::new(RefusalCode::DecoderUnavailable, message));
            }
            gather(plan, &mut resampler, lanes.iter().cycle().take(instances.len()))
        })?;
        Ok(resampler.finish())
    }
}

/// Decodes the slices of one instance. A refusal is sent on, and ends the thread.
fn read_instance(
    plan: &Plan,
    instance: usize,
    frames: &ReadFrames<'_>,
    sender: &SyncSender<Sent>,
) -> Result<(), Refusal> {
    let send = |sent| sender.send(Ok(sent)).map_err(|_| incomplete("another slice was refused"));
    let read = frames(instance, &mut |index, frame| {
        let Some(slice) = plan.slice_of(instance, index) else { return Ok(()) };
        let [_, rows, columns] = plan.grid.size;
        if (frame.rows, frame.columns, frame.stored.len()) != (rows, columns, rows * columns) {
            return Err(incomplete("a decoded slice has another size than its header said"));
        }
        send(Some((slice, frame.modality_values())))
    });
    read.and_then(|()| send(None)).inspect_err(|refusal| drop(sender.send(Err(refusal.clone()))))
}

/// Takes the slices, instance by instance; each has to come once. An error ends the wait, and with it the threads.
fn gather<'a>(
    plan: &Plan,
    resampler: &mut Resampler,
    lanes: impl Iterator<Item = &'a Receiver<Sent>>,
) -> Result<(), Refusal> {
    let mut seen = vec![false; plan.members.len()];
    for lane in lanes {
        let gone = |_| incomplete("an instance could not be read to its end");
        while let Some((slice, values)) = lane.recv().map_err(gone)?? {
            match seen.get_mut(slice) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(incomplete("a slice was handed over twice")),
            }
            resampler.add(slice, &values);
        }
    }
    if seen.contains(&false) {
        return Err(incomplete("a slice of the series was not handed over"));
    }
    Ok(())
}

fn incomplete(message: &str) -> Refusal {
    Refusal::new(RefusalCode::IncompleteSeries, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::GreyTransform;
    use crate::modality_lut::ModalityLut;
    use crate::stored::StoredValues;

    /// A slice of one voxel.
    fn slice(value: usize) -> Frame {
        let transform = GreyTransform {
            modality: ModalityLut::Rescale { slope: 1.0, intercept: 0.0 },
            voi: None,
            invert: false,
            padding: None,
            possible: 0..=100,
        };
        let stored = StoredValues::new(vec![u16::try_from(value).unwrap()], false);
        Frame { rows: 1, columns: 1, stored, transform }
    }

    #[test]
    fn threads_that_the_system_does_not_start_are_done_without() {
        let plan = Plan::of_instances(Grid {
            size: [5, 1, 1],
            spacing: [1.0; 3],
            origin: [0.0; 3],
            slice_step: [0.0, 0.0, 1.0],
            row_direction: [1.0, 0.0, 0.0],
            column_direction: [0.0, 1.0, 0.0],
        });
        // some, and then one whose stack has no room in any machine
        let read = |some: usize| {
            let greedy = thread::Builder::new().stack_size(1 << 60);
            let threads = (0..some).map(|_| thread::Builder::new()).chain([greedy]);
            let frames: &ReadFrames<'_> = &|instance, take| take(0, slice(instance));
            Volume::read_on(&plan, Wanted::AS_IT_IS, frames, threads)
        };
        let values: Vec<f32> = (0..5_u8).map(f32::from).collect();
        for some in [1, 2, 4, 7] {
            assert_eq!(read(some).unwrap().values, values, "{some} threads");
        }
        assert_eq!(read(0).unwrap_err().code, RefusalCode::DecoderUnavailable);
    }
}
