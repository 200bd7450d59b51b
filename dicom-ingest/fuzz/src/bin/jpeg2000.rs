//! A JPEG 2000 codestream.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dicom_ingest_fuzz::decode_codestream(
    "1.2.840.10008.1.2.4.90",
    input
));
