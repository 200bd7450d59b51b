//! What of the page's style sheet holds on paper, for text: sizes in `rem`, weights, colours. `style.css` is the other
//! place of these values.

use super::dom::Element;
use super::face::Weight;

/// Red, green and blue, 0 to 255.
pub(super) type Colour = [u8; 3];

pub(super) const INK: Colour = [0, 0, 0];
pub(super) const SOFT: Colour = [0x40, 0x40, 0x40];
pub(super) const LINE: Colour = [0xc4, 0xc4, 0xc4];
pub(super) const ACCENT: Colour = [0x00, 0x55, 0x7f];
pub(super) const PRESENT: Colour = [0xa1, 0x40, 0x0a];
pub(super) const INDETERMINATE: Colour = [0x70, 0x53, 0x00];
pub(super) const ABSENT: Colour = [0x4f, 0x5b, 0x67];
pub(super) const NOTICE_LINE: Colour = [0xc7, 0x9a, 0x2b];
pub(super) const BAR: Colour = [0xe6, 0xe2, 0xd9];
pub(super) const ZONE: Colour = [0xcd, 0xc6, 0xb6];
pub(super) const FILL: Colour = [0x5f, 0x7f, 0x8c];
pub(super) const UP: Colour = [0xc2, 0x50, 0x0f];
pub(super) const DOWN: Colour = [0x00, 0x69, 0x9c];

/// How high a line is, of its letters' size.
pub(super) const LEADING: f32 = 1.17;

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    /// In points.
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) colour: Colour,
    /// Whether a frame is drawn around them.
    pub(super) is_flag: bool,
}

impl Style {
    pub(super) fn plain(size: f32) -> Self {
        Self { size, weight: Weight::Regular, colour: INK, is_flag: false }
    }

    pub(super) fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }

    pub(super) fn coloured(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    pub(super) fn sized(self, size: f32) -> Self {
        Self { size, ..self }
    }

    /// The style inside an element that stands in a line, by its name and classes.
    pub(super) fn within(self, element: &Element<'_>, rem: f32) -> Self {
        let mut style = self;
        if element.name == "strong" {
            style = style.bold();
        }
        if element.has_class("soft") || element.has_class("note") {
            style.colour = SOFT;
            style.weight = Weight::Regular;
        }
        if element.has_class("note") || element.has_class("mono") {
            style.size = style.size.min(0.75 * rem);
        }
        if element.has_class("flag") {
            style = Self { size: 0.75 * rem, is_flag: true, ..style };
        }
        style
    }
}

/// Whether it is on paper at all: not what can be clicked, what only a screen reader says, and what the style sheet takes away.
pub(super) fn is_printed(element: &Element<'_>) -> bool {
    let hidden = ["unseen", "what", "rule"];
    !matches!(element.name, "input" | "label" | "script" | "style" | "defs")
        && !hidden.iter().any(|class| element.has_class(class))
}
