//! A plot as a PNG: its marks drawn point by point, text in capitals of 5 by 7 points.

use fusion::evaluation::plot::{Mark, Plot, SIZE};
use image::{ImageError, ImageFormat, Rgb, RgbImage};

/// Each point of a plot is so many of the picture.
const SCALE: u32 = 2;

/// The plot as the bytes of a PNG.
pub fn png(plot: &Plot) -> Result<Vec<u8>, ImageError> {
    let mut picture = Picture(RgbImage::from_pixel(pixel(SIZE.0), pixel(SIZE.1), Rgb([255; 3])));
    for mark in &plot.marks {
        picture.draw(mark);
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.0.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// A length of the plot in points of the picture; what is not finite or below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "plots have a few hundred points"
)]
fn pixel(length: f64) -> u32 {
    (length * f64::from(SCALE)).round().clamp(0.0, 1e6) as u32
}

struct Picture(RgbImage);

impl Picture {
    fn draw(&mut self, mark: &Mark) {
        match mark {
            Mark::Line { points, colour, dashed } => {
                let mut walked = 0.0;
                for pair in points.windows(2) {
                    walked = self.line(pair[0], pair[1], rgb(colour), *dashed, walked);
                }
            }
            Mark::Dot { at, radius, colour } => self.dot(*at, *radius, rgb(colour)),
            Mark::Bar { at, size, colour } => self.bar(*at, *size, rgb(colour)),
            Mark::Text { at, text } => self.text(*at, text),
        }
    }

    fn set(&mut self, x: u32, y: u32, colour: Rgb<u8>) {
        if x < self.0.width() && y < self.0.height() {
            self.0.put_pixel(x, y, colour);
        }
    }

    /// Half a point a step; `walked` points were drawn before, for the gaps of a broken line.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Rgb<u8>, dashed: bool, walked: f64) -> f64 {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while done <= length {
            let share = if length > 0.0 { done / length } else { 0.0 };
            if !dashed || (walked + done) % 7.0 < 4.0 {
                let at = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
                let (x, y) = (pixel(at.0), pixel(at.1));
                self.set(x, y, colour);
                self.set(x + 1, y, colour);
                self.set(x, y + 1, colour);
            }
            done += 0.25;
        }
        walked + length
    }

    fn dot(&mut self, at: (f64, f64), radius: f64, colour: Rgb<u8>) {
        for x in pixel(at.0 - radius)..=pixel(at.0 + radius) {
            for y in pixel(at.1 - radius)..=pixel(at.1 + radius) {
                let away =
                    (f64::from(x) / f64::from(SCALE) - at.0).hypot(f64::from(y) / f64::from(SCALE) - at.1);
                if away <= radius {
                    self.set(x, y, colour);
                }
            }
        }
    }

    fn bar(&mut self, at: (f64, f64), size: (f64, f64), colour: Rgb<u8>) {
        for x in pixel(at.0)..pixel(at.0 + size.0) {
            for y in pixel(at.1)..pixel(at.1 + size.1) {
                self.set(x, y, colour);
            }
        }
    }

    /// The base line is the lower edge of the letters.
    fn text(&mut self, at: (f64, f64), text: &str) {
        let (left, bottom) = (pixel(at.0), pixel(at.1));
        for (index, letter) in (0_u32..).zip(text.chars()) {
            let glyph = glyph(letter.to_ascii_uppercase());
            for (row, bits) in (0_u32..).zip(glyph) {
                for column in (0..5_u32).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let x = left + (index * 6 + column) * SCALE;
                    let y = (bottom + row * SCALE).saturating_sub(7 * SCALE);
                    for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                        self.set(x + right, y + down, Rgb([0; 3]));
                    }
                }
            }
        }
    }
}

/// `#rrggbb`; black where it is none.
fn rgb(colour: &str) -> Rgb<u8> {
    let part =
        |at: usize| colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
    Rgb([part(1), part(3), part(5)])
}

