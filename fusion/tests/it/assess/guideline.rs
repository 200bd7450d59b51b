//! What the Fleischner Society suggests, or why nothing is said.

use super::*;

type Alters = fn(&mut Case);

#[test]
fn fleischner_is_said_of_several_nodules_too_or_why_it_is_not() {
    let said = |case: &Case, id: &str| risk(&input(case), id).guidance.map(|one| one.text);
    let why = |case: &Case| {
        let mayo = risk(&input(case), "mayo");
        assert!(mayo.guidance.is_none());
        let limit = mayo.limits.into_iter().find(|limit| limit.starts_with("the Fleischner Society 2017"));
        limit.unwrap()
    };
    let mut one = case(resources());
    let text = said(&one, "mayo").unwrap();
    assert!(text.contains("without immunosuppression") && text.contains("PET-CT or tissue"), "{text}");
    assert!(!said(&one, "brock").unwrap().contains("found by chance"), "Mayo has it");
    stated(&mut one, "immunosuppression", FeatureValue::Bool(false));
    assert!(said(&one, "mayo").unwrap().contains("by chance and not on screening, the guideline"));
    // Mayo is not for several nodules; the guideline is, and Brock, which is shown, has it
    one.nodules[0].count = Some(3);
    for id in ["mayo", "brock"] {
        let text = said(&one, id).unwrap();
        assert!(text.contains("CT at 3 to 6 months, then consider CT at 18 to 24 months"), "{id}: {text}");
    }
    not_solitary(&risk(&input(&one), "mayo"));
    // too small for Mayo
    one.nodules[0] = Nodule { count: Some(1), diameter_mm: 3.5, ..one.nodules[0].clone() };
    assert_eq!(risk(&input(&one), "mayo").missing, ["population"]);
    assert!(said(&one, "mayo").unwrap().contains("no routine follow-up"));
    let altered = |alter: &dyn Fn(&mut Case)| {
        let mut case = case(resources());
        alter(&mut case);
        why(&case)
    };
    let refused: [(Alters, &str); 6] = [
        (|case| stated(case, "age", FeatureValue::Number(34.0)), "below 35 years"),
        (|case| stated(case, "cancer", FeatureValue::Bool(true)), "a cancer is stated"),
        (|case| stated(case, "immunosuppression", FeatureValue::Bool(true)), "immunosuppression is stated"),
        (|case| case.nodules[0].kind = None, "the texture is not stated"),
        (|case| case.nodules[0].diameter_mm = 31.0, "a mass"),
        (
            |case| stated(case, "age", FeatureValue::Missing { reason: MissingReason::NotRecorded }),
            "age not known",
        ),
    ];
    for (alter, words) in refused {
        let found = altered(&alter);
        assert!(found.contains(words), "{found}");
    }
    let mut suppressed = resources();
    suppressed.push(condition("graft", ICD10, "Z94.2", "confirmed", "2021-05-01T00:00:00Z"));
    let suppressed = case(suppressed);
    assert!(why(&suppressed).contains("immunosuppression is stated"));
    let mayo = risk(&input(&suppressed), "mayo");
    let cited = mayo.inputs.iter().find(|one| one.label == "Immunosuppression").unwrap();
    assert_eq!((cited.value.as_str(), cited.source.as_deref()), ("yes", Some("Condition/graft")));
}
