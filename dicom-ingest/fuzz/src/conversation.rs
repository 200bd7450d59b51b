//! Answers of a process as inputs of the target `answers`. Their lengths are made here: a fuzzer that changes a head seldom
//! changes its length with it.

use dicom_ingest::decoders::fuzzing::Question;
use dicom_ingest::deidentify::{Key, Options};

/// Stands before the head of each frame but the first. CBOR has the first byte only where it ends a list without a length.
const HEAD: &[u8] = &[0xFF, 0xFE];
/// Stands between a head and its body.
const BODY: &[u8] = &[0xFF, 0xFD];
/// Bytes of the two lengths before a head: 32 bits of its own, 64 bits of its body's.
const LENGTHS: usize = 12;

/// How an input is to be read, which its first byte says.
pub struct Way {
    /// What was asked.
    pub question: Question,
    /// Whether all of the file was sent.
    pub is_whole: bool,
    /// Whether the bytes are taken as they are, lengths and all.
    pub is_raw: bool,
}

impl Way {
    /// As the first byte says.
    pub fn of(bits: u8) -> Self {
        let question = match bits & 3 {
            0 => Question::Header,
            1 => Question::Decode,
            2 => Question::Report,
            _ => Question::Deidentify(Options::basic(Key::new([7; 32]))),
        };
        Self { question, is_whole: bits & 4 != 0, is_raw: bits & 8 != 0 }
    }
}

/// Frames with their lengths, of heads and bodies between marks.
pub fn framed(parts: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    for part in split(parts, HEAD) {
        let mut halves = split(part, BODY);
        let (head, body) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        said.extend_from_slice(&(head.len() as u32).to_le_bytes());
        said.extend_from_slice(&(body.len() as u64).to_le_bytes());
        said.extend_from_slice(head);
        said.extend_from_slice(body);
    }
    said
}

/// The other way: heads and bodies between marks.
pub fn unframed(mut said: &[u8]) -> Vec<u8> {
    let mut parts = Vec::new();
    while said.len() >= LENGTHS {
        let (lengths, rest) = said.split_at(LENGTHS);
        let head = u32::from_le_bytes(lengths[..4].try_into().expect("four bytes")) as usize;
        let body = u64::from_le_bytes(lengths[4..].try_into().expect("eight bytes")) as usize;
        if !parts.is_empty() {
            parts.extend_from_slice(HEAD);
        }
        parts.extend_from_slice(&rest[..head]);
        if body > 0 {
            parts.extend_from_slice(BODY);
            parts.extend_from_slice(&rest[head..head + body]);
        }
        said = &rest[head + body..];
    }
    parts
}

fn split<'a>(bytes: &'a [u8], mark: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        match bytes.windows(mark.len()).position(|two| two == mark) {
            Some(at) => {
                rest = Some(&bytes[at + mark.len()..]);
                Some(&bytes[..at])
            }
            None => rest.take(),
        }
    })
}
