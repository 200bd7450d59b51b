//! What a pool and its processes say to each other.
//!
//! A frame is the length of its head (u32) and of its body (u64), little endian, a head in CBOR, and a body: the bytes of
//! a file, or of its two ends, or the stored values of one picture. A head begins with the number of the ask, so that no
//! answer is taken for that to another file. Neither side allocates for a length beyond what it expects.

use std::io::{self, Read, Write};

use bytemuck::{cast_slice, cast_slice_mut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::confine::{Bounds, Confinement};
use super::facts::SentInstance;
use super::place::Place;
use crate::deidentify::{Named, Options};
use crate::frame::GreyTransform;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::sr::SrReport;
use crate::uid::Home;

/// Longest head, in bytes: header facts with every text as long as its representation allows are far below.
const MOST_HEAD: u32 = 16 << 20;
/// Bytes of the two lengths before a head.
const LENGTHS: usize = 12;

/// Bytes that go out at once where more may follow: the other side is woken once for what is short.
pub(super) const BYTES_AT_ONCE: usize = 32 << 10;

/// Bytes of a file that are not in the body: those behind its first `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) at: u64,
    pub(super) length: u64,
}

/// What a pool says to a process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Asked {
    /// First of all: the bounds that hold from now on.
    Begin { limits: Limits, bounds: Bounds },
    /// Header facts of the file that is the body, but for the gap.
    Header(Option<Gap>),
    /// Header facts and frames of the file that is the body, but for the gap.
    Decode(Option<Gap>),
    /// What the report that is the body states.
    Report,
    /// The file that is the body, without what identifies its patient.
    Deidentify(Box<Options>),
}

/// What a process answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answered {
    /// It is bounded now, and reads files.
    Ready(Confinement),
    /// The gap has to be known.
    Incomplete,
    /// An instance, and how many bytes stand before its pixels where these are plain. Its digest is left out: whoever asks
    /// makes it.
    Instance(Box<SentInstance>, Option<u64>),
    /// An instance whose pixels lie in the file as plain values, and how many frames follow, without bodies.
    Placed(Box<SentInstance>, Place, u32),
    /// An instance, and how many frames follow.
    Decoded(Box<SentInstance>, u32),
    /// One of the frames; the body is its stored values.
    Frame(u32, u32, GreyTransform),
    /// A DICOMDIR.
    Directory,
    /// What a report tells.
    Report(Box<SrReport>),
    /// An instance without what identified its patient; the body is the file.
    Deidentified(Named),
    /// It is not read.
    Refused(Home, Refusal),
}

/// A head, and how long the body is that follows.
pub(super) struct Framed<H> {
    pub(super) number: u64,
    pub(super) head: H,
    pub(super) body: u64,
}

/// Writes one frame, whose body is in two parts.
pub(super) fn write<H: Serialize>(
    to: &mut impl Write,
    number: u64,
    head: &H,
    [body, rest]: [&[u8]; 2],
) -> io::Result<()> {
    let mut frame = Vec::new();
    begin(&mut frame, number, head, body.len() as u64 + rest.len() as u64)?;
    let parts = if body.len() + rest.len() <= BYTES_AT_ONCE {
        frame.extend_from_slice(body);
        frame.extend_from_slice(rest);
        [frame.as_slice(), &[], &[]]
    } else {
        [frame.as_slice(), body, rest]
    };
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        to.write_all(part)?;
    }
    to.flush()
}

/// Appends a frame without its body, of so many bytes.
pub(super) fn begin<H: Serialize>(frame: &mut Vec<u8>, number: u64, head: &H, body: u64) -> io::Result<()> {
    let start = frame.len();
    frame.extend([0; LENGTHS]);
    ciborium::into_writer(&(number, head), &mut *frame).map_err(io::Error::other)?;
    let length = u32::try_from(frame.len() - start - LENGTHS).ok().filter(|length| *length <= MOST_HEAD);
    let Some(length) = length else {
        frame.truncate(start);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the head is too long for a frame"));
    };
    frame[start..start + 4].copy_from_slice(&length.to_le_bytes());
    frame[start + 4..start + LENGTHS].copy_from_slice(&body.to_le_bytes());
    Ok(())
}

