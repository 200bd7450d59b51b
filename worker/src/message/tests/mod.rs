//! What is read as a request, from whom, and what is refused how.

mod adapters;
mod forged;
pub(crate) mod queue;
mod random;

use std::path::Path;

use super::*;

/// The clock of all tests here.
fn now() -> Timestamp {
    "2026-03-18T00:00:00Z".parse().unwrap()
}

fn mapping() -> AdapterMapping {
    let name = |text: &str| text.parse::<Name>().unwrap();
    AdapterMapping {
        buckets: [("monaideploy".to_owned(), name("monai-bucket"))].into(),
        orthanc_source: Some(name("orthanc")),
    }
}

/// The code of the refusal, or `ok`.
fn code(body: &[u8]) -> &'static str {
    read(body, now(), &mapping()).map_or_else(|refusal| refusal.code, |_| "ok")
}

const UID: &str = "2.25.96552079911562930055011876154727440353";

/// A good native message, changed by `change`.
fn native(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut message = serde_json::json!({
        "specversion": "1.0", "id": "a-1", "source": "urn:example:ris", "type": "imaging.job.requested.v1",
        "time": "2026-03-17T09:30:00Z", "data": {"study": {"instance_uid": UID}}
    });
    change(&mut message);
    message.to_string().into_bytes()
}

/// Parser and schema agree: `scripts/check-messages` holds the same files against the schema.
#[test]
fn the_parser_agrees_with_every_example_of_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples/imaging.job.requested.v1");
    let mut seen = [0, 0];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let good = name.starts_with("good-");
        assert!(good || name.starts_with("bad-"), "{name}");
        let code = code(&std::fs::read(&path).unwrap());
        assert_eq!(code == "ok", good, "{name}: {code}");
        seen[usize::from(good)] += 1;
    }
    assert!(seen[0] > 50 && seen[1] > 5, "{seen:?}");
}

#[test]
fn every_field_arrives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples/imaging.job.requested.v1");
    let request = read(&std::fs::read(folder.join("good-full.json")).unwrap(), now(), &mapping()).unwrap();
    let name = |text: &str| text.parse::<Name>().unwrap();
    let expected = JobRequest {
        id: "7d3c1c0e-4d8e-4f53-9f0a-0d6f1f6f2a11".into(),
        time: "2026-03-17T09:30:00.123456789Z".parse().unwrap(),
        study_uid: UID.parse().unwrap(),
        source: Some(name("archive")),
        record: Some(name("ehr")),
        targets: vec![name("ehr"), name("reports")],
        pipeline: Some(name("chest-radiograph")),
        lane: Lane::Stat,
        mode: Mode::Shadow,
        expected_instances: Some(2),
        correlation_id: Some("0f8fad5b-d9cb-469f-a165-70867728950e".into()),
    };
    assert_eq!(request, expected);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let message = envelope::message(&expected, "urn:example:ris", Some(trace));
    assert_eq!(trace_parent(&message.body).as_deref(), Some(trace));
    assert_eq!((message.lane, message.id.as_str()), (Lane::Stat, expected.id.as_str()));
}

#[test]
fn what_is_left_out_has_the_defaults() {
    let request = read(&native(|_| {}), now(), &mapping()).unwrap();
    assert_eq!((request.lane, request.mode), (Lane::Routine, Mode::Clinical));
    assert!(request.source.is_none() && request.record.is_none() && request.targets.is_empty());
    let acr = native(|message| message["data"]["transaction_id"] = "T-1".into());
    assert_eq!(read(&acr, now(), &mapping()).unwrap().correlation_id.as_deref(), Some("T-1"));
    for (priority, lane) in [(0, Lane::Routine), (199, Lane::Routine), (200, Lane::Stat), (255, Lane::Stat)] {
        let body = native(|message| message["data"]["priority"] = priority.into());
        assert_eq!(read(&body, now(), &mapping()).unwrap().lane, lane);
    }
}

#[test]
fn the_schemas_are_json() {
    for schema in [envelope::SCHEMA, status::SCHEMA] {
        let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}
