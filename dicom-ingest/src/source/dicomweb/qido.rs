//! QIDO-RS (PS3.18, 10.6): which instances a study has, page by page, and how many a server states of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use crate::source::SourceError;
use crate::uid::Uid;

/// DICOM JSON (PS3.18, F).
const DICOM_JSON: &str = "application/dicom+json";

/// Instances that are asked for at once.
const PAGE: usize = 500;

/// The most bytes of a page: some servers give every attribute, whatever was asked for.
const PAGE_BYTES: usize = 32 * 1024 * 1024;

/// The longest time for a page.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Attributes that say how large the pixels are: rows, columns, bits allocated, samples per pixel, number of frames.
const SIZES: [&str; 5] = ["00280010", "00280011", "00280100", "00280002", "00280008"];

const SOP_INSTANCE_UID: &str = "00080018";

const STUDY_INSTANCE_UID: &str = "0020000D";

const NUMBER_OF_STUDY_RELATED_INSTANCES: &str = "00201208";

/// An entity of an answer: its attributes by tag.
type Object = BTreeMap<String, Value>;

/// An instance of which the server tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Bytes of its pixels without compression, where the server lets us know.
    pub(super) pixel_bytes: Option<u64>,
}

/// The instances of a study; none where the server has no such study.
pub(super) async fn instances(client: &Client, study: &Uid, most: usize) -> Result<Vec<Listed>, SourceError> {
    let mut listed = BTreeMap::new();
    loop {
        let mut query = vec![("limit", PAGE.to_string()), ("offset", listed.len().to_string())];
        query.extend(SIZES.iter().map(|tag| ("includefield", (*tag).to_owned())));
        let url = client.url(&["studies", study.as_str(), "instances"], &query);
        let page = match client.read(url, DICOM_JSON, TIMEOUT, PAGE_BYTES).await {
            // Some servers answer 404 for a study that they do not have.
            Err(SourceError::NoSuchPlace { .. }) if listed.is_empty() => return Ok(Vec::new()),
            page => parse(&page?)?,
        };
        // A server may give fewer than were asked for, so only an empty page, or one without anything new, is the last.
        let before = listed.len();
        listed.extend(page);
        if listed.len() == before {
            return Ok(listed.into_values().collect());
        }
        if listed.len() > most {
            return Err(SourceError::TooManyFiles { limit: most });
        }
    }
}

/// How many instances the server states that it holds of a study; `None` where it knows the study and states no number.
pub(super) async fn stated_instances(client: &Client, study: &Uid) -> Result<Option<u64>, SourceError> {
    // One is asked for; of a second one, which it may hold under another patient, we want to know.
    let query = [
        ("StudyInstanceUID", study.as_str().to_owned()),
        ("includefield", NUMBER_OF_STUDY_RELATED_INSTANCES.to_owned()),
        ("limit", "2".to_owned()),
    ];
    let url = client.url(&["studies"], &query);
    stated(&client.read(url, DICOM_JSON, TIMEOUT, PAGE_BYTES).await?, study)
}

/// The number of an answer to a search for one study.
fn stated(body: &[u8], study: &Uid) -> Result<Option<u64>, SourceError> {
    let page = objects(body)?;
    let is_meant =
        |object: &&Object| first(object, STUDY_INSTANCE_UID).and_then(Value::as_str) == Some(study.as_str());
    let mut meant = page.iter().filter(is_meant);
    let object = meant.next().ok_or(SourceError::Absent)?;
    if meant.next().is_some() {
        return Ok(None);
    }
    Ok(first(object, NUMBER_OF_STUDY_RELATED_INSTANCES).and_then(number))
}

/// Whether the server answers a search.
pub(super) async fn any_study(client: &Client) -> Result<(), SourceError> {
    let url = client.url(&["studies"], &[("limit", "1".into())]);
    parse(&client.read(url, DICOM_JSON, TIMEOUT, PAGE_BYTES).await?).map(drop)
}

/// The instances of a page by SOPInstanceUID.
fn parse(body: &[u8]) -> Result<BTreeMap<String, Listed>, SourceError> {
    let listed = |object: &Object| {
        let uid = first(object, SOP_INSTANCE_UID).and_then(Value::as_str).unwrap_or_default();
        (uid.to_owned(), Listed { pixel_bytes: pixel_bytes(object) })
    };
    Ok(objects(body)?.iter().map(listed).collect())
}

