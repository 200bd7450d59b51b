//! How long is a CT series from files to a volume of Hounsfield units, by its number of slices?

use chiasm_benches::data;
use chiasm_benches::drawn::{CT_SIDE, slice};
use chiasm_benches::picture::{EXPLICIT, JPEG_LOSSLESS, RLE, Syntax};
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::each_frame;
use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::volume::{Plan, Volume, Wanted};

/// Spacing that networks for nodules are often given, in mm.
const RESAMPLED: [f64; 3] = [1.25, 1.0, 1.0];

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = crate::group(criterion, "volume");
    for slices in sized(vec![135, 300, 600], vec![3]) {
        let files = series(slices, EXPLICIT);
        group.throughput(Throughput::Elements(slices as u64));
        group.bench_with_input(BenchmarkId::new("headers and plan", slices), &files, |bench, files| {
            bench.iter(|| plan(files));
        });
        group.bench_with_input(BenchmarkId::new("series to volume", slices), &files, |bench, files| {
            bench.iter(|| read(files, Wanted::AS_IT_IS));
        });
    }
    let slices = sized(135, 3);
    group.throughput(Throughput::Elements(slices as u64));
    for syntax in [RLE, JPEG_LOSSLESS] {
        let files = series(slices, syntax);
        group.bench_with_input(BenchmarkId::new("compressed series", syntax.name), &files, |bench, files| {
            bench.iter(|| read(files, Wanted::AS_IT_IS));
        });
    }
    let files = series(slices, EXPLICIT);
    let wanted = Wanted { spacing: Some(RESAMPLED), ..Wanted::AS_IT_IS };
    group.bench_with_input(
        BenchmarkId::new("resampled series", "1.25 x 1 x 1 mm"),
        &files,
        |bench, files| {
            bench.iter(|| read(files, wanted));
        },
    );
    if let Some(folder) = data::folder("ct-chest/ct") {
        let files: Vec<_> =
            data::files(&folder, ".dcm", usize::MAX).into_iter().map(|(_, bytes)| bytes).collect();
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_with_input(BenchmarkId::new("real", "chest CT"), &files, |bench, files| {
            bench.iter(|| read(files, Wanted::AS_IT_IS));
        });
    }
    group.finish();
}

fn series(slices: usize, syntax: Syntax) -> Vec<Vec<u8>> {
    (0..slices).map(|index| slice(index, slices, sized(CT_SIDE, 64), 1).file(syntax)).collect()
}

fn plan(files: &[Vec<u8>]) -> Plan {
    let limits = Limits::default();
    let headers: Vec<Instance> =
        files.iter().map(|file| read_header(file, &limits).expect("a sound file")).collect();
    Plan::new(&headers.iter().collect::<Vec<_>>()).expect("a volume")
}

/// Headers, plan and pixels.
fn read(files: &[Vec<u8>], wanted: Wanted) -> Volume {
    let frames = |instance: usize, take: &mut dicom_ingest::volume::TakeFrame<'_>| {
        each_frame(&files[instance], &Limits::default(), take)
    };
    Volume::read(&plan(files), wanted, &frames).expect("a volume")
}
