//! What dcmtk and Orthanc send is stored as it was sent, and becomes one report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chiasm_tests::certificates::Certificates;
use chiasm_tests::orthanc::Orthanc;
use chiasm_tests::receiver::{ReceivingSite, files};
use chiasm_tests::{lines, phantom_series, study_uid};
use serde_json::Value;

use super::is_same;

fn worker(site: &ReceivingSite) -> Vec<Value> {
    let output = site.run(&["worker", "--once", "--device", "cpu", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&output)
}

#[test]
fn a_study_that_is_sent_is_reported_once_and_what_comes_late_is_another_version() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 1\nhttp_listen = '127.0.0.1:0'");
    let mut receiver = site.receiver(&[]);
    let instances = phantom_series(50, 3);
    let uid = study_uid(&instances[0]);
    let sent = files(&folder.path().join("sent"), &instances);

    let (is_answered, said) = receiver.call("echoscu", &[], &[]);
    assert!(is_answered, "{said}");
    let (is_stored, said) = receiver.call("storescu", &["+sd"], &[folder.path().join("sent")]);
    assert!(is_stored, "{said}");
    let (is_stored, said) = receiver.call("storescu", &["-R"], &sent[..2]);
    assert!(is_stored, "the same again is stored already: {said}");
    let stored = site.stored(&uid);
    assert_eq!(stored.len(), 3);
    for (stored, sent) in stored.iter().zip(&instances) {
        assert!(is_same(&fs::read(stored).unwrap(), sent), "as it was sent");
    }
    site.wait_for_release();
    assert!(receiver.get("/livez").starts_with("HTTP/1.1 200") && receiver.get("/readyz").contains("true"));
    let metrics = receiver.get("/metrics");
    for line in [
        "chiasm_receive_associations_total{end=\"released\"} 3",
        "chiasm_receive_instances_total{status=\"0000\"} 5",
        "chiasm_receive_releases_total{result=\"not_confirmed\"} 0",
    ] {
        assert!(metrics.contains(line), "`{line}` in {metrics}");
    }
    assert!(!metrics.contains(&uid) && !metrics.contains("Canary"), "{metrics}");
    let outcomes = worker(&site);
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(
        (&outcomes[0]["state"], &outcomes[0]["study_uid"]),
        (&"reported".into(), &uid.as_str().into())
    );

    // the same once more, after the release: no other version
    let (is_stored, said) = receiver.call("storescu", &[], &sent);
    assert!(is_stored, "{said}");
    site.wait_for_release();
    assert_eq!(worker(&site), Vec::<Value>::new());

    // a late instance: another version, which is told of
    let late = phantom_series(50, 4).pop().unwrap();
    let (is_stored, said) = receiver.call("storescu", &[], &files(&folder.path().join("late"), &[late]));
    assert!(is_stored, "{said}");
    site.wait_for_release();
    let outcomes = worker(&site);
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &"reported".into()), "{outcomes:?}");
    let jobs = lines(&site.run(&["jobs", "list", "--json"]));
    let states: Vec<_> = jobs.iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "reported"], "never merged: {jobs:?}");
    assert_eq!(receiver.stop(), Some(0));
    let logged = receiver.logged();
    assert!(!logged.contains("Canary") && !logged.contains(&uid), "{logged}");
}

