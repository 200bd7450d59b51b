//! A generator of malformed files, each with the code that it has to end in. The fuzz targets take them as seeds.

use dicom_ingest::refusal::RefusalCode::{
    self, BadStructure, BadUid, BadVr, ColourPixel, DecoderFailed, LengthOverrun, MissingAttribute,
    NoPixelData, NotDicom, PixelLimit, PixelMismatch, TooDeep, Truncated, UnsupportedPixel,
    UnsupportedTransferSyntax,
};

use super::file::{Element, Encoding, Picture, Value, encapsulated, file, head, items, number, rle, text};

/// A malformed file.
pub(crate) struct Malformed {
    pub(crate) class: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) code: RefusalCode,
}

/// The files of all classes.
pub(crate) fn all() -> Vec<Malformed> {
    let mut set = Set::default();
    image_attributes(&mut set);
    values(&mut set);
    identifiers(&mut set);
    structure(&mut set);
    other_files(&mut set);
    codestreams(&mut set);
    set.0
}

#[derive(Default)]
struct Set(Vec<Malformed>);

impl Set {
    fn add(&mut self, class: &'static str, code: RefusalCode, bytes: Vec<u8>) {
        self.0.push(Malformed { class, bytes, code });
    }

    /// A picture of 8 and of 16 bits in every encoding, with these elements in the place of its own.
    fn with(&mut self, class: &'static str, code: RefusalCode, more: &[Element]) {
        self.with_each(class, |_| code, more);
    }

    fn with_each(&mut self, class: &'static str, code: impl Fn(Encoding) -> RefusalCode, more: &[Element]) {
        for picture in pictures() {
            let picture = Picture { more: more.to_vec(), ..picture };
            for encoding in Encoding::ALL {
                self.add(class, code(encoding), picture.file(encoding));
            }
        }
    }

    /// A picture of 16 bits in every encoding, without one of its elements.
    fn without(&mut self, class: &'static str, code: RefusalCode, (group, element): (u16, u16)) {
        for picture in pictures() {
            let mut elements = picture.elements();
            elements.retain(|own| (own.0, own.1) != (group, element));
            for encoding in Encoding::ALL {
                self.add(class, code, file(&elements, encoding, &picture));
            }
        }
    }
}

/// A sound picture of 8 and one of 16 bits, 16 x 16.
pub(crate) fn pictures() -> [Picture; 2] {
    [8, 16].map(|allocated| Picture {
        rows: 16,
        columns: 16,
        allocated,
        stored: allocated,
        high: allocated - 1,
        signed: false,
        photometric: "MONOCHROME2",
        frames: 1,
        samples: (0..256).collect(),
        more: Vec::new(),
    })
}

/// Native samples are counted before anything is decoded; packed ones are not.
fn native_or(native: RefusalCode, packed: RefusalCode) -> impl Fn(Encoding) -> RefusalCode {
    move |encoding| if encoding == Encoding::Rle { packed } else { native }
}

