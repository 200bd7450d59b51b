//! What the tests of the whole program share: where the binary and the data are, and how to run it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "support for tests: a broken premise is a failed test"
)]

pub mod certificates;
pub mod chromium;
pub mod fhir_server;
pub mod gateway;
pub mod orthanc;
pub mod pacs;
pub mod postgres;
pub mod proxy;
pub mod rabbitmq;
pub mod receiver;
pub mod s3_server;
pub mod site;
pub mod tls_front;
pub mod watchdog;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{PhantomSpec, phantom_chest};
use jiff::civil::date;
use serde_json::{Value, json};

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(|| tests.to_owned(), Path::to_owned)
}

/// The built program: it lies beside the folder of the test binaries, or beside the soak.
///
/// # Panics
/// Where it was not built: run `cargo build --release -p worker` (`./test` does).
pub fn chiasm() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("chiasm"));
    let binary = beside.into_iter().find(|path| path.is_file());
    binary.expect("build the program first: cargo build --release -p worker")
}

/// A folder of real studies and records, or `None` with a line that says what is skipped.
pub fn data(folder: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests look for data where the caller says")]
    let root =
        std::env::var("CHIASM_DATA").map_or_else(|_| workspace().join("../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no `{folder}` in $CHIASM_DATA or ../shared/data");
    None
}

/// Runs the program on the CPU device with these arguments and waits.
///
/// # Panics
/// Where it cannot be started.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    Command::new(chiasm()).args(arguments).output().expect("the program starts")
}

/// The JSON lines of a run's standard output.
///
/// # Panics
/// Where a line is no JSON.
pub fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The invented patient of the tests' phantom studies.
pub const PATIENT_ID: &str = "TEST0001";

/// Writes a phantom study of the seed into `folder` and gives the file's path.
///
/// # Panics
/// Where the phantom cannot be made or written.
pub fn phantom_study(folder: &Path, seed: u64) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join(format!("image-{seed}"));
    std::fs::write(&path, phantom(seed)).expect("a written file");
    path
}

/// A phantom chest radiograph of [`PATIENT_ID`], a woman born on 1950-02-03, as a DICOM file.
///
/// # Panics
/// Where it cannot be made.
pub fn phantom(seed: u64) -> Vec<u8> {
    phantom_chest(&PhantomSpec {
        seed,
        patient_id: PATIENT_ID.into(),
        patient_name: "Canary^Carla".into(),
        birth_date: date(1950, 2, 3),
        sex: Sex::Female,
        issuer: "TESTS".into(),
        study_time: date(2024, 5, 6).at(7, 8, 9, 0),
        offset_minutes: None,
        accession_number: format!("ACC{seed}"),
        opacity: None,
    })
    .expect("a phantom")
}

/// A structured report of a study of the phantom's patient, as short as one can be: what a target reads of it.
///
/// # Panics
/// Where it cannot be made.
pub fn structured_report(study_uid: &str) -> Vec<u8> {
    const COMPREHENSIVE_3D_SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";
    let mut dataset = dicom_object::InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::SOP_CLASS_UID, VR::UI, COMPREHENSIVE_3D_SR),
        (tags::SOP_INSTANCE_UID, VR::UI, "2.25.1"),
        (tags::STUDY_INSTANCE_UID, VR::UI, study_uid),
        (tags::SERIES_INSTANCE_UID, VR::UI, "2.25.2"),
        (tags::MODALITY, VR::CS, "SR"),
        (tags::PATIENT_ID, VR::LO, PATIENT_ID),
        (tags::PATIENT_NAME, VR::PN, "Canary^Carla"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, "19500203"),
        (tags::PATIENT_SEX, VR::CS, "F"),
    ] {
        dataset.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let meta = dicom_object::FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid(COMPREHENSIVE_3D_SR)
        .media_storage_sop_instance_uid("2.25.1");
    let mut bytes = Vec::new();
    dataset.with_meta(meta).expect("meta information").write_all(&mut bytes).expect("a written file");
    bytes
}

/// The phantom's patient as a FHIR resource.
pub fn patient() -> Value {
    record(|_| ())["entry"][0]["resource"].clone()
}

/// The same phantom as several instances of one series.
///
/// # Panics
/// Where it cannot be made.
pub fn phantom_series(seed: u64, instances: u64) -> Vec<Vec<u8>> {
    let file = phantom(seed);
    let instance = |number: u64| {
        let mut object = dicom_object::from_reader(&file[..]).expect("a DICOM file");
        let element = object.element(tags::SOP_INSTANCE_UID).expect("a SOPInstanceUID");
        let uid = format!("{}.{}", element.to_str().expect("a text").trim_end_matches('\0'), number + 1);
        object.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, PrimitiveValue::from(uid.as_str())));
        object.update_meta(|meta| meta.media_storage_sop_instance_uid = uid);
        let mut bytes = Vec::new();
        object.write_all(&mut bytes).expect("a written file");
        bytes
    };
    (0..instances).map(instance).collect()
}

/// The StudyInstanceUID of a DICOM file.
///
/// # Panics
/// Where it has none.
pub fn study_uid(file: &[u8]) -> String {
    let object = dicom_object::from_reader(file).expect("a DICOM file");
    let element = object.element(tags::STUDY_INSTANCE_UID).expect("a StudyInstanceUID");
    element.to_str().expect("a text").trim_end_matches('\0').to_owned()
}

/// A record of the phantom's patient as a FHIR bundle, changed by `change`.
pub fn record(change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{
            "fullUrl": "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000001",
            "resource": {
                "resourceType": "Patient",
                "id": "carla",
                "identifier": [{"system": "urn:oid:1.2.3", "value": PATIENT_ID}],
                "name": [{"family": "Canary", "given": ["Carla"]}],
                "gender": "female",
                "birthDate": "1950-02-03"
            }
        }, {
            "fullUrl": "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000002",
            "resource": {
                "resourceType": "Observation",
                "id": "crp",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
                "subject": {"reference": "Patient/carla"},
                "effectiveDateTime": "2024-05-05T06:00:00Z",
                "issued": "2024-05-05T07:00:00Z",
                "valueQuantity": {"value": 12.5, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}
            }
        }]
    });
    change(&mut bundle);
    bundle
}
