//! What a process that reads files answers to whoever asked it, once a file has captured it: anything. What is taken of it is
//! used as the program uses it, and costs no more memory than what was said.

#![no_main]

use std::path::PathBuf;

use dicom_ingest::decode::Decoded;
use dicom_ingest::decoders::fuzzing::{Heard, hear};
use dicom_ingest::instance::Instance;
use dicom_ingest::reader::Header;
use dicom_ingest::series::Series;
use dicom_ingest::study::{StudyFile, StudyOutcome, group};
use dicom_ingest_fuzz::conversation::{Way, framed};
use dicom_ingest_fuzz::{limits, memory};

/// The file that was asked about.
const FILE: &[u8] = &[1; 4096];
/// What an answer may cost, in bytes: the longest head that is promised, lists made ready for their entries, a table of grey
/// values and a picture of the limits.
const PROMISED: usize = 20 << 20;
/// What a byte of an answer may cost: an entry of a list that is empty.
const A_BYTE: usize = 512;
/// Most values for which grey is computed.
const MOST_POSSIBLE: i32 = 0xFFF;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((bits, said)) = input.split_first() else { return };
    let Way { question, is_whole, is_raw } = Way::of(*bits);
    let said = if is_raw { said.to_vec() } else { framed(said) };
    memory::within(PROMISED + A_BYTE * said.len(), || {
        match hear(&question, FILE, is_whole, &limits(), &said) {
            Ok(Heard::Header(Header::Instance(instance))) => study(*instance),
            Ok(Heard::Decoded(decoded)) => pictures(&decoded),
            Ok(_) | Err(_) => {}
        }
    });
});

/// A study of two instances like this one.
fn study(instance: Instance) {
    let mut other = instance.clone();
    other.sop_instance_uid = "1.2.3.4.5".parse().expect("a UID");
    other
        .planes
        .iter_mut()
        .filter_map(|plane| plane.position.as_mut())
        .for_each(|position| position[2] += 1.0);
    let files = [instance, other].map(|instance| StudyFile { path: PathBuf::from("1"), instance });
    let (studies, _) = group(files.into(), Vec::new());
    for study in &studies {
        if let StudyOutcome::Ready(study) = study {
            drop(Series::of(study));
        }
    }
}

fn pictures(decoded: &Decoded) {
    if let Some(frame) = decoded.frames.first()
        && frame.transform.possible.end() - frame.transform.possible.start() <= MOST_POSSIBLE
    {
        drop((frame.grey(), frame.modality_values()));
    }
}
