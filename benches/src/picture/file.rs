//! The data set around the pixels (PS3.5 7, PS3.10 7.1).

use super::{Kind, Picture};

/// How numbers and lengths are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Little endian, without representations.
    Implicit,
    /// Little endian.
    Explicit,
    /// Big endian.
    Big,
}

impl Order {
    pub(super) fn word(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn long(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// The pixels.
pub(super) enum Body {
    /// Plain samples.
    Native(Order, Vec<u8>),
    /// One codestream.
    Encapsulated(Vec<u8>),
}

/// Preamble, prefix and file meta information.
pub(super) fn head(transfer_syntax: &str) -> Vec<u8> {
    let mut meta = Vec::new();
    element(&mut meta, Order::Explicit, (2, 0x10), "UI", transfer_syntax.as_bytes());
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    element(&mut bytes, Order::Explicit, (2, 0), "UL", &length(meta.len()).to_le_bytes());
    bytes.extend(meta);
    bytes
}

/// All elements, in the order of their tags.
pub(super) fn dataset(picture: &Picture, bits: u16, body: Body) -> Vec<u8> {
    let order = match &body {
        Body::Native(order, _) => *order,
        Body::Encapsulated(_) => Order::Explicit,
    };
    let allocated = if bits > 8 { 16 } else { 8 };
    let mut out = Vec::with_capacity(picture.samples.len() * 2 + 2048);
    let mut text = |tag, vr, value: &str| element(&mut out, order, tag, vr, value.as_bytes());
    let (class, modality) = match picture.kind {
        Kind::Radiograph => ("1.2.840.10008.5.1.4.1.1.1.1", "DX"),
        Kind::Slice { .. } => ("1.2.840.10008.5.1.4.1.1.2", "CT"),
    };
    text((8, 8), "CS", "ORIGINAL\\PRIMARY\\AXIAL");
    text((8, 0x16), "UI", class);
    text((8, 0x18), "UI", &format!("2.25.7001.{}", picture.number));
    text((8, 0x20), "DA", "20240506");
    text((8, 0x30), "TM", "070809");
    text((8, 0x60), "CS", modality);
    text((8, 0x70), "LO", "drawn, not acquired");
    text((0x10, 0x10), "PN", "Bench^Bea");
    text((0x10, 0x20), "LO", "BENCH");
    text((0x10, 0x30), "DA", "19500203");
    text((0x10, 0x40), "CS", "F");
    text((0x18, 0x15), "CS", "CHEST");
    if picture.kind == Kind::Radiograph {
        text((0x18, 0x5101), "CS", "PA");
    }
    text((0x20, 0x0D), "UI", "2.25.7001");
    text((0x20, 0x0E), "UI", "2.25.7002");
    text((0x20, 0x13), "IS", &picture.number.to_string());
    if let Kind::Slice { height_mm } = picture.kind {
        text((0x20, 0x32), "DS", &format!("-180\\-180\\{height_mm:.3}"));
        text((0x20, 0x37), "DS", "1\\0\\0\\0\\1\\0");
        text((0x20, 0x52), "UI", "2.25.7003");
    }
    let mut number = |tag, value: u16| element(&mut out, order, tag, "US", &order.word(value));
    number((0x28, 2), 1);
    element(&mut out, order, (0x28, 4), "CS", b"MONOCHROME2");
    let mut number = |tag, value: u16| element(&mut out, order, tag, "US", &order.word(value));
    let side = u16::try_from(picture.side).unwrap_or(u16::MAX);
    number((0x28, 0x10), side);
    number((0x28, 0x11), side);
    element(&mut out, order, (0x28, 0x30), "DS", b"0.703\\0.703");
    let mut number = |tag, value: u16| element(&mut out, order, tag, "US", &order.word(value));
    number((0x28, 0x100), allocated);
    number((0x28, 0x101), bits);
    number((0x28, 0x102), bits - 1);
    number((0x28, 0x103), 0);
    let mut text = |tag, value: &[u8]| element(&mut out, order, tag, "DS", value);
    match picture.kind {
        Kind::Radiograph if bits == 12 => {
            text((0x28, 0x1050), b"2048");
            text((0x28, 0x1051), b"4096");
        }
        Kind::Radiograph => {}
        Kind::Slice { .. } => {
            text((0x28, 0x1052), b"-1024");
            text((0x28, 0x1053), b"1");
        }
    }
    match body {
        Body::Native(_, bytes) => element(&mut out, order, (0x7FE0, 0x10), "OW", &bytes),
        Body::Encapsulated(codestream) => encapsulated(&mut out, &codestream),
    }
    out
}

/// One fragment behind an empty offset table (PS3.5 A.4).
fn encapsulated(out: &mut Vec<u8>, codestream: &[u8]) {
    out.extend([0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    out.extend([0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0]);
    out.extend([0xFE, 0xFF, 0, 0xE0]);
    out.extend(length(codestream.len().next_multiple_of(2)).to_le_bytes());
    out.extend(codestream);
    if codestream.len() % 2 == 1 {
        out.push(0);
    }
    out.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
}

fn element(out: &mut Vec<u8>, order: Order, (group, number): (u16, u16), vr: &str, value: &[u8]) {
    out.extend(order.word(group));
    out.extend(order.word(number));
    let even = value.len().next_multiple_of(2);
    if order == Order::Implicit {
        out.extend(order.long(length(even)));
    } else {
        out.extend(vr.as_bytes());
        if vr == "OW" {
            out.extend([0, 0]);
            out.extend(order.long(length(even)));
        } else {
            out.extend(order.word(u16::try_from(even).unwrap_or(u16::MAX)));
        }
    }
    out.extend(value);
    if value.len() % 2 == 1 {
        out.push(if vr == "UI" { 0 } else { b' ' });
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