#[test]
fn a_study_comes_in_the_transfer_syntax_that_its_sender_has() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    let receiver = site.receiver(&[]);
    let instances = phantom_series(51, 1);
    let uid = study_uid(&instances[0]);
    let original = files(&folder.path().join("sent"), &instances).remove(0);
    let turned = |program: &str, arguments: &[&str]| -> PathBuf {
        let path = folder.path().join(format!("{program}{}", arguments.concat()));
        let status = Command::new(program).args(arguments).arg(&original).arg(&path).status().unwrap();
        assert!(status.success(), "{program}");
        path
    };
    for (file, propose, syntax) in [
        (turned("dcmconv", &["+ti"]), "-xi", "1.2.840.10008.1.2"),
        (turned("dcmconv", &["+tb"]), "-xb", "1.2.840.10008.1.2.2"),
        (turned("dcmconv", &["+td"]), "-xd", "1.2.840.10008.1.2.1.99"),
        (turned("dcmcrle", &[]), "-xr", "1.2.840.10008.1.2.5"),
        (turned("dcmcjpeg", &["+e1"]), "-xs", "1.2.840.10008.1.2.4.70"),
        (turned("dcmcjpls", &["+el"]), "-xt", "1.2.840.10008.1.2.4.80"),
    ] {
        let (is_stored, said) = receiver.call("storescu", &["-R", propose], &[file]);
        assert!(is_stored, "{syntax}: {said}");
        let stored = site.stored(&uid);
        let bytes = fs::read(&stored[0]).unwrap();
        let limits = dicom_ingest::limits::Limits::default();
        let header = dicom_ingest::read::read_header(&bytes, &limits).unwrap();
        assert_eq!(header.transfer_syntax_uid.as_str(), syntax);
        fs::remove_file(&stored[0]).unwrap();
    }
    // one that is not read is not offered
    let (is_stored, said) = receiver.call("storescu", &["-R", "-xn"], &[original]);
    assert!(!is_stored, "{said}");
}

#[test]
fn orthanc_sends_a_study() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start(&folder.path().join("orthanc"), None) else { return };
    let site = ReceivingSite::new(folder.path(), "quiet_s = 1");
    let receiver = site.receiver(&[]);
    let instances = phantom_series(52, 3);
    let studies: Vec<_> = instances.iter().map(|instance| orthanc.store(instance)).collect();
    let study = &studies[0];
    assert_eq!(orthanc.send(study, receiver.address, "CHIASM"), Some(0), "none failed");
    assert_eq!(orthanc.send(study, receiver.address, "CHIASM"), Some(0), "and none when they come again");
    let stored = site.stored(&study_uid(&instances[0]));
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().zip(&instances).all(|(stored, sent)| is_same(&fs::read(stored).unwrap(), sent)));
    site.wait_for_release();
    assert_eq!(worker(&site)[0]["state"], "reported");
    assert_eq!(orthanc.send(study, receiver.address, "OTHER"), None, "that is not us");
}

#[test]
fn a_receiver_that_is_not_configured_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chiasm.toml");
    fs::write(&config, "tenant = 'a'").unwrap();
    let output = chiasm_tests::run(&[Path::new("receive"), Path::new("--config"), &config]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("[receive]"));
}

#[test]
fn a_study_comes_over_tls_from_those_who_have_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = Certificates::make(folder.path()) else { return };
    let file = |name: &str| certificates.file(name).display().to_string();
    let keys = format!(
        "quiet_s = 1\nidle_s = 2\ncertificate_file = '{}'\nkey_file = '{}'\nclient_ca_file = '{}'",
        file("server.pem"),
        file("server.key"),
        file("ca.pem")
    );
    let site = ReceivingSite::new(folder.path(), &keys);
    let mut receiver = site.receiver(&[]);
    let instances = phantom_series(56, 3);
    let sent = files(&folder.path().join("sent"), &instances);
    let (key, certificate, authority) = (file("client.key"), file("client.pem"), file("ca.pem"));
    let (is_stored, said) =
        receiver.call("storescu", &["+tls", &key, &certificate, "+cf", &authority], &sent);
    assert!(is_stored, "{said}");
    for (stored, sent) in site.stored(&study_uid(&instances[0])).iter().zip(&instances) {
        assert!(is_same(&fs::read(stored).unwrap(), sent), "as it was sent");
    }
    for others in [&["+tla", "+cf", &authority][..], &[][..]] {
        let (is_stored, said) = receiver.call("storescu", others, &sent[..1]);
        assert!(!is_stored, "without a certificate, and without TLS: {said}");
    }
    site.wait_for_release();
    assert_eq!(receiver.stop(), Some(0));
    assert!(receiver.logged().contains("TLS could not be agreed on"));
}
