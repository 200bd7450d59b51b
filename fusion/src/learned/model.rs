//! The late fusion model: its file, its checks, and what it says of one examination.

mod check;
mod missing;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::encode::{COLUMNS, LABS, RecordRow};
use super::familiarity::{Distance, Familiarity};
use super::late::Late;
use crate::assess::ChestView;
use crate::calibrate::Conformal;
use crate::features::FeatureTable;
use crate::formulas::logistic;

/// Version of the file format.
pub(super) const FORMAT: u32 = 2;

/// Largest model file that is read, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

const EMBEDDED: &str = include_str!("../../models/icu-concurrent/model.json");
const EMBEDDED_CARD: &str = include_str!("../../models/icu-concurrent/card.md");
const EMBEDDED_EVALUATION: &str = include_str!("../../models/icu-concurrent/evaluation.json");

/// Why a model file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The file says that it was not trained yet.
    #[error("the late fusion model is not trained yet; train it and put its files in place")]
    Untrained,
    /// The file is too large.
    #[error("the late fusion model file has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The file is no model file.
    #[error("the late fusion model file is not readable: line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The file is of another format.
    #[error("the late fusion model file has format {found}, this program reads {expected}")]
    Format {
        /// Format of the file.
        found: u32,
        /// Format of this program.
        expected: u32,
    },
    /// The parts of the file do not fit each other.
    #[error("the late fusion model file is inconsistent: {what}")]
    Inconsistent {
        /// What does not fit.
        what: &'static str,
    },
}

/// The file as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) format: u32,
    pub(super) state: String,
    #[serde(default)]
    pub(super) model: Option<ModelBody>,
}

/// Everything that was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelBody {
    /// Version of the model.
    pub(super) version: String,
    /// Day of training, `YYYY-MM-DD`, where it was given.
    pub(super) created: Option<String>,
    /// Digest of the image model whose logits it reads.
    pub(super) image_model: String,
    /// Labels of the image model, in the order of the columns.
    pub(super) labels: Vec<String>,
    /// Columns of the record's side.
    pub(super) columns: Vec<String>,
    /// Examinations, patients and positive examinations it was trained on.
    pub(super) exams: u32,
    pub(super) patients: u32,
    pub(super) positives: u32,
    /// How it did on patients not trained on, one sentence for each set of examinations.
    pub(super) performance: Vec<String>,
    /// How it was calibrated and how well that held, one sentence.
    pub(super) calibration: String,
    /// Which records it knows; a file of an older program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) familiarity: Option<Familiarity>,
    /// Which answers say nothing either way; a file of an older program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conformal: Option<Conformal>,
    /// What is used.
    pub(super) parameters: Parameters,
    /// The same, trained on resampled patients: the interval.
    pub(super) members: Vec<Parameters>,
}

/// One set of learned numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The findings' logits as the image's side, the columns of `encode` as the record's.
    pub(super) late: Late,
    /// Share of positives among AP and PA.
    pub(super) ap_rate: f64,
    pub(super) pa_rate: f64,
}

/// Which sides took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stratum {
    /// Image and record.
    Fused,
    /// Image alone: the record states no fresh laboratory value.
    ImageOnly,
    /// Record alone.
    RecordOnly,
}

impl Stratum {
    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::ImageOnly => "image-only",
            Self::RecordOnly => "record-only",
        }
    }
}

/// What the model says of one examination.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Which sides took part.
    pub stratum: Stratum,
    /// 0 to 1.
    pub probability: f64,
    /// 2.5 % and 97.5 % point over models of resampled patients.
    pub interval: Option<(f64, f64)>,
    /// Whether such an answer of the same sides says nothing either way; `None` for a file of an older program.
    pub indeterminate: Option<bool>,
    /// The calibrated image side alone.
    pub image_only: Option<f64>,
    /// The calibrated record side alone.
    pub record_only: Option<f64>,
    /// Logit at the reference: every input at its average.
    pub reference_logit: f64,
    /// Label and logit of each contribution; with the reference they add up to the prediction's logit.
    pub contributions: Vec<(String, f64)>,
    /// Laboratory values that are missing or too old; empty where none is known.
    pub missing: Vec<&'static str>,
    /// With the image, and with every laboratory value that is missing: the least and the greatest probability over
    /// values that are usual among the patients that the model was fitted on.
    pub could_be: Option<(f64, f64)>,
    /// How far the record is from those that the model was fitted on; `None` where it takes no part, or for a file of an
    /// older program.
    pub distance: Option<Distance>,
}

