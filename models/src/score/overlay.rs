//! A heat map for the eye and for a program: a PNG file over the picture, and an array.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::image::GreyImage;

/// The picture with the map over it, warm where the score is raised: a PNG file of the picture's size, or `None` where
/// the two differ in size.
pub fn png(picture: &GreyImage, map: &GreyImage) -> Option<Vec<u8>> {
    if (picture.width(), picture.height()) != (map.width(), map.height()) {
        return None;
    }
    let (width, height) = (u32::try_from(picture.width()).ok()?, u32::try_from(picture.height()).ok()?);
    let mut values = picture.pixels().iter().zip(map.pixels());
    let mut next = || values.next().map_or((0.0, 0.0), |(grey, heat)| (*grey, *heat));
    let overlay = RgbImage::from_fn(width, height, |_, _| {
        let (grey, heat) = next();
        // at most three fifths of a pixel are heat, so that the picture stays to be seen
        let share = 0.6 * heat;
        let mix = |warm: f32| level(grey * (1.0 - share) + warm * share);
        Rgb([mix(1.0), mix(0.75 - 0.5 * heat), mix(0.0)])
    });
    let mut bytes = Cursor::new(Vec::new());
    overlay.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}

/// The map as an array of `float32`, `[height, width]`, in NumPy's format 1.0 (`numpy.lib.format`).
pub fn npy(map: &GreyImage) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", map.height(), map.width());
    // magic, version, length and header are a multiple of 64 together, the header ends with a line feed
    let start = 10;
    let padding = 63 - (start + header.len()) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(map.pixels().iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped to 0..255")]
fn level(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}