fn image_attributes(set: &mut Set) {
    set.with("no rows", PixelMismatch, &[number(0x28, 0x10, 0)]);
    set.with("no columns", PixelMismatch, &[number(0x28, 0x11, 0)]);
    set.with("no samples", PixelMismatch, &[number(0x28, 2, 0)]);
    set.with("no bits allocated", UnsupportedPixel, &[number(0x28, 0x100, 0)]);
    set.with("65,535 bits allocated", UnsupportedPixel, &[number(0x28, 0x100, 65_535)]);
    set.with("no bits stored", UnsupportedPixel, &[number(0x28, 0x101, 0)]);
    set.with("more bits stored than allocated", UnsupportedPixel, &[number(0x28, 0x101, 17)]);
    set.with("high bit beyond the allocated ones", UnsupportedPixel, &[number(0x28, 0x102, 16)]);
    set.with("high bit below the stored ones", UnsupportedPixel, &[number(0x28, 0x102, 1)]);
    set.with("unknown pixel representation", UnsupportedPixel, &[number(0x28, 0x103, 2)]);
    set.with("palette", ColourPixel, &[text(0x28, 4, "CS", "PALETTE COLOR")]);
    for term in ["RGB", "YBR_FULL", "YBR_FULL_422", "HSV", "monochrome2"] {
        set.with("colour", ColourPixel, &[text(0x28, 4, "CS", term)]);
    }
    let bits = |bits| [number(0x28, 0x100, bits), number(0x28, 0x101, bits), number(0x28, 0x102, bits - 1)];
    set.with_each("32 bits in fewer", native_or(PixelMismatch, UnsupportedPixel), &bits(32));
    set.with_each("1 bit in more", native_or(PixelMismatch, UnsupportedPixel), &bits(1));
    set.with_each("a row too many", native_or(PixelMismatch, DecoderFailed), &[number(0x28, 0x10, 17)]);
    set.with("half of the rows", PixelMismatch, &[number(0x28, 0x10, 8)]);
    set.with("a frame too many", PixelMismatch, &[text(0x28, 8, "IS", "2")]);
    set.with("more frames than a file can hold", PixelLimit, &[text(0x28, 8, "IS", "2147483647")]);
    for frames in ["-1", "one", "1e400", "1.5"] {
        set.with("frames that are no number", MissingAttribute, &[text(0x28, 8, "IS", frames)]);
    }
    let huge = [number(0x28, 0x10, 65_535), number(0x28, 0x11, 65_535)];
    set.with("65,535 x 65,535", PixelLimit, &huge);
    for (class, tag) in [
        ("rows absent", (0x28, 0x10)),
        ("columns absent", (0x28, 0x11)),
        ("bits allocated absent", (0x28, 0x100)),
        ("photometric interpretation absent", (0x28, 4)),
    ] {
        set.without(class, MissingAttribute, tag);
    }
    set.without("no pixel data", NoPixelData, (0x7FE0, 0x10));
    for (element, vr, bytes) in [(8, "OF", 4), (9, "OD", 8)] {
        for picture in pictures() {
            let mut elements = picture.elements();
            elements.retain(|own| own.0 != 0x7FE0);
            elements.push((0x7FE0, element, vr, Value::Bytes(vec![0; 256 * bytes])));
            for encoding in Encoding::ALL {
                set.add("floating point pixels", UnsupportedPixel, file(&elements, encoding, &picture));
            }
        }
    }
}

fn values(set: &mut Set) {
    for slope in ["0", "NaN", "inf", "x", "1\\y"] {
        let rescale = [text(0x28, 0x1053, "DS", slope), text(0x28, 0x1052, "DS", "0")];
        set.with("a slope that is none", PixelMismatch, &rescale);
    }
    let rescale = [text(0x28, 0x1053, "DS", "1"), text(0x28, 0x1052, "DS", "-1O24")];
    set.with("an intercept that is none", PixelMismatch, &rescale);
    set.with("a slope without an intercept", PixelMismatch, &[text(0x28, 0x1053, "DS", "2")]);
    set.with("an intercept without a slope", PixelMismatch, &[text(0x28, 0x1052, "DS", "-1024")]);
    let table = |descriptor: Vec<u16>, data: Vec<u16>| {
        let item = vec![(0x28, 0x3002, "US", Value::U16(descriptor)), (0x28, 0x3006, "OW", Value::U16(data))];
        [items(0x28, 0x3000, vec![item])]
    };
    set.with("a table with fewer entries", PixelMismatch, &table(vec![256, 0, 16], vec![0; 4]));
    set.with("a table with entries of 1 bit", PixelMismatch, &table(vec![4, 0, 1], vec![0; 4]));
    set.with("a table with half a descriptor", PixelMismatch, &table(vec![4, 0], vec![0; 4]));
}

