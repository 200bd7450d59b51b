//! What a process answers, read by whoever asked. The process may have been captured by the file: what no file can give is an
//! error, and no memory is taken for what is only promised. The digest of the file is not among it: whoever asked makes that.

use std::io::{self, Read};

use super::check;
use super::facts::SentInstance;
use super::place::{Place, Placed};
use super::wire::{self, Answered, Framed, invalid};
use crate::decode::Decoded;
use crate::deidentify::Deidentified;
use crate::frame::{Frame, GreyTransform, TableEntries};
use crate::inflate::cap;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::reader::Header;
use crate::refusal::Refusal;
use crate::sr::SrReport;
use crate::stored::StoredValues;

/// Bytes that a file can grow by when it is written anew: delimiters of a million items.
const MOST_ADDED: u64 = 64 << 20;

/// An answer that is awaited.
pub(super) struct Awaited<'a> {
    /// The number of the ask.
    pub(super) number: u64,
    /// The file that was asked about.
    pub(super) file: &'a [u8],
    /// Whether all of it was sent.
    pub(super) is_whole: bool,
}

/// What became of a file's pixels.
pub(super) enum Pixels {
    /// The whole file has to be known.
    Missing,
    Placed(Placed),
    Decoded(Decoded),
    Refused(Refusal),
}

impl Pixels {
    /// Bytes before them, where they are plain values.
    pub(super) fn at(&self) -> Option<u64> {
        match self {
            Self::Placed(placed) => Some(placed.place.at),
            Self::Missing | Self::Decoded(_) | Self::Refused(_) => None,
        }
    }
}

