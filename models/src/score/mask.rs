//! Which pixels of a picture a segment holds.

use serde::{Deserialize, Serialize};

use crate::image::{GreyImage, MAX_SIDE};

/// The most runs of a mask. One that falls into more is noise, and a frame or a ledger is no place for it.
pub const MAX_RUNS: usize = 1 << 19;

/// Pixels of a picture as runs, row by row from the top left: so many outside, so many inside, and so on. The first may be 0,
/// no other is. The same pixels are the same runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Mask(Raw);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    width: usize,
    height: usize,
    runs: Vec<u32>,
}

/// The smallest upright rectangle around a mask, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Column of its left edge, from 0.
    pub left: usize,
    /// Row of its upper edge, from 0.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl TryFrom<Raw> for Mask {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&raw.width) || !sides.contains(&raw.height) || raw.runs.len() > MAX_RUNS {
            return Err("a mask's size or number of runs is beyond its limits");
        }
        let sum: u64 = raw.runs.iter().map(|run| u64::from(*run)).sum();
        if sum != (raw.width * raw.height) as u64 || raw.runs.iter().skip(1).any(|run| *run == 0) {
            return Err("a mask's runs are not those of its picture");
        }
        Ok(Self(raw))
    }
}

impl From<Mask> for Raw {
    fn from(mask: Mask) -> Self {
        mask.0
    }
}

impl Mask {
    /// The mask of a picture of `width` x `height` whose pixels `is_inside` says one by one, row by row. `None` where it has
    /// more than [`MAX_RUNS`] runs, or is of no picture's size.
    pub fn new(width: usize, height: usize, is_inside: impl Iterator<Item = bool>) -> Option<Self> {
        let (mut runs, mut inside, mut length) = (Vec::new(), false, 0_u32);
        for pixel in is_inside {
            if pixel != inside {
                runs.push(length);
                (inside, length) = (pixel, 0);
                if runs.len() >= MAX_RUNS {
                    return None;
                }
            }
            length = length.checked_add(1)?;
        }
        runs.push(length);
        Self::try_from(Raw { width, height, runs }).ok()
    }

    /// The mask of these runs; `None` where they are not those of a picture of this size.
    pub fn from_runs(width: usize, height: usize, runs: Vec<u32>) -> Option<Self> {
        Self::try_from(Raw { width, height, runs }).ok()
    }

