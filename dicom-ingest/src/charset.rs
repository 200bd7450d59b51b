//! Specific Character Set: from bytes to text (PS3.3 C.12.1.1.2, PS3.5 section 6.1), with code extensions.
//!
//! What cannot be decoded for certain is an error that carries a lossy text: good for display, never for
//! comparing identities.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4,
    ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252,
    WINDOWS_1254,
};

const ESCAPE: u8 = 0x1B;

/// One coded character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// ISO-IR 6, the default repertoire.
    Ascii,
    /// A set whose bytes decode without escape sequences.
    Plain(&'static Encoding),
    /// JIS X 0208 as ISO 2022-JP: decoded together with its escape sequence.
    Jis,
    /// JIS X 0212: decoded as the three-byte characters of EUC-JP, which are the same with their high bits set.
    JisSupplement,
    /// A defined term that this crate does not know, or a set it cannot decode.
    Unknown,
}

/// The character sets of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CharacterSet {
    initial: Set,
    extended: bool,
}

impl CharacterSet {
    /// From the values of (0008,0005); none of them is the default repertoire.
    pub(crate) fn from_terms(terms: &[String]) -> Self {
        let initial = terms.first().map_or(Set::Ascii, |term| set_of_term(term));
        Self { initial, extended: terms.len() > 1 || terms.iter().any(|term| term.starts_with("ISO 2022")) }
    }

    /// Decodes a value. `Err` holds the lossy text.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<String, String> {
        if bytes.is_ascii() && !bytes.contains(&ESCAPE) {
            return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
        }
        if self.extended && bytes.contains(&ESCAPE) {
            self.decode_extended(bytes)
        } else {
            decode(self.initial, bytes)
        }
    }

    /// Decodes a value with escape sequences: each switches the set up to the next escape, or up to a delimiter,
    /// where the initial set holds again (PS3.5 6.1.2.5.3).
    fn decode_extended(self, bytes: &[u8]) -> Result<String, String> {
        let mut text = String::new();
        let mut certain = true;
        let mut segments = bytes.split(|byte| *byte == ESCAPE);
        let mut push = |set: Set, part: &[u8]| match decode(set, part) {
            Ok(part) => text.push_str(&part),
            Err(part) => {
                certain = false;
                text.push_str(&part);
            }
        };
        push(self.initial, segments.next().unwrap_or_default());
        for segment in segments {
            let (set, escape_length) = set_of_escape(segment);
            let rest = segment.get(escape_length..).unwrap_or_default();
            let delimiter = |byte: &u8| matches!(byte, b'\\' | b'^' | b'=' | b'\r' | b'\n' | 0x0C | b'\t');
            // In a two-byte set of seven bits a delimiter's byte can be half of a character.
            let two_bytes = matches!(set, Set::Jis | Set::JisSupplement);
            let end = if two_bytes { None } else { rest.iter().position(delimiter) };
            let (inside, outside) = rest.split_at(end.unwrap_or(rest.len()));
            if set == Set::Jis {
                let escaped: Vec<u8> = [&[ESCAPE], segment].concat();
                push(set, &escaped);
            } else {
                push(set, inside);
            }
            push(self.initial, outside);
        }
        if certain { Ok(text) } else { Err(text) }
    }
}

/// The set of a defined term of (0008,0005) (PS3.3 tables C.12-2 to C.12-5).
fn set_of_term(term: &str) -> Set {
    let repertoire = term.trim().trim_start_matches("ISO_IR ").trim_start_matches("ISO 2022 IR ");
    match repertoire {
        "" | "6" => Set::Ascii,
        "100" => Set::Plain(WINDOWS_1252),
        "101" => Set::Plain(ISO_8859_2),
        "109" => Set::Plain(ISO_8859_3),
        "110" => Set::Plain(ISO_8859_4),
        "144" => Set::Plain(ISO_8859_5),
        "127" => Set::Plain(ISO_8859_6),
        "126" => Set::Plain(ISO_8859_7),
        "138" => Set::Plain(ISO_8859_8),
        "148" => Set::Plain(WINDOWS_1254),
        "203" => Set::Plain(ISO_8859_15),
        "166" => Set::Plain(WINDOWS_874),
        "13" => Set::Plain(SHIFT_JIS),
        "87" => Set::Jis,
        "159" => Set::JisSupplement,
        "149" => Set::Plain(EUC_KR),
        "58" | "GBK" => Set::Plain(GBK),
        "192" => Set::Plain(UTF_8),
        "GB18030" => Set::Plain(GB18030),
        "BIG5" => Set::Plain(BIG5),
        _ => Set::Unknown,
    }
}

