//! What is kept of a study's files from the reading of their headers to the decoding of their pixels.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use dicom_ingest::reader::InProcess;
use dicom_ingest::source::folder::discover_keeping;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use jiff::Timestamp;

use super::doors::Answer;
use super::place::{Place, job, request, soon};
use crate::job::{Request, SourceFile};
use crate::ledger::NewJob;
use crate::pipeline::{Start, sample};
use crate::service::fetch::Fetched;
use crate::service::load::{Load, MEMORY_A_BYTE};
use crate::service::resume::Again;

/// The one file of a study at the source.
fn file(place: &Place, study: &str) -> PathBuf {
    place.folder.path().join("studies").join(study).join("image")
}

#[tokio::test]
async fn no_more_is_kept_than_the_budget_gave_for_the_files() {
    let place = Place::new();
    let study = place.image();
    let bytes = fs::metadata(file(&place, &study)).unwrap().len();
    let kept = async |budget: u64, stated: u64| {
        place.doors.say(&study, Answer::Holds(stated));
        let worker = place.worker(budget);
        let (fetched, share) = worker.feeds.arrivals.fetch(&request(&study)).await.unwrap();
        assert!(fetched.study.is_some());
        (fetched.kept.bytes(), share.bytes())
    };
    assert_eq!(kept(u64::MAX, bytes).await, (bytes, MEMORY_A_BYTE * bytes));
    assert_eq!(kept(u64::MAX, bytes - 1).await, (0, MEMORY_A_BYTE * (bytes - 1)));
    assert_eq!(kept(2 * bytes, bytes).await, (0, 2 * bytes), "a study that is larger than the budget");
}

#[tokio::test]
async fn a_study_that_was_read_is_decoded_without_its_files() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    let image = file(&place, &study);
    place.doors.say(&study, Answer::Holds(fs::metadata(&image).unwrap().len()));
    let (Fetched { job, study, kept, .. }, _share) = arrivals.fetch(&request(&study)).await.unwrap();
    fs::remove_file(&image).unwrap();
    place.ledger.accept(&job).await.unwrap();
    let leased = place.ledger.lease_key(&job.job_key).await.unwrap().unwrap();
    let start = Start { study, kept, ..Start::default() };
    let landed = soon(arrivals.flight.carry(leased, start)).await.unwrap();
    let code = landed.news().and_then(|(_, outcome)| outcome.code.clone());
    assert_eq!(code.as_deref(), Some("DeviceMissing"), "it came as far as there is something here");
}

/// An archive (PKWARE APPNOTE 6.3) with one deflated entry, `a`.
fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut deflater = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflater.write_all(bytes).unwrap();
    let packed = deflater.finish().unwrap();
    let mut crc = Crc::new();
    crc.update(bytes);
    let length = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let lengths = [length(packed.len()), length(bytes.len())].concat();
    // method, time, date, checksum, lengths, and the length of the name
    let about = [&b"\x08\0\0\0\0\0"[..], &crc.sum().to_le_bytes()[..], &lengths[..], b"\x01\0\0\0"].concat();
    let entry = [&b"PK\x03\x04\x14\0\0\0"[..], &about[..], b"a", &packed[..]].concat();
    let record = [&b"PK\x01\x02\x14\0\x14\0\0\0"[..], &about[..], &[0; 14][..], b"a"].concat();
    let place = [length(record.len()), length(entry.len())].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &place[..], b"\0\0"].concat();
    [entry, record, end].concat()
}

/// Whether its files lie here, in an archive or not, or have to be fetched again.
#[tokio::test]
async fn a_job_that_is_taken_up_again_has_the_share_and_the_room_of_its_files() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    let image = file(&place, &study);
    let bytes = fs::metadata(&image).unwrap().len();
    let archive = place.folder.path().join("study.zip");
    fs::write(&archive, zipped(&sample::phantom())).unwrap();
    place.doors.say(&study, Answer::Holds(bytes));
    for (key, path, source) in [
        ("file", image.clone(), None),
        ("entry", archive.join("0"), None),
        ("fetched", image.clone(), Some("archive")),
    ] {
        let known = job(key, &study, source, Timestamp::now());
        let asked: Request = serde_json::from_str(&known.request).unwrap();
        let files = vec![SourceFile { path: path.clone(), sha256: "00".into() }];
        let asked = Request { files, ..asked };
        place.ledger.accept(&NewJob { report_key: key.into(), ..known }).await.unwrap();
        let leased = place.ledger.lease_key(key).await.unwrap().unwrap();
        let Again::Carry(load) = arrivals.again(&leased, Some(&asked)).await.unwrap() else {
            unreachable!("{key}: its source is there")
        };
        let Load { start: Start { mut kept, .. }, _share: share, .. } = load;
        assert_eq!(share.bytes(), MEMORY_A_BYTE * bytes, "{key}");
        discover_keeping(&[path], &InProcess::default(), &mut kept, &mut |_| {}).unwrap();
        assert_eq!(kept.bytes(), bytes, "{key}");
    }
}

#[tokio::test]
async fn a_fetched_archive_takes_the_share_of_what_it_inflates_to() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    let image = file(&place, &study);
    let bytes = fs::metadata(&image).unwrap().len();
    fs::write(&image, zipped(&sample::phantom())).unwrap();
    place.doors.say(&study, Answer::Elsewhere(1));
    let (fetched, share) = arrivals.fetch(&request(&study)).await.unwrap();
    assert_eq!((fetched.kept.bytes(), share.bytes()), (bytes, MEMORY_A_BYTE * bytes));
    assert_eq!(arrivals.budget.used().0, share.bytes(), "the smaller one was given back");
}
