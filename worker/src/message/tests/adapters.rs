//! Messages of other systems.

use serde_json::{Value, json};

use super::*;

const ORTHANC_ID: &str = "515d7987-b06e84b5-bd68a6ce-d6fa04f9-be53f642";

/// A `WorkflowRequestEvent` as the Informatics Gateway's serialiser writes it, changed by `change`.
fn monai(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let instance = |instance: &str| {
        let path = format!("dcm/{UID}/1.2.3/{instance}.dcm");
        json!({"path": path, "metadata": format!("{path}.json")})
    };
    let origin = json!({"dataService": 1, "source": "MODALITY", "destination": "MONAI", "artifactType": 0});
    let mut event = json!({
        "payload_id": "4b6cdf3d-9d3d-4d4a-9ad5-5f5f7d0ae2c5",
        "workflows": ["0d6b7a5e-1e5f-4f09-8f2a-0c1fca6a7b11"],
        "file_count": 2,
        "correlation_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "bucket": "monaideploy",
        "trigger": origin,
        "data_origins": [origin],
        "timestamp": "2026-03-17T09:30:00.1234567Z",
        "workflow_instance_id": null,
        "task_id": null,
        "payload": [instance("1.2.3.1"), instance("1.2.3.2")],
        "a_field_of_a_later_version": {"any": ["thing"]}
    });
    change(&mut event);
    event.to_string().into_bytes()
}

#[test]
fn monai_deploy_asks_for_a_study_of_a_bucket() {
    let request = read(&monai(|_| {}), now(), &mapping()).unwrap();
    assert_eq!(request.study_uid.as_str(), UID);
    assert_eq!(request.id, "4b6cdf3d-9d3d-4d4a-9ad5-5f5f7d0ae2c5");
    assert_eq!(request.source.unwrap().as_str(), "monai-bucket");
    assert_eq!(request.correlation_id.as_deref(), Some("0f8fad5b-d9cb-469f-a165-70867728950e"));
    assert_eq!(request.expected_instances, Some(2));
    assert_eq!(request.time, "2026-03-17T09:30:00.1234567Z".parse().unwrap());
}

#[test]
fn monai_deploys_enums_are_numbers_or_words() {
    for service in [json!(0), json!(1), json!(5), json!(77), json!("DIMSE"), json!("DicomWeb"), json!(null)] {
        let body = monai(|event| {
            event["trigger"]["dataService"] = service.clone();
            event["trigger"]["artifactType"] = "CR".into();
        });
        assert_eq!(code(&body), "ok", "{service}");
    }
    assert_eq!(code(&monai(|event| event["trigger"]["dataService"] = json!([]))), "BadField");
    for service in [json!(3), json!("HL7")] {
        let body = monai(|event| {
            event["trigger"]["dataService"] = service.clone();
            event["payload"] = json!([{"path": "ehr/Patient/1.json", "metadata": ""}]);
        });
        let refusal = read(&body, now(), &mapping()).unwrap_err();
        assert_eq!(refusal.code, "NoStudy");
        assert!(refusal.reason.contains("FHIR or HL7"));
    }
}

#[test]
fn monai_deploys_paths_only_say_which_study() {
    let path = |path: &str| {
        let path = path.to_owned();
        monai(move |event| event["payload"][0]["path"] = path.into())
    };
    assert_eq!(
        code(&path(&format!("4b6cdf3d-9d3d-4d4a-9ad5-5f5f7d0ae2c5/dcm/{UID}/1.2.3/1.2.3.1.dcm"))),
        "ok"
    );
    assert_eq!(code(&path("ehr/Observation/7.json")), "ok");
    assert_eq!(code(&path("dcm/1.2.9/1.2.3/1.2.3.1.dcm")), "SeveralStudies");
    for bad in [
        "dcm/../../../etc/passwd",
        "dcm/1.2.9/1.2.3/../1.2.3.1.dcm",
        "dcm/1.02/1.2.3/1.2.3.1.dcm",
        "dcm/1.2.9/1.2.3.1.dcm",
        "dcm/1.2.9/1.2.3/1.2.3.1",
        "dcm/1.2.9/1.2.3/1.2.3.1.dcm\0",
    ] {
        assert_eq!(code(&path(bad)), "BadField", "{bad}");
    }
    assert_eq!(code(&monai(|event| event["payload"] = json!([]))), "NoStudy");
    assert_eq!(code(&monai(|event| event["payload"] = json!("dcm"))), "BadField");
    assert_eq!(code(&monai(|event| event["bucket"] = "s3://other".into())), "UnknownBucket");
    assert_eq!(code(&monai(|event| event["correlation_id"] = json!(null))), "MissingField");
    assert_eq!(code(&monai(|event| event["correlation_id"] = "Canary^Carla".into())), "BadField");
    assert_eq!(code(&monai(|event| event["timestamp"] = "1999-01-01T00:00:00".into())), "BadTime");
}