/// The set that an escape sequence selects, and the length of the sequence without its escape byte.
fn set_of_escape(after_escape: &[u8]) -> (Set, usize) {
    let sets: [(&[u8], Set); 19] = [
        (b"$)C", Set::Plain(EUC_KR)),
        (b"$)A", Set::Plain(GBK)),
        (b"$(D", Set::JisSupplement),
        (b"$B", Set::Jis),
        (b"$@", Set::Jis),
        (b"(B", Set::Ascii),
        (b"(J", Set::Plain(SHIFT_JIS)),
        (b")I", Set::Plain(SHIFT_JIS)),
        (b"-A", Set::Plain(WINDOWS_1252)),
        (b"-B", Set::Plain(ISO_8859_2)),
        (b"-C", Set::Plain(ISO_8859_3)),
        (b"-D", Set::Plain(ISO_8859_4)),
        (b"-L", Set::Plain(ISO_8859_5)),
        (b"-G", Set::Plain(ISO_8859_6)),
        (b"-F", Set::Plain(ISO_8859_7)),
        (b"-H", Set::Plain(ISO_8859_8)),
        (b"-M", Set::Plain(WINDOWS_1254)),
        (b"-T", Set::Plain(WINDOWS_874)),
        (b"-b", Set::Plain(ISO_8859_15)),
    ];
    let found = sets.into_iter().find(|(sequence, _)| after_escape.starts_with(sequence));
    found.map_or((Set::Unknown, 0), |(sequence, set)| (set, sequence.len()))
}

fn decode(set: Set, bytes: &[u8]) -> Result<String, String> {
    let encoding = match set {
        Set::Plain(encoding) => encoding,
        Set::Jis => ISO_2022_JP,
        Set::JisSupplement => return decode_supplement(bytes),
        Set::Ascii if bytes.is_ascii() && !bytes.contains(&ESCAPE) => {
            return Ok(bytes.iter().map(|byte| char::from(*byte)).collect());
        }
        Set::Ascii | Set::Unknown => {
            return Err(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned());
        }
    };
    let (text, malformed) = encoding.decode_without_bom_handling(bytes);
    if malformed { Err(text.into_owned()) } else { Ok(text.into_owned()) }
}

/// Decodes JIS X 0212 (row and cell, seven bits each).
fn decode_supplement(bytes: &[u8]) -> Result<String, String> {
    const SUPPLEMENT: u8 = 0x8F;
    let (characters, rest) = bytes.as_chunks::<2>();
    let seven_bits = rest.is_empty() && bytes.is_ascii();
    let coded: Vec<u8> =
        characters.iter().flat_map(|[row, cell]| [SUPPLEMENT, *row | 0x80, *cell | 0x80]).collect();
    let (text, malformed) = EUC_JP.decode_without_bom_handling(&coded);
    if malformed || !seven_bits { Err(text.into_owned()) } else { Ok(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_with(terms: &str, bytes: &[u8]) -> Result<String, String> {
        let terms: Vec<String> = terms.split('\\').map(str::to_owned).collect();
        CharacterSet::from_terms(&terms).decode(bytes)
    }

    #[test]
    fn the_examples_of_ps3_5_annexes_h_i_and_j() {
        let yamada = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(decode_with("\\ISO 2022 IR 87", yamada).unwrap(), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let katakana = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J";
        assert_eq!(decode_with("ISO 2022 IR 13\\ISO 2022 IR 87", katakana).unwrap(), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
        let hong =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(decode_with("\\ISO 2022 IR 149", hong).unwrap(), "Hong^Gildong=洪^吉洞=홍^길동");
        assert_eq!(decode_with("ISO_IR 100", b"Buc^J\xe9r\xf4me").unwrap(), "Buc^Jérôme");
        assert_eq!(decode_with("ISO_IR 192", "Wang^小东".as_bytes()).unwrap(), "Wang^小东");
    }

    /// Tables C.12-3 and C.12-4: several values, one of them the second plane of kanji, Latin 9, GB18030.
    #[test]
    fn sets_that_are_seldom() {
        // one character of JIS X 0212 (row 16, cell 1) between two of JIS X 0208
        let kanji = b"Yamada=\x1b$B;3\x1b$(D\x30\x21\x1b$BED\x1b(B^\x1b$BB@O:\x1b(B";
        let sets = "\\ISO 2022 IR 87\\ISO 2022 IR 159";
        assert_eq!(decode_with(sets, kanji).unwrap(), "Yamada=山丂田^太郎");
        assert_eq!(decode_with("ISO 2022 IR 6\\ISO 2022 IR 203", b"A\x1b-b\xa4").unwrap(), "A€");
        assert_eq!(decode_with("ISO_IR 203", b"\xbd").unwrap(), "œ");
        let chinese = "\u{738b}^\u{5c0f}\u{4e1c}";
        let (gb, ..) = GB18030.encode(chinese);
        assert_eq!(decode_with("GB18030", &gb).unwrap(), chinese);
    }

    #[test]
    fn what_is_not_certain_is_an_error() {
        for (terms, bytes) in [
            ("", b"J\xe9r\xf4me".as_slice()),
            ("ISO_IR 192", b"J\xe9r\xf4me"),
            ("ISO_IR 999", b"J\xe9r\xf4me"),
            // half a character, a place that is empty, a byte of eight bits
            ("\\ISO 2022 IR 159", b"a\x1b$(D\x30\x1b(B"),
            ("\\ISO 2022 IR 159", b"a\x1b$(D\x21\x21\x1b(B"),
            ("\\ISO 2022 IR 159", b"a\x1b$(D\xb0\x21\x1b(B"),
            ("\\ISO 2022 IR 87", b"a\x1b%Xabc"),
        ] {
            assert!(decode_with(terms, bytes).is_err(), "{terms}");
        }
    }
}
