//! Models of tables: the committed ones are what training gives, and what a made-up table must teach.

use std::fmt::Write as _;
use std::path::Path;

use fusion::evaluation::Report;
use fusion::learned::ModelFileError;
use fusion::learned::tabular::{
    Band, Table, TableBuilder, TableError, TabularConfig, TabularModel, TabularTrainError, evaluate_table,
    train_table,
};
use proptest::prelude::*;

use crate::support::{data, made_up_table};

fn table(text: &[u8]) -> Table {
    let mut reader = csv::Reader::from_reader(text);
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    Table::new(&names, rows).unwrap()
}

fn config(id: &str) -> TabularConfig {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(id).join("config.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Trains from the published table and compares with the committed files, byte for byte. To renew them after a wanted
/// change, run the test and copy the folder that its message names.
fn committed_is_what_training_gives(id: &str, folder: &str, file: &str) {
    let Some(folder) = data(folder) else { return };
    let table = table(&std::fs::read(folder.join(file)).unwrap());
    let trained = train_table(&config(id), &table).unwrap();
    let report = serde_json::to_string_pretty(&trained.report).unwrap() + "\n";
    let made =
        [("model.json", trained.model.to_json()), ("card.md", &trained.card), ("evaluation.json", &report)];
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(id);
    std::fs::create_dir_all(&out).unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(id);
    let mut same = true;
    for (name, text) in made {
        same &= std::fs::read_to_string(committed.join(name)).ok().as_deref() == Some(text);
        std::fs::write(out.join(name), text).unwrap();
    }
    assert!(same, "the model changed; the new one is {}", out.display());
    let first = &trained.report.arms[0];
    assert!(first.auroc.unwrap().low.unwrap() > 0.6, "{:?}", first.auroc);
}

#[test]
fn lidc_malignancy_rating() {
    committed_is_what_training_gives("lidc-malignancy-rating", "tabular/lidc", "nodules.csv");
}

#[test]
fn pad_ufes_20_malignancy() {
    committed_is_what_training_gives("pad-ufes-20-malignancy", "tabular/pad-ufes-20", "metadata.csv");
}

/// 300 patients of two rows: the outcome follows `x` and, less, the place; `noise` says nothing.
fn made_up() -> (TabularConfig, String) {
    let mut text = "who,y,x,place,noise,bleeds\n".to_owned();
    for case in 0..600_u32 {
        let mixed = case.wrapping_mul(2_654_435_761) >> 8;
        let x = f64::from(mixed % 1000) / 100.0;
        let place = ["A", "B", "C"][(mixed / 7 % 3) as usize];
        let odds = 0.9 * (x - 5.0) + if place == "B" { 1.0 } else { 0.0 };
        let sick = f64::from(mixed / 11 % 997) / 997.0 < 1.0 / (1.0 + (-odds).exp());
        let shown = if case % 10 == 0 { String::new() } else { x.to_string() };
        let bleeds = if case % 3 == 0 { "True" } else { "False" };
        writeln!(text, "p{},{},{shown},{place},{},{bleeds}", case / 2, u8::from(sick), mixed / 13 % 10)
            .unwrap();
    }
    let config = r#"
id = "made-up"
MADE_UP
missing_flags = true
seed = 1
numeric = [
    { column = "x", label = "X", unit = "1", range = [0.0, 10.0], sign = "non-negative" },
    { column = "noise", label = "Noise", unit = "1", range = [0.0, 10.0] },
]
truth = [{ column = "bleeds", label = "Bleeds", yes = ["True"], no = ["False"] }]
category = [{ column = "place", label = "Place", values = ["A", "B"] }]
"#;
    (toml::from_str(&made_up_table(config)).unwrap(), text)
}

#[test]
fn a_made_up_table_is_learnt_and_explained() {
    let (config, text) = made_up();
    let table = table(text.as_bytes());
    let trained = train_table(&config, &table).unwrap();
    let first = &trained.report.arms[0];
    assert!(first.auroc.unwrap().value > 0.8, "{:?}", first.auroc);
    assert!(trained.report.stress[2].auroc.unwrap() < 0.51, "with everything taken away nothing is left");
    let again = train_table(&config, &table).unwrap();
    assert_eq!(again.model.to_json(), trained.model.to_json(), "the seed decides");
    let read = TabularModel::from_json(trained.model.to_json().as_bytes()).unwrap();
    assert_eq!(read, trained.model);
    let rows =
        table_of("who,y,x,place,noise,bleeds\np,1,9.5,B,5,True\np,1,0.5,Z,5,False\np,1,,,,\np,1,9.5,,,\n");
    let answers: Vec<_> = rows.rows().map(|row| read.predict(row)).collect();
    let (high, low) = (answers[0].as_ref().unwrap(), answers[1].as_ref().unwrap());
    assert!(high.probability > 0.9 && low.probability < 0.1, "{high:?} {low:?}");
    assert!(high.low <= high.probability && high.probability <= high.high && !high.indeterminate);
    assert_eq!(high.contributions[0].0, "X");
    assert!(answers[2].is_none(), "a row without any input gets no number");
    assert_eq!(answers[3].as_ref().unwrap().missing, ["Noise", "Bleeds", "Place"]);
    let row = rows.rows().next().unwrap();
    let shapley = read.shapley(row).unwrap();
    assert_eq!(shapley.len(), 4);
    assert_eq!(shapley.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0, "X");
}

/// Over all inputs the values sum to the logit less that of a row of which nothing is known, whatever the row; what the linear
/// model says of each input, times the slope of the calibration, is the same.
#[test]
fn shapley_values_are_additive_to_1e_5() {
    let (config, text) = made_up();
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let model = train_table(&config, &table(text.as_bytes())).unwrap().model;
    let rows = "who,y,x,place,noise,bleeds\np,1,9.5,B,5,True\np,1,0.5,Z,5,False\np,1,5.5,A,0,True\np,1,7,C,9,False\n";
    let rows = table_of(rows);
    let part =
        |of: &[(String, f64)], name: &str| of.iter().find(|one| one.0 == name).map_or(0.0, |one| one.1);
    let mut references = Vec::new();
    for row in rows.rows() {
        let shapley = model.shapley(row).unwrap();
        let found = model.predict(row).unwrap();
        references.push(logit(found.probability) - shapley.iter().map(|(_, value)| value).sum::<f64>());
        let slope = part(&shapley, "X") / part(&found.contributions, "X");
        for (name, value) in &shapley {
            assert!((value - slope * part(&found.contributions, name)).abs() < 1e-5, "{name}: {shapley:?}");
        }
    }
    for reference in &references {
        assert!((reference - references[0]).abs() < 1e-5, "{references:?}");
    }
}

/// Asked for, isotonic calibration is used where there are 1,000 cases, and said; with fewer the card says why it is not.
#[test]
fn isotonic_calibration_is_a_key_of_the_configuration() {
    let (config, text) = made_up();
    let key = "calibration = \"isotonic\"\n".to_owned() + &toml::to_string(&config).unwrap();
    let isotonic: TabularConfig = toml::from_str(&key).unwrap();
    assert!(
        !toml::to_string(&config).unwrap().contains("calibration"),
        "a file without the key stays as it was"
    );
    let few = train_table(&isotonic, &table(text.as_bytes())).unwrap();
    assert!(few.card.contains("isotonic was asked for and needs 1000 cases"), "{}", few.card);
    // ten times the rows, of other patients
    let (header, rows) = text.split_once('\n').unwrap();
    let many =
        (0..10).fold(format!("{header}\n"), |all, time| all + &rows.replace('p', &format!("q{time}-")));
    let found = train_table(&isotonic, &table(many.as_bytes())).unwrap();
    assert!(found.card.contains("| calibration | isotonic, "), "{}", found.card);
    assert!(found.model.to_json().contains("\"isotonic\":{\"at\""));
    let platt = train_table(&config, &table(many.as_bytes())).unwrap();
    assert!(platt.card.contains("| calibration | Platt, "));
    assert!(found.report.arms[0].auroc.unwrap().value > 0.8);
}

fn table_of(text: &str) -> Table {
    table(text.as_bytes())
}

#[test]
fn a_sign_that_the_data_contradict_leaves_the_column_out() {
    let (mut config, text) = made_up();
    config.numeric[0].sign = fusion::learned::tabular::ColumnSign::NonPositive;
    let trained = train_table(&config, &table(text.as_bytes())).unwrap();
    assert!(trained.card.contains("| x | +0.000 |"), "{}", trained.card);
}

#[test]
fn kept_apart_rows_are_scored_and_foreign_tables_refused() {
    let (config, text) = made_up();
    let trained = train_table(&config, &table(text.as_bytes())).unwrap();
    let report: Report = evaluate_table(&trained.model, table(text.as_bytes())).unwrap();
    assert_eq!((report.patients, report.arms[0].cases), (300, 600));
    let size = report.sample_size.as_ref().unwrap();
    assert!(size.parameters > 3 && size.evaluation.unwrap().rows == 600, "{size:?}");
    assert!(trained.card.contains("| 10 sample size |") && trained.card.contains("candidate parameters"));
    // Numbers kept as numbers give the same, bit for bit.
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut lean = TableBuilder::for_model(&names, &config);
    for row in reader.records() {
        let row = row.unwrap();
        lean.push((0..row.len()).map(|at| &row[at])).unwrap();
    }
    assert_eq!(evaluate_table(&trained.model, lean.finish()).unwrap(), report);
    let text = trained.model.evaluation_markdown("made-up on others", &report);
    for part in [
        "# made-up on others",
        "## Evaluation",
        "## TRIPOD+AI",
        "| 16 training and evaluation | nothing was fitted",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let lacking = table_of("who,y,x\np,1,2\n");
    assert!(matches!(evaluate_table(&trained.model, lacking), Err(TabularTrainError::Table(_))));
    let few = table_of("who,y,x,place,noise,bleeds\np,1,2,A,1,True\n");
    assert!(matches!(train_table(&config, &few), Err(TabularTrainError::TooFew { rows: 1, .. })));
    let damaged = trained.model.to_json().replacen("\"format\":1", "\"format\":2", 1);
    assert_eq!(
        TabularModel::from_json(damaged.as_bytes()),
        Err(ModelFileError::Format { found: 2, reads: 1 })
    );
    let renamed = trained.model.to_json().replacen("\"x missing\"", "\"x lost\"", 1);
    assert_eq!(TabularModel::from_json(renamed.as_bytes()), Err(ModelFileError::Unsound));
}

/// A column that is named as a feature of the schema is one: `chiasm fusion table` writes it in the schema's unit.
#[test]
fn a_feature_in_another_unit_than_the_schemas_is_refused() {
    let (mut config, text) = made_up();
    let text = text.replacen(",x,", ",d-dimer,", 1);
    config.numeric[0].column = "d-dimer".to_owned();
    let table = table(text.as_bytes());
    let units = |column: &str, unit: &str| {
        let mut config = config.clone();
        config.numeric[1].column = column.to_owned();
        config.numeric[0].unit = unit.to_owned();
        config
    };
    let refused = train_table(&units("noise", "ug/L"), &table).unwrap_err();
    assert!(matches!(&refused, TabularTrainError::Table(TableError::Unit(_))), "{refused}");
    assert!(refused.to_string().contains("`d-dimer` in `ug/L`") && refused.to_string().contains("`mg/L`"));
    let age = train_table(&units("d-dimer_age_days", "mg/L"), &table).unwrap_err().to_string();
    assert!(age.contains("`d-dimer_age_days` in `1`") && age.contains("is in `d`"), "{age}");
    let trained = train_table(&units("noise", "mg/L"), &table).unwrap();
    let foreign = trained.model.to_json().replacen("\"unit\":\"mg/L\"", "\"unit\":\"ug/L\"", 1);
    assert!(matches!(TabularModel::from_json(foreign.as_bytes()), Err(ModelFileError::Unit(_))));
}

#[test]
fn a_number_makes_groups_by_its_bands() {
    let (mut config, text) = made_up();
    config.bands = vec![Band { column: "noise".to_owned(), edges: vec![3.0, 7.0] }];
    let trained = train_table(&config, &table(text.as_bytes())).unwrap();
    let report = evaluate_table(&trained.model, table(text.as_bytes())).unwrap();
    let of_noise = report.subgroups.iter().filter(|one| one.column == "noise");
    let found: Vec<(&str, usize)> = of_noise.map(|one| (one.value.as_str(), one.cases.unwrap())).collect();
    assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), ["3 to below 7", "7 and more", "below 3"]);
    assert_eq!(found.iter().map(|one| one.1).sum::<usize>(), 600);
    config.bands[0].edges = vec![7.0, 3.0];
    let refused = train_table(&config, &table(text.as_bytes())).unwrap_err();
    assert!(matches!(refused, TabularTrainError::Table(TableError::Edges)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_panics(text in ".{0,300}") {
        prop_assert!(TabularModel::from_json(text.as_bytes()).is_err());
    }
}
