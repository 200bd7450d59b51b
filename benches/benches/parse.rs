//! How long until it is known what a file is: the bounded pass alone, and with the header's facts and the file's digest?

use chiasm_benches::drawn::{CT_SIDE, radiograph, slice};
use chiasm_benches::picture::{EXPLICIT, SYNTAXES};
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::limits::Limits;
use dicom_ingest::prescan::prescan;
use dicom_ingest::read::read_header;

pub(crate) fn all(criterion: &mut Criterion) {
    let limits = Limits::default();
    let drawn = radiograph(sized(2048, 512), 1);
    let deflated = SYNTAXES.into_iter().find(|own| own.name == "deflated").expect("a transfer syntax");
    let files = [
        ("radiograph", drawn.file(EXPLICIT)),
        ("radiograph, deflated", drawn.file(deflated)),
        ("CT slice", slice(0, 135, CT_SIDE, 1).file(EXPLICIT)),
    ];
    let mut group = crate::group(criterion, "parse");
    for (name, file) in &files {
        // the scan steps over what it need not read: bytes a second would say nothing
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("pre-scan", name), file, |bench, file| {
            bench.iter(|| prescan(file, &limits).expect("a sound file").pixel_facts().is_some());
        });
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_with_input(BenchmarkId::new("header and digest", name), file, |bench, file| {
            bench.iter(|| read_header(file, &limits).expect("a sound file"));
        });
    }
    group.finish();
}
