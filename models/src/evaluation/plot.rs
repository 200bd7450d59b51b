//! The figure of a label: ROC, precision-recall, calibration and subgroups, as SVG and as PNG from one drawing.

mod png;
mod scene;
mod svg;

use super::Interval;
use super::report::{Evaluation, Group, LabelEvaluation};
use scene::{Anchor, BLUE, GREY, INK, ORANGE, PALE, Scene};

pub use png::PlotError;

/// Width and height of a figure in pixels.
const SIZE: (usize, usize) = (1200, 1060);
/// Side of a panel's frame in pixels.
const SIDE: f64 = 380.0;
/// Upper left corners of the panels' frames.
const CORNERS: [(f64, f64); 4] = [(120.0, 110.0), (700.0, 110.0), (120.0, 610.0), (700.0, 610.0)];

/// A label's figure in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// SVG.
    pub svg: String,
    /// PNG.
    pub png: Vec<u8>,
}

/// Draws the figure of `label`.
pub fn figure(evaluation: &Evaluation, label: &LabelEvaluation) -> Result<Figure, PlotError> {
    let mut scene = Scene::new(SIZE);
    let controls = evaluation.pictures - label.cases;
    let title = format!("{} - {} cases, {controls} controls", label.name, label.cases);
    scene.text((60.0, 40.0), Anchor::Start, INK, &title);
    roc(&mut scene, label);
    precision_recall(&mut scene, label, evaluation.pictures);
    calibration(&mut scene, label);
    groups(&mut scene, label);
    Ok(Figure { svg: svg::write(&scene), png: png::write(&scene)? })
}

/// A frame whose both axes go from 0 to 1.
struct Panel<'a> {
    scene: &'a mut Scene,
    corner: (f64, f64),
}

impl<'a> Panel<'a> {
    fn new(scene: &'a mut Scene, index: usize, title: &str, across: &str, up: &str) -> Self {
        let corner @ (left, top) = CORNERS[index];
        scene.text((left, top - 34.0), Anchor::Start, INK, title);
        scene.text((left - 40.0, top - 10.0), Anchor::Start, GREY, up);
        scene.text((left + SIDE, top + SIDE + 50.0), Anchor::End, GREY, across);
        let mut panel = Self { scene, corner };
        for tick in 0..=5 {
            let value = f64::from(tick) / 5.0;
            panel.line(&[(value, 0.0), (value, 1.0)], 1.0, PALE);
            if !up.is_empty() {
                panel.line(&[(0.0, value), (1.0, value)], 1.0, PALE);
            }
            let text = format!("{value:.1}");
            let (x, y) = panel.at((value, 0.0));
            panel.scene.text((x, y + 24.0), Anchor::Middle, GREY, &text);
            if !up.is_empty() {
                let (x, y) = panel.at((0.0, value));
                panel.scene.text((x - 10.0, y + 6.0), Anchor::End, GREY, &text);
            }
        }
        panel.line(&[(0.0, 1.0), (0.0, 0.0), (1.0, 0.0)], 1.5, INK);
        panel
    }

    fn at(&self, (across, up): (f64, f64)) -> (f64, f64) {
        (self.corner.0 + SIDE * across.clamp(0.0, 1.0), self.corner.1 + SIDE * (1.0 - up.clamp(0.0, 1.0)))
    }

    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: scene::Colour) {
        let points = points.iter().map(|point| self.at(*point)).collect();
        self.scene.line(points, width, colour);
    }

    fn mark(&mut self, point: (f64, f64), colour: scene::Colour) {
        let (x, y) = self.at(point);
        self.scene.rectangle((x - 4.5, y - 4.5), (9.0, 9.0), colour);
    }

    fn note(&mut self, line: f64, text: &str) {
        let (x, y) = self.at((0.98, 0.04));
        self.scene.text((x, y - 22.0 * line), Anchor::End, INK, text);
    }
}

fn words(interval: Option<&Interval>) -> String {
    interval.map_or_else(
        || "not defined".to_owned(),
        |own| format!("{:.3} ({:.3}-{:.3})", own.value, own.low, own.high),
    )
}

fn roc(scene: &mut Scene, label: &LabelEvaluation) {
    let mut panel = Panel::new(scene, 0, "ROC", "1 - specificity", "sensitivity");
    panel.line(&[(0.0, 0.0), (1.0, 1.0)], 1.5, GREY);
    panel.line(&label.roc, 3.0, BLUE);
    if let (Some(sensitivity), Some(specificity)) =
        (label.confusion.sensitivity(), label.confusion.specificity())
    {
        panel.mark((1.0 - specificity, sensitivity), ORANGE);
        panel.note(0.0, &format!("square: at {:.3}", label.threshold));
    }
    panel.note(1.0, &format!("AUROC {}", words(label.measures.get("auroc"))));
}

