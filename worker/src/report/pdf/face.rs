//! The two fonts of the page: which glyph a character is, and how wide it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use ttf_parser::{Face as Parsed, GlyphId};

/// Their files; `worker/assets/pdf/make_fonts.py` made them.
const REGULAR: &[u8] = include_bytes!("../../../assets/pdf/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/pdf/DejaVuSansCondensed-Bold.ttf");

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// One font.
pub(super) struct Face<'a> {
    pub(super) name: &'static str,
    pub(super) parsed: Parsed<'a>,
    /// Glyph and width of every character below [`TABLE`]; glyph 0 is none. Nearly all that a report says is in here.
    table: Vec<(u16, u16)>,
}

/// The table holds characters up to the geometric shapes.
const TABLE: u32 = 0x2600;

/// Both fonts.
pub(super) struct Faces<'a> {
    regular: Face<'a>,
    bold: Face<'a>,
}

/// Glyphs that were shown, each with the character that it stands for.
pub(super) type Shown = BTreeMap<u16, char>;

impl Faces<'_> {
    /// Both, read once; `None` where one is broken.
    pub(super) fn get() -> Option<&'static Faces<'static>> {
        static FACES: OnceLock<Option<Faces<'static>>> = OnceLock::new();
        let read = || {
            Some(Faces {
                regular: Face::read("DejaVuSansCondensed", REGULAR)?,
                bold: Face::read("DejaVuSansCondensed-Bold", BOLD)?,
            })
        };
        FACES.get_or_init(read).as_ref()
    }
}

impl<'a> Faces<'a> {
    pub(super) fn of(&self, weight: Weight) -> &Face<'a> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// The text with every character that both fonts have no letter for as its number.
    pub(super) fn shown<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let has = |character| self.regular.glyph(character).is_some() && self.bold.glyph(character).is_some();
        if text.chars().all(has) {
            return text;
        }
        let one = |character: char| {
            if has(character) { character.to_string() } else { format!("[U+{:04X}]", u32::from(character)) }
        };
        text.chars().map(one).collect()
    }

    /// How wide it is in points.
    pub(super) fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        let face = self.of(weight);
        let units: f32 = text.chars().map(|character| face.advance(character)).sum();
        units * size / face.units()
    }
}

impl<'a> Face<'a> {
    fn read(name: &'static str, bytes: &'a [u8]) -> Option<Self> {
        let parsed = Parsed::parse(bytes, 0).ok()?;
        let entry = |code| looked_up(&parsed, char::from_u32(code)?);
        let table = (0..TABLE).map(|code| entry(code).unwrap_or_default()).collect();
        Some(Self { name, parsed, table })
    }
}

fn looked_up(parsed: &Parsed<'_>, character: char) -> Option<(u16, u16)> {
    let glyph = parsed.glyph_index(character)?;
    Some((glyph.0, parsed.glyph_hor_advance(glyph).unwrap_or_default()))
}

impl Face<'_> {
    fn entry(&self, character: char) -> (u16, u16) {
        let place = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        let known = self.table.get(place).copied();
        known.unwrap_or_else(|| looked_up(&self.parsed, character).unwrap_or_default())
    }

    pub(super) fn glyph(&self, character: char) -> Option<GlyphId> {
        Some(GlyphId(self.entry(character).0)).filter(|glyph| glyph.0 != 0)
    }

    fn advance(&self, character: char) -> f32 {
        f32::from(self.entry(character).1)
    }

    /// Units of its grid in the size of its letters.
    pub(super) fn units(&self) -> f32 {
        f32::from(self.parsed.units_per_em())
    }

    /// How wide a glyph is, in thousandths of the size.
    pub(super) fn thousandths(&self, glyph: u16) -> f32 {
        let advance = self.parsed.glyph_hor_advance(GlyphId(glyph)).unwrap_or_default();
        f32::from(advance) * 1000.0 / self.units()
    }
}
