//! The picture itself: the radiograph with the overlay blended in, between two bands of text that nobody can switch off.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_7X13, FONT_9X15_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::Baseline;
use embedded_graphics::text::renderer::TextRenderer as _;
use image::{DynamicImage, ImageFormat, RgbaImage, load_from_memory_with_format};

/// The narrowest that a label can be read on, in pixels.
const LEAST_WIDTH: usize = 320;
/// The longest side that is drawn, in pixels: what a report stores is far smaller.
const MOST_SIDE: u32 = 4096;
/// Around text, in pixels.
const GAP: usize = 6;
/// Bytes of a pixel, and of one of the map, which has its opacity too.
const BYTES: usize = 3;
const HEAT_BYTES: usize = 4;
/// Colour of the label: seen on grey and on warm.
const LABEL: Rgb888 = Rgb888::new(255, 214, 64);
/// Colour of what stands below.
const CAPTION: Rgb888 = Rgb888::new(225, 225, 225);

/// Red, green, blue; a byte each, row by row.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

/// Where picture and text go.
struct Layout {
    width: usize,
    height: usize,
    /// Where the picture begins.
    top: usize,
    above: Vec<String>,
    below: Vec<String>,
}

impl Layout {
    /// Around a picture of this size.
    fn of((across, down): (usize, usize), label: &str, captions: &[String]) -> Self {
        // an image in DICOM has an even number of bytes, whatever its height
        let width = across.max(LEAST_WIDTH).next_multiple_of(2);
        let above = wrapped(label, &FONT_9X15_BOLD, width);
        let below: Vec<String> = captions.iter().flat_map(|text| wrapped(text, &FONT_7X13, width)).collect();
        let top = band(above.len(), &FONT_9X15_BOLD);
        let height = top + down + band(below.len(), &FONT_7X13);
        Self { width, height, top, above, below }
    }
}

/// Width and height of what [`draw`] gives, by the head of the radiograph's PNG file alone; `None` where it is none.
pub(super) fn size(radiograph: &[u8], label: &str, captions: &[String]) -> Option<(usize, usize)> {
    // signature and first chunk (<https://www.w3.org/TR/png-3/#11IHDR>)
    let header = radiograph.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let side_at = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (across, down) = (side_at(0)?, side_at(4)?);
    let is_one = fits(across) && fits(down);
    let layout = is_one.then(|| Layout::of((side(across), side(down)), label, captions))?;
    Some((layout.width, layout.height))
}

/// Draws both PNG files on top of each other, with `label` above and `captions` below; `None` where one is no picture.
pub(super) fn draw(radiograph: &[u8], heat: &[u8], label: &str, captions: &[String]) -> Option<Canvas> {
    let (radiograph, heat) = (read(radiograph)?, read(heat)?.into_rgba8());
    let radiograph = Backdrop::of(radiograph);
    let (across, down) = (radiograph.width, radiograph.height);
    let Layout { width, height, top, above, below } = Layout::of((across, down), label, captions);
    let mut canvas = Canvas { width, height, pixels: vec![0; width * height * BYTES] };
    canvas.lines(GAP, &above, &FONT_9X15_BOLD, LABEL);
    canvas.lines(top + down + GAP, &below, &FONT_7X13, CAPTION);
    let left = (width - across) / 2;
    let mut warmth = Warmth::new(heat, across, down);
    for (y, row) in radiograph.pixels.chunks_exact(across * radiograph.channels).enumerate() {
        let begin = ((top + y) * width + left) * BYTES;
        let line = &mut canvas.pixels[begin..begin + across * BYTES];
        let pixels = row.chunks_exact(radiograph.channels).zip(line.chunks_exact_mut(BYTES));
        for ((under, pixel), warm) in pixels.zip(warmth.row(y)) {
            for (channel, value) in pixel.iter_mut().enumerate() {
                let under = under[channel.min(radiograph.channels - 1)];
                *value = if warm[BYTES] == 0 { under } else { blended(under, warm[channel], warm[BYTES]) };
            }
        }
    }
    Some(canvas)
}

/// The map at the size of the picture: between its pixels along lines, in whole numbers, so that every machine gives the same
/// bytes. One of the picture's own size is what it is.
struct Warmth {
    heat: RgbaImage,
    /// Which pixel of the map lies left of each column of the picture and which right of it, and how near the right one is.
    columns: Vec<(usize, usize, u32)>,
    down: usize,
    above: Stretched,
    below: Stretched,
    /// The row of the picture.
    row: Vec<u8>,
}

/// A row of the map as wide as the picture, in 256ths of a level.
#[derive(Default)]
struct Stretched {
    /// Which row.
    of: Option<usize>,
    levels: Vec<u16>,
}

