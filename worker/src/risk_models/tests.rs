//! Models as `chiasm fusion train` writes them, and what makes them unusable.

use std::fs;

use super::*;

/// Writes the drawn model into a folder; `change` alters its configuration.
fn trained(folder: &Path, change: impl FnOnce(String) -> String) {
    let made = sample::drawn(change);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.json"), made.model.to_json()).unwrap();
    fs::write(folder.join("card.md"), made.card).unwrap();
}

fn open(folder: &Path) -> Result<RiskModel, RiskModelFault> {
    let own = RiskConfig { folder: folder.to_owned(), pipelines: Vec::new() };
    RiskModel::open(&own, None, &["taken".to_owned()])
}

fn code(folder: &Path) -> Option<&'static str> {
    open(folder).err().map(|fault| fault.code())
}

#[test]
fn a_model_of_features_is_read_with_the_curve_of_its_card() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path(), |config| config);
    let own = open(folder.path()).unwrap();
    assert!(own.curve.len() > 3, "{:?}", own.curve);
    assert!(own.curve.iter().all(|(predicted, observed, cases)| {
        (0.0..=1.0).contains(predicted) && (0.0..=1.0).contains(observed) && *cases > 0
    }));
    let models = RiskModels { all: vec![RiskModel { pipelines: vec!["chest".to_owned()], ..own.clone() }] };
    assert_eq!((models.of("chest").count(), models.of("other").count()), (1, 0));
    assert_eq!(models.versions("other"), "");
    let card = hex(&Sha256::digest(own.card.as_bytes()));
    assert_eq!(models.versions("chest"), format!(";risk=drawn={}/{card}", own.model.digest()));
}

#[test]
fn what_a_report_could_not_carry_is_refused_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(code(path), Some("RiskModelRead"));
    trained(path, |config| config.replace("\"crp\"", "\"diameter\""));
    assert_eq!(code(path), Some("RiskModelColumn"));
    assert!(open(path).unwrap_err().to_string().contains("`diameter`"));
    for (id, why) in [("brock", "built-in"), ("taken", "another model"), ("two words", "letters")] {
        trained(path, |config| config.replace("id = \"drawn\"", &format!("id = \"{id}\"")));
        assert_eq!(code(path), Some("RiskModelId"));
        assert!(open(path).unwrap_err().to_string().contains(why), "{id}");
    }
    trained(path, |config| config.replace("feature = \"covid-19\"", "feature = \"frailty\""));
    assert_eq!(code(path), Some("RiskModelColumn"));
    trained(path, |config| config);
    let file = fs::read_to_string(path.join("model.json")).unwrap();
    fs::write(path.join("model.json"), file.replace("\"mg/L\"", "\"g/L\"")).unwrap();
    assert_eq!(code(path), Some("RiskModelUnit"));
    fs::write(path.join("model.json"), format!("{file} ")).unwrap();
    assert_eq!(code(path), Some("RiskModelCard"), "another file than the card's");
    fs::write(path.join("model.json"), "{}").unwrap();
    assert_eq!(code(path), Some("RiskModelFile"));
    fs::write(path.join("model.json"), r#"{"config": {"image": {}}}"#).unwrap();
    assert_eq!(code(path), Some("RiskModelFile"), "no model with pictures either");
    // the committed one reads what the networks' last layers see
    let committed = include_str!("../../../fusion/models/icu-at-exam/model.json");
    fs::write(path.join("model.json"), committed).unwrap();
    assert_eq!(code(path), Some("RiskModelPictures"));
}
