//! Crops and resizes, each as one library makes it.

use super::pipeline::{Plane, Resampling, Step};
use crate::image::GreyImage;

/// Resizes by `rule`; a plane of that size already is returned as it is, as the libraries do.
pub(super) fn resize(plane: Plane, height: usize, width: usize, rule: Resampling) -> Plane {
    if (plane.height, plane.width) == (height, width) {
        return plane;
    }
    match rule {
        Resampling::TorchvisionBilinear => {
            by_taps(&plane, &triangle(plane.height, height), &triangle(plane.width, width))
        }
        Resampling::MonaiBilinear => {
            by_taps(&plane, &two_nearest(plane.height, height), &two_nearest(plane.width, width))
        }
        Resampling::MonaiArea => by_taps(&plane, &area(plane.height, height), &area(plane.width, width)),
        Resampling::SkimageLinear => skimage(&plane, height, width),
    }
}

/// torchvision's size for `Resize(side)`: the shorter side as asked, the longer cut down to whole pixels.
pub(super) fn shorter(height: usize, width: usize, side: usize) -> (usize, usize) {
    let (short, long) = (height.min(width), height.max(width));
    let long = (side * long / short.max(1)).clamp(1, crate::image::MAX_SIDE);
    if height <= width { (side, long) } else { (long, side) }
}

/// Where a crop of `high` x `wide` starts; before 0 where it pads.
#[expect(clippy::cast_possible_wrap, reason = "sides are at most 16,384")]
pub(super) fn crop_start(
    rows: usize,
    columns: usize,
    high: usize,
    wide: usize,
    step: &Step,
) -> (isize, isize) {
    let start = |side: usize, cut: usize| {
        let (side, cut) = (side as isize, cut as isize);
        match step {
            // `x // 2 - crop_size // 2`
            Step::CropSquare => side / 2 - cut / 2,
            // `(crop - side) // 2` zeros before, or `int(round((side - crop) / 2.0))` pixels in, halves to even
            _ if cut > side => -((cut - side) / 2),
            _ => {
                let half = (side - cut) / 2;
                if (side - cut) % 2 == 1 { half + half % 2 } else { half }
            }
        }
    };
    (start(rows, high), start(columns, wide))
}

/// The middle of a plane; zeros where there is nothing.
pub(super) fn crop(plane: &Plane, height: usize, width: usize, step: &Step) -> Plane {
    // torchvision pads first and then cuts the padded plane
    let padded = |side: usize, cut: usize| if cut > side { cut } else { side };
    let (rows, columns) = (padded(plane.height, height), padded(plane.width, width));
    let (top, left) = crop_start(rows, columns, height, width, step);
    let pad = |side: usize, cut: usize| cut.saturating_sub(side) / 2;
    let (above, before) = (pad(plane.height, height), pad(plane.width, width));
    let mut values = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            let row = y.checked_add_signed(top).and_then(|row| row.checked_sub(above));
            let column = x.checked_add_signed(left).and_then(|column| column.checked_sub(before));
            values.push(match (row, column) {
                (Some(row), Some(column)) if row < plane.height && column < plane.width => {
                    plane.values[row * plane.width + column]
                }
                _ => 0.0,
            });
        }
    }
    Plane { height, width, values }
}

/// The value of a picture between its pixels, bilinear, the border repeated; 0 where `v` and `u` are outside it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are clamped to the picture before the cast"
)]
pub(super) fn at(map: &GreyImage, v: f64, u: f64) -> f32 {
    let (last_row, last_column) = ((map.height() - 1) as f64, (map.width() - 1) as f64);
    if v < -0.5 || u < -0.5 || v > last_row + 0.5 || u > last_column + 0.5 {
        return 0.0;
    }
    let (v, u) = (v.clamp(0.0, last_row), u.clamp(0.0, last_column));
    let (top, left) = (v.floor() as usize, u.floor() as usize);
    let (below, right) = ((top + 1).min(map.height() - 1), (left + 1).min(map.width() - 1));
    let (down, along) = (v - top as f64, u - left as f64);
    let pixel = |row: usize, column: usize| f64::from(map.pixels()[row * map.width() + column]);
    let upper = pixel(top, left) * (1.0 - along) + pixel(top, right) * along;
    let lower = pixel(below, left) * (1.0 - along) + pixel(below, right) * along;
    (upper * (1.0 - down) + lower * down) as f32
}

/// The old values that make one new value.
struct Tap {
    first: usize,
    weights: Vec<f64>,
}

/// Rows first or columns first gives the same; sums are made in f64.
#[expect(clippy::cast_possible_truncation, reason = "back to the precision of pixels")]
fn by_taps(plane: &Plane, rows: &[Tap], columns: &[Tap]) -> Plane {
    let (height, width) = (rows.len(), columns.len());
    let mut narrow = Vec::with_capacity(plane.height * width);
    for line in plane.values.chunks_exact(plane.width) {
        for tap in columns {
            let own = tap.weights.iter().zip(&line[tap.first..]);
            narrow.push(own.map(|(weight, value)| weight * f64::from(*value)).sum::<f64>());
        }
    }
    let mut values = Vec::with_capacity(height * width);
    for tap in rows {
        for x in 0..width {
            let own = tap.weights.iter().enumerate();
            let sum: f64 = own.map(|(row, weight)| weight * narrow[(tap.first + row) * width + x]).sum();
            values.push(sum as f32);
        }
    }
    Plane { height, width, values }
}

