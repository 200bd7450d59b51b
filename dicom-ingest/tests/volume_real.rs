//! Volumes of real series, compared with what pydicom, numpy and scipy make of them (`reference/make_volumes.py`).

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may stop where it fails")]

mod support;

use std::fs;

use dicom_ingest::decode::each_frame;
use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::volume::{Plan, Volume, Wanted};
use sha2::{Digest, Sha256};
use support::data;

fn plan(files: &[Vec<u8>]) -> Result<Plan, Refusal> {
    let headers: Vec<Instance> =
        files.iter().map(|bytes| read_header(bytes, &Limits::default())).collect::<Result<_, _>>()?;
    Plan::new(&headers.iter().collect::<Vec<_>>())
}

fn read(files: &[Vec<u8>], plan: &Plan, wanted: Wanted) -> Volume {
    let frames =
        Volume::read(plan, wanted, &|instance, take| each_frame(&files[instance], &Limits::default(), take));
    frames.unwrap()
}

/// The DICOM files of a folder of the shared data.
fn real(series: &str) -> Option<Vec<Vec<u8>>> {
    let (dataset, folder) = series.split_once('/').unwrap();
    let mut paths: Vec<_> = fs::read_dir(data::folder(dataset)?.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    // Whatever order the files come in.
    paths.sort_by_key(|path| Sha256::digest(path.to_string_lossy().as_bytes()).to_vec());
    Some(paths.iter().map(|path| fs::read(path).unwrap()).collect())
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn real_series_equal_what_pydicom_numpy_and_scipy_make_of_them() {
    for row in data::rows(include_str!("reference/volumes.csv")) {
        let Some(files) = real(row[0]) else { return };
        let plan = plan(&files).unwrap();
        assert_eq!(plan.grid.size.map(|size| size.to_string()), [row[1], row[2], row[3]], "{}", row[0]);
        let near = |ours: &[f64], theirs: &str, within: f64| {
            let theirs = numbers(theirs);
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() <= within, "{}: {ours} for {theirs}", row[0]);
            }
        };
        near(&plan.grid.spacing, row[4], 1e-6);
        near(&plan.grid.origin, row[5], 1e-9);
        let volume = read(&files, &plan, Wanted::AS_IT_IS);
        let bytes: Vec<u8> = volume.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let digest =
            Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(digest, row[6], "{}", row[0]);
        let most = volume.values.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        for (spacing, size, values) in [(row[7], row[8], row[9]), (row[10], row[11], row[12])] {
            let spacing = <[f64; 3]>::try_from(numbers(spacing)).unwrap();
            let volume = read(&files, &plan, Wanted { spacing: Some(spacing), ..Wanted::AS_IT_IS });
            near(&volume.grid.size.map(|size| size as f64), size, 0.0);
            let places = (0..100_u64).map(|index| {
                let at = index * 2_654_435_761 % (1 << 32) % volume.values.len() as u64;
                f64::from(volume.values[at as usize])
            });
            near(&places.collect::<Vec<_>>(), values, f64::from(most) * 2e-5);
        }
    }
}

/// A topogram is no volume, and a series of three b-values is not one either.
#[test]
fn real_series_that_are_no_volumes_are_refused() {
    for (series, what) in [
        ("ct-chest/scout", "a volume needs two slices, the series has 0"),
        ("mr-prostate/DYNDIST-", "57 slices lie at 19 places"),
    ] {
        let Some(files) = real(series) else { return };
        let refusal = plan(&files).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::IncompleteSeries, "{series}");
        assert!(refusal.message.contains(what), "{}", refusal.message);
    }
}
