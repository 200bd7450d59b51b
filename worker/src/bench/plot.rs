//! Measurements as plots: marks of [`fusion::evaluation::plot`], which are written as SVG there and drawn as PNG by
//! [`crate::training::raster`]. Pure.

use fusion::evaluation::plot::{Mark, Plot, SIZE};

use super::text::short;

/// Readable by the colour-blind (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];
const BLACK: &str = "#000000";
const GREY: &str = "#888888";
/// Left, top, right and bottom of the frame of curves.
const FRAME: (f64, f64, f64, f64) = (60.0, 40.0, 460.0, 350.0);
/// The most bars of one plot.
const MAX_BARS: usize = 16;
/// Letters that fit beside a bar.
const MAX_LETTERS: usize = 70;

/// A bar: its name, its length, and its parts where it is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The name.
    pub name: String,
    /// The lengths of its parts.
    pub parts: Vec<f64>,
}

/// Horizontal bars with their sums; what is not positive has no length.
pub fn bars(name: &'static str, title: &str, unit: &str, bars: &[Bar]) -> Plot {
    let bars = &bars[..bars.len().min(MAX_BARS)];
    let sum = |bar: &Bar| bar.parts.iter().map(|part| part.max(0.0)).sum::<f64>();
    let most = bars.iter().map(sum).fold(f64::MIN_POSITIVE, f64::max);
    let mut marks = vec![Mark::Text { at: (16.0, 20.0), text: format!("{title} ({unit})") }];
    let step = (SIZE.1 - 40.0) / bars.len().max(1) as f64;
    let (left, width) = (16.0, SIZE.0 - 100.0);
    for (index, bar) in bars.iter().enumerate() {
        let top = 34.0 + step * index as f64;
        let text = bar.name.chars().take(MAX_LETTERS).collect();
        marks.push(Mark::Text { at: (left, top + 10.0), text });
        let height = (step - 16.0).clamp(2.0, 14.0);
        let mut from = left;
        for (part, colour) in bar.parts.iter().zip(COLOURS.into_iter().cycle()) {
            let length = width * part.max(0.0) / most;
            marks.push(Mark::Bar { at: (from, top + 13.0), size: (length, height), colour });
            from += length;
        }
        marks.push(Mark::Text { at: (from + 5.0, top + 13.0 + height), text: short(sum(bar)) });
    }
    Plot { name, marks }
}

/// A named curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The name.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// How the horizontal axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// Each tick is twice the one before.
    Doubling,
    /// Each tick is one more.
    Even,
}

/// Curves with a vertical axis from 0; points that are not positive across are left out.
pub fn curves(name: &'static str, titles: [&str; 3], axis: Across, curves: &[Curve]) -> Plot {
    let [title, across, up] = titles;
    let (left, top, right, bottom) = FRAME;
    let corners = vec![(left, top), (left, bottom), (right, bottom), (right, top), (left, top)];
    let mut marks = vec![
        Mark::Line { points: corners, colour: BLACK, dashed: false },
        Mark::Text { at: (left, 20.0), text: title.to_owned() },
        Mark::Text { at: (left + 120.0, SIZE.1 - 12.0), text: across.to_owned() },
        Mark::Text { at: (4.0, top - 6.0), text: up.to_owned() },
    ];
    let usable = |point: &&(f64, f64)| point.0 > 0.0 && point.0.is_finite() && point.1.is_finite();
    let all: Vec<(f64, f64)> =
        curves.iter().flat_map(|curve| curve.points.iter().filter(usable)).copied().collect();
    let along = |x: f64| if axis == Across::Doubling { x.log2() } else { x };
    let low = all.iter().map(|point| along(point.0)).fold(f64::INFINITY, f64::min);
    let high = all.iter().map(|point| along(point.0)).fold(f64::NEG_INFINITY, f64::max);
    let most = all.iter().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let span = if high > low { high - low } else { 1.0 };
    let place = |(x, y): (f64, f64)| {
        let share = 0.04 + 0.92 * (along(x) - low) / span;
        (left + share * (right - left), bottom - (y / most).clamp(0.0, 1.0) * (bottom - top))
    };
    for step in 0..=4_u8 {
        let value = most * f64::from(step) / 4.0;
        let y = bottom - f64::from(step) / 4.0 * (bottom - top);
        marks.push(Mark::Text { at: (left - 52.0, y + 4.0), text: short(value) });
    }
    let mut ticks: Vec<f64> = all.iter().map(|point| point.0).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let every = ticks.len().div_ceil(12).max(1);
    for tick in ticks.iter().step_by(every) {
        let (x, _) = place((*tick, 0.0));
        marks.push(Mark::Line { points: vec![(x, top), (x, bottom)], colour: GREY, dashed: true });
        marks.push(Mark::Text {
            at: (x - 6.0, bottom + 16.0),
            text: if *tick < 10.0 && tick.fract() > 0.0 {
                format!("{tick:.1}")
            } else {
                format!("{tick:.0}")
            },
        });
    }
    for ((index, curve), colour) in curves.iter().enumerate().zip(COLOURS.into_iter().cycle()) {
        let points: Vec<(f64, f64)> = curve.points.iter().filter(usable).map(|point| place(*point)).collect();
        marks.extend(points.iter().map(|at| Mark::Dot { at: *at, radius: 3.0, colour }));
        marks.push(Mark::Line { points, colour, dashed: false });
        let y = top + 16.0 + 16.0 * index as f64;
        marks.push(Mark::Dot { at: (left + 12.0, y - 4.0), radius: 4.0, colour });
        marks.push(Mark::Text { at: (left + 22.0, y), text: curve.name.clone() });
    }
    Plot { name, marks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::raster;

    fn lengths(plot: &Plot) -> Vec<f64> {
        let length = |mark: &Mark| if let Mark::Bar { size, .. } = mark { Some(size.0) } else { None };
        plot.marks.iter().filter_map(length).collect()
    }

    #[test]
    fn a_bar_of_twice_the_value_is_twice_as_long() {
        let bar = |name: &str, value| Bar { name: name.into(), parts: vec![value] };
        let plot = bars("test", "Rates", "GB/s", &[bar("one", 2.0), bar("two", 4.0), bar("none", -1.0)]);
        let [one, two, none] = lengths(&plot)[..] else { panic!("three bars") };
        assert!((two - 2.0 * one).abs() < 1e-9 && none == 0.0);
        assert!(plot.svg().contains("two") && !raster::png(&plot).unwrap().is_empty());
    }

    #[test]
    fn curves_stay_inside_their_frame_and_nothing_is_drawn_of_nothing() {
        let points = vec![(1.0, 5.0), (2.0, 9.0), (0.0, 1.0), (64.0, f64::NAN)];
        let curve = Curve { name: "images".into(), points };
        let plot = curves("test", ["Rate", "batch", "images/s"], Across::Doubling, &[curve]);
        for mark in &plot.marks {
            if let Mark::Dot { at, .. } = mark {
                assert!((FRAME.0..=FRAME.2).contains(&at.0) && (FRAME.1..=FRAME.3).contains(&at.1), "{at:?}");
            }
        }
        assert!(!raster::png(&curves("test", [""; 3], Across::Even, &[])).unwrap().is_empty());
    }
}
