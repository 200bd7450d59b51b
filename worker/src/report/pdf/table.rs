//! Tables: how wide each column is, and which lines are in each cell.

use super::dom::Element;
use super::face::Faces;
use super::inline::{self, Line, Run};
use super::style::{ABSENT, INDETERMINATE, PRESENT, SOFT, Style, is_printed};

/// A cell as it will be drawn.
pub(super) struct Cell<'e, 'a> {
    pub(super) element: &'e Element<'a>,
    pub(super) column: usize,
    pub(super) columns: usize,
    runs: Vec<Run<'e>>,
    pub(super) lines: Vec<Line>,
    /// A bar that stands in it.
    pub(super) svg: Option<&'e Element<'a>>,
}

/// A table as it will be drawn.
pub(super) struct Grid<'e, 'a> {
    pub(super) head: Vec<Cell<'e, 'a>>,
    pub(super) rows: Vec<Vec<Cell<'e, 'a>>>,
    /// Where each column begins and how wide it is, without the gap after it.
    pub(super) columns: Vec<(f32, f32)>,
}

/// What of the page's style sheet the columns of a table follow.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) rem: f32,
    /// How wide a bar's column is, as a share of the table.
    pub(super) meter: f32,
    /// Whether bars are shown at all.
    pub(super) has_meters: bool,
}

impl Cell<'_, '_> {
    pub(super) fn is_right(&self) -> bool {
        self.element.has_class("number")
    }

    fn is_whole(&self) -> bool {
        ["number", "date", "state"].iter().any(|class| self.element.has_class(class))
    }

    fn is_meter(&self) -> bool {
        self.element.has_class("meter")
    }

    pub(super) fn height(&self) -> f32 {
        self.lines.iter().map(Line::height).sum()
    }
}

impl<'e, 'a> Grid<'e, 'a> {
    /// Lays out a table, or some of its rows.
    pub(super) fn new(
        head: Option<&'e Element<'a>>,
        rows: &[&'e Element<'a>],
        width: f32,
        style: Style,
        rules: Rules,
        faces: &Faces<'_>,
    ) -> Self {
        let look = |row: &'e Element<'a>, style| cells(row, style, rules);
        let head_style = style.sized(0.75 * rules.rem).bold().coloured(SOFT);
        let head: Vec<Cell<'e, 'a>> = head.map(|row| look(row, head_style)).unwrap_or_default();
        let rows: Vec<Vec<Cell<'e, 'a>>> = rows.iter().map(|row| look(row, style)).collect();
        let mut grid = Self { head, rows, columns: Vec::new() };
        grid.columns = grid.widths(width, rules, faces);
        let columns = grid.columns.clone();
        for cell in grid.head.iter_mut().chain(grid.rows.iter_mut().flatten()) {
            cell.lines = inline::lines(&cell.runs, spanned(&columns, cell.column, cell.columns).1, faces);
        }
        grid
    }

    /// Columns of numbers, dates and states are as wide as they must be, those of bars as wide as the style sheet says; the
    /// others share what is left by what stands in them.
    fn widths(&self, width: f32, rules: Rules, faces: &Faces<'_>) -> Vec<(f32, f32)> {
        let all = || self.head.iter().chain(self.rows.iter().flatten());
        let count = all().map(|cell| cell.column + cell.columns).max().unwrap_or_default();
        let gap = 0.5 * rules.rem;
        let mut fixed: Vec<Option<f32>> = vec![None; count];
        let mut wants = vec![(0.0_f32, 0.0_f32); count];
        for cell in all().filter(|cell| cell.columns == 1) {
            let (whole, longest) = inline::widths(&cell.runs, faces);
            let column = cell.column;
            if cell.is_meter() {
                fixed[column] = Some((rules.meter * width).max(3.0 * rules.rem));
            } else if cell.is_whole() {
                fixed[column] = Some(fixed[column].unwrap_or_default().max(whole));
            }
            wants[column] = (wants[column].0.max(whole), wants[column].1.max(longest));
        }
        let gaps = gap * (count.max(1) - 1) as f32;
        let taken: f32 = fixed.iter().flatten().sum();
        let left = (width - gaps - taken).max(0.0);
        let free = || fixed.iter().zip(&wants).filter(|(fixed, _)| fixed.is_none()).map(|(_, want)| want);
        let (whole, longest): (f32, f32) =
            free().fold((0.0, 0.0), |sum, want| (sum.0 + want.0, sum.1 + want.1));
        let share = |want: &(f32, f32)| {
            if whole <= left {
                // all fit: what is over is shared
                want.0 + (left - whole) * want.0 / whole.max(1.0)
            } else if longest < left {
                // no word is broken, and the longest texts have the widest columns
                want.1 + (left - longest) * (want.0 - want.1) / (whole - longest).max(1.0)
            } else {
                left * want.1 / longest.max(1.0)
            }
        };
        let mut x = 0.0;
        let place = |(fixed, want): (&Option<f32>, &(f32, f32))| {
            let own = fixed.unwrap_or_else(|| share(want)).max(1.0);
            let begin = x;
            x += own + gap;
            (begin, own)
        };
        fixed.iter().zip(&wants).map(place).collect()
    }
}

/// Beginning and width of so many columns.
pub(super) fn spanned(columns: &[(f32, f32)], first: usize, count: usize) -> (f32, f32) {
    let last = (first + count.max(1) - 1).min(columns.len().saturating_sub(1));
    match (columns.get(first), columns.get(last)) {
        (Some(begin), Some(end)) => (begin.0, end.0 + end.1 - begin.0),
        _ => (0.0, 1.0),
    }
}

fn cells<'e, 'a>(row: &'e Element<'a>, style: Style, rules: Rules) -> Vec<Cell<'e, 'a>> {
    let mut column = 0;
    let mut cells = Vec::new();
    for element in row.elements().filter(|cell| rules.has_meters || !cell.has_class("meter")) {
        let columns = element.attribute("colspan").and_then(|count| count.parse().ok()).unwrap_or(1);
        let mut own = style;
        if row.has_class("quiet") {
            own = own.coloured(SOFT);
        }
        if element.has_class("state") {
            own = if element.has_class("absent") { own.coloured(ABSENT) } else { own.bold() };
        }
        if element.has_class("present") {
            own = own.coloured(PRESENT);
        }
        if element.has_class("indeterminate") {
            own = own.coloured(INDETERMINATE);
        }
        let runs = inline::runs(&element.children, own, rules.rem);
        let svg = element.elements().find(|child| child.name == "svg" && is_printed(child));
        cells.push(Cell { element, column, columns, runs, lines: Vec::new(), svg });
        column += columns;
    }
    cells
}
