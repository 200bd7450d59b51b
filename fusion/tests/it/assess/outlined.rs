//! A nodule that a model outlined: taken where no person states one, said to be so, and with everything unknown that a mask does
//! not say.

use fusion::nodule::{denies_nodules, is_lung_nodule_code};
use fusion::{IntervalKind, Nodule, NoduleKind, Outlined, Record, assess, lesion};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{case, input, resources, risk, t0, without};
use crate::case::Case;
use crate::support::{bundle, bytes};

const IMAGE: &str = "urn:oid:1.2.3";

fn outlined(diameter_mm: f64) -> Nodule {
    Nodule {
        diameter_mm,
        kind: None,
        spiculated: None,
        upper_lobe: None,
        site: None,
        count: None,
        source: vec![IMAGE.to_owned()],
        dated: Some(t0()),
        outlined: Some(Outlined { model: "nodules@1.2.0".to_owned(), segment: "nodule".to_owned() }),
    }
}

/// The synthetic patient, whose record states no nodule, with what a model outlines.
fn alone(diameters_mm: &[f64]) -> Case {
    let mut case = case(resources());
    case.nodules = diameters_mm.iter().copied().map(outlined).collect();
    case
}

fn says(limits: &[String], part: &str) -> bool {
    limits.iter().any(|limit| limit.contains(part))
}

#[test]
fn what_a_mask_does_not_say_is_a_range_and_no_number() {
    let model = alone(&[12.0]);
    let brock = risk(&input(&model), "brock");
    assert_eq!((brock.probability, brock.interval_kind), (None, IntervalKind::MissingRange));
    assert_eq!(brock.missing, ["nodule-type", "upper-lobe", "nodule-count"]);
    assert!(brock.method.variant.starts_with("2a"), "spiculation is not known");
    assert!(says(&brock.limits, "what nodules@1.2.0 outlines in one image"), "{:?}", brock.limits);
    assert!(says(&brock.limits, "not known: 1 in the one image"));
    assert!(says(&brock.limits, "no category of Lung-RADS v2022: the texture is not stated"));
    let of = |label: &str| brock.inputs.iter().find(|part| part.label == label).unwrap();
    assert_eq!(
        (of("nodule diameter").value.as_str(), of("nodule diameter").source.as_deref()),
        ("12", Some(IMAGE))
    );
    for unknown in ["nodule type", "upper lobe", "spiculation", "number of nodules"] {
        assert_eq!(of(unknown).value, "unknown", "{unknown}");
    }
    // whatever a person would state of it, with spiculation left open, lies within
    let (low, high) = (brock.low.unwrap(), brock.high.unwrap());
    for kind in [NoduleKind::Solid, NoduleKind::PartSolid, NoduleKind::NonSolid] {
        for (upper, count) in [(true, 1), (false, 1), (true, 20), (false, 7)] {
            let mut stated = case(without("note"));
            stated.nodules = vec![Nodule {
                kind: Some(kind),
                upper_lobe: Some(upper),
                count: Some(count),
                outlined: None,
                ..outlined(12.0)
            }];
            let found = risk(&input(&stated), "brock").probability.unwrap();
            assert!(low <= found && found <= high, "{kind:?} {upper} {count}");
        }
    }
    let mayo = risk(&input(&model), "mayo");
    assert_eq!((mayo.probability, mayo.interval_kind), (None, IntervalKind::MissingRange));
    assert_eq!(mayo.missing, ["spiculation", "upper-lobe"]);
    assert!(says(
        &mayo.limits,
        "the Fleischner Society 2017 suggests nothing here: the texture is not stated"
    ));
}

