//! Training and evaluation of the late fusion: many splits by patient, everything fitted inside the
//! training side, and a final model on all patients.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::card;
use super::encode::{RecordRow, column_names};
use super::fit::{self, Case};
use super::model::{FORMAT, LateFusionModel, ModelBody, ModelError, ModelFile, Parameters};
use crate::assess::ChestView;
use crate::evaluation::{self, quantile};
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
            version: "1.0.0".to_owned(),
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
}

impl Trained {
    /// Writes `model.json`, `card.md` and `evaluation.json` into an existing folder.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        let evaluation = serde_json::to_string_pretty(&self.evaluation).map_err(std::io::Error::other)?;
        std::fs::write(folder.join("model.json"), &self.model_json)?;
        std::fs::write(folder.join("card.md"), &self.card)?;
        std::fs::write(folder.join("evaluation.json"), evaluation + "\n")
    }
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Image and record; the image alone where the record states no fresh laboratory value.
    Fused,
    /// The calibrated image side.
    ImageOnly,
    /// The calibrated record side; the base rate where it states nothing.
    RecordOnly,
    /// Share of positives of the view: a shortcut.
    ViewOnly,
}

impl Arm {
    /// All arms, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Fused, Self::ImageOnly, Self::RecordOnly, Self::ViewOnly];
}

/// A number with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean over splits, or the value on all cases.
    pub value: f64,
    /// 2.5 % point.
    pub low: f64,
    /// 97.5 % point.
    pub high: f64,
    /// Splits in which it exists: both classes among the tested cases.
    pub defined: usize,
}

/// One arm over the splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmMetrics {
    /// Which.
    pub arm: Arm,
    /// Area under the curve.
    pub auroc: Option<Interval>,
    /// Brier score.
    pub brier: Option<Interval>,
    /// Calibration slope.
    pub slope: Option<Interval>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<Interval>,
}

/// One arm on the pooled predictions: each case's mean over the splits that tested it, the interval by
/// resampling patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PooledMetrics {
    /// Which.
    pub arm: Arm,
    /// Area under the curve.
    pub auroc: Option<Interval>,
    /// Brier score.
    pub brier: Option<Interval>,
    /// Calibration slope.
    pub slope: Option<Interval>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<Interval>,
}

/// How often fusion was better, over the splits in which all three exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeatRates {
    /// Splits that were compared.
    pub splits: usize,
    /// Share in which the fused AUROC is above both others.
    pub above_both: f64,
    /// Share in which it is below both others.
    pub below_both: f64,
    /// Fused less image-only AUROC, mean and interval over splits.
    pub less_image: Option<Interval>,
    /// Fused less record-only AUROC, mean and interval over splits.
    pub less_record: Option<Interval>,
}

/// The evaluation on a set of examinations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubsetEvaluation {
    /// `all` or `AP`.
    pub name: String,
    /// Examinations.
    pub exams: usize,
    /// Patients.
    pub patients: usize,
    /// Examinations in intensive care.
    pub positives: usize,
    /// Every arm over the splits.
    pub arms: Vec<ArmMetrics>,
    /// Every arm pooled.
    pub pooled: Vec<PooledMetrics>,
    /// Fused against the two sides.
    pub beats: BeatRates,
}

/// The whole evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Seed.
    pub seed: u64,
    /// Splits by patient.
    pub splits: usize,
    /// Share of patients that each split tests.
    pub test_share: f64,
    /// Draws of the patient bootstrap.
    pub draws: usize,
    /// Examinations without a fresh laboratory value, which the fusion answers from the image alone.
    pub without_laboratory: usize,
    /// All examinations, then AP only.
    pub subsets: Vec<SubsetEvaluation>,
    /// Mean predicted probability, observed share and cases in bins of equal size, of the fused arm,
    /// pooled.
    pub calibration_bins: Vec<(f64, f64, usize)>,
}

/// Least patients and least splits.
const LEAST_PATIENTS: usize = 20;
const LEAST_SPLITS: usize = 50;
/// Share of patients that a split tests.
const TEST_SHARE: f64 = 0.25;

/// Predictions of one split: case, and a probability for each of [`Arm::ALL`].
type Tested = Vec<(usize, [f64; 4])>;

