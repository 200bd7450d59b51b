//! How long is one draw of the patient bootstrap, by rows? An evaluation of one arm is 2,000 of them.

use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use fusion::evaluation::Resampler;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = crate::group(criterion, "evaluate");
    for rows in sized(vec![10_000, 100_000, 1_000_000], vec![1_000]) {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let probabilities: Vec<f64> = (0..rows).map(|_| random.random_range(0.0..1.0)).collect();
        let labels: Vec<bool> =
            probabilities.iter().map(|own| random.random_range(0.0..1.0) < *own).collect();
        let patients: Vec<usize> = (0..rows).collect();
        let resampler = Resampler::new(&probabilities, &labels, &patients);
        let mut draws = resampler.draws(usize::MAX, 3);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("a draw and its measures", rows), |bench| {
            bench.iter(|| resampler.measure(&draws.next().expect("a draw")));
        });
    }
    group.finish();
}
