//! Plots of an evaluation as marks on a plane of fixed size, and their SVG. Who wants pixels draws the marks.

use std::fmt::Write as _;

use super::{ArmReport, Report};

/// Width and height of a plot, in pixels.
pub const SIZE: (f64, f64) = (480.0, 400.0);

/// Left, top, right and bottom of the frame.
const FRAME: (f64, f64, f64, f64) = (60.0, 40.0, 460.0, 350.0);

/// Colours of arms, readable by the colour-blind (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];
const GREY: &str = "#888888";
const BLACK: &str = "#000000";

/// One thing on a plot; lengths in pixels from the upper left.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line through points.
    Line {
        /// Points.
        points: Vec<(f64, f64)>,
        /// `#rrggbb`.
        colour: &'static str,
        /// Whether it is broken.
        dashed: bool,
    },
    /// A filled circle.
    Dot {
        /// Centre.
        at: (f64, f64),
        /// Radius.
        radius: f64,
        /// `#rrggbb`.
        colour: &'static str,
    },
    /// A filled rectangle.
    Bar {
        /// Upper left.
        at: (f64, f64),
        /// Width and height.
        size: (f64, f64),
        /// `#rrggbb`.
        colour: &'static str,
    },
    /// A line of text.
    Text {
        /// Left end of its base line.
        at: (f64, f64),
        /// The text.
        text: String,
    },
}

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Name of its file, without an ending.
    pub name: &'static str,
    /// What is on it.
    pub marks: Vec<Mark>,
}

impl Plot {
    /// Empty, with a frame, ticks and titles.
    fn framed(name: &'static str, title: &str, x: &str, y: &str, low: f64, high: f64) -> Self {
        let (left, top, right, bottom) = FRAME;
        let mut plot = Self { name, marks: Vec::new() };
        let corners = vec![(left, top), (left, bottom), (right, bottom), (right, top), (left, top)];
        plot.marks.push(Mark::Line { points: corners, colour: BLACK, dashed: false });
        plot.text((left, 20.0), title);
        plot.text((left + 120.0, SIZE.1 - 12.0), x);
        plot.text((4.0, top - 6.0), y);
        for step in 0..=5_u8 {
            let share = f64::from(step) / 5.0;
            let (along, up) = (left + share * (right - left), bottom - share * (bottom - top));
            plot.text((along - 9.0, bottom + 16.0), &format!("{share:.1}"));
            plot.text((left - 40.0, up + 4.0), &format!("{:.2}", low + share * (high - low)));
        }
        plot
    }

    fn text(&mut self, at: (f64, f64), text: &str) {
        self.marks.push(Mark::Text { at, text: text.to_owned() });
    }

    fn legend(&mut self, arms: &[ArmReport]) {
        for (index, arm) in arms.iter().enumerate().take(COLOURS.len()) {
            let y = FRAME.1 + 16.0 + 16.0 * index as f64;
            let x = FRAME.0 + 12.0;
            self.marks.push(Mark::Dot { at: (x, y - 4.0), radius: 4.0, colour: COLOURS[index] });
            self.text((x + 10.0, y), &arm.name);
        }
    }

    /// The plot as SVG.
    pub fn svg(&self) -> String {
        let (width, height) = SIZE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        for mark in &self.marks {
            // Writing to a String cannot fail.
            let written = write_mark(&mut svg, mark);
            debug_assert!(written.is_ok());
        }
        svg + "</svg>\n"
    }
}

fn write_mark(svg: &mut String, mark: &Mark) -> std::fmt::Result {
    match mark {
        Mark::Line { points, colour, dashed } => {
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dash = if *dashed { " stroke-dasharray=\"4 3\"" } else { "" };
            writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\"{dash} points=\"{}\"/>", path.join(" "))
        }
        Mark::Dot { at, radius, colour } => {
            writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{colour}\"/>",
                at.0, at.1
            )
        }
        Mark::Bar { at, size, colour } => writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            at.0, at.1, size.0, size.1
        ),
        Mark::Text { at, text } => {
            let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{safe}</text>", at.0, at.1)
        }
    }
}