/// Seven rows of five points, the highest bit left. What has no glyph is a box.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        ' ' => [0, 0, 0, 0, 0, 0, 0],
        '.' => [0, 0, 0, 0, 0, 12, 12],
        ',' => [0, 0, 0, 0, 12, 4, 8],
        '-' => [0, 0, 0, 31, 0, 0, 0],
        ':' => [0, 12, 12, 0, 12, 12, 0],
        '%' => [24, 25, 2, 4, 8, 19, 3],
        '(' => [2, 4, 8, 8, 8, 4, 2],
        ')' => [8, 4, 2, 2, 2, 4, 8],
        '/' => [0, 1, 2, 4, 8, 16, 0],
        '+' => [0, 4, 4, 31, 4, 4, 0],
        '_' => [0, 0, 0, 0, 0, 0, 31],
        '=' => [0, 0, 31, 0, 31, 0, 0],
        '0' => [14, 17, 19, 21, 25, 17, 14],
        '1' => [4, 12, 4, 4, 4, 4, 14],
        '2' => [14, 17, 1, 2, 4, 8, 31],
        '3' => [31, 2, 4, 2, 1, 17, 14],
        '4' => [2, 6, 10, 18, 31, 2, 2],
        '5' => [31, 16, 30, 1, 1, 17, 14],
        '6' => [6, 8, 16, 30, 17, 17, 14],
        '7' => [31, 1, 2, 4, 8, 8, 8],
        '8' => [14, 17, 17, 14, 17, 17, 14],
        '9' => [14, 17, 17, 15, 1, 2, 12],
        'A' => [14, 17, 17, 17, 31, 17, 17],
        'B' => [30, 17, 17, 30, 17, 17, 30],
        'C' => [14, 17, 16, 16, 16, 17, 14],
        'D' => [28, 18, 17, 17, 17, 18, 28],
        'E' => [31, 16, 16, 30, 16, 16, 31],
        'F' => [31, 16, 16, 30, 16, 16, 16],
        'G' => [14, 17, 16, 23, 17, 17, 15],
        'H' => [17, 17, 17, 31, 17, 17, 17],
        'I' => [14, 4, 4, 4, 4, 4, 14],
        'J' => [7, 2, 2, 2, 2, 18, 12],
        'K' => [17, 18, 20, 24, 20, 18, 17],
        'L' => [16, 16, 16, 16, 16, 16, 31],
        'M' => [17, 27, 21, 21, 17, 17, 17],
        'N' => [17, 17, 25, 21, 19, 17, 17],
        'O' => [14, 17, 17, 17, 17, 17, 14],
        'P' => [30, 17, 17, 30, 16, 16, 16],
        'Q' => [14, 17, 17, 17, 21, 18, 13],
        'R' => [30, 17, 17, 30, 20, 18, 17],
        'S' => [15, 16, 16, 14, 1, 1, 30],
        'T' => [31, 4, 4, 4, 4, 4, 4],
        'U' => [17, 17, 17, 17, 17, 17, 14],
        'V' => [17, 17, 17, 17, 17, 10, 4],
        'W' => [17, 17, 17, 21, 21, 21, 10],
        'X' => [17, 17, 10, 4, 10, 17, 17],
        'Y' => [17, 17, 17, 10, 4, 4, 4],
        'Z' => [31, 1, 2, 4, 8, 16, 31],
        _ => [31, 17, 17, 17, 17, 17, 31],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_becomes_a_picture_with_its_marks() {
        let plot = Plot {
            name: "test",
            marks: vec![
                Mark::Bar { at: (10.0, 10.0), size: (20.0, 20.0), colour: "#ff0000" },
                Mark::Line { points: vec![(100.0, 50.0), (200.0, 50.0)], colour: "#0000ff", dashed: false },
                Mark::Text { at: (300.0, 100.0), text: "I".into() },
            ],
        };
        let picture = image::load_from_memory(&png(&plot).unwrap()).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (960, 800));
        assert_eq!(picture.get_pixel(40, 40), &Rgb([255, 0, 0]));
        assert_eq!(picture.get_pixel(300, 100), &Rgb([0, 0, 255]));
        assert_eq!(picture.get_pixel(604, 192), &Rgb([0, 0, 0]), "the stem of the letter");
        assert_eq!(picture.get_pixel(5, 5), &Rgb([255; 3]));
    }
}