impl Awaited<'_> {
    /// The header facts, and how many bytes stand before the pixels where these are plain values; `None` where the whole file
    /// has to be known.
    pub(super) fn header(&self, link: &mut impl Read) -> io::Result<Option<(Header, Option<u64>)>> {
        Ok(match self.answer(link)? {
            Answered::Incomplete if !self.is_whole => None,
            Answered::Instance(_, Some(at)) if at > self.file.len() as u64 => {
                return Err(invalid("pixels behind the end of the file"));
            }
            Answered::Instance(sent, at) => Some((Header::Instance(Box::new(checked(*sent)?)), at)),
            Answered::Directory => Some((Header::Directory, None)),
            Answered::Refused(home, refusal) => Some((Header::Refused(home, refused(refusal)?), None)),
            _ => return Err(another_question()),
        })
    }

    /// The header facts and the frames, or where these lie.
    pub(super) fn pixels(&self, link: &mut impl Read, limits: &Limits) -> io::Result<Pixels> {
        Ok(match self.answer(link)? {
            Answered::Incomplete if !self.is_whole => Pixels::Missing,
            Answered::Placed(sent, place, count) => {
                Pixels::Placed(self.placed(link, (checked(*sent)?, place, count), limits)?)
            }
            Answered::Decoded(sent, count) if self.is_whole => {
                Pixels::Decoded(self.frames(link, (checked(*sent)?, count), limits)?)
            }
            Answered::Refused(_, refusal) if self.is_whole => Pixels::Refused(refused(refusal)?),
            _ => return Err(another_question()),
        })
    }

    /// What a report states.
    pub(super) fn report(&self, link: &mut impl Read) -> io::Result<Result<SrReport, Refusal>> {
        match self.answer(link)? {
            Answered::Report(report) if check::report(&report) => Ok(Ok(*report)),
            Answered::Refused(_, refusal) => Ok(Err(refused(refusal)?)),
            _ => Err(another_question()),
        }
    }

    /// The file without what identifies its patient.
    pub(super) fn deidentified(
        &self,
        link: &mut impl Read,
        limits: &Limits,
    ) -> io::Result<Result<Deidentified, Refusal>> {
        let Framed { head, body, .. } = self.framed(link)?;
        let bytes = self.file.len() as u64;
        let most = bytes.max(cap(bytes, limits)).saturating_add(MOST_ADDED);
        match head {
            Answered::Deidentified(named) if body <= most => {
                Ok(Ok(Deidentified { named, bytes: wire::read_body(link, body)? }))
            }
            Answered::Refused(_, refusal) if body == 0 => Ok(Err(refused(refusal)?)),
            _ => Err(another_question()),
        }
    }

    fn framed(&self, link: &mut impl Read) -> io::Result<Framed<Answered>> {
        match wire::read_head(link)? {
            Some(framed) if framed.number == self.number => Ok(framed),
            Some(_) => Err(invalid("a frame that nobody asked for")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The head of an answer without a body.
    fn answer(&self, link: &mut impl Read) -> io::Result<Answered> {
        match self.framed(link)? {
            Framed { head, body: 0, .. } => Ok(head),
            _ => Err(invalid("a frame that nobody asked for")),
        }
    }

    /// The transforms of frames that lie in the file.
    fn placed(
        &self,
        link: &mut impl Read,
        (instance, place, count): (Instance, Place, u32),
        limits: &Limits,
    ) -> io::Result<Placed> {
        let size = counted(&instance, count, limits)?;
        let mut tables = TableEntries::default();
        let transforms =
            (0..count).map(|_| self.transform(link, size, 0, &mut tables)).collect::<io::Result<_>>()?;
        let placed = Placed { instance, place, transforms };
        let can_be = placed.can_be(self.file.len(), limits);
        if can_be { Ok(placed) } else { Err(invalid("pixels beyond the file")) }
    }

    /// Frames whose values follow.
    fn frames(
        &self,
        link: &mut impl Read,
        (instance, count): (Instance, u32),
        limits: &Limits,
    ) -> io::Result<Decoded> {
        let (rows, columns) = counted(&instance, count, limits)?;
        let values = u64::from(rows) * u64::from(columns);
        let size = usize::try_from(values).map_err(|_| invalid("a frame beyond all memory"))?;
        let mut tables = TableEntries::default();
        let mut frame = || {
            let transform = self.transform(link, (rows, columns), values * 2, &mut tables)?;
            let signed = *transform.possible.start() < 0;
            let stored = StoredValues::new(wire::read_values(link, size)?, signed);
            Ok(Frame { rows: rows as usize, columns: columns as usize, stored, transform })
        };
        let frames = (0..count).map(|_| frame()).collect::<io::Result<_>>()?;
        Ok(Decoded { instance, frames })
    }

    /// How a frame of this size becomes grey, before a body of so many bytes.
    fn transform(
        &self,
        link: &mut impl Read,
        size: (u32, u32),
        body: u64,
        tables: &mut TableEntries,
    ) -> io::Result<GreyTransform> {
        let framed = self.framed(link)?;
        let Answered::Frame(rows, columns, transform) = framed.head else {
            return Err(invalid("an answer where a frame is due"));
        };
        if (rows, columns) != size || framed.body != body || !check::transform(&transform) {
            return Err(invalid("a frame that its header does not have"));
        }
        tables.add(&transform).map_err(|_| invalid("more look-up tables than an instance may have"))?;
        Ok(transform)
    }
}

/// Header facts of a kind that a header can have.
fn checked(sent: SentInstance) -> io::Result<Instance> {
    if check::instance(&sent.0) { Ok(sent.0) } else { Err(invalid("header facts that no header has")) }
}

fn another_question() -> io::Error {
    invalid("an answer to another question")
}

fn refused(refusal: Refusal) -> io::Result<Refusal> {
    if check::refusal(&refusal) { Ok(refusal) } else { Err(invalid("a refusal of many sentences")) }
}

/// Rows and columns of an instance that can have so many frames.
fn counted(instance: &Instance, count: u32, limits: &Limits) -> io::Result<(u32, u32)> {
    let facts = instance.pixels.as_ref().ok_or_else(|| invalid("frames of no picture"))?;
    let all = facts.samples_per_frame().checked_mul(count.into()).filter(|all| *all <= limits.max_samples);
    if all.is_none() || count == 0 || count != facts.frames || count > limits.max_frames {
        return Err(invalid("more or fewer frames than the header has"));
    }
    Ok((facts.rows, facts.columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deidentify::Named;
    use crate::sr::{SrNodule, SrProstate, SrReport};
    use crate::uid::Uid;

    fn uid() -> Uid {
        "1.2.3".parse().unwrap()
    }

    fn awaited(file: &[u8]) -> Awaited<'_> {
        Awaited { number: 1, file, is_whole: true }
    }

    /// A head that promises a body, and nothing behind it.
    fn said(head: &Answered, body: u64) -> Vec<u8> {
        let mut said = Vec::new();
        wire::begin(&mut said, 1, head, body).unwrap();
        said
    }

    #[test]
    fn a_file_that_is_promised_takes_no_memory_before_it_comes() {
        let named = Named { study_uid: uid(), series_uid: uid(), sop_instance_uid: uid() };
        let error = |body: u64, limits: &Limits| {
            let said = said(&Answered::Deidentified(named.clone()), body);
            awaited(b"a file").deidentified(&mut said.as_slice(), limits).unwrap_err().kind()
        };
        let most = (64 << 20) + MOST_ADDED;
        assert_eq!(error(most, &Limits::default()), io::ErrorKind::UnexpectedEof);
        assert_eq!(error(most + 1, &Limits::default()), io::ErrorKind::InvalidData, "no file grows so");
        let limits =
            Limits { inflate_floor_bytes: u64::MAX, max_inflated_bytes: u64::MAX, ..Limits::default() };
        assert_eq!(error(1 << 60, &limits), io::ErrorKind::UnexpectedEof, "no memory holds so much");
    }

    #[test]
    fn a_report_of_nodules_without_end_is_an_error() {
        let nodule = SrNodule {
            tracking_id: None,
            tracking_uid: None,
            diameter_mm: None,
            site: None,
            lobe: None,
            side: None,
            composition: None,
            spiculated: None,
        };
        let heard = |count: usize| {
            let report = SrReport {
                sop_instance_uid: uid(),
                written: None,
                verified: false,
                predecessors: Vec::new(),
                nodules: vec![nodule.clone(); count],
                nodule_faults: Vec::new(),
                prostate: SrProstate::default(),
            };
            let said = said(&Answered::Report(Box::new(report)), 0);
            awaited(b"").report(&mut said.as_slice())
        };
        assert_eq!(heard(1000).unwrap().unwrap().nodules.len(), 1000);
        assert_eq!(heard(65_537).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
