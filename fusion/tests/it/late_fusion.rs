//! The late fusion: training, file, answers. The logits here are synthetic and seeded.

use std::sync::LazyLock;

use fusion::learned::{Exam, LateFusionModel, ModelError, Stratum, TrainError, TrainOptions, Trained, train};
use fusion::{AssessInput, ChestView, FeatureTable, ImageScores, Record, assess, features};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{SNOMED, at, bundle, bytes, condition, data, lab};

const LABELS: [&str; 3] = ["Consolidation", "Edema", "Effusion"];

/// A number from 0 to 1 that only depends on its arguments.
fn noise(one: u64, other: u64) -> f64 {
    let mut state = one.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ other.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        state ^= state >> 31;
        state = state.wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    (state >> 11) as f64 / (1_u64 << 53) as f64
}

fn table(patient: u64, exam: u64, ill: bool) -> FeatureTable {
    let t0 = exam_time(exam);
    let drawn = (t0 - SignedDuration::from_hours(6)).to_string();
    let shift = if ill { 1.0 } else { 0.0 };
    let level = |what: u64| noise(patient * 100 + exam, what);
    let mut resources = vec![
        json!({ "resourceType": "Patient", "id": "p1", "gender": if patient.is_multiple_of(2) { "male" } else { "female" } }),
        condition("covid", SNOMED, "840539006", "confirmed", "2020-03-01T00:00:00Z"),
    ];
    if level(1) < 0.8 {
        resources.push(lab("crp", "1988-5", &drawn, 20.0 + 150.0 * level(2) + 60.0 * shift, "mg/L"));
        resources.push(lab("ldh", "2532-0", &drawn, 200.0 + 300.0 * level(3) + 100.0 * shift, "U/L"));
    }
    if level(4) < 0.6 {
        resources.push(lab("o2", "2703-7", &drawn, 60.0 + 40.0 * level(5) - 5.0 * shift, "mm[Hg]"));
    }
    let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
    features(&record, t0, &TimeZone::UTC)
}

fn exam_time(exam: u64) -> Timestamp {
    at("2020-03-10T10:00:00Z") + SignedDuration::from_hours(24 * exam.cast_signed())
}

fn exams(patients: u64) -> Vec<Exam> {
    let mut made = Vec::new();
    for patient in 0..patients {
        let severe = noise(patient, 77) < 0.5;
        for exam in 0..3 {
            let ill = severe && noise(patient, 80 + exam) < 0.8;
            let shift = if ill { 0.9 } else { 0.0 };
            let logits =
                (0..3).map(|label| 3.0 * noise(patient * 10 + exam, 900 + label) - 2.0 + shift).collect();
            let view = if ill || noise(patient, 40 + exam) < 0.5 { ChestView::Ap } else { ChestView::Pa };
            made.push(Exam {
                patient: format!("patient {patient}"),
                features: table(patient, exam, ill),
                image_logits: logits,
                view,
                t0: exam_time(exam),
                label: ill,
                split: "train".to_owned(),
            });
        }
    }
    made
}

fn options() -> TrainOptions {
    let labels: Vec<String> = LABELS.iter().map(|label| (*label).to_owned()).collect();
    TrainOptions {
        splits: 50,
        members: 40,
        draws: 200,
        ..TrainOptions::new("digest of the image model", &labels, 3)
    }
}

static TRAINED: LazyLock<Trained> = LazyLock::new(|| train(&exams(60), &options()).unwrap());

