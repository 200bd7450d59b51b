//! A drawing of lines, rectangles and text, in pixels from the upper left.

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// Text and axes.
pub(super) const INK: Colour = [34, 34, 34];
/// What is said beside.
pub(super) const GREY: Colour = [110, 110, 110];
/// The grid.
pub(super) const PALE: Colour = [226, 226, 226];
/// Blue and vermilion of Okabe and Ito's palette, which colour-blind readers tell apart.
pub(super) const BLUE: Colour = [0, 114, 178];
/// See [`BLUE`].
pub(super) const ORANGE: Colour = [213, 94, 0];

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Line {
        points: Vec<(f64, f64)>,
        width: f64,
        colour: Colour,
    },
    Rectangle {
        corner: (f64, f64),
        size: (f64, f64),
        colour: Colour,
    },
    /// The place is on the base line.
    Text {
        place: (f64, f64),
        anchor: Anchor,
        colour: Colour,
        text: String,
    },
}

/// What is drawn, in its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) size: (usize, usize),
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    pub(super) fn new(size: (usize, usize)) -> Self {
        Self { size, shapes: Vec::new() }
    }

    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, width: f64, colour: Colour) {
        self.shapes.push(Shape::Line { points, width, colour });
    }

    pub(super) fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), colour: Colour) {
        self.shapes.push(Shape::Rectangle { corner, size, colour });
    }

    pub(super) fn text(&mut self, place: (f64, f64), anchor: Anchor, colour: Colour, text: &str) {
        self.shapes.push(Shape::Text { place, anchor, colour, text: text.to_owned() });
    }
}
