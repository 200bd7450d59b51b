//! How long is a decoded radiograph from stored values to what a network is given?

use chiasm_benches::drawn::radiograph;
use chiasm_benches::picture::EXPLICIT;
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use models::preprocess::Resizing;
use models::preprocess::pipeline::Pipeline;
use models::{Bundle, GreyImage};

/// The longer side of a report's picture, in pixels.
const PAGE_SIDE: usize = 512;

pub(crate) fn all(criterion: &mut Criterion) {
    let file = radiograph(sized(2048, 512), 1).file(EXPLICIT);
    let frame = decode(&file, &Limits::default()).expect("a sound file").frames.remove(0);
    let picture = GreyImage::new(frame.columns, frame.rows, frame.grey()).expect("a picture");
    let bundle = Bundle::embedded().expect("the bundle");
    let mut group = crate::group(criterion, "preprocess");
    group.throughput(Throughput::Elements((frame.rows * frame.columns) as u64));
    group.bench_function("stored values to grey", |bench| bench.iter(|| frame.grey()));
    group.bench_function("stored values to the built-in bundle's picture and the page's", |bench| {
        let size = (frame.columns, frame.rows);
        bench.iter(|| {
            let mut input = bundle.preparation(size.0, size.1).expect("networks that read the picture small");
            let mut page = Resizing::new(size, (PAGE_SIDE, PAGE_SIDE)).expect("sizes of pictures");
            frame.grey_rows().each(|row| {
                input.push(row);
                page.push(row);
            });
            (input.finish(), page.finish())
        });
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