#[test]
fn training_learns_and_reports() {
    let trained = &*TRAINED;
    let all = &trained.evaluation.subsets[0];
    assert_eq!((all.name.as_str(), all.exams, all.patients), ("all", 180, 60));
    let fused = all.arms[0].auroc.unwrap();
    assert!(fused.value > 0.7 && fused.low < fused.value && fused.value < fused.high, "{fused:?}");
    assert!(all.pooled[0].brier.unwrap().high < all.pooled[3].brier.unwrap().value);
    let view = trained.evaluation.subsets[1].arms[3].auroc.unwrap();
    assert!((view.value - 0.5).abs() < 1e-12, "the view says nothing within one view");
    for part in ["fused", "image only", "record only", "view only", "AP examinations only", "not a forecast"]
    {
        assert!(trained.card.contains(part), "{part}");
    }
    let names: Vec<&str> = trained.reports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["all", "AP"]);
    let report = &trained.reports[0].1;
    let arms: Vec<&str> = report.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(arms, ["fused", "image only", "record only", "view only"]);
    for arm in &report.arms {
        assert!(arm.auroc.is_some() && arm.average_precision.is_some() && arm.log_loss.is_some());
        assert_eq!((arm.at_thresholds.len(), arm.decision_curve.len(), arm.cases), (3, 99, 180));
    }
    let against: Vec<&str> = report.comparisons.iter().map(|one| one.against.as_str()).collect();
    assert_eq!(against, ["image only", "record only", "view only"]);
    assert!(report.comparisons.iter().all(|one| one.delong.is_some()));
    let brier = |at: usize| report.stress[at].brier.unwrap();
    assert_eq!(report.stress.len(), 4);
    assert!(brier(0) < brier(2), "the less is taken away, the better: {:?}", report.stress);
    assert!((brier(2) - report.arms[1].brier.unwrap().value).abs() < 1e-12, "without the record, the image");
    let groups: std::collections::BTreeSet<&str> =
        report.subgroups.iter().map(|one| one.column.as_str()).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), ["age", "sex", "view"]);
    assert!(report.sample_size.is_some());
    for part in [
        "### At thresholds",
        "### Under stress",
        "### Sample size",
        "## TRIPOD+AI",
        "DeLong",
        "| indeterminate |",
    ] {
        assert!(trained.card.contains(part), "{part}");
    }
    assert_eq!(trained.model.performance().len(), 2);
    assert!(trained.model.calibration().contains("cross-fitted"));
    assert!(trained.evaluation.calibration_bins.len() == 5);
    let json = serde_json::to_string(&trained.evaluation).unwrap();
    let read: fusion::learned::Evaluation = serde_json::from_str(&json).unwrap();
    assert_eq!(read.subsets.len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut smaller = options();
    smaller.members = 2;
    let cases = exams(24);
    let (one, other) = (train(&cases, &smaller).unwrap(), train(&cases, &smaller).unwrap());
    assert_eq!(one.model_json, other.model_json);
    assert_eq!(one.card, other.card);
    assert_eq!(LateFusionModel::from_json(&one.model_json).unwrap(), one.model);
}

#[test]
fn one_side_missing_is_the_other_side_calibrated_and_both_missing_is_nothing() {
    let model = &TRAINED.model;
    let cases = exams(60);
    let with = cases.iter().find(|exam| exam.features.number("crp").is_some()).unwrap();
    let none = cases
        .iter()
        .find(|exam| ["crp", "pao2"].iter().all(|id| exam.features.number(id).is_none()))
        .unwrap();
    let logits = &with.image_logits;
    let both = model.predict(Some(logits), Some(&with.features)).unwrap();
    let image = model.predict(Some(logits), None).unwrap();
    let record = model.predict(None, Some(&with.features)).unwrap();
    assert_eq!(
        (both.stratum, image.stratum, record.stratum),
        (Stratum::Fused, Stratum::ImageOnly, Stratum::RecordOnly)
    );
    assert_eq!(Some(image.probability), both.image_only);
    assert_eq!(Some(record.probability), both.record_only);
    assert_eq!(model.predict(None, None), None);
    assert_eq!(model.predict(None, Some(&none.features)), None);
    let image_alone = model.predict(Some(logits), Some(&none.features)).unwrap();
    assert_eq!(image_alone.stratum, Stratum::ImageOnly);
    // what is missing could change the number, and with a value more the range is narrower
    let (low, high) = image_alone.could_be.unwrap();
    let (nearer, farther) = both.could_be.unwrap();
    let odds = |p: f64| (p / (1.0 - p)).ln();
    let (narrower, wider) = (odds(farther) - odds(nearer), odds(high) - odds(low));
    assert!((0.0..wider).contains(&narrower), "{low} to {high}, {nearer} to {farther}");
    assert!(!both.missing.contains(&"crp") && both.missing.contains(&"d-dimer"), "{:?}", both.missing);
    assert_eq!(record.could_be, None, "without an image nothing is said of what it could change");
    for prediction in [both, image, record] {
        assert!(prediction.indeterminate.is_some(), "{prediction:?}");
        let sum: f64 = prediction.contributions.iter().map(|(_, logit)| logit).sum();
        let logit = (prediction.probability / (1.0 - prediction.probability)).ln();
        assert!((sum + prediction.reference_logit - logit).abs() < 1e-9);
        let (low, high) = prediction.interval.unwrap();
        assert!(low <= prediction.probability && prediction.probability <= high);
    }
}

