//! Model files that were made to stop the program: each is refused where it is read.

use burn::tensor::Device;
use fusion::learned::ModelFileError;
use fusion::learned::fused::FusedModel;
use fusion::learned::tabular::TabularModel;
use serde_json::{Value, json};

/// The file of a committed model.
fn committed(id: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(id).join("model.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn of_a_table(file: &Value) -> Result<TabularModel, ModelFileError> {
    TabularModel::from_json(&serde_json::to_vec(file).unwrap())
}

fn fused(file: &Value) -> Result<FusedModel, ModelFileError> {
    FusedModel::from_json(&serde_json::to_vec(file).unwrap(), &Device::flex())
}

#[test]
fn a_curve_without_a_probability_for_each_point_is_refused() {
    let mut file = committed("lidc-malignancy-rating");
    let curve =
        |at: &[f64], probability: &[f64]| json!({ "isotonic": { "at": at, "probability": probability } });
    file["calibration"] = json!({ "pooled": curve(&[-1.0, 1.0], &[0.1, 0.9]), "strata": {} });
    assert!(of_a_table(&file).is_ok());
    let wrong = [
        curve(&[0.0], &[0.1, 0.9]),
        curve(&[-1.0, 0.0, 1.0], &[0.1, 0.9]),
        curve(&[], &[]),
        curve(&[-1.0, 1.0], &[0.1, 1.5]),
        json!({ "platt": { "intercept": 0.0, "slope": -1.0 } }),
    ];
    for curve in wrong {
        let sound = json!({ "platt": { "intercept": 0.0, "slope": 1.0 } });
        file["calibration"] = json!({ "pooled": curve, "strata": {} });
        assert!(matches!(of_a_table(&file), Err(ModelFileError::Unsound)), "{curve}");
        file["calibration"] = json!({ "pooled": sound, "strata": { "complete": curve } });
        assert!(matches!(of_a_table(&file), Err(ModelFileError::Unsound)), "{curve} of a stratum");
    }
}

#[test]
fn counts_that_no_table_has_are_refused() {
    let (table, pictures) = (committed("lidc-malignancy-rating"), committed("icu-at-exam"));
    let wrong = [[u64::MAX, 2, u64::MAX], [100, 2, 101], [100, 101, 2]];
    for counts in wrong {
        for key in ["fitted", "calibrated"] {
            let mut file = table.clone();
            file[key] = json!(counts);
            assert!(matches!(of_a_table(&file), Err(ModelFileError::Unsound)), "{key} {counts:?}");
        }
        for key in ["fitted", "pictured"] {
            let mut file = pictures.clone();
            file[key] = json!(counts);
            assert!(matches!(fused(&file), Err(ModelFileError::Unsound)), "{key} {counts:?}");
        }
    }
}

/// The weights of a network are counted before there is one.
#[test]
fn a_network_of_other_widths_than_the_configuration_s_is_refused() {
    let mut file = committed("icu-at-exam");
    let columns = file["columns"].as_array().unwrap().len();
    file["level"] = json!("L2");
    for (key, width) in [("hidden", 1_u64 << 60), ("meeting", 1 << 60), ("members", 1 << 60), ("members", 0)]
    {
        let mut widths = json!({
            "image": file["projection"]["rows"].as_array().unwrap().len(),
            "record": columns,
            "hidden": file["config"]["network"]["width"],
            "meeting": file["config"]["network"]["meeting"],
            "members": file["config"]["network"]["members"],
        });
        widths[key] = json!(width);
        let edges = vec![Vec::<f64>::new(); columns];
        file["gated"] =
            json!({ "widths": widths, "coder": { "edges": edges, "stand_ins": null }, "networks": [[0.5]] });
        assert!(matches!(fused(&file), Err(ModelFileError::Unsound)), "{key} {width}");
    }
}

#[test]
fn more_columns_than_can_be_answered_with_are_refused() {
    let with = |values: usize| {
        let mut file = committed("lidc-malignancy-rating");
        let drawn: Vec<String> = (0..values).map(|at| format!("v{at}")).collect();
        let mut columns: Vec<Value> = file["columns"].as_array().unwrap()[..6].to_vec();
        columns.extend(drawn.iter().map(|value| json!(format!("calcification={value}"))));
        columns.push(json!("calcification=other"));
        let count = columns.len();
        let linear = json!({
            "centre": vec![0.0; count], "scale": vec![1.0; count], "weights": vec![0.1; count], "intercept": 0.0
        });
        file["columns"] = json!(columns);
        file["config"]["category"][0]["values"] = json!(drawn);
        file["members"] = json!([linear]);
        file["linear"] = linear;
        file.as_object_mut().unwrap().remove("familiarity").unwrap();
        of_a_table(&file)
    };
    assert!(with(2041).is_ok(), "2,048 columns");
    let error = with(2042).unwrap_err();
    assert_eq!(error, ModelFileError::Columns { found: 2049, most: 2048 });
    assert_eq!(error.to_string(), "the model reads 2049 columns; at most 2048 can be answered with");
}
