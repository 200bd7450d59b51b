//! Volumes of made series, where every value is known.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "a test may stop where it fails; the compared floats are exact"
)]

mod ramp;
#[path = "../support/mod.rs"]
mod support;

use dicom_ingest::decode::each_frame;
use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::outcome::Outcome;
use dicom_ingest::read::read_header;
use dicom_ingest::reader::InProcess;
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::series::Series;
use dicom_ingest::source::folder::discover;
use dicom_ingest::study::StudyOutcome;
use dicom_ingest::volume::{Plan, Volume, Wanted};
use proptest::prelude::*;
use support::file::{Element, Encoding, Picture, items, text};
use support::series::{self, AXIAL, decimals};

const ROWS: u16 = 6;
const COLUMNS: u16 = 5;

/// A made slice.
#[derive(Clone)]
struct Slice {
    position: [f64; 3],
    orientation: String,
    more: Vec<Element>,
    value: fn(usize) -> u16,
}

fn axial(position: [f64; 3]) -> Slice {
    Slice { position, orientation: AXIAL.into(), more: Vec::new(), value: |_| 0 }
}

fn stack(count: usize, step: f64) -> Vec<Slice> {
    (0..count).map(|index| axial([-10.0, -20.0, index as f64 * step])).collect()
}

fn file(index: usize, slice: &Slice) -> Vec<u8> {
    picture(index, slice).file(if index.is_multiple_of(2) { Encoding::Explicit } else { Encoding::Rle })
}

fn picture(index: usize, slice: &Slice) -> Picture {
    let samples = (0..usize::from(ROWS * COLUMNS)).map(slice.value).collect();
    let place = (slice.position, slice.orientation.as_str());
    let mut picture = series::slice(index, [ROWS, COLUMNS], samples, place, [2.0, 1.5]);
    // later elements take the place of earlier ones
    picture.more.extend(slice.more.clone());
    picture
}

fn files(slices: &[Slice]) -> Vec<Vec<u8>> {
    slices.iter().enumerate().map(|(index, slice)| file(index, slice)).collect()
}

fn plan(files: &[Vec<u8>]) -> Result<Plan, Refusal> {
    let headers: Vec<Instance> =
        files.iter().map(|bytes| read_header(bytes, &Limits::default())).collect::<Result<_, _>>()?;
    Plan::new(&headers.iter().collect::<Vec<_>>())
}

fn read(files: &[Vec<u8>], plan: &Plan, wanted: Wanted) -> Result<Volume, Refusal> {
    Volume::read(plan, wanted, &|instance, take| each_frame(&files[instance], &Limits::default(), take))
}

fn refused(slices: &[Slice], code: RefusalCode) -> String {
    let refusal = plan(&files(slices)).unwrap_err();
    assert_eq!(refusal.code, code, "{}", refusal.message);
    assert_eq!(refusal.code.outcome(), Outcome::RefuseSeries);
    refusal.message
}

#[test]
fn slices_lie_in_the_order_of_their_positions_and_values_are_hounsfield_units() {
    let mut slices = stack(7, 2.5);
    for (index, slice) in slices.iter_mut().enumerate() {
        // Instance numbers that say the opposite decide nothing.
        slice.more.push(text(0x20, 0x13, "IS", &(99 - index).to_string()));
        slice.more.push(text(0x18, 0x50, "DS", "5"));
        slice.more.push(text(0x18, 0x88, "DS", "5"));
        slice.value = [|_| 0, |_| 1, |_| 2, |_| 3, |_| 4, |_| 5, |at| at as u16][index];
    }
    slices.swap(0, 6);
    slices.swap(2, 3);
    let files = files(&slices);
    assert_eq!(read_header(&files[0], &Limits::default()).unwrap().unit.as_deref(), Some("HU"));
    let plan = plan(&files).unwrap();
    assert_eq!(plan.grid.size, [7, 6, 5]);
    assert_eq!(plan.grid.spacing, [2.5, 2.0, 1.5]);
    assert_eq!(plan.grid.origin, [-10.0, -20.0, 0.0]);
    assert_eq!(plan.grid.position([2.0, 1.0, 3.0]), [-5.5, -18.0, 5.0]);
    assert_eq!(plan.tilt_degrees, None);
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    assert!(plan.warnings[0].contains("states 5 mm where 2.500 mm are measured"), "{:?}", plan.warnings);
    let order: Vec<usize> = plan.members.iter().map(|member| member.instance).collect();
    assert_eq!(order, [6, 1, 3, 2, 4, 5, 0]);
    let volume = read(&files, &plan, Wanted::AS_IT_IS).unwrap();
    for (slice, values) in volume.values.chunks(30).take(6).enumerate() {
        assert!(values.iter().all(|value| *value == slice as f32 - 1024.0), "slice {slice}");
    }
    let last: Vec<f32> = (0..30).map(|at| at as f32 - 1024.0).collect();
    assert_eq!(&volume.values[180..], last);
    let small = Wanted { spacing: None, max_voxels: 209 };
    assert_eq!(read(&files, &plan, small).unwrap_err().code, RefusalCode::PixelLimit);
}

