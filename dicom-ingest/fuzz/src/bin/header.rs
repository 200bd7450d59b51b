//! A whole file to the facts of its instance; a DICOMDIR is recognized here and read no further.

#![no_main]

use dicom_ingest::file::FileBytes;
use dicom_ingest::reader::{InProcess, Reader};
use dicom_ingest_fuzz::{limits, memory};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    memory::bounded(|| drop(InProcess::new(limits()).header(&FileBytes::new(input))));
});