fn identifiers(set: &mut Set) {
    for (class, tag) in [
        ("SOP class absent", (8, 0x16)),
        ("SOP instance absent", (8, 0x18)),
        ("study absent", (0x20, 0x0D)),
        ("series absent", (0x20, 0x0E)),
    ] {
        set.without(class, MissingAttribute, tag);
    }
    let long = format!("1.{}", "2".repeat(63));
    for (class, uid) in [
        ("a path as a UID", "../../etc/passwd"),
        ("a path as a UID", "1.2/3"),
        ("letters in a UID", "1.2.abc"),
        ("letters in a UID", "1.2.<b>"),
        ("a UID of 65 characters", long.as_str()),
        ("a UID with a leading zero", "1.02.3"),
        ("a UID with an empty part", "1..3"),
        ("a UID with an empty part", ".1.3"),
    ] {
        for (group, element) in [(8, 0x18), (0x20, 0x0D), (0x20, 0x0E)] {
            let picture = Picture { more: vec![text(group, element, "UI", uid)], ..pictures()[1].clone() };
            for encoding in Encoding::ALL {
                set.add(class, BadUid, picture.file(encoding));
            }
        }
    }
}

fn structure(set: &mut Set) {
    for vr in ["OB", "OW", "OF", "OD", "UT", "UN", "UC", "SQ"] {
        let mut bytes = head(Encoding::Explicit.uid());
        bytes.extend([0x09, 0, 0x10, 0x10]);
        bytes.extend(vr.as_bytes());
        bytes.extend([0, 0, 0xFE, 0xFF, 0xFF, 0xFF]);
        set.add("a length of 4 GB", LengthOverrun, bytes);
    }
    for vr in ["UT", "UC", "OF", "OD", "UR"] {
        let mut bytes = head(Encoding::Explicit.uid());
        bytes.extend([0x08, 0, 0x60, 0]);
        bytes.extend(vr.as_bytes());
        bytes.extend([0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        set.add("an undefined length where none may be", LengthOverrun, bytes);
    }
    for vr in [*b"\0\0", *b"  ", *b"lo", *b"\xFF\xFF"] {
        let mut bytes = head(Encoding::Explicit.uid());
        bytes.extend([0x10, 0, 0x20, 0]);
        bytes.extend(vr);
        bytes.extend([2, 0, b'1', b' ']);
        set.add("a representation that is none", BadVr, bytes);
    }
    for stray in [[0xFE, 0xFF, 0x0D, 0xE0], [0xFE, 0xFF, 0xDD, 0xE0], [0xFE, 0xFF, 0, 0xE0]] {
        for uid in [Encoding::Explicit.uid(), Encoding::Implicit.uid()] {
            set.add(
                "a stray delimiter or item",
                BadStructure,
                [head(uid), stray.to_vec(), vec![0; 4]].concat(),
            );
        }
    }
    // Each is the header of an empty element 0000,0000, and all but the last might be padding.
    let zeros = [head(Encoding::Implicit.uid()), vec![0; 7 << 20], vec![1]].concat();
    set.add("megabytes of zeros and a one", Truncated, zeros);
    for encoding in [Encoding::Explicit, Encoding::Rle] {
        let mut twice = pictures()[1].file(encoding);
        twice.extend([0x10, 0, 0x20, 0, b'L', b'O', 2, 0, b'T', b'2']);
        set.add("an element twice", BadStructure, twice);
    }
    for levels in [65, 66, 1000, 50_000] {
        let mut open = head(Encoding::Explicit.uid());
        for _ in 0..levels {
            open.extend([0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
            open.extend([0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        set.add("nesting", TooDeep, open);
    }
    let whole = pictures()[1].file(Encoding::Explicit);
    // Inside the values of the header, and inside the pixels: 544 bytes before the end they begin.
    for cut in [150, 170, 200, 300] {
        set.add("cut in the header", Truncated, whole[..cut].to_vec());
    }
    for encoding in [Encoding::Explicit, Encoding::Implicit, Encoding::Big] {
        let whole = pictures()[1].file(encoding);
        for left in [1, 2, 100, 511] {
            set.add("cut in the pixels", Truncated, whole[..whole.len() - left].to_vec());
        }
    }
    let deflated = pictures()[1].file(Encoding::Deflated);
    for left in [1, 4, 40, 100] {
        set.add("cut in the deflated stream", Truncated, deflated[..deflated.len() - left].to_vec());
    }
}

fn other_files(set: &mut Set) {
    let starts: [&[u8]; 14] = [
        b"",
        b"\0",
        b"DICM",
        b"<!DOCTYPE html><html><body>503</body></html>",
        b"{\"resourceType\":\"OperationOutcome\"}",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xFF\xD8\xFF\xE0\0\x10JFIF",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"\x7fELF",
        b"MZ",
        b"II*\0",
        b"SIMPLE  =                    T",
    ];
    for start in starts {
        set.add("another kind of file", NotDicom, start.to_vec());
        set.add("another kind of file", NotDicom, [start, &[0; 512]].concat());
    }
    for uid in ["1.2.3.x", "..", "1.2.840.10008.1.2.01"] {
        set.add("a transfer syntax that is no UID", BadUid, head(uid));
    }
    let picture = &pictures()[1];
    for uid in [
        "1.2.840.10008.1.2.4.100",
        "1.2.840.10008.1.2.4.102",
        "1.2.840.10008.1.2.4.103",
        "1.2.840.10008.1.2.4.107",
        "1.2.840.10008.1.2.4.108",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.4.203",
        "1.2.840.10008.1.2.4.110",
        "1.2.3.4.5",
    ] {
        let bytes = encapsulated(picture, uid, &[vec![0; 64]]);
        set.add("a transfer syntax that is not read", UnsupportedTransferSyntax, bytes);
    }
}

fn codestreams(set: &mut Set) {
    let picture = &pictures()[1];
    let garbage: Vec<u8> = (0..600_u32).map(|at| (at * 197 % 251) as u8).collect();
    for uid in [
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.91",
    ] {
        for frame in [garbage.clone(), vec![0; 64], vec![0xFF; 64]] {
            set.add("a codestream of nothing", DecoderFailed, encapsulated(picture, uid, &[frame]));
        }
        set.add("native pixels, encapsulated syntax", PixelMismatch, renamed(picture, uid));
        let two = [garbage.clone(), garbage.clone(), garbage.clone()];
        let frames = Picture { frames: 2, samples: vec![0; 512], ..picture.clone() };
        set.add("fragments that fit no frames", PixelMismatch, encapsulated(&frames, uid, &two));
    }
    set.add("thousands of frames of one pixel", DecoderFailed, single_pixels());
    let bytes = encapsulated(picture, Encoding::Explicit.uid(), &[garbage]);
    set.add("encapsulated pixels, native syntax", PixelMismatch, bytes);
    let whole = rle(&picture.samples, 16);
    let wrapped = |frame: Vec<u8>| encapsulated(picture, Encoding::Rle.uid(), &[frame]);
    for segments in [0_u32, 1, 3, 15, 16, u32::MAX] {
        let mut frame = whole.clone();
        frame[..4].copy_from_slice(&segments.to_le_bytes());
        set.add("a number of segments that lies", PixelMismatch, wrapped(frame));
    }
    for offset in [0_u32, 1, 63, u32::MAX] {
        let mut frame = whole.clone();
        frame[8..12].copy_from_slice(&offset.to_le_bytes());
        set.add("a segment at another place", DecoderFailed, wrapped(frame));
    }
    for length in [0, 4, 63, 64, 70] {
        set.add("a cut run-length frame", DecoderFailed, wrapped(whole[..length].to_vec()));
    }
}

/// JPEG-LS of 16 bits in 20,000 frames of one pixel; the last has no scan.
fn single_pixels() -> Vec<u8> {
    let head = [0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 16, 0, 1, 0, 1, 1, 1, 0x11, 0];
    // the run that a line begins with is whole
    let frame = [&head[..], &[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0, 0x80, 0, 0xFF, 0xD9]].concat();
    let mut frames = vec![frame; 19_999];
    frames.push([&head[..], &[0xFF, 0xD9]].concat());
    let picture = Picture {
        rows: 1,
        columns: 1,
        frames: frames.len(),
        samples: vec![0; 20_000],
        ..pictures()[1].clone()
    };
    encapsulated(&picture, "1.2.840.10008.1.2.4.80", &frames)
}

/// Native pixels under the name of another transfer syntax.
fn renamed(picture: &Picture, uid: &str) -> Vec<u8> {
    let native = picture.file(Encoding::Explicit);
    let start = head(Encoding::Explicit.uid()).len();
    [head(uid), native[start..].to_vec()].concat()
}
