//! How long are studies of one radiograph of 2048 x 2048 through the whole worker: embedded queue and ledger, readers and
//! device in processes of their own, reports in a folder? By the number of readers.

use std::time::Duration;

use chiasm_benches::enlarged::{SIDE, enlarge};
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use worker::bench::ground::Ground;
use worker::bench::pipeline::Bench;
use worker::cli::DeviceArg;

pub(crate) fn all(criterion: &mut Criterion) {
    let studies = sized(8, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Some(folder.path())).expect("a ground");
    ground.studies(studies, 1).expect("studies");
    for study in std::fs::read_dir(ground.archive()).expect("studies") {
        let file = study.expect("a study").path().join("study").join("phantom.dcm");
        enlarge(&file).expect("a phantom");
        let read = decode(&std::fs::read(&file).expect("a file"), &Limits::default()).expect("a sound file");
        assert_eq!((read.frames[0].rows, read.frames[0].columns), (SIDE, SIDE));
    }
    let config = ground.config(0, 1).expect("a configuration");
    let bench_of_way = Bench::open(&config, DeviceArg::Cpu).expect("the device");
    let mut group = crate::group(criterion, "end to end");
    group.throughput(Throughput::Elements(u64::from(studies)));
    let mut index = 0;
    for readers in sized(vec![1, 2], vec![1]) {
        group.bench_function(BenchmarkId::new("worker, 2048 x 2048, readers", readers), |bench| {
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
