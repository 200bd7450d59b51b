//! Pictures that are not upright frontal chest radiographs, for the frontal
//! networks: radiographs turned, mirrored, cut or torn, drawn phantoms of other
//! views and body parts, noise, and photographs where the caller has some.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::augment::{Augmentation, Border, SOURCE_SIDE, Warp, display, warp};
use super::phantom;
use crate::image::GreyImage;

/// What a negative is made of.
pub(crate) struct Sources<'a> {
    /// Frontal radiographs of [`SOURCE_SIDE`].
    pub(crate) frontal: &'a [&'a GreyImage],
    /// Other pictures of [`SOURCE_SIDE`]; may be empty.
    pub(crate) photographs: &'a [&'a GreyImage],
}

const STILL: Warp = Warp { angle: 0.0, width: 1.0, height: 1.0, right: 0.0, down: 0.0 };

/// One negative of `side` x `side`.
pub(crate) fn draw(sources: &Sources, side: usize, rng: &mut ChaCha8Rng) -> GreyImage {
    let turn = std::f32::consts::FRAC_PI_2;
    let kind = rng.random_range(0..16);
    let picture = match kind {
        0 => {
            let quarter = rng.random_range(1..4_u8);
            radiograph(sources, Warp { angle: turn * f32::from(quarter), ..STILL }, rng)
        }
        1 => {
            let degrees = rng.random_range(35.0_f32..325.0);
            radiograph(sources, Warp { angle: degrees.to_radians(), ..STILL }, rng)
        }
        2 => radiograph(sources, Warp { height: -1.0, ..STILL }, rng),
        3 | 4 => {
            let seen = rng.random_range(0.12_f32..0.42);
            let slack = (1.0 - seen) / 2.0;
            let (right, down) = (rng.random_range(-slack..slack), rng.random_range(-slack..slack));
            radiograph(sources, Warp { width: seen, height: seen, right, down, ..STILL }, rng)
        }
        5 => {
            let seen = rng.random_range(1.9_f32..4.0);
            radiograph(sources, Warp { width: seen, height: seen, ..STILL }, rng)
        }
        6 => {
            let image = radiograph(sources, STILL, rng);
            let pixels = image.pixels().iter().map(|value| 1.0 - value).collect();
            GreyImage::clamped(image.width(), image.height(), pixels)
        }
        7 | 8 => {
            let right = if rng.random_bool(0.5) { 0.25 } else { -0.25 };
            let width = rng.random_range(0.4_f32..0.5);
            let right = right + rng.random_range(-0.04_f32..0.04);
            radiograph(sources, Warp { width, height: rng.random_range(0.85_f32..1.1), right, ..STILL }, rng)
        }
        9 => torn(&radiograph(sources, STILL, rng), rng),
        10 | 11 => phantom::lateral(SOURCE_SIDE, rng),
        12 => phantom::axial(SOURCE_SIDE, rng),
        13 => phantom::limb(SOURCE_SIDE, rng),
        14 => phantom::clouds(SOURCE_SIDE, rng),
        _ => pick(sources.photographs, rng).unwrap_or_else(|| phantom::clouds(SOURCE_SIDE, rng)),
    };
    // a little of everything, so that what is wrong is the content and not the sharpness
    let jitter = Warp {
        angle: rng.random_range(-8.0_f32..8.0).to_radians(),
        width: rng.random_range(0.9_f32..1.05),
        height: rng.random_range(0.9_f32..1.05),
        right: rng.random_range(-0.03_f32..0.03),
        down: rng.random_range(-0.03_f32..0.03),
    };
    display(&warp(&picture, side, jitter, Border::Replicate), &Augmentation::RADIOGRAPH, rng)
}

fn radiograph(sources: &Sources, view: Warp, rng: &mut ChaCha8Rng) -> GreyImage {
    let border = Border::Constant(rng.random_range(0.0_f32..0.15));
    match pick(sources.frontal, rng) {
        Some(image) => warp(&image, SOURCE_SIDE, view, border),
        None => phantom::clouds(SOURCE_SIDE, rng),
    }
}

fn pick(images: &[&GreyImage], rng: &mut ChaCha8Rng) -> Option<GreyImage> {
    (!images.is_empty()).then(|| images[rng.random_range(0..images.len())].clone())
}

/// The picture's tiles in another order.
fn torn(image: &GreyImage, rng: &mut ChaCha8Rng) -> GreyImage {
    let tiles = rng.random_range(2..5_usize);
    let mut order: Vec<usize> = (0..tiles * tiles).collect();
    order.rotate_left(rng.random_range(1..tiles * tiles));
    for last in (1..order.len()).rev() {
        if rng.random_bool(0.5) {
            order.swap(last, rng.random_range(0..=last));
        }
    }
    let (width, height) = (image.width(), image.height());
    let (step_x, step_y) = (width / tiles, height / tiles);
    let mut pixels = image.pixels().to_vec();
    for (to, from) in order.into_iter().enumerate() {
        for row in 0..step_y {
            let new = (to / tiles * step_y + row) * width + to % tiles * step_x;
            let old = (from / tiles * step_y + row) * width + from % tiles * step_x;
            pixels[new..new + step_x].copy_from_slice(&image.pixels()[old..old + step_x]);
        }
    }
    GreyImage::clamped(width, height, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::selftest;
    use rand::SeedableRng;

    #[test]
    fn every_kind_is_drawn_and_the_seed_decides() {
        let picture = selftest::picture(SOURCE_SIDE, SOURCE_SIDE);
        for sources in [
            Sources { frontal: &[&picture], photographs: &[&picture] },
            Sources { frontal: &[], photographs: &[] },
        ] {
            let series = |seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                (0..60).map(|_| draw(&sources, 32, &mut rng)).collect::<Vec<_>>()
            };
            assert_eq!(series(3), series(3));
            assert_ne!(series(3), series(4));
        }
    }
}
