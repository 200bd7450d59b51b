//! Reports of a model that outlines.

use models::Mask;

use super::{image_only, sample};
use crate::report::document::*;

/// What a model that outlines says: one thing found, one looked for and not found.
pub(crate) fn segmented() -> Report {
    let coding = |code: &str, display: &str| Coding {
        system: "http://snomed.info/sct".into(),
        code: code.into(),
        display: display.into(),
    };
    let segment = |label: &str, title: &str, property: Coding, inside: &dyn Fn(usize) -> bool| Segment {
        label: label.into(),
        title: title.into(),
        category: coding("123037004", "Anatomical Structure"),
        property,
        model: "lungs".into(),
        // 61 x 45: frames that do not begin with a byte
        mask: Mask::new(61, 45, (0..61 * 45).map(inside)).expect("a mask"),
        area_mm2: None,
        probability: None,
        threshold: 0.5,
    };
    let block = |index: usize| (10..20).contains(&(index % 61)) && (5..40).contains(&(index / 61));
    let mut report = image_only();
    report.findings.clear();
    report.models[0].id = "lungs".into();
    let found = segment("left_lung", "Left lung", coding("44029006", "Left lung"), &block);
    report.segments = vec![
        Segment { area_mm2: Some(350.0 * 0.143), probability: Some(0.93), ..found },
        segment("effusion", "Pleural effusion", coding("60046008", "Pleural effusion"), &|_| false),
    ];
    if let Some(saliency) = report.picture.as_mut().and_then(|picture| picture.saliency.as_mut()) {
        saliency.shows = Shows::Outlines;
        saliency.finding = "Left lung".into();
    }
    report
}

/// The same, whose outline is the nodule that the risks reckon with: a fact that no person stated.
pub(crate) fn outlined() -> Report {
    let lesion = sample().lesion.map(|lesion| Lesion {
        outlined: Some(OutlinedLesion { model: "lungs@1.2.0".into(), segment: "left_lung".into() }),
        source: Some("urn:oid:1.2.3".into()),
        count: None,
        earlier: None,
        ..lesion
    });
    Report { lesion, ..segmented() }
}
