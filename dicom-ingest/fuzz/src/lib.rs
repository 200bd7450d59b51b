//! What the fuzz targets share: bounds, and a file around a codestream that the fuzzer makes.

pub mod conversation;
pub mod memory;

use dicom_ingest::limits::Limits;

/// Bounds as small as the inputs: what grows with a file shows as memory of the run, and an input that promises much costs
/// little, so that many can be tried.
pub fn limits() -> Limits {
    const KIB: u64 = 1 << 10;
    Limits {
        max_file_bytes: 1024 * KIB,
        max_inflated_bytes: 1024 * KIB,
        max_inflate_ratio: 16,
        inflate_floor_bytes: 4 * KIB,
        max_samples: 64 * KIB,
        max_archive_bytes: 1024 * KIB,
        ..Limits::default()
    }
}

/// Decodes a picture whose codestream is `input` behind five bytes of image attributes: rows and columns as
/// 16 bits each, and bits (allocated 8 or 16, signed, and how many of the allocated are unused).
pub fn decode_codestream(transfer_syntax: &str, input: &[u8]) {
    let [r0, r1, c0, c1, bits, codestream @ ..] = input else { return };
    let allocated: u16 = if bits & 1 == 0 { 8 } else { 16 };
    let stored = allocated - u16::from(bits >> 2) % allocated;
    let facts = [
        (0x0002, 1),
        (0x0010, u16::from_le_bytes([*r0, *r1])),
        (0x0011, u16::from_le_bytes([*c0, *c1])),
        (0x0100, allocated),
        (0x0101, stored),
        (0x0102, stored - 1),
        (0x0103, u16::from((bits >> 1) & 1)),
    ];
    let mut file = dicom_ingest::write::file_head(SOP_CLASS, "1.2.3.4", transfer_syntax);
    short(&mut file, (0x0008, 0x0016), *b"UI", SOP_CLASS.as_bytes());
    short(&mut file, (0x0008, 0x0018), *b"UI", b"1.2.3.4\0");
    short(&mut file, (0x0020, 0x000D), *b"UI", b"1.2.3\0");
    short(&mut file, (0x0020, 0x000E), *b"UI", b"1.2.3.1\0");
    for (element, value) in facts {
        if element == 0x0010 {
            short(&mut file, (0x0028, 0x0004), *b"CS", b"MONOCHROME2 ");
        }
        short(&mut file, (0x0028, element), *b"US", &value.to_le_bytes());
    }
    // Pixel Data of undefined length: an empty offset table, one fragment, the delimiter (PS3.5 A.4).
    file.extend_from_slice(b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0\xFE\xFF\x00\xE0");
    let padded = codestream.len() + codestream.len() % 2;
    file.extend_from_slice(&u32::try_from(padded).unwrap_or(u32::MAX).to_le_bytes());
    file.extend_from_slice(codestream);
    file.resize(file.len() + padded - codestream.len(), 0);
    file.extend_from_slice(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    decode(&file);
}

/// Reads a whole file to frames.
pub fn decode(file: &[u8]) {
    memory::bounded(|| drop(dicom_ingest::decode::decode(file, &limits())));
}

/// Digital X-Ray Image Storage, for presentation; 27 characters and a null.
const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.1.1";

fn short(file: &mut Vec<u8>, (group, element): (u16, u16), vr: [u8; 2], value: &[u8]) {
    let padded = value.len() + value.len() % 2;
    file.extend_from_slice(&u16::to_le_bytes(group));
    file.extend_from_slice(&u16::to_le_bytes(element));
    file.extend_from_slice(&vr);
    file.extend_from_slice(&u16::try_from(padded).unwrap_or(u16::MAX).to_le_bytes());
    file.extend_from_slice(value);
    file.resize(file.len() + padded - value.len(), 0);
}
