//! A contact sheet: a row of small pictures a series, taken evenly from its whole length, with what the series is. No text of
//! people is on it, only numbers and the standard's words.

use std::convert::Infallible;

use dicom_ingest::series::Series;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_7X13;
use embedded_graphics::pixelcolor::Gray8;
use embedded_graphics::text::Baseline;
use embedded_graphics::text::renderer::TextRenderer;
use models::GreyImage;
use png::{BitDepth, ColorType, EncodingError};

/// Pictures in a row.
pub const PICTURES: usize = 6;
/// Rows of a sheet; of a study with more series the first ones are shown.
pub const MOST_ROWS: usize = 48;
/// Side of the square that a picture lies in, in pixels.
const SIDE: usize = 160;
/// Between pictures, in pixels.
const GAP: usize = 6;
/// Height of a row's title, in pixels.
const TITLE: usize = 18;
/// Letters of a title that fit.
const LETTERS: usize = (PICTURES * (SIDE + GAP) + GAP) / 7 - 2;
/// Grey of the sheet, of titles and of what stands in for a picture.
const GROUND: u8 = 28;
const TEXT: u8 = 235;
const FAINT: u8 = 150;
/// Greatest ratio of a picture's sides; longer ones are shown shorter.
const MOST_RATIO: f64 = 8.0;

/// A row of the sheet.
#[derive(Debug)]
pub struct Row {
    /// What the series is.
    pub title: String,
    /// Its pictures, at most [`PICTURES`].
    pub tiles: Vec<Tile>,
}

/// A picture, or why there is none.
#[derive(Debug)]
pub enum Tile {
    /// A picture and the ratio of its width to its height in the patient.
    Picture(GreyImage, f64),
    /// The code of what stands against it.
    Refused(String),
}

/// A picture of a series: the place of its instance among the series' files, and its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Index into [`Series::files`].
    pub file: usize,
    /// Index of the frame.
    pub frame: usize,
}

/// Pictures taken evenly from a series: along the volume where it is one, else in the study's order.
pub fn picks(series: &Series<'_>) -> Vec<Pick> {
    let all: Vec<Pick> = if let Some(Ok(plan)) = &series.volume {
        plan.members.iter().map(|member| Pick { file: member.instance, frame: member.frame }).collect()
    } else {
        let frames = series.instances().map(dicom_ingest::instance::Instance::images).enumerate();
        frames.flat_map(|(file, frames)| (0..frames).map(move |frame| Pick { file, frame })).collect()
    };
    let wanted = PICTURES.min(all.len());
    // the middle of each of equal parts
    (0..wanted).filter_map(|part| all.get((2 * part + 1) * all.len() / (2 * wanted)).copied()).collect()
}

/// What the series is, in one line.
pub fn title(series: &Series<'_>) -> String {
    let mut parts =
        vec![series.number.map_or_else(|| "series".to_owned(), |number| format!("series {number}"))];
    parts.extend(series.modalities.iter().cloned());
    parts.extend(series.orientations.iter().map(|orientation| orientation.as_str().to_owned()));
    parts.push(if series.images == 1 { "1 image".to_owned() } else { format!("{} images", series.images) });
    if let Some(step) = series.step_mm() {
        parts.push(format!("{step:.2} mm apart"));
    }
    if let Some(Err(refusal)) = &series.volume {
        parts.push(format!("no volume ({})", refusal.code));
    }
    parts.join(", ")
}

