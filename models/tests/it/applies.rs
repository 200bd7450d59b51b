//! What a bundle is used on, by what the study says.

use models::{Applies, ModelCard, StudyFacts};

use crate::small;

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn card() -> &'static ModelCard {
    small::trained().bundle().model_card()
}

fn chest() -> StudyFacts<'static> {
    StudyFacts {
        sop_class_uid: DX,
        modality: "DX",
        body_part: Some("CHEST"),
        view_position: Some("PA"),
        human: Ok(()),
        lateral_text: false,
        orientation: &[],
        age_years: Some(60.0),
        pixel_spacing_mm: None,
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
        let found = match card().applies(&facts) {
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
fn a_frontal_view_that_says_it_is_mirrored_or_turned_is_not_read() {
    let applies = |stated: &[&str], view| {
        let orientation: Vec<String> = stated.iter().map(|&direction| direction.to_owned()).collect();
        card().applies(&StudyFacts { orientation: &orientation, view_position: view, ..chest() })
    };
    for upright in [&["L", "F"][..], &["LH", "FL"], &["", ""], &[]] {
        assert_eq!(applies(upright, Some("PA")), Applies::Yes, "{upright:?}");
    }
    let turned: [&[&str]; 8] =
        [&["R", "F"], &["L", "H"], &["F", "L"], &["F", "R"], &["A", "F"], &["P", "F"], &["L"], &["", "F"]];
    for stated in turned {
        for view in [Some("PA"), Some("ap"), None] {
            let Applies::No { code, reason } = applies(stated, view) else { panic!("{stated:?}") };
            assert_eq!(code, "NotApplicableView");
            assert!(reason.contains(&format!("`{}`", stated.join("\\"))), "{reason}");
        }
    }
}

#[test]
fn text_from_outside_cannot_break_the_reason() {
    let long = "X`\n".repeat(1000);
    match card().applies(&StudyFacts { body_part: Some(&long), ..chest() }) {
        Applies::No { reason, .. } => {
            assert!(reason.len() < 300 && !reason.contains('\n'), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ages_that_were_not_seen_are_noted() {
    let rule = &card().applies_to;
    let (low, high) = (rule.age_seen_min_years.unwrap(), rule.age_seen_max_years.unwrap());
    assert!(card().age_note(low).is_none());
    assert!(card().age_note(high + 0.9).is_none());
    assert!(card().age_note(high + 1.1).is_some());
    assert!(card().age_note(low - 0.5).is_some());
}
