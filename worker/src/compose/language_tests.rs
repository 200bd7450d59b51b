//! What the pillars say of themselves can be said in German: every text of their risks, features, models and refusals.

mod own;

use fusion::assess::{ChestView, Sex};
use fusion::features::{FeatureTable, FeatureValue, MissingReason, Passage};
use fusion::{
    AssessInput, HeaderDemographics, ImageScores, LateFusionModel, Nodule, NoduleKind, Outlined,
    ProstateLesion, ProstateReport, Record,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use models::Bundle;

use super::{findings, risks};
use crate::declaration::Pipeline;
use crate::ending::Ending;
use crate::report::Language;
use crate::report::document as doc;

const CODES: &str = include_str!("../../../docs/codes.md");

fn known(text: &str, of: &str) {
    assert!(
        text.is_empty()
            || Language::German.knows(text)
            || !text.contains(|letter: char| letter.is_alphabetic()),
        "no German for {of}: `{text}`"
    );
}

fn t0() -> Timestamp {
    "2024-05-06T07:00:00Z".parse().unwrap()
}

/// All features, none of them known.
fn nothing() -> FeatureTable {
    let record = r#"{"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "https://a.example/Patient/1",
        "resource": {"resourceType": "Patient", "id": "1", "identifier": [{"value": "1"}]}}]}"#;
    fusion::features(&Record::from_json(record.as_bytes()).unwrap(), t0(), &TimeZone::UTC)
}

fn set(table: &mut FeatureTable, id: &str, value: FeatureValue) {
    let feature = table.features.iter_mut().find(|feature| feature.id == id);
    feature.unwrap_or_else(|| panic!("no feature {id}")).value = value;
}

/// What decides over the risks, with the values that it is tried with.
fn choices() -> Vec<(&'static str, Vec<FeatureValue>)> {
    let numbers =
        |values: &[f64]| values.iter().map(|value| FeatureValue::Number(*value)).collect::<Vec<_>>();
    let codes = |values: &[&str]| {
        values.iter().map(|value| FeatureValue::Code((*value).to_owned())).collect::<Vec<_>>()
    };
    let truths = || vec![FeatureValue::Bool(true), FeatureValue::Bool(false)];
    let nothing = FeatureValue::Missing { reason: MissingReason::NotRecorded };
    let mut choices = vec![
        ("age", numbers(&[62.0, 10.0, 45.0, 78.0, 95.0])),
        ("sex", codes(&["male", "female"])),
        ("race", codes(&["white", "black", "hispanic", "asian", "american-indian-or-alaska-native"])),
        ("race", codes(&["native-hawaiian-or-pacific-islander"])),
        ("smoking-status", codes(&["former-smoker", "current-smoker", "never-smoker"])),
        ("psa", numbers(&[5.0, 30.0, 80.0])),
        ("pi-rads", numbers(&[4.0, 2.0])),
        ("prostate-volume", numbers(&[40.0])),
        ("fdg-uptake", numbers(&[2.0, 0.0, 3.0])),
        ("years-since-cancer", numbers(&[9.0, 1.0])),
        ("education", numbers(&[3.0])),
        ("bmi", numbers(&[27.0])),
        ("cigarettes-per-day", numbers(&[20.0])),
        ("years-smoked", numbers(&[30.0])),
        ("years-quit", numbers(&[5.0])),
        ("crp", numbers(&[80.0])),
        ("ldh", numbers(&[300.0])),
        ("pack-years", numbers(&[30.0])),
    ];
    for stated in [
        "cancer",
        "emphysema",
        "copd",
        "family-lung-cancer",
        "extrathoracic-cancer",
        "lung-cancer",
        "prior-prostate-biopsy",
        "prostate-cancer",
        "dre-abnormal",
        "family-prostate-cancer",
        "five-alpha-reductase-inhibitor",
        "covid-19",
        "note-spiculation",
        "immunosuppression",
    ] {
        choices.push((stated, truths()));
    }
    for (_, values) in &mut choices {
        values.push(nothing.clone());
    }
    choices
}

/// Structured reports that agree with the base, differ from it, or quote an antigen of another day.
fn prostates() -> Vec<Vec<ProstateReport>> {
    let report = |pi_rads, volume_ml, psa| ProstateReport {
        pi_rads: Some(pi_rads),
        volume_ml: Some(volume_ml),
        psa: Some(psa),
        lesions: Vec::new(),
        source: "urn:oid:1.2.3".into(),
        dated: Some(t0()),
    };
    let with = |codes: &[&str], volume_ml| {
        let lesions = codes.iter().filter_map(|code| ProstateLesion::at(4, [(Some(*code), "")])).collect();
        vec![ProstateReport { lesions, volume_ml, ..report(4, 40.0, (8.0, None)) }]
    };
    vec![
        Vec::new(),
        vec![report(4, 40.0, (8.0, None))],
        vec![report(3, 60.0, (8.0, None)), report(5, 30.0, (9.0, Some(t0())))],
        with(&["716937001"], Some(40.0)),
        with(&["716897000"], Some(40.0)),
        with(&["716909008"], Some(40.0)),
        with(&["716937001", "716897000"], Some(40.0)),
        with(&["716937001"], None),
    ]
}

