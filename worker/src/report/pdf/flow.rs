//! The page's blocks, one below the other or side by side, as its style sheet has them on paper.

mod lists;
mod tables;
mod titles;

use super::dom::{Element, Node};
use super::face::Faces;
use super::inline::{self, Line};
use super::mark::{Mark, Part, Role, Sheet, Which};
use super::style::{ACCENT, INK, LINE, NOTICE_LINE, SOFT, Style, is_printed};
use super::vector;

/// Where lines begin in their column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A column of the sheet.
#[derive(Debug, Clone, Copy)]
struct Column {
    x: f32,
    width: f32,
}

/// What is laid out so far.
pub(super) struct Flow<'f> {
    faces: &'f Faces<'f>,
    rem: f32,
    sheet: Sheet,
    /// Where the next block begins.
    y: f32,
    /// The parts that are open.
    open: Vec<usize>,
    /// How many columns stand beside each other here, one in the other; a page ends only outside of all.
    beside: usize,
}

impl<'f> Flow<'f> {
    pub(super) fn new(faces: &'f Faces<'f>, rem: f32) -> Self {
        Self { faces, rem, sheet: Sheet::default(), y: 0.0, open: Vec::new(), beside: 0 }
    }

    /// Everything of the page that is printed.
    pub(super) fn body(&mut self, body: &Element<'_>, width: f32) {
        self.blocks(body, Column { x: 0.0, width });
    }

    pub(super) fn into_sheet(self) -> Sheet {
        self.sheet
    }

    fn text_style(&self) -> Style {
        Style::plain(0.875 * self.rem)
    }

    // ---- parts and marks

    fn begin(&mut self, role: Role) -> usize {
        let parent = self.open.last().copied();
        self.sheet.parts.push(Part { role, parent });
        let part = self.sheet.parts.len() - 1;
        self.open.push(part);
        part
    }

    fn end(&mut self) {
        self.open.pop();
    }

    fn within(&mut self, role: Role, act: impl FnOnce(&mut Self)) {
        self.begin(role);
        act(self);
        self.end();
    }

    fn decorate(&mut self, mark: Mark) {
        self.sheet.marks.push((None, mark));
    }

    fn may_end(&mut self) {
        if self.beside == 0 {
            self.sheet.breaks.push(self.y);
        }
    }

    fn rule(&mut self, column: Column) {
        let (from, to) = ((column.x, self.y), (column.x + column.width, self.y));
        self.decorate(Mark::Line { from, to, width: 0.5, colour: LINE, is_round: false });
    }

    /// Lines at this place, which belong to the part that is open.
    fn draw(&mut self, lines: Vec<Line>, column: Column, align: Align, top: f32) {
        let part = self.open.last().copied();
        let mut y = top;
        for line in lines {
            let begin = match align {
                Align::Left => column.x,
                Align::Right => column.x + column.width - line.width,
            };
            // letters stand a little above the middle of their line
            let height = line.height();
            let base = y + 0.5 * (height - line.size) + 0.8 * line.size;
            for (from, run) in line.pieces {
                let (x, style) = (begin + from, run.style);
                if style.is_flag {
                    let width = self.faces.width(&run.text, style.weight, style.size);
                    self.decorate(Mark::Frame {
                        x: x - 1.5,
                        y: base - 0.85 * style.size,
                        width: width + 3.0,
                        height: 1.12 * style.size,
                        colour: NOTICE_LINE,
                    });
                }
                let (text, weight, size, colour) = (run.text, style.weight, style.size, style.colour);
                self.sheet.marks.push((part, Mark::Text { x, y: base, text, weight, size, colour }));
            }
            y += height;
        }
    }

