//! Tables as Apache Parquet files: flat, optional columns, one row group, plain and uncompressed.
//!
//! <https://parquet.apache.org/docs/file-format/>; the metadata are Thrift's compact protocol. What is written is the least
//! that every reader has to understand: data pages of version 1, PLAIN values, definition levels as runs. The tables are
//! small, and a library for the whole format would be the largest dependency of the program (`docs/features.md`).

/// A column; every value may be absent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    /// UTF-8 text.
    Text(Vec<Option<String>>),
    /// 64-bit floating point.
    Number(Vec<Option<f64>>),
    /// 32-bit integer.
    Integer(Vec<Option<i32>>),
    /// Microseconds since 1970, UTC.
    Instant(Vec<Option<i64>>),
}

/// Optional, in the words of the format.
const OPTIONAL: i32 = 1;
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const MAGIC: &[u8] = b"PAR1";

impl Column {
    /// Physical type, and the converted type where there is one.
    fn kind(&self) -> (i32, Option<i32>) {
        match self {
            Self::Text(_) => (6, Some(0)),     // BYTE_ARRAY, UTF8
            Self::Number(_) => (5, None),      // DOUBLE
            Self::Integer(_) => (1, None),     // INT32
            Self::Instant(_) => (2, Some(10)), // INT64, TIMESTAMP_MICROS
        }
    }

    fn present(&self) -> Vec<bool> {
        match self {
            Self::Text(all) => all.iter().map(Option::is_some).collect(),
            Self::Number(all) => all.iter().map(Option::is_some).collect(),
            Self::Integer(all) => all.iter().map(Option::is_some).collect(),
            Self::Instant(all) => all.iter().map(Option::is_some).collect(),
        }
    }

    /// The values that are there, plain.
    fn values(&self) -> Vec<u8> {
        let mut made = Vec::new();
        match self {
            Self::Text(all) => {
                for text in all.iter().flatten() {
                    made.extend(length(text.len()).to_le_bytes());
                    made.extend(text.as_bytes());
                }
            }
            Self::Number(all) => all.iter().flatten().for_each(|value| made.extend(value.to_le_bytes())),
            Self::Integer(all) => all.iter().flatten().for_each(|value| made.extend(value.to_le_bytes())),
            Self::Instant(all) => all.iter().flatten().for_each(|value| made.extend(value.to_le_bytes())),
        }
        made
    }
}

/// The file. Columns are of one length; `about` are words that the file carries in its metadata.
pub(crate) fn file(columns: &[(&str, Column)], about: &[(&str, &str)]) -> Vec<u8> {
    let rows = columns.first().map_or(0, |(_, column)| column.present().len());
    let mut bytes = MAGIC.to_vec();
    let mut chunks = Vec::new();
    for (name, column) in columns {
        let start = bytes.len();
        bytes.extend(page(column, rows));
        chunks.push((*name, column, start, bytes.len() - start));
    }
    let total = bytes.len() - MAGIC.len();
    let mut footer = Thrift::default();
    footer.integer(1, 1);
    footer.list(2, Thrift::STRUCT, columns.len() + 1);
    footer.nested(|root| {
        root.text(4, "schema");
        root.integer(5, size(columns.len()));
    });
    for (name, column) in columns {
        footer.nested(|element| describe(element, name, column));
    }
    footer.long(3, rows);
    footer.list(4, Thrift::STRUCT, 1);
    footer.nested(|group| {
        group.list(1, Thrift::STRUCT, chunks.len());
        for (name, column, start, size) in &chunks {
            group.nested(|chunk| {
                chunk.long(2, *start);
                chunk.structure(3, |meta| {
                    meta.integer(1, column.kind().0);
                    meta.list(2, Thrift::I32, 2);
                    meta.item(PLAIN);
                    meta.item(RLE);
                    meta.list(3, Thrift::BINARY, 1);
                    meta.bytes(name.as_bytes());
                    meta.integer(4, 0); // uncompressed
                    meta.long(5, rows);
                    meta.long(6, *size);
                    meta.long(7, *size);
                    meta.long(9, *start);
                });
            });
        }
        group.long(2, total);
        group.long(3, rows);
    });
    footer.list(5, Thrift::STRUCT, about.len());
    for (key, value) in about {
        footer.nested(|pair| {
            pair.text(1, key);
            pair.text(2, value);
        });
    }
    footer.text(6, concat!("chiasm version ", env!("CARGO_PKG_VERSION")));
    let footer = footer.end();
    let footer_length = length(footer.len());
    bytes.extend(footer);
    bytes.extend(footer_length.to_le_bytes());
    bytes.extend(MAGIC);
    bytes
}

