//! A writer of DICOM files for the tests, in every native encoding and in RLE. It shares no code with the crate.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// How a test file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Implicit,
    Explicit,
    Big,
    Deflated,
    Rle,
}

impl Encoding {
    pub(crate) const ALL: [Self; 5] = [Self::Implicit, Self::Explicit, Self::Big, Self::Deflated, Self::Rle];

    pub(crate) fn uid(self) -> &'static str {
        match self {
            Self::Implicit => "1.2.840.10008.1.2",
            Self::Explicit => "1.2.840.10008.1.2.1",
            Self::Big => "1.2.840.10008.1.2.2",
            Self::Deflated => "1.2.840.10008.1.2.1.99",
            Self::Rle => "1.2.840.10008.1.2.5",
        }
    }
}

/// A value of a test element.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    U16(Vec<u16>),
    Items(Vec<Vec<Element>>),
    /// Pixel data: samples as unsigned words of the allocated size.
    Pixels(Vec<u16>),
    Bytes(Vec<u8>),
}

/// A test element: group, element, representation, value.
pub(crate) type Element = (u16, u16, &'static str, Value);

pub(crate) fn text(group: u16, element: u16, vr: &'static str, value: &str) -> Element {
    (group, element, vr, Value::Text(value.to_owned()))
}

pub(crate) fn number(group: u16, element: u16, value: u16) -> Element {
    (group, element, "US", Value::U16(vec![value]))
}

pub(crate) fn items(group: u16, element: u16, items: Vec<Vec<Element>>) -> Element {
    (group, element, "SQ", Value::Items(items))
}

/// A coded item.
pub(crate) fn code(scheme: &str, value: &str, meaning: &str) -> Vec<Element> {
    vec![text(8, 0x100, "SH", value), text(8, 0x102, "SH", scheme), text(8, 0x104, "LO", meaning)]
}

/// The elements that every instance has.
pub(crate) fn identified(sop_class: &str) -> Vec<Element> {
    vec![
        text(8, 0x16, "UI", sop_class),
        text(8, 0x18, "UI", "1.2.3.4"),
        text(8, 0x20, "DA", "20200102"),
        text(8, 0x30, "TM", "101112"),
        text(8, 0x60, "CS", "DX"),
        text(0x10, 0x10, "PN", "Test^Case"),
        text(0x10, 0x20, "LO", "T1"),
        text(0x20, 0x0D, "UI", "1.2.3"),
        text(0x20, 0x0E, "UI", "1.2.3.1"),
    ]
}

/// What a test picture says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) allocated: u16,
    pub(crate) stored: u16,
    pub(crate) high: u16,
    pub(crate) signed: bool,
    pub(crate) photometric: &'static str,
    pub(crate) frames: usize,
    pub(crate) samples: Vec<u16>,
    pub(crate) more: Vec<Element>,
}

impl Picture {
    pub(crate) fn elements(&self) -> Vec<Element> {
        let mut elements = identified("1.2.840.10008.5.1.4.1.1.1");
        elements.extend([
            number(0x28, 2, 1),
            text(0x28, 4, "CS", self.photometric),
            text(0x28, 8, "IS", &self.frames.to_string()),
            number(0x28, 0x10, self.rows),
            number(0x28, 0x11, self.columns),
            number(0x28, 0x100, self.allocated),
            number(0x28, 0x101, self.stored),
            number(0x28, 0x102, self.high),
            number(0x28, 0x103, u16::from(self.signed)),
            (
                0x7FE0,
                0x10,
                if self.allocated == 8 { "OB" } else { "OW" },
                Value::Pixels(self.samples.clone()),
            ),
        ]);
        for element in &self.more {
            elements.retain(|other| (other.0, other.1) != (element.0, element.1));
            elements.push(element.clone());
        }
        elements
    }

    pub(crate) fn file(&self, encoding: Encoding) -> Vec<u8> {
        file(&self.elements(), encoding, self)
    }
}

