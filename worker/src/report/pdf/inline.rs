//! Text that stands in lines: words of several looks, broken where a line is full.

use std::ops::Range;

use super::dom::Node;
use super::face::Faces;
use super::style::{LEADING, Style, is_printed};

/// Text of one look, as it comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run<'t> {
    pub(super) text: &'t str,
    pub(super) style: Style,
}

/// Text of one look, as it stands on a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) style: Style,
}

/// What stands on one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    /// Pieces with their distance from the line's beginning.
    pub(super) pieces: Vec<(f32, Placed)>,
    pub(super) width: f32,
    /// Of the largest letters on it.
    pub(super) size: f32,
}

impl Line {
    pub(super) fn height(&self) -> f32 {
        self.size * LEADING
    }
}

/// Elements that begin a line of their own inside of a cell or a paragraph.
const BLOCKS: [&str; 3] = ["div", "p", "h3"];

/// A line's end that the text itself asks for; no text of a report holds it, see `text::visible`.
const NEW_LINE: &str = "\n";

/// What sums of widths may differ by, in points.
const ROUNDING: f32 = 0.05;

/// The text of these nodes with its looks.
pub(super) fn runs<'t>(nodes: &'t [Node<'_>], style: Style, rem: f32) -> Vec<Run<'t>> {
    let mut runs = Vec::new();
    gather(nodes, style, rem, &mut runs);
    runs
}

fn gather<'t>(nodes: &'t [Node<'_>], style: Style, rem: f32, runs: &mut Vec<Run<'t>>) {
    for node in nodes {
        match node {
            Node::Text(text) => runs.push(Run { text: text.as_ref(), style }),
            Node::Element(element) if !is_printed(element) || element.name == "svg" => {}
            Node::Element(element) if element.name == "br" => new_line(style, runs),
            Node::Element(element) => {
                let is_block = BLOCKS.contains(&element.name);
                if is_block {
                    new_line(style, runs);
                }
                gather(&element.children, style.within(element, rem), rem, runs);
                if is_block {
                    new_line(style, runs);
                }
            }
        }
    }
}

fn new_line(style: Style, runs: &mut Vec<Run<'_>>) {
    if runs.last().is_some_and(|run| !run.text.ends_with(NEW_LINE)) {
        runs.push(Run { text: NEW_LINE, style });
    }
}

/// A part of a word in one look, and how wide it is.
#[derive(Debug, Clone, Copy)]
struct Piece<'r> {
    text: &'r str,
    style: Style,
    wide: f32,
}

/// A word: pieces without a space between, of several looks perhaps.
#[derive(Debug, Clone, Default)]
struct Word {
    /// Where its pieces lie.
    pieces: Range<usize>,
    wide: f32,
    /// Whether a space comes before it.
    is_apart: bool,
    /// Whether it begins a line.
    begins: bool,
}

/// The words of some runs. A text is measured here and nowhere else again: it is laid out several times.
#[derive(Debug, Default)]
struct Words<'r> {
    pieces: Vec<Piece<'r>>,
    words: Vec<Word>,
}

impl<'r> Words<'r> {
    /// A space that must not be broken, and a line's end, are told from others.
    fn of(runs: &[Run<'r>], faces: &Faces<'_>) -> Self {
        let mut own = Self::default();
        let mut word = Word { begins: true, ..Word::default() };
        for run in runs {
            let mut rest = run.text;
            while let Some(at) = rest.find([' ', '\n']) {
                own.add(&rest[..at], run.style, faces);
                let is_empty = own.pieces.len() == word.pieces.start;
                let begins = rest[at..].starts_with(NEW_LINE) || (is_empty && word.begins);
                own.end(&mut word);
                word = Word { is_apart: true, begins, ..word };
                rest = &rest[at + 1..];
            }
            own.add(rest, run.style, faces);
        }
        own.end(&mut word);
        own
    }

    fn add(&mut self, text: &'r str, style: Style, faces: &Faces<'_>) {
        if !text.is_empty() {
            self.pieces.push(Piece { text, style, wide: faces.width(text, style.weight, style.size) });
        }
    }

    /// Ends a word with the pieces that came since the one before, if any did; the next one begins there.
    fn end(&mut self, word: &mut Word) {
        let (from, to) = (word.pieces.start, self.pieces.len());
        if from < to {
            let wide = self.pieces[from..to].iter().map(|piece| piece.wide).sum();
            self.words.push(Word { pieces: from..to, wide, ..*word });
        }
        word.pieces = to..to;
    }

    /// The words that are any, each with its pieces and the room of the space before it where it does not begin a line.
    fn all(&self, faces: &Faces<'_>) -> impl Iterator<Item = (&Word, &[Piece<'r>], f32)> {
        self.words.iter().filter_map(move |word| {
            let pieces = self.pieces.get(word.pieces.clone())?;
            let style = pieces.first()?.style;
            let space = if word.is_apart { faces.width(" ", style.weight, style.size) } else { 0.0 };
            Some((word, pieces, space))
        })
    }
}

