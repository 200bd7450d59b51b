//! Pictures as DICOM files, in every transfer syntax that is read. The writer shares no code with the reader.

mod bits;
mod file;
mod jpeg2000;
mod jpeg_lossless;
mod jpeg_ls;
mod rle;

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use image::codecs::jpeg::JpegEncoder;

use file::{Body, Order};

/// A picture of one frame, 12 bits in 16, with what its header states.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Rows and columns.
    pub side: usize,
    /// Samples below 4096, row by row.
    pub samples: Vec<u16>,
    /// Digital radiograph or CT slice.
    pub kind: Kind,
    /// Makes the SOP Instance UID.
    pub number: u32,
}

/// What a picture is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Digital X-Ray Image for presentation.
    Radiograph,
    /// An axial slice of a CT at this height in mm; stored values are Hounsfield units plus 1024.
    Slice {
        /// Along the patient, in mm.
        height_mm: f64,
    },
}

/// A transfer syntax of [`dicom_ingest::transfer_syntax::TransferSyntax::READ`], and a word for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Its UID.
    pub uid: &'static str,
    /// What it is called here.
    pub name: &'static str,
}

const fn syntax(uid: &'static str, name: &'static str) -> Syntax {
    Syntax { uid, name }
}

/// Every transfer syntax whose pixels are read.
pub const SYNTAXES: [Syntax; 13] = [
    EXPLICIT,
    syntax("1.2.840.10008.1.2", "implicit"),
    syntax("1.2.840.10008.1.2.1.99", "deflated"),
    syntax("1.2.840.10008.1.2.2", "big endian"),
    RLE,
    syntax("1.2.840.10008.1.2.4.50", "JPEG baseline, 8 bit"),
    syntax("1.2.840.10008.1.2.4.51", "JPEG extended, 8 bit"),
    syntax("1.2.840.10008.1.2.4.57", "JPEG lossless, predictor 7"),
    JPEG_LOSSLESS,
    syntax("1.2.840.10008.1.2.4.80", "JPEG-LS"),
    syntax("1.2.840.10008.1.2.4.81", "JPEG-LS, near 2"),
    syntax("1.2.840.10008.1.2.4.90", "JPEG 2000 lossless, tiled"),
    syntax("1.2.840.10008.1.2.4.91", "JPEG 2000 lossy, tiled"),
];

/// Explicit VR Little Endian.
pub const EXPLICIT: Syntax = syntax("1.2.840.10008.1.2.1", "explicit");
/// RLE Lossless.
pub const RLE: Syntax = syntax("1.2.840.10008.1.2.5", "RLE");
/// JPEG Lossless, first-order prediction: what most archives send.
pub const JPEG_LOSSLESS: Syntax = syntax("1.2.840.10008.1.2.4.70", "JPEG lossless");

impl Syntax {
    /// Whether the pixels come back as they were given: not after loss, and not where a coded tile takes their place.
    pub fn keeps_samples(self) -> bool {
        !matches!(self.uid.rsplit('.').next(), Some("50" | "51" | "81" | "90" | "91"))
    }
}

impl Picture {
    /// The picture as a file. Of JPEG 2000 it is a repeated tile, and `side` has to be a multiple of 256.
    pub fn file(&self, syntax: Syntax) -> Vec<u8> {
        let words = |order: Order| {
            let bytes = self.samples.iter().map(|own| order.word(*own));
            bytes.flatten().collect::<Vec<u8>>()
        };
        let lossless = |predictor| jpeg_lossless::encode(&self.samples, self.side, 12, predictor);
        let (bits, body) = match syntax.uid.strip_prefix("1.2.840.10008.1.2").unwrap_or_default() {
            "" => (12, Body::Native(Order::Implicit, words(Order::Implicit))),
            ".2" => (12, Body::Native(Order::Big, words(Order::Big))),
            ".5" => (12, Body::Encapsulated(rle::encode(&self.samples))),
            ".4.50" | ".4.51" => (8, Body::Encapsulated(self.baseline())),
            ".4.57" => (12, Body::Encapsulated(lossless(7))),
            ".4.70" => (12, Body::Encapsulated(lossless(1))),
            ".4.80" => (12, Body::Encapsulated(jpeg_ls::encode(&self.samples, self.side, 12, 0))),
            ".4.81" => (12, Body::Encapsulated(jpeg_ls::encode(&self.samples, self.side, 12, 2))),
            ".4.90" => (12, Body::Encapsulated(jpeg2000::repeated(self.side, true))),
            ".4.91" => (12, Body::Encapsulated(jpeg2000::repeated(self.side, false))),
            _ => (12, Body::Native(Order::Explicit, words(Order::Explicit))),
        };
        let mut bytes = file::head(syntax.uid);
        let dataset = file::dataset(self, bits, body);
        if syntax.uid.ends_with(".1.99") {
            let mut deflate = DeflateEncoder::new(bytes, Compression::default());
            // a vector takes every byte
            if deflate.write_all(&dataset).is_ok() {
                return deflate.finish().unwrap_or_default();
            }
            return Vec::new();
        }
        bytes.extend(dataset);
        bytes
    }

    /// The upper eight bits as baseline JPEG of quality 90.
    fn baseline(&self) -> Vec<u8> {
        let eight: Vec<u8> = self.samples.iter().map(|own| (own >> 4).to_be_bytes()[1]).collect();
        let side = u32::try_from(self.side).unwrap_or(u32::MAX);
        let mut out = Vec::new();
        let encoded = JpegEncoder::new_with_quality(&mut out, 90).encode(
            &eight,
            side,
            side,
            image::ExtendedColorType::L8,
        );
        if encoded.is_ok() { out } else { Vec::new() }
    }
}
