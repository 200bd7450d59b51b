//! How the late fusion did on patients it was not trained on: beside each side alone and beside the view.

use serde::{Deserialize, Serialize};

use super::fit::Case;
use super::measured::{Interval, Measured};
use super::train::TrainOptions;
use crate::assess::ChestView;
use crate::evaluation;

/// Share of patients that a split tests.
pub(super) const TEST_SHARE: f64 = 0.25;

/// Predictions of one split.
pub(super) type Tested = Vec<TestedCase>;

/// What was said of one case of a split.
pub(super) struct TestedCase {
    pub(super) case: usize,
    /// A probability for each of [`Arm::ALL`].
    pub(super) arms: [f64; 4],
    /// The fusion's with something taken away, for each of the stresses.
    pub(super) stress: [f64; 4],
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

    /// For a reader.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::ImageOnly => "image only",
            Self::RecordOnly => "record only",
            Self::ViewOnly => "view only",
        }
    }
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
/// resampling patients. There is no pooled AUROC on purpose: every split has a base rate of its own, which
/// leaves the tested patients out, so that ranks across splits are biased against every model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PooledMetrics {
    /// Which.
    pub arm: Arm,
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
    /// Resources of an examination's record that became known only after it and were left out, on average.
    pub known_later: f64,
    /// All examinations, then AP only.
    pub subsets: Vec<SubsetEvaluation>,
    /// Mean predicted probability, observed share and cases in bins of equal size, of the fused arm,
    /// pooled.
    pub calibration_bins: Vec<(f64, f64, usize)>,
}

pub(super) fn evaluate(cases: &[Case], tested: &[Tested], options: &TrainOptions) -> Evaluation {
    let pooled = pool(cases, tested, |one| one.arms);
    let subsets = [("all", None), ("AP", Some(ChestView::Ap))];
    Evaluation {
        seed: options.seed,
        splits: tested.len(),
        test_share: TEST_SHARE,
        draws: options.draws,
        without_laboratory: cases.iter().filter(|case| !case.record.has_labs()).count(),
        known_later: cases.iter().map(|case| case.known_later).sum::<f64>() / cases.len().max(1) as f64,
        subsets: subsets
            .into_iter()
            .map(|(name, view)| subset(name, view, cases, tested, &pooled, options))
            .collect(),
        calibration_bins: bins(cases, &pooled),
    }
}

/// Mean of each case's predictions over the splits that tested it.
pub(super) fn pool(
    cases: &[Case],
    tested: &[Tested],
    of: fn(&TestedCase) -> [f64; 4],
) -> Vec<Option<[f64; 4]>> {
    let mut sums = vec![([0.0; 4], 0.0); cases.len()];
    for one in tested.iter().flatten() {
        let (sum, count) = &mut sums[one.case];
        for (total, answer) in sum.iter_mut().zip(of(one)) {
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
            let chosen: Vec<&TestedCase> = split.iter().filter(|one| inside(&cases[one.case])).collect();
            let labels: Vec<bool> = chosen.iter().map(|one| cases[one.case].label > 0.5).collect();
            [0, 1, 2, 3].map(|arm| {
                let answers: Vec<f64> = chosen.iter().map(|one| one.arms[arm]).collect();
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

fn over_splits(arm: usize, splits: &[[Measured; 4]]) -> ArmMetrics {
    let collect = |measure: fn(&Measured) -> Option<f64>| {
        Interval::over(splits.iter().filter_map(|split| measure(&split[arm])))
    };
    ArmMetrics {
        arm: Arm::ALL[arm],
        auroc: collect(|found| found.auroc),
        brier: collect(|found| found.brier),
        slope: collect(|found| found.slope),
        intercept: collect(|found| found.intercept),
    }
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
        less_image: Interval::over(compared.iter().map(|(fused, image, _)| fused - image)),
        less_record: Interval::over(compared.iter().map(|(fused, _, record)| fused - record)),
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
