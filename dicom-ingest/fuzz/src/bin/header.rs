//! A whole file to the facts of its instance; a DICOMDIR is recognized here and read no further.

#![no_main]

use dicom_ingest::reader::{InProcess, Reader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = InProcess::new(dicom_ingest_fuzz::limits()).header(input);
});
