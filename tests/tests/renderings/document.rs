//! What the structured report says.

use dicom_dictionary_std::tags;
use dicom_ingest::own::OVERLAY_CLASS;
use dicom_object::InMemDicomObject;

use super::{Finding, Lesion, Risk, Said, percent, shown, state};

pub(super) fn text(item: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    let element = item.element_opt(tag).unwrap();
    let text = element.map(|element| element.to_str().unwrap().into_owned()).unwrap_or_default();
    text.trim_matches(['\0', ' ']).to_owned()
}

pub(super) fn items(item: &InMemDicomObject, tag: dicom_core::Tag) -> Vec<InMemDicomObject> {
    let element = item.element_opt(tag).unwrap();
    element.and_then(|element| element.items().map(<[_]>::to_vec)).unwrap_or_default()
}

pub(super) fn code(item: &InMemDicomObject, sequence: dicom_core::Tag) -> String {
    items(item, sequence).first().map(|code| text(code, tags::CODE_VALUE)).unwrap_or_default()
}

/// The content item of this concept.
pub(super) fn named<'a>(content: &'a [InMemDicomObject], concept: &str) -> Option<&'a InMemDicomObject> {
    content.iter().find(|item| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == concept)
}

pub(super) fn of_sr(sr: &InMemDicomObject) -> Said {
    let mut said = Said { study: text(sr, tags::STUDY_INSTANCE_UID), ..Said::default() };
    let root = items(sr, tags::CONTENT_SEQUENCE);
    let measurements = named(&root, "126010").expect("imaging measurements");
    for group in items(measurements, tags::CONTENT_SEQUENCE) {
        let content = items(&group, tags::CONTENT_SEQUENCE);
        let words = |concept: &str| named(&content, concept).map(|item| text(item, tags::TEXT_VALUE));
        if words("112039").as_deref() == Some("index-lesion") {
            said.lesion = Some(lesion_of_sr(&content, &text(sr, tags::TIMEZONE_OFFSET_FROM_UTC)));
            continue;
        }
        let number = |concept: &str| {
            let item = named(&content, concept).filter(|item| text(item, tags::VALUE_TYPE) == "NUM")?;
            let measured = items(item, tags::MEASURED_VALUE_SEQUENCE);
            assert_eq!(code(&measured[0], tags::MEASUREMENT_UNITS_CODE_SEQUENCE), "%");
            Some(percent(text(&measured[0], tags::NUMERIC_VALUE).parse().unwrap()))
        };
        let name = words("112039").expect("a tracking identifier");
        let (algorithm, version) = (words("111001").unwrap(), words("111003").unwrap());
        let learned =
            words("111002").and_then(|text| Some(text.strip_prefix("weights SHA-256 ")?.to_owned()));
        if let Some(digest) = &learned {
            said.models.insert((algorithm.clone(), version, digest.clone()));
        }
        if let Some(presence) = named(&content, "705057003") {
            let finding = Finding {
                percent: number("111012"),
                state: state(&code(presence, tags::CONCEPT_CODE_SEQUENCE)),
                model: algorithm,
            };
            said.findings.insert(name, finding);
        } else {
            let percent = number("risk");
            let why_not = if percent.is_none() { words("121106").unwrap() } else { String::new() };
            let model = learned.map(|_| algorithm);
            let (low, high) = (number("risk-low"), number("risk-high"));
            for what in ["contributions", "guidance"] {
                // of a number that is not there, nothing explains the parts
                let explained = what == "guidance" || percent.is_some();
                let said_of_it = words(what).filter(|_| explained);
                said.words.extend(said_of_it.map(|text| ((name.clone(), what), text)));
            }
            comparisons(&mut said, &name, &content);
            let could_be = number("could-be-low").zip(number("could-be-high"));
            let missing = words("missing").unwrap_or_default();
            said.risks.insert(name, Risk { percent, low, high, could_be, missing, why_not, model });
        }
    }
    for study in items(sr, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE) {
        for series in items(&study, tags::REFERENCED_SERIES_SEQUENCE) {
            let instances = items(&series, tags::REFERENCED_SOP_SEQUENCE);
            // the overlay is evidence that was made, not an image that was read
            let read =
                instances.iter().filter(|one| text(one, tags::REFERENCED_SOP_CLASS_UID) != OVERLAY_CLASS);
            said.instances.extend(read.map(|one| text(one, tags::REFERENCED_SOP_INSTANCE_UID)));
        }
    }
    let offset = text(sr, tags::TIMEZONE_OFFSET_FROM_UTC);
    let instant = |date: &str, time: &str| {
        let local = format!("{date}{time}{offset}");
        jiff::Timestamp::strptime("%Y%m%d%H%M%S%z", &local)
            .unwrap_or_else(|error| panic!("{local}: {error}"))
            .to_string()
    };
    said.started = instant(&text(sr, tags::STUDY_DATE), &text(sr, tags::STUDY_TIME));
    said.issued = instant(&text(sr, tags::CONTENT_DATE), &text(sr, tags::CONTENT_TIME));
    said
}

/// What other methods say beside a risk.
fn comparisons(said: &mut Said, risk: &str, content: &[InMemDicomObject]) {
    let is_one = |item: &&InMemDicomObject| code(item, tags::CONCEPT_NAME_CODE_SEQUENCE) == "comparison";
    for comparison in content.iter().filter(is_one) {
        let parts = items(comparison, tags::CONTENT_SEQUENCE);
        let other = text(named(&parts, "111001").unwrap(), tags::TEXT_VALUE);
        let number = named(&parts, "compared-risk").map(|item| items(item, tags::MEASURED_VALUE_SEQUENCE));
        let number = number.and_then(|measured| text(measured.first()?, tags::NUMERIC_VALUE).parse().ok());
        let flagged = named(&parts, "agreement")
            .is_some_and(|item| code(item, tags::CONCEPT_CODE_SEQUENCE) == "disagrees");
        said.comparators.insert((risk.to_owned(), other), (number.map(shown), flagged));
    }
}

fn lesion_of_sr(content: &[InMemDicomObject], offset: &str) -> Lesion {
    let axis = named(content, "103339001").expect("a long axis");
    let measured = items(axis, tags::MEASURED_VALUE_SEQUENCE);
    assert_eq!(code(&measured[0], tags::MEASUREMENT_UNITS_CODE_SEQUENCE), "mm");
    assert!(named(content, "111001").is_none(), "no algorithm measured it");
    let local = format!("{}{offset}", text(axis, tags::OBSERVATION_DATE_TIME));
    let seen = jiff::Timestamp::strptime("%Y%m%d%H%M%S%z", &local).unwrap();
    let words = |concept: &str| text(named(content, concept).unwrap(), tags::TEXT_VALUE);
    Lesion {
        diameter_mm: text(&measured[0], tags::NUMERIC_VALUE),
        site: code(named(content, "363698007").unwrap(), tags::CONCEPT_CODE_SEQUENCE),
        seen: seen.to_string(),
        count: words("lesion-count"),
        stated_in: words("stated-in"),
    }
}