/// Breaks the runs into lines of at most this width.
pub(super) fn lines(runs: &[Run<'_>], width: f32, faces: &Faces<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut line = Line::default();
    for (word, pieces, space) in Words::of(runs, faces).all(faces) {
        let space = if line.width > 0.0 { space } else { 0.0 };
        if !line.pieces.is_empty() && (word.begins || line.width + space + word.wide > width + ROUNDING) {
            lines.push(std::mem::take(&mut line));
            place(&mut lines, &mut line, pieces, 0.0, width, faces);
        } else {
            place(&mut lines, &mut line, pieces, space, width, faces);
        }
    }
    if !line.pieces.is_empty() {
        lines.push(line);
    }
    lines
}

/// Puts a word on the line, and where it is longer than a whole line, breaks it in itself.
fn place(
    lines: &mut Vec<Line>,
    line: &mut Line,
    pieces: &[Piece<'_>],
    space: f32,
    width: f32,
    faces: &Faces<'_>,
) {
    let mut space = space;
    for piece in pieces {
        let mut rest = *piece;
        while !rest.text.is_empty() {
            let left = width + ROUNDING - line.width - space;
            let mut fits = fitting(rest, left, faces);
            if fits == 0 {
                if line.pieces.is_empty() {
                    // one letter at least, or it would never end
                    fits = rest.text.chars().next().map_or(1, char::len_utf8);
                } else {
                    lines.push(std::mem::take(line));
                    space = 0.0;
                    continue;
                }
            }
            if fits == rest.text.len() {
                push(line, rest, space);
                break;
            }
            let (now, later) = rest.text.split_at(fits);
            let part =
                |text| Piece { text, wide: faces.width(text, rest.style.weight, rest.style.size), ..rest };
            push(line, part(now), space);
            rest = part(later);
            space = 0.0;
        }
        space = 0.0;
    }
}

/// How many bytes of the text are not wider than `left`.
fn fitting(piece: Piece<'_>, left: f32, faces: &Faces<'_>) -> usize {
    let Piece { text, style, wide } = piece;
    if wide <= left {
        return text.len();
    }
    let mut used = 0.0;
    for (at, character) in text.char_indices() {
        used += faces.width(character.encode_utf8(&mut [0; 4]), style.weight, style.size);
        if used > left {
            return at;
        }
    }
    text.len()
}

/// A piece of the same look as the one before it becomes one with it, its space too.
fn push(line: &mut Line, piece: Piece<'_>, space: f32) {
    let Piece { text, style, wide } = piece;
    line.size = line.size.max(style.size);
    let begins = line.width + space;
    match line.pieces.last_mut() {
        Some((_, last)) if last.style == style => {
            if space > 0.0 {
                last.text.push(' ');
            }
            last.text.push_str(text);
        }
        last => {
            if let Some((_, last)) = last.filter(|_| space > 0.0) {
                // the space is a character too, for who copies the text
                last.text.push(' ');
            }
            line.pieces.push((begins, Placed { text: text.to_owned(), style }));
        }
    }
    line.width += space + wide;
}

/// How wide the text is on one line, and how wide its longest word.
pub(super) fn widths(runs: &[Run<'_>], faces: &Faces<'_>) -> (f32, f32) {
    let (mut whole, mut line, mut longest) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (word, pieces, space) in Words::of(runs, faces).all(faces) {
        let mut space = if line > 0.0 { space } else { 0.0 };
        if word.begins {
            (line, space) = (0.0, 0.0);
        }
        for piece in pieces {
            line += space + piece.wide;
            space = 0.0;
        }
        (whole, longest) = (whole.max(line), longest.max(word.wide));
    }
    (whole, longest)
}
