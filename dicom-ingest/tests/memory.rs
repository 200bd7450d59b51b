//! How much memory a long series takes on its way from files to a volume. The program of this test is what is measured, too:
//! each way has a process of its own, so that nothing that ran before it is counted.
//!
//! The argument `side=512` measures slices of 512 x 512, of which the aims speak: 2 GB.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it fails"
)]

mod support;

use std::fs;
use std::process::Command;

use dicom_ingest::decode::each_frame;
use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::volume::{Plan, Volume, Wanted};
use support::file::Encoding;
use support::series::{AXIAL, slice};

const SLICES: usize = 2000;
/// Rows and columns of a slice: so many that the volume outweighs the program, and no more.
const SIDE: usize = 128;
/// Distance between slices, rows and columns, in mm.
const SPACING: [f64; 3] = [0.5, 0.7, 0.7];
/// What networks for nodules are often given.
const RESAMPLED: [f64; 3] = [1.25, 1.0, 1.0];
/// The most that a series of 512 x 512 may take where it is resampled, in bytes.
const MOST_RESAMPLED: usize = 1_500_000_000;

/// First argument of the process that is measured.
const MEASURE: &str = "measure";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, way, side] = arguments.as_slice()
        && first == MEASURE
    {
        return measure(way, side.parse().unwrap());
    }
    let side: Option<usize> =
        arguments.iter().find_map(|argument| argument.strip_prefix("side=")?.parse().ok());
    let is_name = |argument: &&String| !argument.starts_with('-') && !argument.starts_with("side=");
    let wanted = arguments.iter().find(is_name);
    for (name, test) in TESTS {
        if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            test(side.unwrap_or(SIDE));
            println!("test {name} ... ok");
        }
    }
}

/// A test by its name; it is told the side of a slice in pixels.
type Test = (&'static str, fn(usize));

const TESTS: &[Test] = &[
    ("a_series_takes_little_more_than_its_volume", a_series_takes_little_more_than_its_volume),
    ("a_resampled_series_is_never_held_as_it_is", a_resampled_series_is_never_held_as_it_is),
];

fn a_series_takes_little_more_than_its_volume(side: usize) {
    let Some(grown) = grown("as-it-is", side) else { return };
    let volume = SLICES * side * side * size_of::<f32>();
    assert!(grown > volume / 10 * 9, "{grown} bytes for a volume of {volume}: it was not measured");
    assert!(grown < volume / 10 * 13, "{grown} bytes for a volume of {volume}");
}

fn a_resampled_series_is_never_held_as_it_is(side: usize) {
    let Some(grown) = grown("resampled", side) else { return };
    let most = MOST_RESAMPLED / (512 * 512) * side * side;
    let as_it_is = SLICES * side * side * size_of::<f32>();
    assert!(most < as_it_is, "the bound means something");
    assert!(grown < most, "{grown} bytes where {most} are allowed");
}

/// By how many bytes a process grows at most that reads the series; `None` where the system does not tell.
fn grown(way: &str, side: usize) -> Option<usize> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([MEASURE, way, &side.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let grown: Option<usize> = String::from_utf8(output.stdout).unwrap().trim().parse().ok();
    match grown {
        Some(grown) => println!("{way}, {SLICES} slices of {side} x {side}: {grown} bytes"),
        None => println!("skipped: the system does not tell how large a process was"),
    }
    grown
}

/// The process that is measured: says by how much it grew.
fn measure(way: &str, side: usize) {
    let Some(before) = peak_bytes() else { return };
    let spacing = (way == "resampled").then_some(RESAMPLED);
    let volume = series_to_volume(side, Wanted { spacing, ..Wanted::AS_IT_IS });
    let Some(after) = peak_bytes() else { return };
    // Slices that lie between are means of their neighbours: the values rise by one a slice.
    let [slices, rows, columns] = volume.grid.size;
    let step = volume.grid.spacing[0] / SPACING[0];
    for (index, values) in volume.values.chunks(rows * columns).enumerate().take(slices - 1).skip(1) {
        let expected = (index as f64 * step - 1024.0) as f32;
        assert!((values[0] - expected).abs() < 0.01, "slice {index}: {} for {expected}", values[0]);
    }
    println!("{}", after - before);
}

/// The greatest resident size of this process so far, in bytes.
fn peak_bytes() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

/// Each file is there only while it is read, as where it comes from a disk.
fn series_to_volume(side: usize, wanted: Wanted) -> Volume {
    let limits = Limits::default();
    let headers: Vec<Instance> =
        (0..SLICES).map(|index| read_header(&file(index, side), &limits).unwrap()).collect();
    let plan = Plan::new(&headers.iter().collect::<Vec<_>>()).unwrap();
    let read =
        Volume::read(&plan, wanted, &|instance, take| each_frame(&file(instance, side), &limits, take));
    read.unwrap()
}

/// A slice of a CT: its values are its place, which is another than its index says.
fn file(index: usize, side: usize) -> Vec<u8> {
    let place = index * 7 % SLICES;
    let [step, row, column] = SPACING;
    let position = [0.0, 0.0, place as f64 * step];
    let samples = vec![place as u16; side * side];
    slice(index, [side as u16; 2], samples, (position, AXIAL), [row, column]).file(Encoding::Explicit)
}
