//! A published formula's probability as a side of a fused model: an arm of the ladder, and a part of late fusion with a term for
//! each side that is missing; and as an input and an arm of a model of a table alone.

use std::sync::OnceLock;

use burn::tensor::Device;
use fusion::learned::ModelFileError;
use fusion::learned::fused::{
    Answered, Embeddings, FusedConfig, FusedConfigError, FusedModel, FusedPrediction, FusedTrainError,
    FusedTrained, Level, evaluate_fused, train_fused,
};
use fusion::learned::tabular::{
    NotOfRecord, Table, TabularModel, TabularTrainError, TabularTrained, evaluate_table, train_table,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::made_up_table;

/// The network learns nothing, so that L1 is kept.
const CONFIG: &str = r#"
[image]
key = "picture"
label = "Picture"
source = "made in code"
components = 2

[formula]
column = "brock"
label = "Brock 2b"

[splits]
count = 4
test_share = 0.3
seeds = 1

[network]
members = 2
width = 4
meeting = 4
seeds = 1
steps = 5
rate = 1e-9

[table]
id = "made-up-sides"
MADE_UP
missing_flags = false
seed = 7
numeric = [{ column = "x", label = "X", unit = "1", range = [-10.0, 10.0] }]
"#;

/// How the formula's column is made of what the outcome follows.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    /// Its probability, missing in every fifth row.
    Stated,
    /// One less its probability.
    Reversed,
    /// Missing only where the outcome is there, as a rule.
    MissingTells,
}

fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// 500 patients of one row each. The outcome follows the sum of what the picture, the record and the formula say. Every sixth
/// row has no record and every seventh no picture.
fn made_up(column: Column) -> (Table, Embeddings) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut vectors, mut rows) = (Vec::new(), Vec::new());
    for case in 0..500_u32 {
        let mut draw = || random.random_range(-1.0..1.0_f64);
        let (a, x, own, other) = (draw(), draw(), 2.5 * draw(), draw());
        let sick = random.random_range(0.0..1.0) < logistic(2.0 * a + 2.0 * x + own);
        if case % 7 != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
            vectors.push((format!("p{case}"), vec![a as f32, other as f32, (a - other) as f32]));
        }
        let formula = match column {
            Column::Stated if case % 5 == 0 => String::new(),
            Column::Stated => logistic(own).to_string(),
            Column::Reversed => logistic(-own).to_string(),
            Column::MissingTells if sick && case % 5 < 3 => String::new(),
            Column::MissingTells => "0.5".to_owned(),
        };
        let shown = if case % 6 == 0 { String::new() } else { format!("{x:.4}") };
        rows.push(vec![format!("w{case}"), u8::from(sick).to_string(), shown, format!("p{case}"), formula]);
    }
    let names = ["who", "y", "x", "picture", "brock"].map(str::to_owned);
    (Table::new(&names, rows).unwrap(), Embeddings::new(vectors).unwrap())
}

fn config() -> FusedConfig {
    toml::from_str(&made_up_table(CONFIG)).unwrap()
}

fn train(config: &FusedConfig, column: Column) -> FusedTrained {
    let (table, embeddings) = made_up(column);
    train_fused(config, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap()
}

fn stated() -> &'static FusedTrained {
    static TRAINED: OnceLock<FusedTrained> = OnceLock::new();
    TRAINED.get_or_init(|| train(&config(), Column::Stated))
}

/// What the file says of the formula in L1.
fn side(trained: &FusedTrained) -> serde_json::Value {
    let file: serde_json::Value = serde_json::from_str(trained.model.to_json()).unwrap();
    file["late"]["formula"].clone()
}

/// The answer for one row: columns that are empty are missing.
fn answer(model: &FusedModel, picture: bool, x: &str, brock: &str) -> Option<FusedPrediction> {
    let names = ["x", "picture", "brock"].map(str::to_owned);
    let table = Table::new(&names, vec![vec![x.to_owned(), "q".to_owned(), brock.to_owned()]]).unwrap();
    let vector = [0.4, 0.1, 0.3];
    model.predict(table.rows().next().unwrap(), Some(&vector[..]).filter(|_| picture)).unwrap()
}