fn nodules() -> Vec<Vec<Nodule>> {
    let nodule = |diameter_mm: f64, kind, count| Nodule {
        outlined: None,
        diameter_mm,
        kind,
        spiculated: Some(true),
        upper_lobe: Some(false),
        site: None,
        count,
        source: vec!["Observation/1".into()],
        dated: Some(t0()),
    };
    let before = |nodule: Nodule, days: i64| Nodule {
        dated: Some(t0() - SignedDuration::from_hours(24 * days)),
        ..nodule
    };
    let outlined = |diameter_mm: f64| Nodule {
        spiculated: None,
        upper_lobe: None,
        outlined: Some(Outlined { model: "nodules@1.2.0".into(), segment: "nodule".into() }),
        ..nodule(diameter_mm, None, None)
    };
    vec![
        vec![nodule(12.0, Some(NoduleKind::Solid), Some(1))],
        vec![nodule(7.0, Some(NoduleKind::PartSolid), None)],
        vec![nodule(5.0, Some(NoduleKind::NonSolid), Some(3))],
        vec![nodule(3.0, None, Some(1))],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(1)), before(nodule(10.5, None, None), 200)],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(1)), before(nodule(9.8, None, None), 200)],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(1)), before(nodule(8.0, None, None), 200)],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(1)), before(nodule(8.0, None, None), 500)],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(1)), before(nodule(8.0, None, None), 1000)],
        vec![nodule(10.0, Some(NoduleKind::Solid), Some(2)), before(nodule(8.0, None, None), 200)],
        vec![nodule(30.0, Some(NoduleKind::NonSolid), Some(1)), before(nodule(20.0, None, None), 200)],
        vec![nodule(40.0, Some(NoduleKind::Solid), Some(1))],
        vec![Nodule { spiculated: None, upper_lobe: None, dated: None, ..nodule(9.0, None, Some(1)) }],
        vec![Nodule { spiculated: None, ..nodule(9.0, Some(NoduleKind::Solid), Some(2)) }],
        vec![outlined(9.5)],
        vec![outlined(9.5), outlined(8.0)],
        vec![outlined(9.5), nodule(12.0, Some(NoduleKind::Solid), Some(1))],
        vec![outlined(9.5), before(nodule(12.0, Some(NoduleKind::Solid), Some(1)), 200)],
        Vec::new(),
    ]
}