/// The learned late fusion, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LateFusionModel {
    pub(super) body: ModelBody,
    digest: String,
}

impl LateFusionModel {
    /// The model that is built into the program.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::from_json(EMBEDDED)
    }

    /// Reads and checks a model file.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        if text.len() > MAX_BYTES {
            return Err(ModelError::TooLarge { bytes: text.len(), limit: MAX_BYTES });
        }
        let file: ModelFile = serde_json::from_str(text)
            .map_err(|error| ModelError::Json { line: error.line(), column: error.column() })?;
        if file.format != FORMAT {
            return Err(ModelError::Format { found: file.format, expected: FORMAT });
        }
        match (file.state.as_str(), file.model) {
            ("untrained", None) => Err(ModelError::Untrained),
            ("trained", Some(body)) => {
                check::check(&body)?;
                let digest = hexadecimal(&Sha256::digest(text.as_bytes()));
                Ok(Self { body, digest })
            }
            _ => Err(ModelError::Inconsistent { what: "state and content" }),
        }
    }

    /// SHA-256 of the model file, 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Version of the model.
    pub fn version(&self) -> &str {
        &self.body.version
    }

    /// Day it was trained, `YYYY-MM-DD`, where it is stated.
    pub fn created(&self) -> Option<&str> {
        self.body.created.as_deref()
    }

    /// Digest of the image model whose logits it reads; others are refused.
    pub fn image_model(&self) -> &str {
        &self.body.image_model
    }

    /// Labels whose logits it reads.
    pub fn labels(&self) -> &[String] {
        &self.body.labels
    }

    /// Examinations, patients and positive examinations it was trained on.
    pub fn trained_on(&self) -> (u32, u32, u32) {
        (self.body.exams, self.body.patients, self.body.positives)
    }

    /// How it did on patients not trained on, beside each side alone and the view; one sentence for each set
    /// of examinations.
    pub fn performance(&self) -> &[String] {
        &self.body.performance
    }

    /// How it was calibrated and how well that held, one sentence.
    pub fn calibration(&self) -> &str {
        &self.body.calibration
    }

    /// Share of examinations in intensive care among those it was trained on, 0 to 1.
    pub fn base_rate(&self) -> f64 {
        self.body.parameters.late.base_rate
    }

    /// What the view alone would say: a shortcut, shown beside the model as a warning, 0 to 1.
    pub fn view_only(&self, view: ChestView) -> f64 {
        match view {
            ChestView::Ap => self.body.parameters.ap_rate,
            ChestView::Pa => self.body.parameters.pa_rate,
        }
    }

    /// The model card of the built-in model, Markdown; empty where it is not trained.
    pub fn embedded_card() -> &'static str {
        EMBEDDED_CARD
    }

    /// The evaluation of the built-in model as JSON; `{}` where it is not trained.
    pub fn embedded_evaluation() -> &'static str {
        EMBEDDED_EVALUATION
    }

    /// The logits of the model's labels in its order; `None` where one is absent or not finite.
    pub fn align(&self, scores: &[(String, f64)]) -> Option<Vec<f64>> {
        let find = |label: &String| scores.iter().find(|(name, _)| name == label).map(|(_, logit)| *logit);
        self.body.labels.iter().map(|label| find(label).filter(|logit| logit.is_finite())).collect()
    }

    /// What the model says. `image` are the logits in the order of [`Self::labels`]. `None` where neither
    /// side says anything: no image, and no laboratory value of the last 30 days.
    pub fn predict(&self, image: Option<&[f64]>, record: Option<&FeatureTable>) -> Option<Prediction> {
        let image = image.filter(|logits| logits.len() == self.body.labels.len());
        let image: Option<Vec<Option<f64>>> = image.map(|logits| logits.iter().copied().map(Some).collect());
        let stated = record.map_or_else(RecordRow::empty, RecordRow::from_features);
        let record = Some(&stated).filter(|row| row.has_labs());
        let main = &self.body.parameters;
        let answer = main.answer(image.as_deref(), record)?;
        let members = self.body.members.iter();
        let mut spread: Vec<f64> =
            members.filter_map(|member| Some(member.answer(image.as_deref(), record)?.probability)).collect();
        spread.sort_by(f64::total_cmp);
        let (reference_logit, contributions) = self.contributions(&answer, image.as_deref(), record);
        Some(Prediction {
            stratum: answer.stratum,
            probability: answer.probability,
            interval: percentiles(&spread)
                .map(|(low, high)| (low.min(answer.probability), high.max(answer.probability))),
            indeterminate: self
                .body
                .conformal
                .as_ref()
                .map(|conformal| conformal.is_indeterminate(answer.stratum.word(), answer.probability)),
            image_only: image.as_deref().map(|image| main.image_alone(image)),
            record_only: record.map(|record| main.record_alone(record)),
            missing: record.map(RecordRow::missing).unwrap_or_default(),
            could_be: image.as_deref().and_then(|image| main.could_be(image, &stated)),
            reference_logit,
            contributions,
            distance: self
                .body
                .familiarity
                .as_ref()
                .zip(record)
                .map(|(known, row)| known.distance(&row.columns())),
        })
    }

    /// Exact parts of the logit against every input at its average: one for each finding, one for each
    /// laboratory value with its missing flag, one for sex.
    fn contributions(
        &self,
        answer: &Answer,
        image: Option<&[Option<f64>]>,
        record: Option<&RecordRow>,
    ) -> (f64, Vec<(String, f64)>) {
        let main = &self.body.parameters.late;
        let mut reference = answer.intercept;
        let mut found = Vec::new();
        if let Some(image) = image {
            reference += answer.image_weight * main.image.intercept;
            let terms = main.image.terms(image).map(|term| answer.image_weight * term);
            found.extend(self.body.labels.iter().cloned().zip(terms));
        }
        if let Some(record) = record {
            reference += answer.record_weight * main.record.intercept;
            let columns = record.columns();
            let terms: Vec<f64> =
                main.record.terms(&columns).map(|term| answer.record_weight * term).collect();
            for (index, lab) in LABS.iter().enumerate() {
                found.push((lab.id.to_owned(), terms[index] + terms[LABS.len() + index]));
            }
            found.push(("sex".to_owned(), terms[COLUMNS - 1]));
        }
        (reference, found)
    }
}