impl Stretched {
    /// Becomes this row, where it is not yet.
    fn be(&mut self, y: usize, heat: &RgbaImage, columns: &[(usize, usize, u32)]) {
        if self.of.replace(y) == Some(y) {
            return;
        }
        let wide = side(heat.width());
        let row = &heat.as_raw().as_chunks::<HEAT_BYTES>().0[y * wide..(y + 1) * wide];
        self.levels.clear();
        self.levels.extend(columns.iter().flat_map(|(left, right, share)| {
            let (left, right) = (&row[*left], &row[*right]);
            std::array::from_fn::<u16, HEAT_BYTES, _>(|at| {
                let level = mixed(u32::from(left[at]), u32::from(right[at]), *share);
                u16::try_from(level).unwrap_or(u16::MAX)
            })
        }));
    }
}

impl Warmth {
    fn new(heat: RgbaImage, across: usize, down: usize) -> Self {
        let wide = side(heat.width());
        let columns = (0..across).map(|x| near(x, across, wide)).collect();
        let (above, below) = (Stretched::default(), Stretched::default());
        Self { heat, columns, down, above, below, row: Vec::with_capacity(across * HEAT_BYTES) }
    }

    /// What lies over the picture's row `y`.
    fn row(&mut self, y: usize) -> &[[u8; HEAT_BYTES]] {
        let (above, below, share) = near(y, self.down, side(self.heat.height()));
        if self.below.of == Some(above) {
            std::mem::swap(&mut self.above, &mut self.below);
        }
        self.above.be(above, &self.heat, &self.columns);
        self.below.be(below, &self.heat, &self.columns);
        self.row.clear();
        self.row.extend(self.above.levels.iter().zip(&self.below.levels).map(|(above, below)| {
            let level = mixed(u32::from(*above), u32::from(*below), share);
            u8::try_from(level.wrapping_add(WHOLE * WHOLE / 2) / (WHOLE * WHOLE)).unwrap_or(u8::MAX)
        }));
        self.row.as_chunks::<HEAT_BYTES>().0
    }
}

/// Shares are in so many parts.
const WHOLE: u32 = 256;

/// The two of `few` places that lie around place `at` of `many`, the middles of their ends upon each other, and how near the
/// second is in 256ths.
fn near(at: usize, many: usize, few: usize) -> (usize, usize, u32) {
    let parts = side(WHOLE);
    let middle = (2 * at + 1) * few * parts / (2 * many.max(1));
    let place = middle.saturating_sub(parts / 2).min((few - 1) * parts);
    let share = u32::try_from(place % parts).unwrap_or_default();
    (place / parts, (place / parts + 1).min(few - 1), share)
}

/// Both by their shares, 256 times as large; of levels, and of levels that are 256 times as large already, it has room.
fn mixed(one: u32, other: u32, share: u32) -> u32 {
    one.wrapping_mul(WHOLE.wrapping_sub(share)).wrapping_add(other.wrapping_mul(share))
}

/// What the map is laid over: one sample a pixel, or three.
struct Backdrop {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Backdrop {
    fn of(image: DynamicImage) -> Self {
        let (width, height) = (side(image.width()), side(image.height()));
        match image {
            DynamicImage::ImageLuma8(grey) => Self { width, height, channels: 1, pixels: grey.into_raw() },
            other => Self { width, height, channels: BYTES, pixels: other.into_rgb8().into_raw() },
        }
    }
}

/// A PNG file with at least one pixel and not too many.
fn read(png: &[u8]) -> Option<DynamicImage> {
    let image = load_from_memory_with_format(png, ImageFormat::Png).ok()?;
    (fits(image.width()) && fits(image.height())).then_some(image)
}

fn fits(side: u32) -> bool {
    (1..=MOST_SIDE).contains(&side)
}

/// `over` lies on `under` with this opacity; whole numbers, so that every machine gives the same byte.
fn blended(under: u8, over: u8, opacity: u8) -> u8 {
    let (under, over, opacity) = (u32::from(under), u32::from(over), u32::from(opacity));
    let rest = 255_u32.wrapping_sub(opacity);
    let sum = over.wrapping_mul(opacity).wrapping_add(under.wrapping_mul(rest)).wrapping_add(127);
    u8::try_from(sum / 255).unwrap_or(u8::MAX)
}

/// The text in lines that fit, broken between words where it can be.
fn wrapped(text: &str, font: &MonoFont<'_>, width: usize) -> Vec<String> {
    let letters = (width.saturating_sub(2 * GAP) / side(font.character_size.width)).max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        for piece in word.chunks(letters) {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + piece.len() <= letters => {
                    line.push(' ');
                    line.extend(piece);
                }
                _ => lines.push(piece.iter().collect()),
            }
        }
    }
    lines
}

/// Height of a band of so many lines.
fn band(lines: usize, font: &MonoFont<'_>) -> usize {
    lines * side(font.character_size.height) + 2 * GAP
}

