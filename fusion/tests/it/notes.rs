//! Clinical notes: what they add to the features, and what they never do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fusion::{Feature, FeatureTable, MissingReason};
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{ICD10, LOINC, SNOMED, at, coded, condition, lab, observation, patient, t0};

pub(crate) fn document(id: &str, date: &str, kind: &str, text: &str) -> Value {
    json!({ "resourceType": "DocumentReference", "id": id, "status": "current", "date": date,
        "subject": { "reference": "Patient/p1" },
        "content": [{ "attachment": { "contentType": kind, "data": STANDARD.encode(text) } }] })
}

fn plain(id: &str, date: &str, text: &str) -> Value {
    document(id, date, "text/plain; charset=utf-8", text)
}

fn of(notes: Vec<Value>) -> FeatureTable {
    let mut all = vec![patient()];
    all.extend(notes);
    table(all, t0())
}

fn cut(text: &str, feature: &Feature) -> String {
    let passage = feature.passage.as_ref().unwrap();
    text.chars().skip(passage.start).take(passage.end - passage.start).collect()
}

const NOTE: &str = "CT CHEST\nFINDINGS: 9 mm spiculated nodule in the right upper lobe – “new”. Mild centrilobular emphysema. No cavitation.\n\nFAMILY HISTORY: Mother died of lung cancer at 62.\nSOCIAL HISTORY: Former smoker, 35 pack-years, quit in 2012. Denies asbestos exposure.\n";

#[test]
fn facts_that_only_notes_hold_become_features_with_their_place() {
    let found = of(vec![plain("d1", "2024-04-20T09:00:00Z", NOTE)]);
    for (id, expected, words) in [
        ("note-spiculation", true, "spiculated"),
        ("note-cavitation", false, "No cavitation"),
        ("note-asbestos", false, "Denies asbestos exposure"),
        ("emphysema", true, "centrilobular emphysema"),
        ("copd", true, "centrilobular emphysema"),
        ("family-lung-cancer", true, "Mother died of lung cancer"),
    ] {
        let feature = found.feature(id).unwrap();
        assert_eq!(found.truth(id), Some(expected), "{id}");
        assert_eq!(feature.source.as_deref(), Some("DocumentReference/d1"), "{id}");
        assert_eq!(feature.passage.as_ref().unwrap().element, "content[0].attachment", "{id}");
        assert_eq!(cut(NOTE, feature), words, "{id}");
        let original = feature.original.as_ref().unwrap();
        assert_eq!(original.value, words);
        assert!(original.code.as_deref().unwrap().starts_with("chiasm-note-concepts/1|"));
        assert!(feature.note.as_deref().unwrap().starts_with("stated in a note"), "{id}");
    }
    assert_eq!(found.code("smoking-status"), Some("former-smoker"));
    assert_eq!(found.number("pack-years"), Some(35.0));
    assert!((found.number("years-quit").unwrap() - 11.8).abs() < 0.1);
    assert_eq!(cut(NOTE, found.feature("pack-years").unwrap()), "35 pack-years");
    assert_eq!(found.truth("lung-cancer"), None, "her mother's, not hers");
    assert_eq!(found.truth("cancer"), None);
    assert_eq!(reason(&found, "note-ground-glass"), Some(MissingReason::NotRecorded));
}