#[test]
fn a_declared_formula_is_an_arm_and_makes_late_fusion_better() {
    let trained = stated();
    assert_eq!(trained.model.decision().keeps, Level::L1, "{}", trained.model.decision().reason);
    let arms = &trained.ladder.subsets[0].arms;
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["L2 gated", "L1 late", "L0 image only", "L0 record only", "L0 formula only"]);
    let auroc = |at: usize| arms[at].auroc.unwrap().value;
    assert!(auroc(4) > 0.6, "{}", auroc(4));
    assert!(auroc(1) > auroc(4) + 0.05 && auroc(1) > auroc(2) + 0.05 && auroc(1) > auroc(3) + 0.05);
    assert!(trained.ladder.report.arms.iter().any(|arm| arm.name == "L0 formula only"));
    assert!(side(trained)["weight"].as_f64().unwrap() > 0.5);
    assert!(trained.card.contains("| formula | Brock 2b, column `brock`; weight of its logit in L1 "));
    let mut without = config();
    without.formula = None;
    let without = train(&without, Column::Stated);
    let names: Vec<&str> = without.ladder.subsets[0].arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["L2 gated", "L1 late", "L0 image only", "L0 record only"]);
    assert!(auroc(1) > without.ladder.subsets[0].arms[1].auroc.unwrap().value + 0.02);
    assert!(!without.model.to_json().contains("formula") && !without.card.contains("formula"));
    // the column alone is not read
    let one = answer(&without.model, true, "0.3", "0.9").unwrap();
    assert_eq!(Some(one.clone()), answer(&without.model, true, "0.3", ""));
    assert_eq!((one.formula_only, one.sides.len()), (None, 2));
    assert_eq!(answer(&without.model, false, "", "0.9"), None);
}

#[test]
fn a_row_is_answered_by_the_sides_that_it_has_and_says_which() {
    let model = &stated().model;
    let cases = [
        (true, "0.3", "0.8", Some(Answered::Fused)),
        (true, "0.3", "", Some(Answered::Fused)),
        (true, "", "0.8", Some(Answered::ImageAndFormula)),
        (false, "0.3", "0.8", Some(Answered::RecordAndFormula)),
        (true, "", "", Some(Answered::ImageOnly)),
        (false, "0.3", "", Some(Answered::RecordOnly)),
        (false, "", "0.8", Some(Answered::FormulaOnly)),
        (false, "", "", None),
        // no probability is no formula
        (false, "", "80", None),
    ];
    for (picture, x, brock, expected) in cases {
        let found = answer(model, picture, x, brock);
        assert_eq!(found.as_ref().map(|found| found.answered), expected, "{picture} {x} {brock}");
        let Some(found) = found else { continue };
        let alone = match found.answered {
            Answered::ImageOnly => found.image_only,
            Answered::RecordOnly => found.record_only,
            Answered::FormulaOnly => found.formula_only,
            _ => Some(found.probability),
        };
        assert_eq!(alone.map(f64::to_bits), Some(found.probability.to_bits()), "{found:?}");
        assert_eq!(found.formula_only.is_some(), !brock.is_empty());
        assert!(found.low <= found.probability && found.probability <= found.high);
    }
}

/// The file's numbers are the equation that is stated: weight times the formula's logit, or the term of what is missing.
#[test]
fn late_fusion_adds_the_weighted_logit_or_the_term_of_a_missing_side() {
    let model = &stated().model;
    let side = side(stated());
    let (weight, centre) = (side["weight"].as_f64().unwrap(), side["centre"].as_f64().unwrap());
    let missing: Vec<f64> =
        side["missing"].as_array().unwrap().iter().map(|term| term.as_f64().unwrap()).collect();
    let of =
        |picture: bool, x: &str, brock: &str| logit(answer(model, picture, x, brock).unwrap().probability);
    for (picture, x) in [(true, "0.3"), (true, ""), (false, "0.3")] {
        let moved = of(picture, x, "0.8") - of(picture, x, "0.3");
        assert!((moved - weight * (logit(0.8) - logit(0.3))).abs() < 1e-9, "{picture} {x}: {moved}");
    }
    let moved = of(true, "0.3", "0.8") - of(true, "0.3", "");
    assert!((moved - (weight * logit(0.8) - missing[2])).abs() < 1e-9);
    let alone = side["alone"].as_array().unwrap();
    let alone = alone[0].as_f64().unwrap() + alone[1].as_f64().unwrap() * logit(0.8);
    assert!((of(false, "", "0.8") - alone).abs() < 1e-9);
    // contributions are stated against one row, the average one, whatever is missing
    let rest = |picture: bool, x: &str, brock: &str| {
        let found = answer(model, picture, x, brock).unwrap();
        logit(found.probability) - found.contributions.iter().map(|one| one.1).sum::<f64>()
    };
    let whole = rest(true, "0.3", "0.8");
    for (picture, x, brock) in [(true, "-0.9", ""), (true, "", "0.2"), (false, "0.3", "0.8")] {
        assert!((rest(picture, x, brock) - whole).abs() < 1e-9, "{picture} {x} {brock}");
    }
    let found = answer(model, true, "0.3", "0.8").unwrap();
    let own = found.contributions.iter().find(|one| one.0 == "Brock 2b").unwrap().1;
    assert!((own - weight * (logit(0.8) - centre)).abs() < 1e-9);
    assert_eq!(
        found.sides.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
        ["Picture", "Record", "Brock 2b"]
    );
}

