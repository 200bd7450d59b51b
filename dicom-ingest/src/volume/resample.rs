//! Slices onto a grid of another spacing, one at a time.
//!
//! Along each axis a voxel is the weighted mean of those around it, by a triangle as wide as the coarser of the two
//! spacings: linear interpolation where the grid gets finer, and no aliasing where it gets coarser. Outside the
//! slices the outermost ones hold. The sum over slices is kept in the volume itself, so that slices may come in any
//! order and each is needed once.

use super::{Grid, Volume, Wanted};
use crate::plane::{cross, dot, scaled};
use crate::refusal::{Refusal, RefusalCode};

/// Greatest number of voxels along an axis: positions are stated by files, and a slice may lie a kilometre away.
const MOST_ALONG_AN_AXIS: usize = 1 << 16;

/// Which voxels, with which weights, make one voxel of the new grid.
type Taps = Vec<(usize, f32)>;

/// A volume under way.
pub(super) struct Resampler {
    grid: Grid,
    values: Vec<f32>,
    source_size: [usize; 2],
    /// By new slice: the old slices and their weights. `None`: slices as they are.
    slices: Option<Vec<Taps>>,
    /// From an old slice to the next one, how far it is shifted against the normal: in old rows and columns.
    shift: [f64; 2],
    /// New spacing in old ones, of rows and columns.
    scale: [f64; 2],
    between: Vec<f32>,
    resized: Vec<f32>,
}

impl Resampler {
    pub(super) fn new(source: &Grid, wanted: Wanted) -> Result<Self, Refusal> {
        let [_, rows, columns] = source.size;
        let same = Self {
            grid: source.clone(),
            values: Vec::new(),
            source_size: [rows, columns],
            slices: None,
            shift: [0.0; 2],
            scale: [1.0; 2],
            between: Vec::new(),
            resized: Vec::new(),
        };
        let mut resampler = match wanted.spacing {
            None => same,
            Some(spacing) if spacing.iter().any(|mm| !mm.is_finite() || *mm <= 0.0) => {
                return Err(Refusal::new(RefusalCode::NoSpacing, "the wanted spacing is not positive"));
            }
            Some(spacing) => {
                let size =
                    [0, 1, 2].map(|axis| count(source.size[axis], source.spacing[axis], spacing[axis]));
                // what is allocated on the way follows from the new size along each axis, and one slice is half resized
                let half = rows.checked_mul(size[2]);
                if size.iter().any(|count| *count > MOST_ALONG_AN_AXIS) {
                    return Err(too_large(MOST_ALONG_AN_AXIS));
                }
                if half.is_none_or(|samples| samples > wanted.max_voxels) {
                    return Err(too_large(wanted.max_voxels));
                }
                check_voxels(size, wanted)?;
                same.onto(source, spacing, size)
            }
        };
        let voxels = check_voxels(resampler.grid.size, wanted)?;
        resampler.values = vec![0.0; voxels];
        Ok(resampler)
    }

    /// The upright grid of the wanted spacing that covers the source from its first voxel on.
    fn onto(self, source: &Grid, spacing: [f64; 3], size: [usize; 3]) -> Self {
        let normal = cross(source.column_direction, source.row_direction);
        let [_, row_mm, column_mm] = source.spacing;
        let along = |direction, mm| dot(source.slice_step, direction) / mm;
        let scale = [0, 1, 2].map(|axis| spacing[axis] / source.spacing[axis]);
        Self {
            slices: Some(
                (0..size[0]).map(|at| taps(at as f64 * scale[0], scale[0], source.size[0])).collect(),
            ),
            shift: [along(source.row_direction, row_mm), along(source.column_direction, column_mm)],
            scale: [scale[1], scale[2]],
            grid: Grid { size, spacing, slice_step: scaled(normal, spacing[0]), ..source.clone() },
            ..self
        }
    }

