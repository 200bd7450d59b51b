//! Messages that somebody forged: each has its code, and no reason repeats what it says.

use serde_json::json;

use super::*;

#[test]
fn every_refusal_has_its_code() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("MessageTooLarge", vec![b' '; MAX_BYTES + 1]),
        ("MessageTooLarge", "[".repeat(100_000).into_bytes()),
        ("MessageTooDeep", "{\"data\":".repeat(8_000).into_bytes()),
        ("MessageTooDeep", native(|m| m["data"]["study"]["series"] = nested(14))),
        ("NotJson", b"".to_vec()),
        ("NotJson", b"imaging.job.requested.v1".to_vec()),
        ("NotJson", b"{\"specversion\": \"1.0\"".to_vec()),
        ("NotJson", vec![0xff, 0xfe, b'{', 0]),
        ("NotJson", b"<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"file:///etc/passwd\">".to_vec()),
        ("NotJson", b"{\"StudyInstanceUID\": 1e999}".to_vec()),
        ("DuplicateField", [b"{\"id\":\"b\",".as_slice(), &native(|_| {})[1..]].concat()),
        ("NotCloudEvents", b"[]".to_vec()),
        ("NotCloudEvents", b"{}".to_vec()),
        ("NotCloudEvents", json!({"study": UID}).to_string().into_bytes()),
        ("UnknownType", native(|m| m["type"] = "com.example.other".into())),
        ("UnknownType", native(|m| m["type"] = 1.into())),
        ("UnknownVersion", native(|m| m["type"] = "imaging.job.requested.v2".into())),
        ("UnknownVersion", native(|m| m["specversion"] = "0.3".into())),
        ("UnknownField", native(|m| m["data"]["url"] = "http://169.254.169.254/".into())),
        ("UnknownField", native(|m| m["knativearrivaltime"] = "x".into())),
        ("MissingField", native(|m| m["data"]["study"] = json!({}))),
        ("MissingField", native(|m| m["id"] = json!(null))),
        ("BadField", native(|m| m["data"]["source"] = "file:///etc/passwd".into())),
        ("BadField", native(|m| m["data"]["source"] = "169.254.169.254".into())),
        ("BadField", native(|m| m["data"]["record"] = "../../etc/passwd".into())),
        ("BadField", native(|m| m["data"]["targets"] = json!(["..\\..\\windows"]))),
        ("BadField", native(|m| m["data"]["study"]["instance_uid"] = "1.2\0".into())),
        ("BadField", native(|m| m["data"]["study"]["instance_uid"] = format!("1.{}", "2".repeat(63)).into())),
        ("BadField", native(|m| m["data"]["study"]["instance_uid"] = "1.02".into())),
        ("BadField", native(|m| m["data"]["priority"] = 256.into())),
        ("SeriesNotSupported", native(|m| m["data"]["study"]["series"] = json!(["1.2"]))),
        ("BadTime", native(|m| m["time"] = "2026-03-19T00:00:01Z".into())),
        ("BadTime", native(|m| m["time"] = "2999-12-31T23:59:59Z".into())),
        ("BadField", native(|m| m["time"] = "yesterday".into())),
    ];
    for (expected, body) in cases {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        assert_eq!(code(&body), expected, "{text}");
    }
}

/// A list of lists, so deep.
fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn a_reason_names_the_field_and_never_repeats_the_sender() {
    let canary = "Canary^Carla 19500203";
    let places: [fn(&mut serde_json::Value, &str); 9] = [
        |m, text| m["id"] = text.into(),
        |m, text| m["type"] = text.into(),
        |m, text| m["time"] = text.into(),
        |m, text| m["specversion"] = text.into(),
        |m, text| m["data"]["source"] = text.into(),
        |m, text| m["data"]["study"]["instance_uid"] = text.into(),
        |m, text| m["data"]["correlation_id"] = text.into(),
        |m, text| m["data"][text] = text.into(),
        |m, text| m["data"]["study"] = text.into(),
    ];
    for place in places {
        let refusal = read(&native(|message| place(message, canary)), now(), &mapping()).unwrap_err();
        assert!(!refusal.to_string().contains("Canary"), "{refusal}");
    }
    let body = native(|message| message["data"]["source"] = "a/b".into());
    let refusal = read(&body, now(), &mapping()).unwrap_err();
    assert!(refusal.reason.starts_with("`data.source` is not"), "{refusal}");
    let body = native(|message| message["data"]["study"]["x"] = 1.into());
    assert_eq!(
        read(&body, now(), &mapping()).unwrap_err().reason,
        "this version does not know field 2 of `data.study`"
    );
}
