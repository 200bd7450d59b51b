//! How long is what was learned about a study on its way to a report: composing it, and each of its renderings?

use criterion::Criterion;
use worker::compose::{self, Parts};
use worker::report::document::{Coding, Segment};
use worker::report::{Report, fhir, html, overlay, pdf, segmentation, sr};

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
        risk_models: &stages.risk_models,
        evidence,
        ending: None,
    };
    let report = compose::report(&parts);
    let page = html::page(&report);
    assert!(fhir::bundle(&report, &page).is_ok() && sr::document(&report).is_some(), "all renderings");
    let stored = fhir::bundle(&report, &page).expect("a bundle");
    let outlined = outlined(&report);
    assert!(fhir::in_r5(&stored).is_some() && segmentation::document(&outlined).is_some(), "and these");
    assert!(pdf::document(&report, &page).is_ok() && overlay::document(&report).is_some(), "and these");
    let mut group = crate::group(criterion, "compose");
    group.bench_function("report", |bench| bench.iter(|| compose::report(&parts)));
    group.bench_function("HTML page", |bench| bench.iter(|| html::page(&report)));
    group.bench_function("PDF", |bench| bench.iter(|| pdf::document(&report, &page)));
    group.bench_function("FHIR bundle", |bench| bench.iter(|| fhir::bundle(&report, &page)));
    group.bench_function("DICOM SR", |bench| bench.iter(|| sr::document(&report)));
    group.bench_function("DICOM overlay", |bench| bench.iter(|| overlay::document(&report)));
    group.bench_function("DICOM segmentation", |bench| bench.iter(|| segmentation::document(&outlined)));
    group.bench_function("FHIR R5 from the stored bundle", |bench| bench.iter(|| fhir::in_r5(&stored)));
    group.finish();
}

/// The report with two segments in the pixels of a radiograph of 2,000 x 2,000.
fn outlined(report: &Report) -> Report {
    const SIDE: usize = 2000;
    let coding = |code: &str, display: &str| Coding {
        system: "http://snomed.info/sct".into(),
        code: code.into(),
        display: display.into(),
    };
    let segment = |label: &str, code: &str, left: usize| {
        let inside = |pixel: usize| {
            (left..left + 600).contains(&(pixel % SIDE)) && (300..1700).contains(&(pixel / SIDE))
        };
        Segment {
            label: label.into(),
            title: label.into(),
            category: coding("123037004", "Anatomical Structure"),
            property: coding(code, label),
            model: report.models.first().map(|model| model.id.clone()).unwrap_or_default(),
            mask: models::Mask::new(SIDE, SIDE, (0..SIDE * SIDE).map(inside)).expect("a mask"),
            area_mm2: Some(17_000.0),
            probability: Some(0.93),
            threshold: 0.5,
        }
    };
    let segments = vec![segment("Left lung", "44029006", 1200), segment("Right lung", "3341006", 200)];
    Report { segments, findings: Vec::new(), ..report.clone() }
}
