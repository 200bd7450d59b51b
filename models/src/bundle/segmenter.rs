//! The manifest of a segmenter: one network that outlines, with everything that is needed to use it rightly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check;
use super::classifier::{Activation, Coding, Origin};
use super::gate::Gate;
use super::maker::Maker;
use super::manifest::WeightsFile;
use super::seal::Seal;
use crate::network::Architecture;
use crate::network::architecture::Task;
use crate::preprocess::pipeline::Pipeline;

/// What `kind` says in the manifest of a segmenter.
pub const KIND: &str = "segmenter";
/// The most segments of a segmenter.
pub const MAX_SEGMENTS: usize = 32;
/// Places of a map that a self-test states, along each side.
pub const SELF_TEST_PLACES: usize = 5;
/// The code system of category and type, which DICOM and FHIR both name.
const SNOMED: &str = "http://snomed.info/sct";

/// The manifest of a segmenter's bundle, format 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterManifest {
    /// Version of the manifest's format, [`super::manifest::FORMAT`].
    pub format: u32,
    /// [`KIND`].
    pub kind: String,
    /// The bundle's name, for example `lungs`.
    pub id: String,
    /// The bundle's version.
    pub version: String,
    /// The name a person reads.
    pub title: String,
    /// What the model is for, and what it is not for.
    pub intended_use: String,
    /// What is known to go wrong.
    pub limits: Vec<String>,
    /// What it outlines.
    pub segments: Vec<SegmentLabel>,
    /// From a picture to the network's input.
    pub preprocessing: Pipeline,
    /// The network.
    pub architecture: Architecture,
    /// From the network's outputs to one logit a segment, pixel by pixel.
    pub activation: Activation,
    /// The pictures it may be used on.
    pub applies_to: Gate,
    /// The data that the thresholds were chosen on, in words.
    pub threshold_data: String,
    /// Where the model comes from.
    pub origin: Origin,
    /// Who made the model and when, where it is stated; the report says it.
    #[serde(default, skip_serializing_if = "Maker::is_empty")]
    pub maker: Maker,
    /// The file of weights.
    pub weights: WeightsFile,
    /// The checks that are run when the bundle is loaded; at least one.
    pub self_test: SegmenterSelfTest,
    /// Digests of the card and of this manifest.
    pub seal: Seal,
}

/// One thing that a segmenter outlines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentLabel {
    /// The stable name.
    pub name: String,
    /// The name a person reads.
    pub title: String,
    /// Which output of the network it is, from 0.
    pub output: usize,
    /// What kind of thing it is, in SNOMED CT (PS3.16 CID 7150), such as *Anatomical Structure*.
    pub category: Coding,
    /// What it is, in SNOMED CT (PS3.16 CID 7151 and its like), such as *Lung*.
    #[serde(rename = "type")]
    pub property: Coding,
    /// A pixel with this probability or more is inside.
    pub threshold: f64,
    /// How the threshold was chosen.
    pub threshold_source: String,
    /// A segment of fewer pixels of the picture is no segment.
    pub least_area_px: Option<u64>,
    /// A segment of a smaller area is no segment, where the picture states how large its pixels are.
    pub least_area_mm2: Option<f64>,
}

/// What the network has to say of pictures from a formula.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterSelfTest {
    /// The formula of the pictures, [`super::selftest::FORMULA`].
    pub formula: String,
    /// The pictures and what is said of each.
    pub vectors: Vec<SegmenterVector>,
    /// The largest difference that passes on the CPU, times the larger of 1 and the stated logit.
    pub tolerance_cpu: f64,
    /// The same on a GPU.
    pub tolerance_gpu: f64,
}

/// One picture of the self-test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterVector {
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// Each segment's logits, by the segment's name, at [`SELF_TEST_PLACES`] x [`SELF_TEST_PLACES`] places of its map.
    pub logits: BTreeMap<String, Vec<f64>>,
}

impl SegmentLabel {
    /// Whether an area is large enough to be one: in pixels, and in mm² where that is known.
    pub fn is_large_enough(&self, pixels: u64, area_mm2: Option<f64>) -> bool {
        let in_pixels = self.least_area_px.is_none_or(|least| pixels >= least);
        let in_mm2 = self.least_area_mm2.zip(area_mm2).is_none_or(|(least, area)| area >= least);
        pixels > 0 && in_pixels && in_mm2
    }

    fn check(&self, outputs: usize) -> Result<(), &'static str> {
        let is_code = |code: &Coding| {
            let digits = code.code.bytes().all(|byte| byte.is_ascii_digit());
            let display = code.display.trim();
            code.system == SNOMED
                && digits
                && (6..=18).contains(&code.code.len())
                && !display.is_empty()
                && display.len() <= 64
        };
        if self.output >= outputs {
            return Err("a segment's output is none of the network's");
        }
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            return Err("a segment's threshold is not above 0 and at most 1");
        }
        if !is_code(&self.category) || !is_code(&self.property) {
            return Err(
                "a segment's category or type is no code of SNOMED CT with a display of 64 bytes at most",
            );
        }
        if self.least_area_mm2.is_some_and(|least| !(least.is_finite() && least >= 0.0)) {
            return Err("a segment's least area is not usable");
        }
        Ok(())
    }
}

impl SegmenterManifest {
    /// What makes the manifest unusable, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.kind != KIND {
            return Err("it is of another kind");
        }
        self.check_network()?;
        self.check_self_test()
    }

    /// What keeps a network from being made and used as stated, if anything.
    pub(crate) fn check_network(&self) -> Result<(), &'static str> {
        check::network(&self.architecture, Task::Segmentation, &self.preprocessing, self.activation)?;
        if self.segments.is_empty() || self.segments.len() > MAX_SEGMENTS {
            return Err("it has no segment or too many");
        }
        if !check::are_names(self.segments.iter().map(|segment| segment.name.as_str())) {
            return Err("a segment's name is empty or stands twice");
        }
        self.segments.iter().try_for_each(|segment| segment.check(self.architecture.outputs()))
    }

    fn check_self_test(&self) -> Result<(), &'static str> {
        let test = &self.self_test;
        let sizes = test.vectors.iter().map(|vector| (vector.width, vector.height));
        super::selftest::check(&test.formula, [test.tolerance_cpu, test.tolerance_gpu], sizes)?;
        let places = SELF_TEST_PLACES * SELF_TEST_PLACES;
        let whole = |vector: &SegmenterVector| {
            let of = |name: &String| {
                let own = vector.logits.get(name);
                own.is_some_and(|own| own.len() == places && own.iter().all(|logit| logit.is_finite()))
            };
            vector.logits.len() == self.segments.len()
                && self.segments.iter().all(|segment| of(&segment.name))
        };
        if test.vectors.iter().all(whole) { Ok(()) } else { Err("a self-test does not state every segment") }
    }
}
