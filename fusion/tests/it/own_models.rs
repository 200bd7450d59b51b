//! Risks of a site's own models: the number of the row that the record makes, for whom the model is, and what it does without.

use burn::tensor::Device;
use fusion::features::cells;
use fusion::learned::fused::{Embeddings, FusedConfig, FusedModel, train_fused};
use fusion::learned::tabular::{NotOfRecord, RecordRow, Table, TabularConfig, TabularModel, train_table};
use fusion::{AssessInput, ImageScores, IntervalKind, Risk, assess, assess_fused, assess_tabular};
use serde_json::{Value, json};

use crate::case::{Case, case, input};
use crate::support::{LOINC, made_up_table, observation, patient, quantity};

const CONFIG: &str = r#"
id = "own"
MADE_UP
missing_flags = true
seed = 1
numeric = [
    { column = "crp", label = "CRP", unit = "mg/L", range = [0.0, 300.0], log1p = true },
    { column = "crp_age_days", label = "Age of CRP", unit = "d", range = [0.0, 30.0] },
    { column = "age", label = "Age", unit = "a", range = [0.0, 120.0] },
]
truth = [{ column = "covid-19", label = "COVID-19", yes = ["true"], no = ["false"] }]
category = [{ column = "sex", label = "Sex", values = ["female"] }]
[record]
max_age_days = 30
requires = [{ feature = "age", range = [18, 120] }, { feature = "sex", values = ["female"] }]
"#;

fn config() -> TabularConfig {
    toml::from_str(&made_up_table(CONFIG)).unwrap()
}

/// 300 drawn patients.
fn model(config: &TabularConfig) -> TabularModel {
    let names = ["who", "y", "crp", "crp_age_days", "age", "covid-19", "sex"].map(str::to_owned);
    let rows = (0..300_u32).map(|at| {
        let mixed = at.wrapping_mul(2_654_435_761) >> 8;
        let (crp, age) = (mixed % 200, 20 + mixed / 7 % 70);
        let sick = u8::from(crp + age > 90 + mixed / 13 % 90).to_string();
        let shown = if at % 5 == 0 { String::new() } else { crp.to_string() };
        let days = if at % 5 == 0 { String::new() } else { (mixed / 17 % 20).to_string() };
        let covid = ["true", "false", ""][(mixed / 19 % 3) as usize].to_owned();
        let sex = ["female", "male"][(mixed / 23 % 2) as usize].to_owned();
        vec![at.to_string(), sick, shown, days, age.to_string(), covid, sex]
    });
    train_table(config, &Table::new(&names, rows.collect()).unwrap()).unwrap().model
}

fn crp(effective: &str, value: &Value) -> Value {
    observation("crp", LOINC, "1988-5", effective, value)
}

fn of(value: &Value) -> Case {
    case(vec![patient(), crp("2024-04-30T08:00:00Z", value)])
}

#[test]
fn the_number_is_that_of_the_row_which_a_table_would_have() {
    let model = model(&config());
    let case = of(&quantity(180.0, "mg/L"));
    let row: Vec<(String, String)> = [("crp", 0), ("crp", 1), ("age", 0), ("covid-19", 0), ("sex", 0)]
        .iter()
        .map(|(id, at)| {
            let name = if *at == 1 { format!("{id}_age_days") } else { (*id).to_owned() };
            (name, cells(&case.table, id, Some(30.0)).unwrap()[*at].clone())
        })
        .collect();
    assert_eq!((row[0].1.as_str(), row[4].1.as_str()), ("180", "female"));
    let (names, values): (Vec<String>, Vec<String>) = row.into_iter().unzip();
    let answer = |covid: &str| {
        let mut known = values.clone();
        known[3] = covid.to_owned();
        let table = Table::new(&names, vec![known]).unwrap();
        model.probability(table.rows().next().unwrap()).unwrap()
    };
    let (with, without) = (answer("true"), answer("false"));
    let table = Table::new(&names, vec![values.clone()]).unwrap();
    let expected = model.predict(table.rows().next().unwrap()).unwrap();

    let risk = assess_tabular(&model, &input(&case));
    let near = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() < 1e-10;
    assert!(near(risk.probability, expected.probability));
    assert!(near(risk.low, expected.low) && near(risk.high, expected.high));
    assert_eq!(
        (risk.id.as_str(), risk.learned, risk.interval_kind),
        ("own", true, IntervalKind::Confidence95)
    );
    assert_eq!(risk.missing, ["covid-19"], "what the record does not state");
    assert_eq!(risk.method.variant, "some inputs missing");
    let (low, high) = risk.could_be.unwrap();
    assert!(near(Some(low), with.min(without)) && near(Some(high), with.max(without)), "{low} {high}");
    assert!(risk.method.version.starts_with("1 (") && risk.method.version.contains(&model.digest()[..12]));
    let cited: Vec<&str> = risk.inputs.iter().filter_map(|one| one.source.as_deref()).collect();
    assert!(cited.contains(&"Observation/crp"), "{cited:?}");
    let labels: Vec<&str> = risk.inputs.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels.iter().filter(|label| **label == "C-reactive protein").count(), 1, "{labels:?}");
    assert!(risk.contributions.iter().any(|part| part.label == "CRP" && part.logit > 0.0));
    assert_eq!(
        risk.limits.iter().any(|limit| limit.starts_with("indeterminate")),
        expected.indeterminate,
        "{:?}",
        risk.limits
    );
    assert!(risk.average.is_some_and(|average| (0.2..0.8).contains(&average)));
}