/// Trains and evaluates. The same examinations, options and seed give the same bytes.
pub fn train(exams: &[Exam], options: &TrainOptions) -> Result<Trained, TrainError> {
    let cases = cases(exams, options)?;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let tested: Vec<Tested> = (0..options.splits).filter_map(|_| split(&cases, &mut random)).collect();
    let evaluation = evaluate(&cases, &tested, options);
    let ones = vec![1.0; cases.len()];
    let parameters = fit::fit(&cases, &ones, &mut random).ok_or(TrainError::NotFitted)?;
    let members = (0..options.members).filter_map(|_| resampled(&cases, &mut random)).collect();
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
        parameters,
        members,
    };
    let file = ModelFile { format: FORMAT, state: "trained".to_owned(), model: Some(body) };
    let model_json = serde_json::to_string(&file).map_err(|_| TrainError::NotFitted)? + "\n";
    let model = LateFusionModel::from_json(&model_json)?;
    let card = card::write(&model, &evaluation);
    Ok(Trained { model, model_json, card, evaluation })
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
        })
    };
    exams.iter().enumerate().map(case).collect()
}

fn patients(cases: &[Case]) -> std::collections::BTreeSet<usize> {
    cases.iter().map(|case| case.patient).collect()
}

/// One split: fits on three quarters of the patients and answers for the rest. Patients who were ever in
/// intensive care and those who never were are split apart, so that both sides have both.
fn split(cases: &[Case], random: &mut ChaCha8Rng) -> Option<Tested> {
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
    Some(tested.map(|(index, case)| (index, answers(&parameters, case))).collect())
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

fn evaluate(cases: &[Case], tested: &[Tested], options: &TrainOptions) -> Evaluation {
    let pooled = pool(cases, tested);
    let subsets = [("all", None), ("AP", Some(ChestView::Ap))];
    Evaluation {
        seed: options.seed,
        splits: tested.len(),
        test_share: TEST_SHARE,
        draws: options.draws,
        without_laboratory: cases.iter().filter(|case| !case.record.has_labs()).count(),
        subsets: subsets
            .into_iter()
            .map(|(name, view)| subset(name, view, cases, tested, &pooled, options))
            .collect(),
        calibration_bins: bins(cases, &pooled),
    }
}

/// Mean of each case's predictions over the splits that tested it.
fn pool(cases: &[Case], tested: &[Tested]) -> Vec<Option<[f64; 4]>> {
    let mut sums = vec![([0.0; 4], 0.0); cases.len()];
    for (index, answers) in tested.iter().flatten() {
        let (sum, count) = &mut sums[*index];
        for (total, answer) in sum.iter_mut().zip(answers) {
            *total += answer;
        }
        *count += 1.0;
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum.map(|total| total / count))).collect()
}

fn subset(
    name: &str,
    view: Option<ChestView>,
    cases: &[Case],
    tested: &[Tested],
    pooled: &[Option<[f64; 4]>],
    options: &TrainOptions,
) -> SubsetEvaluation {
    let inside = |case: &Case| view.is_none_or(|view| case.view == view);
    let kept: Vec<&Case> = cases.iter().filter(|case| inside(case)).collect();
    let splits: Vec<[Measured; 4]> = tested
        .iter()
        .map(|split| {
            let chosen: Vec<&(usize, [f64; 4])> =
                split.iter().filter(|(index, _)| inside(&cases[*index])).collect();
            let labels: Vec<bool> = chosen.iter().map(|(index, _)| cases[*index].label > 0.5).collect();
            [0, 1, 2, 3].map(|arm| {
                let answers: Vec<f64> = chosen.iter().map(|(_, answers)| answers[arm]).collect();
                Measured::of(&answers, &labels)
            })
        })
        .collect();
    SubsetEvaluation {
        name: name.to_owned(),
        exams: kept.len(),
        patients: kept.iter().map(|case| case.patient).collect::<std::collections::BTreeSet<_>>().len(),
        positives: kept.iter().filter(|case| case.label > 0.5).count(),
        arms: (0..4).map(|arm| over_splits(arm, &splits)).collect(),
        pooled: (0..4).map(|arm| pooled_arm(arm, cases, pooled, &inside, options)).collect(),
        beats: beats(&splits),
    }
}

/// The four measures of one arm on one set of cases.
#[derive(Debug, Clone, Copy)]
struct Measured {
    auroc: Option<f64>,
    brier: Option<f64>,
    slope: Option<f64>,
    intercept: Option<f64>,
}

