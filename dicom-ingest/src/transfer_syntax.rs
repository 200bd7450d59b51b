//! The transfer syntaxes this crate knows (PS3.5 section 10, PS3.6 table A-1).

use serde::{Deserialize, Serialize};

use crate::uid::Uid;

/// How a data set and its pixels are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TransferSyntax {
    /// 1.2.840.10008.1.2
    ImplicitLittleEndian,
    /// 1.2.840.10008.1.2.1
    ExplicitLittleEndian,
    /// 1.2.840.10008.1.2.1.99: the whole data set deflated.
    DeflatedExplicitLittleEndian,
    /// 1.2.840.10008.1.2.2, retired, still in archives.
    ExplicitBigEndian,
    /// 1.2.840.10008.1.2.5
    Rle,
    /// 1.2.840.10008.1.2.4.50: 8-bit lossy JPEG.
    JpegBaseline,
    /// 1.2.840.10008.1.2.4.51: 8- or 12-bit lossy JPEG. Only 8 bit is decoded.
    JpegExtended,
    /// 1.2.840.10008.1.2.4.57 and .70: lossless JPEG, process 14.
    JpegLossless,
    /// 1.2.840.10008.1.2.4.80 and .81.
    JpegLs,
    /// 1.2.840.10008.1.2.4.90 and .91.
    Jpeg2000,
    /// Any other: its structure is read as explicit little endian, as every registered one is; its pixels are not.
    Other(Uid),
}

impl TransferSyntax {
    /// UIDs of the transfer syntaxes whose pixels are read.
    pub const READ: [&str; 13] = [
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.91",
    ];

    /// The transfer syntax of a UID.
    pub fn from_uid(uid: &Uid) -> Self {
        match uid.as_str() {
            "1.2.840.10008.1.2" => Self::ImplicitLittleEndian,
            "1.2.840.10008.1.2.1" => Self::ExplicitLittleEndian,
            "1.2.840.10008.1.2.1.99" => Self::DeflatedExplicitLittleEndian,
            "1.2.840.10008.1.2.2" => Self::ExplicitBigEndian,
            "1.2.840.10008.1.2.5" => Self::Rle,
            "1.2.840.10008.1.2.4.50" => Self::JpegBaseline,
            "1.2.840.10008.1.2.4.51" => Self::JpegExtended,
            "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => Self::JpegLossless,
            "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => Self::JpegLs,
            "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => Self::Jpeg2000,
            _ => Self::Other(uid.clone()),
        }
    }

    /// What it is called, for people.
    pub fn name(&self) -> &str {
        match self {
            Self::ImplicitLittleEndian => "implicit little endian",
            Self::ExplicitLittleEndian => "explicit little endian",
            Self::DeflatedExplicitLittleEndian => "deflated",
            Self::ExplicitBigEndian => "big endian",
            Self::Rle => "RLE",
            Self::JpegBaseline => "JPEG baseline",
            Self::JpegExtended => "JPEG extended",
            Self::JpegLossless => "JPEG lossless",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
            Self::Other(uid) => uid.as_str(),
        }
    }

    /// Whether pixel data are native: plain samples, not encapsulated codestreams.
    pub fn is_native(&self) -> bool {
        matches!(
            self,
            Self::ImplicitLittleEndian
                | Self::ExplicitLittleEndian
                | Self::DeflatedExplicitLittleEndian
                | Self::ExplicitBigEndian
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_known() {
        for uid in TransferSyntax::READ {
            let syntax = TransferSyntax::from_uid(&uid.parse().unwrap());
            assert!(!matches!(syntax, TransferSyntax::Other(_)), "{uid}");
        }
    }
}
