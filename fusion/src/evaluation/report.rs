//! Everything that is said about scores on cases that they were not made from, in one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resample::{Drawn, Resampler, interval};
use super::sample_size::SampleSize;
use super::{
    AtThreshold, Bin, NetBenefit, PairedDelong, at_threshold, auroc, average_precision, brier, calibration,
    calibration_curve, decision_curve, delong, delong_paired, expected_calibration_error, log_loss,
};

/// Subgroups with fewer cases or events are not shown: their numbers would be noise, and could point at persons.
pub(crate) const LEAST_CASES: usize = 50;
pub(crate) const LEAST_EVENTS: usize = 10;

/// Bins of the expected calibration error, and of the curve.
const ERROR_BINS: usize = 15;
const CURVE_BINS: usize = 10;

/// What is evaluated.
pub struct ReportInput<'a> {
    /// What happened.
    pub labels: &'a [bool],
    /// Whose case it is.
    pub patients: &'a [usize],
    /// Name and probability of each arm, the one in question first; `None` where an arm has no number for a case.
    pub arms: &'a [(String, Vec<Option<f64>>)],
    /// Thresholds that matter.
    pub thresholds: &'a [f64],
    /// Columns that subgroups are formed by.
    pub subgroups: &'a [SubgroupColumn],
    /// The first arm's probabilities with something taken away.
    pub stress: &'a [(String, Vec<f64>)],
    /// Draws of patients.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// A column that subgroups are formed by.
pub struct SubgroupColumn {
    /// Name for a reader.
    pub name: String,
    /// The values that there are, in the order of their texts.
    values: Vec<String>,
    /// Which of them each case has.
    of: Vec<u32>,
}

impl SubgroupColumn {
    /// The column of this name, and its value of each case.
    pub fn new<T: AsRef<str>>(name: &str, values: impl Iterator<Item = T>) -> Self {
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut seen: Vec<u32> = values
            .map(|value| {
                if let Some(number) = numbers.get(value.as_ref()) {
                    return *number;
                }
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                numbers.insert(value.as_ref().to_owned(), next);
                next
            })
            .collect();
        let mut places = vec![0; numbers.len()];
        for (place, number) in (0_u32..).zip(numbers.values()) {
            places[*number as usize] = place;
        }
        for number in &mut seen {
            *number = places[*number as usize];
        }
        Self { name: name.to_owned(), values: numbers.into_keys().collect(), of: seen }
    }
}

/// A value with its 95 % interval over resampled patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// On all cases.
    pub value: f64,
    /// 2.5 % point; `None` where too few draws have a value.
    pub low: Option<f64>,
    /// 97.5 % point.
    pub high: Option<f64>,
}

/// One arm on the cases that it has a number for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Name.
    pub name: String,
    /// Cases.
    pub cases: usize,
    /// Cases with the outcome.
    pub events: usize,
    /// Area under the curve.
    pub auroc: Option<Estimate>,
    /// Standard error of the AUROC after DeLong, as if cases were independent.
    pub delong_error: Option<f64>,
    /// Average precision; a chance score has the share of events.
    pub average_precision: Option<Estimate>,
    /// Brier score.
    pub brier: Option<Estimate>,
    /// 1 less the Brier score over that of the share of events.
    pub scaled_brier: Option<f64>,
    /// Log-loss.
    pub log_loss: Option<Estimate>,
    /// Calibration slope.
    pub slope: Option<f64>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<f64>,
    /// Expected calibration error over 15 bins of equal mass.
    pub expected_calibration_error: Option<f64>,
    /// Points of the receiver operating characteristic: false and true positive rate, at most 200.
    pub roc: Vec<(f64, f64)>,
    /// Calibration curve over 10 bins of equal mass.
    pub curve: Vec<Bin>,
    /// Measures at the thresholds.
    pub at_thresholds: Vec<AtThreshold>,
    /// Net benefit.
    pub decision_curve: Vec<NetBenefit>,
    /// Cases by tenth of probability: without and with the outcome.
    pub distribution: Vec<(usize, usize)>,
}

/// The first arm against another, on the cases that both have a number for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The other arm.
    pub against: String,
    /// Cases.
    pub cases: usize,
    /// AUROCs after DeLong.
    pub delong: Option<PairedDelong>,
    /// Difference of the AUROCs over resampled patients.
    pub auroc: Option<Estimate>,
    /// Difference of the Brier scores over resampled patients; below 0 the first is better.
    pub brier: Option<Estimate>,
}

/// One value of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// Column.
    pub column: String,
    /// Value.
    pub value: String,
    /// Cases; `None` where the group is too small to be shown.
    pub cases: Option<usize>,
    /// Cases with the outcome.
    pub events: Option<usize>,
    /// Area under the curve.
    pub auroc: Option<Estimate>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<f64>,
}

