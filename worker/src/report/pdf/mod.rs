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

/// A4 in points, and the margins of the style sheet: 8 and 10 mm.
const A4: (f32, f32) = (595.28, 841.89);
const MARGIN: (f32, f32) = (28.35, 22.68);

/// The size of the style sheet's `rem` in points: at most and at least. The largest with which all is on one sheet is taken;
/// letters are seven eighths of it, those of tables less. On paper the style sheet itself has 7.7.
const LARGEST_REM: f32 = 9.0;
const SMALLEST_REM: f32 = 6.3;

/// How often the range between them is halved: to a twentieth of a point a letter.
const HALVINGS: u32 = 5;

/// Writes `page`, which [`crate::report::html::page`] made of the same report: the same two give the same bytes.
pub fn document(report: &Report, page: &str) -> Result<Vec<u8>, PdfError> {
    let root = dom::parse(page).ok_or(PdfError::Page)?;
    let faces = Faces::get().ok_or(PdfError::Font)?;
    let room = A4.1 - 2.0 * MARGIN.1;
    let fits = |sheet: &Sheet| sheet.bottom() <= room;
    let mut sheet = laid_out(&root, faces, LARGEST_REM);
    if !fits(&sheet) {
        sheet = laid_out(&root, faces, SMALLEST_REM);
        let (mut low, mut high) = (SMALLEST_REM, LARGEST_REM);
        for _ in 0..if fits(&sheet) { HALVINGS } else { 0 } {
            let rem = 0.5 * (low + high);
            let tried = laid_out(&root, faces, rem);
            if fits(&tried) {
                (low, sheet) = (rem, tried);
            } else {
                high = rem;
            }
        }
    }
    file::written(report, faces, &sheet.pages(room))
}

fn laid_out(root: &dom::Element<'_>, faces: &Faces<'_>, rem: f32) -> Sheet {
    let mut flow = Flow::new(faces, rem);
    flow.body(root, A4.0 - 2.0 * MARGIN.0);
    flow.into_sheet()
}