impl Measured {
    fn of(answers: &[f64], labels: &[bool]) -> Self {
        let calibration = evaluation::calibration(answers, labels);
        Self {
            auroc: evaluation::auroc(answers, labels),
            brier: evaluation::brier(answers, labels),
            slope: calibration.map(|found| found.slope),
            intercept: calibration.map(|found| found.intercept),
        }
    }
}

fn over_splits(arm: usize, splits: &[[Measured; 4]]) -> ArmMetrics {
    let collect = |measure: fn(&Measured) -> Option<f64>| {
        interval(splits.iter().filter_map(|split| measure(&split[arm])))
    };
    ArmMetrics {
        arm: Arm::ALL[arm],
        auroc: collect(|found| found.auroc),
        brier: collect(|found| found.brier),
        slope: collect(|found| found.slope),
        intercept: collect(|found| found.intercept),
    }
}

/// Mean and 95 % interval of values; `None` for none.
fn interval(values: impl Iterator<Item = f64>) -> Option<Interval> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some(Interval {
        value: mean,
        low: quantile(&values, 0.025),
        high: quantile(&values, 0.975),
        defined: values.len(),
    })
}

fn pooled_arm(
    arm: usize,
    cases: &[Case],
    pooled: &[Option<[f64; 4]>],
    inside: &impl Fn(&Case) -> bool,
    options: &TrainOptions,
) -> PooledMetrics {
    let kept: Vec<(usize, f64, bool)> = cases
        .iter()
        .zip(pooled)
        .filter(|(case, _)| inside(case))
        .filter_map(|(case, answers)| Some((case.patient, answers.as_ref()?[arm], case.label > 0.5)))
        .collect();
    let numbers: Vec<usize> = kept.iter().map(|(patient, _, _)| *patient).collect();
    let measure = |pick: fn(&Measured) -> Option<f64>| {
        let on = |chosen: &[usize]| {
            let answers: Vec<f64> = chosen.iter().map(|index| kept[*index].1).collect();
            let labels: Vec<bool> = chosen.iter().map(|index| kept[*index].2).collect();
            pick(&Measured::of(&answers, &labels))
        };
        let all: Vec<usize> = (0..kept.len()).collect();
        let value = on(&all)?;
        let (low, high) = evaluation::patient_bootstrap(&numbers, options.draws, options.seed, on)?;
        Some(Interval { value, low, high, defined: kept.len() })
    };
    PooledMetrics {
        arm: Arm::ALL[arm],
        auroc: measure(|found| found.auroc),
        brier: measure(|found| found.brier),
        slope: measure(|found| found.slope),
        intercept: measure(|found| found.intercept),
    }
}

fn beats(splits: &[[Measured; 4]]) -> BeatRates {
    let compared: Vec<(f64, f64, f64)> =
        splits.iter().filter_map(|split| Some((split[0].auroc?, split[1].auroc?, split[2].auroc?))).collect();
    let share = |better: fn(&(f64, f64, f64)) -> bool| {
        compared.iter().filter(|found| better(found)).count() as f64 / compared.len().max(1) as f64
    };
    BeatRates {
        splits: compared.len(),
        above_both: share(|(fused, image, record)| fused > image && fused > record),
        below_both: share(|(fused, image, record)| fused < image && fused < record),
        less_image: interval(compared.iter().map(|(fused, image, _)| fused - image)),
        less_record: interval(compared.iter().map(|(fused, _, record)| fused - record)),
    }
}

/// Bins of equal size of the pooled fused predictions.
fn bins(cases: &[Case], pooled: &[Option<[f64; 4]>]) -> Vec<(f64, f64, usize)> {
    let mut found: Vec<(f64, f64)> = cases
        .iter()
        .zip(pooled)
        .filter_map(|(case, answers)| Some((answers.as_ref()?[0], case.label)))
        .collect();
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    let size = found.len().div_ceil(5).max(1);
    found
        .chunks(size)
        .map(|bin| {
            let count = bin.len() as f64;
            let mean = |pick: fn(&(f64, f64)) -> f64| bin.iter().map(pick).sum::<f64>() / count;
            (mean(|case| case.0), mean(|case| case.1), bin.len())
        })
        .collect()
}