#[test]
fn what_is_not_usable_is_missing_with_its_reason_and_cites_nothing() {
    let model = model(&config());
    for (case, why) in [
        (of(&quantity(80.0, "mmol/L")), "the unit is missing or does not fit"),
        (of(&quantity(450.0, "mg/L")), "the value is outside the possible range"),
        (
            case(vec![patient(), crp("2024-03-01T08:00:00Z", &quantity(80.0, "mg/L"))]),
            "the last value is too old",
        ),
    ] {
        let risk = assess_tabular(&model, &input(&case));
        assert!(
            risk.probability.is_some() && risk.missing.contains(&"crp".to_owned()),
            "{why}: {:?}",
            risk.missing
        );
        assert!(risk.limits.contains(&format!("C-reactive protein: {why}")), "{why}: {:?}", risk.limits);
        assert!(risk.inputs.iter().all(|one| one.source.as_deref() != Some("Observation/crp")), "{why}");
        let unknown = risk.inputs.iter().find(|one| one.label == "C-reactive protein").unwrap();
        assert_eq!((unknown.value.as_str(), &unknown.unit), ("unknown", &None));
    }
}

#[test]
fn a_patient_whom_the_model_is_not_for_gets_no_number() {
    let model = model(&config());
    let known = |change: fn(&mut Value)| {
        let mut person = patient();
        change(&mut person);
        let case = case(vec![person, crp("2024-04-30T08:00:00Z", &quantity(80.0, "mg/L"))]);
        assess_tabular(&model, &input(&case))
    };
    for (risk, why) in [
        (known(|one| one["birthDate"] = json!("2015-01-01")), "the model is for 18 to 120: Age"),
        (known(|one| one["gender"] = json!("male")), "the model is not for what the record states: Sex"),
        (
            known(|one| {
                one.as_object_mut().unwrap().remove("gender");
            }),
            "the record does not state what the model asks for: Sex",
        ),
    ] {
        assert_eq!((risk.probability, risk.in_population), (None, false));
        assert_eq!(risk.missing, ["population"]);
        assert_eq!(risk.reason, Some(format!("not computable: {why}")));
    }
    let case = of(&quantity(80.0, "mg/L"));
    let nobody = assess_tabular(&model, &AssessInput { features: None, ..input(&case) });
    assert_eq!(
        (nobody.probability, nobody.missing, nobody.in_population),
        (None, vec!["record".to_owned()], true)
    );
}

#[test]
fn a_column_that_no_record_has_is_told_by_its_name() {
    assert_eq!(config().check_record(), Ok(()));
    let other = |text: &str, by: &str| {
        let config: TabularConfig = toml::from_str(&made_up_table(CONFIG).replace(text, by)).unwrap();
        let case = of(&quantity(80.0, "mg/L"));
        (config.check_record().unwrap_err(), RecordRow::of(&config, &case.table).is_none())
    };
    let column = |name: &str| NotOfRecord::Column { column: name.to_owned() };
    assert_eq!(other("column = \"covid-19\"", "column = \"covid\""), (column("covid"), true));
    assert_eq!(other("\"crp_age_days\"", "\"crp_age\""), (column("crp_age"), true));
    let (error, _) = other("feature = \"sex\"", "feature = \"gender\"");
    assert_eq!(error, NotOfRecord::Requirement { feature: "gender".to_owned() });
    let (error, _) = other("range = [18, 120]", "range = [120, 18]");
    assert!(matches!(error, NotOfRecord::Bound { .. }), "{error}");
}

