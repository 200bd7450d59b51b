//! A nodule over time: volume doubling time and the category of Lung-RADS on screening.

use super::*;

/// The case with its nodule as another examination saw it, so many days before.
pub(super) fn with_before(days: i64, alter: impl Fn(&mut Nodule)) -> Case {
    let mut case = case(resources());
    let mut before = case.nodules[0].clone();
    before.source = vec!["Observation/before".to_owned()];
    before.dated = before.dated.map(|dated| dated - SignedDuration::from_hours(24 * days));
    alter(&mut before);
    case.nodules.push(before);
    case
}

pub(super) fn doubling(case: &Case) -> Option<String> {
    let brock = risk(&input(case), "brock");
    let found = brock.inputs.iter().find(|one| one.label == "volume doubling time");
    assert!(found.is_none_or(|one| one.source.as_deref() == Some("Observation/before")));
    found.map(|one| one.value.clone())
}

#[test]
fn the_only_nodule_of_two_examinations_has_a_volume_doubling_time() {
    let smaller = |by: f64| move |before: &mut Nodule| before.diameter_mm -= by;
    // 180 days x ln 2 / ln(1.2^3)
    assert_eq!(doubling(&with_before(180, smaller(2.0))).as_deref(), Some("228"));
    assert_eq!(doubling(&with_before(180, smaller(-1.0))).as_deref(), Some("no growth"));
    let brock = |case: &Case| risk(&input(case), "brock");
    let grown = brock(&with_before(180, smaller(2.0)));
    assert_eq!(grown.probability, brock(&case(resources())).probability, "the formula does not use it");
    assert!(grown.limits.iter().any(|limit| limit.contains("400 days") && limit.contains("work-up")));
    assert!(!brock(&with_before(180, smaller(0.2))).limits.iter().any(|limit| limit.contains("work-up")));
}

#[test]
fn what_may_be_another_nodule_says_nothing_of_growth() {
    type Alters = fn(&mut Nodule);
    let unlike: [(i64, Alters); 5] = [
        (20, |_| {}),
        (180, |before| before.count = Some(2)),
        (180, |before| before.upper_lobe = before.upper_lobe.map(|upper| !upper)),
        (180, |before| before.kind = Some(NoduleKind::NonSolid)),
        (180, |before| before.dated = None),
    ];
    for (number, (days, alter)) in unlike.into_iter().enumerate() {
        assert_eq!(doubling(&with_before(days, alter)), None, "{number}");
    }
    let mut two = with_before(180, |_| {});
    two.nodules.push(two.nodules[1].clone());
    assert_eq!(doubling(&two), None, "two before");
}

#[test]
fn lung_rads_is_said_for_a_screening_ct() {
    let said = |alter: &dyn Fn(&mut Case)| {
        let mut case = with_before(180, |before| before.diameter_mm = 10.0);
        alter(&mut case);
        let guidance = risk(&input(&case), "brock").guidance?;
        assert_eq!(guidance.text.contains("Lung-RADS"), guidance.citation.contains("Lung-RADS v2022"));
        let said = guidance.text.split("Lung-RADS ").nth(1)?;
        assert!(said.ends_with(", by the longest diameter in place of the mean"), "{said}");
        said.split(',').next().map(str::to_owned)
    };
    let smooth = |case: &mut Case| case.nodules.iter_mut().for_each(|nodule| nodule.spiculated = Some(false));
    assert_eq!(said(&|_| {}).as_deref(), Some("4X"), "grown and spiculated");
    assert_eq!(said(&smooth).as_deref(), Some("4B"), "grown from 10 to 12 mm");
    let first = |case: &mut Case| {
        smooth(case);
        case.nodules.truncate(1);
    };
    assert_eq!(said(&first).as_deref(), Some("4A"), "12 mm at baseline");
    let part = |case: &mut Case| {
        case.nodules.iter_mut().for_each(|nodule| nodule.kind = Some(NoduleKind::PartSolid));
    };
    assert_eq!(said(&part), None, "its solid part is not known");
}

/// A nodule of 7 mm is 3 at baseline, 4A where it is new: what cannot be told apart has no category.
#[test]
fn a_nodule_that_may_be_new_has_no_category_of_lung_rads() {
    let category = |case: &Case| {
        let brock = risk(&input(case), "brock");
        let why =
            brock.limits.iter().find_map(|limit| limit.strip_prefix("no category of Lung-RADS v2022: "));
        let said = brock.guidance.filter(|one| one.text.contains("Lung-RADS"));
        assert_eq!(said.is_none(), why.is_some());
        (said.map(|one| one.text), why.map(str::to_owned))
    };
    let seven = |days, alter: &dyn Fn(&mut Nodule)| {
        let mut case = with_before(days, alter);
        case.nodules[0] = Nodule { diameter_mm: 7.0, spiculated: Some(false), ..case.nodules[0].clone() };
        case
    };
    let mut alone = seven(180, &|_| {});
    alone.nodules.truncate(1);
    assert!(category(&alone).0.unwrap().contains("on a first screening CT Lung-RADS 3,"));
    let same = category(&seven(180, &|before| before.diameter_mm = 7.0)).0.unwrap();
    assert!(same.contains("on screening Lung-RADS 3,"), "{same}");
    for (number, case) in [
        seven(20, &|_| {}),
        seven(180, &|before| before.count = Some(2)),
        seven(180, &|before| before.kind = Some(NoduleKind::NonSolid)),
        seven(3000, &|before| before.upper_lobe = before.upper_lobe.map(|upper| !upper)),
    ]
    .iter()
    .enumerate()
    {
        assert!(category(case).1.unwrap().contains("whether it is this one"), "{number}");
    }
    let mut several = seven(180, &|_| {});
    several.nodules[0].count = Some(2);
    assert!(category(&several).1.unwrap().contains("whether it is this one"));
    let slow = category(&seven(500, &|before| before.diameter_mm = 5.0));
    assert!(slow.1.unwrap().contains("within 12 months"));
    let glass = |before: f64| {
        let mut case = with_before(180, |_| {});
        for (nodule, diameter_mm) in case.nodules.iter_mut().zip([30.0, before]) {
            *nodule = Nodule {
                diameter_mm,
                kind: Some(NoduleKind::NonSolid),
                spiculated: Some(false),
                ..nodule.clone()
            };
        }
        category(&case)
    };
    assert!(glass(29.0).0.unwrap().contains("Lung-RADS 2,"), "grown by too little to count");
    assert!(glass(20.0).1.unwrap().contains("grows faster"));
}