#[test]
fn a_formula_that_is_wrong_way_round_gets_no_weight() {
    let trained = train(&config(), Column::Reversed);
    let side = side(&trained);
    assert_eq!((side["weight"].as_f64(), side["alone"][1].as_f64()), (Some(0.0), Some(0.0)));
    let [high, low] = ["0.9", "0.1"].map(|brock| answer(&trained.model, true, "0.3", brock).unwrap());
    assert_eq!(high.probability.to_bits(), low.probability.to_bits());
}

#[test]
fn that_a_side_is_missing_may_speak_for_the_outcome() {
    let trained = train(&config(), Column::MissingTells);
    assert!(side(&trained)["missing"][2].as_f64().unwrap() > 1.0, "{}", side(&trained));
    let [with, without] = ["0.5", ""].map(|brock| answer(&trained.model, true, "0.3", brock).unwrap());
    assert!(without.probability > with.probability + 0.1, "{without:?} {with:?}");
}

#[test]
fn an_evaluation_and_a_file_have_the_formula_too() {
    let (table, embeddings) = made_up(Column::Stated);
    let model = &stated().model;
    let report = evaluate_fused(model, &table, &embeddings, &Device::flex()).unwrap();
    let names: Vec<&str> = report.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["made-up-sides", "image only", "record only", "formula only"]);
    assert_eq!(report.arms[3].cases, 400, "every fifth row states none");
    let read = FusedModel::from_json(model.to_json().as_bytes(), &Device::flex()).unwrap();
    assert_eq!(answer(&read, true, "0.3", "0.8"), answer(model, true, "0.3", "0.8"));
    // a file whose parts do not say the same of the formula
    for path in [["config", "formula"], ["late", "formula"]] {
        let mut file: serde_json::Value = serde_json::from_str(model.to_json()).unwrap();
        file[path[0]].as_object_mut().unwrap().remove(path[1]).unwrap();
        let error = FusedModel::from_json(&serde_json::to_vec(&file).unwrap(), &Device::flex()).unwrap_err();
        assert!(matches!(error, ModelFileError::Unsound), "{path:?}: {error}");
    }
    let mut file: serde_json::Value = serde_json::from_str(model.to_json()).unwrap();
    file["late"]["formula"]["weight"] = serde_json::json!(-0.1);
    assert!(FusedModel::from_json(&serde_json::to_vec(&file).unwrap(), &Device::flex()).is_err());
}

#[test]
fn a_cell_that_is_no_probability_stops_the_training() {
    let (_, embeddings) = made_up(Column::Stated);
    let names = ["who", "y", "x", "picture", "brock"].map(str::to_owned);
    let row = |brock: &str| ["w", "1", "0.1", "p1", brock].map(str::to_owned).to_vec();
    for wrong in ["12.5", "-0.1", "low"] {
        let table = Table::new(&names, vec![row("0.5"), row(""), row(wrong)]).unwrap();
        let error = train_fused(&config(), &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, FusedTrainError::Formula { row: 3, .. }), "{wrong}: {error}");
        assert!(error.to_string().contains("`brock`"), "{error}");
    }
    let mut absent = config();
    absent.formula.as_mut().unwrap().column = "mayo".to_owned();
    let (table, embeddings) = made_up(Column::Stated);
    let error = train_fused(&absent, &table, &embeddings, &Device::flex(), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, FusedTrainError::Table(_)), "{error}");
}

