//! A font with only those glyphs that a file shows: the others keep their numbers and lose their outlines, which pack to
//! almost nothing. The fonts hold no glyph that is made of others, so nothing else has to stay.

use ttf_parser::Tag;

use super::face::{Face, Shown};

/// The tables that a reader of PDF needs (ISO 32000-1, 9.9), in the order of their names. The outlines are written anew.
const KEPT: [&[u8; 4]; 4] = [b"head", b"hhea", b"hmtx", b"maxp"];

/// The font program; `None` where a table is missing or shorter than it says.
pub(super) fn font(face: &Face<'_>, shown: &Shown) -> Option<Vec<u8>> {
    let raw = face.parsed.raw_face();
    let table = |name: &[u8; 4]| raw.table(Tag::from_bytes(name));
    let (glyf, loca) = outlines(face, shown, table(b"glyf")?, table(b"loca")?)?;
    let mut tables: Vec<(&[u8; 4], Vec<u8>)> = vec![(b"glyf", glyf)];
    for name in KEPT {
        let mut bytes = table(name)?.to_vec();
        if name == b"head" {
            // the checksum of the whole file is set below; offsets are long (indexToLocFormat)
            bytes.get_mut(8..12)?.fill(0);
            bytes.get_mut(50..52)?.copy_from_slice(&1_u16.to_be_bytes());
        }
        tables.push((name, bytes));
    }
    tables.push((b"loca", loca));
    tables.sort_by_key(|(name, _)| **name);
    file(tables)
}

/// The outlines of the shown glyphs and of glyph 0, and where each lies.
fn outlines(face: &Face<'_>, shown: &Shown, glyf: &[u8], loca: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let is_long = u16::from_be_bytes(
        face.parsed.raw_face().table(Tag::from_bytes(b"head"))?.get(50..52)?.try_into().ok()?,
    ) == 1;
    let offset = |glyph: u16| -> Option<usize> {
        let at = usize::from(glyph);
        if is_long {
            let bytes = loca.get(at * 4..at * 4 + 4)?;
            usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
        } else {
            Some(usize::from(u16::from_be_bytes(loca.get(at * 2..at * 2 + 2)?.try_into().ok()?)) * 2)
        }
    };
    let (mut kept, mut places) = (Vec::new(), Vec::new());
    for glyph in 0..face.parsed.number_of_glyphs() {
        places.extend(u32::try_from(kept.len()).ok()?.to_be_bytes());
        if glyph == 0 || shown.contains_key(&glyph) {
            kept.extend(glyf.get(offset(glyph)?..offset(glyph.checked_add(1)?)?)?);
            kept.resize(kept.len().next_multiple_of(4), 0);
        }
    }
    places.extend(u32::try_from(kept.len()).ok()?.to_be_bytes());
    Some((kept, places))
}

/// The file around the tables (<https://learn.microsoft.com/typography/opentype/spec/otff>).
fn file(tables: Vec<(&[u8; 4], Vec<u8>)>) -> Option<Vec<u8>> {
    let count = u16::try_from(tables.len()).ok()?;
    let power = u16::try_from(count.checked_ilog2()?).ok()?;
    let range = 16 << power;
    let mut file = 0x0001_0000_u32.to_be_bytes().to_vec();
    for number in [count, range, power, count * 16 - range] {
        file.extend(number.to_be_bytes());
    }
    let mut place = file.len() + 16 * tables.len();
    let mut head = None;
    for (name, bytes) in &tables {
        if *name == b"head" {
            head = Some(place);
        }
        file.extend_from_slice(&name[..]);
        file.extend(sum(bytes).to_be_bytes());
        file.extend(u32::try_from(place).ok()?.to_be_bytes());
        file.extend(u32::try_from(bytes.len()).ok()?.to_be_bytes());
        place += bytes.len().next_multiple_of(4);
    }
    for (_, bytes) in tables {
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(4), 0);
    }
    let adjustment = 0xB1B0_AFBA_u32.wrapping_sub(sum(&file));
    let head = head? + 8;
    file.get_mut(head..head + 4)?.copy_from_slice(&adjustment.to_be_bytes());
    Some(file)
}

fn sum(bytes: &[u8]) -> u32 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(word)
    };
    bytes.chunks(4).map(word).fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::super::face::{Faces, Weight};
    use super::*;

    #[test]
    fn a_font_of_a_few_letters_is_a_font_with_these_letters() {
        let faces = Faces::get().expect("fonts");
        for weight in [Weight::Regular, Weight::Bold] {
            let face = faces.of(weight);
            let shown: Shown = "Aé●".chars().map(|one| (face.glyph(one).expect("a glyph").0, one)).collect();
            let bytes = font(face, &shown).expect("a font");
            assert!(sum(&bytes) == 0xB1B0_AFBA, "the checksum of the whole file");
            let read = ttf_parser::Face::parse(&bytes, 0).expect("a font");
            assert_eq!(read.number_of_glyphs(), face.parsed.number_of_glyphs());
            for glyph in 0..read.number_of_glyphs() {
                let id = ttf_parser::GlyphId(glyph);
                let is_kept = glyph == 0 || shown.contains_key(&glyph);
                let expected = face.parsed.glyph_bounding_box(id).filter(|_| is_kept);
                assert_eq!(read.glyph_bounding_box(id), expected, "{glyph}");
                assert_eq!(read.glyph_hor_advance(id), face.parsed.glyph_hor_advance(id));
            }
        }
    }

    #[test]
    fn no_glyph_is_made_of_others() {
        let faces = Faces::get().expect("fonts");
        for weight in [Weight::Regular, Weight::Bold] {
            let raw = faces.of(weight).parsed.raw_face();
            let (glyf, loca) = (Tag::from_bytes(b"glyf"), Tag::from_bytes(b"loca"));
            let (glyf, loca) = (raw.table(glyf).expect("outlines"), raw.table(loca).expect("places"));
            // a negative number of contours says that it is
            let places =
                loca.chunks_exact(4).map(|place| u32::from_be_bytes(place.try_into().expect("four bytes")));
            let places: Vec<usize> = places.map(|place| usize::try_from(place).expect("a place")).collect();
            assert_eq!(places.last(), Some(&glyf.len()), "long offsets");
            for pair in places.windows(2).filter(|pair| pair[0] < pair[1]) {
                assert!(glyf[pair[0]] < 0x80, "glyph at {}", pair[0]);
            }
        }
    }
}
