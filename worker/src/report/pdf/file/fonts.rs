//! A font in the file: its program with glyphs that are shown, their widths, and what each stands for.
//!
//! A file whose letters are all usual ones has the same two programs as every other such file: they are cut and packed once
//! in a process, and not for each report. A file with any other letter has programs of its own.

use std::sync::OnceLock;

use flate2::Compression;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish as _, Name, Pdf, Rect, Ref, Str};
use sha2::{Digest as _, Sha256};

use super::super::PdfError;
use super::super::face::{Face, Faces, Shown, Weight};
use super::super::subset;
use super::{Numbers, PACKED, packed_at};

/// Codes of a text are glyphs (ISO 32000-1, 9.7.4.2).
const IDENTITY: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// Letters beside those of ASCII that reports in the program's languages have, and marks of its own.
const BESIDE_ASCII: &str = "\u{a0}°±²³µ·×ÄÖÜßäöüåøéèêáàóúíñç–—‘’“”„•…−≤≥●◐○";

/// A font program with some glyphs, packed.
struct Program {
    /// With six letters that tell it from others.
    name: String,
    shown: Shown,
    packed: Vec<u8>,
    /// Bytes before packing.
    length: i32,
    /// What each glyph stands for, packed.
    unicode: Vec<u8>,
}

impl Program {
    fn of(face: &Face<'_>, shown: &Shown, level: Compression) -> Option<Self> {
        let bytes = subset::font(face, shown)?;
        let mut unicode = UnicodeCmap::new(Name(b"Chiasm"), IDENTITY);
        for (glyph, character) in shown {
            unicode.pair(*glyph, *character);
        }
        Some(Self {
            name: format!("{}+{}", tag(&bytes), face.name),
            shown: shown.clone(),
            packed: packed_at(&bytes, level),
            length: i32::try_from(bytes.len()).unwrap_or_default(),
            unicode: packed_at(&unicode.finish(), level),
        })
    }

    /// The one with the usual letters, where these are all usual ones.
    fn usual(faces: &Faces<'_>, weight: Weight, shown: &Shown) -> Option<&'static Self> {
        static REGULAR: OnceLock<Option<Program>> = OnceLock::new();
        static BOLD: OnceLock<Option<Program>> = OnceLock::new();
        let of_weight = match weight {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        };
        let face = faces.of(weight);
        let usual = of_weight.get_or_init(|| Self::of(face, &usual_letters(face), Compression::best()));
        let has = |(glyph, character): (&u16, &char)| {
            usual.as_ref().is_some_and(|usual| usual.shown.get(glyph) == Some(character))
        };
        usual.as_ref().filter(|_| shown.iter().all(has))
    }
}

/// The glyphs of the usual letters; one of several letters stands for the first of them.
fn usual_letters(face: &Face<'_>) -> Shown {
    let mut shown = Shown::new();
    for character in (' '..='~').chain(BESIDE_ASCII.chars()) {
        if let Some(glyph) = face.glyph(character) {
            shown.entry(glyph.0).and_modify(|known| *known = (*known).min(character)).or_insert(character);
        }
    }
    shown
}

/// Writes it, and gives the object that pages name.
pub(super) fn write(
    pdf: &mut Pdf,
    numbers: &mut Numbers,
    faces: &Faces<'_>,
    weight: Weight,
    shown: &Shown,
) -> Result<Ref, PdfError> {
    let face = faces.of(weight);
    if let Some(usual) = Program::usual(faces, weight, shown) {
        return Ok(write_program(pdf, numbers, face, usual));
    }
    let own = Program::of(face, shown, PACKED).ok_or(PdfError::Font)?;
    Ok(write_program(pdf, numbers, face, &own))
}

fn write_program(pdf: &mut Pdf, numbers: &mut Numbers, face: &Face<'_>, own: &Program) -> Ref {
    let (font, descendant, descriptor) = (numbers.next(), numbers.next(), numbers.next());
    let (program, unicode) = (numbers.next(), numbers.next());
    let name = Name(own.name.as_bytes());

    pdf.type0_font(font)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(descendant)
        .to_unicode(unicode);
    let mut cid = pdf.cid_font(descendant);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(IDENTITY).font_descriptor(descriptor);
    cid.default_width(face.thousandths(0)).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid.widths();
    let glyphs: Vec<u16> = own.shown.keys().copied().collect();
    for run in glyphs.chunk_by(|one, next| *next == one + 1) {
        widths.consecutive(run[0], run.iter().map(|glyph| face.thousandths(*glyph)));
    }
    widths.finish();
    cid.finish();

    let scale = 1000.0 / face.units();
    let measure = |units: i16| f32::from(units) * scale;
    let bounds = face.parsed.global_bounding_box();
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(
            measure(bounds.x_min),
            measure(bounds.y_min),
            measure(bounds.x_max),
            measure(bounds.y_max),
        ))
        .italic_angle(0.0)
        .ascent(measure(face.parsed.ascender()))
        .descent(measure(face.parsed.descender()))
        .cap_height(measure(face.parsed.capital_height().unwrap_or_default()))
        .stem_v(if face.name.ends_with("Bold") { 140.0 } else { 80.0 })
        .font_file2(program);
    pdf.cmap(unicode, &own.unicode).filter(Filter::FlateDecode);
    pdf.stream(program, &own.packed).filter(Filter::FlateDecode).pair(Name(b"Length1"), own.length);
    font
}

/// Six capitals that tell this selection of glyphs from others (ISO 32000-1, 9.6.4).
fn tag(program: &[u8]) -> String {
    Sha256::digest(program)[..6].iter().map(|byte| char::from(b'A' + byte % 26)).collect()
}
