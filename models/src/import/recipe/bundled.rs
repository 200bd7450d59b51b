//! The bundle of a file of weights and a recipe.

use std::path::Path;

use super::{Recipe, RecipeLabel, RecipeSegment};
use crate::bundle::Bundle;
use crate::bundle::classifier::{
    Activation, Calibration, ClassifierLabel, ClassifierManifest, ClassifierSelfTest, KIND, NoveltyRecord,
    Origin,
};
use crate::bundle::make::{self, MakeError};
use crate::bundle::manifest::{FORMAT, WeightsFile};
use crate::bundle::seal::Seal;
use crate::bundle::segmenter::{self, SegmentLabel, SegmenterManifest, SegmenterSelfTest};
use crate::image::GreyImage;
use crate::import::{ImportError, Imported, Source, import_from, infer};
use crate::network::Architecture;
use crate::network::architecture::Task;
use crate::preprocess::pipeline::Pipeline;

/// TorchXRayVision's eighteen findings, in the order of its networks' outputs (`datasets.default_pathologies`).
const TORCHXRAYVISION_LABELS: [&str; 18] = [
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
];

/// Why weights and a recipe are no bundle.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The weights could not be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The bundle could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The network takes volumes, and a bundle holds networks of pictures.
    #[error("the weights fit, but the network takes volumes: bundles hold networks of pictures")]
    Volumes,
    /// The recipe is not one of this kind of network.
    #[error("the weights fit, but the recipe is of another kind of network: {reason}")]
    Segments {
        /// What is missing or too much.
        reason: &'static str,
    },
    /// The name of the bundle is none.
    #[error(
        "the bundle's name `{id}` is not of 1 to 64 letters, digits, `-`, `_` and `.`: state another `id`"
    )]
    Id {
        /// The name.
        id: String,
    },
}

impl RecipeError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Import(error) => error.code(),
            Self::Make(error) => error.code(),
            Self::Volumes => "ImportVolumes",
            Self::Segments { .. } => "ImportSegments",
            Self::Id { .. } => "ImportId",
        }
    }
}

