//! Tables: captions, heads, rows and the bars in them.

use super::super::dom::Element;
use super::super::mark::Role;
use super::super::style::{SOFT, Style, is_printed};
use super::super::table::{Cell, Grid, Rules, spanned};
use super::super::vector::{self, Place};
use super::{Align, Column, Flow, equal};

impl Flow<'_> {
    /// A table, its rows in so many columns beside each other.
    pub(super) fn table(&mut self, table: &Element<'_>, column: Column, beside: usize) {
        let rem = self.rem;
        for caption in table.all("caption") {
            let style = Style::plain(0.75 * rem).coloured(SOFT);
            self.text(&caption.children, style, column, Role::Caption);
        }
        let rules = Rules {
            rem,
            meter: if table.has_class("findings") {
                0.14
            } else if table.has_class("uncomputed") {
                0.18
            } else {
                0.3
            },
            has_meters: beside == 1,
        };
        let style = Style::plain(if beside == 1 { 0.8125 } else { 0.78 } * rem);
        let head = table
            .elements()
            .find(|part| part.name == "thead" && is_printed(part))
            .and_then(|head| head.elements().next());
        let body = table.elements().find(|part| part.name == "tbody");
        let rows: Vec<&Element<'_>> = body.into_iter().flat_map(Element::elements).collect();
        if rows.is_empty() {
            return;
        }
        let columns = equal(column, beside, 1.5 * rem);
        let each = rows.len().div_ceil(beside).max(1);
        let faces = self.faces;
        self.side_by_side_if(beside > 1, &columns, |flow, number, column| {
            let rows = rows.chunks(each).nth(number).unwrap_or_default();
            if !rows.is_empty() {
                let grid = Grid::new(head, rows, column.width, style, rules, faces);
                flow.within(Role::Table, |flow| flow.grid(&grid, column));
                flow.y += 0.2 * rem;
            }
        });
    }

    fn side_by_side_if(
        &mut self,
        is_beside: bool,
        columns: &[Column],
        mut act: impl FnMut(&mut Self, usize, Column),
    ) {
        match columns.first() {
            Some(only) if !is_beside => act(self, 0, *only),
            _ => self.side_by_side(columns, act),
        }
    }

    fn grid(&mut self, grid: &Grid<'_, '_>, column: Column) {
        if !grid.head.is_empty() {
            self.row(&grid.head, grid, column);
            self.rule(column);
        }
        let last = grid.rows.len() - 1;
        for (number, row) in grid.rows.iter().enumerate() {
            self.row(row, grid, column);
            if number < last {
                self.rule(column);
            }
            self.may_end();
        }
    }

    fn row(&mut self, cells: &[Cell<'_, '_>], grid: &Grid<'_, '_>, column: Column) {
        let (top, pad) = (self.y, 0.06 * self.rem);
        let high = cells.iter().map(Cell::height).fold(0.8125 * self.rem, f32::max);
        let is_head = cells.iter().all(|cell| cell.element.attribute("scope") == Some("col"));
        self.begin(Role::Row);
        for cell in cells {
            let (begin, width) = spanned(&grid.columns, cell.column, cell.columns);
            let place = Column { x: column.x + begin, width };
            let role = if cell.element.name == "th" {
                Role::HeaderCell { is_row: cell.element.attribute("scope") == Some("row") }
            } else {
                Role::Cell { columns: u32::try_from(cell.columns).unwrap_or(1) }
            };
            // heads stand on the line below them
            let from = top + pad + if is_head { high - cell.height() } else { 0.0 };
            let align = if cell.is_right() { Align::Right } else { Align::Left };
            self.within(role, |flow| flow.draw(cell.lines.clone(), place, align, from));
            if let Some(svg) = cell.svg {
                let height = 0.5 * self.rem;
                let y = top + pad + 0.55 * self.rem - 0.5 * height;
                for mark in vector::marks(svg, Place { x: place.x, y, width: place.width, height }) {
                    self.decorate(mark);
                }
            }
        }
        self.end();
        self.y = top + high + 2.0 * pad;
    }
}