    /// A mask of the same picture that holds nothing.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let pixels = self.0.runs.iter().sum();
        Self(Raw { runs: vec![pixels], ..self.0 })
    }

    /// Columns of the picture.
    pub fn width(&self) -> usize {
        self.0.width
    }

    /// Rows of the picture.
    pub fn height(&self) -> usize {
        self.0.height
    }

    /// The runs: outside, inside, outside and so on.
    pub fn runs(&self) -> &[u32] {
        &self.0.runs
    }

    /// Number of pixels inside.
    pub fn pixels(&self) -> u64 {
        self.inside().map(|range| range.len() as u64).sum()
    }

    /// The pixels inside, as ranges of the picture's pixels row by row.
    pub fn inside(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut at = 0;
        self.0.runs.iter().enumerate().filter_map(move |(index, run)| {
            let start = at;
            at += *run as usize;
            (index % 2 == 1).then_some(start..at)
        })
    }

    /// The smallest rectangle around the pixels inside; `None` where there are none.
    pub fn bounds(&self) -> Option<Bounds> {
        let width = self.0.width;
        let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
        for range in self.inside() {
            let (first, last) = (range.start, range.end - 1);
            let (first_row, last_row) = (first / width, last / width);
            // what goes on in the next row has the whole width
            let (start, end) =
                if first_row == last_row { (first % width, last % width) } else { (0, width - 1) };
            (left, right) = (left.min(start), right.max(end));
            (top, bottom) = (top.min(first_row), bottom.max(last_row));
        }
        (top != usize::MAX).then(|| Bounds { left, top, width: right - left + 1, height: bottom - top + 1 })
    }

    /// A line along the edge of the mask in a picture of `width` x `height`: 1 on it, 0 elsewhere. It is drawn at that size,
    /// two pixels wide, so that it is seen on a small picture of a large one.
    pub fn outline(&self, width: usize, height: usize) -> GreyImage {
        let mut whole = vec![0.0_f32; self.0.width * self.0.height];
        for range in self.inside() {
            whole[range].fill(1.0);
        }
        let small =
            crate::preprocess::resize(&GreyImage::clamped(self.0.width, self.0.height, whole), width, height);
        let is_inside = |x: usize, y: usize| small.pixels()[y * width + x] >= 0.5;
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let near = |side: usize, at: usize| at.saturating_sub(1)..=(at + 1).min(side - 1);
                let edge = near(height, y).any(|row| near(width, x).any(|column| !is_inside(column, row)))
                    || y == 0
                    || x == 0
                    || y + 1 == height
                    || x + 1 == width;
                pixels.push(f32::from(u8::from(is_inside(x, y) && edge)));
            }
        }
        GreyImage::clamped(width, height, pixels)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(mask: &Mask) -> Vec<bool> {
        let mut bits = vec![false; mask.width() * mask.height()];
        mask.inside().for_each(|range| bits[range].fill(true));
        bits
    }

    #[test]
    fn a_mask_is_its_runs() {
        let wanted = [false, true, true, true, false, false, false, true, true];
        let mask = Mask::new(3, 3, wanted.into_iter()).unwrap();
        assert_eq!(mask.runs(), [1, 3, 3, 2]);
        assert_eq!((mask.pixels(), bits(&mask).as_slice()), (5, &wanted[..]));
        assert_eq!(mask.bounds(), Some(Bounds { left: 0, top: 0, width: 3, height: 3 }));
        let text = serde_json::to_string(&mask).unwrap();
        assert_eq!(text, r#"{"width":3,"height":3,"runs":[1,3,3,2]}"#);
        assert_eq!(serde_json::from_str::<Mask>(&text).unwrap(), mask);
        let empty = mask.emptied();
        assert_eq!((empty.runs(), empty.pixels(), empty.bounds()), (&[9_u32][..], 0, None));
    }

    #[test]
    fn runs_of_another_picture_are_none() {
        for runs in [vec![], vec![8], vec![10], vec![4, 0, 5], vec![4, 5, 0], vec![u32::MAX, 10]] {
            assert!(Mask::from_runs(3, 3, runs.clone()).is_none(), "{runs:?}");
        }
        assert!(
            Mask::from_runs(0, 3, vec![0]).is_none() && Mask::from_runs(usize::MAX, 3, vec![9]).is_none()
        );
        assert!(Mask::new(3, 3, std::iter::repeat_n(true, 8)).is_none(), "a pixel is missing");
        assert_eq!(Mask::from_runs(3, 3, vec![0, 9]).unwrap().pixels(), 9);
        let noise = (0..2048 * 2048).map(|index| index % 2 == 0);
        assert!(Mask::new(2048, 2048, noise).is_none(), "too many runs");
    }

    #[test]
    fn an_outline_runs_along_the_edge() {
        let inside = |index: usize| (10..30).contains(&(index % 40)) && (10..30).contains(&(index / 40));
        let mask = Mask::new(40, 40, (0..1600).map(inside)).unwrap();
        let line = mask.outline(40, 40);
        let at = |x: usize, y: usize| line.pixels()[y * 40 + x] > 0.5;
        assert!(at(10, 10) && at(29, 15) && at(15, 29) && !at(20, 20) && !at(5, 5) && !at(30, 15));
        assert_eq!(mask.outline(20, 10).pixels().len(), 200);
        assert!(mask.emptied().outline(7, 7).pixels().iter().all(|value| *value < 0.5));
    }

    proptest! {
        #[test]
        fn pixels_survive_their_runs(width in 1_usize..20, height in 1_usize..20, seed in any::<u64>()) {
            let wanted: Vec<bool> = (0..width * height)
                .map(|index| (index as u64 + 1).wrapping_mul(seed | 1).count_ones().is_multiple_of(3))
                .collect();
            let mask = Mask::new(width, height, wanted.iter().copied()).unwrap();
            prop_assert_eq!(bits(&mask), wanted.clone());
            let bounds = mask.bounds();
            prop_assert_eq!(bounds.is_some(), wanted.contains(&true));
            if let Some(Bounds { left, top, width: wide, height: high }) = bounds {
                for (index, _) in wanted.iter().enumerate().filter(|(_, inside)| **inside) {
                    let (x, y) = (index % width, index / width);
                    prop_assert!((left..left + wide).contains(&x) && (top..top + high).contains(&y));
                }
            }
        }
    }
}