/// What a page holds. An empty answer (204) is an empty page.
fn objects(body: &[u8]) -> Result<Vec<Object>, SourceError> {
    const WRONG: SourceError = SourceError::NotUnderstood("a search did not answer with DICOM JSON");
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(body).map_err(|_| WRONG)
}

fn pixel_bytes(object: &Object) -> Option<u64> {
    let [rows, columns, bits, samples, frames] = SIZES.map(|tag| first(object, tag).and_then(number));
    let bytes_a_sample = bits?.div_ceil(8);
    let (samples, frames) = (samples.unwrap_or(3), frames.unwrap_or(1));
    [columns?, bytes_a_sample, samples, frames].into_iter().try_fold(rows?, u64::checked_mul)
}

fn first<'a>(object: &'a Object, tag: &str) -> Option<&'a Value> {
    object.get(tag)?.get("Value")?.get(0)
}

/// A number, which some servers write as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_numbers_and_as_texts() {
        let body = br#"[
            {"00080018":{"vr":"UI","Value":["1.2"]},"00280010":{"vr":"US","Value":[512]},"00280011":{"vr":"US","Value":["512"]},
             "00280100":{"vr":"US","Value":[12]},"00280002":{"vr":"US","Value":[1]},"00280008":{"vr":"IS","Value":["3 "]}},
            {"00080018":{"vr":"UI","Value":["1.3"]},"00280010":{"vr":"US"}},
            {"00080018":{"vr":"UI","Value":["1.4"]},"00280010":{"vr":"US","Value":[18446744073709551615]},
             "00280011":{"vr":"US","Value":[2]},"00280100":{"vr":"US","Value":[8]}}]"#;
        let sizes: Vec<_> = parse(body).unwrap().into_values().map(|listed| listed.pixel_bytes).collect();
        assert_eq!(sizes, [Some(512 * 512 * 2 * 3), None, None]);
        assert!(parse(b"").unwrap().is_empty() && parse(b"[]").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_answer_brings_a_panic(text in r#"[\[\]{}":,0-9a-z ]{0,200}"#) {
            drop(parse(text.as_bytes()));
            drop(stated(text.as_bytes(), &study()));
        }
    }

    fn study() -> Uid {
        "1.2".parse().unwrap()
    }

    #[test]
    fn the_number_is_that_of_the_study_and_of_no_other() {
        let object =
            |uid: &str, more: &str| format!(r#"{{"0020000D":{{"vr":"UI","Value":["{uid}"]}}{more}}}"#);
        let three = r#","00201208":{"vr":"IS","Value":[3]}"#;
        let text = r#","00201208":{"vr":"IS","Value":["3"]}"#;
        let told = |objects: &[String]| stated(format!("[{}]", objects.join(",")).as_bytes(), &study());
        assert_eq!(told(&[object("1.2", three)]).unwrap(), Some(3));
        assert_eq!(told(&[object("1.2", text)]).unwrap(), Some(3));
        assert_eq!(
            told(&[object("1.2.3", ""), object("1.2", three)]).unwrap(),
            Some(3),
            "it gave another, too"
        );
        assert_eq!(told(&[object("1.2", "")]).unwrap(), None);
        assert_eq!(told(&[object("1.2", r#","00201208":{"vr":"IS"}"#)]).unwrap(), None);
        assert_eq!(told(&[object("1.2", three), object("1.2", three)]).unwrap(), None, "of two patients");
        for absent in [told(&[]), told(&[object("1.2.3", three)]), stated(b"", &study())] {
            assert!(matches!(absent, Err(SourceError::Absent)), "{absent:?}");
        }
        assert!(matches!(stated(b"<html>", &study()), Err(SourceError::NotUnderstood(_))));
    }

    #[test]
    fn what_is_no_dicom_json_is_typed() {
        for body in ["{}", "<html>", "[1]", "[{\"a\":", "null"] {
            assert!(matches!(parse(body.as_bytes()), Err(SourceError::NotUnderstood(_))), "{body}");
        }
    }
}
