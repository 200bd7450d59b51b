//! Structured reports reach a PACS once each, over DICOMweb and over DICOM: a real Orthanc, and PACS that fail in every way.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use chiasm_tests::fhir_server::{Fault, FaultRule, Route};
use chiasm_tests::orthanc::{LOGIN, Orthanc, TITLES};
use chiasm_tests::pacs::{Behaviour, Peer, StowServer};
use chiasm_tests::proxy::{self, Proxy};
use chiasm_tests::{lines, phantom_study, record, run, study_uid};
use dicom_ingest::own::SOP_CLASS;
use dicom_ingest::write::{Elements, VR, tags};
use worker::config::secret::Secret;
use worker::config::site::{DicomConfig, DicomWebConfig};
use worker::deliver::dicom::DicomTarget;
use worker::deliver::dicomweb::DicomWebTarget;
use worker::deliver::{DeliverError, Parcel, Target};
use worker::ledger::{JobState, ReportBytes};

/// Time for one request where the server answers.
pub(super) const PATIENT: Duration = Duration::from_secs(20);

/// Time for one request where no answer comes.
const HASTY: Duration = Duration::from_millis(400);

/// The study that the reports of these tests are about.
const STUDY: &str = "1.2.3";

/// A structured report of the kind that the program writes, with a text so long that it takes several pieces.
fn report(number: u32) -> ReportBytes {
    let uid = format!("2.25.{number}");
    let mut elements = Elements::default();
    elements
        .text(tags::SOP_CLASS_UID, VR::UI, SOP_CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, &uid)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.4")
        .text(tags::MODALITY, VR::CS, "SR")
        .text(tags::PATIENT_ID, VR::LO, "TEST0001")
        .text(tags::PATIENT_NAME, VR::PN, "Canary^Test")
        .text(tags::TEXT_VALUE, VR::UT, &"text ".repeat(20_000));
    let sr = Some(elements.file(SOP_CLASS, &uid));
    ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: None,
        html: b"<p>".to_vec(),
        sr,
        overlay: None,
        segmentation: None,
    }
}

fn parcel(report: &ReportBytes, sent_before: bool) -> Parcel<'_> {
    Parcel {
        study_uid: STUDY,
        job_key: "job",
        report_key: "report",
        report,
        address: None,
        earlier: &[],
        sent_before,
    }
}

fn web(url: String, timeout: Duration) -> DicomWebTarget {
    let config = DicomWebConfig { url, token: None, login: None, ca_file: None, timeout };
    DicomWebTarget::new("pacs".parse().unwrap(), &config).unwrap()
}

pub(super) fn dicom(address: impl ToString, called_ae: &str, timeout: Duration) -> DicomTarget {
    let (called_ae, calling_ae) = (called_ae.to_owned(), TITLES.1.to_owned());
    let config = DicomConfig { address: address.to_string(), called_ae, calling_ae, timeout };
    DicomTarget::new("pacs".parse().unwrap(), &config)
}

fn says_nothing_of_a_patient(error: &DeliverError) {
    let text = format!("{error} {error:?} {:?}", std::error::Error::source(error));
    for canary in ["Canary", "TEST0001"] {
        assert!(!text.contains(canary), "{text}");
    }
}