/// The first arm with something taken away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stress {
    /// What was taken away.
    pub name: String,
    /// Area under the curve.
    pub auroc: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Calibration intercept at slope 1.
    pub intercept: Option<f64>,
}

/// The whole evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Patients.
    pub patients: usize,
    /// Draws of patients.
    pub draws: usize,
    /// Every arm.
    pub arms: Vec<ArmReport>,
    /// The first arm against the others.
    pub comparisons: Vec<Comparison>,
    /// The first arm by subgroup.
    pub subgroups: Vec<Subgroup>,
    /// The first arm under stress.
    pub stress: Vec<Stress>,
    /// How many patients there were, beside how many are asked for; `None` for a model whose parameters are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_size: Option<SampleSize>,
}

/// The cases of an arm, without those that it has no number for.
struct Cases {
    probabilities: Vec<f64>,
    labels: Vec<bool>,
    patients: Vec<usize>,
}

fn cases(input: &ReportInput<'_>, keep: impl Fn(usize) -> Option<f64>) -> Cases {
    let mut found = Cases { probabilities: Vec::new(), labels: Vec::new(), patients: Vec::new() };
    for (case, label) in input.labels.iter().enumerate() {
        if let Some(probability) = keep(case) {
            found.probabilities.push(probability);
            found.labels.push(*label);
            found.patients.push(input.patients[case]);
        }
    }
    found
}

/// Evaluates. All lists are as long as `labels`; a list that is not gives `None`.
pub fn evaluate(input: &ReportInput<'_>) -> Option<Report> {
    let count = input.labels.len();
    let fits = input.patients.len() == count
        && input.arms.iter().all(|(_, values)| values.len() == count)
        && input.stress.iter().all(|(_, values)| values.len() == count)
        && input.subgroups.iter().all(|column| column.of.len() == count);
    let (_, first) = input.arms.first().filter(|_| fits)?;
    let arms = input.arms.iter().map(|(name, values)| arm(input, name, &cases(input, |case| values[case])));
    let comparisons = input.arms[1..].iter().map(|(name, other)| compare(input, first, name, other));
    Some(Report {
        patients: distinct(input.patients),
        draws: input.draws,
        arms: arms.collect(),
        comparisons: comparisons.collect(),
        subgroups: input.subgroups.iter().flat_map(|column| by_value(input, first, column)).collect(),
        stress: input.stress.iter().map(|(name, values)| stressed(input.labels, name, values)).collect(),
        sample_size: None,
    })
}

fn arm(input: &ReportInput<'_>, name: &str, cases: &Cases) -> ArmReport {
    let Cases { probabilities, labels, patients } = cases;
    let resampler = Resampler::new(probabilities, labels, patients);
    let drawn: Vec<Drawn> =
        resampler.draws(input.draws, input.seed).map(|times| resampler.measure(&times)).collect();
    drop(resampler);
    let estimate = |value: Option<f64>, of: fn(&Drawn) -> Option<f64>| {
        let found = interval(drawn.iter().filter_map(of).collect(), input.draws);
        value.map(|value| Estimate { value, low: found.map(|one| one.0), high: found.map(|one| one.1) })
    };
    let events = labels.iter().filter(|label| **label).count();
    let share = events as f64 / labels.len().max(1) as f64;
    let calibrated = calibration(probabilities, labels);
    let score = brier(probabilities, labels);
    let steps: Vec<f64> = (1..100_u8).map(|step| f64::from(step) / 100.0).collect();
    ArmReport {
        name: name.to_owned(),
        cases: labels.len(),
        events,
        auroc: estimate(auroc(probabilities, labels), |drawn| drawn.auroc),
        delong_error: delong(probabilities, labels).map(|(_, error)| error),
        average_precision: estimate(average_precision(probabilities, labels), |drawn| {
            drawn.average_precision
        }),
        brier: estimate(score, |drawn| drawn.brier),
        scaled_brier: score
            .filter(|_| share > 0.0 && share < 1.0)
            .map(|score| 1.0 - score / (share * (1.0 - share))),
        log_loss: estimate(log_loss(probabilities, labels), |drawn| drawn.log_loss),
        slope: calibrated.map(|found| found.slope),
        intercept: calibrated.map(|found| found.intercept),
        expected_calibration_error: expected_calibration_error(probabilities, labels, ERROR_BINS),
        roc: roc(probabilities, labels),
        curve: calibration_curve(probabilities, labels, CURVE_BINS),
        at_thresholds: input.thresholds.iter().map(|one| at_threshold(probabilities, labels, *one)).collect(),
        decision_curve: decision_curve(probabilities, labels, &steps),
        distribution: distribution(probabilities, labels),
    }
}

