//! The file read back by a reader that shares nothing with the writer, and by pyarrow where it is installed.

use std::process::{Command, Stdio};

use super::*;

fn sample() -> Vec<u8> {
    let text = |text: &str| Some(text.to_owned());
    let columns = [
        ("feature", Column::Text(vec![text("crp"), text("größe"), None])),
        ("number", Column::Number(vec![Some(48.5), None, Some(-1e300)])),
        ("window_days", Column::Integer(vec![None, Some(30), Some(-1)])),
        ("available", Column::Instant(vec![Some(1_714_550_400_000_000), None, None])),
    ];
    file(&columns, &[("schema", "chiasm-record-features/3")])
}

/// A value of the compact protocol, as far as the footer has them.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Fields(Vec<(u8, Value)>),
}

impl Value {
    fn field(&self, number: u8) -> &Value {
        let Self::Fields(fields) = self else { panic!("{self:?} has no fields") };
        &fields.iter().find(|(known, _)| *known == number).unwrap_or_else(|| panic!("no field {number}")).1
    }

    fn integer(&self) -> i64 {
        let Self::Integer(value) = self else { panic!("{self:?} is no integer") };
        *value
    }

    fn list(&self) -> &[Value] {
        let Self::List(items) = self else { panic!("{self:?} is no list") };
        items
    }

    fn text(&self) -> &str {
        let Self::Bytes(bytes) = self else { panic!("{self:?} is no text") };
        std::str::from_utf8(bytes).unwrap()
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        for shift in 0.. {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn value(&mut self, kind: u8) -> Value {
        match kind {
            5 | 6 => {
                let raw = self.varint();
                Value::Integer((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
            }
            8 => {
                let length = usize::try_from(self.varint()).unwrap();
                let (bytes, rest) = self.0.split_at(length);
                self.0 = rest;
                Value::Bytes(bytes.to_vec())
            }
            9 => {
                let head = self.byte();
                let count = if head >> 4 == 15 { self.varint() } else { u64::from(head >> 4) };
                Value::List((0..count).map(|_| self.value(head & 15)).collect())
            }
            12 => {
                let (mut fields, mut last) = (Vec::new(), 0);
                loop {
                    let head = self.byte();
                    if head == 0 {
                        return Value::Fields(fields);
                    }
                    last += head >> 4;
                    fields.push((last, self.value(head & 15)));
                }
            }
            other => panic!("type {other}"),
        }
    }
}

#[test]
fn the_footer_says_where_and_what_every_column_is() {
    let bytes = sample();
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (MAGIC, MAGIC));
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let footer = Reader(&bytes[end - length..end]).value(12);
    assert_eq!((footer.field(1).integer(), footer.field(3).integer()), (1, 3));
    let schema = footer.field(2).list();
    assert_eq!((schema.len(), schema[0].field(5).integer()), (5, 4));
    let names: Vec<&str> = schema[1..].iter().map(|element| element.field(4).text()).collect();
    assert_eq!(names, ["feature", "number", "window_days", "available"]);
    assert_eq!(footer.field(5).list()[0].field(2).text(), "chiasm-record-features/3");
    let chunks = footer.field(4).list()[0].field(1).list();
    let mut at = 4;
    for chunk in chunks {
        let meta = chunk.field(3);
        assert_eq!((meta.field(9).integer(), meta.field(5).integer()), (at, 3));
        let start = usize::try_from(at).unwrap();
        let mut reader = Reader(&bytes[start..]);
        let header = reader.value(12);
        let body = header.field(3).integer();
        let read = bytes.len() - start - reader.0.len();
        at += i64::try_from(read).unwrap() + body;
        assert_eq!(header.field(5).field(1).integer(), 3);
    }
    assert_eq!(usize::try_from(at).unwrap(), end - length, "the pages end where the footer begins");
    // the first page: two runs of levels (there, there, absent), then both texts
    let page = Reader(&bytes[4..]).value(12);
    let body = usize::try_from(page.field(3).integer()).unwrap();
    let second = usize::try_from(chunks[1].field(3).field(9).integer()).unwrap();
    let first = &bytes[second - body..second];
    assert_eq!(first, b"\x04\0\0\0\x04\x01\x02\0\x03\0\0\0crp\x07\0\0\0gr\xc3\xb6\xc3\x9fe");
}

#[test]
fn an_empty_table_and_a_long_one_are_files_too() {
    assert!(file(&[], &[]).ends_with(MAGIC));
    let many = vec![Some(1); 100_000];
    let columns: Vec<(&str, Column)> = (0..20).map(|_| ("x", Column::Integer(many.clone()))).collect();
    let bytes = file(&columns, &[]);
    assert!(bytes.len() > 20 * 400_000 && bytes.ends_with(MAGIC));
}

#[test]
fn pyarrow_reads_the_same() {
    let program = "import sys, io, pyarrow.parquet as p; t = p.read_table(io.BytesIO(sys.stdin.buffer.read())); \
                   plain = lambda v: v.isoformat() if hasattr(v, 'isoformat') else v; \
                   print({k: [plain(v) for v in c] for k, c in t.to_pydict().items()}, t.schema.metadata)";
    let child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return eprintln!("skipped: python3 is not installed") };
    let mut stdin = child.stdin.take().unwrap();
    let written = std::io::Write::write_all(&mut stdin, &sample());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if written.is_err() || !output.status.success() {
        return eprintln!("skipped: pyarrow is not installed");
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "{'feature': ['crp', 'größe', None], 'number': [48.5, None, -1e+300], \
                    'window_days': [None, 30, -1], 'available': ['2024-05-01T08:00:00+00:00', None, None]}";
    assert!(text.starts_with(expected) && text.contains("chiasm-record-features/3"), "{text}");
}
