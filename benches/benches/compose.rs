//! How long is what was learned about a study on its way to a report: composing it, and each of its renderings?

use criterion::Criterion;
use worker::compose::{self, Parts};
use worker::report::{fhir, html, overlay, pdf, sr};

use crate::study::Analysed;

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Analysed { stages, job, evidence, .. } = &Analysed::new(&runtime);
    let reading = stages.readings.built_in();
    let parts = Parts {
        job,
        config: &stages.config,
        pipeline: &reading.pipeline,
        bundle: &reading.bundle,
        late_fusion: stages.late_fusion.as_ref(),
        evidence,
        ending: None,
    };
    let report = compose::report(&parts);
    let page = html::page(&report);
    assert!(fhir::bundle(&report, &page).is_ok() && sr::document(&report).is_some(), "all renderings");
    let mut group = crate::group(criterion, "compose");
    group.bench_function("report", |bench| bench.iter(|| compose::report(&parts)));
    group.bench_function("HTML page", |bench| bench.iter(|| html::page(&report)));
    group.bench_function("PDF", |bench| bench.iter(|| pdf::document(&report, &page)));
    group.bench_function("FHIR bundle", |bench| bench.iter(|| fhir::bundle(&report, &page)));
    group.bench_function("DICOM SR", |bench| bench.iter(|| sr::document(&report)));
    group.bench_function("DICOM overlay", |bench| bench.iter(|| overlay::document(&report)));
    group.finish();
}