/// The curve from (0, 0) to (1, 1), thinned to at most 200 points.
fn roc(probabilities: &[f64], labels: &[bool]) -> Vec<(f64, f64)> {
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Vec::new();
    }
    let mut descending = super::order(probabilities);
    descending.reverse();
    let (mut yes, mut no) = (0.0, 0.0);
    let mut points = vec![(0.0, 0.0)];
    for (at, case) in descending.iter().enumerate() {
        let case = *case as usize;
        if labels[case] {
            yes += 1.0;
        } else {
            no += 1.0;
        }
        let next = descending.get(at + 1).map(|next| probabilities[*next as usize]);
        if next.is_none_or(|next| next.total_cmp(&probabilities[case]).is_ne()) {
            points.push((no / negatives, yes / positives));
        }
    }
    let step = points.len().div_ceil(199).max(1);
    let last = points.len() - 1;
    points
        .into_iter()
        .enumerate()
        .filter(|(at, _)| at % step == 0 || *at == last)
        .map(|(_, point)| point)
        .collect()
}

fn distribution(probabilities: &[f64], labels: &[bool]) -> Vec<(usize, usize)> {
    let mut tenths = vec![(0, 0); 10];
    for (probability, label) in probabilities.iter().zip(labels) {
        let below = (1..10_u8).take_while(|step| *probability >= f64::from(*step) / 10.0).count();
        let tenth: &mut (usize, usize) = &mut tenths[below];
        if *label { tenth.1 += 1 } else { tenth.0 += 1 }
    }
    tenths
}

fn compare(input: &ReportInput<'_>, first: &[Option<f64>], name: &str, other: &[Option<f64>]) -> Comparison {
    let one = cases(input, |case| first[case].filter(|_| other[case].is_some()));
    let two = cases(input, |case| other[case].filter(|_| first[case].is_some()));
    let (own, against) = (
        Resampler::new(&one.probabilities, &one.labels, &one.patients),
        Resampler::new(&two.probabilities, &two.labels, &two.patients),
    );
    let gaps: Vec<(Option<f64>, Option<f64>)> = own
        .draws(input.draws, input.seed)
        .map(|times| {
            let (own, against) = (own.measure(&times), against.measure(&times));
            let gap = |own: Option<f64>, against: Option<f64>| Some(own? - against?);
            (gap(own.auroc, against.auroc), gap(own.brier, against.brier))
        })
        .collect();
    let estimate = |measure: fn(&[f64], &[bool]) -> Option<f64>, drawn: Vec<f64>| {
        let value = measure(&one.probabilities, &one.labels)? - measure(&two.probabilities, &two.labels)?;
        let found = interval(drawn, input.draws);
        Some(Estimate { value, low: found.map(|one| one.0), high: found.map(|one| one.1) })
    };
    Comparison {
        against: name.to_owned(),
        cases: one.labels.len(),
        delong: delong_paired(&one.probabilities, &two.probabilities, &one.labels),
        auroc: estimate(auroc, gaps.iter().filter_map(|gap| gap.0).collect()),
        brier: estimate(brier, gaps.iter().filter_map(|gap| gap.1).collect()),
    }
}

fn by_value(input: &ReportInput<'_>, first: &[Option<f64>], column: &SubgroupColumn) -> Vec<Subgroup> {
    (0_u32..).zip(&column.values).map(|(at, value)| subgroup(input, first, column, (at, value))).collect()
}

fn distinct(patients: &[usize]) -> usize {
    let mut sorted = patients.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}

fn subgroup(
    input: &ReportInput<'_>,
    first: &[Option<f64>],
    column: &SubgroupColumn,
    (at, value): (u32, &str),
) -> Subgroup {
    let found = cases(input, |case| first[case].filter(|_| column.of[case] == at));
    let events = found.labels.iter().filter(|label| **label).count();
    let count = found.labels.len();
    let shown = count >= LEAST_CASES && events >= LEAST_EVENTS && count - events >= LEAST_EVENTS;
    let mut made = Subgroup {
        column: column.name.clone(),
        value: value.to_owned(),
        cases: None,
        events: None,
        auroc: None,
        brier: None,
        intercept: None,
    };
    if shown {
        let report = arm(input, value, &found);
        (made.cases, made.events, made.auroc) = (Some(count), Some(events), report.auroc);
        (made.brier, made.intercept) = (report.brier.map(|one| one.value), report.intercept);
    }
    made
}

/// The first arm with something taken away.
pub(crate) fn stressed(labels: &[bool], name: &str, values: &[f64]) -> Stress {
    Stress {
        name: name.to_owned(),
        auroc: auroc(values, labels),
        brier: brier(values, labels),
        intercept: calibration(values, labels).map(|found| found.intercept),
    }
}
