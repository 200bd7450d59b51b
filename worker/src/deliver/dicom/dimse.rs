//! Commands and their answers (PS3.7 9.3 and Annex E).

use crate::deliver::TransientCode;
use crate::deliver::trouble::Trouble;
use crate::dimse::{CommandSet, DATASET, NO_DATASET, element, elements, number};

/// Message ID (0000,0110): an association carries one command.
const MESSAGE: u16 = 1;
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
        let set = CommandSet::default();
        match self {
            Self::Store { sop_class, sop_instance } => set
                .uid(element::SOP_CLASS, sop_class)
                .number(element::COMMAND_FIELD, self.field())
                .number(element::MESSAGE_ID, MESSAGE)
                .number(element::PRIORITY, 0)
                .number(element::DATASET_TYPE, DATASET)
                .uid(element::SOP_INSTANCE, sop_instance),
            Self::Echo { sop_class } => set
                .uid(element::SOP_CLASS, sop_class)
                .number(element::COMMAND_FIELD, self.field())
                .number(element::MESSAGE_ID, MESSAGE)
                .number(element::DATASET_TYPE, NO_DATASET),
        }
        .bytes()
    }

    /// The status of an answer to this command; any other answer is not understood.
    pub(super) fn expects(&self, answer: Answer) -> Result<u16, Trouble> {
        let is_this = answer.field == self.field() | 0x8000 && answer.message == MESSAGE;
        if is_this { Ok(answer.status) } else { Err(Trouble::now(TransientCode::AnswerNotUnderstood)) }
    }
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
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut field, mut message, mut status) = (None, None, None);
        for (which, value) in elements(bytes)? {
            match which {
                element::COMMAND_FIELD => field = Some(number(value)?),
                element::MESSAGE_RESPONDED_TO => message = Some(number(value)?),
                element::STATUS => status = Some(number(value)?),
                _ => {}
            }
        }
        Some(Self { field: field?, message: message?, status: status? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response(field: u16, message: u16, status: u16) -> Vec<u8> {
        CommandSet::default()
            .uid(element::SOP_CLASS, "1.2.3")
            .number(element::COMMAND_FIELD, field)
            .number(element::MESSAGE_RESPONDED_TO, message)
            .number(element::DATASET_TYPE, NO_DATASET)
            .number(element::STATUS, status)
            .bytes()
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