    /// Adds a slice of the source.
    pub(super) fn add(&mut self, slice: usize, values: &[f32]) {
        let [_, rows, columns] = self.grid.size;
        let area = rows * columns;
        let Some(slices) = self.slices.take() else {
            if let Some(place) = self.values.get_mut(slice * area..(slice + 1) * area) {
                place.copy_from_slice(values);
            }
            return;
        };
        self.resize(slice, values);
        for (new, place) in slices.iter().zip(self.values.chunks_exact_mut(area)) {
            for weight in new.iter().filter(|(old, _)| *old == slice).map(|(_, weight)| *weight) {
                for (value, add) in place.iter_mut().zip(&self.resized) {
                    *value += weight * add;
                }
            }
        }
        self.slices = Some(slices);
    }

    /// Resizes one slice in its plane: columns first, then rows.
    fn resize(&mut self, slice: usize, values: &[f32]) {
        let [old_rows, old_columns] = self.source_size;
        let [_, rows, columns] = self.grid.size;
        // A pixel of the upright grid lies that much further back in a slice that is shifted forward.
        let at =
            |axis: usize, index: usize| index as f64 * self.scale[axis] - slice as f64 * self.shift[axis];
        let column_taps: Vec<Taps> =
            (0..columns).map(|index| taps(at(1, index), self.scale[1], old_columns)).collect();
        self.between.clear();
        for row in values.chunks_exact(old_columns) {
            let mean = |taps: &Taps| taps.iter().map(|(old, weight)| row[*old] * weight).sum::<f32>();
            self.between.extend(column_taps.iter().map(mean));
        }
        self.resized.clear();
        self.resized.resize(rows * columns, 0.0);
        for (index, place) in self.resized.chunks_exact_mut(columns).enumerate() {
            for (old, weight) in taps(at(0, index), self.scale[0], old_rows) {
                let row = &self.between[old * columns..(old + 1) * columns];
                for (value, add) in place.iter_mut().zip(row) {
                    *value += weight * add;
                }
            }
        }
    }

    pub(super) fn finish(self) -> Volume {
        let Self { grid, values, .. } = self;
        Volume { grid, values }
    }
}

/// The number of voxels, where it is not too great.
fn check_voxels(size: [usize; 3], wanted: Wanted) -> Result<usize, Refusal> {
    let voxels = size.iter().try_fold(1_usize, |voxels, count| voxels.checked_mul(*count));
    voxels.filter(|voxels| *voxels <= wanted.max_voxels).ok_or_else(|| too_large(wanted.max_voxels))
}

fn too_large(most: usize) -> Refusal {
    Refusal::new(
        RefusalCode::PixelLimit,
        format!("the volume has more than {most} voxels, or so many along an axis"),
    )
}

/// Number of voxels of the wanted spacing whose centres lie within those of the source.
fn count(size: usize, spacing: f64, wanted: f64) -> usize {
    let steps = (size.saturating_sub(1) as f64 * spacing / wanted + 1e-6).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive float becomes the nearest integer, at most the greatest one"
    )]
    let steps = steps as usize;
    steps.saturating_add(1)
}

/// The voxels around `at`, in steps of the source, with weights that sum to 1.
fn taps(at: f64, scale: f64, size: usize) -> Taps {
    let width = scale.max(1.0);
    let last = size.saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both lie between the first and the last voxel; a weight is a small number"
    )]
    let (first, end) =
        ((at - width).ceil().clamp(0.0, last) as usize, (at + width).floor().clamp(0.0, last) as usize);
    let mut taps: Taps = (first..=end)
        .map(|old| {
            #[expect(clippy::cast_possible_truncation, reason = "a weight is a small number")]
            let weight = (1.0 - (old as f64 - at).abs() / width).max(0.0) as f32;
            (old, weight)
        })
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    let total: f32 = taps.iter().map(|(_, weight)| weight).sum();
    if total > 0.0 {
        for (_, weight) in &mut taps {
            *weight /= total;
        }
        return taps;
    }
    // Beyond the outermost voxel.
    vec![(if at < 0.0 { 0 } else { size.saturating_sub(1) }, 1.0)]
}
