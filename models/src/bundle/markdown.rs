//! The model card of a classifier in Markdown: Hugging Face's head and the headings that CLAIM (Mongan et al. 2020,
//! Radiology: Artificial Intelligence 2(2)) and Mitchell et al. 2019 ask for.

use super::classifier::{ClassifierLabel, ClassifierManifest, NoveltyRecord};
use super::gate::Gate;

/// A line at the end of a text.
macro_rules! put {
    ($text:expr, $($words:tt)*) => {
        $text.push_str(&format!($($words)*));
        $text.push('\n');
    };
}

/// The card of a classifier, from its manifest.
pub(super) fn card(manifest: &ClassifierManifest) -> String {
    let mut text = String::new();
    head(&mut text, manifest);
    uses(&mut text, manifest);
    findings(&mut text, &manifest.labels);
    put!(text, "## Calibration and thresholds\n\n{}\n", line(&manifest.calibration_data));
    for label in &manifest.labels {
        put!(
            text,
            "- {}: calibration {}; thresholds {} to {}, {}.",
            line(&label.name),
            label.calibration.words(),
            label.threshold_low,
            label.threshold_high,
            line(&label.threshold_source)
        );
    }
    details(&mut text, manifest);
    text
}

fn head(text: &mut String, manifest: &ClassifierManifest) {
    // Hugging Face reads YAML between the rules; JSON strings are YAML strings
    let quoted = |text: &str| serde_json::to_string(&line(text)).unwrap_or_default();
    put!(
        text,
        "---\nlibrary_name: burn\npipeline_tag: image-classification\nlicense_name: {}\ntags:\n- medical\n- radiology\n---\n",
        quoted(&manifest.origin.licence)
    );
    put!(
        text,
        "# {}\n\n`{}` version {}. Research software, not a medical device.\n",
        line(&manifest.title),
        line(&manifest.id),
        line(&manifest.version)
    );
}

fn uses(text: &mut String, manifest: &ClassifierManifest) {
    put!(text, "## Intended use\n\n{}\n", line(&manifest.intended_use));
    put!(text, "## Applies to\n\n{}", gate(&manifest.applies_to));
    put!(text, "## Limits\n");
    for limit in &manifest.limits {
        put!(text, "- {}", line(limit));
    }
    let novelty = match &manifest.novelty {
        NoveltyRecord::None { reason } => {
            format!("The model cannot tell pictures that are unlike its training pictures: {}.", line(reason))
        }
        NoveltyRecord::Features { threshold, quantile, data } => format!(
            "A picture is called unlike the training pictures where the Mahalanobis distance of its features, per feature, is above {threshold}, the {:.1} % quantile of left-out pictures ({}).",
            100.0 * quantile,
            line(data)
        ),
    };
    put!(text, "- {novelty}\n");
}

fn findings(text: &mut String, labels: &[ClassifierLabel]) {
    text.push_str("## Findings and performance\n\n| finding | codes | AUROC (95 % interval) | patients, with it | base rate |\n|---|---|---|---|---|\n");
    for label in labels {
        let codes: Vec<String> =
            label.codes.iter().map(|code| format!("{} {}", line(&code.code), line(&code.display))).collect();
        let performance = label.performance.as_ref().map_or_else(
            || "not measured here | -".to_owned(),
            |own| {
                format!(
                    "{:.3} ({:.3} to {:.3}) | {}, {}",
                    own.auroc, own.low, own.high, own.patients, own.positives
                )
            },
        );
        let base = label.base_rate.map_or_else(|| "not stated".to_owned(), |rate| format!("{rate:.3}"));
        put!(
            text,
            "| {} | {} | {performance} | {base} |",
            line(&label.title),
            if codes.is_empty() { "none".to_owned() } else { codes.join("; ") }
        );
    }
    text.push('\n');
}

fn details(text: &mut String, manifest: &ClassifierManifest) {
    let origin = &manifest.origin;
    let patients =
        origin.training_patients.map_or_else(|| "not stated".to_owned(), |patients| patients.to_string());
    put!(
        text,
        "\n## Training data\n\n{}\n\nPatients: {patients}. Licence: {}. Attribution: {}.\n",
        line(&origin.training_data),
        line(&origin.licence),
        line(&origin.attribution)
    );
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    put!(
        text,
        "## Network and preprocessing\n\n{} weights.\n\n```json\n{}\n{}\n```\n",
        manifest.architecture.weights(),
        json(serde_json::to_string(&manifest.architecture)),
        json(serde_json::to_string(&manifest.preprocessing))
    );
    let imported = origin
        .imported_sha256
        .as_ref()
        .map_or(String::new(), |sha256| format!(" The imported file of weights has SHA-256 `{sha256}`."));
    put!(text, "## Made by\n\n`{}`.{imported}", line(&origin.command));
}

fn gate(gate: &Gate) -> String {
    let list = |values: &[String], none: &str| {
        if values.is_empty() { none.to_owned() } else { line(&values.join(", ")) }
    };
    let range = |low: Option<f64>, high: Option<f64>, unit: &str| match (low, high) {
        (None, None) => "any".to_owned(),
        (low, high) => {
            let bound =
                |value: Option<f64>| value.map_or_else(|| "any".to_owned(), |value| value.to_string());
            format!("{} to {} {unit}", bound(low), bound(high))
        }
    };
    format!(
        "- Modality: {}\n- SOP class: {}\n- Body part: {}\n- View: {}\n- Age: {}\n- Pixel spacing: {}\n",
        list(&gate.modalities, "none stated, so that it is used on none"),
        list(&gate.sop_classes, "none stated, so that it is used on none"),
        list(&gate.body_parts, "any"),
        list(&gate.views, "any"),
        range(gate.age_min_years, gate.age_max_years, "years"),
        range(gate.pixel_spacing_min_mm, gate.pixel_spacing_max_mm, "mm"),
    )
}

/// Text on one line that starts no table cell and no heading of its own.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
