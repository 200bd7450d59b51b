//! How long is a picture from grey values to findings, alone and in a batch, on the CPU?

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]
#![expect(clippy::expect_used, reason = "a benchmark without its input cannot run")]

use chiasm_benches::phantom;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use models::preprocess::resize;
use models::{Bundle, Device, DeviceChoice, GreyImage, Scorer};

fn pictures(count: u64) -> Vec<GreyImage> {
    (0..count)
        .map(|seed| {
            let frame =
                decode(&phantom(seed), &Limits::default()).expect("a readable phantom").frames.remove(0);
            GreyImage::new(frame.columns, frame.rows, frame.grey()).expect("a picture")
        })
        .collect()
}

fn score(criterion: &mut Criterion) {
    let device = Device::open(DeviceChoice::Cpu).expect("the CPU");
    let scorer = Scorer::load(&Bundle::embedded().expect("the bundle"), &device).expect("the networks");
    let pictures = pictures(8);
    let mut group = criterion.benchmark_group("score");
    group.sample_size(10);
    group.bench_function("resize to the networks' side", |bench| {
        bench.iter(|| resize(&pictures[0], 112, 112));
    });
    for batch in [1, 8] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_with_input(BenchmarkId::new("findings, CPU", batch), &batch, |bench, batch| {
            bench.iter(|| scorer.score(&pictures[..*batch]).expect("scores"));
        });
    }
    group.finish();
}

criterion_group!(benches, score);
criterion_main!(benches);