/// PyTorch's antialiased bilinear filter: a triangle as wide as a new pixel, at least as an old one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are clamped to the plane before the cast"
)]
fn triangle(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f64 / new as f64;
    let support = scale.max(1.0);
    (0..new)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).floor().max(0.0) as usize;
            let end = ((centre + support + 0.5).floor() as usize).clamp(first + 1, old.max(first + 1));
            let raw: Vec<f64> = (first..end)
                .map(|pixel| (1.0 - ((pixel as f64 + 0.5 - centre) / support).abs()).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            Tap { first, weights: raw.iter().map(|weight| weight / sum).collect() }
        })
        .collect()
}

/// `interpolate(mode="bilinear", align_corners=False)`: the two nearest pixels, whatever the scale.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are clamped to the plane before the cast"
)]
fn two_nearest(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f64 / new as f64;
    (0..new)
        .map(|index| {
            let centre = ((index as f64 + 0.5) * scale - 0.5).clamp(0.0, (old - 1) as f64);
            let first = centre.floor() as usize;
            let along = centre - first as f64;
            let weights = if first + 1 < old { vec![1.0 - along, along] } else { vec![1.0] };
            Tap { first, weights }
        })
        .collect()
}

/// `adaptive_avg_pool`: the mean of the old pixels from floor(i old / new) to ceil((i + 1) old / new).
fn area(old: usize, new: usize) -> Vec<Tap> {
    (0..new)
        .map(|index| {
            let first = index * old / new;
            let end = ((index + 1) * old).div_ceil(new);
            Tap { first, weights: vec![1.0 / (end - first) as f64; end - first] }
        })
        .collect()
}

/// `skimage.transform.resize(mode="constant")`: a Gaussian where a side shrinks, then linear interpolation; zeros
/// around the plane; the result is kept within the plane's own range.
fn skimage(plane: &Plane, height: usize, width: usize) -> Plane {
    let sigma = |old: usize, new: usize| ((old as f64 / new as f64 - 1.0) / 2.0).max(0.0);
    let shrinks = height < plane.height || width < plane.width;
    // both are linear along each axis, so that one weighted sum does both, and only where a new pixel is
    let taps = |old: usize, new: usize| {
        let nearest = linear(old, new);
        if shrinks { compose(&nearest, &gaussian(old, sigma(old, new))) } else { nearest }
    };
    let mut out = by_taps(plane, &taps(plane.height, height), &taps(plane.width, width));
    let (low, high) = range(&plane.values);
    // zeros from outside widen the range where they lie beyond it and are met
    let (least, most) = range(&out.values);
    let meets = !(low..=high).contains(&0.0) && (least..=most).contains(&0.0);
    let (low, high) = if meets { (low.min(0.0), high.max(0.0)) } else { (low, high) };
    // a plane without any number has no range
    if low <= high {
        out.values.iter_mut().for_each(|value| *value = value.clamp(low, high));
    }
    out
}

/// What `outer` makes of what `inner` makes.
fn compose(outer: &[Tap], inner: &[Tap]) -> Vec<Tap> {
    outer
        .iter()
        .map(|tap| {
            let own = &inner[tap.first..tap.first + tap.weights.len()];
            let first = own.iter().map(|tap| tap.first).min().unwrap_or(0);
            let end = own.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(first);
            let mut weights = vec![0.0; end - first];
            for (share, tap) in tap.weights.iter().zip(own) {
                for (weight, value) in weights[tap.first - first..].iter_mut().zip(&tap.weights) {
                    *weight += share * value;
                }
            }
            Tap { first, weights }
        })
        .collect()
}

fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
}

/// `scipy.ndimage.gaussian_filter(mode="grid-constant")`, cut at four deviations.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a deviation is at most half the longest side"
)]
fn gaussian(side: usize, sigma: f64) -> Vec<Tap> {
    // scipy leaves an axis alone whose deviation is at most 1e-15
    let radius = if sigma > 1e-15 { (4.0 * sigma + 0.5) as usize } else { 0 };
    let bell = |distance: usize| {
        if radius == 0 { 1.0 } else { (-0.5 * (distance as f64 / sigma).powi(2)).exp() }
    };
    let sum: f64 = bell(0) + 2.0 * (1..=radius).map(bell).sum::<f64>();
    (0..side)
        .map(|centre| {
            let first = centre.saturating_sub(radius);
            let end = (centre + radius + 1).min(side);
            Tap { first, weights: (first..end).map(|pixel| bell(pixel.abs_diff(centre)) / sum).collect() }
        })
        .collect()
}

/// `scipy.ndimage.zoom(order=1, mode="grid-constant", grid_mode=True)`: the two nearest pixels, zeros outside.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are within one pixel of the plane"
)]
fn linear(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f64 / new as f64;
    (0..new)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale - 0.5;
            let below = centre.floor();
            let along = centre - below;
            if below < 0.0 {
                return Tap { first: 0, weights: vec![along] };
            }
            let first = (below as usize).min(old - 1);
            let weights = if first + 1 < old { vec![1.0 - along, along] } else { vec![1.0 - along] };
            Tap { first, weights }
        })
        .collect()
}
