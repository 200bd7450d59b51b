//! What is on a sheet: marks with their places, top down, and what each belongs to.

use super::face::Weight;
use super::style::Colour;

/// Something that is drawn. Places are in points from the sheet's upper left corner, without its margins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// A piece of a line, at its base line.
    Text { x: f32, y: f32, text: String, weight: Weight, size: f32, colour: Colour },
    /// A filled rectangle.
    Area { x: f32, y: f32, width: f32, height: f32, colour: Colour },
    /// A rectangle's outline.
    Frame { x: f32, y: f32, width: f32, height: f32, colour: Colour },
    /// A line, with round ends where it says so; one without length is a dot then.
    Line { from: (f32, f32), to: (f32, f32), width: f32, colour: Colour, is_round: bool },
    /// The radiograph, or the overlay over it.
    Picture { x: f32, y: f32, width: f32, height: f32, which: Which },
}

/// Which picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Radiograph,
    Overlay,
}

impl Mark {
    /// Its highest and lowest place; of text, of its letters.
    fn span(&self) -> (f32, f32) {
        match self {
            Self::Text { y, size, .. } => (y - size, y + 0.25 * size),
            Self::Area { y, height, .. }
            | Self::Frame { y, height, .. }
            | Self::Picture { y, height, .. } => (*y, y + height),
            Self::Line { from, to, .. } => (from.1.min(to.1), from.1.max(to.1)),
        }
    }

    fn moved(&mut self, by: f32) {
        match self {
            Self::Text { y, .. } | Self::Area { y, .. } | Self::Frame { y, .. } | Self::Picture { y, .. } => {
                *y += by;
            }
            Self::Line { from, to, .. } => {
                from.1 += by;
                to.1 += by;
            }
        }
    }
}

/// What a part of the page is, for who does not see it (ISO 32000-1, 14.8.4).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    Section,
    Heading(u8),
    Paragraph,
    List,
    Item,
    ItemBody,
    Table,
    Row,
    HeaderCell {
        is_row: bool,
    },
    Cell {
        columns: u32,
    },
    Caption,
    /// A picture, with words for it.
    Figure(String),
}

/// A part of the page, in a tree: children come after their parents.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) role: Role,
    /// Its parent's place in the list; `None` for what stands in the document itself.
    pub(super) parent: Option<usize>,
}

/// Everything of one report before it is cut into pages.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Each mark with the part that it belongs to; what belongs to none is decoration.
    pub(super) marks: Vec<(Option<usize>, Mark)>,
    pub(super) parts: Vec<Part>,
    /// Where a page can end.
    pub(super) breaks: Vec<f32>,
}

/// One page.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) parts: Vec<Part>,
    pub(super) pages: Vec<Vec<(Option<usize>, Mark)>>,
}

impl Sheet {
    /// Where its lowest mark ends.
    pub(super) fn bottom(&self) -> f32 {
        self.marks.iter().map(|(_, mark)| mark.span().1).fold(0.0, f32::max)
    }

    /// Cuts it where a page is full: as low as a break allows, and where there is none, at its end.
    pub(super) fn pages(self, room: f32) -> Pages {
        let bottom = self.bottom();
        let mut cuts = vec![0.0];
        let mut top = 0.0;
        while bottom - top > room {
            let lowest = self.breaks.iter().copied().filter(|at| *at > top + 1.0 && *at <= top + room);
            top = lowest
                .fold(None, |lowest: Option<f32>, at| Some(lowest.map_or(at, |one| one.max(at))))
                .unwrap_or(top + room);
            cuts.push(top);
        }
        let mut pages = vec![Vec::new(); cuts.len()];
        for (part, mut mark) in self.marks {
            // what is drawn over a cut belongs to the page that it ends on
            let end = mark.span().1;
            let page = cuts.iter().rposition(|cut| *cut < end).unwrap_or_default();
            mark.moved(-cuts[page]);
            pages[page].push((part, mark));
        }
        Pages { parts: self.parts, pages }
    }
}
