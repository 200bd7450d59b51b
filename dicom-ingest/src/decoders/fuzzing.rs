//! The two sides of a conversation without a process between them, for the fuzz target `answers` and its seeds. Only
//! `scripts/fuzz` builds this.

use std::io;
use std::ops::Range;

use super::answers::{Awaited, Pixels};
use super::inside;
use super::wire::{self, Answered, Asked};
use crate::decode::Decoded;
use crate::deidentify::{Deidentified, Options};
use crate::limits::Limits;
use crate::reader::Header;
use crate::refusal::Refusal;
use crate::sr::SrReport;

/// The number of every ask.
const NUMBER: u64 = 1;

/// What is asked about a file.
#[derive(Debug, Clone)]
pub enum Question {
    /// Its header facts.
    Header,
    /// Its header facts and frames.
    Decode,
    /// What it states as a report.
    Report,
    /// The file without what identifies its patient.
    Deidentify(Options),
}

/// What an answer says.
#[derive(Debug)]
pub enum Heard {
    /// All of the file has to be known.
    Incomplete,
    /// Header facts.
    Header(Header),
    /// Header facts and frames.
    Decoded(Decoded),
    /// What a report states.
    Report(SrReport),
    /// A file that names nobody.
    Deidentified(Deidentified),
    /// It is not read.
    Refused(Refusal),
}

/// What a process answers to a question about a file of which these bytes are missing.
pub fn answer(
    question: &Question,
    file: &[u8],
    missing: &Range<usize>,
    limits: &Limits,
) -> io::Result<Vec<u8>> {
    let asked = match question {
        Question::Header => Asked::Header(None),
        Question::Decode => Asked::Decode(None),
        Question::Report => Asked::Report,
        Question::Deidentify(options) => Asked::Deidentify(Box::new(options.clone())),
    };
    let mut said = Vec::new();
    inside::answer(NUMBER, &asked, file, missing, limits, &mut said)?;
    Ok(said)
}

/// What a process answers where a report states this.
pub fn answer_report(report: SrReport) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    wire::write(&mut said, NUMBER, &Answered::Report(Box::new(report)), [&[], &[]])?;
    Ok(said)
}

/// What the other side takes from bytes that it is answered.
pub fn hear(
    question: &Question,
    file: &[u8],
    is_whole: bool,
    limits: &Limits,
    mut said: &[u8],
) -> io::Result<Heard> {
    let awaited = Awaited { number: NUMBER, file, is_whole };
    Ok(match question {
        Question::Header => {
            awaited.header(&mut said)?.map_or(Heard::Incomplete, |(header, _)| Heard::Header(header))
        }
        Question::Decode => match awaited.pixels(&mut said, limits)? {
            Pixels::Missing => Heard::Incomplete,
            Pixels::Placed(placed) => placed.decode(file).map_or_else(Heard::Refused, Heard::Decoded),
            Pixels::Decoded(decoded) => Heard::Decoded(decoded),
            Pixels::Refused(refusal) => Heard::Refused(refusal),
        },
        Question::Report => awaited.report(&mut said)?.map_or_else(Heard::Refused, Heard::Report),
        Question::Deidentify(_) => {
            awaited.deidentified(&mut said, limits)?.map_or_else(Heard::Refused, Heard::Deidentified)
        }
    })
}
