//! The connected regions of a mask, and how long each of them is.

use std::collections::BTreeMap;

use super::mask::{Bounds, Mask};

/// Pixels of a mask that touch each other, at a corner too.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    pixels: u64,
    bounds: Bounds,
    is_cut: bool,
    /// Corners of the convex hull around the middles of its pixels' edges, in halves of a pixel: column, row.
    hull: Vec<[f64; 2]>,
}

/// Pixels inside that lie beside each other in one row.
#[derive(Debug, Clone, Copy)]
struct Run {
    row: usize,
    /// Its first column.
    start: usize,
    /// The column after its last.
    end: usize,
}

impl Mask {
    /// Its regions, in the order of their first pixels.
    pub fn regions(&self) -> Vec<Region> {
        let runs = runs(self);
        let mut regions: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
        for (run, first) in runs.iter().zip(firsts(&runs)) {
            regions.entry(first).or_default().push(*run);
        }
        regions.values().filter_map(|runs| Region::of(runs, self.width(), self.height())).collect()
    }
}

impl Region {
    fn of(runs: &[Run], width: usize, height: usize) -> Option<Self> {
        let (first, last) = (runs.first()?, runs.last()?);
        let left = runs.iter().map(|run| run.start).min()?;
        let right = runs.iter().map(|run| run.end).max()?;
        let (top, bottom) = (first.row, last.row + 1);
        Some(Self {
            pixels: runs.iter().map(|run| (run.end - run.start) as u64).sum(),
            bounds: Bounds { left, top, width: right - left, height: bottom - top },
            is_cut: left == 0 || top == 0 || right == width || bottom == height,
            hull: hull(runs.iter().flat_map(edges).collect()),
        })
    }

    /// Number of its pixels.
    pub fn pixels(&self) -> u64 {
        self.pixels
    }

    /// The smallest upright rectangle around it.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Whether it reaches the picture's border: what lies beyond is not known.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Its longest diameter (maximum Feret diameter) in mm, where the distance of pixels is `[rows, columns]` mm: the longest
    /// line between the middles of the edges of its pixels, so that a row of `n` pixels is `n` columns long.
    ///
    /// Of a shape that is drawn in pixels it is at most a pixel longer than the shape, and less than two shorter.
    pub fn longest_mm(&self, [rows, columns]: [f64; 2]) -> f64 {
        let hull = self.hull.as_slice();
        let pairs =
            hull.iter().enumerate().flat_map(move |(at, one)| hull[..at].iter().map(move |two| (one, two)));
        let length = |(one, two): (&[f64; 2], &[f64; 2])| {
            f64::hypot((one[0] - two[0]) * columns / 2.0, (one[1] - two[1]) * rows / 2.0)
        };
        pairs.map(length).fold(0.0, f64::max)
    }
}

fn runs(mask: &Mask) -> Vec<Run> {
    let width = mask.width();
    let mut runs = Vec::new();
    for range in mask.inside() {
        let mut at = range.start;
        while at < range.end {
            let row = at / width;
            let end = range.end.min((row + 1) * width);
            runs.push(Run { row, start: at - row * width, end: end - row * width });
            at = end;
        }
    }
    runs
}

/// Of each run, the first run of its region.
fn firsts(runs: &[Run]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..runs.len()).collect();
    let mut above = 0;
    for (at, run) in runs.iter().enumerate() {
        // what ends before this one begins touches none of the later ones of this row either
        while above < at && (runs[above].row + 1, runs[above].end) < (run.row, run.start) {
            above += 1;
        }
        for (other, upper) in runs.iter().enumerate().take(at).skip(above) {
            if upper.row + 1 != run.row || upper.start > run.end {
                break;
            }
            let (one, two) = (first(&mut parents, other), first(&mut parents, at));
            parents[one.max(two)] = one.min(two);
        }
    }
    (0..runs.len()).map(|at| first(&mut parents, at)).collect()
}

fn first(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

/// The middles of the edges of a run's first and last pixel, in halves of a pixel. Those between lie on lines between them.
fn edges(run: &Run) -> [[f64; 2]; 6] {
    let (start, end, row) = (2.0 * run.start as f64, 2.0 * (run.end - 1) as f64, 2.0 * run.row as f64);
    [
        [start - 1.0, row],
        [start, row - 1.0],
        [start, row + 1.0],
        [end + 1.0, row],
        [end, row - 1.0],
        [end, row + 1.0],
    ]
}

/// The corners of the smallest convex shape around points (Andrew's monotone chain). Whole numbers below 2^16 stand in each
/// coordinate, so that nothing is rounded.
fn hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|one, two| one[0].total_cmp(&two[0]).then(one[1].total_cmp(&two[1])));
    points.dedup();
    let mut hull = chain(points.iter());
    hull.extend(chain(points.iter().rev()));
    hull
}