#[test]
fn markup_is_read_and_its_place_is_the_sources() {
    let html = "<html><body><h2>Impression</h2><p>No <b>pulmonary</b>&nbsp;nodule. Groß</p><p>Emphysema: none</p></body></html>";
    let found = of(vec![document("d1", "2024-04-20T09:00:00Z", "text/html", html)]);
    assert_eq!(found.truth("note-lung-nodule"), Some(false));
    assert_eq!(cut(html, found.feature("note-lung-nodule").unwrap()), "No <b>pulmonary</b>&nbsp;nodule");
    assert_eq!(found.truth("emphysema"), Some(false));
    let report = json!({ "resourceType": "DiagnosticReport", "id": "r1", "status": "final", "issued": "2024-04-20T09:00:00Z",
        "subject": { "reference": "Patient/p1" }, "conclusion": "Spiculated nodule." });
    let composition = json!({ "resourceType": "Composition", "id": "c1", "status": "final", "date": "2024-04-20T09:00:00Z",
        "subject": { "reference": "Patient/p1" }, "section": [
            { "title": "Family History", "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Prostate cancer</div>" } },
            { "title": "Exposures", "section": [{ "text": { "div": "<div>Asbestos exposure in shipyards</div>" } }] }] });
    let found = of(vec![report, composition]);
    let place = |id: &str| {
        let feature = found.feature(id).unwrap();
        (feature.source.clone().unwrap(), feature.passage.clone().unwrap().element)
    };
    assert_eq!(place("note-spiculation"), ("DiagnosticReport/r1".to_owned(), "conclusion".to_owned()));
    assert_eq!(
        place("family-prostate-cancer"),
        ("Composition/c1".to_owned(), "section[0].text.div".to_owned())
    );
    assert_eq!(place("note-asbestos").1, "section[1].section[0].text.div");
    assert!(found.feature("family-prostate-cancer").unwrap().note.as_deref().unwrap().contains("degree"));
    assert_eq!(found.truth("extrathoracic-cancer"), None);
}

#[test]
fn coded_values_stand_and_a_note_that_says_otherwise_is_named() {
    let note = plain("d1", "2024-04-20T09:00:00Z", "Emphysema. Never smoker. 40 pack-years. No COPD.");
    let found = of(vec![
        condition("e", ICD10, "J43.9", "refuted", "2021-02-01T08:00:00Z"),
        observation("s", LOINC, "72166-2", "2024-02-01T08:00:00Z", &coded(SNOMED, "449868002")),
        lab("p", "8664-5", "2024-02-01T08:00:00Z", 20.0, "{pack-years}"),
        condition("c", SNOMED, "13645005", "confirmed", "2019-02-01T08:00:00Z"),
        note,
    ]);
    assert_eq!(found.truth("emphysema"), Some(false));
    assert_eq!(found.code("smoking-status"), Some("current-smoker"));
    assert_eq!(found.number("pack-years"), Some(20.0));
    assert_eq!(found.truth("copd"), Some(true));
    for id in ["emphysema", "smoking-status", "pack-years"] {
        let feature = found.feature(id).unwrap();
        let note = feature.note.as_deref().unwrap();
        assert!(
            note.contains("a note says otherwise: DocumentReference/d1 (content[0].attachment, characters "),
            "{id}: {note}"
        );
        assert!(
            feature.passage.is_none() && feature.other_sources.contains(&"DocumentReference/d1".to_owned())
        );
    }
    assert_eq!(
        found.feature("copd").unwrap().note,
        None,
        "emphysema is a kind of it, so the note does not deny it"
    );
    assert_eq!(found.number("years-quit"), Some(0.0));
}

#[test]
fn notes_that_contradict_each_other_are_said() {
    let found = of(vec![
        plain("old", "2024-01-20T09:00:00Z", "Spiculated nodule. Former smoker. 20 pack-years."),
        plain("new", "2024-04-20T09:00:00Z", "Not spiculated. Current smoker. 30 pack-years."),
    ]);
    let spiculation = found.feature("note-spiculation").unwrap();
    assert_eq!(found.truth("note-spiculation"), Some(true));
    assert!(
        spiculation
            .note
            .as_deref()
            .unwrap()
            .contains("another passage says otherwise: DocumentReference/new")
    );
    assert_eq!(spiculation.other_sources, ["DocumentReference/new"]);
    assert_eq!(found.code("smoking-status"), Some("current-smoker"), "the latest note");
    assert_eq!(found.number("pack-years"), Some(30.0));
    let twice = of(vec![plain(
        "d",
        "2024-04-20T09:00:00Z",
        "20 pack-years. 30 pack-years. Never smoker. Current smoker.",
    )]);
    assert_eq!(twice.number("pack-years"), None);
    assert_eq!(twice.code("smoking-status"), None);
}

