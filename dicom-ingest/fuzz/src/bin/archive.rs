//! A ZIP archive, read like a folder.

#![no_main]

use std::path::PathBuf;

use dicom_ingest::reader::InProcess;
use dicom_ingest::source::archive::read_file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("chiasm-fuzz-{}.zip", std::process::id()));
    std::fs::write(&path, input).expect("the folder of temporary files can be written");
    let limits = dicom_ingest_fuzz::limits();
    let _ =
        dicom_ingest::source::folder::discover(&[path.clone()], &InProcess::new(limits.clone()), &mut |_| {});
    let _ = read_file(&path.join("0"), &limits);
});
