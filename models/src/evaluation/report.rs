//! The evaluation of a model on a cohort: every measure with its interval over patients, curves, and subgroups.

use std::collections::BTreeMap;

use serde::Serialize;

use super::metrics::{self, Confusion};
use super::{Interval, ReliabilityBin, auroc, brier, calibration_slope, patient_interval, reliability};

/// Bins of the calibration curve, of equal count.
const CURVE_BINS: usize = 10;
/// Bins of the expected calibration error, of equal count.
const ERROR_BINS: usize = 15;

/// The smallest group that is shown: in a smaller one a figure says more of chance, or of a patient, than of the model.
pub const LEAST_GROUP: usize = 50;
/// The fewest cases, and the fewest controls, of a group that is shown.
pub const LEAST_EVENTS: usize = 10;

/// Pictures with truth and probabilities.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cohort {
    /// The patient of each picture.
    pub patients: Vec<String>,
    /// The labels.
    pub labels: Vec<LabelColumn>,
    /// Attributes that subgroups are made by: name, and the value of each picture.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// One label of a [`Cohort`].
#[derive(Debug, Clone, PartialEq)]
pub struct LabelColumn {
    /// Its name.
    pub name: String,
    /// Whether each picture has it.
    pub positive: Vec<bool>,
    /// Its probability for each picture.
    pub probabilities: Vec<f64>,
    /// From this probability on it is called present.
    pub threshold: f64,
}

/// What was measured of a model on a cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The model, its version and digest, in words.
    pub model: String,
    /// The cohort in words.
    pub cohort: String,
    /// Pictures.
    pub pictures: usize,
    /// Patients.
    pub patients: usize,
    /// Resamples of each interval.
    pub bootstrap_rounds: usize,
    /// Seed of the resamples.
    pub seed: u64,
    /// Mean AUROC over the labels that have cases and controls.
    pub mean_auroc: Option<Interval>,
    /// The labels.
    pub labels: Vec<LabelEvaluation>,
}

/// What was measured of one label. A measure that the cohort cannot give is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelEvaluation {
    /// Its name.
    pub name: String,
    /// Pictures with it.
    pub cases: usize,
    /// From this probability on it is called present.
    pub threshold: f64,
    /// What the threshold calls present, against the truth.
    pub confusion: Confusion,
    /// Measures by name, each with its 95 % interval.
    pub measures: BTreeMap<&'static str, Interval>,
    /// False and true positive rate.
    pub roc: Vec<(f64, f64)>,
    /// Recall and precision.
    pub precision_recall: Vec<(f64, f64)>,
    /// Probability and share of cases, in bins of equal count.
    pub calibration: Vec<ReliabilityBin>,
    /// Subgroups.
    pub groups: Vec<Group>,
}

/// A label in a subgroup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The attribute, for example `sex`.
    pub attribute: String,
    /// Its value.
    pub value: String,
    /// AUROC; absent where the group is too small to be shown, see [`LEAST_GROUP`] and [`LEAST_EVENTS`].
    pub auroc: Option<Interval>,
    /// Pictures; absent where the group is too small.
    pub pictures: Option<usize>,
    /// Cases; absent where the group is too small.
    pub cases: Option<usize>,
}

/// A cohort whose columns do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// A column has another length than the others.
    #[error("column `{column}` has {found} values for {pictures} pictures")]
    Length {
        /// The column.
        column: String,
        /// Its values.
        found: usize,
        /// Pictures.
        pictures: usize,
    },
    /// A probability is none.
    #[error("column `{column}` holds a value that is no probability: row {row}")]
    Probability {
        /// The column.
        column: String,
        /// The row, from 1.
        row: usize,
    },
    /// There is nothing to evaluate.
    #[error("there is no picture or no label to evaluate")]
    Empty,
}

impl EvaluateError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "EvaluateLength",
            Self::Probability { .. } => "EvaluateProbability",
            Self::Empty => "EvaluateEmpty",
        }
    }
}

