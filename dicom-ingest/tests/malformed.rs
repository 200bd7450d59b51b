//! Malformed files: at least 300 in at least 40 classes, each ends in the code of its class, and none takes long.

#![allow(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::collections::BTreeSet;

use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use support::malformed::{Malformed, all};

/// No file may take more of a processor, in nanoseconds.
const MOST_WORK: u64 = 1_000_000_000;

#[test]
fn each_ends_in_the_code_of_its_class() {
    let files = all();
    let classes: BTreeSet<&str> = files.iter().map(|file| file.class).collect();
    assert!(files.len() >= 300 && classes.len() >= 40, "{} files, {} classes", files.len(), classes.len());
    let mut wrong = Vec::new();
    for (index, Malformed { class, bytes, code }) in files.iter().enumerate() {
        let before = worked();
        let outcome = decode(bytes, &Limits::default()).map(|_| ()).map_err(|refusal| refusal.code);
        let work = worked() - before;
        assert!(work < MOST_WORK, "{class}: {work} ns");
        if outcome != Err(*code) {
            wrong.push(format!("file {index}, {class}: {outcome:?}, not {code:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Nanoseconds that this thread has had a processor, whatever else the machine did; 0 where the system does not count them.
fn worked() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counted.split(' ').next().and_then(|spent| spent.parse().ok()).unwrap_or_default()
}
