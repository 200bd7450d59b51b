//! Every instance has its status, and what is refused leaves nothing behind.

use std::fs;

use chiasm_tests::receiver::{ReceivingSite, files};
use chiasm_tests::{phantom_series, study_uid};
use dicom_ul::pdu::PDataValueType;

use super::dataset;
use super::peer::{Command, Sender};

/// Digital X-Ray Image Storage - For Presentation, of the phantom.
const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn sop_instance_uid(file: &[u8]) -> String {
    let limits = dicom_ingest::limits::Limits::default();
    dicom_ingest::read::read_header(file, &limits).unwrap().sop_instance_uid.to_string()
}

#[test]
fn each_instance_is_answered_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600\nmax_instance_mib = 64");
    let receiver = site.receiver(&[]);
    let instances = phantom_series(60, 2);
    let study = study_uid(&instances[0]);
    let (one, two) = (sop_instance_uid(&instances[0]), sop_instance_uid(&instances[1]));
    let bytes = dataset(&instances[0]);
    let mut sender = Sender::open(receiver.address, DX);

    assert_eq!(sender.ask(&Command::store(DX, &two), bytes), (0xA900, "SopMismatch".into()));
    assert_eq!(sender.ask(&Command::store(CT, &one), bytes).0, 0x0122, "not the class of the context");
    let cut = &bytes[..bytes.len() / 2];
    assert_eq!(sender.ask(&Command::store(DX, &one), cut), (0xC000, "Truncated".into()));
    assert_eq!(sender.ask(&Command::store(DX, &one), b"no data set at all").0, 0xC000);
    assert_eq!(sender.ask(&Command::store(DX, "1.02"), bytes), (0x0117, "BadUid".into()));
    let find = Command { field: 0x0020, ..Command::store(DX, &one) };
    assert_eq!(sender.ask(&find, bytes).0, 0x0211, "C-FIND");
    let get = Command { field: 0x0010, has_dataset: false, ..Command::store(DX, &one) };
    assert_eq!(sender.ask(&get, b"").0, 0x0211);
    assert_eq!((site.stored(&study).len(), site.own("arriving"), site.own("open")), (0, 0, 0));

    assert_eq!(sender.ask(&Command::store(DX, &one), bytes), (0, String::new()));
    let stored = site.stored(&study);
    let kept = fs::read(&stored[0]).unwrap();
    assert_eq!(dataset(&kept), bytes);
    assert_eq!(sender.ask(&Command::store(DX, &one), bytes).0, 0, "the same again");

    // the same UID with another pixel: refused, and what was there stays
    let mut other = bytes.to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(sender.ask(&Command::store(DX, &one), &other), (0x0111, "ConflictingInstance".into()));
    assert_eq!(fs::read(&stored[0]).unwrap(), kept);
    assert_eq!((site.stored(&study).len(), site.own("arriving"), site.own("open")), (1, 0, 1));

    let large = vec![0; 65 * 1024 * 1024];
    assert_eq!(sender.ask(&Command::store(DX, &two), &large), (0xA700, "TooLarge".into()));
    assert_eq!(
        sender.ask(&Command::store(DX, &two), dataset(&instances[1])).0,
        0,
        "it goes on after all that"
    );
    let logged = receiver.logged();
    assert!(!logged.contains("Canary") && !logged.contains(&one), "{logged}");
}

#[test]
fn a_disk_that_is_nearly_full_refuses_instances_and_keeps_none() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    // more than any disk has
    let receiver = site.receiver(&[("CHIASM__RECEIVE__MIN_FREE_DISK_MIB", "1099511627776")]);
    let instances = phantom_series(61, 2);
    let sent = files(&folder.path().join("sent"), &instances);
    let (is_stored, said) = receiver.call("storescu", &["-d"], &sent);
    assert!(!is_stored && said.contains("0xa700") && said.contains("DiskFull"), "{said}");
    let (is_answered, _) = receiver.call("echoscu", &[], &[]);
    assert!(is_answered, "it is no reason to hang up");
    assert_eq!(
        (site.stored(&study_uid(&instances[0])).len(), site.own("arriving"), site.own("open")),
        (0, 0, 0)
    );
}

#[test]
fn only_those_who_may_call_are_answered_and_no_more_at_once_than_may() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600\nmax_associations = 1");
    let receiver = site.receiver(&[]);
    for (titles, reason) in [
        (["-aec", "OTHER"], "Called AE Title Not Recognized"),
        (["-aet", "STRANGER"], "Calling AE Title Not Recognized"),
    ] {
        let (is_answered, said) = receiver.call("echoscu", &titles, &[]);
        assert!(!is_answered && said.contains(reason), "{said}");
    }
    // what is no storage and no verification is not negotiated
    let (is_answered, said) = receiver.call("findscu", &["-S", "-k", "QueryRetrieveLevel=STUDY"], &[]);
    assert!(!is_answered && said.contains("No Acceptable Presentation Contexts"), "{said}");

    let busy = Sender::open(receiver.address, DX);
    let (is_answered, said) = receiver.call("echoscu", &[], &[]);
    assert!(!is_answered && said.contains("Local Limit Exceeded"), "{said}");
    drop(busy);
    chiasm_tests::site::workers::wait_until("there is room again", std::time::Duration::from_mins(1), || {
        receiver.call("echoscu", &[], &[]).0
    });
}

#[test]
fn fragments_of_any_size_make_the_same_instance() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    let receiver = site.receiver(&[]);
    let instances = phantom_series(62, 3);
    let mut sender = Sender::open(receiver.address, DX);
    for (instance, length) in instances.iter().zip([997, 65_536, 131_000]) {
        sender.command(&Command::store(DX, &sop_instance_uid(instance)));
        sender.send(&PDataValueType::Data, dataset(instance), length);
        assert_eq!(sender.answer().0, 0, "{length}");
    }
    let stored = site.stored(&study_uid(&instances[0]));
    assert_eq!(stored.len(), 3);
    assert!(
        stored.iter().zip(&instances).all(|(path, sent)| dataset(&fs::read(path).unwrap()) == dataset(sent))
    );
}
