//! Text that stands in lines: words of several looks, broken where a line is full.

use super::dom::Node;
use super::face::Faces;
use super::style::{LEADING, Style, is_printed};

/// Text of one look, as it comes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) style: Style,
}

/// What stands on one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    /// Pieces with their distance from the line's beginning.
    pub(super) pieces: Vec<(f32, Run)>,
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
const NEW_LINE: char = '\n';

/// What sums of widths may differ by, in points.
const ROUNDING: f32 = 0.05;

/// The text of these nodes with its looks.
pub(super) fn runs(nodes: &[Node<'_>], style: Style, rem: f32, faces: &Faces<'_>) -> Vec<Run> {
    let mut runs = Vec::new();
    gather(nodes, style, rem, faces, &mut runs);
    runs
}

fn gather(nodes: &[Node<'_>], style: Style, rem: f32, faces: &Faces<'_>, runs: &mut Vec<Run>) {
    for node in nodes {
        match node {
            Node::Text(text) => runs.push(Run { text: faces.shown(text), style }),
            Node::Element(element) if !is_printed(element) || element.name == "svg" => {}
            Node::Element(element) if element.name == "br" => new_line(style, runs),
            Node::Element(element) => {
                let is_block = BLOCKS.contains(&element.name);
                if is_block {
                    new_line(style, runs);
                }
                gather(&element.children, style.within(element, rem), rem, faces, runs);
                if is_block {
                    new_line(style, runs);
                }
            }
        }
    }
}

fn new_line(style: Style, runs: &mut Vec<Run>) {
    if runs.last().is_some_and(|run| !run.text.ends_with(NEW_LINE)) {
        runs.push(Run { text: NEW_LINE.to_string(), style });
    }
}

/// A word: pieces without a space between, of several looks perhaps.
#[derive(Debug, Default)]
struct Word {
    pieces: Vec<Run>,
    /// Whether a space comes before it.
    is_apart: bool,
    /// Whether it begins a line.
    begins: bool,
}

impl Word {
    fn width(&self, faces: &Faces<'_>) -> f32 {
        self.pieces.iter().map(|piece| faces.width(&piece.text, piece.style.weight, piece.style.size)).sum()
    }
}

/// Breaks the runs into lines of at most this width.
pub(super) fn lines(runs: &[Run], width: f32, faces: &Faces<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut line = Line::default();
    for word in words(runs) {
        let Some(first) = word.pieces.first() else { continue };
        let style = first.style;
        let space =
            if word.is_apart && line.width > 0.0 { faces.width(" ", style.weight, style.size) } else { 0.0 };
        let wide = word.width(faces);
        if !line.pieces.is_empty() && (word.begins || line.width + space + wide > width + ROUNDING) {
            lines.push(std::mem::take(&mut line));
            place(&mut lines, &mut line, word.pieces, 0.0, width, faces);
        } else {
            place(&mut lines, &mut line, word.pieces, space, width, faces);
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
    pieces: Vec<Run>,
    space: f32,
    width: f32,
    faces: &Faces<'_>,
) {
    let mut space = space;
    for piece in pieces {
        let style = piece.style;
        let mut rest = piece.text.as_str();
        while !rest.is_empty() {
            let left = width + ROUNDING - line.width - space;
            let mut fits = fitting(rest, style, left, faces);
            if fits == 0 {
                if line.pieces.is_empty() {
                    // one letter at least, or it would never end
                    fits = rest.chars().next().map_or(1, char::len_utf8);
                } else {
                    lines.push(std::mem::take(line));
                    space = 0.0;
                    continue;
                }
            }
            let (now, later) = rest.split_at(fits);
            push(line, Run { text: now.to_owned(), style }, space, faces);
            space = 0.0;
            rest = later;
        }
    }
}

/// How many bytes of the text are not wider than `left`.
fn fitting(text: &str, style: Style, left: f32, faces: &Faces<'_>) -> usize {
    if faces.width(text, style.weight, style.size) <= left {
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
fn push(line: &mut Line, run: Run, space: f32, faces: &Faces<'_>) {
    let wide = faces.width(&run.text, run.style.weight, run.style.size);
    line.size = line.size.max(run.style.size);
    match line.pieces.last_mut() {
        Some((_, last)) if last.style == run.style => {
            if space > 0.0 {
                last.text.push(' ');
            }
            last.text.push_str(&run.text);
        }
        Some((_, last)) if space > 0.0 => {
            // the space is a character too, for who copies the text
            last.text.push(' ');
            line.pieces.push((line.width + space, run));
        }
        _ => line.pieces.push((line.width + space, run)),
    }
    line.width += space + wide;
}

/// The words of the runs. A space that must not be broken, and a line's end, are told from others.
fn words(runs: &[Run]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut word = Word { begins: true, ..Word::default() };
    for run in runs {
        let mut piece = String::new();
        for character in run.text.chars() {
            if character == ' ' || character == NEW_LINE {
                take(&mut word, &mut piece, run.style);
                let begins = character == NEW_LINE || (word.pieces.is_empty() && word.begins);
                let next = Word { is_apart: true, begins, ..Word::default() };
                let done = std::mem::replace(&mut word, next);
                if !done.pieces.is_empty() {
                    words.push(done);
                }
            } else {
                piece.push(character);
            }
        }
        take(&mut word, &mut piece, run.style);
    }
    if !word.pieces.is_empty() {
        words.push(word);
    }
    words
}

fn take(word: &mut Word, piece: &mut String, style: Style) {
    if !piece.is_empty() {
        word.pieces.push(Run { text: std::mem::take(piece), style });
    }
}

/// How wide the text is on one line, and how wide its longest word.
pub(super) fn widths(runs: &[Run], faces: &Faces<'_>) -> (f32, f32) {
    let whole = lines(runs, f32::MAX, faces).iter().map(|line| line.width).fold(0.0, f32::max);
    let longest = words(runs).iter().map(|word| word.width(faces)).fold(0.0, f32::max);
    (whole, longest)
}
