//! Herder, and what stands beside the formulas for comparison.

use super::prostate::{ids, man, pi_rads, psa, risk_of};
use super::*;

#[test]
fn herder_is_listed_where_an_uptake_is_stated_and_starts_from_mayo() {
    assert!(!ids(&input(&case(resources()))).contains(&"herder".to_owned()));
    let mut stated = resources();
    let mut pet = crate::support::observation(
        "pet",
        "",
        "",
        "2024-04-25T08:00:00Z",
        &serde_json::json!({ "valueString": "Moderate" }),
    );
    pet["code"] = serde_json::json!({ "text": "FDG uptake" });
    stated.push(pet);
    let case = case(stated);
    let input = input(&case);
    let mayo = risk_of(&input, "mayo").probability.unwrap();
    let herder = risk_of(&input, "herder");
    let expected = 1.0 / (1.0 + (4.739 - 3.691 * mayo - 4.617).exp());
    assert!((herder.probability.unwrap() - expected).abs() < 1e-9);
    assert_eq!(herder.category.as_deref(), Some("above 70 %"));
    assert!(herder.guidance.unwrap().citation.contains("British Thoracic"));
    assert!(risk_of(&input, "mayo").guidance.unwrap().text.contains("PET-CT or tissue"));
}

#[test]
fn a_readers_rating_stands_beside_brock_and_says_what_it_is() {
    let rating = |case: &Case| {
        let found = risk(&input(case), "brock").comparators;
        found.into_iter().find(|one| one.name == "LIDC-IDRI 1.0.0").unwrap()
    };
    let mut one = case(resources());
    let large = rating(&one);
    assert!(large.note.unwrap().contains("not pathology"));
    // what the model says of the row with the other cells empty
    let model = include_bytes!("../../../models/lidc-malignancy-rating/model.json");
    let model = fusion::learned::tabular::TabularModel::from_json(model).unwrap();
    let names = ["diameter", "spiculation", "texture", "lobulation", "margin", "sphericity", "calcification"];
    let row = ["12", "5", "5", "", "", "", ""].map(str::to_owned).to_vec();
    let table = fusion::learned::tabular::Table::new(&names.map(str::to_owned), vec![row]).unwrap();
    let expected = model.predict(table.rows().next().unwrap()).unwrap();
    assert!((large.probability.unwrap() - expected.probability).abs() < 1e-9);
    assert_eq!(expected.missing.len(), 4);
    one.nodules[0].spiculated = Some(false);
    let smooth = rating(&one).probability.unwrap();
    one.nodules[0].diameter_mm = 5.0;
    assert!(rating(&one).probability.unwrap() < smooth && smooth < large.probability.unwrap());
    one.nodules[0].kind = None;
    let open = rating(&one);
    assert!(open.probability.is_none() && open.note.unwrap().contains("needs texture"));
}

/// The published worked values, through the risks of a report.
#[test]
fn herder_and_its_comparator_have_the_worked_values() {
    let mut case = case(resources());
    case.nodules[0].diameter_mm = 15.0;
    for (uptake, herder, by_ratio) in [
        (0.0, 0.064_662, 0.092_438),
        (1.0, 0.413_447, 0.177_927),
        (2.0, 0.874_930, 0.707_517),
        (3.0, 0.890_832, 0.926_494),
    ] {
        stated(&mut case, "fdg-uptake", FeatureValue::Number(uptake));
        let input = input(&case);
        assert!((risk_of(&input, "mayo").probability.unwrap() - 0.560_083).abs() < 1e-6);
        let found = risk_of(&input, "herder");
        assert!((found.probability.unwrap() - herder).abs() < 1e-6, "{found:?}");
        let other = found.comparators.iter().find(|one| one.name == "by likelihood ratio").unwrap();
        assert!((other.probability.unwrap() - by_ratio).abs() < 1e-6, "{other:?}");
    }
}

#[test]
fn herder_says_where_the_guideline_would_not_take_it() {
    let mut case = case(resources());
    stated(&mut case, "fdg-uptake", FeatureValue::Number(2.0));
    let says = |case: &Case, words: &str| {
        let herder = risk_of(&input(case), "herder");
        assert!(herder.probability.is_some(), "{herder:?}");
        herder.limits.iter().any(|limit| limit.contains(words))
    };
    assert!(risk_of(&input(&case), "brock").probability.unwrap() >= 0.1);
    assert!(!says(&case, "after a Brock risk"));
    case.nodules[0].kind = None;
    assert!(says(&case, "the texture is not stated; the model is for solid nodules"));
    assert!(!says(&case, "after a Brock risk"), "whatever the texture, Brock is above");
    case.nodules[0] = Nodule {
        diameter_mm: 8.0,
        kind: Some(NoduleKind::Solid),
        spiculated: Some(false),
        upper_lobe: Some(false),
        ..case.nodules[0].clone()
    };
    assert!(risk_of(&input(&case), "brock").probability.unwrap() < 0.1);
    assert!(says(&case, "10 % and more; here it is below"));
    stated(&mut case, "family-lung-cancer", FeatureValue::Missing { reason: MissingReason::NotRecorded });
    case.nodules[0].diameter_mm = 12.0;
    let brock = risk_of(&input(&case), "brock");
    assert!(brock.low.unwrap() < 0.1 && brock.high.unwrap() > 0.1, "{brock:?}");
    assert!(says(&case, "10 % and more; here that is not known"));
}

