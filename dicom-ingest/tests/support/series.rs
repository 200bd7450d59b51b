//! Slices of a made series of CT, each with its place in the patient.

use super::file::{Picture, text};

/// How an axial slice lies.
pub(crate) const AXIAL: &str = "1\\0\\0\\0\\1\\0";

/// The slice of this number of the series. `spacing` is the distance of its rows and of its columns in mm.
pub(crate) fn slice(
    index: usize,
    [rows, columns]: [u16; 2],
    samples: Vec<u16>,
    (position, orientation): ([f64; 3], &str),
    spacing: [f64; 2],
) -> Picture {
    Picture {
        rows,
        columns,
        allocated: 16,
        stored: 16,
        high: 15,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples,
        more: vec![
            text(8, 0x18, "UI", &format!("1.2.3.4.{}", index + 1)),
            text(8, 0x60, "CS", "CT"),
            text(0x20, 0x32, "DS", &decimals(&position)),
            text(0x20, 0x37, "DS", orientation),
            text(0x20, 0x52, "UI", "1.2.9"),
            text(0x28, 0x30, "DS", &decimals(&spacing)),
            text(0x28, 0x1052, "DS", "-1024"),
            text(0x28, 0x1053, "DS", "1"),
        ],
    }
}

/// Numbers as an element of several values holds them.
pub(crate) fn decimals(numbers: &[f64]) -> String {
    numbers.iter().map(|number| format!("{number:.6}")).collect::<Vec<_>>().join("\\")
}