#[test]
fn uncertain_hypothetical_and_foreign_mentions_answer_nothing() {
    for text in [
        "Possible emphysema.",
        "Emphysema cannot be excluded.",
        "Return if emphysema is found.",
        "Her husband has emphysema.",
        "Grandfather with emphysema.",
        "CT to evaluate for emphysema.",
        "Emphysema is not excluded.",
    ] {
        assert_eq!(of(vec![plain("d", "2024-04-20T09:00:00Z", text)]).truth("emphysema"), None, "{text}");
    }
}

#[test]
fn status_date_and_kind_decide_whether_a_note_is_read() {
    let text = "Emphysema.";
    let truth = |note: &Value, when: &str| table(vec![patient(), note.clone()], at(when)).truth("emphysema");
    let note = plain("d", "2024-04-20T09:00:00Z", text);
    assert_eq!(truth(&note, "2024-04-20T09:00:00Z"), Some(true));
    assert_eq!(truth(&note, "2024-04-20T08:59:59Z"), None);
    for (key, value) in
        [("status", "superseded"), ("status", "entered-in-error"), ("docStatus", "preliminary")]
    {
        let mut other = note.clone();
        other[key] = json!(value);
        assert_eq!(truth(&other, "2024-05-01T00:00:00Z"), None, "{value}");
    }
    let mut undated = note.clone();
    undated.as_object_mut().unwrap().remove("date");
    assert_eq!(truth(&undated, "2024-05-01T00:00:00Z"), None);
    let mut corrected = note.clone();
    corrected["status"] = json!("entered-in-error");
    corrected["content"] = json!([]);
    corrected["meta"] = json!({ "versionId": "2", "lastUpdated": "2024-04-25T09:00:00Z" });
    let mut first = note.clone();
    first["meta"] = json!({ "versionId": "1", "lastUpdated": "2024-04-20T09:00:00Z" });
    let both = table(vec![patient(), first, corrected], at("2024-05-01T00:00:00Z"));
    assert_eq!(both.truth("emphysema"), None, "the later version takes it back");
    let pdf = document("d", "2024-04-20T09:00:00Z", "application/pdf", text);
    let mut elsewhere = note.clone();
    elsewhere["content"] = json!([{ "attachment": { "contentType": "text/plain", "url": "Binary/1" } }]);
    let mut broken = note.clone();
    broken["content"][0]["attachment"]["data"] = json!("%%%");
    let long = plain("d", "2024-04-20T09:00:00Z", &"Emphysema. ".repeat(60_000));
    for other in [pdf, elsewhere, broken, long] {
        let found = table(vec![patient(), other], t0());
        assert_eq!((found.truth("emphysema"), found.excluded.unread_texts), (None, 1));
    }
    let mut latin = note.clone();
    latin["content"][0]["attachment"] = json!({ "contentType": "text/plain;charset=ISO-8859-1",
        "data": STANDARD.encode(b"Gro\xdf. Emphysema.") });
    assert_eq!(truth(&latin, "2024-05-01T00:00:00Z"), Some(true));
}

/// More notes than are read: the newest are, and how many are not is said; later ones take no place.
#[test]
fn bounds_keep_the_newest_notes_that_were_known() {
    let filler = "word ".repeat(100_000);
    let mut notes = vec![plain("first", "2020-01-01T09:00:00Z", "Emphysema.")];
    notes.extend(
        (0..20).map(|day| plain(&format!("d{day}"), &format!("2024-04-{:02}T09:00:00Z", day + 1), &filler)),
    );
    let found = of(notes.clone());
    assert_eq!(found.truth("emphysema"), None);
    assert_eq!(found.excluded.unread_texts, 5);
    let mut few: Vec<Value> = notes[..3].to_vec();
    few.extend(
        (0..20)
            .map(|day| plain(&format!("later{day}"), &format!("2024-06-{:02}T09:00:00Z", day + 1), &filler)),
    );
    assert_eq!(of(few).truth("emphysema"), Some(true));
}

#[test]
fn a_note_of_somebody_else_refuses_the_record() {
    let mut note = plain("d", "2024-04-20T09:00:00Z", "Emphysema.");
    note["subject"]["reference"] = json!("Patient/p2");
    let bundle = crate::support::bundle(vec![patient(), note]);
    let error = fusion::Record::from_json(&crate::support::bytes(&bundle)).unwrap_err();
    assert_eq!(error.code(), "RecordMixedPatients");
}
