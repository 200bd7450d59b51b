//! A deflated data set: what is fuzzed is the stream behind the file meta information.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let head =
        dicom_ingest::write::file_head("1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4", "1.2.840.10008.1.2.1.99");
    let _ = dicom_ingest::decode::decode(&[&head, input].concat(), &dicom_ingest_fuzz::limits());
});
