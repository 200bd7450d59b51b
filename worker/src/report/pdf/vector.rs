//! The bars and dots of the page, drawn again from its own SVG.

use super::dom::Element;
use super::mark::Mark;
use super::style::{ABSENT, BAR, Colour, DOWN, FILL, INDETERMINATE, INK, SOFT, UP, ZONE};

/// Where it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// Width and height of what an SVG shows, in its own units.
pub(super) fn size(svg: &Element<'_>) -> (f32, f32) {
    let numbers =
        svg.attribute("viewBox").unwrap_or_default().split(' ').map(|one| one.parse().unwrap_or(0.0));
    match numbers.collect::<Vec<f32>>()[..] {
        [_, _, width, height] if width > 0.0 && height > 0.0 => (width, height),
        _ => (1.0, 1.0),
    }
}

/// The marks of an SVG of rectangles, lines and dots, stretched to the place.
pub(super) fn marks(svg: &Element<'_>, place: Place) -> Vec<Mark> {
    let (width, height) = size(svg);
    let scale = (place.width / width, place.height / height);
    let at = |x: f32, y: f32| (place.x + x * scale.0, place.y + y * scale.1);
    let mut marks = Vec::new();
    for element in svg.elements() {
        match element.name {
            "rect" => {
                let (x, y) = at(element.number("x"), element.number("y"));
                let (width, height) = (element.number("width") * scale.0, element.number("height") * scale.1);
                if width > 0.0 {
                    marks.push(Mark::Area { x, y, width, height, colour: filled(element) });
                }
            }
            "line" => {
                let (width, colour, is_round) = stroked(element, place.height);
                marks.push(Mark::Line {
                    from: at(element.number("x1"), element.number("y1")),
                    to: at(element.number("x2"), element.number("y2")),
                    width,
                    colour,
                    is_round,
                });
            }
            "path" => {
                let colour = dotted(element);
                let dots = element.attribute("d").unwrap_or_default().split('M').filter_map(dot);
                marks.extend(dots.map(|(x, y)| Mark::Line {
                    from: at(x, y),
                    to: at(x, y),
                    width: 8.0 * scale.0,
                    colour,
                    is_round: true,
                }));
            }
            _ => {}
        }
    }
    marks
}

/// `X Yh0` of the array of a hundred.
fn dot(part: &str) -> Option<(f32, f32)> {
    let (x, y) = part.strip_suffix("h0")?.split_once(' ')?;
    Some((x.parse().ok()?, y.parse().ok()?))
}

fn filled(rect: &Element<'_>) -> Colour {
    let classes = [
        ("track", BAR),
        ("zone", ZONE),
        ("present", UP),
        ("indeterminate", INDETERMINATE),
        ("absent", ABSENT),
        ("up", UP),
        ("down", DOWN),
    ];
    classes.iter().find(|(class, _)| rect.has_class(class)).map_or(FILL, |(_, colour)| *colour)
}

/// Width, colour and whether its ends are round; `high` is how high the bar is.
fn stroked(line: &Element<'_>, high: f32) -> (f32, Colour, bool) {
    if line.has_class("dot") {
        return if line.has_class("other") { (high, SOFT, true) } else { (1.25 * high, UP, true) };
    }
    if line.has_class("range") {
        return (0.5 * high, paler(DOWN, 0.6), false);
    }
    (0.6, if line.has_class("axis") { ZONE } else { INK }, false)
}

fn dotted(path: &Element<'_>) -> Colour {
    let classes = [("none", BAR), ("perhaps", paler(UP, 0.3)), ("likely", paler(UP, 0.6))];
    classes.iter().find(|(class, _)| path.has_class(class)).map_or(UP, |(_, colour)| *colour)
}

/// The colour as it looks on white paper where so much of it covers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
fn paler(colour: Colour, share: f32) -> Colour {
    colour.map(|part| (255.0 - share * (255.0 - f32::from(part))).round() as u8)
}