fn side(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, colour: [u8; BYTES]) {
        let at = (y * self.width + x) * BYTES;
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(at..at + BYTES)
        {
            pixel.copy_from_slice(&colour);
        }
    }

    fn lines(&mut self, top: usize, lines: &[String], font: &MonoFont<'_>, colour: Rgb888) {
        for (number, line) in lines.iter().enumerate() {
            let top = top + number * side(font.character_size.height);
            let place = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
            let style = MonoTextStyle::new(font, colour);
            // drawing on this canvas cannot fail; a letter that the font lacks becomes a question mark
            let _drawn: Result<Point, Infallible> =
                style.draw_string(line, Point::new(place(GAP), place(top)), Baseline::Top, self);
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        let length = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Size::new(length(self.width), length(self.height))
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.set(x, y, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma, Rgba, RgbaImage};

    use super::*;

    fn png(write: impl Fn(&mut std::io::Cursor<Vec<u8>>) -> image::ImageResult<()>) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        write(&mut bytes).expect("a PNG");
        bytes.into_inner()
    }

    #[test]
    fn heat_lies_over_grey_and_text_beside_it() {
        let grey = GrayImage::from_pixel(400, 100, Luma([100]));
        let heat = RgbaImage::from_fn(200, 50, |x, _| Rgba([255, 0, 0, if x < 100 { 0 } else { 255 }]));
        let grey = png(|to| grey.write_to(to, ImageFormat::Png));
        let heat = png(|to| heat.write_to(to, ImageFormat::Png));
        let canvas = draw(&grey, &heat, "label", &["caption".into()]).expect("a picture");
        let (top, bottom) = (band(1, &FONT_9X15_BOLD), band(1, &FONT_7X13));
        assert_eq!((canvas.width, canvas.height), (400, 100 + top + bottom));
        let pixel = |x: usize, y: usize| &canvas.pixels[(y * canvas.width + x) * 3..][..3];
        assert_eq!(pixel(0, top), [100, 100, 100]);
        assert_eq!(pixel(198, top + 99), [100, 100, 100]);
        assert_eq!(pixel(201, top), [255, 0, 0]);
        let between = [pixel(199, top)[0], pixel(200, top)[0]];
        assert!(100 < between[0] && between[0] < between[1] && between[1] < 255, "{between:?}");
        let inked = |from: usize, to: usize| (from..to).any(|y| (0..400).any(|x| pixel(x, y) != [0, 0, 0]));
        assert!(inked(0, top) && inked(top + 100, canvas.height));
        assert!(!inked(top + 100 + bottom - GAP, canvas.height));
        let captions = ["caption".to_owned()];
        assert_eq!(size(&grey, "label", &captions), Some((canvas.width, canvas.height)), "by its head alone");
        assert!(size(&grey[..20], "label", &captions).is_none() && size(b"no picture", "", &[]).is_none());
        assert!(draw(b"no picture", &heat, "label", &[]).is_none());
        assert!(draw(&grey, b"", "label", &[]).is_none());
    }

    #[test]
    fn a_narrow_picture_has_room_for_its_label() {
        let one = png(|to| GrayImage::from_pixel(1, 3, Luma([9])).write_to(to, ImageFormat::Png));
        let canvas =
            draw(&one, &one, "a label that is longer than one line of it can be", &[]).expect("a picture");
        assert_eq!(canvas.width, LEAST_WIDTH);
        assert_eq!(canvas.pixels.len() % 2, 0);
    }

    #[test]
    fn a_map_of_the_pictures_size_is_what_it_is_and_any_other_stays_in_its_range() {
        let heat = |width, height| {
            RgbaImage::from_fn(width, height, |x, y| {
                Rgba([255, u8::try_from(x).unwrap(), 0, u8::try_from(3 * y + 1).unwrap()])
            })
        };
        let own = heat(60, 40);
        let mut same = Warmth::new(own.clone(), 60, 40);
        for y in 0..40_usize {
            let row = own.rows().nth(y).expect("a row");
            assert!(row.zip(same.row(y)).all(|(pixel, seen)| pixel.0 == *seen), "{y}");
        }
        let mut larger = Warmth::new(heat(7, 5), 61, 46);
        let mut before = [0; HEAT_BYTES];
        for y in 0..46 {
            let row = larger.row(y);
            assert_eq!((row[0][1], row[60][1], row.len()), (0, 6, 61));
            assert!(row.is_sorted_by_key(|pixel| pixel[1]) && row.iter().all(|pixel| pixel[0] == 255));
            assert!(before[3] <= row[0][3]);
            before = row[0];
        }
        assert_eq!(before[3], 13);
        let mut smaller = Warmth::new(heat(60, 40), 1, 1);
        assert_eq!(smaller.row(0).len(), 1);
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("one two three", &FONT_9X15_BOLD, 9 * 8 + 12), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh", &FONT_9X15_BOLD, 9 * 3 + 12), ["abc", "def", "gh"]);
        assert!(wrapped(" ", &FONT_9X15_BOLD, 100).is_empty());
    }

    #[test]
    fn blending_keeps_its_ends() {
        assert_eq!([blended(10, 200, 0), blended(10, 200, 255), blended(0, 255, 128)], [10, 200, 128]);
    }
}
