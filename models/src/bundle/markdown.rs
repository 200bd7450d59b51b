//! The model card of a network in Markdown: Hugging Face's head and the headings that CLAIM (Mongan et al. 2020,
//! Radiology: Artificial Intelligence 2(2)) and Mitchell et al. 2019 ask for.

use super::classifier::{CalibrationBin, ClassifierLabel, ClassifierManifest, NoveltyRecord, Origin};
use super::gate::Gate;
use super::maker::Maker;
use super::segmenter::{SegmentLabel, SegmenterManifest};
use crate::network::Architecture;
use crate::preprocess::pipeline::Pipeline;

/// A line at the end of a text.
macro_rules! put {
    ($text:expr, $($words:tt)*) => {
        $text.push_str(&format!($($words)*));
        $text.push('\n');
    };
}

/// What the manifests of all single networks say.
struct Common<'a> {
    task: &'static str,
    id: &'a str,
    version: &'a str,
    title: &'a str,
    intended_use: &'a str,
    limits: &'a [String],
    novelty: String,
    applies_to: &'a Gate,
    origin: &'a Origin,
    maker: &'a Maker,
    architecture: &'a Architecture,
    preprocessing: &'a Pipeline,
}

/// The card of a segmenter, from its manifest.
pub(super) fn segmenter_card(manifest: &SegmenterManifest) -> String {
    let common = Common {
        task: "image-segmentation",
        id: &manifest.id,
        version: &manifest.version,
        title: &manifest.title,
        intended_use: &manifest.intended_use,
        limits: &manifest.limits,
        novelty: "The model cannot tell pictures that are unlike its training pictures.".to_owned(),
        applies_to: &manifest.applies_to,
        origin: &manifest.origin,
        maker: &manifest.maker,
        architecture: &manifest.architecture,
        preprocessing: &manifest.preprocessing,
    };
    let mut text = String::new();
    head(&mut text, &common);
    uses(&mut text, &common);
    segments(&mut text, &manifest.segments);
    put!(text, "## Thresholds\n\n{}\n", line(&manifest.threshold_data));
    for segment in &manifest.segments {
        put!(
            text,
            "- {}: a pixel is inside from the probability {} on, {}.",
            line(&segment.name),
            segment.threshold,
            line(&segment.threshold_source)
        );
    }
    details(&mut text, &common);
    text
}

/// The card of a classifier, from its manifest.
pub(super) fn card(manifest: &ClassifierManifest) -> String {
    let common = Common {
        task: "image-classification",
        id: &manifest.id,
        version: &manifest.version,
        title: &manifest.title,
        intended_use: &manifest.intended_use,
        limits: &manifest.limits,
        novelty: novelty(&manifest.novelty),
        applies_to: &manifest.applies_to,
        origin: &manifest.origin,
        maker: &manifest.maker,
        architecture: &manifest.architecture,
        preprocessing: &manifest.preprocessing,
    };
    let mut text = String::new();
    head(&mut text, &common);
    uses(&mut text, &common);
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
    bins(&mut text, &manifest.calibration_bins);
    details(&mut text, &common);
    text
}

fn head(text: &mut String, manifest: &Common<'_>) {
    // Hugging Face reads YAML between the rules; JSON strings are YAML strings
    let quoted = |text: &str| serde_json::to_string(&line(text)).unwrap_or_default();
    put!(
        text,
        "---\nlibrary_name: burn\npipeline_tag: {}\nlicense_name: {}\ntags:\n- medical\n- radiology\n---\n",
        manifest.task,
        quoted(&manifest.origin.licence)
    );
    put!(
        text,
        "# {}\n\n`{}` version {}. Research software, not a medical device.\n",
        line(manifest.title),
        line(manifest.id),
        line(manifest.version)
    );
}

fn uses(text: &mut String, manifest: &Common<'_>) {
    put!(text, "## Intended use\n\n{}\n", line(manifest.intended_use));
    put!(text, "## Applies to\n\n{}", gate(manifest.applies_to));
    put!(text, "## Limits\n");
    for limit in manifest.limits {
        put!(text, "- {}", line(limit));
    }
    put!(text, "- {}\n", manifest.novelty);
}

fn novelty(record: &NoveltyRecord) -> String {
    match record {
        NoveltyRecord::None { reason } => {
            format!("The model cannot tell pictures that are unlike its training pictures: {}.", line(reason))
        }
        NoveltyRecord::Features { threshold, quantile, data } => format!(
            "A picture is called unlike the training pictures where the Mahalanobis distance of its features, per feature, is above {threshold}, the {:.1} % quantile of left-out pictures ({}).",
            100.0 * quantile,
            line(data)
        ),
    }
}

fn segments(text: &mut String, segments: &[SegmentLabel]) {
    text.push_str("## Segments\n\nMasks in the pixels of the picture: the probability goes back into them bilinearly, and is compared with the threshold there.\n\n| segment | category | type | least area |\n|---|---|---|---|\n");
    for segment in segments {
        let least = [
            segment.least_area_px.map(|least| format!("{least} px")),
            segment.least_area_mm2.map(|least| format!("{least} mm2 where the picture states its spacing")),
        ];
        let least: Vec<String> = least.into_iter().flatten().collect();
        put!(
            text,
            "| {} | {} {} | {} {} | {} |",
            line(&segment.title),
            line(&segment.category.code),
            line(&segment.category.display),
            line(&segment.property.code),
            line(&segment.property.display),
            if least.is_empty() { "none".to_owned() } else { least.join(", ") }
        );
    }
    text.push('\n');
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

fn bins(text: &mut String, bins: &[CalibrationBin]) {
    if bins.is_empty() {
        return;
    }
    text.push_str("\n| probability, mean of the bin | observed | values |\n|---|---|---|\n");
    for bin in bins {
        put!(text, "| {:.3} | {:.3} | {} |", bin.predicted, bin.observed, bin.values);
    }
}

fn details(text: &mut String, manifest: &Common<'_>) {
    let origin = manifest.origin;
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
        json(serde_json::to_string(manifest.architecture)),
        json(serde_json::to_string(manifest.preprocessing))
    );
    let imported = origin
        .imported_sha256
        .as_ref()
        .map_or(String::new(), |sha256| format!(" The imported file of weights has SHA-256 `{sha256}`."));
    put!(text, "## Made by\n\n`{}`.{imported}", line(&origin.command));
    let maker = [
        ("Manufacturer", &manifest.maker.manufacturer),
        ("Day", &manifest.maker.created),
        ("More", &manifest.maker.url),
    ];
    let stated: Vec<String> = maker
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name}: {}.", line(text.as_ref()?))))
        .collect();
    if !stated.is_empty() {
        put!(text, "\n{}", stated.join(" "));
    }
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
