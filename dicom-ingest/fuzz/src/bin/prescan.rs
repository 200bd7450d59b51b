//! The structure of a file.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = dicom_ingest::prescan::prescan(input, &dicom_ingest_fuzz::limits());
});
