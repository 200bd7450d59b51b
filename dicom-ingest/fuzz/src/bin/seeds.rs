//! No target: writes the files of our own generator of malformed ones, and sound pictures, into the folder that
//! `CHIASM_SEEDS` names. It is built like the targets, so that a run needs no second build.

#![no_main]

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::file::{Encoding, Picture};

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
}