fn precision_recall(scene: &mut Scene, label: &LabelEvaluation, pictures: usize) {
    let mut panel = Panel::new(scene, 1, "Precision and recall", "recall", "precision");
    let base = label.cases as f64 / pictures.max(1) as f64;
    panel.line(&[(0.0, base), (1.0, base)], 1.5, GREY);
    panel.line(&label.precision_recall, 3.0, BLUE);
    if let (Some(recall), Some(precision)) = (label.confusion.sensitivity(), label.confusion.precision()) {
        panel.mark((recall, precision), ORANGE);
    }
    panel.note(0.0, &format!("AP {}", words(label.measures.get("average_precision"))));
}

fn calibration(scene: &mut Scene, label: &LabelEvaluation) {
    let mut panel = Panel::new(scene, 2, "Calibration, bins of equal count", "probability", "observed");
    panel.line(&[(0.0, 0.0), (1.0, 1.0)], 1.5, GREY);
    let points: Vec<(f64, f64)> =
        label.calibration.iter().map(|bin| (bin.probability, bin.observed)).collect();
    panel.line(&points, 2.0, BLUE);
    for point in points {
        panel.mark(point, BLUE);
    }
    // the curve of rare findings lies below, so the words stand above
    let (x, y) = panel.at((0.03, 0.93));
    let slope = format!("slope {}", words(label.measures.get("calibration_slope")));
    let score = format!("Brier {}", words(label.measures.get("brier")));
    panel.scene.text((x, y), Anchor::Start, INK, &slope);
    panel.scene.text((x, y + 22.0), Anchor::Start, INK, &score);
}

/// One bar a group with its interval; a group that is too small is named without a figure.
fn groups(scene: &mut Scene, label: &LabelEvaluation) {
    let mut panel = Panel::new(scene, 3, "AUROC by subgroup", "AUROC", "");
    let all = Group {
        attribute: "all".to_owned(),
        value: String::new(),
        auroc: label.measures.get("auroc").copied(),
        pictures: None,
        cases: None,
    };
    let rows: Vec<&Group> = std::iter::once(&all).chain(&label.groups).take(9).collect();
    let step = 1.0 / rows.len() as f64;
    for (index, group) in rows.into_iter().enumerate() {
        let middle = 1.0 - step * (index as f64 + 0.5);
        let half = (step * 0.3).min(0.03);
        let (x, y) = panel.at((0.0, middle));
        let name = [group.attribute.as_str(), group.value.as_str()].join(" ");
        if let Some(area) = group.auroc {
            let (end, _) = panel.at((area.value, middle));
            panel.scene.rectangle((x, y - half * SIDE), (end - x, 2.0 * half * SIDE), BLUE);
            panel.line(&[(area.low, middle), (area.high, middle)], 2.5, ORANGE);
            let text = format!("{} {:.3}", name.trim(), area.value);
            panel.scene.text((x + 6.0, y - half * SIDE - 4.0), Anchor::Start, INK, &text);
        } else {
            let text = format!("{}: too few to show", name.trim());
            panel.scene.text((x + 6.0, y + 6.0), Anchor::Start, GREY, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Cohort, LabelColumn, evaluate};
    use super::*;

    #[test]
    fn a_figure_has_its_curves_in_both_forms_and_is_the_same_every_time() {
        let positive: Vec<bool> = (0..120).map(|i| i % 3 == 0).collect();
        let probabilities =
            (0..120).map(|i| f64::from(i * 7 % 40 + 20 * i32::from(i % 3 == 0)) / 60.0).collect();
        let cohort = Cohort {
            patients: (0..120).map(|i| i.to_string()).collect(),
            labels: vec![LabelColumn { name: "A & <B>".to_owned(), positive, probabilities, threshold: 0.5 }],
            attributes: vec![(
                "sex".to_owned(),
                (0..120).map(|i| if i < 9 { "F" } else { "M" }.to_owned()).collect(),
            )],
        };
        let evaluation = evaluate(&cohort, ("m", "c"), 50, 1).unwrap();
        let own = figure(&evaluation, &evaluation.labels[0]).unwrap();
        assert_eq!(own, figure(&evaluation, &evaluation.labels[0]).unwrap());
        assert!(own.svg.contains("A &amp; &lt;B&gt;") && own.svg.contains("sex F: too few to show"));
        let picture = image::load_from_memory(&own.png).unwrap().to_rgb8();
        assert_eq!((picture.width() as usize, picture.height() as usize), SIZE);
        let inside = |corner: (f64, f64)| {
            let within = |x: u32, y: u32| {
                let (x, y) = (f64::from(x) - corner.0, f64::from(y) - corner.1);
                (0.0..SIDE).contains(&x) && (0.0..SIDE).contains(&y)
            };
            picture.enumerate_pixels().filter(|(x, y, p)| within(*x, *y) && p.0 == BLUE).count()
        };
        for corner in CORNERS {
            assert!(inside(corner) > 300, "a panel is empty: {corner:?}");
        }
    }
}
