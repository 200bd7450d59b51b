//! What a peer sends to `chiasm receive`: PDUs one after another, and the commands in them. The receiver's own reader of
//! commands is named by its place, since its crate holds far more than is fuzzed here.

#![no_main]
#![allow(dead_code, reason = "the receiver uses what is read here for more")]

#[path = "../../../../worker/src/receive/command.rs"]
mod command;
#[path = "../../../../worker/src/dimse.rs"]
mod dimse;

use dicom_ul::pdu::{PDataValueType, Pdu, read_pdu};

/// The longest PDU that is taken, as `chiasm.toml` has it.
const MAX_PDU_BYTES: u32 = 128 * 1024;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut wire = input;
    while let Ok(Some(pdu)) = read_pdu(&mut wire, MAX_PDU_BYTES, true) {
        let Pdu::PData { data } = pdu else { continue };
        for value in data.iter().filter(|value| value.value_type == PDataValueType::Command) {
            let Some(ask) = command::Ask::parse(&value.data) else { continue };
            let answer = ask.answer(command::Status::out_of_resources("DiskFull"));
            assert!(dimse::elements(&answer).is_some(), "an answer is a command set");
        }
    }
});
