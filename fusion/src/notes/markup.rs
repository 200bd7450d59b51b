//! HTML and XHTML as text, each byte of which knows where it stands in the source.
//!
//! Tags, comments, and the content of `script` and `style` are left out; a tag of a block ends the line; named and numbered
//! character references are read. Nothing is resolved, loaded or run.

use std::ops::Range;

/// Tags within a line; every other tag ends it.
const INLINE: [&str; 14] =
    ["a", "abbr", "b", "code", "em", "i", "mark", "q", "small", "span", "strong", "sub", "sup", "u"];

/// Longest character reference.
const MAX_REFERENCE: usize = 12;

/// A text to be read, and its way back to the source.
pub(crate) struct Readable<'a> {
    source: &'a str,
    /// The text without markup and, for each of its bytes, the source of its character; `None` where the source is plain.
    plain: Option<(String, Vec<Place>)>,
}

/// Bytes of the source.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    length: u8,
}

impl<'a> Readable<'a> {
    /// A text without markup.
    pub(crate) fn plain(source: &'a str) -> Self {
        Self { source, plain: None }
    }

    /// A text with markup.
    pub(crate) fn markup(source: &'a str) -> Self {
        Self { source, plain: Some(stripped(source)) }
    }

    /// What is to be read.
    pub(crate) fn text(&self) -> &str {
        self.plain.as_ref().map_or(self.source, |(text, _)| text)
    }

    /// Characters (Unicode scalar values, from 0) of the source that these bytes of the text come from.
    pub(crate) fn characters(&self, bytes: &Range<usize>) -> Range<usize> {
        // The end is the end of the last character, not the start of the next: a tag may stand between.
        let last = bytes.end.saturating_sub(1);
        let (start, end) = match &self.plain {
            None => (bytes.start, bytes.end),
            Some((_, places)) => {
                let whole = Place { start: u32::try_from(self.source.len()).unwrap_or(u32::MAX), length: 0 };
                let place = |byte: usize| places.get(byte).copied().unwrap_or(whole);
                (
                    place(bytes.start).start as usize,
                    place(last).start as usize + usize::from(place(last).length),
                )
            }
        };
        let count = |until: usize| self.source.char_indices().take_while(|(place, _)| *place < until).count();
        let first = count(start);
        first..first.max(count(end))
    }
}

fn stripped(source: &str) -> (String, Vec<Place>) {
    let (mut text, mut places) = (String::with_capacity(source.len()), Vec::with_capacity(source.len()));
    let mut put = |letter: char, at: usize, length: usize| {
        text.push(letter);
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        let place = Place { start, length: u8::try_from(length).unwrap_or_default() };
        places.extend(std::iter::repeat_n(place, letter.len_utf8()));
    };
    let mut at = 0;
    while let Some(letter) = source[at..].chars().next() {
        let rest = &source[at..];
        if letter == '<'
            && rest[1..].starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next))
        {
            let (length, ends_line) = tag(rest);
            if ends_line {
                put('\n', at, 0);
            }
            at += length;
        } else if let Some((found, length)) = reference(rest) {
            put(found, at, length);
            at += length;
        } else {
            // a line break of the source is white space; lines end at tags
            let shown = if letter == '\n' || letter == '\r' { ' ' } else { letter };
            put(shown, at, letter.len_utf8());
            at += letter.len_utf8();
        }
    }
    (text, places)
}

/// Bytes of the tag that begins here, with what it hides, and whether it ends the line.
fn tag(rest: &str) -> (usize, bool) {
    let until = |text: &str, end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if rest.starts_with("<!--") {
        return (until(rest, "-->"), false);
    }
    let length = until(rest, ">");
    let name: String = rest[1..length].chars().take_while(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let hides = matches!(name.as_str(), "script" | "style") && !rest[..length].ends_with("/>");
    if hides {
        let close = format!("</{name}");
        let after = &rest.as_bytes()[length..];
        let content = after.windows(close.len()).position(|part| part.eq_ignore_ascii_case(close.as_bytes()));
        return (content.map_or(rest.len(), |content| length + content), true);
    }
    let closing: String =
        rest[1..length].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
    (length, !INLINE.contains(&closing.to_ascii_lowercase().as_str()))
}

/// The character of a reference that begins here, and the reference's bytes.
fn reference(rest: &str) -> Option<(char, usize)> {
    let inside = rest.strip_prefix('&')?;
    let end = inside.bytes().take(MAX_REFERENCE).position(|byte| byte == b';')?;
    let name = &inside[..end];
    let found = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => digits.parse().ok()?,
            };
            let found = char::from_u32(code)?;
            if found.is_whitespace() { ' ' } else { found }
        }
    };
    Some((found, end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(source: &str, characters: Range<usize>) -> String {
        source.chars().skip(characters.start).take(characters.len()).collect()
    }

    #[test]
    fn what_is_read_of_markup_leads_back_to_the_source() {
        let source = "<div><p>Größe <b>6&nbsp;mm</b></p><style>no emphysema</style><!-- x --><p>a &lt; b &#xe9;</p></div>";
        let readable = Readable::markup(source);
        assert_eq!(readable.text(), "\n\nGröße 6 mm\n\n\n\na < b é\n\n");
        let at = readable.text().find("6 mm").unwrap();
        assert_eq!(cut(source, readable.characters(&(at..at + 4))), "6&nbsp;mm");
        let at = readable.text().find('é').unwrap();
        assert_eq!(cut(source, readable.characters(&(at..at + 2))), "&#xe9;");
        let plain = Readable::plain("Größe 6 mm");
        let at = plain.text().find("mm").unwrap();
        assert_eq!(plain.characters(&(at..at + 2)), 8..10);
    }

    #[test]
    fn broken_markup_is_read_to_its_end() {
        for source in
            ["<", "<p", "a < b", "&", "&#xffffffff;", "&;", "<script>no", "<!--", "<p>\u{e9}&#0", "</", "<ü>"]
        {
            let readable = Readable::markup(source);
            assert!(readable.text().len() <= source.len() + 1, "{source}");
            readable.characters(&(0..readable.text().len()));
        }
    }
}
