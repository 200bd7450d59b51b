//! How long are studies through the whole worker: embedded queue and ledger, readers and device in processes of their own,
//! reports in a folder? By the number of readers.

use std::time::Duration;

use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use worker::bench::ground::Ground;
use worker::bench::pipeline::Bench;
use worker::cli::DeviceArg;

pub(crate) fn all(criterion: &mut Criterion) {
    let studies = sized(8, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Some(folder.path())).expect("a ground");
    ground.studies(studies, 1).expect("studies");
    let config = ground.config(0, 1).expect("a configuration");
    let bench_of_way = Bench::open(&config, DeviceArg::Cpu).expect("the device");
    let mut group = crate::group(criterion, "end to end");
    group.throughput(Throughput::Elements(u64::from(studies)));
    let mut index = 0;
    for readers in sized(vec![1, 2], vec![1]) {
        group.bench_function(BenchmarkId::new("worker, readers", readers), |bench| {
            bench.iter_custom(|runs| {
                let run = |_| {
                    index += 1;
                    let run = bench_of_way.run(&ground, index, readers).expect("a run");
                    assert_eq!(run.ended.get("reported").copied(), usize::try_from(studies).ok());
                    Duration::from_secs_f64(run.wall_s)
                };
                (0..runs).map(run).sum()
            });
        });
    }
    group.finish();
}