fn describe(element: &mut Thrift, name: &str, column: &Column) {
    let (physical, converted) = column.kind();
    element.integer(1, physical);
    element.integer(3, OPTIONAL);
    element.text(4, name);
    if let Some(converted) = converted {
        element.integer(6, converted);
    }
}

/// A page with its header: definition levels, then values.
fn page(column: &Column, rows: usize) -> Vec<u8> {
    let levels = levels(&column.present());
    let mut body = length(levels.len()).to_le_bytes().to_vec();
    body.extend(levels);
    body.extend(column.values());
    let mut header = Thrift::default();
    header.integer(1, 0); // a data page
    header.integer(2, size(body.len()));
    header.integer(3, size(body.len()));
    header.structure(5, |data| {
        data.integer(1, size(rows));
        data.integer(2, PLAIN);
        data.integer(3, RLE);
        data.integer(4, RLE);
    });
    let mut made = header.end();
    made.extend(body);
    made
}

/// Definition levels of one bit, as runs: twice the length, then the level.
fn levels(present: &[bool]) -> Vec<u8> {
    let mut made = Vec::new();
    for run in present.chunk_by(|one, other| one == other) {
        varint(&mut made, (run.len() as u64) << 1);
        made.push(u8::from(run[0]));
    }
    made
}

/// A length as the format has it; the tables that are written are far from its bound.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The same, where the format has it signed.
fn size(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(low(value) | 0x80);
        value >>= 7;
    }
    bytes.push(low(value));
}

/// The lowest seven bits.
fn low(value: u64) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

/// One struct of Thrift's compact protocol, being written. Fields are written in the order of their numbers.
#[derive(Default)]
struct Thrift {
    bytes: Vec<u8>,
    last: u8,
}

impl Thrift {
    const I32: u8 = 5;
    const I64: u8 = 6;
    const BINARY: u8 = 8;
    const LIST: u8 = 9;
    const STRUCT: u8 = 12;

    fn field(&mut self, number: u8, kind: u8) {
        self.bytes.push((number - self.last) << 4 | kind);
        self.last = number;
    }

    fn zigzag(&mut self, value: i64) {
        varint(&mut self.bytes, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn item(&mut self, value: i32) {
        self.zigzag(i64::from(value));
    }

    fn integer(&mut self, number: u8, value: i32) {
        self.field(number, Self::I32);
        self.item(value);
    }

    fn long(&mut self, number: u8, value: usize) {
        self.field(number, Self::I64);
        self.zigzag(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        varint(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    fn text(&mut self, number: u8, text: &str) {
        self.field(number, Self::BINARY);
        self.bytes(text.as_bytes());
    }

    /// The head of a list; its items follow.
    fn list(&mut self, number: u8, kind: u8, items: usize) {
        self.field(number, Self::LIST);
        match u8::try_from(items) {
            Ok(few) if few < 15 => self.bytes.push(few << 4 | kind),
            _ => {
                self.bytes.push(0xf0 | kind);
                varint(&mut self.bytes, items as u64);
            }
        }
    }

    /// A struct as an item of a list.
    fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let mut made = Self::default();
        write(&mut made);
        self.bytes.extend(made.end());
    }

    fn structure(&mut self, number: u8, write: impl FnOnce(&mut Self)) {
        self.field(number, Self::STRUCT);
        self.nested(write);
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

#[cfg(test)]
mod tests;