#[test]
fn the_risk_is_for_covid_records_and_the_right_network_only() {
    let model = &TRAINED.model;
    let cases = exams(60);
    let exam = cases.iter().find(|exam| exam.features.number("crp").is_some()).unwrap();
    let labels = LABELS.iter().rev().zip(exam.image_logits.iter().rev());
    let scores = ImageScores {
        model: "digest of the image model".to_owned(),
        bundle: "identity of its bundle".to_owned(),
        labels: labels.map(|(label, logit)| ((*label).to_owned(), *logit)).collect(),
        view: Some(ChestView::Ap),
        modality: "DX".to_owned(),
    };
    let input = AssessInput {
        t0: exam.t0,
        features: Some(&exam.features),
        nodules: &[],
        prostate: &[],
        lesions: &[],
        image: Some(&scores),
        header: None,
        late_fusion: Some(model),
    };
    let last = |input: &AssessInput<'_>| assess(input).pop().unwrap();
    let risk = last(&input);
    let direct = model.predict(Some(&exam.image_logits), Some(&exam.features)).unwrap();
    let same = |found: Option<f64>, expected: Option<f64>| (found.unwrap() - expected.unwrap()).abs() < 1e-11;
    assert!(same(risk.probability, Some(direct.probability)));
    let is_marked = |risk: &fusion::Risk| risk.limits.iter().any(|limit| limit.starts_with("indeterminate"));
    let mut marks = std::collections::BTreeSet::new();
    for exam in &cases {
        let found = model.predict(None, Some(&exam.features));
        let risk = last(&AssessInput { t0: exam.t0, features: Some(&exam.features), image: None, ..input });
        assert_eq!(is_marked(&risk), found.is_some_and(|found| found.indeterminate == Some(true)));
        marks.insert(is_marked(&risk));
    }
    assert_eq!(marks.len(), 2, "some are marked, some are not");
    assert_eq!(
        risk.comparators.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(),
        ["image only", "record only", "view only"]
    );
    assert!(risk.comparators.iter().all(|found| found.probability.is_some()));
    let stranger = ImageScores { model: "another".to_owned(), ..scores.clone() };
    let risk = last(&AssessInput { image: Some(&stranger), ..input });
    assert!(same(risk.probability, direct.record_only));
    assert_eq!(risk.missing, ["image"]);
    let tomography = ImageScores { modality: "CT".to_owned(), ..scores.clone() };
    let risk = last(&AssessInput { image: Some(&tomography), ..input });
    assert!(same(risk.probability, direct.record_only));
    let nobody = last(&AssessInput { features: None, ..input });
    assert_eq!(
        (nobody.probability, nobody.missing, nobody.in_population),
        (None, vec!["population".to_owned()], false)
    );
    let says_so = |risk: &fusion::Risk| risk.limits.iter().any(|limit| limit.contains("an extrapolation"));
    let mut unlike = exam.features.clone();
    for feature in &mut unlike.features {
        if feature.id == "crp" || feature.id == "ldh" {
            feature.value = fusion::FeatureValue::Number(if feature.id == "crp" { 0.0 } else { 20_000.0 });
        }
    }
    assert!(says_so(&last(&AssessInput { features: Some(&unlike), ..input })), "unlike all that were fitted");
    assert!(!says_so(&last(&input)));
    let mut healthy = exam.features.clone();
    let covid = healthy.features.iter_mut().find(|feature| feature.id == "covid-19").unwrap();
    covid.value = fusion::FeatureValue::Missing { reason: fusion::MissingReason::NotRecorded };
    let risk = last(&AssessInput { features: Some(&healthy), ..input });
    assert_eq!((risk.probability, risk.missing), (None, vec!["population".to_owned()]));
}

