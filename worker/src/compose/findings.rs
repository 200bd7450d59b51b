//! Findings and image model of a report, from the stored model output and what the bundle says of itself.

use base64_simd::STANDARD;
use dicom_ingest::study::Study;
use models::{Bundle, Label, ModelCard, SegmentLabel};

use crate::outcome::Present;
use crate::pipeline::output::{FindingScore, ModelOutput, SegmentOutput};
use crate::report::document as doc;

/// Why nothing is said of a picture that is unlike the training pictures.
const OUTSIDE: &str = "the picture is unlike those that the model was trained on";

/// Every label of the model as a finding: assessed where the output holds it, and where the picture is one that the model
/// knows.
pub(super) fn findings(output: &ModelOutput, model: &ModelCard) -> Vec<doc::Finding> {
    model
        .labels
        .iter()
        .map(|label| {
            let score = output.findings.iter().find(|score| score.label == label.name);
            match score {
                _ if output.is_withheld(model) => not_assessed(OUTSIDE, label, model),
                Some(score) => finding(score, label, model),
                None => not_assessed("the model gave no score", label, model),
            }
        })
        .collect()
}

fn finding(score: &FindingScore, label: &Label, model: &ModelCard) -> doc::Finding {
    let assessment =
        doc::Assessment::Assessed { probability: score.probability, presence: presence(score.present) };
    said(assessment, label, model)
}

fn not_assessed(reason: &str, label: &Label, model: &ModelCard) -> doc::Finding {
    said(doc::Assessment::NotAssessed { reason: reason.into() }, label, model)
}

/// Everything that the model outlines; what it outlined nothing of is there too.
pub(super) fn segments(output: &ModelOutput, model: &ModelCard) -> Vec<doc::Segment> {
    let one = |label: &SegmentLabel| {
        let own = output.segments.iter().find(|own| own.label == label.name)?;
        let SegmentOutput { mask, area_mm2, probability, .. } = own.clone();
        Some(doc::Segment {
            label: label.name.clone(),
            title: label.title.clone(),
            category: coding(&label.category),
            property: coding(&label.property),
            model: model.id.clone(),
            mask,
            area_mm2,
            probability,
            threshold: label.threshold,
        })
    };
    model.segments.iter().filter_map(one).collect()
}

fn coding(code: &models::Coding) -> doc::Coding {
    doc::Coding { system: code.system.clone(), code: code.code.clone(), display: code.display.clone() }
}

fn said(assessment: doc::Assessment, label: &Label, model: &ModelCard) -> doc::Finding {
    doc::Finding {
        label: label.name.clone(),
        title: label.title.clone(),
        codings: label.codes.iter().map(coding).collect(),
        model: model.id.clone(),
        assessment,
        thresholds: doc::Thresholds { absent_below: label.threshold_low, present_from: label.threshold_high },
        performance: label.performance.as_ref().map(|own| doc::Performance {
            auroc: own.auroc,
            low: own.low,
            high: own.high,
            cases: own.patients,
            positives: own.positives,
        }),
        base_rate: label.base_rate,
    }
}

fn presence(present: Present) -> doc::Presence {
    match present {
        Present::Present => doc::Presence::Present,
        Present::Indeterminate => doc::Presence::Indeterminate,
        Present::Absent => doc::Presence::Absent,
    }
}

/// The image model as the report names it.
pub(super) fn model(bundle: &Bundle) -> doc::Model {
    let card = bundle.model_card();
    doc::Model {
        id: bundle.id().to_owned(),
        version: bundle.version().to_owned(),
        title: card.title.clone(),
        kind: doc::ModelKind::Image,
        digest: bundle.digest().to_owned(),
        manufacturer: card.maker.manufacturer.clone(),
        url: card.maker.url.clone(),
        created: card.maker.created.clone(),
        card_markdown: bundle.card().to_owned(),
        training_data: card.training_data.clone(),
        calibration: card.calibration.clone(),
        calibration_points: card.calibration_bins.iter().map(calibration_point).collect(),
        applicability: applicability(card),
        limits: std::iter::once(card.intended_use.clone()).chain(card.limits.clone()).collect(),
    }
}

fn calibration_point(bin: &models::CalibrationBin) -> doc::CalibrationPoint {
    doc::CalibrationPoint { predicted: bin.predicted, observed: bin.observed, cases: bin.values }
}

