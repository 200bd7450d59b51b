//! The inside of a process that reads files: one ask at a time, until the other side is gone.

use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::os::fd::AsFd as _;

use super::confine::confine;
use super::facts::SentInstance;
use super::place::{Placed, place, plain_pixels};
use super::wire::{self, Answered, Asked, BYTES_AT_ONCE, Framed, Gap, invalid, values_as_bytes};
use crate::contain::contain;
use crate::decode::{Decoded, frames};
use crate::deidentify::deidentify;
use crate::frame::Frame;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::pixel_facts::PixelFacts;
use crate::prescan::prescan;
use crate::reader::{Header, header_found};
use crate::refusal::{Refusal, RefusalCode};
use crate::sr;
use crate::uid::Home;

/// Bytes that are read at once where a head is due, so that a short ask is one call of the system.
const READ_AT_ONCE: usize = 32 << 10;
/// Memory that is kept from one file to the next, in bytes.
const KEPT_BYTES: usize = 32 << 20;

/// Serves the pool that started this process, over the connection that is its standard input, until that ends.
pub fn serve_standard_input() -> io::Result<()> {
    let link = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    match serve(&mut &link, &mut &link) {
        // Whoever asked is gone: there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served,
    }
}

/// Serves a pool over a connection until it ends. The first frame says the bounds; the process gives up everything else
/// before it reads the second. It must have no other threads. What a panic says is not printed: it could hold values of a
/// file.
pub fn serve(asks: &mut impl Read, answers: &mut impl Write) -> io::Result<()> {
    std::panic::set_hook(Box::new(|_| {}));
    let mut asks = BufReader::with_capacity(READ_AT_ONCE, asks);
    let begin = wire::read_head(&mut asks)?;
    let Some(Framed { number, head: Asked::Begin { limits, bounds }, body: 0 }) = begin else {
        return Err(invalid("the first frame says no bounds"));
    };
    let confinement = confine(&bounds);
    wire::write(answers, number, &Answered::Ready(confinement), [&[], &[]])?;
    let mut kept = Vec::new();
    while let Some(Framed { number, head, body }) = wire::read_head::<Asked>(&mut asks)? {
        let file = File { kept: &mut kept, gap: head.gap(), body };
        let (file, missing) = file.take(&mut asks, &limits)?;
        answer(number, &head, file, &missing, &limits, answers)?;
        if kept.len() > KEPT_BYTES {
            kept = Vec::new();
        }
    }
    Ok(())
}

impl Asked {
    fn gap(&self) -> Option<Gap> {
        match self {
            Self::Header(gap) | Self::Decode(gap) => *gap,
            Self::Begin { .. } | Self::Report | Self::Deidentify(_) => None,
        }
    }
}

/// A file that comes as a body, but for a gap, into memory that is used again.
struct File<'a> {
    kept: &'a mut Vec<u8>,
    gap: Option<Gap>,
    body: u64,
}

impl<'a> File<'a> {
    /// Reads it; gives its bytes, and where none came. There stands what an earlier file left, or nothing: no answer depends
    /// on it ([`place::plain_pixels`]).
    fn take(self, asks: &mut impl Read, limits: &Limits) -> io::Result<(&'a [u8], Range<usize>)> {
        let Self { kept, gap, body } = self;
        let gap = gap.unwrap_or(Gap { at: body, length: 0 });
        let length = body.checked_add(gap.length).filter(|length| *length <= limits.max_file_bytes);
        let size = |bytes: u64| usize::try_from(bytes).map_err(|_| invalid("a file beyond all memory"));
        let length = size(length.ok_or_else(|| invalid("a file beyond the limit"))?)?;
        let missing = size(gap.at)?..size(gap.at.saturating_add(gap.length))?;
        if gap.at > body || missing.end > length {
            return Err(invalid("a gap beyond the file"));
        }
        if kept.len() < length {
            *kept = vec![0; length];
        }
        let file = &mut kept[..length];
        asks.read_exact(&mut file[..missing.start])?;
        asks.read_exact(&mut file[missing.end..])?;
        Ok((file, missing))
    }
}

