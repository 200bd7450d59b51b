//! The inside of a process that reads files: one ask at a time, until the other side is gone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;

use super::confine::confine;
use super::facts::SentInstance;
use super::wire::{self, Answered, Asked, Framed, body_of, invalid};
use crate::decode::{Decoded, decode_as};
use crate::deidentify::deidentify;
use crate::limits::Limits;
use crate::reader::{Header, header_as};
use crate::refusal::{Refusal, RefusalCode};
use crate::sr;
use crate::uid::Home;

/// Memory that is kept from one file to the next, in bytes.
const KEPT_BYTES: usize = 32 << 20;

/// Serves the pool that started this process, over the connection that is its standard input, until that ends.
pub fn serve_standard_input() -> io::Result<()> {
    let link = File::from(io::stdin().as_fd().try_clone_to_owned()?);
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
    let Some(Framed { number, head: Asked::Begin { limits, bounds }, body: 0 }) = wire::read_head(asks)?
    else {
        return Err(invalid("the first frame says no bounds"));
    };
    let confinement = confine(&bounds);
    wire::write(answers, number, &Answered::Ready(confinement), &[])?;
    let mut file = Vec::new();
    while let Some(Framed { number, head, body }) = wire::read_head::<Asked>(asks)? {
        let length = usize::try_from(body).ok().filter(|_| body <= limits.max_file_bytes);
        wire::read_body(asks, length.ok_or_else(|| invalid("a file beyond the limit"))?, &mut file)?;
        answer(number, &head, &file, &limits, answers)?;
        if file.capacity() > KEPT_BYTES {
            file = Vec::new();
        }
    }
    Ok(())
}

fn answer(
    number: u64,
    asked: &Asked,
    file: &[u8],
    limits: &Limits,
    answers: &mut impl Write,
) -> io::Result<()> {
    let answered = match asked {
        Asked::Begin { .. } => return Err(invalid("bounds are said once")),
        Asked::Header => match header_as(file, limits, |_| [0; 32]) {
            Header::Instance(instance) => Answered::Instance(Box::new(SentInstance(*instance))),
            Header::Directory => Answered::Directory,
            Header::Refused(home, refusal) => Answered::Refused(home, refusal),
        },
        Asked::Decode => match decode_as(file, limits, |_| [0; 32]) {
            Ok(decoded) => return send(number, decoded, answers),
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
        Asked::Report => match sr::read(file, limits) {
            Ok(report) => Answered::Report(Box::new(report)),
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
        Asked::Deidentify(options) => match deidentify(file, limits, options) {
            Ok(done) => {
                return wire::write(answers, number, &Answered::Deidentified(done.named), &done.bytes);
            }
            Err(refusal) => Answered::Refused(Home::default(), refusal),
        },
    };
    match wire::write(answers, number, &answered, &[]) {
        // Nothing was written yet.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let refusal = Refusal::new(RefusalCode::TooLarge, "the header facts do not fit into a frame");
            wire::write(answers, number, &Answered::Refused(Home::default(), refusal), &[])
        }
        written => written,
    }
}

/// Sends an instance and its frames, one after the other.
fn send(number: u64, decoded: Decoded, answers: &mut impl Write) -> io::Result<()> {
    let Decoded { instance, frames } = decoded;
    let count = u32::try_from(frames.len()).map_err(|_| invalid("more frames than are counted"))?;
    wire::write(answers, number, &Answered::Decoded(Box::new(SentInstance(instance)), count), &[])?;
    for frame in frames {
        let size = |length: usize| u32::try_from(length).map_err(|_| invalid("a side of more than 32 bits"));
        let (rows, columns) = (size(frame.rows)?, size(frame.columns)?);
        let signed = *frame.transform.possible.start() < 0;
        let body = body_of(&frame.stored, signed).ok_or_else(|| invalid("a value of more than 16 bits"))?;
        drop(frame.stored);
        wire::write(answers, number, &Answered::Frame(rows, columns, frame.transform), &body)?;
    }
    Ok(())
}
