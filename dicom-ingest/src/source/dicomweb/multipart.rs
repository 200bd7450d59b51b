//! A multipart body taken apart as it comes (RFC 2046, 5.1; PS3.18, 8.6.1.2): bounded, and without keeping a part in memory.
//!
//! Pure: bytes in, events out, however the bytes are cut. A body without its closing delimiter was cut short, whatever the
//! connection says.

use memchr::memmem;

/// The longest boundary (RFC 2046, 5.1.1).
const BOUNDARY_BYTES: usize = 70;

/// The longest preamble or header block. Both are a few lines in life.
const HEAD_BYTES: usize = 16 * 1024;

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The content type names no usable boundary.
    #[error("the content type names no multipart boundary")]
    NoBoundary,
    /// A preamble or a header block has no end.
    #[error("a part's head is too long")]
    HeadTooLong,
    /// A delimiter is followed by something else than the end of its line.
    #[error("a delimiter of parts is not followed by the end of its line")]
    BrokenDelimiter,
    /// A part is not as long as its header says.
    #[error("a part is not as long as its header says")]
    WrongLength,
    /// The body ended before its closing delimiter.
    #[error("the body ended before its last part did")]
    Truncated,
}

/// What comes out of a body, in order: for each part a begin, any number of pieces, an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Begin,
    /// Some bytes of it; never none.
    Piece(Vec<u8>),
    /// It is whole.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// After a delimiter, before the end of its line.
    Delimiter,
    /// In the headers of a part.
    Head,
    /// In a part, of which so many bytes came out; and how many its header says that there are.
    Part { came: u64, stated: Option<u64> },
    /// After the closing delimiter: what comes now means nothing.
    Over,
}

/// Takes one body apart.
#[derive(Debug)]
pub struct Splitter {
    /// `\r\n--` and the boundary.
    delimiter: memmem::Finder<'static>,
    held: Vec<u8>,
    state: State,
}

impl Splitter {
    /// For a body of this content type.
    pub fn new(content_type: &str) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type).ok_or(MultipartError::NoBoundary)?;
        let delimiter = format!("\r\n--{boundary}");
        Ok(Self {
            delimiter: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            // The first delimiter need not stand on a line of its own begin: the line break before it is ours.
            held: b"\r\n".to_vec(),
            state: State::Preamble,
        })
    }

    /// Takes the next bytes and gives what they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, MultipartError> {
        if self.state == State::Over {
            return Ok(Vec::new());
        }
        self.held.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut done = 0;
        while let Some(used) = self.step(done, &mut events)? {
            done += used;
        }
        self.held.drain(..done);
        Ok(events)
    }

    /// The body has ended.
    pub fn finish(&self) -> Result<(), MultipartError> {
        if self.state == State::Over { Ok(()) } else { Err(MultipartError::Truncated) }
    }

    /// One step from `held[done..]`: how many bytes it used; `None` when more are needed.
    fn step(&mut self, done: usize, events: &mut Vec<Event>) -> Result<Option<usize>, MultipartError> {
        let rest = self.held.get(done..).unwrap_or_default();
        match self.state {
            State::Over => Ok(None),
            State::Preamble => match self.delimiter.find(rest) {
                Some(at) => {
                    self.state = State::Delimiter;
                    Ok(Some(at + self.delimiter.needle().len()))
                }
                None if rest.len() > HEAD_BYTES => Err(MultipartError::HeadTooLong),
                None => Ok(None),
            },
            State::Delimiter => after_delimiter(rest, &mut self.state),
            State::Head => {
                // A part without headers begins with an empty line at once.
                let (end, used) = if rest.starts_with(b"\r\n") {
                    (0, 2)
                } else {
                    match memmem::find(rest, b"\r\n\r\n") {
                        Some(at) => (at, at + 4),
                        None if rest.len() > HEAD_BYTES => return Err(MultipartError::HeadTooLong),
                        None => return Ok(None),
                    }
                };
                let stated = stated_length(rest.get(..end).unwrap_or_default())?;
                self.state = State::Part { came: 0, stated };
                events.push(Event::Begin);
                // The delimiter of an empty part shares its line break with the end of the head.
                Ok(Some(used - 2))
            }
            State::Part { came, stated } => {
                Ok(part(rest, &self.delimiter, (came, stated), &mut self.state, events)?)
            }
        }
    }
}

/// Inside a part. `rest` begins with the line break that ended the head, until the first bytes came out.
fn part(
    rest: &[u8],
    delimiter: &memmem::Finder<'_>,
    (came, stated): (u64, Option<u64>),
    state: &mut State,
    events: &mut Vec<Event>,
) -> Result<Option<usize>, MultipartError> {
    let needle = delimiter.needle().len();
    let skip = if came == 0 { 2 } else { 0 };
    let (end, used) = match delimiter.find(rest) {
        Some(at) => (at, Some(at + needle)),
        // What could be the begin of a delimiter stays.
        None => (rest.len().saturating_sub(needle - 1), None),
    };
    let piece = rest.get(skip..end).unwrap_or_default();
    let came = came + piece.len() as u64;
    if stated.is_some_and(|stated| came > stated) {
        return Err(MultipartError::WrongLength);
    }
    if !piece.is_empty() {
        events.push(Event::Piece(piece.to_vec()));
    }
    if let Some(used) = used {
        if stated.is_some_and(|stated| came != stated) {
            return Err(MultipartError::WrongLength);
        }
        events.push(Event::End);
        *state = State::Delimiter;
        return Ok(Some(used));
    }
    *state = State::Part { came, stated };
    Ok(if piece.is_empty() { None } else { Some(end) })
}

/// After the boundary: `--` ends the body; blanks and a line break begin a part.
fn after_delimiter(rest: &[u8], state: &mut State) -> Result<Option<usize>, MultipartError> {
    if rest.starts_with(b"--") {
        *state = State::Over;
        return Ok(Some(2));
    }
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match rest.get(blanks..) {
        Some([b'\r', b'\n', ..]) => {
            *state = State::Head;
            Ok(Some(blanks + 2))
        }
        _ if blanks > HEAD_BYTES => Err(MultipartError::HeadTooLong),
        Some([] | [b'\r']) => Ok(None),
        Some([b'-']) if blanks == 0 => Ok(None),
        _ => Err(MultipartError::BrokenDelimiter),
    }
}

/// The part's length where its headers state one.
fn stated_length(head: &[u8]) -> Result<Option<u64>, MultipartError> {
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value.get(1..).unwrap_or_default()).unwrap_or_default();
            return value.trim().parse().map(Some).map_err(|_| MultipartError::WrongLength);
        }
    }
    Ok(None)
}

/// The boundary of a multipart content type.
fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.trim_start();
    let kind = rest.split(';').next()?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    rest = rest.get(kind.len()..)?;
    // Parameters one by one: a quoted value can hold a semicolon.
    while let Some(parameter) = rest.trim_start().strip_prefix(';') {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim_start();
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            let text = text.trim_end();
            let is_usable = (1..=BOUNDARY_BYTES).contains(&text.len())
                && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            return is_usable.then(|| text.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests;
