use serde_json::{Value, json};

use super::*;
use crate::deliver::sample::{parcel, report as sample_report};
use crate::ledger::ReportBytes;
use crate::report::document::{Keys, Kind, Subject};
use crate::report::{fhir, html, sample};

fn read(bundle: Option<Value>) -> Result<(String, usize), TerminalCode> {
    let bundle = bundle.map(|bundle| bundle.to_string().into_bytes());
    let report = ReportBytes { bundle, ..sample_report() };
    match Letter::of(&parcel(&report)) {
        Ok(letter) => Ok((letter.report_url, letter.entries)),
        Err(Trouble::Good { code, .. }) => Err(code),
        Err(Trouble::Now { code, .. }) => panic!("{code}"),
    }
}

fn bundle(job_key: &str, url: &str) -> Value {
    json!({
        "resourceType": "Bundle",
        "identifier": { "system": JOB_KEYS, "value": job_key },
        "entry": [
            { "request": { "method": "POST", "url": "ImagingStudy" } },
            { "resource": { "text": "x" }, "request": { "method": "PUT", "url": url } },
        ]
    })
}

#[test]
fn a_bundle_of_this_job_is_read_and_no_other() {
    assert_eq!(read(Some(bundle("j", "DiagnosticReport/a-1"))), Ok(("DiagnosticReport/a-1".into(), 2)));
    assert_eq!(read(None), Err(TerminalCode::NoBundle));
    assert_eq!(read(Some(json!([]))), Err(TerminalCode::BundleUnusable));
    assert_eq!(read(Some(bundle("k", "DiagnosticReport/a-1"))), Err(TerminalCode::BundleUnusable));
    for url in
        ["DiagnosticReport/", "DiagnosticReport/..", "DiagnosticReport/a?b", "DiagnosticReport/a/b", "Task/a"]
    {
        assert_eq!(read(Some(bundle("j", url))), Err(TerminalCode::BundleUnusable), "{url}");
    }
}

#[test]
fn the_bundles_that_we_compose_are_read_and_their_report_carries_the_job_key() {
    for report in [sample::sample(), sample::refused()] {
        let bytes = fhir::bundle(&report, &html::page(&report)).unwrap();
        let bundle: Value = serde_json::from_slice(&bytes).unwrap();
        let entries = bundle["entry"].as_array().unwrap();
        let own = &entries[0]["resource"];
        assert_eq!(own["resourceType"], "DiagnosticReport");
        let keys = own["identifier"].as_array().unwrap();
        assert!(keys.contains(&json!({ "system": JOB_KEYS, "value": report.keys.job })), "{keys:?}");
        let stored = ReportBytes { bundle: Some(bytes), ..sample_report() };
        let Keys { report: report_key, job: job_key } = &report.keys;
        let parcel = Parcel { job_key, report_key, ..parcel(&stored) };
        let letter = Letter::of(&parcel).ok().unwrap();
        assert_eq!(letter.report_url, format!("DiagnosticReport/{}", own["id"].as_str().unwrap()));
        assert_eq!(letter.entries, entries.len());
        assert!(letter.subject.is_some() && !letter.is_withdrawal);
    }
}

