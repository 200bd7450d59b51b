//! What worker and device process say to each other: frames over the process's standard input and output, which are one
//! connection.
//!
//! A frame is two lengths (u32, little endian), a head in CBOR and a body of f32 values, little endian. Both sides are the
//! same program; lengths are bounded all the same, so that a stray write cannot ask for all memory.

use std::io::{self, Read, Write};
use std::sync::Arc;

use models::{GreyImage, ScoreError, Scores};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::opening::Opening;
use crate::model::{ModelFacts, ModelNumber};

/// Longest head, in bytes: a batch of 32 masks of as many runs as one may have.
const MOST_HEAD: u32 = 96 << 20;

/// Longest body, in bytes: one picture of 8192 x 8192. Batches are smaller ([`super::waiting::BATCH_VALUES`]).
const MOST_BODY: u32 = 256 << 20;

/// Width and height.
pub(super) type Size = (usize, usize);

/// What the worker asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Asked {
    /// The first of all: what the process is to hold.
    Open(Opening),
    /// A model on the device, self-tested; with the flag only where no other one has to leave for it.
    Load(ModelNumber, bool),
    /// To begin the scores by a model of the pictures that the body holds one after the other: this has no answer.
    Begin(ModelNumber, Vec<Size>),
    /// The scores of the batch that was begun first.
    Finish,
    /// The saliency map of a label of a model for the picture that the body holds.
    Saliency(ModelNumber, Size, String),
}

/// What the device process answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Answered {
    /// It is open: models can be loaded.
    Ready {
        /// The device in words.
        description: String,
        /// Whether it is a wgpu adapter.
        is_gpu: bool,
        /// Milliseconds since the process began.
        opened_ms: f64,
    },
    /// It could not be opened: code, reason, next step.
    NotReady(String, String, String),
    /// The model is loaded, or there was no room.
    Loaded(Held),
    /// One for each picture.
    Scores(Vec<Scores>, Held),
    /// The map is the body.
    Map(Size, Held),
    /// The question has no answer.
    Refused(ScoreError),
    /// The model cannot be used: code, reason, next step.
    NotLoaded(String, String, String, Held),
    /// No memory was left; the process ends.
    OutOfMemory,
    /// The device's library failed in another way; the process ends.
    Broken(String),
}

/// What the process holds now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// On the adapter, in bytes.
    pub(super) adapter_bytes: Option<u64>,
    /// Resident in the process, in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// The models, by their numbers.
    pub(super) models: Vec<ModelFacts>,
}

/// Writes one frame.
pub(super) fn write<H: Serialize>(to: &mut impl Write, head: &H, pictures: &[&GreyImage]) -> io::Result<()> {
    to.write_all(&frame(head, pictures)?)?;
    to.flush()
}

/// One frame; an error of the kind [`io::ErrorKind::InvalidInput`] where it would be longer than the other side reads.
pub(super) fn frame<H: Serialize>(head: &H, pictures: &[&GreyImage]) -> io::Result<Vec<u8>> {
    let mut written = Vec::new();
    ciborium::into_writer(head, &mut written).map_err(io::Error::other)?;
    let values: usize = pictures.iter().map(|picture| picture.pixels().len()).sum();
    let body = u32::try_from(values.saturating_mul(4)).ok().filter(|length| *length <= MOST_BODY);
    let head = u32::try_from(written.len()).ok().filter(|length| *length <= MOST_HEAD);
    let (Some(head), Some(body)) = (head, body) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the batch is too large for one frame"));
    };
    let mut frame = Vec::with_capacity(8 + written.len() + values * 4);
    frame.extend_from_slice(&head.to_le_bytes());
    frame.extend_from_slice(&body.to_le_bytes());
    frame.append(&mut written);
    for picture in pictures {
        // in place, and not byte by byte: a processor writes several values at a time so
        let begins = frame.len();
        frame.resize(begins + picture.pixels().len() * 4, 0);
        let places = frame.get_mut(begins..).unwrap_or_default().chunks_exact_mut(4);
        places.zip(picture.pixels()).for_each(|(place, value)| place.copy_from_slice(&value.to_le_bytes()));
    }
    Ok(frame)
}

