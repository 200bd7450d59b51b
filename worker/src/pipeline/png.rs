//! Grey values as PNG files: the radiograph, and the overlay that says where the network looked.

use models::GreyImage;
use png::{BitDepth, ColorType, Compression, EncodingError, Filter};

/// The picture in 256 grey levels.
pub(super) fn grey(image: &GreyImage) -> Result<Vec<u8>, EncodingError> {
    write(image, |encoder| encoder.set_color(ColorType::Grayscale))
}

/// Warm where the value is high, clear where it is not: 256 colours with transparency, a byte a pixel. Four bytes a pixel
/// would show the same and take three times as long to pack.
pub(super) fn heat(image: &GreyImage) -> Result<Vec<u8>, EncodingError> {
    let palette: Vec<u8> = (0..=u8::MAX).flat_map(|heat| [255, 190_u8.saturating_sub(heat / 2), 0]).collect();
    let alpha: Vec<u8> = (0..=u8::MAX).map(opacity).collect();
    write(image, move |encoder| {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(palette);
        encoder.set_trns(alpha);
    })
}

/// Three fifths of the heat to the nearest level, so that the picture stays to be seen.
fn opacity(heat: u8) -> u8 {
    u8::try_from((u16::from(heat) * 153 + 127) / 255).unwrap_or(u8::MAX)
}

fn write(
    image: &GreyImage,
    colours: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Result<Vec<u8>, EncodingError> {
    let levels: Vec<u8> = image.pixels().iter().map(|value| level(*value)).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(image.width()), side(image.height()));
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Paeth);
    colours(&mut encoder);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&levels)?;
    writer.finish()?;
    Ok(file)
}

fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is between 0 and 255")]
fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, load_from_memory_with_format};

    use super::*;

    #[test]
    fn another_reader_sees_the_same_pixels() {
        let values: Vec<f32> = (0..256_u16).map(|value| f32::from(value) / 255.0).collect();
        let picture = GreyImage::new(32, 8, values).expect("an image");
        let read = |png: Vec<u8>| load_from_memory_with_format(&png, ImageFormat::Png).expect("a PNG");
        let seen = read(grey(&picture).expect("a PNG")).into_luma8();
        assert_eq!((seen.width(), seen.height()), (32, 8));
        assert!(seen.pixels().zip(0..=u8::MAX).all(|(pixel, level)| pixel.0[0] == level));
        let seen = read(heat(&picture).expect("a PNG")).into_rgba8();
        for (pixel, level) in seen.pixels().zip(0..=u8::MAX) {
            assert_eq!(*pixel, Rgba([255, 190 - level / 2, 0, opacity(level)]), "{level}");
        }
    }
}