/// One side of the hull, without its last point, which the other side begins with.
fn chain<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Vec<[f64; 2]> {
    let mut side: Vec<[f64; 2]> = Vec::new();
    for point in points {
        while let [.., one, two] = side.as_slice() {
            let turn = (two[0] - one[0]) * (point[1] - one[1]) - (two[1] - one[1]) * (point[0] - one[0]);
            if turn > 0.0 {
                break;
            }
            side.pop();
        }
        side.push(*point);
    }
    side.pop();
    side
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIDE: usize = 96;

    /// Pixels whose middles are inside, of a picture whose pixels are `[rows, columns]` mm apart; `x` and `y` are mm from the
    /// picture's middle.
    fn drawn([rows, columns]: [f64; 2], is_inside: impl Fn(f64, f64) -> bool) -> Mask {
        let middle = (SIDE as f64 - 1.0) / 2.0;
        let pixel = |index: usize| {
            let (column, row) = ((index % SIDE) as f64, (index / SIDE) as f64);
            is_inside((column - middle) * columns, (row - middle) * rows)
        };
        Mask::new(SIDE, SIDE, (0..SIDE * SIDE).map(pixel)).unwrap()
    }

    fn of(rows: &[&str]) -> Mask {
        let pixels = rows.iter().flat_map(|row| row.chars().map(|letter| letter == '#'));
        Mask::new(rows[0].len(), rows.len(), pixels).unwrap()
    }

    #[test]
    fn pixels_that_touch_at_a_corner_are_one_region() {
        let mask = of(&[
            "#..........", //
            ".#...##.##.",
            "......#.#..",
            ".......#...",
            "...........",
            "..##.......",
        ]);
        let regions = mask.regions();
        let sizes: Vec<u64> = regions.iter().map(Region::pixels).collect();
        assert_eq!(sizes, [2, 7, 2], "the two arms meet below");
        assert_eq!(regions[1].bounds(), Bounds { left: 5, top: 1, width: 5, height: 3 });
        assert_eq!(regions.iter().map(Region::is_cut).collect::<Vec<_>>(), [true, false, true]);
        assert!(mask.emptied().regions().is_empty());
        let whole = of(&["###", "###"]).regions();
        assert_eq!((whole.len(), whole[0].pixels(), whole[0].is_cut()), (1, 6, true));
    }

    #[test]
    fn a_row_is_as_long_as_its_pixels() {
        let long = |rows: &[&str], spacing| of(rows).regions()[0].longest_mm(spacing);
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        // a pixel is 3 mm high, and its upper and lower edge count
        near(long(&["......", ".####.", "......"], [3.0, 0.5]), f64::hypot(1.5, 3.0));
        near(long(&["......", ".####.", "......"], [0.1, 0.5]), 2.0);
        near(long(&["...", ".#.", ".#.", "..."], [0.7, 0.2]), 1.4);
        near(long(&["...", ".#.", "..."], [0.7, 0.9]), 0.9);
        // from the left edge of the first to the right edge of the last
        near(long(&["....", ".#..", "..#.", "...."], [1.0, 1.0]), 5.0_f64.sqrt());
    }

    proptest! {
        #[test]
        fn a_disc_has_its_diameter(
            radius in 4.0..12.0_f64, x in -3.0..3.0_f64, y in -3.0..3.0_f64, rows in 0.4..1.5_f64, columns in 0.4..1.5_f64,
        ) {
            let mask = drawn([rows, columns], |px, py| f64::hypot(px - x, py - y) <= radius);
            let regions = mask.regions();
            prop_assert_eq!(regions.len(), 1);
            let found = regions[0].longest_mm([rows, columns]);
            prop_assert!(!regions[0].is_cut());
            let (more, less) = (rows.max(columns), f64::hypot(rows, columns));
            prop_assert!(found <= 2.0 * radius + more + 1e-9 && found >= 2.0 * radius - less, "{} of {}", found, 2.0 * radius);
        }

        #[test]
        fn an_ellipse_has_its_longer_axis_however_it_lies(
            long in 9.0..12.0_f64, short in 5.0..7.0_f64, angle in 0.0..3.15_f64, rows in 0.4..1.5_f64, columns in 0.4..1.5_f64,
        ) {
            let mask = drawn([rows, columns], |x, y| {
                let (along, across) = (x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin());
                f64::hypot(along / long, across / short) <= 1.0
            });
            let found = mask.regions()[0].longest_mm([rows, columns]);
            let (more, less) = (rows.max(columns), 2.0 * f64::hypot(rows, columns));
            prop_assert!(found <= 2.0 * long + more + 1e-9 && found >= 2.0 * long - less, "{} of {}", found, 2.0 * long);
        }

        #[test]
        fn a_disc_at_the_border_is_cut_and_no_longer_than_itself(radius in 4.0..12.0_f64, beyond in -0.9..0.9_f64) {
            let right = (SIDE as f64 - 1.0) / 2.0;
            let mask = drawn([1.0, 1.0], |x, y| f64::hypot(x - right - beyond * radius, y) <= radius);
            let region = &mask.regions()[0];
            prop_assert!(region.is_cut() && region.longest_mm([1.0, 1.0]) <= 2.0 * radius + 1.0 + 1e-9);
        }

        #[test]
        fn regions_hold_every_pixel_once_and_lengths_turn_with_the_picture(
            width in 1_usize..14, height in 1_usize..14, seed in any::<u64>(), rows in 0.2..2.0_f64, columns in 0.2..2.0_f64,
        ) {
            let pixel = |x: usize, y: usize| {
                ((x * 31 + y * 17 + 1) as u64).wrapping_mul(seed | 1).count_ones().is_multiple_of(2)
            };
            let mask = Mask::new(width, height, (0..width * height).map(|at| pixel(at % width, at / width))).unwrap();
            let turned = Mask::new(height, width, (0..width * height).map(|at| pixel(at / height, at % height))).unwrap();
            let (upright, other) = (mask.regions(), turned.regions());
            prop_assert_eq!(upright.iter().map(Region::pixels).sum::<u64>(), mask.pixels());
            prop_assert_eq!(upright.len(), other.len());
            let lengths = |regions: &[Region], spacing: [f64; 2]| {
                let mut lengths: Vec<f64> = regions.iter().map(|region| region.longest_mm(spacing)).collect();
                lengths.sort_by(f64::total_cmp);
                lengths
            };
            let pairs = lengths(&upright, [rows, columns]).into_iter().zip(lengths(&other, [columns, rows]));
            for (one, two) in pairs {
                prop_assert!((one - two).abs() < 1e-9);
            }
        }
    }
}
