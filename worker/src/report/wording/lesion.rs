//! The index lesion in words.

use crate::report::document::{Lesion, LesionGrowth, days, millimetres};
use crate::report::language::{Language, Message};
use crate::report::text::visible;

/// The index lesion in sentences: what it is and where, how large, since when, and whose measurement that is.
pub(crate) fn lesion(language: Language, lesion: &Lesion) -> String {
    let mut parts = vec![visible(&lesion.site)];
    parts.extend(lesion.kind.as_deref().map(visible));
    if lesion.spiculated == Some(true) {
        parts.push(language.text(Message::Spiculated).to_owned());
    }
    parts.push(millimetres_of(language, lesion.diameter_mm));
    parts.extend(lesion.seen.map(|seen| language.date(&seen.to_string())));
    let mut text = format!("{}: {}.", visible(&lesion.title), parts.join(", "));
    if let Some(earlier) = &lesion.earlier {
        let seen =
            earlier.seen.map_or_else(String::new, |seen| format!(" ({})", language.date(&seen.to_string())));
        let before = format!("{}{seen}", millimetres_of(language, earlier.diameter_mm));
        let values = [
            ("before", before.as_str()),
            ("difference", &difference(language, earlier.difference_mm)),
            ("doubling", &growth(language, earlier.growth)),
        ];
        text = format!("{text} {}", language.say(Message::LesionBefore, &values));
    }
    format!("{text} {}", lesion_source(language, lesion))
}

/// Whose measurement it is.
pub(crate) fn lesion_source(language: Language, lesion: &Lesion) -> String {
    match &lesion.outlined {
        Some(own) => language.say(Message::LesionOutlined, &[("model", &visible(&own.model))]),
        None => language.text(Message::LesionCited).to_owned(),
    }
}

/// A length for a reader.
pub(crate) fn millimetres_of(language: Language, length: f64) -> String {
    let written = millimetres(length).unwrap_or_else(|| language.text(Message::NotANumber).to_owned());
    format!("{}\u{a0}mm", language.number(&written))
}

/// A difference of lengths for a reader, with its sign.
pub(crate) fn difference(language: Language, difference_mm: f64) -> String {
    let written = millimetres_of(language, difference_mm).replace('-', "\u{2212}");
    if difference_mm > 0.0 { format!("+{written}") } else { written }
}

/// The doubling time for a reader.
pub(crate) fn growth(language: Language, growth: Option<LesionGrowth>) -> String {
    match growth {
        None => language.text(Message::AgeUnknown).to_owned(),
        Some(LesionGrowth::None) => language.text(Message::NoGrowth).to_owned(),
        Some(LesionGrowth::Doubles { days: number }) => {
            language.say(Message::AgeDays, &[("n", &days(number).unwrap_or_default())])
        }
    }
}