/// Reads the head of a frame; `None` where the other side ended between two of them.
pub(super) fn read_head<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<Framed<H>>> {
    let mut lengths = [0; LENGTHS];
    match from.read(&mut lengths)? {
        0 => return Ok(None),
        read => from.read_exact(&mut lengths[read..])?,
    }
    let (mut head, mut body) = ([0; 4], [0; 8]);
    head.copy_from_slice(&lengths[..4]);
    body.copy_from_slice(&lengths[4..]);
    let (head, body) = (u32::from_le_bytes(head), u64::from_le_bytes(body));
    if head > MOST_HEAD {
        return Err(invalid("the length is not that of a head"));
    }
    let mut bytes = vec![0; head as usize];
    from.read_exact(&mut bytes)?;
    let mut rest = bytes.as_slice();
    let (number, head) =
        ciborium::from_reader(&mut rest).map_err(|_| invalid("the head is none of this version"))?;
    if rest.is_empty() { Ok(Some(Framed { number, head, body })) } else { Err(invalid("a head with a tail")) }
}

/// Reads a body of this length, into memory that grows with what comes.
pub(super) fn read_body(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Stored values as the body that they are: two bytes each, little endian.
pub(super) fn values_as_bytes(raw: &mut [u16]) -> &[u8] {
    for value in &mut *raw {
        *value = value.to_le();
    }
    cast_slice(raw)
}

/// Reads a body of so many stored values.
pub(super) fn read_values(from: &mut impl Read, count: usize) -> io::Result<Vec<u16>> {
    let mut raw = vec![0_u16; count];
    from.read_exact(cast_slice_mut(&mut raw))?;
    for value in &mut raw {
        *value = u16::from_le(*value);
    }
    Ok(raw)
}

pub(super) fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::refusal::RefusalCode;

    #[test]
    fn what_is_written_is_read_until_the_end() {
        let mut pipe = Vec::new();
        write(&mut pipe, 7, &Asked::Decode(None), [b"fi", b"le"]).unwrap();
        let refusal = Refusal::new(RefusalCode::TooDeep, "65 levels");
        write(&mut pipe, 7, &Answered::Refused(Home::default(), refusal.clone()), [&[], &[]]).unwrap();
        let mut pipe = pipe.as_slice();
        let asked = read_head::<Asked>(&mut pipe).unwrap().unwrap();
        assert!(matches!(asked, Framed { number: 7, head: Asked::Decode(None), body: 4 }));
        assert_eq!(read_body(&mut pipe, 4).unwrap(), b"file");
        let answered = read_head::<Answered>(&mut pipe).unwrap().unwrap();
        assert!(
            matches!(answered.head, Answered::Refused(home, read) if home == Home::default() && read == refusal)
        );
        assert!(read_head::<Answered>(&mut pipe).unwrap().is_none());
    }

    #[test]
    fn a_length_beyond_the_bound_is_an_error_and_not_an_allocation() {
        let error = read_head::<Answered>(&mut [0xFF; 12].as_slice()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_body_takes_memory_as_it_comes() {
        let error = read_body(&mut [7; 9].as_slice(), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn stored_values_come_back(raw in proptest::collection::vec(any::<u16>(), 0..99)) {
            let body = values_as_bytes(&mut raw.clone()).to_vec();
            prop_assert!(body.iter().copied().eq(raw.iter().flat_map(|value| value.to_le_bytes())));
            prop_assert!(read_values(&mut body.as_slice(), raw.len() + 1).is_err(), "a body that is cut off");
            prop_assert_eq!(read_values(&mut body.as_slice(), raw.len()).unwrap(), raw);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
            framed.extend([0; 8]);
            framed.extend(&bytes);
            drop(read_head::<Answered>(&mut framed.as_slice()));
            drop(read_head::<Asked>(&mut bytes.as_slice()));
        }
    }
}
