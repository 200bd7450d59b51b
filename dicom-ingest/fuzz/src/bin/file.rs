//! A whole file to frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = dicom_ingest::decode::decode(input, &dicom_ingest_fuzz::limits());
});
