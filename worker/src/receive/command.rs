//! What is asked of the receiver, and its answers (PS3.7 9.3.1 and 9.3.5, PS3.4 table B.2-1).

use crate::dimse::{CommandSet, NO_DATASET, element, elements, number};

/// Characters of a UID (PS3.5 9.1).
const UID_CHARS: usize = 64;
/// Characters of an Error Comment (0000,0902), LO.
const COMMENT_CHARS: usize = 64;

/// C-STORE-RQ.
pub(super) const STORE: u16 = 0x0001;
/// C-ECHO-RQ.
pub(super) const ECHO: u16 = 0x0030;
/// C-CANCEL-RQ, which has no answer.
pub(super) const CANCEL: u16 = 0x0FFF;
/// What an answer's command field has beside that of its request.
const ANSWER: u16 = 0x8000;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) field: u16,
    pub(super) message: u16,
    pub(super) has_dataset: bool,
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
}

impl Ask {
    /// Reads a command set; `None` where it is no request.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut field, mut message, mut dataset) = (None, None, None);
        let (mut sop_class, mut sop_instance) = (String::new(), String::new());
        for (which, value) in elements(bytes)? {
            match which {
                element::COMMAND_FIELD => field = Some(number(value)?),
                element::MESSAGE_ID => message = Some(number(value)?),
                element::DATASET_TYPE => dataset = Some(number(value)?),
                element::SOP_CLASS => sop_class = uid(value)?,
                element::SOP_INSTANCE => sop_instance = uid(value)?,
                _ => {}
            }
        }
        let field = field.filter(|field| field & ANSWER == 0)?;
        // A C-CANCEL-RQ names the message that it is about instead.
        let message = if field == CANCEL { message.unwrap_or_default() } else { message? };
        Some(Self { field, message, has_dataset: dataset? != NO_DATASET, sop_class, sop_instance })
    }

    /// The answer with this status.
    pub(super) fn answer(&self, status: Status) -> Vec<u8> {
        let mut set = CommandSet::default()
            .uid(element::SOP_CLASS, &self.sop_class)
            .number(element::COMMAND_FIELD, self.field | ANSWER)
            .number(element::MESSAGE_RESPONDED_TO, self.message)
            .number(element::DATASET_TYPE, NO_DATASET)
            .number(element::STATUS, status.code);
        if !status.comment.is_empty() {
            debug_assert!(status.comment.len() <= COMMENT_CHARS, "an error comment is short");
            set = set.text(element::ERROR_COMMENT, status.comment);
        }
        if !self.sop_instance.is_empty() {
            set = set.uid(element::SOP_INSTANCE, &self.sop_instance);
        }
        set.bytes()
    }
}

/// A UID as it is written, without its padding; `None` where it cannot be one.
fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_end_matches(['\0', ' ']);
    let is_short = text.len() <= UID_CHARS && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_short.then(|| text.to_owned())
}

/// A status with the comment that goes with it: a code of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) comment: &'static str,
}

impl Status {
    pub(super) const SUCCESS: Self = Self { code: 0x0000, comment: "" };
    pub(super) const UNRECOGNIZED_OPERATION: Self = Self { code: 0x0211, comment: "" };
    pub(super) const CLASS_NOT_SUPPORTED: Self = Self { code: 0x0122, comment: "" };
    pub(super) const INVALID_INSTANCE: Self = Self { code: 0x0117, comment: "BadUid" };
    /// Another instance with this UID is held, and stays.
    pub(super) const DUPLICATE: Self = Self { code: 0x0111, comment: "ConflictingInstance" };

    /// Refused for now: the same instance can be stored later.
    pub(super) const fn out_of_resources(comment: &'static str) -> Self {
        Self { code: 0xA700, comment }
    }

    /// The data set is another one than the command announced.
    pub(super) const fn mismatch(comment: &'static str) -> Self {
        Self { code: 0xA900, comment }
    }

    /// The data set cannot be read.
    pub(super) const fn not_understood(comment: &'static str) -> Self {
        Self { code: 0xC000, comment }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dimse::DATASET;

    fn store() -> CommandSet {
        CommandSet::default()
            .uid(element::SOP_CLASS, "1.2.3")
            .number(element::COMMAND_FIELD, STORE)
            .number(element::MESSAGE_ID, 7)
            .number(element::DATASET_TYPE, DATASET)
            .uid(element::SOP_INSTANCE, "2.25.12")
    }

    #[test]
    fn a_request_is_read_and_answered() {
        let ask = Ask::parse(&store().bytes()).unwrap();
        assert_eq!((ask.field, ask.message, ask.has_dataset), (STORE, 7, true));
        assert_eq!((ask.sop_class.as_str(), ask.sop_instance.as_str()), ("1.2.3", "2.25.12"));
        let answer = ask.answer(Status::out_of_resources("DiskFull"));
        let said = elements(&answer).unwrap();
        let value = |which| said.iter().find(|(element, _)| *element == which).unwrap().1;
        assert_eq!(number(value(element::COMMAND_FIELD)), Some(0x8001));
        assert_eq!(number(value(element::MESSAGE_RESPONDED_TO)), Some(7));
        assert_eq!(number(value(element::STATUS)), Some(0xA700));
        assert_eq!(value(element::ERROR_COMMENT), b"DiskFull");
        assert!(said.is_sorted_by_key(|(element, _)| *element) && answer.len().is_multiple_of(2));
    }

    #[test]
    fn what_is_no_request_is_none() {
        let answer = CommandSet::default()
            .number(element::COMMAND_FIELD, 0x8001)
            .number(element::MESSAGE_ID, 7)
            .number(element::DATASET_TYPE, NO_DATASET);
        assert_eq!(Ask::parse(&answer.bytes()), None, "an answer");
        let no_message = CommandSet::default().number(element::COMMAND_FIELD, STORE);
        assert_eq!(Ask::parse(&no_message.bytes()), None);
        let path = store().uid(element::SOP_INSTANCE, "../../etc/passwd");
        assert_eq!(Ask::parse(&path.bytes()), None);
    }

    proptest! {
        #[test]
        fn no_command_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Some(ask) = Ask::parse(&bytes) {
                ask.answer(Status::SUCCESS);
            }
        }

        #[test]
        fn a_cut_request_is_no_other_request(cut in 0_usize..120) {
            let whole = store().bytes();
            let read = Ask::parse(&whole[..cut.min(whole.len())]);
            prop_assert!(read.as_ref().is_none_or(|read| read.field == STORE && read.message == 7));
        }
    }
}