/// Each choice varied alone around two patients, a woman with a nodule and a man with a high antigen.
#[test]
fn every_text_of_every_risk_is_known() {
    let model = LateFusionModel::embedded().unwrap();
    let bundle = Bundle::embedded().unwrap();
    let scores = ImageScores {
        model: bundle.digest().to_owned(),
        bundle: bundle.identity().unwrap(),
        labels: bundle.model_card().labels.iter().map(|label| (label.name.clone(), -1.0)).collect(),
        view: Some(ChestView::Ap),
        modality: "DX".into(),
    };
    let other = ImageScores { modality: "CT".into(), ..scores.clone() };
    let header = HeaderDemographics { age_years: Some(70.0), sex: Some(Sex::Female) };
    let mut seen = 0;
    let prostates = prostates();
    for nodules in nodules() {
        for sex in ["female", "male"] {
            let mut base = nothing();
            for (id, values) in choices() {
                set(&mut base, id, values[0].clone());
            }
            set(&mut base, "sex", FeatureValue::Code(sex.to_owned()));
            let mut tables = vec![Some(base.clone()), Some(nothing()), None];
            for (id, values) in choices() {
                for value in values {
                    let mut table = base.clone();
                    set(&mut table, id, value);
                    tables.push(Some(table));
                }
            }
            tables.extend([noted(&base, false), noted(&base, true), changed(&base)].map(Some));
            for (at, table) in tables.iter().enumerate() {
                let found = fusion::assess(&AssessInput {
                    t0: t0(),
                    features: table.as_ref(),
                    nodules: &nodules,
                    prostate: &prostates[at % prostates.len()],
                    lesions: &[],
                    image: [Some(&scores), Some(&other), None][at % 3],
                    header: Some(header),
                    late_fusion: Some(&model).filter(|_| at % 5 != 4),
                });
                for risk in risks::risks(&found) {
                    seen += 1;
                    of_risk(&risk);
                }
            }
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// The table with notes that state some of it, at the time of the nodule.
fn noted(base: &FeatureTable, questioned: bool) -> FeatureTable {
    let mut table = base.clone();
    set(&mut table, "note-spiculation", FeatureValue::Bool(false));
    for feature in &mut table.features {
        if ["note-spiculation", "emphysema", "smoking-status", "family-lung-cancer"]
            .contains(&feature.id.as_str())
        {
            feature.age_days = Some(0.0);
            feature.questioned = questioned;
            feature.passage = Some(Passage { element: "conclusion".to_owned(), start: 0, end: 9 });
        }
    }
    table
}

/// The table of a record that was changed after the study.
fn changed(base: &FeatureTable) -> FeatureTable {
    let mut table = base.clone();
    table.features.iter_mut().for_each(|feature| feature.changed_after_t0 = true);
    table
}

fn of_risk(risk: &doc::Risk) {
    let of = risk.id.as_str();
    for text in
        [&risk.title, &risk.outcome, &risk.horizon, &risk.population, &risk.calibration, &risk.method.name]
    {
        if text != "PBCG" && text != "PLCOm2012" && text != "TUM-RC" {
            known(text, of);
        }
    }
    if let Some((_, variant)) = risk.method.version.split_once(", ") {
        known(variant, of);
    }
    match &risk.value {
        doc::RiskValue::NotComputable { reason, range } => {
            known(reason, of);
            if let Some(range) = range {
                known(&range.kind, of);
            }
        }
        doc::RiskValue::Computed { interval, .. } => interval.iter().for_each(|one| known(&one.kind, of)),
    }
    risk.inputs.iter().for_each(|input| {
        known(&input.label, of);
        known(&input.value, of);
    });
    risk.contributions.iter().for_each(|part| known(&part.label, of));
    risk.comparators.iter().for_each(|one| {
        known(&one.name, of);
        one.note.iter().for_each(|note| known(note, of));
        one.category.iter().for_each(|category| known(category, of));
    });
    risk.could_be.iter().for_each(|range| known(&range.kind, of));
    risk.missing.iter().for_each(|word| known(word, of));
    risk.category.iter().for_each(|category| known(category, of));
    risk.guidance.iter().for_each(|one| known(&one.text, of));
    risk.limits.iter().for_each(|limit| known(limit, of));
}

#[test]
fn every_feature_and_reason_is_known() {
    for feature in &nothing().features {
        known(&feature.label, &feature.id);
    }
    for reason in [
        MissingReason::NotRecorded,
        MissingReason::OnlyAfterT0,
        MissingReason::CorrectedAfterT0,
        MissingReason::Undated,
        MissingReason::Status,
        MissingReason::Unit,
        MissingReason::Implausible,
        MissingReason::NotNumeric,
        MissingReason::Stale,
        MissingReason::Unmapped,
        MissingReason::Ambiguous,
    ] {
        known(reason.text(), "a missing feature");
    }
    for text in [
        "the entry was changed after the study",
        "3 values are of entries that were changed after the study",
        "they may say what was not known at the time of the study",
        "3 entries corrected after the study, of which no earlier version is there",
    ] {
        known(text, "what was changed later");
    }
}

#[test]
fn every_text_of_the_models_and_of_the_composition_is_known() {
    let bundle = Bundle::embedded().unwrap();
    for model in [findings::model(&bundle), risks::model(&LateFusionModel::embedded().unwrap())] {
        for text in [&model.title, &model.training_data, &model.calibration, &model.applicability] {
            known(text, &model.id);
        }
        model.limits.iter().for_each(|limit| known(limit, &model.id));
    }
    bundle.model_card().labels.iter().for_each(|label| known(&label.title, "a label"));
    known(&bundle.model_card().saliency, "the overlay");
    known(&Pipeline::declared().unwrap().description, "the pipeline");
    for limit in super::limits(bundle.model_card()) {
        known(&limit, "the report");
    }
}

/// Codes of the tables of `docs/codes.md` whose title begins so.
fn codes(title: &str) -> Vec<&'static str> {
    let sections = CODES.split("\n## ").filter(|section| section.starts_with(title));
    let rows = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ").map(|code| code.trim_matches('`'))).collect()
}

#[test]
fn every_refusal_and_failure_is_known_by_its_code() {
    let codes: Vec<&str> = [codes("Refused"), codes("Failed: a human")].concat();
    assert!(codes.len() > 70, "docs/codes.md changed: adapt this test");
    for code in codes {
        let technical = "an English sentence with 3 details in it";
        assert_ne!(Language::German.reason(code, technical), technical, "{code}");
        known(&Ending::refused(code, "because").why().next_step, code);
    }
}
