//! An archive rejects images after they were read: what was made from them is taken back at every target, and they are not
//! read again.

use std::fs;

use chiasm_tests::lines;
use chiasm_tests::site::check::End;
use chiasm_tests::site::remote::{Origin, Remote};
use chiasm_tests::site::{Mode, Plan, Site};
use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::rejection::SOP_CLASS;
use dicom_ingest::write::{Elements, VR, tags};
use serde_json::Value;
use worker::lane::Lane;

use super::{PATIENCE, modes, turn};

fn header(site: &Site, study: &str, file: &str) -> Instance {
    let bytes = fs::read(site.folder().join("studies").join(study).join(file)).unwrap();
    read_header(&bytes, &Limits::default()).unwrap()
}

/// Puts a note with this title beside the images of a study in the folder.
fn reject(site: &Site, study: &str, title: &str, image: &Instance) {
    fs::write(site.folder().join("studies").join(study).join("note"), note(study, title, image)).unwrap();
}

/// A rejection note of one image.
fn note(study: &str, title: &str, image: &Instance) -> Vec<u8> {
    let uid = format!("{}.9", image.sop_instance_uid.as_str().get(..60).unwrap_or("2.25.4"));
    let (mut item, mut series, mut evidence) =
        (Elements::default(), Elements::default(), Elements::default());
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, image.sop_class_uid.as_str()).text(
        tags::REFERENCED_SOP_INSTANCE_UID,
        VR::UI,
        image.sop_instance_uid.as_str(),
    );
    series
        .text(tags::SERIES_INSTANCE_UID, VR::UI, image.series_uid.as_str())
        .sequence(tags::REFERENCED_SOP_SEQUENCE, vec![item]);
    evidence
        .text(tags::STUDY_INSTANCE_UID, VR::UI, study)
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    let mut note = Elements::default();
    note.text(tags::SOP_CLASS_UID, VR::UI, SOP_CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, &uid)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, study)
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "2.25.77")
        .text(tags::MODALITY, VR::CS, "KO")
        .text(tags::PATIENT_ID, VR::LO, image.patient.id.as_ref().unwrap().expose())
        .text(tags::VALUE_TYPE, VR::CS, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, "DCM", title, "a rejection")
        .sequence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence]);
    note.file(SOP_CLASS, &uid)
}

fn jobs(site: &Site, study: &str) -> Vec<Value> {
    let listed = lines(&site.cli(&["jobs", "list", "--json"]));
    listed.into_iter().filter(|job| job["study_uid"] == study).collect()
}

fn bundle(site: &Site, study: &str) -> Value {
    let file = site.folder().join("reports").join(study).join("bundle.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn statuses(site: &Site, bundle: &Value) -> Vec<String> {
    let id = bundle["entry"][0]["resource"]["id"].as_str().unwrap();
    let versions = site.fhir.versions(&format!("DiagnosticReport/{id}"));
    versions.into_iter().filter_map(|version| version.status).collect()
}

#[test]
fn reports_of_rejected_images_are_withdrawn_and_what_is_left_is_read() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(73));
        let studies = site.studies(3);
        let [poor, old, half] = &studies[..] else { panic!("three") };
        site.grow(std::slice::from_ref(half));
        site.submit(&studies, Lane::Routine);
        site.expect(&studies, &End::reported());
        site.start_ready(1);
        site.wait_until_done(PATIENCE);
        let before: Vec<Value> = studies.iter().map(|study| bundle(&site, study)).collect();

        let was_read = |file: &str| {
            let uid = header(&site, half, file).sop_instance_uid.to_string();
            before[2].to_string().contains(&uid)
        };
        let of_half = if was_read("image") { "image" } else { "later" };
        for (study, title, file) in
            [(poor, "113001", "image"), (old, "113039", "image"), (half, "113038", of_half)]
        {
            reject(&site, study, title, &header(&site, study, file));
        }
        // the same news twice is heard once
        for _ in 0..2 {
            site.submit(&studies, Lane::Routine);
            site.wait_until_done(PATIENCE);
        }

        assert_eq!(
            statuses(&site, &before[0]),
            ["preliminary", "entered-in-error"],
            "rejected for its quality"
        );
        let [first, withdrawal] = &jobs(&site, poor)[..] else { panic!("{:?}", jobs(&site, poor)) };
        assert_eq!((&first["state"], &withdrawal["state"]), (&"superseded".into(), &"refused".into()));
        assert_eq!(withdrawal["code"], "RejectedByArchive", "{withdrawal}");
        let page = fs::read_to_string(site.folder().join("reports").join(poor).join("report.html")).unwrap();
        assert!(page.contains("113001 Rejected for Quality Reasons"), "it says why");

        assert_eq!(statuses(&site, &before[1]), ["preliminary"], "kept long enough is not wrong");
        assert_eq!(jobs(&site, old).len(), 1);

        let told = statuses(&site, &before[2]);
        assert_eq!(told, ["preliminary", "entered-in-error", "preliminary"], "the other image was read");
        let after = bundle(&site, half);
        let rejected = header(&site, half, of_half).sop_instance_uid.to_string();
        assert!(!after["entry"].as_array().unwrap().iter().any(|entry| {
            entry["resource"]["resourceType"] == "Provenance" && entry.to_string().contains(&rejected)
        }));

        for (bundle, wanted) in
            [(&before[0], "entered-in-error"), (&before[2], "entered-in-error"), (&before[1], "preliminary")]
        {
            for entry in bundle["entry"].as_array().unwrap() {
                let resource = &entry["resource"];
                if resource["resourceType"] == "Observation" {
                    let place = format!("Observation/{}", resource["id"].as_str().unwrap());
                    let last = site.fhir.versions(&place).pop().and_then(|version| version.status);
                    assert_eq!(last.as_deref(), Some(wanted), "{place}");
                }
            }
        }
        assert_eq!(site.fhir.doubled(), Vec::<String>::new());
    }
}

/// The note comes with the study from a real archive and from a bucket too, as another instance of it.
#[test]
fn a_note_on_another_machine_withdraws_as_well() {
    let _turn = turn();
    let mut site = Site::open(Mode::Embedded, Plan { remote: true, ..Plan::new(79) });
    let origins = site.remote.as_ref().map(Remote::origins).unwrap();
    let studies: Vec<(Origin, String)> =
        origins.into_iter().map(|origin| (origin, site.studies_at(origin, 1).remove(0))).collect();
    let all: Vec<String> = studies.iter().map(|(_, study)| study.clone()).collect();
    site.submit(&all, Lane::Routine);
    site.expect(&all, &End::reported());
    site.start_ready(1);
    site.wait_until_done(PATIENCE);
    let before: Vec<Value> = all.iter().map(|study| bundle(&site, study)).collect();
    for (origin, study) in &studies {
        let remote = site.remote.as_ref().unwrap();
        let image = read_header(&remote.files(*origin, study)[0], &Limits::default()).unwrap();
        remote.add(*origin, study, "note", &note(study, "113037", &image));
    }
    site.submit(&all, Lane::Routine);
    site.wait_until_done(PATIENCE);
    for ((origin, study), bundle) in studies.iter().zip(&before) {
        let told = statuses(&site, bundle);
        assert_eq!(told, ["preliminary", "entered-in-error"], "{origin:?}");
        let jobs = jobs(&site, study);
        assert_eq!(jobs.last().map(|job| &job["code"]), Some(&"RejectedByArchive".into()), "{origin:?}");
    }
}