#[test]
fn several_outlines_are_no_solitary_nodule_and_no_number_of_nodules() {
    let case = alone(&[9.0, 14.0, 5.0]);
    let brock = risk(&input(&case), "brock");
    assert!(brock.missing.contains(&"nodule-count".to_owned()));
    assert!(says(&brock.limits, "not known: 3 in the one image"));
    let size = brock.inputs.iter().find(|part| part.label == "nodule diameter").unwrap();
    assert_eq!(size.value, "14", "the largest");
    let mayo = risk(&input(&case), "mayo");
    assert_eq!((mayo.low, mayo.missing), (None, vec!["nodule-count".to_owned()]));
}

#[test]
fn what_a_person_states_stands_and_a_difference_is_named() {
    let stated = || {
        let mut case = case(resources());
        case.nodules[0].dated = Some(t0());
        case
    };
    let before = risk(&input(&stated()), "brock");
    for (diameter, differs) in [(12.5, false), (13.6, true), (20.0, true), (4.0, true)] {
        let mut both = stated();
        both.nodules.push(outlined(diameter));
        let found = risk(&input(&both), "brock");
        assert_eq!((found.probability, &found.inputs), (before.probability, &before.inputs), "{diameter}");
        let text = format!("outlines a nodule of {diameter} mm where a person states 12 mm");
        assert_eq!(says(&found.limits, &text), differs, "{diameter}: {:?}", found.limits);
        assert_eq!(lesion(&input(&both)).unwrap().outlined, None);
    }
    let mut earlier = stated();
    earlier.nodules[0].dated = Some(t0() - SignedDuration::from_hours(24 * 100));
    earlier.nodules.push(outlined(12.0));
    let found = risk(&input(&earlier), "brock");
    assert!(found.probability.is_some());
    assert!(says(&found.limits, "on this examination; what a person states of an earlier one counts"));
    // one that is older than a year is not of this nodule: the outline is what there is, and it is no follow-up of a person's
    earlier.nodules[0].dated = Some(t0() - SignedDuration::from_hours(24 * 400));
    let found = lesion(&input(&earlier)).unwrap();
    assert_eq!(
        (found.count, found.earlier.is_none(), found.outlined.unwrap().segment.as_str()),
        (None, true, "nodule")
    );
    assert!(risk(&input(&earlier), "brock").inputs.iter().all(|part| part.label != "volume doubling time"));
}

#[test]
fn a_note_s_spiculation_is_of_no_outline() {
    let found = assess(&input(&alone(&[12.0])));
    for risk in found.iter().filter(|risk| ["brock", "mayo"].contains(&risk.id.as_str())) {
        let spiculation = risk.inputs.iter().find(|part| part.label == "spiculation").unwrap();
        assert!(spiculation.value == "unknown" && !spiculation.from_note, "{}", risk.id);
    }
}

#[test]
fn a_record_can_say_that_there_is_no_nodule() {
    let denies = |code: &str, there: bool, when: &str| {
        let mut all = resources();
        all.push(json!({
            "resourceType": "Observation", "id": "none", "status": "final",
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": code }] },
            "subject": { "reference": "Patient/p1" },
            "effectiveDateTime": when, "issued": when, "valueBoolean": there,
        }));
        let record = Record::from_json(&bytes(&bundle(all))).unwrap();
        denies_nodules(&record, t0(), &TimeZone::UTC)
    };
    let day = "2024-05-02T09:00:00Z";
    assert!(denies("427359005", false, day));
    assert!(!denies("427359005", true, day));
    assert!(!denies("271737000", false, day), "that there is no anaemia");
    assert!(!denies("427359005", false, "2001-01-01T00:00:00Z"), "another examination");
}

#[test]
fn a_code_says_by_itself_that_it_is_a_nodule_of_the_lung() {
    let snomed = |code| is_lung_nodule_code("http://snomed.info/sct", code);
    assert!(snomed("427359005") && snomed("786838002") && snomed("308689002"));
    assert!(!snomed("27925004") && !snomed("52988006"), "a nodule or a lesion of wherever");
    assert!(!is_lung_nodule_code("http://loinc.org", "427359005"));
}
