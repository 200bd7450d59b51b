//! No target: writes the files of our own generator of malformed ones, sound pictures, and answers about them into the folder
//! that `CHIASM_SEEDS` names. It is built like the targets, so that a run needs no second build.

#![no_main]

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use dicom_ingest::code::Code;
use dicom_ingest::decoders::fuzzing::{answer, answer_report};
use dicom_ingest::sr::{
    Composition, Fault, Lobe, ProstateFact, Side, SrLesion, SrNodule, SrProstate, SrPsa, SrReport,
};
use dicom_ingest_fuzz::conversation::{Way, unframed};
use dicom_ingest_fuzz::limits;
use support::file::{Element, Encoding, Picture, Value, items, number, text};

libfuzzer_sys::fuzz_target!(
    init: {
        write();
        std::process::exit(0);
    },
    |_input: &[u8]| {}
);

fn write() {
    let folder = PathBuf::from(std::env::var_os("CHIASM_SEEDS").expect("CHIASM_SEEDS names a folder"));
    let keep = |name: String, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).expect("the folder can be written");
    };
    for (index, file) in support::malformed::all().iter().enumerate() {
        keep(format!("malformed-{index:04}.dcm"), &file.bytes);
    }
    for picture in support::malformed::pictures() {
        // A ramp of all values, and noise that no coder makes short.
        let noise: Vec<u16> = (0..256_u32).map(|at| (at * 40_503 >> 4) as u16).collect();
        for (name, samples) in [("ramp", picture.samples.clone()), ("noise", noise)] {
            let bits = picture.allocated;
            let samples = samples.into_iter().map(|sample| if bits == 8 { sample & 0xFF } else { sample });
            let picture = Picture { samples: samples.collect(), ..picture.clone() };
            for encoding in Encoding::ALL {
                keep(format!("sound-{name}-{bits}-{encoding:?}.dcm"), &picture.file(encoding));
            }
        }
    }
    for (index, said) in answers().iter().enumerate() {
        keep(format!("{index:04}.answers"), said);
    }
}

/// Inputs of the target `answers`: a byte for the way that each is read, and what an honest process answers.
fn answers() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for (bits, said) in said() {
        inputs.push([&[bits | 8], said.as_slice()].concat());
        inputs.push([&[bits], unframed(&said).as_slice()].concat());
    }
    inputs
}

fn said() -> Vec<(u8, Vec<u8>)> {
    let malformed = support::malformed::all().into_iter().map(|file| file.bytes).step_by(16);
    let [picture, ..] = support::malformed::pictures();
    // Small ones, so that whole answers with their frames fit into an input.
    let picture = Picture { rows: 2, columns: 2, samples: vec![1, 2, 3, 4], ..picture };
    let stated = stated();
    let pictures = stated.iter().flat_map(|more| {
        let picture = Picture { more: more.clone(), ..picture.clone() };
        [Encoding::Explicit, Encoding::Rle].map(|encoding| picture.file(encoding))
    });
    let mut said = Vec::new();
    for file in malformed.chain(pictures) {
        for bits in 0..8 {
            let Way { question, is_whole, .. } = Way::of(bits);
            // The last byte is one of the pixels, where these are plain.
            let missing = if is_whole { 0..0 } else { file.len().saturating_sub(1)..file.len() };
            said.extend(answer(&question, &file, &missing, &limits()).map(|said| (bits, said)));
        }
    }
    said.extend(answer_report(report()).map(|said| (2, said)));
    said
}

/// What pictures state besides: nothing; a window, a rescale and a plane; a table.
fn stated() -> [Vec<Element>; 3] {
    let plane = vec![
        text(0x20, 0x32, "DS", "0\\0\\1"),
        text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
        text(0x28, 0x30, "DS", "0.5\\0.5"),
        text(0x28, 0x1050, "DS", "40"),
        text(0x28, 0x1051, "DS", "400"),
        text(0x28, 0x1052, "DS", "-1024"),
        text(0x28, 0x1053, "DS", "1"),
        number(0x28, 0x120, 3),
    ];
    let table = vec![
        (0x28, 0x3002, "US", Value::U16(vec![4, 0, 16])),
        (0x28, 0x3006, "US", Value::U16(vec![0, 100, 1000, 65_535])),
    ];
    [Vec::new(), plane, vec![items(0x28, 0x3010, vec![table])]]
}

fn report() -> SrReport {
    let uid = || "1.2.3.4".parse().expect("a UID");
    let site = || Code::new("SCT", "45653009", "Upper lobe of lung");
    let nodule = SrNodule {
        tracking_id: Some("N1".to_owned()),
        tracking_uid: Some(uid()),
        diameter_mm: Some(12.5),
        site: Some(site()),
        lobe: Some(Lobe::Upper),
        side: Some(Side::Left),
        composition: Some(Composition::PartSolid),
        spiculated: Some(true),
    };
    SrReport {
        sop_instance_uid: uid(),
        written: None,
        verified: true,
        predecessors: vec![uid()],
        nodules: vec![nodule],
        nodule_faults: vec![Fault::Unit],
        prostate: SrProstate {
            pi_rads: Some(4),
            volume_ml: Some(40.5),
            psa: Some(SrPsa { ng_ml: 5.5, taken: None }),
            lesions: vec![SrLesion { pi_rads: 4, sites: vec![site()] }],
            faults: vec![(ProstateFact::Psa, Fault::Value)],
        },
    }
}