#[test]
fn gaps_copies_and_uneven_steps_are_named() {
    let mut gap = stack(9, 3.0);
    gap.drain(4..6);
    let message = refused(&gap, RefusalCode::IncompleteSeries);
    assert!(message.contains("2 slices are missing after slice 4 of 7 (1 gaps)"), "{message}");
    let mut twice = stack(5, 3.0);
    twice.push(axial([-10.0, -20.0, 6.001]));
    let message = refused(&twice, RefusalCode::IncompleteSeries);
    assert!(message.contains("6 slices lie at 5 places"), "{message}");
    let mut uneven = stack(5, 3.0);
    uneven[2].position[2] += 0.4;
    let message = refused(&uneven, RefusalCode::IncompleteSeries);
    assert!(message.contains("not evenly spaced: 3.400 mm after slice 2, 3.000 mm elsewhere"), "{message}");
    // What writers round is no gap.
    let mut rounded = stack(5, 3.0);
    rounded[2].position[2] += 0.02;
    assert_eq!(plan(&files(&rounded)).unwrap().grid.spacing[0], 3.0);
    for few in [0, 1] {
        refused(&stack(few, 3.0), RefusalCode::IncompleteSeries);
    }
}

#[test]
fn a_slice_that_cannot_be_read_makes_a_series_incomplete_where_it_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let volume = || {
        let paths = [folder.path().to_owned()];
        let found = discover(&paths, &InProcess::default(), &mut |_| {}).unwrap();
        let StudyOutcome::Ready(study) = &found.studies[0] else { panic!("{found:?}") };
        let series = Series::of(study);
        assert_eq!(series.len(), 1);
        series[0].volume.clone().unwrap().map(|plan| plan.grid.size).map_err(|refusal| refusal.code)
    };
    let files = files(&stack(5, 2.0));
    for (index, bytes) in files.iter().enumerate().take(4) {
        write(&index.to_string(), bytes);
    }
    assert_eq!(volume(), Ok([4, 6, 5]), "of a slice that never came nothing is known");
    // the last slice, cut inside its pixels
    write("4", &files[4][..files[4].len() - 3]);
    assert_eq!(volume(), Err(RefusalCode::IncompleteSeries));
    // a file of another series takes nothing away from this one
    let other = axial([0.0; 3]);
    let other = Slice { more: vec![text(0x20, 0x0E, "UI", "1.2.3.2")], ..other };
    let other = file(4, &other);
    write("4", &other[..other.len() - 3]);
    assert_eq!(volume(), Ok([4, 6, 5]));
    // one that ends before it names its series may be of any
    let series_at = other.windows(7).position(|bytes| bytes == b"1.2.3.2").unwrap();
    write("4", &other[..series_at]);
    assert_eq!(volume(), Err(RefusalCode::IncompleteSeries));
}

