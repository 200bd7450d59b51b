//! A ZIP archive, read like a folder.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use dicom_ingest::reader::InProcess;
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::discover;
use dicom_ingest_fuzz::{limits, memory};

/// In the memory of the machine, where the script says so.
static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("chiasm-fuzz-{}.zip", std::process::id())));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    std::fs::write(&*PATH, input).expect("the folder of temporary files can be written");
    memory::bounded(|| {
        drop(discover(&[PATH.clone()], &InProcess::new(limits()), &mut |_| {}));
        // An entry that a job names is read in the same way: of some inputs.
        if input.len() % 16 == 0 {
            drop(read_file(&PATH.join("0"), &limits()));
        }
    });
});
