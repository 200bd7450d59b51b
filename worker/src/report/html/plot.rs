//! Bars and plots as inline SVG. Every number that they show stands in text beside them, so they are hidden from
//! screen readers, except the calibration plot, which has a title.

use maud::{Markup, html};

use crate::report::document::{CalibrationPoint, Presence, Thresholds};
use crate::report::wording;

/// Upper ends of a risk scale; the smallest that holds all values is taken.
const SCALES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// A probability on 0 to 1, with the zone between the thresholds shaded.
pub(super) fn finding(probability: f64, presence: Presence, thresholds: Thresholds) -> Markup {
    let low = hundredths(thresholds.absent_below, 1.0);
    let high = hundredths(thresholds.present_from, 1.0);
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class="track" x="0" y="2" width="100" height="6" {}
            rect class="zone" x=(low) y="2" width=(format!("{:.2}", width(thresholds))) height="6" {}
            rect class={ "fill " (wording::presence(presence)) } x="0" y="3.5" width=(hundredths(probability, 1.0)) height="3" {}
            line class="tick" x1=(high) x2=(high) y1="0" y2="10" {}
        }
    }
}

fn width(thresholds: Thresholds) -> f64 {
    ((thresholds.present_from - thresholds.absent_below) * 100.0).clamp(0.0, 100.0)
}

/// Chooses the scale that the values of one risk share.
pub(super) fn scale(values: impl Iterator<Item = f64>) -> f64 {
    let largest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    SCALES.into_iter().find(|end| *end >= largest).unwrap_or(1.0)
}

/// A risk on 0 to `end`, with its interval.
pub(super) fn risk(probability: f64, interval: Option<(f64, f64)>, end: f64, is_main: bool) -> Markup {
    let at = hundredths(probability, end);
    let class = if is_main { "dot" } else { "dot other" };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            line class="axis" x1="0" x2="100" y1="5" y2="5" {}
            @if let Some((low, high)) = interval {
                line class="range" x1=(hundredths(low, end)) x2=(hundredths(high, end)) y1="5" y2="5" {}
            }
            line class=(class) x1=(at) x2=(at) y1="5" y2="5" {}
        }
    }
}

/// A contribution to the logit, to the left or right of `zero`, a place on the bar of 100; `largest` fills what is
/// right of it.
pub(super) fn contribution(logit: f64, largest: f64, zero: f64) -> Markup {
    let room = 100.0 - zero;
    let length = if largest > 0.0 { (logit.abs() / largest * room).min(room) } else { 0.0 };
    let (class, start) = if logit < 0.0 { ("down", zero - length) } else { ("up", zero) };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class=(class) x=(format!("{start:.2}")) y="2" width=(format!("{length:.2}")) height="6" {}
            line class="tick" x1=(zero) x2=(zero) y1="0" y2="10" {}
        }
    }
}

/// Observed against predicted; the dashed line is perfect.
pub(super) fn calibration(points: &[CalibrationPoint]) -> Markup {
    html! {
        svg class="plot" viewBox="0 0 120 120" role="img" aria-label="Calibration plot: observed against predicted" {
            rect class="frame" x="20" y="5" width="95" height="95" {}
            line class="ideal" x1="20" y1="100" x2="115" y2="5" {}
            @for point in points.iter().filter(|p| p.predicted.is_finite() && p.observed.is_finite()) {
                circle class="point" r="2.5" cx=(format!("{:.2}", 20.0 + 95.0 * point.predicted.clamp(0.0, 1.0)))
                    cy=(format!("{:.2}", 100.0 - 95.0 * point.observed.clamp(0.0, 1.0))) {}
            }
            text x="20" y="110" { "0" }
            text x="115" y="110" text-anchor="end" { "100 %" }
            text x="46" y="117" { "predicted" }
            text x="-70" y="12" transform="rotate(-90)" { "observed" }
        }
    }
}

/// A value on 0 to `end` as a position on 0 to 100, with two digits.
fn hundredths(value: f64, end: f64) -> String {
    let share = if value.is_finite() && end > 0.0 { (value / end).clamp(0.0, 1.0) } else { 0.0 };
    format!("{:.2}", share * 100.0)
}
