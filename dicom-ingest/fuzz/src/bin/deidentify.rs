//! A whole file to one that names nobody; the first byte of the preamble says by which options. What comes out can be read.

#![no_main]

use dicom_ingest::deidentify::{Dates, Key, Options, deidentify};
use dicom_ingest::prescan::prescan;
use dicom_ingest_fuzz::{limits, memory};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let limits = limits();
    let bits = input.first().copied().unwrap_or_default();
    let on = |bit: u8| bits & (1 << bit) != 0;
    let options = Options {
        key: Key::new([7; 32]),
        dates: [Dates::Remove, Dates::Shift, Dates::Keep, Dates::Remove][usize::from(bits >> 6)],
        retain_uids: on(0),
        retain_device: on(1),
        retain_institution: on(2),
        retain_patient_characteristics: on(3),
        clean_descriptors: on(4),
        pixels_are_clean: !on(5),
    };
    memory::bounded(|| {
        if let Ok(done) = deidentify(input, &limits, &options) {
            let again = prescan(&done.bytes, &limits);
            assert!(again.is_ok(), "{:?}", again.err());
        }
    });
});
