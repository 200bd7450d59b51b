//! Bars and plots as inline SVG. Every number that they show stands in text beside them, so they are hidden from
//! screen readers, except the calibration plot and the array of a hundred, which have titles.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::state;
use crate::report::document::{CalibrationPoint, Presence, Thresholds};
use crate::report::language::{Language, Message};

/// Upper ends of a risk scale; the smallest that holds all values is taken.
const SCALES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// Ends of the scale of ages in days, of which the logarithm is shown: an hour and ten years.
const AGES: (f64, f64) = (1.0 / 24.0, 3652.5);

/// A hundred patients like this one, of whom as many are marked as the risk says; between the bounds of the interval the
/// marks are pale. Ten in a row, filled from the top.
pub(super) fn hundred(language: Language, probability: f64, interval: Option<(f64, f64)>) -> Markup {
    let marked = of_hundred(probability);
    let (low, high) = interval.map_or((marked, marked), |(low, high)| (of_hundred(low), of_hundred(high)));
    let (sure, unsure) = (low.min(marked), high.max(marked));
    html! {
        svg class="hundred" viewBox="0 0 100 100" role="img" aria-label=(words(language, probability, marked)) {
            path class="none" d=(dots(unsure, 100)) {}
            path class="perhaps" d=(dots(marked, unsure)) {}
            path class="likely" d=(dots(sure, marked)) {}
            path class="sure" d=(dots(0, sure)) {}
        }
    }
}

fn words(language: Language, probability: f64, marked: u8) -> String {
    if marked == 0 && probability > 0.0 {
        return language.text(Message::LessThanOneInHundred).to_owned();
    }
    language.say(Message::OfHundred, &[("count", &marked.to_string())])
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
fn of_hundred(probability: f64) -> u8 {
    if probability.is_finite() { (probability * 100.0).round().clamp(0.0, 100.0) as u8 } else { 0 }
}

/// Dots as strokes without length; their round caps are what is seen.
fn dots(from: u8, to: u8) -> String {
    let mut path = String::new();
    for place in from..to {
        // writing to a string cannot fail
        let _infallible = write!(path, "M{} {}h0", 5 + place % 10 * 10, 5 + place / 10 * 10);
    }
    path
}

/// A probability on 0 to 1, with the zone between the thresholds shaded.
pub(super) fn finding(probability: f64, presence: Presence, thresholds: Thresholds) -> Markup {
    let low = hundredths(thresholds.absent_below, 1.0);
    let high = hundredths(thresholds.present_from, 1.0);
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class="track" x="0" y="2" width="100" height="6" {}
            rect class="zone" x=(low) y="2" width=(format!("{:.2}", width(thresholds))) height="6" {}
            rect class={ "fill " (state(presence)) } x="0" y="3.5" width=(hundredths(probability, 1.0)) height="3" {}
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

/// What a risk could be, on 0 to `end`.
pub(super) fn range(low: f64, high: f64, end: f64) -> Markup {
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            line class="axis" x1="0" x2="100" y1="5" y2="5" {}
            line class="range" x1=(hundredths(low, end)) x2=(hundredths(high, end)) y1="5" y2="5" {}
        }
    }
}

/// A contribution to the logit, to the left or right of the middle; `largest` fills its half.
pub(super) fn contribution(logit: f64, largest: f64) -> Markup {
    let length = if largest > 0.0 { (logit.abs() / largest * 50.0).min(50.0) } else { 0.0 };
    let (class, start) = if logit < 0.0 { ("down", 50.0 - length) } else { ("up", 50.0) };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            line class="axis" x1="0" x2="100" y1="5" y2="5" {}
            rect class=(class) x=(format!("{start:.2}")) y="2" width=(format!("{length:.2}")) height="6" {}
            line class="tick" x1="50" x2="50" y1="0" y2="10" {}
        }
    }
}

/// How old a value is: the more of the bar is left, the fresher, on a logarithmic scale from an hour to ten years.
pub(super) fn freshness(days: f64) -> Markup {
    let (youngest, oldest) = AGES;
    let share = if days.is_finite() {
        (oldest / days.clamp(youngest, oldest)).ln() / (oldest / youngest).ln()
    } else {
        0.0
    };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class="track" x="0" y="3" width="100" height="4" {}
            rect class="fill" x="0" y="3" width=(hundredths(share, 1.0)) height="4" {}
        }
    }
}

/// Observed against predicted; the dashed line is perfect.
pub(super) fn calibration(language: Language, points: &[CalibrationPoint]) -> Markup {
    html! {
        svg class="plot" viewBox="0 0 120 120" role="img" aria-label=(language.text(Message::CalibrationPlot)) {
            rect class="frame" x="20" y="5" width="95" height="95" {}
            line class="ideal" x1="20" y1="100" x2="115" y2="5" {}
            @for point in points.iter().filter(|p| p.predicted.is_finite() && p.observed.is_finite()) {
                circle class="point" r="2.5" cx=(format!("{:.2}", 20.0 + 95.0 * point.predicted.clamp(0.0, 1.0)))
                    cy=(format!("{:.2}", 100.0 - 95.0 * point.observed.clamp(0.0, 1.0))) {}
            }
            text x="20" y="110" { "0" }
            text x="115" y="110" text-anchor="end" { "100 %" }
            text x="67" y="117" text-anchor="middle" { (language.text(Message::Predicted)) }
            text x="-52" y="12" text-anchor="middle" transform="rotate(-90)" { (language.text(Message::Observed)) }
        }
    }
}

/// A value on 0 to `end` as a position on 0 to 100, with two digits.
fn hundredths(value: f64, end: f64) -> String {
    let share = if value.is_finite() && end > 0.0 { (value / end).clamp(0.0, 1.0) } else { 0.0 };
    format!("{:.2}", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_dots_are_shared_out_once() {
        for (probability, interval) in [
            (0.0, None),
            (0.123, None),
            (1.0, None),
            (0.58, Some((0.33, 0.79))),
            (0.5, Some((0.6, 0.4))),
            (f64::NAN, None),
        ] {
            let drawn = hundred(Language::English, probability, interval).into_string();
            assert_eq!(drawn.matches("h0").count(), 100, "{probability}");
        }
        let drawn = hundred(Language::English, 0.123, None).into_string();
        assert_eq!(drawn.split("class=\"sure\"").nth(1).map(|part| part.matches("h0").count()), Some(12));
        assert!(drawn.contains("12 of 100"), "{drawn}");
        assert!(hundred(Language::English, 0.0004, None).into_string().contains("Fewer than 1 of 100"));
    }

    #[test]
    fn the_older_a_value_the_less_of_its_bar_is_left() {
        let width = |days: f64| {
            let drawn = freshness(days).into_string();
            let rest = drawn.split("class=\"fill\"").nth(1).expect("a bar");
            rest.split("width=\"")
                .nth(1)
                .and_then(|part| part.split('"').next()?.parse::<f64>().ok())
                .expect("a width")
        };
        let widths = [0.0, 0.5, 30.0, 365.0, 9000.0].map(width);
        assert!(widths.is_sorted_by(|a, b| a > b), "{widths:?}");
        assert!((widths[0] - 100.0).abs() < 0.01 && widths[4].abs() < 0.01, "{widths:?}");
    }
}