/// Answers one ask about a file of which these bytes are missing.
pub(super) fn answer(
    number: u64,
    asked: &Asked,
    file: &[u8],
    missing: &Range<usize>,
    limits: &Limits,
    answers: &mut impl Write,
) -> io::Result<()> {
    let answered = match asked {
        Asked::Begin { .. } => return Err(invalid("bounds are said once")),
        Asked::Header(_) => header(file, missing, limits),
        Asked::Decode(_) => match decode(file, missing, limits) {
            Ok(Pixels::Decoded(decoded)) => return send(number, decoded, answers),
            Ok(Pixels::Placed(placed)) => return send_place(number, placed, answers),
            Ok(Pixels::Missing) => Answered::Incomplete,
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
        Asked::Report => match sr::read(file, limits) {
            Ok(report) => Answered::Report(Box::new(report)),
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
        Asked::Deidentify(options) => match deidentify(file, limits, options) {
            Ok(done) => {
                return wire::write(answers, number, &Answered::Deidentified(done.named), [&done.bytes, &[]]);
            }
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
    };
    match wire::write(answers, number, &answered, [&[], &[]]) {
        // Nothing was written yet.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let refusal = Refusal::new(RefusalCode::TooLarge, "the header facts do not fit into a frame");
            wire::write(answers, number, &Answered::Refused(Home::default(), refusal), [&[], &[]])
        }
        written => written,
    }
}

/// The header facts of a file, or that what is missing has to be known for them.
fn header(file: &[u8], missing: &Range<usize>, limits: &Limits) -> Answered {
    let mut pixels = None;
    let header = header_found(file, limits, || [0; 32], |found| pixels = plain_pixels(found, missing));
    let at = pixels.map(|pixels| pixels.start as u64);
    match header {
        // A file of which not all is known is refused for nothing.
        Header::Directory | Header::Refused(..) if !missing.is_empty() => Answered::Incomplete,
        Header::Instance(_) if !missing.is_empty() && at.is_none() => Answered::Incomplete,
        Header::Instance(instance) => Answered::Instance(Box::new(SentInstance(*instance)), at),
        Header::Directory => Answered::Directory,
        Header::Refused(home, refusal) => Answered::Refused(home, refusal),
    }
}

/// What became of a file's pixels.
enum Pixels {
    Decoded(Decoded),
    Placed(Placed),
    /// What is missing has to be known.
    Missing,
}

fn decode(file: &[u8], missing: &Range<usize>, limits: &Limits) -> Result<Pixels, Refusal> {
    let read = contain(|| {
        let found = prescan(file, limits)?;
        let mut instance = Instance::read(&found, [0; 32])?;
        if let Some((place, transforms)) = place(&found, &mut instance, missing) {
            return Ok(Pixels::Placed(Placed { instance, place, transforms }));
        }
        if !missing.is_empty() {
            return Ok(Pixels::Missing);
        }
        let frames = frames(&found, &mut instance.warnings)?;
        Ok(Pixels::Decoded(Decoded { instance, frames }))
    });
    // A file of which not all is known is refused for nothing.
    if missing.is_empty() { read } else { Ok(read.unwrap_or(Pixels::Missing)) }
}

/// Sends an instance and its frames, small ones together.
fn send(number: u64, decoded: Decoded, answers: &mut impl Write) -> io::Result<()> {
    let Decoded { instance, frames } = decoded;
    let mut out = Vec::with_capacity(2 * BYTES_AT_ONCE);
    let head = Answered::Decoded(Box::new(SentInstance(instance)), counted(frames.len())?);
    wire::begin(&mut out, number, &head, 0)?;
    for Frame { rows, columns, stored, transform } in frames {
        let mut raw = stored.into_raw();
        let body = values_as_bytes(&mut raw);
        let head = Answered::Frame(counted(rows)?, counted(columns)?, transform);
        wire::begin(&mut out, number, &head, body.len() as u64)?;
        let (first, rest) = body.split_at(body.len().min(BYTES_AT_ONCE));
        out.extend_from_slice(first);
        if out.len() >= BYTES_AT_ONCE {
            answers.write_all(&out)?;
            out.clear();
            answers.write_all(rest)?;
        }
    }
    answers.write_all(&out)?;
    answers.flush()
}

/// Sends an instance and how its frames become grey: where they lie is known to whoever has the file.
fn send_place(number: u64, placed: Placed, answers: &mut impl Write) -> io::Result<()> {
    let Placed { instance, place, transforms } = placed;
    let size = |side: fn(&PixelFacts) -> u32| instance.pixels.as_ref().map_or(0, side);
    let (rows, columns) = (size(|facts| facts.rows), size(|facts| facts.columns));
    let mut out = Vec::new();
    let count = counted(transforms.len())?;
    wire::begin(&mut out, number, &Answered::Placed(Box::new(SentInstance(instance)), place, count), 0)?;
    for transform in transforms {
        wire::begin(&mut out, number, &Answered::Frame(rows, columns, transform), 0)?;
        if out.len() > BYTES_AT_ONCE {
            answers.write_all(&out)?;
            out.clear();
        }
    }
    answers.write_all(&out)?;
    answers.flush()
}

fn counted(count: usize) -> io::Result<u32> {
    u32::try_from(count).map_err(|_| invalid("a count of more than 32 bits"))
}
