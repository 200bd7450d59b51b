//! How long is a radiograph of 2048 x 2048 from bytes to stored values, in each transfer syntax that is read?

use chiasm_benches::data;
use chiasm_benches::drawn::radiograph;
use chiasm_benches::picture::SYNTAXES;
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;

pub(crate) fn all(criterion: &mut Criterion) {
    let limits = Limits::default();
    let drawn = radiograph(sized(2048, 512), 1);
    let mut group = crate::group(criterion, "decode");
    for syntax in SYNTAXES {
        let file = drawn.file(syntax);
        let read = decode(&file, &limits).expect("a sound file");
        let stored = read.frames[0].stored.iter().copied();
        let same = stored.eq(drawn.samples.iter().copied().map(i32::from));
        assert!(same || !syntax.keeps_samples(), "{} gives other samples", syntax.name);
        group.throughput(Throughput::Bytes(drawn.samples.len() as u64 * 2));
        group.bench_with_input(BenchmarkId::new("radiograph", syntax.name), &file, |bench, file| {
            bench.iter(|| decode(file, &limits).expect("a sound file"));
        });
    }
    if let Some(folder) = data::folder("cxr-nih/studies") {
        let files = data::files(&folder, ".dcm", sized(20, 2));
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_with_input(BenchmarkId::new("real", "NIH radiographs"), &files, |bench, files| {
            bench.iter(|| files.iter().filter(|(_, bytes)| decode(bytes, &limits).is_ok()).count());
        });
    }
    group.finish();
}
