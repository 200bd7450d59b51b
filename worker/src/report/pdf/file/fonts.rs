//! A font in the file: its program with the glyphs that are shown, their widths, and what each stands for.

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish as _, Name, Pdf, Rect, Ref, Str};
use sha2::{Digest as _, Sha256};

use super::super::PdfError;
use super::super::face::{Face, Shown};
use super::super::subset;
use super::{Numbers, packed};

/// Codes of a text are glyphs (ISO 32000-1, 9.7.4.2).
const IDENTITY: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// Writes it, and gives the object that pages name.
pub(super) fn write(
    pdf: &mut Pdf,
    numbers: &mut Numbers,
    face: &Face<'_>,
    shown: &Shown,
) -> Result<Ref, PdfError> {
    let (font, descendant, descriptor) = (numbers.next(), numbers.next(), numbers.next());
    let (program, unicode) = (numbers.next(), numbers.next());
    let bytes = subset::font(face, shown).ok_or(PdfError::Font)?;
    let name = format!("{}+{}", tag(&bytes), face.name);
    let name = Name(name.as_bytes());

    pdf.type0_font(font)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(descendant)
        .to_unicode(unicode);
    let mut cid = pdf.cid_font(descendant);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(IDENTITY).font_descriptor(descriptor);
    cid.default_width(face.thousandths(0)).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid.widths();
    for glyph in shown.keys() {
        widths.consecutive(*glyph, [face.thousandths(*glyph)]);
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
    let mut cmap = UnicodeCmap::new(Name(b"Chiasm"), IDENTITY);
    for (glyph, character) in shown {
        cmap.pair(*glyph, *character);
    }
    pdf.cmap(unicode, &packed(&cmap.finish())).filter(Filter::FlateDecode);
    let length = i32::try_from(bytes.len()).unwrap_or_default();
    pdf.stream(program, &packed(&bytes)).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
    Ok(font)
}

/// Six capitals that tell this selection of glyphs from others (ISO 32000-1, 9.6.4).
fn tag(program: &[u8]) -> String {
    Sha256::digest(program)[..6].iter().map(|byte| char::from(b'A' + byte % 26)).collect()
}
