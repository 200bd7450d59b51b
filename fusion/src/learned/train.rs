//! Training and evaluation of the late fusion: many splits by patient, everything fitted inside the
//! training side, and a final model on all patients.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::card;
use super::encode::{RecordRow, column_names};
use super::evaluate::{Evaluation, TEST_SHARE, Tested, TestedCase, evaluate};
use super::familiarity::Familiarity;
use super::fit::{self, Case};
use super::model::{FORMAT, LateFusionModel, ModelBody, ModelError, ModelFile, Parameters};
use super::report::{self, STRESSES};
use crate::assess::ChestView;
use crate::evaluation::Report;
use crate::features::FeatureTable;

/// One examination of the training set.
#[derive(Debug, Clone)]
pub struct Exam {
    /// Whose it is; all examinations of one patient stay on one side of every split.
    pub patient: String,
    /// The record's features at the time of the examination.
    pub features: FeatureTable,
    /// Logits of the image model, in the order of [`TrainOptions::labels`].
    pub image_logits: Vec<f64>,
    /// View of the radiograph.
    pub view: ChestView,
    /// Time of the examination.
    pub t0: Timestamp,
    /// Whether the patient was in intensive care at that time (`in_icu_at_exam`).
    pub label: bool,
    /// The data set's own split; not used, as it leaves two AP negatives on one side.
    pub split: String,
}

/// How the fusion is trained.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Seed of all that is random.
    pub seed: u64,
    /// Splits by patient for the evaluation, at least 50.
    pub splits: usize,
    /// Models on resampled patients for the interval, at least 40 for there to be one.
    pub members: usize,
    /// Draws of the patient bootstrap of the pooled evaluation.
    pub draws: usize,
    /// Digest of the image model that made the logits.
    pub image_model: String,
    /// Labels of the logits.
    pub labels: Vec<String>,
    /// Version that the model gets.
    pub version: String,
    /// Day of training, `YYYY-MM-DD`.
    pub created: Option<String>,
}

impl TrainOptions {
    /// 100 splits, 100 members, 2,000 draws.
    pub fn new(image_model: &str, labels: &[String], seed: u64) -> Self {
        Self {
            seed,
            splits: 100,
            members: 100,
            draws: 2000,
            image_model: image_model.to_owned(),
            labels: labels.to_vec(),
            version: "2.0.0".to_owned(),
            created: None,
        }
    }
}

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// Too few patients to split.
    #[error("{patients} patients are too few to train on, {least} are needed")]
    TooFewPatients {
        /// Patients given.
        patients: usize,
        /// The least.
        least: usize,
    },
    /// An examination has another number of logits than there are labels.
    #[error("examination {index} has {found} image logits, {expected} were expected")]
    Width {
        /// Position of the examination.
        index: usize,
        /// Logits given.
        found: usize,
        /// Labels.
        expected: usize,
    },
    /// A logit is not a number.
    #[error("examination {index} has an image logit that is not finite")]
    NotFinite {
        /// Position of the examination.
        index: usize,
    },
    /// Fewer splits than asked for by the protocol.
    #[error("{splits} splits are fewer than the {least} of the protocol")]
    TooFewSplits {
        /// Splits asked for.
        splits: usize,
        /// The least.
        least: usize,
    },
    /// One of the classes is empty, or a side states nothing.
    #[error("the fusion cannot be fitted: a class is empty, or one side has no values")]
    NotFitted,
    /// The trained model does not pass its own checks.
    #[error("the trained model is not usable")]
    Unusable(#[from] ModelError),
}

/// What training gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model on all patients.
    pub model: LateFusionModel,
    /// Its file, as it is written and digested.
    pub model_json: String,
    /// Its card, Markdown.
    pub card: String,
    /// How it did on patients it was not trained on.
    pub evaluation: Evaluation,
    /// The same by every measure, on each case's mean answer over the splits that tested it: `all`, then `AP`.
    pub reports: Vec<(String, Report)>,
}

impl Trained {
    /// Writes `model.json`, `card.md`, `evaluation.json` and `measures.json` into an existing folder.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        let measures: BTreeMap<&str, &Report> =
            self.reports.iter().map(|(name, report)| (name.as_str(), report)).collect();
        let measures = serde_json::to_string_pretty(&measures).map_err(std::io::Error::other)?;
        std::fs::write(folder.join("measures.json"), measures + "\n")?;
        let evaluation = serde_json::to_string_pretty(&self.evaluation).map_err(std::io::Error::other)?;
        std::fs::write(folder.join("model.json"), &self.model_json)?;
        std::fs::write(folder.join("card.md"), &self.card)?;
        std::fs::write(folder.join("evaluation.json"), evaluation + "\n")
    }
}

