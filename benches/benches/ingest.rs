//! How long is an image from bytes to grey values?

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]
#![expect(clippy::expect_used, reason = "a benchmark without its input cannot run")]

use chiasm_benches::phantom;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;

fn ingest(criterion: &mut Criterion) {
    let file = phantom(1);
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("header, with pre-scan and digest", |bench| {
        bench.iter(|| read_header(&file, &limits));
    });
    group.bench_function("decode, native", |bench| bench.iter(|| decode(&file, &limits)));
    let decoded = decode(&file, &limits).expect("a readable phantom");
    group.bench_function("grey values", |bench| bench.iter(|| decoded.frames[0].grey()));
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