/// A file whose frames are already encoded.
pub(crate) fn encapsulated(picture: &Picture, transfer_syntax: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut elements = picture.elements();
    elements.retain(|element| element.0 != 0x7FE0);
    let mut body = Vec::new();
    write(&mut body, &elements, Encoding::Explicit, None);
    body.extend([0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let frames: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| if frame.len() % 2 == 1 { [frame.as_slice(), &[0]].concat() } else { frame.clone() })
        .collect();
    body.extend(encapsulate(&frames));
    [head(transfer_syntax), body].concat()
}

/// A file without pixels.
pub(crate) fn plain(elements: &[Element], encoding: Encoding) -> Vec<u8> {
    let nothing = Picture {
        rows: 0,
        columns: 0,
        allocated: 8,
        stored: 8,
        high: 7,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: Vec::new(),
        more: Vec::new(),
    };
    file(elements, encoding, &nothing)
}

/// Preamble, prefix and file meta information for a transfer syntax.
pub(crate) fn head(transfer_syntax: &str) -> Vec<u8> {
    let mut meta = Vec::new();
    write(&mut meta, &[text(2, 0x10, "UI", transfer_syntax)], Encoding::Explicit, None);
    let mut bytes = [vec![0; 128], b"DICM".to_vec()].concat();
    bytes.extend([2, 0, 0, 0, b'U', b'L', 4, 0]);
    bytes.extend(u32::try_from(meta.len()).unwrap().to_le_bytes());
    bytes.extend(meta);
    bytes
}

pub(crate) fn file(elements: &[Element], encoding: Encoding, picture: &Picture) -> Vec<u8> {
    let mut body = Vec::new();
    write(&mut body, elements, encoding, Some(picture));
    if encoding == Encoding::Deflated {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(&body).unwrap();
        body = deflate.finish().unwrap();
    }
    [head(encoding.uid()), body].concat()
}

fn write(out: &mut Vec<u8>, elements: &[Element], encoding: Encoding, picture: Option<&Picture>) {
    let mut sorted = elements.to_vec();
    sorted.sort_by_key(|element| (element.0, element.1));
    let big = encoding == Encoding::Big;
    let u16_bytes = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let u32_bytes = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    for (group, element, vr, value) in sorted {
        let mut undefined = false;
        let mut bytes = match value {
            Value::Text(text) => text.into_bytes(),
            Value::Bytes(bytes) => bytes,
            Value::U16(numbers) => numbers.into_iter().flat_map(u16_bytes).collect(),
            Value::Items(items) => {
                let mut bytes = Vec::new();
                for item in items {
                    let mut content = Vec::new();
                    write(&mut content, &item, encoding, picture);
                    bytes.extend([u16_bytes(0xFFFE), u16_bytes(0xE000)].concat());
                    bytes.extend(u32_bytes(u32::try_from(content.len()).unwrap()));
                    bytes.extend(content);
                }
                bytes
            }
            Value::Pixels(samples) => {
                let picture = picture.unwrap();
                undefined = encoding == Encoding::Rle;
                if undefined {
                    encapsulate(&rle_frames(picture))
                } else if picture.allocated == 8 {
                    samples.into_iter().map(|sample| sample.to_le_bytes()[0]).collect()
                } else {
                    samples.into_iter().flat_map(u16_bytes).collect()
                }
            }
        };
        if bytes.len() % 2 == 1 {
            bytes.push(if matches!(vr, "UI" | "OB") { 0 } else { b' ' });
        }
        let length = if undefined { u32::MAX } else { u32::try_from(bytes.len()).unwrap() };
        out.extend([u16_bytes(group), u16_bytes(element)].concat());
        if encoding == Encoding::Implicit {
            out.extend(u32_bytes(length));
        } else {
            out.extend(vr.as_bytes());
            if matches!(vr, "OB" | "OD" | "OF" | "OW" | "SQ" | "UC" | "UN" | "UR" | "UT") {
                out.extend([0, 0]);
                out.extend(u32_bytes(length));
            } else {
                out.extend(u16_bytes(u16::try_from(length).unwrap()));
            }
        }
        out.extend(bytes);
    }
}

/// Wraps frames as one fragment each, with an empty offset table.
pub(crate) fn encapsulate(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0];
    for frame in frames {
        bytes.extend([0xFE, 0xFF, 0, 0xE0]);
        bytes.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        bytes.extend(frame);
    }
    bytes.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    bytes
}

fn rle_frames(picture: &Picture) -> Vec<Vec<u8>> {
    let size = usize::from(picture.rows) * usize::from(picture.columns);
    picture.samples.chunks(size).map(|frame| rle(frame, picture.allocated)).collect()
}

/// RLE of one frame (PS3.5 annex G): runs of at least three, literals otherwise.
pub(crate) fn rle(samples: &[u16], allocated: u16) -> Vec<u8> {
    let planes: Vec<Vec<u8>> = (0..allocated / 8)
        .rev()
        .map(|byte| pack(&samples.iter().map(|sample| (sample >> (8 * byte)) as u8).collect::<Vec<_>>()))
        .collect();
    let mut header = vec![u32::try_from(planes.len()).unwrap()];
    let mut offset = 64;
    for plane in &planes {
        header.push(offset);
        offset += u32::try_from(plane.len()).unwrap();
    }
    header.resize(16, 0);
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend(planes.concat());
    bytes
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take(128).take_while(|byte| **byte == bytes[at]).count();
        if run >= 3 {
            packed.extend([u8::try_from(257 - run).unwrap(), bytes[at]]);
            at += run;
            continue;
        }
        let rest = &bytes[at..bytes.len().min(at + 128)];
        let literal = rest
            .windows(3)
            .position(|three| three[0] == three[1] && three[1] == three[2])
            .unwrap_or(rest.len());
        let literal = literal.max(1);
        packed.push(u8::try_from(literal - 1).unwrap());
        packed.extend(&rest[..literal]);
        at += literal;
    }
    if packed.len() % 2 == 1 {
        packed.push(0);
    }
    packed
}