#[test]
fn the_comparators_of_the_prostate_have_the_worked_values() {
    let biopsy = serde_json::json!({ "resourceType": "Procedure", "id": "b", "status": "completed",
        "subject": { "reference": "Patient/p1" }, "performedDateTime": "2022-03-01",
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "65575008" }] } });
    let refuted = condition("c", "http://snomed.info/sct", "399068003", "refuted", "2022-03-10T08:00:00Z");
    let mut case = man(vec![psa(7.5), pi_rads("RID50299"), biopsy, refuted]);
    let shown = |case: &Case, id: &str, name: &str| {
        let found = risk_of(&input(case), id).comparators;
        found.into_iter().find(|one| one.name == name).and_then(|one| one.probability)
    };
    for (id, value) in [
        ("dre-abnormal", FeatureValue::Bool(false)),
        ("family-prostate-cancer", FeatureValue::Bool(false)),
        ("prostate-volume", FeatureValue::Number(40.0)),
    ] {
        stated(&mut case, id, value);
    }
    for (pi_rads, volume, expected) in
        [(4.0, 40.0, 0.179_284), (2.0, 40.0, 0.014_824), (5.0, 60.0, 0.147_240)]
    {
        stated(&mut case, "pi-rads", FeatureValue::Number(pi_rads));
        stated(&mut case, "prostate-volume", FeatureValue::Number(volume));
        let found = shown(&case, "tum-rc", "MRI-ERSPC after a negative biopsy").unwrap();
        assert!((found - expected).abs() < 1e-6, "{pi_rads} {volume}: {found}");
    }
    stated(&mut case, "prior-prostate-biopsy", FeatureValue::Bool(false));
    let found = shown(&case, "pbcg", "PCPTRC 2.0").unwrap();
    assert!((found - 0.101_579).abs() < 1e-6, "{found}");
    assert_eq!(shown(&case, "tum-rc", "MRI-ERSPC after a negative biopsy"), None, "it is for men with one");
    stated(&mut case, "dre-abnormal", FeatureValue::Missing { reason: MissingReason::NotRecorded });
    assert_eq!(shown(&case, "pbcg", "PCPTRC 2.0"), None, "it needs every input");
}

#[test]
fn the_va_model_stands_beside_mayo() {
    let smoker = |status: Option<&str>, quit: Option<f64>| {
        let mut case = case(resources());
        for feature in &mut case.table.features {
            match feature.id.as_str() {
                "smoking-status" => {
                    feature.value = status
                        .map_or(FeatureValue::Missing { reason: MissingReason::NotRecorded }, |status| {
                            FeatureValue::Code(status.to_owned())
                        });
                }
                // packs say that the patient smoked, too
                "pack-years" if status.is_none() => {
                    feature.value = FeatureValue::Missing { reason: MissingReason::NotRecorded };
                }
                "pack-years" => {
                    feature.value = FeatureValue::Missing { reason: MissingReason::NotRecorded };
                }
                "years-quit" => {
                    feature.value = quit.map_or(
                        FeatureValue::Missing { reason: MissingReason::NotRecorded },
                        FeatureValue::Number,
                    );
                }
                _ => {}
            }
        }
        risk(&input(&case), "mayo").comparators.into_iter().find(|one| one.name == "VA model")
    };
    let va = |ever, quit| fusion::formulas::comparators::va(65.0, ever, quit, 12.0);
    for (status, quit, expected) in [
        ("never-smoker", None, va(false, 0.0)),
        ("current-smoker", None, va(true, 0.0)),
        ("former-smoker", Some(7.0), va(true, 7.0)),
    ] {
        let found = smoker(Some(status), quit).unwrap();
        assert!((found.probability.unwrap() - expected).abs() < 1e-9, "{status}: {found:?}");
    }
    let open = smoker(Some("former-smoker"), None).unwrap();
    assert_eq!(open.probability, None);
    assert!(open.note.unwrap().contains("is not known"));
    assert!(smoker(None, None).is_none());
}
