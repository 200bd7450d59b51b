//! The style sheet's colours can be read by everybody: contrast by WCAG 2.2, 1.4.3 and 1.4.11.

use std::collections::BTreeMap;

use super::STYLE;

/// Colours of text on the grounds that it stands on.
const TEXTS: [(&str, &[&str]); 9] = [
    ("ink", &["paper", "sheet"]),
    ("soft", &["paper", "sheet"]),
    ("accent", &["paper", "sheet"]),
    ("present", &["paper", "sheet"]),
    ("indeterminate", &["paper", "sheet"]),
    ("absent", &["paper", "sheet"]),
    ("notice-ink", &["notice"]),
    ("up", &[]),
    ("down", &[]),
];
/// Marks of plots on the grounds that they stand on.
const MARKS: [&str; 5] = ["up", "down", "fill", "soft", "indeterminate"];

/// The colours of the light, the dark and the printed page; the latter two change some of the first.
fn palettes() -> [BTreeMap<&'static str, [f64; 3]>; 3] {
    let blocks: Vec<&str> =
        STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(blocks.len(), 3, "light, dark, print");
    let light = colours(blocks[0]);
    let with = |block: &'static str| {
        let mut all = light.clone();
        all.extend(colours(block));
        all
    };
    [light.clone(), with(blocks[1]), with(blocks[2])]
}

fn colours(block: &'static str) -> BTreeMap<&'static str, [f64; 3]> {
    let declared = block.split(';').filter_map(|one| one.split_once(':'));
    declared
        .filter_map(|(name, value)| {
            let digits = value.trim().strip_prefix('#')?;
            let long: String = if digits.len() == 3 {
                digits.chars().flat_map(|digit| [digit, digit]).collect()
            } else {
                digits.to_owned()
            };
            let channel = |at: usize| f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
            Some((name.trim().strip_prefix("--")?, [channel(0), channel(2), channel(4)]))
        })
        .collect()
}

fn luminance(colour: [f64; 3]) -> f64 {
    let linear =
        |value: f64| if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_and_marks_stand_out_from_their_grounds() {
    for (palette, name) in palettes().iter().zip(["light", "dark", "print"]) {
        for (text, grounds) in TEXTS {
            for ground in grounds {
                let found = contrast(palette[text], palette[ground]);
                assert!(found >= 4.5, "{name}: {text} on {ground} has {found:.2}");
            }
        }
        for mark in MARKS {
            for ground in ["paper", "sheet"] {
                let found = contrast(palette[mark], palette[ground]);
                assert!(found >= 3.0, "{name}: {mark} on {ground} has {found:.2}");
            }
        }
    }
}

/// Up and down, and the three states, are told apart without red and green: as seen without one kind of cone
/// (Vienot, Brettel and Mollon 1999, deuteranopia and protanopia), they differ in lightness or in blue.
#[test]
fn raising_and_lowering_are_told_apart_without_red_and_green() {
    const DEUTERANOPIA: [[f64; 3]; 3] =
        [[0.292_75, 0.707_25, 0.0], [0.292_75, 0.707_25, 0.0], [-0.022_336, 0.022_336, 1.0]];
    const PROTANOPIA: [[f64; 3]; 3] =
        [[0.112_38, 0.887_62, 0.0], [0.112_38, 0.887_62, 0.0], [0.004_006, -0.004_006, 1.0]];
    let linear =
        |value: f64| if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    let seen = |matrix: [[f64; 3]; 3], colour: [f64; 3]| {
        let colour = colour.map(linear);
        matrix.map(|row| row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2])
    };
    for palette in palettes() {
        for matrix in [DEUTERANOPIA, PROTANOPIA] {
            let (up, down) = (seen(matrix, palette["up"]), seen(matrix, palette["down"]));
            let distance: f64 = up.iter().zip(down).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(distance > 0.2, "{distance}");
        }
    }
}
