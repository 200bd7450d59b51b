//! A picture at another size, made from the top down while its rows are given: neither the picture nor one of its width at
//! the new height is held.

use std::collections::VecDeque;

use crate::image::{GreyImage, ImageError, MAX_SIDE};

/// A picture on its way to another size, by the rule of [`super::resize`]. Each row is given once and not kept.
#[derive(Debug, Clone)]
pub struct Resizing {
    old_width: usize,
    old_height: usize,
    width: usize,
    height: usize,
    /// The old rows of each new row and the old columns of each new column; `None` where the size stays.
    taps: Option<(Vec<Tap>, Vec<Tap>)>,
    /// How many old rows were given.
    given: usize,
    /// How many new rows were closed.
    closed: usize,
    /// The new rows after these that have begun, as wide as the old ones.
    open: VecDeque<Vec<f32>>,
    /// Lines of rows that were closed, for those to come.
    spare: Vec<Vec<f32>>,
    out: Vec<f32>,
}

impl Resizing {
    /// From pictures of this width and height to that width and height, each one that a picture can have.
    pub fn new(old: (usize, usize), new: (usize, usize)) -> Result<Self, ImageError> {
        for (width, height) in [old, new] {
            GreyImage::check_size(width, height, width.saturating_mul(height))?;
        }
        Ok(Self::between(old, new))
    }

    fn between((old_width, old_height): (usize, usize), (width, height): (usize, usize)) -> Self {
        let is_other = (old_width, old_height) != (width, height);
        Self {
            old_width,
            old_height,
            width,
            height,
            taps: is_other.then(|| (taps(old_height, height), taps(old_width, width))),
            given: 0,
            closed: 0,
            open: VecDeque::new(),
            spare: Vec::new(),
            out: Vec::with_capacity(width * height),
        }
    }

    /// Takes the next row: values from 0 to 1, one a column. What has another width is no row of the picture.
    pub fn push(&mut self, row: &[f32]) {
        if row.len() != self.old_width {
            return;
        }
        let given = self.given;
        self.given += 1;
        if self.given > self.old_height {
            return;
        }
        let Some((rows, columns)) = &self.taps else {
            self.out.extend_from_slice(row);
            return;
        };
        while rows.get(self.closed + self.open.len()).is_some_and(|tap| tap.first <= given) {
            let mut line = self.spare.pop().unwrap_or_default();
            line.clear();
            line.resize(self.old_width, 0.0);
            self.open.push_back(line);
        }
        // Whole lines are added to each other, which a processor does several values at a time.
        for (tap, line) in rows.iter().skip(self.closed).zip(&mut self.open) {
            let Some(weight) = tap.weights.get(given - tap.first) else { continue };
            for (value, old) in line.iter_mut().zip(row) {
                *value += weight * old;
            }
        }
        // Where a row ends, none after it has ended before.
        while rows.get(self.closed).is_some_and(|tap| tap.first + tap.weights.len() <= self.given) {
            let Some(line) = self.open.pop_front() else { break };
            let of = |tap: &Tap| tap.weights.iter().zip(&line[tap.first..]).map(|(w, v)| w * v).sum::<f32>();
            self.out.extend(columns.iter().map(of));
            self.spare.push(line);
            self.closed += 1;
        }
    }

    /// The picture, once all rows were given; an error where they were fewer or more.
    pub fn finish(self) -> Result<GreyImage, ImageError> {
        GreyImage::check_size(self.old_width, self.old_height, self.given.saturating_mul(self.old_width))?;
        Ok(self.picture())
    }

    /// A whole picture at another size, whose sides are brought into those that a picture can have.
    pub(super) fn whole(image: &GreyImage, (width, height): (usize, usize)) -> GreyImage {
        let side = |side: usize| side.clamp(1, MAX_SIDE);
        let mut own = Self::between((image.width(), image.height()), (side(width), side(height)));
        for row in image.pixels().chunks_exact(image.width()) {
            own.push(row);
        }
        own.picture()
    }

    /// The picture that all rows made: the last new row ends with the last old one.
    fn picture(self) -> GreyImage {
        GreyImage::clamped(self.width, self.height, self.out)
    }
}

