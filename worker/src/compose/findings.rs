//! Findings and image model of a report, from the stored model output and the bundle's manifest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use models::{Bundle, Label, Manifest};

use crate::outcome::Present;
use crate::pipeline::output::{FindingScore, ModelOutput};
use crate::report::document as doc;

const SNOMED: &str = "http://snomed.info/sct";
const RADLEX: &str = "http://www.radlex.org";

/// Every label of the manifest as a finding: assessed where the output holds it.
pub(super) fn findings(output: &ModelOutput, manifest: &Manifest) -> Vec<doc::Finding> {
    manifest
        .labels
        .iter()
        .map(|label| {
            let score = output.findings.iter().find(|score| score.label == label.name);
            finding(score, label, manifest)
        })
        .collect()
}

fn finding(score: Option<&FindingScore>, label: &Label, manifest: &Manifest) -> doc::Finding {
    let snomed = doc::Coding {
        system: SNOMED.into(),
        code: label.snomed.code.clone(),
        display: label.snomed.display.clone(),
    };
    let radlex = label.radlex.as_ref().map(|radlex| doc::Coding {
        system: RADLEX.into(),
        code: radlex.code.clone(),
        display: radlex.display.clone(),
    });
    let assessment = score.map_or_else(
        || doc::Assessment::NotAssessed { reason: "the model gave no score".into() },
        |score| doc::Assessment::Assessed {
            probability: score.probability,
            presence: presence(score.present),
        },
    );
    doc::Finding {
        label: label.name.clone(),
        title: label.title.clone(),
        codings: std::iter::once(snomed).chain(radlex).collect(),
        model: manifest.id.clone(),
        assessment,
        thresholds: doc::Thresholds { absent_below: label.threshold_low, present_from: label.threshold_high },
        performance: Some(doc::Performance {
            auroc: label.auroc,
            low: label.auroc_low,
            high: label.auroc_high,
            cases: u32::try_from(manifest.training.validation_patients).unwrap_or(u32::MAX),
            positives: u32::try_from(label.validation_cases).unwrap_or(u32::MAX),
        }),
        base_rate: Some(label.base_rate),
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
    let manifest = bundle.manifest();
    let applies = &manifest.applies_to;
    doc::Model {
        id: bundle.id().to_owned(),
        version: bundle.version().to_owned(),
        title: manifest.title.clone(),
        kind: doc::ModelKind::Image,
        digest: bundle.digest().to_owned(),
        manufacturer: "The Chiasm project".into(),
        created: None,
        card_markdown: bundle.card().to_owned(),
        training_data: manifest.training.data.clone(),
        calibration:
            "Platt scaling per finding, fitted on patients that the scoring network was not trained on".into(),
        calibration_points: Vec::new(),
        applicability: format!(
            "{} of the chest, views {}, of humans from {:.0} years on; ages seen in training: {:.0} to {:.0} years",
            applies.modalities.join(" and "),
            applies.views.join(" and "),
            applies.age_min_years,
            applies.age_seen_min_years,
            applies.age_seen_max_years,
        ),
        limits: vec![manifest.intended_use.clone()],
    }
}

/// The picture for the page, from the stored output.
pub(super) fn picture(output: &ModelOutput, manifest: &Manifest) -> Option<doc::Picture> {
    let title = manifest.label(&output.picture.saliency_label).map(|label| label.title.clone());
    let saliency = STANDARD.decode(&output.picture.saliency_base64).ok().zip(title).map(|(png, finding)| {
        doc::Saliency { finding, method: "class activation map, mean of the networks".into(), png }
    });
    Some(doc::Picture {
        sop_instance_uid: output.sop_instance_uid.clone(),
        png: STANDARD.decode(&output.picture.png_base64).ok()?,
        width: output.picture.width,
        height: output.picture.height,
        saliency,
    })
}
