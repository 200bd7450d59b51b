//! From shapes to stored values: density, opacity, blur, noise, twelve bits.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::anatomy::{Build, Place, rise};
use super::{Opacity, PIXEL_SPACING_MM, SIDE, WHITE};

/// Standard deviation of the noise, as a part of the whole range.
const NOISE: f64 = 0.010;

/// Draws the phantom: rows from the top, values from 0 (black, air) to [`WHITE`].
pub fn draw(seed: u64, opacity: Option<Opacity>) -> Vec<u16> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let build = Build::new(&mut random);
    let mut picture = Vec::with_capacity(SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let place = Place { x: coordinate(column), y: coordinate(row) };
            let lesion = opacity.map_or(0.0, |opacity| lesion(opacity, place));
            picture.push(build.density(place) + lesion * 0.3 * build.lung(place));
        }
    }
    let picture = blur(&picture);
    picture.into_iter().map(|density| stored(density + noise(&mut random))).collect()
}

fn coordinate(index: usize) -> f64 {
    (index as f64 + 0.5) / SIDE as f64 * 2.0 - 1.0
}

/// How much of the opacity a place shows: a ball with a soft edge.
fn lesion(opacity: Opacity, place: Place) -> f64 {
    let half = opacity.diameter_mm / PIXEL_SPACING_MM / SIDE as f64;
    let (x, y) = (place.x - (opacity.x * 2.0 - 1.0), place.y - (opacity.y * 2.0 - 1.0));
    let distance = (x * x + y * y).sqrt() / half.max(1e-6);
    let ball = (1.0 - (distance * distance).min(1.0)).sqrt();
    (0.6 + 0.4 * ball) * (1.0 - rise(distance, 0.85, 1.1)) * opacity.density.clamp(0.0, 1.0)
}

/// The mean of three by three: focus and detector are not points.
fn blur(picture: &[f64]) -> Vec<f64> {
    let at = |row: usize, column: usize| picture[row.min(SIDE - 1) * SIDE + column.min(SIDE - 1)];
    let mut blurred = Vec::with_capacity(picture.len());
    for row in 0..SIDE {
        for column in 0..SIDE {
            let rows = [row.saturating_sub(1), row, row + 1];
            let columns = [column.saturating_sub(1), column, column + 1];
            let sum: f64 = rows.iter().flat_map(|row| columns.iter().map(|column| at(*row, *column))).sum();
            blurred.push(sum / 9.0);
        }
    }
    blurred
}

/// Nearly normal: the sum of four uniform numbers.
fn noise(random: &mut impl Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| random.random_range(-0.5..0.5)).sum();
    sum * NOISE * 3.0_f64.sqrt()
}

/// The stored value of a density, with the contrast of a film: flat at both ends.
fn stored(density: f64) -> u16 {
    let grey = rise(density, -0.12, 1.12) * 0.55 + density.clamp(0.0, 1.0) * 0.45;
    let value = (grey * f64::from(WHITE)).round().clamp(0.0, f64::from(WHITE));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped in the line above")]
    let value = value as u16;
    value
}
