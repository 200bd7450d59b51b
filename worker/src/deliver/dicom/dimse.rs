//! Commands and their answers as bytes (PS3.7 9.3 and Annex E): implicit VR little endian.

use crate::deliver::TransientCode;
use crate::deliver::trouble::Trouble;

/// Message ID (0000,0110): an association carries one command.
const MESSAGE: u16 = 1;
/// Command Data Set Type (0000,0800): none follows.
const NO_DATASET: u16 = 0x0101;
/// Command Data Set Type (0000,0800): one follows.
const DATASET: u16 = 0x0001;

/// Elements of the command group.
const SOP_CLASS: u16 = 0x0002;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const MESSAGE_RESPONDED_TO: u16 = 0x0120;
const PRIORITY: u16 = 0x0700;
const DATASET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const SOP_INSTANCE: u16 = 0x1000;

/// A request.
#[derive(Debug)]
pub(super) enum Command<'a> {
    /// C-STORE-RQ.
    Store { sop_class: &'a str, sop_instance: &'a str },
    /// C-ECHO-RQ.
    Echo { sop_class: &'a str },
}

impl Command<'_> {
    const fn field(&self) -> u16 {
        match self {
            Self::Store { .. } => 0x0001,
            Self::Echo { .. } => 0x0030,
        }
    }

    /// The command set.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut set = Vec::new();
        match self {
            Self::Store { sop_class, sop_instance } => {
                uid(&mut set, SOP_CLASS, sop_class);
                number(&mut set, COMMAND_FIELD, self.field());
                number(&mut set, MESSAGE_ID, MESSAGE);
                number(&mut set, PRIORITY, 0);
                number(&mut set, DATASET_TYPE, DATASET);
                uid(&mut set, SOP_INSTANCE, sop_instance);
            }
            Self::Echo { sop_class } => {
                uid(&mut set, SOP_CLASS, sop_class);
                number(&mut set, COMMAND_FIELD, self.field());
                number(&mut set, MESSAGE_ID, MESSAGE);
                number(&mut set, DATASET_TYPE, NO_DATASET);
            }
        }
        let mut whole = Vec::new();
        let length = u32::try_from(set.len()).unwrap_or(u32::MAX);
        element(&mut whole, 0x0000, &length.to_le_bytes());
        whole.extend_from_slice(&set);
        whole
    }

    /// The status of an answer to this command; any other answer is not understood.
    pub(super) fn expects(&self, answer: Answer) -> Result<u16, Trouble> {
        let is_this = answer.field == self.field() | 0x8000 && answer.message == MESSAGE;
        if is_this { Ok(answer.status) } else { Err(Trouble::now(TransientCode::AnswerNotUnderstood)) }
    }
}

fn element(set: &mut Vec<u8>, element: u16, value: &[u8]) {
    set.extend_from_slice(&[0, 0]);
    set.extend_from_slice(&element.to_le_bytes());
    set.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    set.extend_from_slice(value);
}

fn number(set: &mut Vec<u8>, tag: u16, value: u16) {
    element(set, tag, &value.to_le_bytes());
}

fn uid(set: &mut Vec<u8>, tag: u16, uid: &str) {
    let mut value = uid.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    element(set, tag, &value);
}

/// What is read of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    field: u16,
    message: u16,
    status: u16,
}

impl Answer {
    /// Reads a command set; `None` where it is none, or lacks one of the three. Its texts are not kept.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let (mut field, mut message, mut status) = (None, None, None);
        while !bytes.is_empty() {
            let head = bytes.get(..8)?;
            let length = usize::try_from(u32::from_le_bytes(head[4..].try_into().ok()?)).ok()?;
            let value = bytes.get(8..8_usize.checked_add(length)?)?;
            if head[..2] != [0, 0] {
                return None;
            }
            let number = || Some(u16::from_le_bytes(value.try_into().ok()?));
            match u16::from_le_bytes([head[2], head[3]]) {
                COMMAND_FIELD => field = Some(number()?),
                MESSAGE_RESPONDED_TO => message = Some(number()?),
                STATUS => status = Some(number()?),
                _ => {}
            }
            bytes = &bytes[8 + length..];
        }
        Some(Self { field: field?, message: message?, status: status? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(field: u16, message: u16, status: u16) -> Vec<u8> {
        let mut set = Vec::new();
        element(&mut set, 0x0000, &[0; 4]);
        uid(&mut set, SOP_CLASS, "1.2.3");
        number(&mut set, COMMAND_FIELD, field);
        number(&mut set, MESSAGE_RESPONDED_TO, message);
        number(&mut set, DATASET_TYPE, NO_DATASET);
        number(&mut set, STATUS, status);
        set
    }

    #[test]
    fn a_command_says_how_long_it_is_and_is_even() {
        for command in [
            Command::Store { sop_class: "1.2.840.10008.5.1.4.1.1.88.34", sop_instance: "2.25.123" },
            Command::Echo { sop_class: "1.2.840.10008.1.1" },
        ] {
            let bytes = command.bytes();
            assert_eq!(bytes[..8], [0, 0, 0, 0, 4, 0, 0, 0]);
            let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
            assert_eq!(usize::try_from(length).unwrap(), bytes.len() - 12);
            assert_eq!(bytes.len() % 2, 0);
        }
    }

    #[test]
    fn only_the_answer_to_the_command_counts() {
        let store = Command::Store { sop_class: "1.2", sop_instance: "1.3" };
        let status = |bytes: &[u8]| store.expects(Answer::parse(bytes)?).ok();
        assert_eq!(status(&response(0x8001, 1, 0xA700)), Some(0xA700));
        assert_eq!(status(&response(0x8030, 1, 0)), None);
        assert_eq!(status(&response(0x8001, 2, 0)), None);
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _read = Answer::parse(&bytes);
        }

        #[test]
        fn a_cut_answer_is_no_other_answer(cut in 0_usize..100) {
            let whole = response(0x8001, 1, 0xA700);
            let read = Answer::parse(&whole[..cut.min(whole.len())]);
            prop_assert!(read.is_none() || read == Answer::parse(&whole));
        }
    }
}