/// A fault of a STOW server, the code of the try that meets it (none: it succeeds all the same), and the request limit.
fn faults() -> Vec<(Fault, Option<&'static str>, Duration)> {
    vec![
        (Fault::Status(500, "exception"), Some("ServerFailed"), PATIENT),
        (Fault::Status(507, "exception"), Some("TargetFull"), PATIENT),
        (Fault::Busy(503, "7".into()), Some("ServerBusy"), PATIENT),
        (Fault::Busy(429, "7".into()), Some("ServerBusy"), PATIENT),
        (Fault::Status(401, "login"), Some("AuthenticationFailed"), PATIENT),
        (Fault::Status(403, "forbidden"), Some("PermissionDenied"), PATIENT),
        (Fault::Status(400, "structure"), Some("Rejected"), PATIENT),
        (Fault::Status(404, "not-found"), Some("Rejected"), PATIENT),
        (Fault::Status(409, "conflict"), Some("Conflict"), PATIENT),
        // what the answer does not say, a look at the archive does
        (Fault::ConflictStored, None, PATIENT),
        (Fault::NotJsonStored, None, PATIENT),
        (Fault::TruncatedJson, None, PATIENT),
        (Fault::Huge(100 * 1024 * 1024), None, PATIENT),
        (Fault::NotJson, Some("AnswerNotUnderstood"), PATIENT),
        (Fault::Lost, Some("ConnectionCut"), PATIENT),
        (Fault::AnswerLost, Some("ConnectionCut"), PATIENT),
        (Fault::ResetMidRequest(1000), Some("ConnectionCut"), PATIENT),
        (Fault::ResetMidAnswer, Some("ConnectionCut"), PATIENT),
        (Fault::Hang, Some("TimedOut"), HASTY),
        (Fault::HangStored, Some("TimedOut"), HASTY),
        (Fault::Redirect("http://127.0.0.1:9/dicom-web".into()), Some("RedirectRefused"), PATIENT),
    ]
}

#[tokio::test]
async fn every_fault_of_stow_is_typed_and_after_it_the_same_bytes_arrive_once() {
    let report = report(1);
    for (fault, code, limit) in faults() {
        let server = StowServer::start();
        let target = web(server.url(), limit);
        server.fault(Route::Transaction, fault.clone());
        let first = target.deliver(&parcel(&report, false)).await;
        assert_eq!(first.as_ref().err().map(DeliverError::code), code, "{fault:?}");
        if let Err(error) = first {
            says_nothing_of_a_patient(&error);
            let DeliverError::Transient { retry_after, .. } = &error else {
                assert!(matches!(code, Some("Rejected" | "Conflict" | "RedirectRefused")), "{fault:?}");
                continue;
            };
            assert_eq!(retry_after.is_some(), matches!(fault, Fault::Busy(..)), "{fault:?}");
            let again = target.deliver(&parcel(&report, true)).await;
            let again = again.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!(again["sr"], format!("{}/studies/{STUDY}/instances/2.25.1", server.url()));
        }
        let copies = server.copies();
        assert_eq!(copies.len(), 1, "{fault:?}");
        assert_eq!(copies["2.25.1"], [report.sr.clone().unwrap()], "{fault:?}: once, with the same bytes");
    }
}

#[tokio::test]
async fn many_reports_through_a_pacs_that_fails_at_every_third_request_arrive_once_each() {
    let seed = 20_261_125;
    let server = StowServer::start();
    let target = web(server.url(), PATIENT);
    let quick = |(fault, code, limit): &(Fault, Option<&str>, Duration)| {
        let is_terminal = matches!(code, Some("Rejected" | "Conflict" | "RedirectRefused"));
        *limit == PATIENT && !is_terminal && !matches!(fault, Fault::Huge(_))
    };
    let faults = faults().into_iter().filter(quick).map(|(fault, ..)| fault).collect();
    server.fault_by_rule(Some(FaultRule { seed, per_mille: 333, faults }));
    for number in 0..1000 {
        let report = report(number);
        let mut tries = 0;
        while let Err(error) = target.deliver(&parcel(&report, tries > 0)).await {
            tries += 1;
            assert!(tries < 50, "seed {seed}, {number}: {error}");
        }
    }
    let copies = server.copies();
    assert_eq!(copies.len(), 1000, "seed {seed}");
    assert!(copies.values().all(|copies| copies.len() == 1), "seed {seed}: none twice");
    assert!(server.requests().0 > 1100, "seed {seed}: there were faults");
}

