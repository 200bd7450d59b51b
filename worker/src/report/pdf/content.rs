//! A page's marks as a content stream (ISO 32000-1, 8 and 9): every mark inside of what it belongs to, decoration as such.

use pdf_writer::types::{ArtifactType, LineCapStyle};
use pdf_writer::{Content, Name, Str};

use super::face::{Faces, Shown, Weight};
use super::mark::{Mark, Which};
use super::style::Colour;
use super::{A4, MARGIN};

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
    pub(super) regular: Shown,
    pub(super) bold: Shown,
}

/// Writes one page; `has` says which pictures the file holds.
pub(super) fn page(
    marks: &[(Option<usize>, Mark)],
    faces: &Faces<'_>,
    used: &mut Used,
    has: impl Fn(Which) -> bool,
) -> Written {
    let mut content = Content::new();
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
        draw(&mut content, mark, faces, used);
    }
    if open.is_some() {
        content.end_marked_content();
    }
    Written { bytes: content.finish().into_vec(), parts }
}

/// PDF counts from the sheet's lower left corner.
fn at(x: f32, y: f32) -> (f32, f32) {
    (MARGIN.0 + x, A4.1 - MARGIN.1 - y)
}

fn draw(content: &mut Content, mark: &Mark, faces: &Faces<'_>, used: &mut Used) {
    match mark {
        Mark::Text { x, y, text, weight, size, colour } => {
            let (name, shown) = match weight {
                Weight::Regular => (REGULAR, &mut used.regular),
                Weight::Bold => (BOLD, &mut used.bold),
            };
            let mut codes = Vec::with_capacity(2 * text.len());
            for character in text.chars() {
                if let Some(glyph) = faces.of(*weight).glyph(character) {
                    codes.extend(glyph.0.to_be_bytes());
                    // a glyph of several characters stands for the first of them in Unicode's order: always the same
                    shown
                        .entry(glyph.0)
                        .and_modify(|known| *known = (*known).min(character))
                        .or_insert(character);
                }
            }
            fill(content, *colour);
            let (x, y) = at(*x, *y);
            content.begin_text().set_font(Name(name), *size).set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y]);
            content.show(Str(&codes)).end_text();
        }
        Mark::Area { x, y, width, height, colour } => {
            fill(content, *colour);
            let (x, y) = at(*x, y + height);
            content.rect(x, y, *width, *height).fill_nonzero();
        }
        Mark::Frame { x, y, width, height, colour } => {
            stroke(content, *colour);
            let (x, y) = at(*x, y + height);
            content.set_line_width(0.6).rect(x, y, *width, *height).stroke();
        }
        Mark::Line { from, to, width, colour, is_round } => {
            stroke(content, *colour);
            let cap = if *is_round { LineCapStyle::RoundCap } else { LineCapStyle::ButtCap };
            let (from, to) = (at(from.0, from.1), at(to.0, to.1));
            content.set_line_cap(cap).set_line_width(*width);
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

fn shares(colour: Colour) -> [f32; 3] {
    colour.map(|part| f32::from(part) / 255.0)
}

fn fill(content: &mut Content, colour: Colour) {
    let [red, green, blue] = shares(colour);
    content.set_fill_rgb(red, green, blue);
}

fn stroke(content: &mut Content, colour: Colour) {
    let [red, green, blue] = shares(colour);
    content.set_stroke_rgb(red, green, blue);
}