#[test]
fn bad_files_are_refused() {
    let good = &TRAINED.model_json;
    assert_eq!(
        LateFusionModel::from_json(r#"{"format":2,"state":"untrained"}"#).unwrap_err(),
        ModelError::Untrained
    );
    assert_eq!(
        LateFusionModel::from_json(&good.replacen("\"format\":2", "\"format\":3", 1)).unwrap_err(),
        ModelError::Format { found: 3, expected: 2 }
    );
    for (from, to) in [
        ("\"crp\"", "\"magnesium\""),
        ("\"state\":\"trained\"", "\"state\":\"untrained\""),
        ("\"Edema\",", ""),
        ("\"base_rate\":0", "\"base_rate\":7"),
        ("\"fused\":[", "\"fused\":[-1.0,-1.0,-1.0],\"x\":["),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(&bad, good, "{from}");
        assert!(LateFusionModel::from_json(&bad).is_err(), "{from}");
    }
    for step in 0..200 {
        assert!(LateFusionModel::from_json(&good[..step * good.len() / 200]).is_err());
    }
}

#[test]
fn bad_training_sets_are_refused() {
    let cases = exams(24);
    assert!(matches!(train(&cases[..30], &options()), Err(TrainError::TooFewPatients { patients: 10, .. })));
    let few = TrainOptions { splits: 10, ..options() };
    assert!(matches!(train(&cases, &few), Err(TrainError::TooFewSplits { .. })));
    let mut narrow = cases.clone();
    narrow[3].image_logits.pop();
    assert!(matches!(train(&narrow, &options()), Err(TrainError::Width { index: 3, found: 2, expected: 3 })));
    let mut odd = cases.clone();
    odd[2].image_logits[0] = f64::NAN;
    assert!(matches!(train(&odd, &options()), Err(TrainError::NotFinite { index: 2 })));
    let mut healthy = cases;
    for exam in &mut healthy {
        exam.label = false;
    }
    assert!(matches!(train(&healthy, &options()), Err(TrainError::NotFitted)));
}

#[test]
fn the_built_in_model_is_trained_or_says_that_it_is_not() {
    match LateFusionModel::embedded() {
        Ok(model) => {
            assert_eq!(model.digest().len(), 64);
            assert!(LateFusionModel::embedded_card().contains(model.digest()));
            assert!(
                serde_json::from_str::<fusion::learned::Evaluation>(LateFusionModel::embedded_evaluation())
                    .is_ok()
            );
        }
        Err(error) => assert_eq!(error, ModelError::Untrained),
    }
}

/// The real records with synthetic logits: the record alone tells something among AP examinations.
#[test]
fn real_records_with_synthetic_logits() {
    let Some(folder) = data("cxr-hannover") else { return };
    let mut cases = Vec::new();
    let outcomes = std::fs::read_to_string(folder.join("outcomes.csv")).unwrap();
    for (row, line) in outcomes.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let bytes = std::fs::read(folder.join(format!("ehr/{}.json", fields[2]))).unwrap();
        let t0 = at(fields[4]);
        let record = Record::from_json(&bytes).unwrap();
        let label = fields[5] == "1";
        let logits = (0..3).map(|index| 2.0 * noise(row as u64, index) - 1.0).collect();
        cases.push(Exam {
            patient: fields[2].to_owned(),
            features: features(&record, t0, &TimeZone::UTC),
            image_logits: logits,
            view: if fields[3] == "AP" { ChestView::Ap } else { ChestView::Pa },
            t0,
            label,
            split: fields[9].to_owned(),
        });
    }
    assert_eq!(cases.len(), 188);
    let options = TrainOptions { members: 0, ..options() };
    let trained = train(&cases, &options).unwrap();
    let all = &trained.evaluation.subsets[0];
    let view = all.arms[3].auroc.unwrap();
    assert!((0.7..0.9).contains(&view.value), "view only: {view:?}");
    assert!((trained.evaluation.subsets[1].arms[3].auroc.unwrap().value - 0.5).abs() < 1e-9);
    let record = trained.evaluation.subsets[1].arms[2].auroc.unwrap();
    assert!((0.45..0.85).contains(&record.value), "record only, AP: {record:?}");
    assert_eq!(trained.evaluation.without_laboratory, 54);
}
