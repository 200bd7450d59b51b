//! The page as PDF/A-2a (ISO 19005-2), for archives and printers: what [`crate::report::html::page`] shows on paper, laid out
//! again from that page itself, so that both say the same in the same order. The part that folds away stays away.
//!
//! It is one A4 sheet. Where a report says more than usual, its letters become smaller; only below what can be read does it
//! go on on a second sheet. The same page gives the same bytes: nothing here reads a clock or makes up an identifier, and
//! the times and keys in it are the report's own.
//!
//! Both fonts are in the program (DejaVu Sans Condensed, `worker/assets/pdf`). A character that they have no letter for is
//! shown as its number, such as `[U+6F22]`: PDF/A forbids a box without meaning.

mod content;
mod dom;
mod face;
mod file;
mod flow;
mod inline;
mod mark;
mod picture;
mod style;
mod subset;
mod table;
#[cfg(test)]
mod tests;
mod vector;

use pdf_writer::Settings;

use self::face::Faces;
use self::flow::Flow;
use self::mark::Sheet;
use super::document::Report;

/// The page could not be written as PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The page is not as this program writes it.
    #[error("the report's page could not be read back")]
    Page,
    /// A font of the program cannot be used.
    #[error("a font of the program cannot be used")]
    Font,
    /// The radiograph or its overlay is no PNG file of the kinds that this program writes.
    #[error("the report's picture could not be read back")]
    Picture,
}

/// A4 in points, and the margins of the style sheet: 7 and 10 mm.
const A4: (f32, f32) = (595.28, 841.89);
const MARGIN: (f32, f32) = (28.35, 19.84);

/// Files are written for programs: without lines and indentation.
const COMPACT: Settings = Settings { pretty: false };

/// The size of the style sheet's `rem` in points: at most and at least. The largest with which all is on one sheet is taken;
/// letters are seven eighths of it, those of tables less. On paper the style sheet itself has 7.7.
const LARGEST_REM: f32 = 9.0;
const SMALLEST_REM: f32 = 6.3;

/// How often a size is guessed at most, and how much of the sheet is enough.
const GUESSES: u32 = 4;
const ENOUGH: f32 = 0.96;

/// What a guess is smaller than the size that should just fit: lines break otherwise at every size.
const CAUTION: f32 = 0.99;

/// Writes `page`, which [`crate::report::html::page`] made of the same report: the same two give the same bytes.
pub fn document(report: &Report, page: &str) -> Result<Vec<u8>, PdfError> {
    let faces = Faces::get().ok_or(PdfError::Font)?;
    // looked through once: it is laid out several times
    let root = dom::parse(page, |text| faces.shown(text)).ok_or(PdfError::Page)?;
    let room = A4.1 - 2.0 * MARGIN.1;
    let sheet = largest(room, |rem| laid_out(&root, faces, rem));
    file::written(report, faces, &sheet.pages(room))
}

/// The sheet with the largest letters that fits, nearly; the one with the smallest where none does.
///
/// Running text takes room by the square of its size, rows of a table by their number: the first guesses are between both,
/// and a line between what fits and what does not the next ones.
fn largest(room: f32, lay_out: impl Fn(f32) -> Sheet) -> Sheet {
    let sheet = lay_out(LARGEST_REM);
    let mut above = (LARGEST_REM, sheet.bottom());
    if above.1 <= room {
        return sheet;
    }
    let mut fitting: Option<(f32, f32, Sheet)> = None;
    for _ in 0..GUESSES {
        let guess = match &fitting {
            None => {
                // to the power of 3/4, by what every machine rounds in the same way
                let root = (room / above.1).sqrt();
                above.0 * root * root.sqrt()
            }
            Some((rem, bottom, _)) => rem + (above.0 - rem) * (room - bottom) / (above.1 - bottom),
        };
        let least = fitting.as_ref().map_or(SMALLEST_REM, |(rem, ..)| *rem);
        let guess = (guess * CAUTION).clamp(least, above.0);
        let sheet = lay_out(guess);
        let bottom = sheet.bottom();
        if bottom <= room {
            let is_enough = bottom >= ENOUGH * room;
            fitting = Some((guess, bottom, sheet));
            if is_enough {
                break;
            }
        } else if guess <= SMALLEST_REM {
            return sheet;
        } else {
            above = (guess, bottom);
        }
    }
    fitting.map_or_else(|| lay_out(SMALLEST_REM), |(.., sheet)| sheet)
}

fn laid_out(root: &dom::Element<'_>, faces: &Faces<'_>, rem: f32) -> Sheet {
    let mut flow = Flow::new(faces, rem);
    flow.body(root, A4.0 - 2.0 * MARGIN.0);
    flow.into_sheet()
}
