//! The PDF says what the page says: its text, as poppler reads it, against the page's own, in the same order.

use std::path::Path;
use std::process::Command;

/// Elements that begin a piece of text of their own.
const PIECES: [&str; 10] = ["p", "h1", "h2", "h3", "th", "td", "li", "dt", "dd", "caption"];

/// Classes that are not on paper, see `worker/src/report/html/style.css`.
const NOT_PRINTED: [&str; 4] = ["unseen", "what", "rule", "looked"];

/// Reads the PDF and compares; gives false where there is nothing to read it with.
pub(crate) fn says_the_same(page: &str, pdf: &Path) -> bool {
    let Some((text, pages)) = read(pdf) else {
        eprintln!("skipped: no pdftotext and pdfinfo (poppler-utils) for the PDF");
        return false;
    };
    assert_eq!(pages, "1", "one sheet");
    let written = without_space(&text);
    let mut from = 0;
    let mut heads = String::new();
    let mut found = 0;
    for piece in pieces(page) {
        let wanted = without_space(&piece.text);
        let Some(at) = written[from..].find(&wanted) else {
            panic!(
                "`{}` is not in the PDF after `{}`",
                piece.text,
                &written[..from].chars().rev().take(80).collect::<String>()
            );
        };
        // between two pieces there is only what is said twice: the head of a table whose rows stand beside each other
        heads.push_str(&written[from..from + at]);
        from += at + wanted.len();
        found += 1;
    }
    heads.push_str(&written[from..]);
    assert!(found > 12, "{found} pieces");
    let repeated = pieces(page).filter(|piece| piece.is_record_head).map(|piece| without_space(&piece.text));
    let repeated: String = repeated.collect();
    assert!(heads.is_empty() || heads == repeated, "`{heads}` is in the PDF alone");
    true
}

/// The text in the order of the file's content, and how many pages it has.
fn read(pdf: &Path) -> Option<(String, String)> {
    let text = Command::new("pdftotext").arg("-raw").arg(pdf).arg("-").output().ok()?;
    let facts = Command::new("pdfinfo").arg(pdf).output().ok()?;
    assert!(text.status.success() && facts.status.success());
    let facts = String::from_utf8_lossy(&facts.stdout).into_owned();
    let pages = facts.lines().find_map(|line| line.strip_prefix("Pages:"))?.trim().to_owned();
    Some((String::from_utf8_lossy(&text.stdout).into_owned(), pages))
}

fn without_space(text: &str) -> String {
    text.chars().filter(|one| !one.is_whitespace() && *one != '\u{c}').collect()
}

struct Piece {
    text: String,
    is_record_head: bool,
}

/// The page's printed text, piece by piece, read by other means than the program's.
fn pieces(page: &str) -> impl Iterator<Item = Piece> {
    let body = page.split("<body").nth(1).expect("a body");
    let mut open: Vec<(String, bool)> = Vec::new();
    let mut pieces: Vec<Piece> = vec![Piece { text: String::new(), is_record_head: false }];
    let (mut in_record, mut in_head) = (false, false);
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            if name == "thead" {
                in_head = false;
            }
            while open.pop().is_some_and(|(last, _)| last != name) {}
        } else {
            let name = tag.split(' ').next().expect("a name");
            let class =
                tag.split("class=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            let has = |wanted: &str| class.split(' ').any(|one| one == wanted);
            if name == "table" {
                in_record = has("record");
            }
            in_head |= name == "thead";
            // bars have no room in the record's two columns
            let hidden = matches!(name, "details" | "label" | "svg" | "style")
                || NOT_PRINTED.iter().any(|one| has(one))
                || (in_record && has("meter"));
            let hidden = hidden || open.last().is_some_and(|(_, hidden)| *hidden);
            if !matches!(name, "br" | "input" | "meta") {
                open.push((name.to_owned(), hidden));
            }
            if (PIECES.contains(&name) || name == "figcaption") && !hidden {
                pieces.push(Piece {
                    text: String::new(),
                    is_record_head: in_record && in_head && name == "th",
                });
            }
        }
        if !open.last().is_some_and(|(_, hidden)| *hidden)
            && let Some(piece) = pieces.last_mut()
        {
            piece.text.push_str(&unescaped(text));
        }
    }
    pieces.into_iter().filter(|piece| !piece.text.trim().is_empty())
}

fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