/// A point of the frame: both from 0 to 1, kept inside.
fn inside(x: f64, y: f64) -> (f64, f64) {
    let (left, top, right, bottom) = FRAME;
    (left + x.clamp(0.0, 1.0) * (right - left), bottom - y.clamp(0.0, 1.0) * (bottom - top))
}

/// The plots of a report: receiver operating characteristic, calibration, decision curve, distribution of risk.
pub fn plots(report: &Report) -> Vec<Plot> {
    let Some(first) = report.arms.first() else { return Vec::new() };
    vec![roc(&report.arms), calibration(first), decision(&report.arms), distribution(first)]
}

fn roc(arms: &[ArmReport]) -> Plot {
    let mut plot =
        Plot::framed("roc", "Receiver operating characteristic", "1 - specificity", "sensitivity", 0.0, 1.0);
    plot.marks.push(Mark::Line {
        points: vec![inside(0.0, 0.0), inside(1.0, 1.0)],
        colour: GREY,
        dashed: true,
    });
    for (arm, colour) in arms.iter().zip(COLOURS) {
        let points = arm.roc.iter().map(|(x, y)| inside(*x, *y)).collect();
        plot.marks.push(Mark::Line { points, colour, dashed: false });
    }
    plot.legend(arms);
    plot
}

fn calibration(arm: &ArmReport) -> Plot {
    let mut plot =
        Plot::framed("calibration", "Calibration, 10 bins of equal mass", "predicted", "observed", 0.0, 1.0);
    plot.marks.push(Mark::Line {
        points: vec![inside(0.0, 0.0), inside(1.0, 1.0)],
        colour: GREY,
        dashed: true,
    });
    let points: Vec<(f64, f64)> = arm.curve.iter().map(|bin| inside(bin.predicted, bin.observed)).collect();
    plot.marks.extend(points.iter().map(|at| Mark::Dot { at: *at, radius: 3.5, colour: COLOURS[0] }));
    plot.marks.push(Mark::Line { points, colour: COLOURS[0], dashed: false });
    plot.legend(std::slice::from_ref(arm));
    plot
}

fn decision(arms: &[ArmReport]) -> Plot {
    let share = arms.first().map_or(0.0, |arm| arm.events as f64 / arm.cases.max(1) as f64).max(0.01);
    let (low, high) = (-0.1 * share, share);
    let mut plot = Plot::framed("decision-curve", "Decision curve", "threshold", "net benefit", low, high);
    let place = |threshold: f64, benefit: f64| inside(threshold, (benefit - low) / (high - low));
    plot.marks.push(Mark::Line {
        points: vec![place(0.0, 0.0), place(1.0, 0.0)],
        colour: BLACK,
        dashed: true,
    });
    if let Some(first) = arms.first() {
        let everyone = first.decision_curve.iter().filter(|point| point.everyone > low);
        let points = everyone.map(|point| place(point.threshold, point.everyone)).collect();
        plot.marks.push(Mark::Line { points, colour: GREY, dashed: false });
    }
    for (arm, colour) in arms.iter().zip(COLOURS) {
        let points = arm.decision_curve.iter().map(|point| place(point.threshold, point.model)).collect();
        plot.marks.push(Mark::Line { points, colour, dashed: false });
    }
    plot.legend(arms);
    plot
}

fn distribution(arm: &ArmReport) -> Plot {
    let most = arm.distribution.iter().map(|(no, yes)| *no.max(yes)).max().unwrap_or(1).max(1) as f64;
    let mut plot = Plot::framed(
        "distribution",
        "Rows by probability: without (blue) and with the outcome",
        "probability",
        "rows",
        0.0,
        most,
    );
    for (tenth, (no, yes)) in arm.distribution.iter().enumerate() {
        for (shift, count, colour) in [(0.01, *no, COLOURS[0]), (0.05, *yes, COLOURS[1])] {
            let (x, y) = inside(tenth as f64 / 10.0 + shift, count as f64 / most);
            let (right, bottom) = inside(tenth as f64 / 10.0 + shift + 0.04, 0.0);
            plot.marks.push(Mark::Bar { at: (x, y), size: (right - x, bottom - y), colour });
        }
    }
    plot
}
