//! The structure of a file.

#![no_main]

use dicom_ingest_fuzz::{limits, memory};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    memory::bounded(|| drop(dicom_ingest::prescan::prescan(input, &limits())));
});
