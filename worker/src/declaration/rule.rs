//! Which series of a study a pipeline reads: a rule declared in data, and what it says to a series, in words.
//!
//! Every condition that is left out asks for nothing. A condition that a series does not state is not met, unless the rule says
//! that it may be unstated: nothing is guessed.

use dicom_ingest::plane::Orientation;
use dicom_ingest::series::Series;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// The rule of a pipeline for series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeriesRule {
    /// Modality (0008,0060): one of these.
    pub modalities: Vec<String>,
    /// Body Part Examined (0018,0015), else the coded anatomic region: one of these.
    pub body_parts: Vec<String>,
    /// How all images lie, as measured from Image Orientation (Patient) (0020,0037): one of these.
    pub orientations: Vec<Orientation>,
    /// Slice Thickness (0018,0050) of every image, in mm.
    pub thickness_mm: Range,
    /// Distance between slices in mm, measured from their positions. A series that is no volume has none.
    pub step_mm: Range,
    /// Convolution Kernel (0018,1210): one of these patterns.
    pub kernels: Vec<Pattern>,
    /// Whether a contrast agent is stated.
    pub contrast: Option<bool>,
    /// Series Description (0008,103E): one of these patterns.
    pub descriptions: Vec<Pattern>,
    /// Series Description: none of these patterns.
    pub not_descriptions: Vec<Pattern>,
    /// Number of images, frames counted.
    pub images: Count,
    /// What may be unstated.
    pub may_be_unstated: Vec<Attribute>,
}

/// A closed range; an end that is left out is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Range {
    /// The least.
    pub least: Option<f64>,
    /// The most.
    pub most: Option<f64>,
}

/// A closed range of numbers of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Count {
    /// The least.
    pub least: Option<usize>,
    /// The most.
    pub most: Option<usize>,
}

/// What a series may leave unstated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Body part and anatomic region.
    BodyPart,
    /// Image Orientation (Patient).
    Orientation,
    /// Slice Thickness.
    Thickness,
    /// Positions that a distance can be measured from.
    Step,
    /// Convolution Kernel.
    Kernel,
    /// Series Description, where one of several is asked for.
    Description,
}

/// Why a series, or an image of it, is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Objection {
    /// Stable code, `NotApplicable...` (`docs/codes.md`).
    pub code: &'static str,
    /// One sentence without patient data.
    pub reason: String,
}

impl SeriesRule {
    /// Everything that the rule has against a series, in the order of its fields; empty: the series may be read.
    pub fn objections(&self, series: &Series<'_>) -> Vec<Objection> {
        let found = [
            self.modality(series),
            self.body_part(series),
            self.orientation(series),
            self.thickness(series),
            self.step(series),
            self.kernel(series),
            self.contrast(series),
            self.description(series),
            self.images(series),
        ];
        found.into_iter().flatten().collect()
    }

    fn may_lack(&self, attribute: Attribute) -> bool {
        self.may_be_unstated.contains(&attribute)
    }

    fn modality(&self, series: &Series<'_>) -> Option<Objection> {
        let wanted = Wanted { code: "NotApplicableModality", what: "modality", may_lack: false };
        wanted.one_of(&self.modalities, &series.modalities)
    }

    fn body_part(&self, series: &Series<'_>) -> Option<Objection> {
        let may_lack = self.may_lack(Attribute::BodyPart);
        Wanted { code: "NotApplicableBodyPart", what: "body part", may_lack }
            .one_of(&self.body_parts, &series.body_parts)
    }

    fn orientation(&self, series: &Series<'_>) -> Option<Objection> {
        let names = |list: &[Orientation]| -> Vec<String> {
            list.iter().map(|orientation| orientation.as_str().to_owned()).collect()
        };
        let may_lack = self.may_lack(Attribute::Orientation);
        Wanted { code: "NotApplicableOrientation", what: "orientation", may_lack }
            .one_of(&names(&self.orientations), &names(&series.orientations))
    }

    fn thickness(&self, series: &Series<'_>) -> Option<Objection> {
        let may_lack = self.may_lack(Attribute::Thickness);
        let wanted = Wanted { code: "NotApplicableThickness", what: "slice thickness", may_lack };
        wanted.within(self.thickness_mm, series.thickness_mm)
    }

    fn step(&self, series: &Series<'_>) -> Option<Objection> {
        let measured = series.step_mm().map(|mm| [mm, mm]);
        let may_lack = self.may_lack(Attribute::Step);
        let wanted =
            Wanted { code: "NotApplicableSpacing", what: "measured distance between slices", may_lack };
        match (&series.volume, self.step_mm == Range::default() || may_lack) {
            (Some(Err(refusal)), false) => {
                Some(wanted.objection(format!("its slices make no volume ({refusal})")))
            }
            _ => wanted.within(self.step_mm, measured),
        }
    }