/// The sheet as a grey PNG file.
pub fn png(rows: &[Row]) -> Result<Vec<u8>, EncodingError> {
    let width = PICTURES * (SIDE + GAP) + GAP;
    let height = rows.len().max(1) * (TITLE + SIDE + GAP) + GAP;
    let mut sheet = Sheet { width, height, levels: vec![GROUND; width * height] };
    if rows.is_empty() {
        sheet.text(GAP, GAP, TEXT, "no images");
    }
    for (at, row) in rows.iter().enumerate() {
        let top = GAP + at * (TITLE + SIDE + GAP);
        sheet.text(GAP, top, TEXT, &row.title.chars().take(LETTERS).collect::<String>());
        for (place, tile) in row.tiles.iter().take(PICTURES).enumerate() {
            sheet.tile(GAP + place * (SIDE + GAP), top + TITLE, tile);
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(width), side(height));
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&sheet.levels)?;
    writer.finish()?;
    Ok(file)
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A grey canvas.
struct Sheet {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

impl Sheet {
    fn set(&mut self, x: usize, y: usize, level: u8) {
        if x < self.width
            && let Some(pixel) = self.levels.get_mut(y * self.width + x)
        {
            *pixel = level;
        }
    }

    fn tile(&mut self, left: usize, top: usize, tile: &Tile) {
        match tile {
            Tile::Picture(image, ratio) => {
                let (width, height) = fitted(*ratio);
                let small = models::preprocess::resize(image, width, height);
                let (left, top) = (left + (SIDE - width) / 2, top + (SIDE - height) / 2);
                for (at, value) in small.pixels().iter().enumerate() {
                    self.set(left + at % width, top + at / width, level(*value));
                }
            }
            Tile::Refused(code) => {
                for at in 0..SIDE {
                    for (x, y) in [(at, 0), (at, SIDE - 1), (0, at), (SIDE - 1, at)] {
                        self.set(left + x, top + y, FAINT);
                    }
                }
                self.text(left + GAP, top + SIDE / 2 - GAP, FAINT, code);
            }
        }
    }

    fn text(&mut self, left: usize, top: usize, level: u8, text: &str) {
        let ascii: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
        let place = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
        let style = MonoTextStyle::new(&FONT_7X13, Gray8::new(level));
        // drawing on this canvas cannot fail
        let _drawn: Result<Point, Infallible> =
            style.draw_string(&ascii, Point::new(place(left), place(top)), Baseline::Top, self);
    }
}

/// Width and height of the largest picture of this ratio in the square.
fn fitted(ratio: f64) -> (usize, usize) {
    let ratio = if ratio.is_finite() { ratio.clamp(1.0 / MOST_RATIO, MOST_RATIO) } else { 1.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the square's side"
    )]
    let part = |of: f64| ((SIDE as f64 * of).round() as usize).clamp(1, SIDE);
    if ratio >= 1.0 { (SIDE, part(1.0 / ratio)) } else { (part(ratio), SIDE) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is between 0 and 255")]
fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

impl OriginDimensions for Sheet {
    fn size(&self) -> Size {
        Size::new(side(self.width), side(self.height))
    }
}

impl DrawTarget for Sheet {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        use embedded_graphics::pixelcolor::GrayColor as _;
        for Pixel(at, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.set(x, y, colour.luma());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, load_from_memory_with_format};

    use super::*;

    #[test]
    fn pictures_lie_in_their_squares_with_their_ratio() {
        let white = || GreyImage::new(40, 10, vec![1.0; 400]).expect("an image");
        let rows = [
            Row { title: "series 1".into(), tiles: vec![Tile::Picture(white(), 4.0)] },
            Row { title: "x".repeat(1000), tiles: vec![Tile::Refused("ColourPixel".into())] },
        ];
        let sheet = png(&rows).expect("a PNG");
        let sheet = load_from_memory_with_format(&sheet, ImageFormat::Png).expect("a PNG").into_luma8();
        assert_eq!((sheet.width(), sheet.height()), (1002, 374));
        let at = |x: usize, y: usize| sheet.get_pixel(side(x), side(y)).0[0];
        let (left, top) = (GAP, GAP + TITLE);
        for (y, level) in [(59, GROUND), (60, 255), (99, 255), (100, GROUND)] {
            assert_eq!(at(left + 80, top + y), level, "{y}");
        }
        assert!((0..TITLE).any(|y| at(GAP + 3, GAP + y) == TEXT), "the title is there");
        let second = top + SIDE + GAP + TITLE;
        assert_eq!(at(left, second), FAINT);
        assert!((0..70).any(|x| at(left + GAP + x, second + SIDE / 2) == FAINT), "the code is there");
    }

    #[test]
    fn ratios_that_are_none_make_no_empty_picture() {
        for ratio in [f64::NAN, f64::INFINITY, 0.0, 1e9, -1.0] {
            let (width, height) = fitted(ratio);
            assert!((1..=SIDE).contains(&width) && (1..=SIDE).contains(&height), "{ratio}");
        }
    }
}