/// Evaluates a cohort. The same cohort, rounds and seed give the same figures.
pub fn evaluate(
    cohort: &Cohort,
    (model, words): (&str, &str),
    bootstrap_rounds: usize,
    seed: u64,
) -> Result<Evaluation, EvaluateError> {
    check(cohort)?;
    let patients: Vec<&str> = cohort.patients.iter().map(String::as_str).collect();
    let labels: Vec<LabelEvaluation> = cohort
        .labels
        .iter()
        .map(|label| evaluate_label(label, cohort, &patients, (bootstrap_rounds, seed)))
        .collect();
    let mean = |sample: &[usize]| {
        let areas: Vec<f64> = cohort.labels.iter().filter_map(|label| of(label, sample, auroc)).collect();
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    };
    Ok(Evaluation {
        model: model.to_owned(),
        cohort: words.to_owned(),
        pictures: patients.len(),
        patients: patients.iter().collect::<std::collections::BTreeSet<_>>().len(),
        bootstrap_rounds,
        seed,
        mean_auroc: patient_interval(&patients, bootstrap_rounds, seed, mean),
        labels,
    })
}

fn check(cohort: &Cohort) -> Result<(), EvaluateError> {
    let pictures = cohort.patients.len();
    if pictures == 0 || cohort.labels.is_empty() {
        return Err(EvaluateError::Empty);
    }
    let columns = cohort
        .labels
        .iter()
        .flat_map(|label| [(&label.name, label.positive.len()), (&label.name, label.probabilities.len())]);
    let attributes = cohort.attributes.iter().map(|(name, values)| (name, values.len()));
    if let Some((column, found)) = columns.chain(attributes).find(|(_, length)| *length != pictures) {
        return Err(EvaluateError::Length { column: column.clone(), found, pictures });
    }
    for label in &cohort.labels {
        if let Some(row) = label.probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(EvaluateError::Probability { column: label.name.clone(), row: row + 1 });
        }
    }
    Ok(())
}

/// A measure of scores against the truth.
type Measure<'a> = &'a dyn Fn(&[f64], &[bool]) -> Option<f64>;

/// A measure of the pictures in `sample`.
fn of<T>(label: &LabelColumn, sample: &[usize], measure: impl Fn(&[f64], &[bool]) -> T) -> T {
    let scores: Vec<f64> = sample.iter().map(|i| label.probabilities[*i]).collect();
    let positive: Vec<bool> = sample.iter().map(|i| label.positive[*i]).collect();
    measure(&scores, &positive)
}

fn evaluate_label(
    label: &LabelColumn,
    cohort: &Cohort,
    patients: &[&str],
    (rounds, seed): (usize, u64),
) -> LabelEvaluation {
    let threshold = label.threshold;
    let (scores, positive) = (&label.probabilities, &label.positive);
    let at = |measure: fn(&Confusion) -> Option<f64>| {
        move |s: &[f64], p: &[bool]| measure(&Confusion::new(s, p, threshold))
    };
    let both = |p: &[bool]| p.contains(&true) && p.contains(&false);
    let mut measures = BTreeMap::new();
    let mut put = |name, measure: Measure<'_>| {
        if let Some(interval) = patient_interval(patients, rounds, seed, |sample| of(label, sample, measure))
        {
            measures.insert(name, interval);
        }
    };
    put("auroc", &auroc);
    put("average_precision", &metrics::average_precision);
    put("brier", &|s, p| Some(brier(s, p)));
    put("log_loss", &|s, p| Some(metrics::log_loss(s, p)));
    put("expected_calibration_error", &|s, p| Some(metrics::expected_calibration_error(s, p, ERROR_BINS)));
    put("calibration_slope", &|s, p| both(p).then(|| calibration_slope(s, p).a));
    put("calibration_intercept", &|s, p| both(p).then(|| calibration_slope(s, p).b));
    put("sensitivity", &at(Confusion::sensitivity));
    put("specificity", &at(Confusion::specificity));
    put("precision", &at(Confusion::precision));
    put("negative_predictive_value", &at(Confusion::negative_value));
    put("accuracy", &at(Confusion::accuracy));
    put("balanced_accuracy", &at(Confusion::balanced_accuracy));
    put("f1", &at(Confusion::f1));
    LabelEvaluation {
        name: label.name.clone(),
        cases: positive.iter().filter(|case| **case).count(),
        threshold,
        confusion: Confusion::new(scores, positive, threshold),
        measures,
        roc: metrics::roc(scores, positive),
        precision_recall: metrics::precision_recall(scores, positive),
        calibration: reliability(scores, positive, CURVE_BINS),
        groups: groups(label, cohort, (rounds, seed)),
    }
}