    fn kernel(&self, series: &Series<'_>) -> Option<Objection> {
        let may_lack = self.may_lack(Attribute::Kernel);
        let wanted = Wanted { code: "NotApplicableKernel", what: "kernel", may_lack };
        if self.kernels.is_empty() {
            return None;
        }
        if series.kernels.is_empty() {
            return wanted.unstated();
        }
        let other = series.kernels.iter().find(|kernel| !any(&self.kernels, kernel))?;
        Some(wanted.objection(format!("kernel {} is none of {}", quote(other), list(&self.kernels))))
    }

    fn contrast(&self, series: &Series<'_>) -> Option<Objection> {
        let reason = match (self.contrast?, series.contrast) {
            (true, false) => "no contrast agent is stated, and the pipeline reads images with one",
            (false, true) => "a contrast agent is stated, and the pipeline reads images without one",
            (true, true) | (false, false) => return None,
        };
        Some(Objection { code: "NotApplicableContrast", reason: reason.to_owned() })
    }

    /// What people typed is not repeated in a reason: reasons go into reports and logs.
    fn description(&self, series: &Series<'_>) -> Option<Objection> {
        let may_lack = self.may_lack(Attribute::Description);
        let wanted = Wanted { code: "NotApplicableDescription", what: "series description", may_lack };
        let said = || series.descriptions.iter().map(|text| text.expose().as_str());
        let mut refused = self.not_descriptions.iter();
        if let Some(pattern) = refused.find(|pattern| said().any(|text| pattern.matches(text))) {
            return Some(wanted.objection(format!("the series description matches {pattern}")));
        }
        if self.descriptions.is_empty() {
            return None;
        }
        if said().next().is_none() {
            return wanted.unstated();
        }
        (!said().all(|text| any(&self.descriptions, text))).then(|| {
            wanted.objection(format!("the series description matches none of {}", list(&self.descriptions)))
        })
    }

    fn images(&self, series: &Series<'_>) -> Option<Objection> {
        let images = series.images;
        let few = self.images.least.filter(|least| images < *least);
        let many = self.images.most.filter(|most| images > *most);
        let reason = match (few, many) {
            (Some(least), _) => format!("{images} images are fewer than the {least} that the pipeline reads"),
            (None, Some(most)) => {
                format!("{images} images are more than the {most} that the pipeline reads")
            }
            (None, None) => return None,
        };
        Some(Objection { code: "NotApplicableImages", reason })
    }
}

/// A condition on what a series states.
struct Wanted {
    code: &'static str,
    what: &'static str,
    may_lack: bool,
}

impl Wanted {
    fn objection(&self, reason: String) -> Objection {
        Objection { code: self.code, reason }
    }

    fn unstated(&self) -> Option<Objection> {
        (!self.may_lack).then(|| self.objection(format!("the {} is not stated", self.what)))
    }

    fn one_of(&self, wanted: &[String], stated: &[String]) -> Option<Objection> {
        if wanted.is_empty() {
            return None;
        }
        if stated.is_empty() {
            return self.unstated();
        }
        let known = |text: &&String| !wanted.iter().any(|one| one.eq_ignore_ascii_case(text.trim()));
        let other = stated.iter().find(known)?;
        let wanted = wanted.join(", ");
        Some(self.objection(format!(
            "{} {} is not one that the pipeline reads ({wanted})",
            self.what,
            quote(other)
        )))
    }

    fn within(&self, wanted: Range, stated: Option<[f64; 2]>) -> Option<Objection> {
        if wanted == Range::default() {
            return None;
        }
        let Some([least, most]) = stated else { return self.unstated() };
        let below = wanted.least.is_some_and(|bound| least < bound);
        let above = wanted.most.is_some_and(|bound| most > bound);
        let value = if below { least } else { most };
        (below || above).then(|| {
            self.objection(format!(
                "{} of {value:.3} mm is not {}",
                self.what,
                match (wanted.least, wanted.most) {
                    (Some(least), Some(most)) => format!("between {least} and {most} mm"),
                    (Some(least), None) => format!("{least} mm or more"),
                    (None, Some(most)) => format!("{most} mm or less"),
                    (None, None) => String::new(),
                }
            ))
        })
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

fn list(patterns: &[Pattern]) -> String {
    patterns.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", ")
}

/// Text of a device, short and on one line.
fn quote(text: &str) -> String {
    let plain: String = text.trim().chars().filter(|c| !c.is_control() && *c != '`').take(64).collect();
    format!("`{plain}`")
}
