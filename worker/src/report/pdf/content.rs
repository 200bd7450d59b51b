//! A page's marks as a content stream (ISO 32000-1, 8 and 9): every mark inside of what it belongs to, decoration as such.

use pdf_writer::types::{ArtifactType, LineCapStyle};
use pdf_writer::{Content, Name, Str};

use super::face::{Faces, Shown, Weight};
use super::mark::{Mark, Which};
use super::style::Colour;
use super::{A4, COMPACT, MARGIN};

/// Names of the page's resources.
pub(super) const REGULAR: &[u8] = b"F0";
pub(super) const BOLD: &[u8] = b"F1";
pub(super) const RADIOGRAPH: &[u8] = b"P0";
pub(super) const OVERLAY: &[u8] = b"P1";

/// A page's content, and which part each run of marked content in it belongs to.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<usize>,
}

/// Glyphs that all pages show, by font.
#[derive(Default)]
pub(super) struct Used {
    pub(super) regular: Letters,
    pub(super) bold: Letters,
}

/// Glyphs of one font that are shown.
pub(super) struct Letters {
    pub(super) shown: Shown,
    /// Which characters of ASCII are among them: nearly all are, and each is shown often.
    known: [bool; 128],
}

impl Default for Letters {
    fn default() -> Self {
        Self { shown: Shown::new(), known: [false; 128] }
    }
}

impl Letters {
    /// A glyph of several characters stands for the first of them in Unicode's order: always the same.
    fn note(&mut self, glyph: u16, character: char) {
        if let Some(known) = usize::try_from(u32::from(character)).ok().and_then(|at| self.known.get_mut(at))
            && std::mem::replace(known, true)
        {
            return;
        }
        self.shown.entry(glyph).and_modify(|known| *known = (*known).min(character)).or_insert(character);
    }
}

/// Writes one page; `has` says which pictures the file holds.
pub(super) fn page(
    marks: &[(Option<usize>, Mark)],
    faces: &Faces<'_>,
    used: &mut Used,
    has: impl Fn(Which) -> bool,
) -> Written {
    let mut content = Content::with_settings(COMPACT);
    let mut set = Set::default();
    let mut parts = Vec::new();
    let mut open: Option<Option<usize>> = None;
    for (part, mark) in marks {
        if matches!(mark, Mark::Picture { which, .. } if !has(*which)) {
            continue;
        }
        if open != Some(*part) {
            if open.is_some() {
                content.end_marked_content();
            }
            if let Some(part) = part {
                let number = i32::try_from(parts.len()).unwrap_or(i32::MAX);
                content.begin_marked_content_with_properties(Name(b"Span")).properties().identify(number);
                parts.push(*part);
            } else {
                let mut marked = content.begin_marked_content_with_properties(Name(b"Artifact"));
                marked.properties().artifact().kind(ArtifactType::Layout);
            }
            open = Some(*part);
        }
        draw(&mut content, &mut set, mark, faces, used);
    }
    if open.is_some() {
        content.end_marked_content();
    }
    Written { bytes: content.finish().into_vec(), parts }
}

/// What holds from an earlier mark until another is set (ISO 32000-1, 8.4): it is not said again.
#[derive(Default)]
struct Set {
    fill: Option<Colour>,
    stroke: Option<Colour>,
    font: Option<(Weight, f32)>,
    line_width: Option<f32>,
    is_round: Option<bool>,
}

impl Set {
    fn fill(&mut self, content: &mut Content, colour: Colour) {
        if self.fill.replace(colour) != Some(colour) {
            let [red, green, blue] = shares(colour);
            content.set_fill_rgb(red, green, blue);
        }
    }

    fn stroke(&mut self, content: &mut Content, colour: Colour) {
        if self.stroke.replace(colour) != Some(colour) {
            let [red, green, blue] = shares(colour);
            content.set_stroke_rgb(red, green, blue);
        }
    }

    fn font(&mut self, content: &mut Content, weight: Weight, size: f32) {
        if self.font.replace((weight, size)) != Some((weight, size)) {
            let name = match weight {
                Weight::Regular => REGULAR,
                Weight::Bold => BOLD,
            };
            content.set_font(Name(name), size);
        }
    }

    fn line_width(&mut self, content: &mut Content, width: f32) {
        if self.line_width.replace(width) != Some(width) {
            content.set_line_width(width);
        }
    }

    fn line_ends(&mut self, content: &mut Content, is_round: bool) {
        if self.is_round.replace(is_round) != Some(is_round) {
            let cap = if is_round { LineCapStyle::RoundCap } else { LineCapStyle::ButtCap };
            content.set_line_cap(cap);
        }
    }
}

/// A length as it is written: to a hundredth of a point, which is 4 micrometres.
fn written(length: f32) -> f32 {
    (length * 100.0).round() / 100.0
}

/// PDF counts from the sheet's lower left corner.
fn at(x: f32, y: f32) -> (f32, f32) {
    (written(MARGIN.0 + x), written(A4.1 - MARGIN.1 - y))
}

fn draw(content: &mut Content, set: &mut Set, mark: &Mark, faces: &Faces<'_>, used: &mut Used) {
    match mark {
        Mark::Text { x, y, text, weight, size, colour } => {
            let letters = match weight {
                Weight::Regular => &mut used.regular,
                Weight::Bold => &mut used.bold,
            };
            let mut codes = Vec::with_capacity(2 * text.len());
            for character in text.chars() {
                if let Some(glyph) = faces.of(*weight).glyph(character) {
                    codes.extend(glyph.0.to_be_bytes());
                    letters.note(glyph.0, character);
                }
            }
            set.fill(content, *colour);
            set.font(content, *weight, *size);
            let (x, y) = at(*x, *y);
            content.begin_text().next_line(x, y).show(Str(&codes)).end_text();
        }
        Mark::Area { x, y, width, height, colour } => {
            set.fill(content, *colour);
            let (x, y) = at(*x, y + height);
            content.rect(x, y, written(*width), written(*height)).fill_nonzero();
        }
        Mark::Frame { x, y, width, height, colour } => {
            set.stroke(content, *colour);
            let (x, y) = at(*x, y + height);
            set.line_width(content, 0.6);
            content.rect(x, y, written(*width), written(*height)).stroke();
        }
        Mark::Line { from, to, width, colour, is_round } => {
            set.stroke(content, *colour);
            set.line_ends(content, *is_round);
            set.line_width(content, *width);
            let (from, to) = (at(from.0, from.1), at(to.0, to.1));
            content.move_to(from.0, from.1).line_to(to.0, to.1).stroke();
        }
        Mark::Picture { x, y, width, height, which } => {
            let name = match which {
                Which::Radiograph => RADIOGRAPH,
                Which::Overlay => OVERLAY,
            };
            let (x, y) = at(*x, y + height);
            content.save_state().transform([*width, 0.0, 0.0, *height, x, y]);
            content.x_object(Name(name)).restore_state();
        }
    }
}

/// The parts of a colour as shares of one, as exact as a byte is.
fn shares(colour: Colour) -> [f32; 3] {
    colour.map(|part| (f32::from(part) / 255.0 * 1000.0).round() / 1000.0)
}
