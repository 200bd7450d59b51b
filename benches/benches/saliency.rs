//! How long does it take to say where in a picture a score comes from?

use chiasm_benches::drawn::radiograph;
use criterion::Criterion;
use models::{Bundle, Device, DeviceChoice, GreyImage, Scorer};

pub(crate) fn all(criterion: &mut Criterion) {
    let bundle = Bundle::embedded().expect("the bundle");
    let device = Device::open(DeviceChoice::Cpu).expect("the CPU");
    let scorer = Scorer::load(&bundle, &device).expect("the networks");
    let drawn = radiograph(512, 1);
    let grey = drawn.samples.iter().map(|own| f32::from(*own) / 4095.0).collect();
    let picture = bundle.prepare(GreyImage::new(drawn.side, drawn.side, grey).expect("a picture"));
    let label = scorer.model_card().labels[0].name.clone();
    let mut group = crate::group(criterion, "saliency");
    group.bench_function("built-in bundle, one label", |bench| {
        bench.iter(|| scorer.saliency(&picture, &label).expect("a map"));
    });
    group.finish();
}
