//! A ramp of values, which stays one on any other grid, upright or from a tilted gantry.

use dicom_ingest::volume::Wanted;
use proptest::prelude::*;

use super::{COLUMNS, ROWS, axial, picture, plan, read};
use crate::support::file::{Encoding, Picture};

/// A value that grows evenly along each axis of the patient; linear interpolation gives it back.
fn ramp([x, y, z]: [f64; 3]) -> f64 {
    20_000.0 + 40.0 * x + 30.0 * y + 25.0 * z
}

/// Slices of a ramp; `lean` is how far each is shifted against the one below, in mm.
fn ramp_files(count: usize, lean: [f64; 2]) -> Vec<Vec<u8>> {
    let slices = (0..count).map(|index| {
        let along = index as f64;
        axial([-10.0 + along * lean[0], -20.0 + along * lean[1], along * 4.0])
    });
    let pictures = slices.enumerate().map(|(index, slice)| {
        let [x, y, z] = slice.position;
        let sample = |at: usize| {
            let (row, column) = (at / usize::from(COLUMNS), at % usize::from(COLUMNS));
            ramp([x + 1.5 * column as f64, y + 2.0 * row as f64, z]).round() as u16
        };
        Picture { samples: (0..usize::from(ROWS * COLUMNS)).map(sample).collect(), ..picture(index, &slice) }
    });
    pictures.map(|picture| picture.file(Encoding::Explicit)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// An even ramp stays itself on a grid of any spacing, upright or from a tilted gantry, away from the borders.
    #[test]
    fn a_ramp_stays_a_ramp(
        slice_mm in 1.5..9.0f64, row_mm in 0.7..5.0f64, column_mm in 0.5..4.0f64,
        lean_rows in -0.9..0.9f64, lean_columns in -0.9..0.9f64,
    ) {
        let files = ramp_files(9, [lean_columns, lean_rows]);
        let plan = plan(&files).unwrap();
        let spacing = [slice_mm, row_mm, column_mm];
        let volume = read(&files, &plan, Wanted { spacing: Some(spacing), ..Wanted::AS_IT_IS }).unwrap();
        let [slices, rows, columns] = volume.grid.size;
        let mut compared = 0;
        for slice in 0..slices {
            for row in 0..rows {
                for column in 0..columns {
                    let at = [slice as f64, row as f64, column as f64];
                    let z = at[0] * slice_mm / 4.0;
                    let inside = |index: f64, wide: f64, last: f64| index >= wide && index + wide <= last;
                    let (wide_z, wide_y, wide_x) =
                        ((slice_mm / 4.0).max(1.0), (row_mm / 2.0).max(1.0), (column_mm / 1.5).max(1.0));
                    // Every slice that has a part in the voxel must have it inside its own borders.
                    let whole = inside(z, wide_z, 8.0) && (-1..=1).all(|side| {
                        let k = z + f64::from(side) * wide_z;
                        inside((at[1] * row_mm - k * lean_rows) / 2.0, wide_y, 5.0)
                            && inside((at[2] * column_mm - k * lean_columns) / 1.5, wide_x, 4.0)
                    });
                    if whole {
                        let value = volume.values[(slice * rows + row) * columns + column];
                        let expected = ramp(volume.grid.position(at)) - 1024.0;
                        // A triangle whose width is no whole number is not quite balanced: up to a tenth of a voxel.
                        let coarse = |wide: f64, step: f64| if wide > 1.0 { 0.1 * wide * step } else { 0.0 };
                        let within = 1.0 + coarse(wide_z, 100.0) + coarse(wide_y, 60.0) + coarse(wide_x, 60.0);
                        prop_assert!((f64::from(value) - expected).abs() < within, "{value} for {expected}");
                        compared += 1;
                    }
                }
            }
        }
        // The voxel in the middle of a fine grid is inside all borders.
        prop_assert!(compared > 0 || slice_mm > 4.0 || row_mm > 2.0 || column_mm > 1.5 || lean_rows.abs() + lean_columns.abs() > 0.1);
    }
}

#[test]
fn a_tilted_gantry_is_named() {
    let plan = plan(&ramp_files(9, [0.0, 0.7])).unwrap();
    assert!((plan.tilt_degrees.unwrap() - (0.7_f64 / 4.0).atan().to_degrees()).abs() < 1e-6);
    assert_eq!(plan.grid.spacing[0], 4.0);
    assert!(plan.warnings[0].contains("tilted by 9.9 degrees"), "{:?}", plan.warnings);
}
