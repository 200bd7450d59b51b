//! Headings with what stands beside them.

use super::super::dom::Element;
use super::super::inline;
use super::super::mark::Role;
use super::super::style::{LEADING, Style};
use super::{Align, Column, Flow};

impl Flow<'_> {
    /// A heading, and what stands beside it; below it where there is no room for it in one line.
    pub(super) fn titled(&mut self, element: &Element<'_>, column: Column) {
        let (top, gap) = (self.y, 0.75 * self.rem);
        let mut children = element.elements();
        let (Some(heading), note) = (children.next(), children.next()) else { return };
        self.block(heading, column);
        let Some(note) = note else { return };
        let bold = Style::plain(1.0625 * self.rem).bold();
        let title = inline::runs(&heading.children, bold, self.rem);
        let begin = inline::widths(&title, self.faces).0 + gap;
        let style = self.text_style().within(note, self.rem);
        let said = inline::runs(&note.children, style, self.rem);
        if begin + inline::widths(&said, self.faces).0 > column.width {
            self.block(note, column);
            return;
        }
        let lines = inline::lines(&said, column.width - begin, self.faces);
        // both stand on the heading's line
        let down = lines.first().map_or(0.0, |line| 0.65 * LEADING * (1.0625 * self.rem - line.size));
        let beside = Column { x: column.x + begin, width: column.width - begin };
        self.within(Role::Paragraph, |flow| flow.draw(lines, beside, Align::Left, top + down));
    }
}