/// The same rows without their pictures.
fn table_alone(column: Column, with_formula: bool) -> TabularTrained {
    let mut config = config();
    config.table.formula = config.formula.filter(|_| with_formula);
    train_table(&config.table, &made_up(column).0).unwrap()
}

#[test]
fn a_table_alone_has_the_formula_as_an_input_and_as_an_arm() {
    let (with, without) = (table_alone(Column::Stated, true), table_alone(Column::Stated, false));
    let names = |report: &fusion::evaluation::Report| -> Vec<String> {
        report.arms.iter().map(|arm| arm.name.clone()).collect()
    };
    assert_eq!(names(&with.report), ["made-up-sides", "formula only"]);
    assert_eq!(names(&without.report), ["made-up-sides"]);
    assert!(with.card.contains("| formula | Brock 2b, column `brock`; its logit is an input"));
    assert!(!without.model.to_json().contains("formula") && !without.card.contains("formula"));
    let auroc = |model: &TabularModel| {
        let report = evaluate_table(model, made_up(Column::Stated).0).unwrap();
        report.arms[0].auroc.unwrap().value
    };
    assert!(auroc(&with.model) > auroc(&without.model) + 0.02);

    let names = ["x", "brock"].map(str::to_owned);
    let rows = [["0.3", "0.8"], ["0.3", "0.2"], ["", "0.8"], ["0.3", ""], ["", ""], ["", "80"]];
    let rows = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();
    let table = Table::new(&names, rows).unwrap();
    let read = TabularModel::from_json(with.model.to_json().as_bytes()).unwrap();
    let found: Vec<_> = table.rows().map(|row| read.predict(row)).collect();
    let [high, low] = [0, 1].map(|at: usize| found[at].as_ref().unwrap());
    assert!(high.probability > low.probability && high.formula_only > low.formula_only);
    assert!(high.contributions.iter().any(|(name, _)| name == "Brock 2b"));
    assert_eq!(found[2].as_ref().unwrap().formula_only, high.formula_only, "by the formula alone");
    let bare = found[3].as_ref().unwrap();
    assert_eq!((bare.formula_only, bare.missing.as_slice()), (None, &["Brock 2b".to_owned()][..]));
    assert!(found[4].is_none() && found[5].is_none(), "no probability is no formula");

    let mut file: serde_json::Value = serde_json::from_str(with.model.to_json()).unwrap();
    file.as_object_mut().unwrap().remove("formula_alone").unwrap();
    let error = TabularModel::from_json(&serde_json::to_vec(&file).unwrap()).unwrap_err();
    assert!(matches!(error, ModelFileError::Unsound), "{error}");
}

#[test]
fn a_table_alone_gives_a_formula_that_is_wrong_way_round_no_weight() {
    let model = table_alone(Column::Reversed, true).model;
    let names = ["x", "brock"].map(str::to_owned);
    let rows = ["0.9", "0.1"].map(|brock| vec!["0.3".to_owned(), brock.to_owned()]).to_vec();
    let table = Table::new(&names, rows).unwrap();
    let found: Vec<u64> = table.rows().map(|row| model.predict(row).unwrap().probability.to_bits()).collect();
    assert_eq!(found[0], found[1]);
}

#[test]
fn a_table_alone_refuses_a_cell_that_is_no_probability_and_pictures_refuse_a_formula_in_the_table() {
    let mut config = config();
    config.table.formula = config.formula.clone();
    assert_eq!(config.check(), Err(FusedConfigError::Formula));
    config.table.numeric.clear();
    assert_eq!(config.table.check_record(), Err(NotOfRecord::FormulaAlone), "a report gives it none");
    config.table.numeric = self::config().table.numeric;
    let names = ["who", "y", "x", "brock"].map(str::to_owned);
    let row = |brock: &str| ["w", "1", "0.1", brock].map(str::to_owned).to_vec();
    let table = Table::new(&names, vec![row("0.5"), row(""), row("12.5")]).unwrap();
    let error = train_table(&config.table, &table).unwrap_err();
    assert!(matches!(error, TabularTrainError::Formula { row: 3, .. }), "{error}");
}
