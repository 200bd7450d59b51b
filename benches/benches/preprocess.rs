//! How long is a decoded radiograph from stored values to what a network is given?

use chiasm_benches::drawn::radiograph;
use chiasm_benches::picture::EXPLICIT;
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use models::preprocess::pipeline::Pipeline;
use models::{Bundle, GreyImage};

pub(crate) fn all(criterion: &mut Criterion) {
    let file = radiograph(sized(2048, 512), 1).file(EXPLICIT);
    let frame = decode(&file, &Limits::default()).expect("a sound file").frames.remove(0);
    let picture = GreyImage::new(frame.columns, frame.rows, frame.grey()).expect("a picture");
    let bundle = Bundle::embedded().expect("the bundle");
    let mut group = crate::group(criterion, "preprocess");
    group.throughput(Throughput::Elements((frame.rows * frame.columns) as u64));
    group.bench_function("stored values to grey", |bench| bench.iter(|| frame.grey()));
    group.bench_function("grey to the built-in bundle's picture", |bench| {
        bench.iter(|| bundle.prepare(&picture));
    });
    for (name, pipeline) in
        [("ImageNet", Pipeline::imagenet(3)), ("TorchXRayVision", Pipeline::torchxrayvision())]
    {
        group.bench_with_input(BenchmarkId::new("pipeline", name), &pipeline, |bench, pipeline| {
            bench.iter(|| pipeline.apply(&picture));
        });
    }
    group.finish();
}
