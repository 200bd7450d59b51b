//! A drawing as PNG: lines with smooth edges, letters from a bitmap font.

use std::convert::Infallible;
use std::io::Cursor;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::Baseline;
use embedded_graphics::text::renderer::TextRenderer;
use image::{ImageFormat, Rgb, RgbImage};

use super::scene::{Anchor, Colour, Scene, Shape};

/// Width of a letter in pixels.
const LETTER: f64 = 10.0;

/// The picture could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("the figure could not be encoded as PNG")]
pub struct PlotError {
    source: image::ImageError,
}

/// The drawing as PNG.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (side(scene.size.0), side(scene.size.1));
    let mut canvas = Canvas { image: RgbImage::from_pixel(width, height, Rgb([255; 3])), colour: [0; 3] };
    for shape in &scene.shapes {
        match shape {
            Shape::Line { points, width, colour } => canvas.line(points, *width, *colour),
            Shape::Rectangle { corner, size, colour } => canvas.rectangle(*corner, *size, *colour),
            Shape::Text { place, anchor, colour, text } => canvas.text(*place, *anchor, *colour, text),
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    canvas.image.write_to(&mut bytes, ImageFormat::Png).map_err(|source| PlotError { source })?;
    Ok(bytes.into_inner())
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

struct Canvas {
    image: RgbImage,
    /// The colour of the text that is being drawn.
    colour: Colour,
}

impl Canvas {
    /// Draws a polyline; a pixel is covered by how far the line's edge is from its centre.
    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Colour) {
        let mut cover = std::collections::BTreeMap::new();
        let reach = width / 2.0 + 1.0;
        for pair in points.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let columns = self.span(a.0.min(b.0) - reach, a.0.max(b.0) + reach, self.image.width());
            for x in columns {
                for y in self.span(a.1.min(b.1) - reach, a.1.max(b.1) + reach, self.image.height()) {
                    let far = distance((f64::from(x) + 0.5, f64::from(y) + 0.5), a, b);
                    let own = (width / 2.0 + 0.5 - far).clamp(0.0, 1.0);
                    let covered = cover.entry((x, y)).or_insert(0.0_f64);
                    *covered = covered.max(own);
                }
            }
        }
        for ((x, y), part) in cover {
            self.blend(x, y, colour, part);
        }
    }

    fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), colour: Colour) {
        for y in self.span(corner.1, corner.1 + size.1, self.image.height()) {
            for x in self.span(corner.0, corner.0 + size.0, self.image.width()) {
                let inside = |at: u32, from: f64, long: f64| {
                    (f64::from(at) + 1.0).min(from + long) - f64::from(at).max(from)
                };
                let part =
                    inside(x, corner.0, size.0).clamp(0.0, 1.0) * inside(y, corner.1, size.1).clamp(0.0, 1.0);
                self.blend(x, y, colour, part);
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "places of a figure of some thousand pixels")]
    fn text(&mut self, place: (f64, f64), anchor: Anchor, colour: Colour, text: &str) {
        self.colour = colour;
        let ascii: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
        let wide = ascii.len() as f64 * LETTER;
        let left = match anchor {
            Anchor::Start => place.0,
            Anchor::Middle => place.0 - wide / 2.0,
            Anchor::End => place.0 - wide,
        };
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let at = Point::new(left.round() as i32, place.1.round() as i32);
        // drawing on this canvas cannot fail
        let _drawn: Result<Point, Infallible> = style.draw_string(&ascii, at, Baseline::Alphabetic, self);
    }

    /// Whole pixels from `low` to `high` that are on the canvas.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the canvas")]
    fn span(&self, low: f64, high: f64, most: u32) -> std::ops::Range<u32> {
        debug_assert!(self.image.width() > 0);
        let low = low.floor().clamp(0.0, f64::from(most)) as u32;
        let high = high.ceil().clamp(0.0, f64::from(most)) as u32;
        low..high
    }

    fn blend(&mut self, x: u32, y: u32, colour: Colour, part: f64) {
        let Some(pixel) = self.image.get_pixel_mut_checked(x, y) else { return };
        for (old, new) in pixel.0.iter_mut().zip(colour) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
            let mixed = (f64::from(*old) * (1.0 - part) + f64::from(new) * part).round() as u8;
            *old = mixed;
        }
    }
}

impl Dimensions for Canvas {
    fn bounding_box(&self) -> Rectangle {
        Rectangle::new(Point::zero(), Size::new(self.image.width(), self.image.height()))
    }
}

impl DrawTarget for Canvas {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, on) in pixels {
            if let (BinaryColor::On, Ok(x), Ok(y)) = (on, u32::try_from(at.x), u32::try_from(at.y)) {
                self.blend(x, y, self.colour, 1.0);
            }
        }
        Ok(())
    }
}

/// How far `point` is from the segment between `a` and `b`.
fn distance(point: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (x, y) = (b.0 - a.0, b.1 - a.1);
    let length = x * x + y * y;
    let along = if length > 0.0 { ((point.0 - a.0) * x + (point.1 - a.1) * y) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (point.0 - a.0 - along * x).hypot(point.1 - a.1 - along * y)
}