/// One set of parameters' answer.
struct Answer {
    stratum: Stratum,
    probability: f64,
    intercept: f64,
    image_weight: f64,
    record_weight: f64,
}

impl Parameters {
    fn answer(&self, image: Option<&[Option<f64>]>, record: Option<&RecordRow>) -> Option<Answer> {
        let stratum = match (image.is_some(), record.is_some()) {
            (true, true) => Stratum::Fused,
            (true, false) => Stratum::ImageOnly,
            (false, true) => Stratum::RecordOnly,
            (false, false) => return None,
        };
        let Late { fused, image_only, record_only, .. } = &self.late;
        let (intercept, image_weight, record_weight) = match stratum {
            Stratum::Fused => (fused[0], fused[1], fused[2]),
            Stratum::ImageOnly => (image_only[0], image_only[1], 0.0),
            Stratum::RecordOnly => (record_only[0], 0.0, record_only[1]),
        };
        let columns = record.map(RecordRow::columns);
        let offsets = self.late.offsets(image, columns.as_ref().map(<[_; COLUMNS]>::as_slice), None);
        let logit = match stratum {
            Stratum::Fused => offsets.fused,
            Stratum::ImageOnly => offsets.image,
            Stratum::RecordOnly => offsets.record,
        };
        Some(Answer { stratum, probability: logistic(logit?), intercept, image_weight, record_weight })
    }

    /// Image and record where the record says something, else the image alone.
    pub(super) fn fused_probability(&self, image: &[Option<f64>], record: &RecordRow) -> f64 {
        let record = record.has_labs().then_some(record);
        self.answer(Some(image), record).map_or(self.late.base_rate, |answer| answer.probability)
    }

    /// The calibrated image side.
    pub(super) fn image_alone(&self, image: &[Option<f64>]) -> f64 {
        self.late.offsets(Some(image), None, None).image.map_or(self.late.base_rate, logistic)
    }

    /// The calibrated record side; the base rate where the record says nothing.
    pub(super) fn record_alone(&self, record: &RecordRow) -> f64 {
        if !record.has_labs() {
            return self.late.base_rate;
        }
        self.late.offsets(None, Some(&record.columns()), None).record.map_or(self.late.base_rate, logistic)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// 2.5 % and 97.5 % points of sorted values; `None` with fewer than 40.
fn percentiles(sorted: &[f64]) -> Option<(f64, f64)> {
    if sorted.len() < 40 {
        return None;
    }
    Some((crate::evaluation::quantile(sorted, 0.025), crate::evaluation::quantile(sorted, 0.975)))
}
