//! A whole file to frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dicom_ingest_fuzz::decode(input));