/// The pictures that the model may be used on, in words.
fn applicability(card: &ModelCard) -> String {
    let rule = &card.applies_to;
    let mut text = rule.modalities.join(" and ");
    if rule.body_parts.iter().any(|part| part == "CHEST") {
        text.push_str(" of the chest");
    } else if !rule.body_parts.is_empty() {
        text = format!("{text} of {}", rule.body_parts.join(", "));
    }
    if !rule.views.is_empty() {
        text = format!("{text}, views {}", rule.views.join(" and "));
    }
    text.push_str(", of humans");
    if let Some(least) = rule.age_min_years {
        text = format!("{text} from {least:.0} years on");
    }
    if let Some(most) = rule.age_max_years {
        text = format!("{text} up to {most:.0} years");
    }
    if let (Some(low), Some(high)) = (rule.age_seen_min_years, rule.age_seen_max_years) {
        text = format!("{text}; ages seen in training: {low:.0} to {high:.0} years");
    }
    text
}

/// The picture for the page, from the stored output.
pub(super) fn picture(
    output: &ModelOutput,
    model: &ModelCard,
    study: Option<&Study>,
) -> Option<doc::Picture> {
    let source = study.and_then(|study| {
        let mut instances = study.instances.iter().map(|file| &file.instance);
        instances.find(|one| one.sop_instance_uid.as_str() == output.sop_instance_uid)
    });
    let looked = model.label(&output.picture.saliency_label).map(|label| label.title.clone());
    let drawn = segments(output, model).into_iter().filter(|segment| !segment.is_empty());
    let drawn: Vec<String> = drawn.map(|segment| segment.title).collect();
    let title = match looked {
        Some(title) => Some((doc::Shows::WhereItLooked, title)),
        None => (!drawn.is_empty()).then(|| (doc::Shows::Outlines, drawn.join(", "))),
    };
    let png = STANDARD.decode_to_vec(&output.picture.saliency_base64).ok().filter(|png| !png.is_empty());
    let shown = png.zip(title).filter(|_| !output.is_withheld(model));
    let saliency = shown.map(|(png, (shows, finding))| doc::Saliency {
        shows,
        finding,
        method: model.saliency.clone(),
        png,
    });
    Some(doc::Picture {
        sop_instance_uid: output.sop_instance_uid.clone(),
        orientation: source.map(|one| one.patient_orientation.clone()).unwrap_or_default(),
        laterality: source.and_then(|one| one.laterality.clone()),
        is_lossy: source.is_some_and(|one| one.lossy),
        png: STANDARD.decode_to_vec(&output.picture.png_base64).ok()?,
        width: output.picture.width,
        height: output.picture.height,
        saliency,
    })
}

#[cfg(test)]
mod tests {
    use models::Outside;

    use super::*;
    use crate::pipeline::sample;

    fn output(novelty: f64) -> ModelOutput {
        let bundle = Bundle::embedded().unwrap();
        let score = |label: &Label| FindingScore {
            label: label.name.clone(),
            logit: 2.0,
            probability: 0.9,
            present: Present::Present,
        };
        let findings = bundle.model_card().labels.iter().map(score).collect();
        ModelOutput { findings, novelty: Some(novelty), ..sample::output() }
    }

    #[test]
    fn nothing_is_said_of_a_picture_that_is_out_of_distribution() {
        let bundle = Bundle::embedded().unwrap();
        let mut card = bundle.model_card().clone();
        let assessed = |output: &ModelOutput, card: &ModelCard| {
            let is = |one: &doc::Finding| matches!(one.assessment, doc::Assessment::Assessed { .. });
            findings(output, card).iter().filter(|finding| is(finding)).count()
        };
        let looked = |output: &ModelOutput, card: &ModelCard| {
            picture(output, card, None).is_some_and(|picture| picture.saliency.is_some())
        };
        assert_eq!((assessed(&output(1.0), &card), looked(&output(1.0), &card)), (14, true));
        let outside = output(1.01);
        assert_eq!((assessed(&outside, &card), looked(&outside, &card)), (0, false));
        let reason = doc::Assessment::NotAssessed { reason: OUTSIDE.into() };
        assert!(findings(&outside, &card).iter().all(|finding| finding.assessment == reason));
        assert_ne!(crate::report::Language::German.phrase(OUTSIDE), OUTSIDE);
        card.out_of_distribution = Outside::Warned;
        assert_eq!((assessed(&outside, &card), looked(&outside, &card)), (14, true));
    }

    #[test]
    fn the_image_model_is_its_maker_s_and_has_its_plot() {
        let own = model(&Bundle::embedded().unwrap());
        assert_eq!(own.manufacturer.as_deref(), Some("The Chiasm project"));
        assert_eq!(own.calibration_points.len(), 10);
    }
}