#[test]
fn what_is_not_one_stack_is_refused() {
    let altered = |alter: fn(&mut Slice)| {
        let mut slices = stack(4, 3.0);
        alter(&mut slices[3]);
        refused(&slices, RefusalCode::MixedSeries)
    };
    let message = altered(|slice| slice.orientation = "0\\1\\0\\0\\0\\-1".into());
    assert!(message.contains("more than one orientation"), "{message}");
    let message = altered(|slice| slice.more.push(text(0x28, 0x30, "DS", "2\\1.6")));
    assert!(message.contains("PixelSpacing"), "{message}");
    let message = altered(|slice| slice.more.push(text(0x20, 0x52, "UI", "1.2.10")));
    assert!(message.contains("frame of reference"), "{message}");
    let message = altered(|slice| slice.position[0] = 40.0);
    assert!(message.contains("on one line"), "{message}");
    let sheared: Vec<Slice> = (0..4).map(|at| axial([f64::from(at) * 9.0, 0.0, f64::from(at)])).collect();
    let message = refused(&sheared, RefusalCode::MixedSeries);
    assert!(message.contains("beside each other"), "{message}");
}

#[test]
fn geometry_that_is_absent_or_wrong_is_never_guessed() {
    for spacing in ["", "0\\0", "2", "-2\\1.5", "2\\x", "NaN\\1"] {
        let mut slices = stack(3, 3.0);
        for slice in &mut slices {
            slice.more.push(text(0x28, 0x30, "DS", spacing));
            // Neither of these is the spacing in the patient.
            slice.more.push(text(0x18, 0x1164, "DS", "2\\1.5"));
        }
        refused(&slices, RefusalCode::NoSpacing);
    }
    for orientation in ["", "1\\0\\0", "1\\0\\0\\1\\0\\0", "2\\0\\0\\0\\2\\0"] {
        let slices: Vec<Slice> = stack(3, 3.0)
            .into_iter()
            .map(|slice| Slice { orientation: orientation.into(), ..slice })
            .collect();
        refused(&slices, RefusalCode::NoGeometry);
    }
    for position in ["", "1\\2", "1\\2\\x"] {
        let mut slices = stack(3, 3.0);
        slices[1].more.push(text(0x20, 0x32, "DS", position));
        refused(&slices, RefusalCode::NoGeometry);
    }
}

#[test]
fn slices_of_two_units_are_no_volume() {
    let mut slices = stack(4, 2.0);
    slices[2].more.push(text(0x28, 0x1054, "LO", "OD"));
    assert!(refused(&slices, RefusalCode::MixedSeries).contains("more than one unit"));
}

#[test]
fn slices_a_long_way_apart_allocate_nothing() {
    // two slices of a thousand kilometres apart, resampled to a micrometre
    let files = files(&stack(2, 1e9));
    let plan = plan(&files).unwrap();
    for spacing in [[1e-3; 3], [1e-3, 2.0, 1.5], [1.0, 1e-9, 1e-9]] {
        let wanted = Wanted { spacing: Some(spacing), max_voxels: usize::MAX };
        assert_eq!(read(&files, &plan, wanted).unwrap_err().code, RefusalCode::PixelLimit, "{spacing:?}");
    }
}