    /// A block of text of its own.
    fn text(&mut self, nodes: &[Node<'_>], style: Style, column: Column, role: Role) {
        let runs = inline::runs(nodes, style, self.rem);
        let lines = inline::lines(&runs, column.width, self.faces);
        if lines.is_empty() {
            return;
        }
        let (top, height) = (self.y, lines.iter().map(Line::height).sum::<f32>());
        self.within(role, |flow| flow.draw(lines, column, Align::Left, top));
        self.y += height;
    }

    /// Side by side from here: each act in its column, and on below the longest.
    fn side_by_side(&mut self, columns: &[Column], mut act: impl FnMut(&mut Self, usize, Column)) {
        let (top, mut bottom) = (self.y, self.y);
        self.beside += 1;
        for (number, column) in columns.iter().enumerate() {
            self.y = top;
            act(self, number, *column);
            bottom = bottom.max(self.y);
        }
        self.beside -= 1;
        self.y = bottom;
    }

    // ---- blocks

    fn blocks(&mut self, parent: &Element<'_>, column: Column) {
        for element in parent.elements() {
            self.block(element, column);
        }
    }

    fn block(&mut self, element: &Element<'_>, column: Column) {
        if !is_printed(element) {
            return;
        }
        let rem = self.rem;
        match element.name {
            "aside" => self.status(element, column),
            "header" => self.header(element, column),
            "section" if element.has_class("bottom-line") => self.boxed(element, column),
            "section" | "footer" => {
                self.y += 0.375 * rem;
                self.rule(column);
                self.y += 0.25 * rem;
                self.within(Role::Section, |flow| flow.blocks(element, column));
                self.may_end();
            }
            "hgroup" => self.titled(element, column),
            "h1" => self.heading(element, 1, 1.375, column),
            "h2" => self.heading(element, 2, 1.0625, column),
            "h3" => self.heading(element, 3, 0.9375, column),
            "p" => self.paragraph(element, column),
            "ul" if element.has_class("tiles") => self.tiles(element, column),
            "ul" if element.has_class("limits") => self.list_in_two(element, column),
            "ul" => {
                let items: Vec<&Element<'_>> = element.elements().collect();
                self.within(Role::List, |flow| flow.items(&items, column));
            }
            "dl" => self.definitions(element, column),
            "table" => self.table(element, column, 1),
            "figure" => self.figure(element, column),
            "div" if element.has_class("split") => {
                let right = 20.0 * rem;
                let left = column.width - right - 1.25 * rem;
                let columns = [
                    Column { width: left, ..column },
                    Column { x: column.x + column.width - right, width: right },
                ];
                let children: Vec<&Element<'_>> = element.elements().collect();
                self.side_by_side(&columns, |flow, number, column| {
                    if let Some(child) = children.get(number) {
                        flow.block(child, column);
                    }
                });
                self.may_end();
            }
            "div" if element.has_class("figures") => self.in_columns(element, column, 2, 0.5),
            "div" if element.has_class("risks") => {
                self.in_columns(element, column, self.fitting(column, 20.0), 1.5);
            }
            "div" if element.has_class("columns") => {
                for table in element.elements() {
                    self.table(table, column, 2);
                }
            }
            _ => self.blocks(element, column),
        }
    }

    fn heading(&mut self, element: &Element<'_>, level: u8, size: f32, column: Column) {
        let style = Style::plain(size * self.rem).bold();
        self.text(&element.children, style, column, Role::Heading(level));
        self.y += 0.0625 * self.rem;
    }

    fn paragraph(&mut self, element: &Element<'_>, column: Column) {
        let rem = self.rem;
        let style = match () {
            () if element.has_class("kicker") => Style::plain(0.75 * rem).bold().coloured(ACCENT),
            () if element.has_class("big") => Style::plain(1.375 * rem).bold(),
            () => self.text_style().within(element, rem),
        };
        self.text(&element.children, style, column, Role::Paragraph);
        self.y += 0.125 * rem;
        self.may_end();
    }

    /// The line above everything, in a frame.
    fn status(&mut self, element: &Element<'_>, column: Column) {
        let (top, pad) = (self.y, 0.5 * self.rem);
        self.y += 0.125 * self.rem;
        let inner = Column { x: column.x + pad, width: column.width - 2.0 * pad };
        for paragraph in element.elements() {
            self.text(&paragraph.children, self.text_style(), inner, Role::Paragraph);
        }
        self.y += 0.125 * self.rem;
        self.decorate(Mark::Frame {
            x: column.x,
            y: top,
            width: column.width,
            height: self.y - top,
            colour: INK,
        });
    }

    /// Title with the kind of the report at its right, then the facts in five columns.
    fn header(&mut self, element: &Element<'_>, column: Column) {
        self.y += 0.375 * self.rem;
        for child in element.elements().filter(|child| is_printed(child)) {
            if child.has_class("kicker") {
                let style = Style::plain(0.75 * self.rem).bold().coloured(ACCENT);
                let runs = inline::runs(&child.children, style, self.rem);
                let lines = inline::lines(&runs, column.width, self.faces);
                let top = self.y + 0.3 * self.rem;
                self.within(Role::Paragraph, |flow| flow.draw(lines, column, Align::Right, top));
            } else {
                self.block(child, column);
            }
        }
        self.y += 0.25 * self.rem;
    }

    fn definitions(&mut self, element: &Element<'_>, column: Column) {
        let rem = self.rem;
        if element.has_class("facts") {
            self.rule(column);
            self.y += 0.25 * rem;
            self.in_columns(element, column, 5, 1.0);
            return;
        }
        let term = Style::plain(0.75 * rem).coloured(SOFT);
        // inside of a fact, the term stands above what it says; elsewhere beside it
        let beside = if element.has_class("fine") { 9.0 * rem } else { 0.0 };
        let said = Column { x: column.x + beside, width: column.width - beside };
        for child in element.elements() {
            if child.name == "dt" {
                let top = self.y;
                self.text(&child.children, term, column, Role::Paragraph);
                if beside > 0.0 {
                    self.y = top;
                }
            } else {
                self.text(&child.children, self.text_style(), said, Role::Paragraph);
            }
        }
    }

    /// The bottom line, in a frame with a bar at its left.
    fn boxed(&mut self, element: &Element<'_>, column: Column) {
        let (top, pad) = (self.y, 0.75 * self.rem);
        self.y += 0.375 * self.rem;
        let inner = Column { x: column.x + pad, width: column.width - 2.0 * pad };
        self.within(Role::Section, |flow| {
            for child in element.elements() {
                if child.name == "p" {
                    flow.text(&child.children, Style::plain(0.9375 * flow.rem), inner, Role::Paragraph);
                    flow.y += 0.125 * flow.rem;
                } else {
                    flow.block(child, inner);
                }
            }
        });
        self.y += 0.25 * self.rem;
        let height = self.y - top;
        self.decorate(Mark::Frame { x: column.x, y: top, width: column.width, height, colour: LINE });
        let colour = if element.has_class("none") { super::style::PRESENT } else { ACCENT };
        self.decorate(Mark::Area { x: column.x, y: top, width: 3.0, height, colour });
        self.may_end();
    }

    /// How many columns of at least so many `rem` fit, one at least.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few columns")]
    fn fitting(&self, column: Column, least: f32) -> usize {
        ((column.width / (least * self.rem)) as usize).max(1)
    }

    /// The element's children, row by row in so many columns.
    fn in_columns(&mut self, element: &Element<'_>, column: Column, most: usize, gap: f32) {
        let children: Vec<&Element<'_>> = element.elements().filter(|child| is_printed(child)).collect();
        let count = most.min(children.len()).max(1);
        let columns = equal(column, count, gap * self.rem);
        for row in children.chunks(count) {
            self.side_by_side(&columns[..row.len()], |flow, number, column| {
                let child = row[number];
                if child.elements().any(|one| one.name == "dt") {
                    flow.fact(child, column);
                } else {
                    flow.block(child, column);
                }
            });
            self.y += 0.125 * self.rem;
            self.may_end();
        }
    }

    /// A term above what it says.
    fn fact(&mut self, element: &Element<'_>, column: Column) {
        for child in element.elements() {
            let style = match child.name {
                "dt" => Style::plain(0.75 * self.rem).coloured(SOFT),
                _ => self.text_style().bold(),
            };
            self.text(&child.children, style, column, Role::Paragraph);
        }
    }

    /// The picture with what stands below it.
    fn figure(&mut self, element: &Element<'_>, column: Column) {
        for child in element.elements().filter(|child| is_printed(child) && !child.has_class("looked")) {
            match child.name {
                "svg" if child.has_class("picture") => self.picture(child, column),
                "figcaption" => {
                    let style = Style::plain(0.75 * self.rem).coloured(SOFT);
                    self.y += 0.125 * self.rem;
                    self.text(&child.children, style, column, Role::Caption);
                }
                _ => {}
            }
        }
    }

    fn picture(&mut self, svg: &Element<'_>, column: Column) {
        let (wide, high) = vector::size(svg);
        let height = (column.width * high / wide).min(30.0 * self.rem);
        let width = height * wide / high;
        let part = self.begin(Role::Figure(svg.attribute("aria-label").unwrap_or_default().to_owned()));
        self.end();
        let has_overlay =
            svg.elements().any(|one| one.attribute("href") == Some("#heat") && !one.has_class("heat"));
        let which = [Some(Which::Radiograph), has_overlay.then_some(Which::Overlay)];
        for which in which.into_iter().flatten() {
            let mark = Mark::Picture { x: column.x, y: self.y, width, height, which };
            self.sheet.marks.push((Some(part), mark));
        }
        self.y += height;
    }
}

/// So many columns of the same width.
fn equal(column: Column, count: usize, gap: f32) -> Vec<Column> {
    let count_f = count.max(1) as f32;
    let width = (column.width - gap * (count_f - 1.0)) / count_f;
    (0..count.max(1)).map(|number| Column { x: column.x + number as f32 * (width + gap), width }).collect()
}