#[tokio::test]
async fn every_answer_of_a_dicom_peer_is_typed_and_after_it_the_same_data_set_is_kept() {
    let report = report(1);
    let peer = Peer::start();
    for (behaviour, code, limit) in [
        (Behaviour::Status(0x0000), None, PATIENT),
        (Behaviour::Status(0x0111), None, PATIENT),
        (Behaviour::Status(0xB007), None, PATIENT),
        (Behaviour::Refuse(0xA700), Some("TargetFull"), PATIENT),
        (Behaviour::Refuse(0xA900), Some("Rejected"), PATIENT),
        (Behaviour::Refuse(0xC000), Some("Rejected"), PATIENT),
        (Behaviour::Refuse(0x0122), Some("SopClassRefused"), PATIENT),
        (Behaviour::Refuse(0x0110), Some("ServerFailed"), PATIENT),
        (Behaviour::Reject, Some("AssociationRejected"), PATIENT),
        (Behaviour::RejectForNow, Some("ServerBusy"), PATIENT),
        (Behaviour::OtherClasses, Some("SopClassRefused"), PATIENT),
        (Behaviour::AnswerLost, Some("ConnectionCut"), PATIENT),
        (Behaviour::Abort, Some("ConnectionCut"), PATIENT),
        (Behaviour::OtherAnswer, Some("AnswerNotUnderstood"), PATIENT),
        (Behaviour::Garbage, Some("AnswerNotUnderstood"), PATIENT),
        (Behaviour::Hang, Some("TimedOut"), HASTY),
    ] {
        peer.behave(behaviour);
        let target = dicom(peer.address(), Peer::TITLE, limit);
        let first = target.deliver(&parcel(&report, false)).await;
        assert_eq!(first.as_ref().err().map(DeliverError::code), code, "{behaviour:?}");
        if let Err(error) = &first {
            says_nothing_of_a_patient(error);
        }
        peer.behave(Behaviour::Status(0));
        let receipts =
            dicom(peer.address(), Peer::TITLE, PATIENT).deliver(&parcel(&report, true)).await.unwrap();
        assert_eq!(receipts["sr"], format!("PACS@{}/2.25.1", peer.address()));
    }
    let kept = peer.kept();
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["2.25.1"], "one instance, however often it came");
    let file = report.sr.unwrap();
    assert!(kept["2.25.1"].iter().all(|dataset| file.ends_with(dataset)), "the same bytes each time");
    assert!(kept["2.25.1"][0].len() > 100_000, "the whole data set");
}

#[tokio::test]
async fn a_peer_is_probed_and_one_that_is_away_is_found_again() {
    let peer = Peer::start();
    let proxy = Proxy::start(peer.address());
    let target = dicom(proxy.address(), Peer::TITLE, HASTY);
    target.probe().await.unwrap();
    proxy.set(proxy::Fault::Refuse);
    assert!(target.probe().await.unwrap_err().is_transient());
    proxy.set(proxy::Fault::Blackhole);
    assert_eq!(target.probe().await.unwrap_err().code(), "TimedOut");
    proxy.set(proxy::Fault::Pass);
    target.probe().await.unwrap();
    let nowhere = dicom("127.0.0.1:1", Peer::TITLE, HASTY);
    assert_eq!(nowhere.probe().await.unwrap_err().code(), "Unreachable");
}