/// Least patients and least splits.
const LEAST_PATIENTS: usize = 20;
const LEAST_SPLITS: usize = 50;
/// Trains and evaluates. The same examinations, options and seed give the same bytes.
pub fn train(exams: &[Exam], options: &TrainOptions) -> Result<Trained, TrainError> {
    let cases = cases(exams, options)?;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    // masks are drawn apart, so that what is fitted does not depend on them
    let mut masks = ChaCha8Rng::seed_from_u64(options.seed ^ 1);
    let tested: Vec<Tested> =
        (0..options.splits).filter_map(|_| split(&cases, &mut random, &mut masks)).collect();
    let reports = report::all(&cases, &tested, options);
    let evaluation = evaluate(&cases, &tested, options);
    let ones = vec![1.0; cases.len()];
    let parameters = fit::fit(&cases, &ones, &mut random).ok_or(TrainError::NotFitted)?;
    let members = (0..options.members).filter_map(|_| resampled(&cases, &mut random)).collect();
    let recorded: Vec<Vec<Option<f64>>> = cases
        .iter()
        .map(|case| &case.record)
        .filter(|row| row.has_labs())
        .map(|row| row.columns().to_vec())
        .collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let body = ModelBody {
        version: options.version.clone(),
        created: options.created.clone(),
        image_model: options.image_model.clone(),
        labels: options.labels.clone(),
        columns: column_names(),
        exams: count(cases.len()),
        patients: count(patients(&cases).len()),
        positives: count(cases.iter().filter(|case| case.label > 0.5).count()),
        performance: evaluation.subsets.iter().map(card::performance).collect(),
        calibration: card::calibration(&evaluation),
        familiarity: Familiarity::fit(&recorded),
        conformal: report::conformal(&cases, &tested),
        parameters,
        members,
    };
    let file = ModelFile { format: FORMAT, state: "trained".to_owned(), model: Some(body) };
    let model_json = serde_json::to_string(&file).map_err(|_| TrainError::NotFitted)? + "\n";
    let model = LateFusionModel::from_json(&model_json)?;
    let card = card::write(&model, &evaluation, &reports);
    Ok(Trained { model, model_json, card, evaluation, reports })
}

fn cases(exams: &[Exam], options: &TrainOptions) -> Result<Vec<Case>, TrainError> {
    if options.splits < LEAST_SPLITS {
        return Err(TrainError::TooFewSplits { splits: options.splits, least: LEAST_SPLITS });
    }
    let names: BTreeMap<&str, usize> = {
        let mut sorted: Vec<&str> = exams.iter().map(|exam| exam.patient.as_str()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.into_iter().enumerate().map(|(number, name)| (name, number)).collect()
    };
    if names.len() < LEAST_PATIENTS {
        return Err(TrainError::TooFewPatients { patients: names.len(), least: LEAST_PATIENTS });
    }
    let expected = options.labels.len();
    let case = |(index, exam): (usize, &Exam)| {
        let found = exam.image_logits.len();
        if found != expected {
            return Err(TrainError::Width { index, found, expected });
        }
        if exam.image_logits.iter().any(|logit| !logit.is_finite()) {
            return Err(TrainError::NotFinite { index });
        }
        Ok(Case {
            patient: names.get(exam.patient.as_str()).copied().unwrap_or_default(),
            image: exam.image_logits.iter().copied().map(Some).collect(),
            record: RecordRow::from_features(&exam.features),
            label: f64::from(u8::from(exam.label)),
            view: exam.view,
            age: exam.features.number("age"),
            known_later: exam.features.excluded.after_t0 as f64,
        })
    };
    exams.iter().enumerate().map(case).collect()
}

fn patients(cases: &[Case]) -> std::collections::BTreeSet<usize> {
    cases.iter().map(|case| case.patient).collect()
}

/// One split: fits on three quarters of the patients and answers for the rest. Patients who were ever in
/// intensive care and those who never were are split apart, so that both sides have both.
fn split(cases: &[Case], random: &mut ChaCha8Rng, masks: &mut ChaCha8Rng) -> Option<Tested> {
    let (ever, never) = fit::patients_by_outcome(cases, random);
    let mut held_out = std::collections::BTreeSet::new();
    for group in [ever, never] {
        let count = (group.len() as f64 * TEST_SHARE).round().max(1.0);
        held_out.extend(
            group
                .into_iter()
                .enumerate()
                .filter(|(index, _)| (*index as f64) < count)
                .map(|(_, patient)| patient),
        );
    }
    let training: Vec<Case> =
        cases.iter().filter(|case| !held_out.contains(&case.patient)).cloned().collect();
    let parameters = fit::fit(&training, &vec![1.0; training.len()], random)?;
    let tested = cases.iter().enumerate().filter(|(_, case)| held_out.contains(&case.patient));
    let answer = |(case, one): (usize, &Case)| TestedCase {
        case,
        arms: answers(&parameters, one),
        stress: STRESSES.map(|(_, percent)| stressed(&parameters, one, percent, masks)),
    };
    Some(tested.map(answer).collect())
}

fn answers(parameters: &Parameters, case: &Case) -> [f64; 4] {
    let view = match case.view {
        ChestView::Ap => parameters.ap_rate,
        ChestView::Pa => parameters.pa_rate,
    };
    [
        parameters.fused_probability(&case.image, &case.record),
        parameters.image_alone(&case.image),
        parameters.record_alone(&case.record),
        view,
    ]
}

/// The fusion with a share of the laboratory values taken away; with 100 % the record, with 0 the picture where there are
/// laboratory values.
fn stressed(parameters: &Parameters, case: &Case, percent: u32, masks: &mut ChaCha8Rng) -> f64 {
    match percent {
        0 if case.record.has_labs() => parameters.record_alone(&case.record),
        0 | 100 => parameters.image_alone(&case.image),
        _ => {
            let mut record = case.record.clone();
            for lab in &mut record.labs {
                *lab = lab.filter(|_| masks.random_range(0..100) >= percent);
            }
            parameters.fused_probability(&case.image, &record)
        }
    }
}

/// Fits on as many patients as there are, drawn with replacement.
fn resampled(cases: &[Case], random: &mut ChaCha8Rng) -> Option<Parameters> {
    let numbers: Vec<usize> = patients(cases).into_iter().collect();
    let mut drawn = BTreeMap::new();
    for _ in 0..numbers.len() {
        *drawn.entry(numbers[random.random_range(0..numbers.len())]).or_insert(0.0) += 1.0;
    }
    let kept: Vec<Case> = cases.iter().filter(|case| drawn.contains_key(&case.patient)).cloned().collect();
    let weights: Vec<f64> =
        kept.iter().map(|case| drawn.get(&case.patient).copied().unwrap_or(0.0)).collect();
    fit::fit(&kept, &weights, random)
}