/// Reads one frame; `None` where the other side ended between two of them.
pub(super) fn read<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(H, Vec<f32>)>> {
    let mut lengths = [0; 8];
    match from.read(&mut lengths)? {
        0 => return Ok(None),
        read => from.read_exact(&mut lengths[read..])?,
    }
    let [head, body] = [0, 4]
        .map(|at| lengths[at..].iter().take(4).rev().fold(0, |length, byte| length << 8 | u32::from(*byte)));
    if head > MOST_HEAD || body > MOST_BODY || body % 4 != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the lengths are not those of a frame"));
    }
    let mut bytes = vec![0; head as usize];
    from.read_exact(&mut bytes)?;
    let head = ciborium::from_reader(bytes.as_slice())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the head is none of this version"))?;
    let mut bytes = vec![0; body as usize];
    from.read_exact(&mut bytes)?;
    let values = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    Ok(Some((head, values.collect())))
}

/// The pictures of a body; an error where sizes and values do not agree.
pub(super) fn pictures(sizes: &[Size], values: &[f32]) -> io::Result<Vec<Arc<GreyImage>>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the body is not that of its head");
    let mut rest = values;
    let mut pictures = Vec::with_capacity(sizes.len().min(1024));
    for &(width, height) in sizes {
        let count = width.checked_mul(height).filter(|count| *count <= rest.len()).ok_or_else(wrong)?;
        let (own, others) = rest.split_at(count);
        pictures.push(Arc::new(GreyImage::new(width, height, own.to_vec()).map_err(|_| wrong())?));
        rest = others;
    }
    if rest.is_empty() { Ok(pictures) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(width: usize, height: usize, shift: usize) -> GreyImage {
        let values = (0..width * height).map(|index| ((index + shift) % 7) as f32 / 7.0).collect();
        GreyImage::new(width, height, values).unwrap()
    }

    #[test]
    fn what_is_written_is_read_until_the_end() {
        let (one, other) = (picture(3, 2, 0), picture(1, 4, 3));
        let model = ModelNumber(1);
        let asked = Asked::Begin(model, vec![(3, 2), (1, 4)]);
        let mut pipe = Vec::new();
        write(&mut pipe, &asked, &[&one, &other]).unwrap();
        write(&mut pipe, &Asked::Saliency(model, (3, 2), "Mass".into()), &[&one]).unwrap();
        let mut pipe = pipe.as_slice();
        let (head, values) = read::<Asked>(&mut pipe).unwrap().unwrap();
        assert_eq!(head, asked);
        let Asked::Begin(_, sizes) = head else { unreachable!() };
        let read_back = pictures(&sizes, &values).unwrap();
        assert_eq!((&*read_back[0], &*read_back[1]), (&one, &other));
        assert!(pictures(&sizes[..1], &values).is_err(), "values are left over");
        assert!(pictures(&[(usize::MAX, 2)], &values).is_err());
        assert!(matches!(read::<Asked>(&mut pipe), Ok(Some((Asked::Saliency(..), _)))));
        assert!(matches!(read::<Asked>(&mut pipe), Ok(None)));
    }

    #[test]
    fn lengths_beyond_the_bound_are_an_error_and_not_an_allocation() {
        for lengths in [[u32::MAX, 0], [0, u32::MAX - 3], [4, 2]] {
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
            assert_eq!(read::<Asked>(&mut bytes.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = vec![];
            let head = bytes.len().saturating_sub(8).min(40);
            framed.extend(u32::try_from(head).unwrap().to_le_bytes());
            framed.extend(4_u32.to_le_bytes());
            framed.extend(&bytes);
            drop(read::<Answered>(&mut framed.as_slice()));
            drop(read::<Asked>(&mut bytes.as_slice()));
        }
    }
}