fn groups(label: &LabelColumn, cohort: &Cohort, (rounds, seed): (usize, u64)) -> Vec<Group> {
    let mut out = Vec::new();
    for (attribute, values) in &cohort.attributes {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, value) in values.iter().enumerate() {
            members.entry(value).or_default().push(index);
        }
        for (value, members) in members {
            let cases = members.iter().filter(|i| label.positive[**i]).count();
            let shown = members.len() >= LEAST_GROUP
                && cases >= LEAST_EVENTS
                && members.len() - cases >= LEAST_EVENTS;
            let patients: Vec<&str> = members.iter().map(|i| cohort.patients[*i].as_str()).collect();
            let area = |sample: &[usize]| {
                let own: Vec<usize> = sample.iter().map(|i| members[*i]).collect();
                of(label, &own, auroc)
            };
            out.push(Group {
                attribute: attribute.clone(),
                value: value.to_owned(),
                auroc: if shown { patient_interval(&patients, rounds, seed, area) } else { None },
                pictures: shown.then_some(members.len()),
                cases: shown.then_some(cases),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort() -> Cohort {
        let count = 200_usize;
        let positive: Vec<bool> = (0..count).map(|i| i % 3 == 0).collect();
        let probabilities = (0..count)
            .map(|i| (0.2 + 0.4 * f64::from(u8::from(i % 3 == 0)) + (i * 37 % 50) as f64 / 100.0).min(1.0))
            .collect();
        Cohort {
            patients: (0..count).map(|i| format!("P{}", i / 2)).collect(),
            labels: vec![LabelColumn { name: "Mass".to_owned(), positive, probabilities, threshold: 0.6 }],
            attributes: vec![(
                "sex".to_owned(),
                (0..count).map(|i| if i < 30 { "F" } else { "M" }.to_owned()).collect(),
            )],
        }
    }

    #[test]
    fn every_measure_has_its_estimate_in_its_interval_and_is_the_same_every_time() {
        let evaluation = evaluate(&cohort(), ("m", "c"), 200, 3).unwrap();
        assert_eq!((evaluation.pictures, evaluation.patients), (200, 100));
        let measures = &evaluation.labels[0].measures;
        assert_eq!(measures.len(), 14);
        for (name, interval) in measures {
            // resampling lowers the number of distinct pictures, which raises the calibration error itself
            let slack = if *name == "expected_calibration_error" { 0.05 } else { 1e-9 };
            assert!(
                interval.low <= interval.value + slack && interval.value <= interval.high + slack,
                "{name} {interval:?}"
            );
        }
        assert_eq!(evaluation, evaluate(&cohort(), ("m", "c"), 200, 3).unwrap());
    }

    #[test]
    fn a_small_group_is_named_and_nothing_of_it_is_shown() {
        let groups = evaluate(&cohort(), ("m", "c"), 20, 3).unwrap().labels.remove(0).groups;
        let of = |value: &str| groups.iter().find(|group| group.value == value).unwrap();
        assert_eq!((of("F").auroc, of("F").pictures, of("F").cases), (None, None, None));
        assert!(of("M").auroc.is_some() && of("M").pictures == Some(170));
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        let code = |change: &dyn Fn(&mut Cohort)| {
            let mut cohort = cohort();
            change(&mut cohort);
            evaluate(&cohort, ("m", "c"), 1, 1).unwrap_err().code()
        };
        assert_eq!(code(&|c| c.labels[0].positive.truncate(9)), "EvaluateLength");
        assert_eq!(code(&|c| c.attributes[0].1.truncate(9)), "EvaluateLength");
        assert_eq!(code(&|c| c.labels[0].probabilities[7] = 1.5), "EvaluateProbability");
        assert_eq!(code(&|c| c.labels[0].probabilities[7] = f64::NAN), "EvaluateProbability");
        assert_eq!(code(&|c| c.labels.clear()), "EvaluateEmpty");
    }
}
