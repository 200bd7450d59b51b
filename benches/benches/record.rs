//! How long is a record from bytes to features at t0, by its number of values?

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]
#![expect(clippy::expect_used, reason = "a benchmark without its input cannot run")]

use chiasm_benches::record;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fusion::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;

fn features(criterion: &mut Criterion) {
    let t0: Timestamp = "2024-05-06T07:08:09Z".parse().expect("a time");
    let mut group = criterion.benchmark_group("record");
    for values in [100, 1_000, 10_000] {
        let bytes = record(values);
        group.throughput(Throughput::Elements(u64::from(values)));
        group.bench_with_input(BenchmarkId::new("read and features", values), &bytes, |bench, bytes| {
            bench.iter(|| fusion::features(&Record::from_json(bytes).expect("a record"), t0, &TimeZone::UTC));
        });
    }
    group.finish();
}

criterion_group!(benches, features);
criterion_main!(benches);