const PICTURED: &str = r#"
record_needs = ["crp"]
[image]
key = "file"
label = "Radiograph"
source = "made in code"
bundle = "digest"
vectors = "logits"
components = 2
[formula]
column = "brock"
label = "Brock"
[splits]
count = 3
test_share = 0.3
seeds = 1
[network]
members = 2
width = 8
meeting = 4
seeds = 1
steps = 10
[table]
id = "pictured"
MADE_UP
missing_flags = false
seed = 1
numeric = [{ column = "crp", label = "CRP", unit = "mg/L", range = [0.0, 300.0] }]
"#;

/// Late fusion of 200 drawn patients, whose outcome follows the sum of both sides.
fn pictured() -> FusedModel {
    let (mut rows, mut vectors) = (Vec::new(), Vec::new());
    for at in 0..200_u16 {
        let mixed = u32::from(at).wrapping_mul(2_654_435_761) >> 8;
        let (crp, first, other) = (mixed % 100, mixed / 7 % 100, mixed / 17 % 50);
        let sick = u8::from(crp + first > 60 + mixed / 11 % 80).to_string();
        let formula = if at % 3 == 0 { String::new() } else { format!("0.{}", 1 + mixed / 13 % 9) };
        rows.push(vec![at.to_string(), sick, crp.to_string(), formula, format!("f{at}")]);
        let logit = |value: u32| f32::from(u8::try_from(value).unwrap()) / 25.0 - 2.0;
        vectors.push((format!("f{at}"), vec![logit(first), logit(other), logit(mixed / 19 % 50)]));
    }
    let names = ["who", "y", "crp", "brock", "file"].map(str::to_owned);
    let table = Table::new(&names, rows).unwrap();
    let config: FusedConfig = toml::from_str(&made_up_table(PICTURED)).unwrap();
    assert_eq!(config.check_record(), Ok(()));
    let embeddings = Embeddings::new(vectors).unwrap();
    let trained = train_fused(&config, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap();
    let text = trained.model.to_json().as_bytes();
    // the sides add up, so that late fusion is kept
    FusedModel::late_from_json(text).unwrap().unwrap()
}

#[test]
fn late_fusion_takes_scores_of_its_own_bundle_and_the_report_s_own_formula() {
    let model = pictured();
    let case = of(&quantity(80.0, "mg/L"));
    let scores = |model: &str| ImageScores {
        model: "the weights".to_owned(),
        bundle: model.to_owned(),
        labels: ["one", "two", "three"].map(|name| (name.to_owned(), 1.0)).to_vec(),
        view: None,
        modality: "DX".to_owned(),
    };
    let own = scores("digest");
    let whole = AssessInput { image: Some(&own), ..input(&case) };
    let brock = Risk { probability: Some(0.4), ..assess(&whole).remove(0) };
    assert_eq!(brock.id, "brock");
    let names = ["crp", "brock"].map(str::to_owned);
    let row = |cells: [&str; 2]| Table::new(&names, vec![cells.map(str::to_owned).to_vec()]).unwrap();
    let answer = |cells: [&str; 2], vector: Option<&[f32]>| {
        model.predict(row(cells).rows().next().unwrap(), vector).unwrap().unwrap()
    };
    let near = |risk: &Risk, wanted: f64| (risk.probability.unwrap() - wanted).abs() < 1e-10;

    let risk = assess_fused(&model, &whole, std::slice::from_ref(&brock));
    let expected = answer(["80", "0.4"], Some(&[1.0, 1.0, 1.0]));
    assert!(near(&risk, expected.probability) && risk.missing.is_empty(), "{:?}", risk.missing);
    assert_eq!(risk.method.variant, "image and record");
    let told: Vec<(&str, bool)> =
        risk.comparators.iter().map(|one| (one.name.as_str(), one.probability.is_some())).collect();
    assert_eq!(told, [("image only", true), ("record only", true), ("Brock", true)]);
    assert!(risk.inputs.iter().any(|one| one.label == "one (logit)" && one.source.is_none()));

    let other = scores("another");
    let risk = assess_fused(&model, &AssessInput { image: Some(&other), ..whole }, &[brock]);
    assert!(near(&risk, answer(["80", "0.4"], None).probability));
    assert_eq!(
        (risk.missing.as_slice(), risk.method.variant.as_str()),
        (&["image".to_owned()][..], "record and formula")
    );
    assert!(risk.limits.iter().any(|limit| limit.contains("another version of the image model")));

    let risk = assess_fused(&model, &AssessInput { features: None, ..whole }, &[]);
    assert!(near(&risk, expected.image_only.unwrap()));
    assert_eq!(risk.missing, ["record", "formula"]);
    let nothing = assess_fused(&model, &AssessInput { features: None, image: None, ..whole }, &[]);
    assert_eq!((nothing.probability, nothing.missing), (None, vec!["image".to_owned(), "record".to_owned()]));
}