/// Orthanc takes a structured report of the program over both ways, gives the same back, and is no worse for a second time
/// or for a connection that was cut.
#[tokio::test]
async fn orthanc_takes_the_programs_report_over_both_ways_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start_pacs(&folder.path().join("orthanc")) else { return };
    let study = folder.path().join("study");
    let image = std::fs::read(phantom_study(&study, 77)).unwrap();
    orthanc.store(&image);
    let out = folder.path().join("out");
    let bundle = folder.path().join("record.json");
    std::fs::write(&bundle, record(|_| {}).to_string()).unwrap();
    let analyze = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
    let rest = [out.as_path(), Path::new("--record"), &bundle, &study];
    let output = run(&analyze.into_iter().chain(rest).collect::<Vec<_>>());
    let line = &lines(&output)[0];
    let file = std::fs::read(line["files"]["sr"].as_str().unwrap()).unwrap();
    let picture = std::fs::read(line["files"]["overlay"].as_str().unwrap()).unwrap();
    let header = |file: &[u8]| {
        dicom_ingest::read::read_header(file, &dicom_ingest::limits::Limits::default()).unwrap()
    };
    let uid = header(&file).sop_instance_uid.to_string();
    let picture_uid = header(&picture).sop_instance_uid.to_string();
    let report = ReportBytes { sr: Some(file.clone()), overlay: Some(picture.clone()), ..report(1) };
    let study_uid = study_uid(&image);
    let parcel = |sent_before| Parcel { study_uid: &study_uid, ..parcel(&report, sent_before) };

    let proxy = Proxy::start(orthanc.http());
    let url = format!("http://{}/dicom-web", proxy.address());
    let through = web(url.clone(), PATIENT);
    proxy.set(proxy::Fault::Blackhole);
    assert_eq!(login(url.clone(), HASTY).deliver(&parcel(false)).await.unwrap_err().code(), "TimedOut");
    proxy.cut();
    proxy.set(proxy::Fault::Pass);
    assert_eq!(
        through.probe().await.unwrap_err().code(),
        "AuthenticationFailed",
        "nobody gets in without a login"
    );
    let target = login(url, PATIENT);
    target.probe().await.unwrap();
    for sent_before in [false, true, false] {
        target.deliver(&parcel(sent_before)).await.unwrap();
    }
    assert_eq!(orthanc.files(&uid), std::slice::from_ref(&file), "byte for byte, and once");
    assert_eq!(orthanc.files(&picture_uid), std::slice::from_ref(&picture), "and so is the overlay");
    assert_eq!(orthanc.counts(), (1, 3), "in the study of the image");

    // its own display draws the overlay as it is; a structured report is no picture to it
    let shown = orthanc.rendered(&picture_uid).expect("a picture of the overlay");
    let overlay = dicom_object::from_reader(Cursor::new(&picture[..])).unwrap();
    let pixels = |tag| overlay.element(tag).unwrap().to_int::<u32>().unwrap();
    let wanted = [pixels(tags::COLUMNS), pixels(tags::ROWS)];
    let header = [16, 20].map(|at| u32::from_be_bytes(shown[at..at + 4].try_into().unwrap()));
    assert_eq!(header, wanted, "width and height in the PNG's header");
    assert!(orthanc.rendered(&uid).is_none());

    let over_dicom = dicom(orthanc.dicom(), TITLES.0, PATIENT);
    over_dicom.probe().await.unwrap();
    over_dicom.deliver(&parcel(true)).await.unwrap();
    assert_eq!(orthanc.files(&uid), std::slice::from_ref(&file), "what is there stays");
    let stranger = dicom(orthanc.dicom(), "SOMEBODY", PATIENT);
    assert_eq!(stranger.probe().await.unwrap_err().code(), "AssociationRejected");

    let other = tempfile::tempdir().unwrap();
    let Some(empty) = Orthanc::start_pacs(&other.path().join("orthanc")) else { return };
    dicom(empty.dicom(), TITLES.0, PATIENT).deliver(&parcel(false)).await.unwrap();
    let kept = empty.files(&uid);
    let parsed = |bytes: &[u8]| dicom_object::from_reader(Cursor::new(bytes)).unwrap().into_inner();
    assert_eq!(kept.len(), 1);
    assert_eq!(parsed(&kept[0]), parsed(&file), "the same elements with the same values");
    let kept = empty.files(&picture_uid);
    assert_eq!(parsed(&kept[0]), parsed(&picture), "of the overlay too");
}

pub(super) fn login(url: String, timeout: Duration) -> DicomWebTarget {
    let login = Some((LOGIN.0.to_owned(), Secret::new(LOGIN.1.to_owned())));
    let config = DicomWebConfig { url, token: None, login, ca_file: None, timeout };
    DicomWebTarget::new("pacs".parse().unwrap(), &config).unwrap()
}

#[tokio::test]
async fn what_has_no_structured_report_reaches_no_pacs_and_is_no_error() {
    let server = StowServer::start();
    let report = ReportBytes { sr: None, ..report(1) };
    assert!(web(server.url(), PATIENT).deliver(&parcel(&report, false)).await.unwrap().is_empty());
    assert_eq!(server.requests(), (0, 0));
}