#[test]
fn a_localizer_is_left_out_by_name() {
    let mut slices = stack(4, 3.0);
    slices[0].more.push(text(8, 8, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER"));
    let plan = plan(&files(&slices)).unwrap();
    assert_eq!(plan.grid.size[0], 3);
    assert_eq!((plan.left_out[0].member.instance, plan.left_out[0].reason), (0, "the image is a localizer"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Slices of any orientation, in any order of files: every one lies in the grid where its header says.
    #[test]
    fn the_grid_holds_every_slice_where_it_lies(
        turn in prop::array::uniform3(-3.0..3.0f64), origin in prop::array::uniform3(-300.0..300.0f64),
        step in 0.3..10.0f64, lean in -0.2..0.2f64,
        order in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let rotated = |vector: [f64; 3]| turn.iter().enumerate().fold(vector, |vector, (axis, angle)| {
            let (one, other) = ((axis + 1) % 3, (axis + 2) % 3);
            let mut turned = vector;
            turned[one] = vector[one] * angle.cos() - vector[other] * angle.sin();
            turned[other] = vector[one] * angle.sin() + vector[other] * angle.cos();
            turned
        });
        let (row, column, normal) = (rotated([1.0, 0.0, 0.0]), rotated([0.0, 1.0, 0.0]), rotated([0.0, 0.0, 1.0]));
        let position = |index: usize| -> [f64; 3] {
            let along = index as f64 * step;
            std::array::from_fn(|axis| origin[axis] + along * (normal[axis] + lean * column[axis]))
        };
        let slices: Vec<Slice> = order
            .iter()
            .map(|index| Slice { orientation: decimals(&[row, column].concat()), ..axial(position(*index)) })
            .collect();
        let plan = plan(&files(&slices)).unwrap();
        prop_assert!((plan.grid.spacing[0] - step).abs() < 1e-3);
        for (slice, member) in plan.members.iter().enumerate() {
            prop_assert_eq!(order[member.instance], slice);
            let place = plan.grid.position([slice as f64, 3.0, 2.0]);
            for axis in 0..3 {
                let expected = position(slice)[axis] + 6.0 * column[axis] + 3.0 * row[axis];
                prop_assert!((place[axis] - expected).abs() < 1e-3, "{} for {expected}", place[axis]);
            }
        }
    }
}

/// One enhanced instance: its frames in the wrong order, the rescale in the functional groups.
#[test]
fn frames_of_one_instance_become_slices() {
    let frames = 4_usize;
    let place = |(at, unit): (usize, &str)| {
        vec![
            items(0x20, 0x9113, vec![vec![text(0x20, 0x32, "DS", &decimals(&[0.0, 0.0, -2.0 * at as f64]))]]),
            items(
                0x28,
                0x9145,
                vec![vec![
                    text(0x28, 0x1052, "DS", &format!("{}", 100 * at)),
                    text(0x28, 0x1053, "DS", "2"),
                    text(0x28, 0x1054, "LO", unit),
                ]],
            ),
        ]
    };
    let shared = vec![
        items(0x20, 0x9116, vec![vec![text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0")]]),
        items(0x28, 0x9110, vec![vec![text(0x28, 0x30, "DS", "1\\1"), text(0x18, 0x50, "DS", "2")]]),
    ];
    let picture = |units: [&str; 4]| Picture {
        rows: 2,
        columns: 2,
        allocated: 16,
        stored: 16,
        high: 15,
        signed: false,
        photometric: "MONOCHROME2",
        frames,
        samples: (0..16).collect(),
        more: vec![
            text(8, 0x60, "CS", "CT"),
            items(0x5200, 0x9229, vec![shared.clone()]),
            items(0x5200, 0x9230, units.into_iter().enumerate().map(place).collect()),
        ],
    };
    // one frame of another unit, and one of none
    for odd in ["HU_MOD", "US"] {
        let files = vec![picture(["HU", "HU", odd, "HU"]).file(Encoding::Explicit)];
        assert_eq!(read_header(&files[0], &Limits::default()).unwrap().unit, None);
        assert_eq!(plan(&files).unwrap_err().code, RefusalCode::MixedSeries, "{odd}");
    }
    for encoding in Encoding::ALL {
        let files = vec![picture(["HU"; 4]).file(encoding)];
        assert_eq!(read_header(&files[0], &Limits::default()).unwrap().unit.as_deref(), Some("HU"));
        let plan = plan(&files).unwrap();
        assert_eq!(plan.members.iter().map(|member| member.frame).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert_eq!((plan.grid.spacing, plan.grid.origin), ([2.0, 1.0, 1.0], [0.0, 0.0, -6.0]));
        let volume = read(&files, &plan, Wanted::AS_IT_IS).unwrap();
        let expected = [324, 326, 328, 330, 216, 218, 220, 222, 108, 110, 112, 114, 0, 2, 4, 6];
        assert_eq!(volume.values, expected.map(|value: i16| f32::from(value)), "{encoding:?}");
    }
}

#[test]
fn a_reader_that_lies_is_refused() {
    let files = files(&stack(3, 3.0));
    let plan = plan(&files).unwrap();
    let limits = Limits::default();
    let none = Volume::read(&plan, Wanted::AS_IT_IS, &|_, _| Ok(()));
    let twice = Volume::read(&plan, Wanted::AS_IT_IS, &|instance, take| {
        each_frame(&files[instance], &limits, take)?;
        each_frame(&files[instance], &limits, take)
    });
    let other = Volume::read(&plan, Wanted::AS_IT_IS, &|instance, take| {
        each_frame(&files[instance], &limits, &mut |index, mut frame| {
            frame.rows += 1;
            take(index, frame)
        })
    });
    for refused in [none, twice, other] {
        assert_eq!(refused.unwrap_err().code, RefusalCode::IncompleteSeries);
    }
}