/// The old pixels that make one new pixel, with weights above 0 that sum to 1. First and last of a later tap are not before
/// those of an earlier one.
#[derive(Debug, Clone)]
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are clamped to the picture before the cast"
)]
fn taps(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f64 / new as f64;
    let support = scale.max(1.0);
    let end = old.saturating_sub(1) as f64;
    let mut raw: Vec<f64> = Vec::new();
    (0..new)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - support).floor().clamp(0.0, end) as usize;
            let last = (centre + support).ceil().clamp(0.0, end) as usize;
            let own =
                (first..=last).map(|pixel| (1.0 - ((pixel as f64 + 0.5 - centre) / support).abs()).max(0.0));
            raw.clear();
            raw.extend(own);
            let sum: f64 = raw.iter().sum();
            // a pixel at the edge that adds nothing is not read
            let counts = |weight: &f64| *weight > 0.0;
            let from = raw.iter().position(counts).unwrap_or_default();
            let to = raw.iter().rposition(counts).map_or(from, |last| last + 1);
            Tap {
                first: first + from,
                weights: raw[from..to].iter().map(|weight| (weight / sum) as f32).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule written out for a whole picture, with a line of the old width for each new row.
    fn written_out(image: &GreyImage, width: usize, height: usize) -> Vec<f32> {
        if (image.width(), image.height()) == (width, height) {
            return image.pixels().to_vec();
        }
        let mut low = vec![0.0_f32; image.width() * height];
        for ((first, weights), line) in
            all_taps(image.height(), height).iter().zip(low.chunks_exact_mut(image.width()))
        {
            for (weight, row) in weights.iter().zip(image.pixels().chunks_exact(image.width()).skip(*first)) {
                for (value, old) in line.iter_mut().zip(row) {
                    *value += weight * old;
                }
            }
        }
        let mut out = Vec::with_capacity(width * height);
        for line in low.chunks_exact(image.width()) {
            for (first, weights) in &all_taps(image.width(), width) {
                let sum = weights.iter().zip(&line[*first..]).map(|(w, v)| w * v).sum::<f32>();
                out.push(sum.clamp(0.0, 1.0));
            }
        }
        out
    }

    /// The taps with what adds nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positions are clamped to the picture before the cast"
    )]
    fn all_taps(old: usize, new: usize) -> Vec<(usize, Vec<f32>)> {
        let scale = old as f64 / new as f64;
        let support = scale.max(1.0);
        let one = |index: usize| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - support).floor().clamp(0.0, (old - 1) as f64) as usize;
            let last = (centre + support).ceil().clamp(0.0, (old - 1) as f64) as usize;
            let raw: Vec<f64> = (first..=last)
                .map(|pixel| (1.0 - ((pixel as f64 + 0.5 - centre) / support).abs()).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|weight| (weight / sum) as f32).collect())
        };
        (0..new).map(one).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn pictures() -> impl Strategy<Value = GreyImage> {
        (1_usize..70, 1_usize..70).prop_flat_map(|(width, height)| {
            let value = prop_oneof![8 => 0.0_f32..1.0, 1 => Just(0.0), 1 => Just(-0.0), 1 => Just(1.0)];
            proptest::collection::vec(value, width * height)
                .prop_map(move |pixels| GreyImage::new(width, height, pixels).unwrap())
        })
    }

    #[test]
    fn only_rows_that_have_begun_are_held() {
        let mut resizing = Resizing::new((64, 1000), (8, 10)).unwrap();
        for row in 0..1000 {
            resizing.push(&[0.5; 64]);
            assert!(resizing.open.len() <= 2 && resizing.open.len() + resizing.spare.len() <= 3, "{row}");
        }
        assert!(resizing.open.is_empty());
        assert!(resizing.finish().unwrap().pixels().iter().all(|value| (value - 0.5).abs() < 1e-5));
    }

    #[test]
    fn other_rows_than_the_pictures_make_no_picture() {
        for new in [(2, 2), (4, 3)] {
            let made = |rows: &[usize]| {
                let mut resizing = Resizing::new((4, 3), new).unwrap();
                for width in rows {
                    resizing.push(&vec![0.5; *width]);
                }
                resizing.finish()
            };
            let whole = made(&[4, 4, 4]).unwrap();
            assert_eq!((whole.width(), whole.height()), new);
            assert!(whole.pixels().iter().all(|value| (value - 0.5).abs() < 1e-6));
            let wrong = |pixels| Err(ImageError::Count { width: 4, height: 3, pixels });
            assert_eq!(made(&[4, 4]), wrong(8), "too few");
            assert_eq!(made(&[4, 4, 4, 4]), wrong(16), "too many");
            assert_eq!(made(&[4, 3, 4]), wrong(8), "one is too short");
            assert_eq!(made(&[]), wrong(0));
        }
    }

    #[test]
    fn sizes_are_those_of_pictures() {
        let size = |(old, new)| Resizing::new(old, new).err().map(|error| error.code());
        for wrong in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (usize::MAX, usize::MAX)] {
            assert_eq!(size((wrong, (1, 1))), Some("ImageSize"));
            assert_eq!(size(((1, 1), wrong)), Some("ImageSize"));
        }
        let image = GreyImage::new(2, 1, vec![0.25; 2]).unwrap();
        let none = Resizing::whole(&image, (0, 0));
        assert_eq!((none.width(), none.height(), none.pixels()), (1, 1, &[0.25][..]));
    }

    proptest! {
        #[test]
        fn row_by_row_is_what_the_whole_picture_gives(
            image in pictures(), width in 1_usize..90, height in 1_usize..90,
        ) {
            let sizes = [
                (width, height), (image.width(), height), (width, image.height()), (image.width(), image.height()),
            ];
            for (width, height) in sizes {
                let made = Resizing::whole(&image, (width, height));
                prop_assert_eq!((made.width(), made.height()), (width, height));
                prop_assert_eq!(bits(made.pixels()), bits(&written_out(&image, width, height)));
            }
        }

        #[test]
        fn taps_end_in_their_order_and_have_no_empty_ends(old in 1_usize..3000, new in 1_usize..600) {
            let taps = taps(old, new);
            prop_assert_eq!(taps.len(), new);
            for tap in &taps {
                prop_assert!(tap.weights.first() > Some(&0.0) && tap.weights.last() > Some(&0.0));
                prop_assert!(tap.first + tap.weights.len() <= old);
            }
            for pair in taps.windows(2) {
                let [one, next] = pair else { continue };
                prop_assert!(one.first <= next.first);
                prop_assert!(one.first + one.weights.len() <= next.first + next.weights.len());
            }
        }
    }
}
