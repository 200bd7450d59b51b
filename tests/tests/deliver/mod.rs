//! Delivery to a FHIR server that fails in every way: typed, nothing lost, nothing written twice.

mod capabilities;
mod faults;
mod patient;
mod program;
mod protocol;
mod server_ids;
mod signed;
mod study;
mod thousand;

use std::time::Duration;

use chiasm_tests::fhir_server::{FhirServer, JOB_KEYS};
use serde_json::{Value, json};
use worker::config::secret::Secret;
use worker::config::site::FhirConfig;
use worker::deliver::Parcel;
use worker::deliver::fhir::FhirTarget;
use worker::ledger::{JobState, ReportBytes};

/// The report's place: one for all versions.
const PLACE: &str = "DiagnosticReport/8a2e5a6e-7d0f-5b0e-9a3d-0123456789ab";

/// Time for one request where the server answers.
const PATIENT: Duration = Duration::from_secs(20);

/// Time for one request where no answer comes.
const HASTY: Duration = Duration::from_millis(400);

/// A server that knows the phantom's patient.
fn server() -> FhirServer {
    let server = FhirServer::start();
    server.put(&chiasm_tests::patient());
    server
}

fn target(server: &FhirServer, token: Option<Secret>, timeout: Duration) -> FhirTarget {
    let config = FhirConfig { url: server.url(), token, smart: None, ca_file: None, timeout };
    FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap()
}

fn parcel<'a>(job_key: &'a str, report: &'a ReportBytes, sent_before: bool) -> Parcel<'a> {
    Parcel {
        study_uid: "1.2.3",
        job_key,
        report_key: "report-1",
        report,
        address: None,
        earlier: &[],
        sent_before,
    }
}

/// A report of the shape that the program writes, large enough that it takes several reads.
fn report(job_key: &str) -> ReportBytes {
    report_at(PLACE, job_key, &[])
}

/// The same at another place and with more entries.
fn report_at(place: &str, job_key: &str, more: &[Value]) -> ReportBytes {
    written(place, job_key, "PHA+".repeat(20_000), more)
}

/// A report whose page is so long.
fn report_of(place: &str, job_key: &str, page: usize) -> ReportBytes {
    written(place, job_key, "PHA+".repeat(page), &[])
}

fn written(place: &str, job_key: &str, page: String, more: &[Value]) -> ReportBytes {
    let id = place.trim_start_matches("DiagnosticReport/");
    let observation = format!("o-{job_key}");
    let mut bundle = json!({
        "resourceType": "Bundle",
        "identifier": { "system": JOB_KEYS, "value": job_key },
        "type": "transaction",
        "entry": [
            {
                "fullUrl": format!("urn:uuid:{id}"),
                "resource": {
                    "resourceType": "DiagnosticReport",
                    "id": id,
                    "status": "preliminary",
                    "subject": { "reference": "Patient/carla" },
                    "identifier": [{ "system": "https://chiasm.invalid/fhir/report-key", "value": "report-1" }, { "system": JOB_KEYS, "value": job_key }],
                    "imagingStudy": [{ "reference": "urn:uuid:1d7c1c2e-0000-5000-8000-000000000001" }],
                    "result": [{ "reference": format!("urn:uuid:{observation}") }],
                    "presentedForm": [{ "contentType": "text/html", "data": page }]
                },
                "request": { "method": "PUT", "url": place }
            },
            {
                "fullUrl": format!("urn:uuid:{observation}"),
                "resource": { "resourceType": "Observation", "id": observation, "status": "preliminary" },
                "request": { "method": "PUT", "url": format!("Observation/{observation}") }
            },
            {
                "fullUrl": "urn:uuid:1d7c1c2e-0000-5000-8000-000000000001",
                "resource": { "resourceType": "ImagingStudy", "identifier": [{ "system": "urn:dicom:uid", "value": "urn:oid:1.2.3" }] },
                "request": { "method": "POST", "url": "ImagingStudy", "ifNoneExist": "identifier=urn:dicom:uid|urn:oid:1.2.3" }
            }
        ]
    });
    bundle["entry"].as_array_mut().unwrap().extend(more.iter().cloned());
    let bundle: Option<Vec<u8>> = Some(bytes(&bundle));
    let sr = Some(chiasm_tests::structured_report("1.2.3"));
    ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle,
        html: b"<p>".to_vec(),
        sr,
        overlay: None,
        segmentation: None,
    }
}

/// Written wide, so that bytes that were read and written again would differ.
fn bytes(bundle: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(bundle).unwrap()
}

fn sha256(report: &ReportBytes) -> String {
    chiasm_tests::fhir_server::sha256(report.bundle.as_deref().unwrap())
}
