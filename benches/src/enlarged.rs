//! The phantom of the demo at the size that detectors give: what goes through the whole worker is a radiograph of 2048 x 2048.

use std::io;
use std::path::Path;

use dicom_ingest::phantom;

/// Rows and columns.
pub const SIDE: usize = 2048;
/// How often a row or column is repeated.
const TIMES: usize = SIDE / phantom::SIDE;

/// Writes the phantom's file anew with each pixel repeated in both directions, half as far apart.
pub fn enlarge(path: &Path) -> io::Result<()> {
    let file = std::fs::read(path)?;
    let large = enlarged(&file).ok_or(io::ErrorKind::InvalidData)?;
    std::fs::write(path, large)
}

/// `None` where it is no file of the phantom, whose pixels come last and are explicit little endian.
fn enlarged(file: &[u8]) -> Option<Vec<u8>> {
    let rows = after(file, b"\x28\0\x10\0US\x02\0")?;
    let columns = after(file, b"\x28\0\x11\0US\x02\0")?;
    let length = after(file, b"\xE0\x7F\x10\0OW\0\0")?;
    let spacing = |mm: f64| format!("{mm}\\{mm}").into_bytes();
    let (apart, halved) =
        (spacing(phantom::PIXEL_SPACING_MM), spacing(phantom::PIXEL_SPACING_MM / TIMES as f64));
    let spaced = after(file, &apart)?;
    let (head, pixels) = file.split_at_checked(length + 4)?;
    let samples = pixels.as_chunks::<2>().0;
    if samples.len() != phantom::SIDE * phantom::SIDE || apart.len() != halved.len() {
        return None;
    }
    let mut large = head.to_vec();
    for place in [rows, columns] {
        large.get_mut(place..place + 2)?.copy_from_slice(&u16::try_from(SIDE).ok()?.to_le_bytes());
    }
    large.get_mut(spaced - halved.len()..spaced)?.copy_from_slice(&halved);
    let bytes = u32::try_from(2 * SIDE * SIDE).ok()?;
    large.get_mut(length..length + 4)?.copy_from_slice(&bytes.to_le_bytes());
    let sample = |pixel: usize| samples[pixel / SIDE / TIMES * phantom::SIDE + pixel % SIDE / TIMES];
    large.extend((0..SIDE * SIDE).flat_map(sample));
    Some(large)
}

/// Where a value begins whose tag, representation and, where it is short, length are these bytes.
fn after(file: &[u8], bytes: &[u8]) -> Option<usize> {
    file.windows(bytes.len()).position(|own| own == bytes).map(|place| place + bytes.len())
}
