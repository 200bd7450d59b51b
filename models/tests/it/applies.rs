//! What a bundle is used on, by what the study says.

use models::{Applies, Manifest, StudyFacts};

use crate::small;

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn manifest() -> &'static Manifest {
    small::trained().bundle().manifest()
}

fn chest() -> StudyFacts<'static> {
    StudyFacts {
        sop_class_uid: DX,
        modality: "DX",
        body_part: Some("CHEST"),
        view_position: Some("PA"),
        human: Ok(()),
        lateral_text: false,
        age_years: Some(60.0),
    }
}

#[test]
fn only_frontal_chest_radiographs_of_humans_apply() {
    let cases = [
        ("a chest", chest(), ""),
        ("an AP chest by CR", StudyFacts { view_position: Some("ap "), modality: "CR", ..chest() }, ""),
        ("no age", StudyFacts { age_years: None, ..chest() }, ""),
        ("no view", StudyFacts { view_position: None, ..chest() }, "check"),
        ("an empty view", StudyFacts { view_position: Some(" "), ..chest() }, "check"),
        ("no body part", StudyFacts { body_part: None, ..chest() }, "check"),
        ("a hand", StudyFacts { body_part: Some("HAND"), ..chest() }, "NotApplicableBodyPart"),
        ("a lateral view", StudyFacts { view_position: Some("LL"), ..chest() }, "NotApplicableView"),
        ("a lateral text", StudyFacts { lateral_text: true, ..chest() }, "NotApplicableView"),
        ("a CT", StudyFacts { modality: "CT", ..chest() }, "NotApplicableModality"),
        ("a CT class", StudyFacts { sop_class_uid: CT, ..chest() }, "NotApplicableSopClass"),
        ("a dog", StudyFacts { human: Err("PatientSpeciesDescription"), ..chest() }, "NotApplicableSpecies"),
        ("a newborn", StudyFacts { age_years: Some(0.1), ..chest() }, "NotApplicableAge"),
    ];
    for (name, facts, stated) in cases {
        let found = match manifest().applies(&facts) {
            Applies::Yes => "",
            Applies::NeedsFrontalCheck => "check",
            Applies::No { code, reason } => {
                assert!(!reason.is_empty());
                code
            }
        };
        assert_eq!(found, stated, "{name}");
    }
}

#[test]
fn text_from_outside_cannot_break_the_reason() {
    let long = "X`\n".repeat(1000);
    match manifest().applies(&StudyFacts { body_part: Some(&long), ..chest() }) {
        Applies::No { reason, .. } => {
            assert!(reason.len() < 300 && !reason.contains('\n'), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ages_that_were_not_seen_are_noted() {
    let manifest = manifest();
    let rule = &manifest.applies_to;
    assert!(manifest.age_note(rule.age_seen_min_years).is_none());
    assert!(manifest.age_note(rule.age_seen_max_years + 0.9).is_none());
    assert!(manifest.age_note(rule.age_seen_max_years + 1.1).is_some());
    assert!(manifest.age_note(rule.age_seen_min_years - 0.5).is_some());
}