/// What `convert_change_event_to_message` of orthanc-server-extensions puts on its queue.
fn orthanc_event(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut event = json!({
        "specversion": "1.0",
        "id": "3a0c5d9e-0b7c-4f0e-8f4d-52d1e0a3c6f7",
        "source": "https://orthanc-server-identifer",
        "type": "orthanc-server-extensions.change-event",
        "time": "2026-03-17T09:30:00.123456+00:00",
        "data": {"change_type": 9, "resource_type": 1, "resource_id": ORTHANC_ID}
    });
    change(&mut event);
    event.to_string().into_bytes()
}

#[test]
fn an_orthanc_event_says_that_orthanc_must_name_the_study() {
    for change_type in [json!(9), json!("StableStudy"), json!("STABLE_STUDY")] {
        let body = orthanc_event(|event| event["data"]["change_type"] = change_type.clone());
        let Incoming::OrthancStudy(study) = recognise(&body, now(), &mapping()).unwrap() else {
            panic!("{change_type} is a study that Orthanc must name")
        };
        assert_eq!(study.study.as_str(), ORTHANC_ID);
        let request = study.request(UID.parse().unwrap(), Some(3), mapping().orthanc_source);
        assert_eq!((request.study_uid.as_str(), request.expected_instances), (UID, Some(3)));
        assert_eq!(request.id, "3a0c5d9e-0b7c-4f0e-8f4d-52d1e0a3c6f7");
    }
    assert_eq!(code(&orthanc_event(|_| {})), "OrthancUnknown");
    assert_eq!(code(&orthanc_event(|event| event["data"]["change_type"] = 8.into())), "NotStableStudy");
    assert_eq!(code(&orthanc_event(|event| event["data"]["resource_id"] = "../studies".into())), "BadField");
}

#[test]
fn the_lua_hook_names_the_study_itself() {
    let hook = |change: fn(&mut Value)| {
        let mut body = json!({
            "orthanc_study": ORTHANC_ID, "StudyInstanceUID": UID, "instances": 3, "last_update": "20260317T093000"
        });
        change(&mut body);
        body.to_string().into_bytes()
    };
    let request = read(&hook(|_| {}), now(), &mapping()).unwrap();
    assert_eq!(request.study_uid.as_str(), UID);
    assert_eq!(request.source.as_ref().unwrap().as_str(), "orthanc");
    assert_eq!(request.expected_instances, Some(3));
    assert_eq!(request.time, "2026-03-17T09:30:00Z".parse().unwrap());
    assert_eq!(
        request,
        read(&hook(|_| {}), now(), &mapping()).unwrap(),
        "the same bytes are the same request"
    );
    assert_eq!(code(&hook(|body| body["PatientName"] = "Canary^Carla".into())), "UnknownField");
    assert_eq!(code(&hook(|body| body["orthanc_study"] = "..".into())), "BadField");
    assert_eq!(code(&hook(|body| body["last_update"] = "2026-03-17".into())), "BadField");
}

#[test]
fn a_bare_uid_is_a_request_of_now() {
    let body = format!("{{\"StudyInstanceUID\": \"{UID}\"}}").into_bytes();
    let request = read(&body, now(), &mapping()).unwrap();
    assert_eq!((request.study_uid.as_str(), request.time), (UID, now()));
    assert_eq!(request.id.len(), "sha256-".len() + 64);
    assert_eq!(code(br#"{"StudyInstanceUID": "1.02"}"#), "BadField");
    assert_eq!(code(br#"{"StudyInstanceUID": "1.2", "PatientName": "Canary^Carla"}"#), "UnknownField");
}
