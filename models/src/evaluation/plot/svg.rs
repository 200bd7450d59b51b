//! A drawing as SVG 1.1.

use std::fmt::Write as _;

use super::scene::{Anchor, Colour, Scene, Shape};

/// The size at which a common monospaced letter is as wide as the PNG's, 10 px.
const FONT_SIZE: f64 = 16.5;

/// The drawing as a document of its own; it names no font file and runs no script.
pub(super) fn write(scene: &Scene) -> String {
    let (width, height) = scene.size;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for shape in &scene.shapes {
        // writing into a String cannot fail
        let _ignored = match shape {
            Shape::Line { points, width, colour } => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
                writeln!(
                    text,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"/>",
                    points.join(" "),
                    hex(*colour)
                )
            }
            Shape::Rectangle { corner: (x, y), size: (wide, high), colour } => writeln!(
                text,
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{wide:.2}\" height=\"{high:.2}\" fill=\"{}\"/>",
                hex(*colour)
            ),
            Shape::Text { place: (x, y), anchor, colour, text: words } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                writeln!(
                    text,
                    "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" font-family=\"monospace\" font-size=\"{FONT_SIZE}\" fill=\"{}\">{}</text>",
                    hex(*colour),
                    escaped(words)
                )
            }
        };
    }
    text.push_str("</svg>\n");
    text
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A text as XML character data; control characters, which XML forbids, are left out.
fn escaped(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_control());
    kept.fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
        out
    })
}