/// Imports the file at `path` as the published network `preset` (or the recipe's own) and makes a bundle of it.
/// `pictures` stand for the training pictures, with what they are in words; without them the model cannot tell what is
/// unlike them.
pub fn bundle(
    path: &Path,
    preset: &str,
    recipe: &Recipe,
    pictures: Option<(&[GreyImage], &str)>,
) -> Result<(Bundle, Imported), RecipeError> {
    let source = Source::open(path)?;
    let xrv = preset == "xrv-densenet121";
    let architecture = match &recipe.architecture {
        Some(architecture) => architecture.clone(),
        None => infer(&source, if xrv { "densenet121" } else { preset })?,
    };
    let imported = import_from(&source, &architecture)?;
    if architecture.is_volumetric() {
        return Err(RecipeError::Volumes);
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if architecture.task() == Task::Segmentation {
        let manifest = outlines(recipe, preset, &stem, architecture, &imported, pictures.is_some())?;
        return Ok((make::segmenter(manifest, &imported.state)?, imported));
    }
    if !recipe.segments.is_empty() {
        return Err(RecipeError::Segments { reason: "a network that classifies has `[[labels]]`" });
    }
    let mut manifest = manifest(recipe, preset, &stem, architecture, &imported)?;
    let mut state = imported.state.clone();
    if let Some((pictures, data)) = pictures {
        make::fit_novelty(&mut manifest, &mut state, pictures, None, data)?;
    }
    Ok((make::classifier(manifest, &state)?, imported))
}

fn manifest(
    recipe: &Recipe,
    preset: &str,
    stem: &str,
    architecture: Architecture,
    imported: &Imported,
) -> Result<ClassifierManifest, RecipeError> {
    let id = named(recipe, stem)?;
    let preprocessing = recipe.preprocessing.clone().unwrap_or_else(|| match preset {
        "xrv-densenet121" => Pipeline::torchxrayvision(),
        "resnet18-28" => Pipeline::medmnist(architecture.input_channels()),
        "efficientnet-lite0" => Pipeline::efficientnet_lite(architecture.input_channels()),
        _ => Pipeline::imagenet(architecture.input_channels()),
    });
    Ok(ClassifierManifest {
        format: FORMAT,
        kind: KIND.to_owned(),
        title: or(&recipe.title, &id),
        id,
        version: or(&recipe.version, "0.0.0"),
        intended_use: or(&recipe.intended_use, USE_NOT_STATED),
        limits: recipe.limits.clone(),
        labels: labels(recipe, preset, &architecture, imported),
        preprocessing,
        activation: recipe.activation.unwrap_or(Activation::Sigmoid),
        architecture,
        applies_to: recipe.applies_to.clone(),
        novelty: NoveltyRecord::None {
            reason: "no training pictures were given when it was imported".to_owned(),
        },
        calibration_data: or(&recipe.calibration_data, "Nothing was stated of the data it was fitted on."),
        origin: origin(recipe, preset, imported),
        maker: recipe.maker.clone(),
        out_of_distribution: recipe.out_of_distribution,
        calibration_bins: recipe.calibration_bins.clone(),
        weights: WeightsFile::default(),
        self_test: ClassifierSelfTest::default(),
        seal: Seal::default(),
    })
}

/// The manifest of a network that segments. What cannot be left out: what it outlines, and how a picture comes to it, for
/// there is no usual way.
fn outlines(
    recipe: &Recipe,
    preset: &str,
    stem: &str,
    architecture: Architecture,
    imported: &Imported,
    has_pictures: bool,
) -> Result<SegmenterManifest, RecipeError> {
    let wrong = |reason| RecipeError::Segments { reason };
    if !recipe.labels.is_empty() || has_pictures {
        return Err(wrong(
            "a network that segments has `[[segments]]`, and neither `[[labels]]` nor pictures",
        ));
    }
    if recipe.segments.is_empty() {
        return Err(wrong("state what it outlines as `[[segments]]`"));
    }
    let stated = recipe.preprocessing.clone();
    let preprocessing = stated.ok_or_else(|| wrong("state its `[preprocessing]`"))?;
    let id = named(recipe, stem)?;
    let segment = |(index, own): (usize, &RecipeSegment)| SegmentLabel {
        name: own.name.clone(),
        title: own.title.clone().unwrap_or_else(|| own.name.replace('_', " ")),
        output: own.output.unwrap_or(index),
        category: own.category.clone(),
        property: own.property.clone(),
        threshold: own.threshold.unwrap_or(0.5),
        threshold_source: or(&own.threshold_source, "one half; nothing was chosen on data"),
        least_area_px: own.least_area_px,
        least_area_mm2: own.least_area_mm2,
    };
    Ok(SegmenterManifest {
        format: FORMAT,
        kind: segmenter::KIND.to_owned(),
        title: or(&recipe.title, &id),
        id,
        version: or(&recipe.version, "0.0.0"),
        intended_use: or(&recipe.intended_use, USE_NOT_STATED),
        limits: recipe.limits.clone(),
        segments: recipe.segments.iter().enumerate().map(segment).collect(),
        preprocessing,
        activation: recipe.activation.unwrap_or(Activation::Sigmoid),
        architecture,
        applies_to: recipe.applies_to.clone(),
        threshold_data: or(&recipe.calibration_data, "Nothing was stated of where the thresholds come from."),
        origin: origin(recipe, preset, imported),
        maker: recipe.maker.clone(),
        weights: WeightsFile::default(),
        self_test: SegmenterSelfTest::default(),
        seal: Seal::default(),
    })
}

const USE_NOT_STATED: &str =
    "Research software, not a medical device. What the model is for was not stated when it was imported.";

#[expect(clippy::ref_option, reason = "fields of a recipe")]
fn or(text: &Option<String>, other: &str) -> String {
    text.clone().unwrap_or_else(|| other.to_owned())
}

/// The bundle's name.
fn named(recipe: &Recipe, stem: &str) -> Result<String, RecipeError> {
    let id = recipe.id.clone().unwrap_or_else(|| stem.to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 64 || id.starts_with('.') || !id.chars().all(plain) {
        return Err(RecipeError::Id { id: id.chars().filter(|c| !c.is_control()).take(64).collect() });
    }
    Ok(id)
}

fn origin(recipe: &Recipe, preset: &str, imported: &Imported) -> Origin {
    Origin {
        training_data: or(&recipe.training_data, "Not stated."),
        licence: or(&recipe.licence, "not stated"),
        attribution: or(&recipe.attribution, "not stated"),
        training_patients: recipe.training_patients,
        command: format!("chiasm models import --arch {preset} FILE --out BUNDLE"),
        imported_sha256: Some(imported.sha256.clone()),
    }
}

fn labels(
    recipe: &Recipe,
    preset: &str,
    architecture: &Architecture,
    imported: &Imported,
) -> Vec<ClassifierLabel> {
    let outputs = architecture.outputs();
    let name = |output: usize| match preset {
        "xrv-densenet121" if outputs == TORCHXRAYVISION_LABELS.len() => {
            TORCHXRAYVISION_LABELS[output].to_owned()
        }
        _ => format!("output_{output}"),
    };
    let own = if recipe.labels.is_empty() {
        // an output with an operating point of NaN was not trained: it is no finding
        let trained = |output: &usize| {
            !imported.operating_points.as_ref().is_some_and(|points| points[*output].is_nan())
        };
        (0..outputs).filter(trained).map(|output| RecipeLabel::plain(name(output), output)).collect()
    } else {
        recipe.labels.clone()
    };
    own.into_iter()
        .enumerate()
        .map(|(index, label)| {
            let output = label.output.unwrap_or(index);
            let point = imported.operating_points.as_ref().and_then(|points| points.get(output));
            let point = point.filter(|point| !point.is_nan());
            let from_file = point.map(|point| Calibration::OperatingPoint { threshold: f64::from(*point) });
            let source = match (&label.threshold_source, from_file.is_some() && label.calibration.is_none()) {
                (Some(source), _) => source.clone(),
                (None, true) => {
                    "the operating point of the imported file, which the score's half is".to_owned()
                }
                (None, false) => "one half; nothing was chosen on data".to_owned(),
            };
            ClassifierLabel {
                title: label.title.unwrap_or_else(|| label.name.replace('_', " ")),
                name: label.name,
                output,
                codes: label.codes,
                threshold_low: label.threshold_low.unwrap_or(0.5),
                threshold_high: label.threshold_high.unwrap_or(0.5),
                threshold_source: source,
                calibration: label.calibration.or(from_file).unwrap_or(Calibration::None),
                base_rate: label.base_rate,
                performance: label.performance,
            }
        })
        .collect()
}
