//! A deflated data set: what is fuzzed is the stream behind the file meta information.

#![no_main]

use std::sync::LazyLock;

static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    dicom_ingest::write::file_head("1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4", "1.2.840.10008.1.2.1.99")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| dicom_ingest_fuzz::decode(&[&HEAD, input].concat()));
