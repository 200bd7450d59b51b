//! Lists: the risks of the bottom line, what is missing, and the limits in two columns.

use super::super::dom::Element;
use super::super::inline;
use super::super::mark::{Mark, Role};
use super::super::style::INK;
use super::super::vector::{self, Place};
use super::{Column, Flow, equal};

impl Flow<'_> {
    /// Each risk with its array of a hundred.
    pub(super) fn tiles(&mut self, element: &Element<'_>, column: Column) {
        let tiles: Vec<&Element<'_>> = element.elements().collect();
        let count = self.fitting(column, 15.0).min(tiles.len()).max(1);
        let columns = equal(column, count, self.rem);
        self.begin(Role::List);
        for row in tiles.chunks(count) {
            self.side_by_side(&columns[..row.len()], |flow, number, column| flow.tile(row[number], column));
            self.y += 0.25 * self.rem;
        }
        self.end();
    }

    fn tile(&mut self, tile: &Element<'_>, column: Column) {
        let (side, top) = (4.5 * self.rem, self.y);
        let words =
            Column { x: column.x + side + 0.625 * self.rem, width: column.width - side - 0.625 * self.rem };
        self.begin(Role::Item);
        self.begin(Role::ItemBody);
        for child in tile.elements() {
            if child.name == "svg" {
                let words = child.attribute("aria-label").unwrap_or_default().to_owned();
                let part = self.begin(Role::Figure(words));
                self.end();
                let place = Place { x: column.x, y: top, width: side, height: side };
                let marks = vector::marks(child, place).into_iter().map(|mark| (Some(part), mark));
                self.sheet.marks.extend(marks);
            } else {
                self.blocks(child, words);
            }
        }
        self.end();
        self.end();
        self.y = self.y.max(top + side);
    }

    pub(super) fn items(&mut self, items: &[&Element<'_>], column: Column) {
        let indent = 0.75 * self.rem;
        for item in items {
            let bullet = Mark::Line {
                from: (column.x + 0.3 * indent, self.y + 0.53 * self.rem),
                to: (column.x + 0.3 * indent, self.y + 0.53 * self.rem),
                width: 0.3 * self.rem,
                colour: INK,
                is_round: true,
            };
            self.decorate(bullet);
            let inner = Column { x: column.x + indent, width: column.width - indent };
            let style = self.text_style();
            self.within(Role::Item, |flow| flow.text(&item.children, style, inner, Role::ItemBody));
            self.may_end();
        }
    }

    /// Two columns, parted where the halves are nearest to the same height.
    pub(super) fn list_in_two(&mut self, element: &Element<'_>, column: Column) {
        let items: Vec<&Element<'_>> = element.elements().collect();
        let columns = equal(column, 2, 1.5 * self.rem);
        let high = |item: &&Element<'_>| {
            let runs = inline::runs(&item.children, self.text_style(), self.rem);
            inline::lines(&runs, columns[0].width - 0.75 * self.rem, self.faces).len()
        };
        let heights: Vec<usize> = items.iter().map(high).collect();
        let all: usize = heights.iter().sum();
        let mut first = 0;
        let parted = heights.iter().position(|height| {
            first += height;
            2 * first >= all
        });
        let (left, right) = items.split_at(parted.map_or(items.len(), |at| at + 1));
        self.begin(Role::List);
        self.side_by_side(&columns, |flow, number, column| {
            flow.items(if number == 0 { left } else { right }, column);
        });
        self.end();
    }
}