#[test]
fn what_the_composer_knows_of_a_bundle_is_what_is_read_in_it() {
    let mut unidentified = sample::refused();
    unidentified.patient.subject = Subject::Unidentified;
    let mut withdrawn = sample::refused();
    if let Kind::Refused(why) = withdrawn.kind.clone() {
        withdrawn.kind = Kind::Withdrawn(why, "the version before".into());
    }
    let reports = [sample::sample(), sample::outside(), sample::refused(), unidentified, withdrawn];
    for report in reports {
        let (bytes, address) = fhir::addressed(&report, &html::page(&report)).unwrap();
        let address = address.unwrap();
        let stored = super::read(&bytes, "no key of its own").ok().unwrap();
        assert_eq!(address, stored);
        assert!(bytes[address.request_at.unwrap()..].starts_with(br#""method":"PUT""#));

        let stored = ReportBytes { bundle: Some(bytes), ..sample_report() };
        let Keys { report: report_key, job: job_key } = &report.keys;
        let parcel = Parcel { job_key, report_key, address: Some(&address), ..parcel(&stored) };
        assert_eq!(Letter::of(&parcel).ok().unwrap().report_url, address.report_url);
        let of_another = Letter::of(&Parcel { job_key: "another", ..parcel });
        assert!(matches!(of_another, Err(Trouble::Good { code: TerminalCode::BundleUnusable, .. })));
        // bytes of another version are not sent under what is known of this one
        let bytes = stored.bundle.as_deref().unwrap();
        assert!(is_of(bytes, job_key), "{}", String::from_utf8_lossy(&bytes[..200]));
        let others = serde_json::to_vec_pretty(&bundle("another", "DiagnosticReport/a-1")).unwrap();
        let swapped = ReportBytes { bundle: Some(others), ..sample_report() };
        let swapped = Letter::of(&Parcel { report: &swapped, ..parcel });
        assert!(matches!(swapped, Err(Trouble::Good { code: TerminalCode::BundleUnusable, .. })));
    }
}

#[test]
fn the_condition_is_all_that_differs_from_the_stored_bytes() {
    let stored = bundle("j", "DiagnosticReport/a-1");
    let bundle = Some(serde_json::to_vec_pretty(&stored).unwrap());
    let report = ReportBytes { bundle, ..sample_report() };
    for release in [FhirRelease::R4, FhirRelease::R5] {
        let letter = Letter::of(&parcel(&report)).and_then(|letter| letter.written(&[], release));
        let Ok(letter) = letter else { continue };
        assert_eq!(letter.request_at.is_some(), release == FhirRelease::R4);
        let cases = [
            (Found::Nothing, r#""ifNoneMatch":"*","#, json!({ "ifNoneMatch": "*" })),
            (
                Found::Another { version: Some("7".into()) },
                r#""ifMatch":"W/\"7\"","#,
                json!({ "ifMatch": "W/\"7\"" }),
            ),
            (Found::Another { version: None }, "", json!({})),
            (Found::This, "", json!({})),
        ];
        for (found, text, members) in cases {
            let lies = Lies { found, id: None };
            let sent = letter.bytes_over(&lies, Ids::Ours).ok().unwrap();
            let sent = String::from_utf8(sent).unwrap();
            assert_eq!(sent.replacen(text, "", 1).as_bytes(), &*letter.bytes, "{lies:?}");
            let mut request = json!({ "method": "PUT", "url": "DiagnosticReport/a-1" });
            request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let sent: Value = serde_json::from_str(&sent).unwrap();
            assert_eq!(sent["entry"][1]["request"], request, "{lies:?}");
        }
    }
}

#[test]
fn what_earlier_versions_said_is_written_when_it_is_asked_for() {
    let versions = ["first", "second"].map(|job| {
        let mut report = sample::sample();
        report.keys.job = job.to_owned();
        fhir::bundle(&report, &html::page(&report)).unwrap()
    });
    let said = fhir::Stored::read(&versions[0]).unwrap();
    let earlier = [Earlier { job_key: "first".into(), said }];
    let stored = ReportBytes { bundle: Some(versions[1].clone()), ..sample_report() };
    let parcel = Parcel { job_key: "second", earlier: &earlier, ..parcel(&stored) };
    let letter = Letter::of(&parcel).ok().unwrap();
    assert_eq!(&*letter.bytes, versions[1]);
    let (url, entries) = (letter.report_url.clone(), letter.entries);
    let written = letter.written(&earlier, FhirRelease::R4).ok().unwrap();
    assert_eq!(written.report_url, url);
    assert!(written.entries > entries && written.request_at.is_none());
    let sent: Value = serde_json::from_slice(&written.bytes).unwrap();
    assert_eq!(sent["entry"].as_array().unwrap().len(), written.entries);
    let lies = Lies { found: Found::Nothing, id: None };
    let sent = written.bytes_over(&lies, Ids::Ours).ok().unwrap();
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["entry"][0]["request"]["ifNoneMatch"], "*");
}

#[test]
fn pauses_are_short_and_differ() {
    let letter = |job_key| Letter {
        bytes: Cow::Borrowed(b""),
        report_url: String::new(),
        report_token: String::new(),
        job_key,
        entries: 0,
        subject: None,
        is_withdrawal: false,
        study: None,
        request_at: None,
    };
    let (one, other) = (letter("one"), letter("other"));
    assert_ne!(one.pause(1), other.pause(1));
    for send in 1..5 {
        assert!((50..350).contains(&one.pause(send).as_millis()));
    }
}
