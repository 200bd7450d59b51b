//! How long is a record from bytes to features at t0, by its number of resources?

use chiasm_benches::data;
use chiasm_benches::record::record;
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use fusion::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) fn all(criterion: &mut Criterion) {
    let t0: Timestamp = "2024-05-06T07:08:09Z".parse().expect("a time");
    let mut group = crate::group(criterion, "features");
    for resources in sized(vec![100, 1_000, 10_000], vec![100]) {
        let bytes = record(resources);
        let read = Record::from_json(&bytes).expect("a record");
        assert!(fusion::features(&read, t0, &TimeZone::UTC).present().next().is_some(), "nothing is known");
        group.throughput(Throughput::Elements(resources as u64));
        group.bench_with_input(BenchmarkId::new("bytes to record", resources), &bytes, |bench, bytes| {
            bench.iter(|| Record::from_json(bytes).expect("a record"));
        });
        group.bench_with_input(BenchmarkId::new("record to features", resources), &read, |bench, read| {
            bench.iter(|| fusion::features(read, t0, &TimeZone::UTC));
        });
    }
    let real = data::folder("synthea").map(|folder| data::files(&folder, ".json", usize::MAX));
    let real = real.into_iter().flatten().filter(|(_, bytes)| Record::from_json(bytes).is_ok());
    if let Some((_, bytes)) = real.max_by_key(|(_, bytes)| bytes.len()) {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("real", "Synthea, the largest"), &bytes, |bench, bytes| {
            bench.iter(|| {
                let read = Record::from_json(bytes).expect("a record that was read before");
                fusion::features(&read, now, &TimeZone::UTC)
            });
        });
    }
    group.finish();
}
