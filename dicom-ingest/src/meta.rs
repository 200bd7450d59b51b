//! The file meta information (PS3.10 section 7.1).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::header::{Encoding, Source};
use crate::limits::Limits;

use crate::refusal::{Refusal, RefusalCode};
use crate::transfer_syntax::TransferSyntax;
use crate::uid::Uid;
use crate::warning::{Warning, WarningCode};

/// Length of the preamble; the prefix `DICM` follows it (PS3.10 7.1).
const PREAMBLE: usize = 128;
const PREFIX: &[u8] = b"DICM";
/// Group of the file meta information.
const META_GROUP: u16 = 0x0002;

/// What the file meta information says.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) transfer_syntax: TransferSyntax,
    pub(crate) transfer_syntax_uid: Uid,
    pub(crate) media_storage_sop_class: Option<String>,
    /// Where the data set begins.
    pub(crate) dataset_at: usize,
}

/// Where the file meta information begins: after the prefix, or at the start of a file without preamble whose
/// first element is of the meta group in explicit little endian. `None`: the bytes do not claim to be DICOM.
pub(crate) fn start(bytes: &[u8]) -> Option<usize> {
    if bytes.get(PREAMBLE..PREAMBLE + PREFIX.len()) == Some(PREFIX) {
        return Some(PREAMBLE + PREFIX.len());
    }
    let after_prefix = if bytes.starts_with(PREFIX) { PREFIX.len() } else { 0 };
    let first = bytes.get(after_prefix..after_prefix + 6)?;
    let meta = first[..2] == [2, 0] && first[3] == 0 && matches!(&first[4..6], b"UL" | b"OB" | b"UI");
    meta.then_some(after_prefix)
}

/// Reads the file meta information, element by element; its group length is not relied on.
pub(crate) fn read(bytes: &[u8], limits: &Limits, warnings: &mut Vec<Warning>) -> Result<Meta, Refusal> {
    let Some(mut at) = start(bytes) else {
        return Err(Refusal::new(
            RefusalCode::NotDicom,
            "neither the prefix DICM at byte 128 nor file meta information at the start",
        ));
    };
    if at < PREAMBLE {
        warnings.push(Warning::new(WarningCode::NoPreamble, "the file has no preamble"));
    } else if suspicious(&bytes[..PREAMBLE]) {
        let message = "the preamble holds an executable, an archive or a page";
        warnings.push(Warning::new(WarningCode::SuspiciousPreamble, message));
    }
    let source = Source { body: bytes, limits };
    let mut transfer_syntax = None;
    let mut media_storage_sop_class = None;
    while bytes.get(at..at + 2) == Some(&META_GROUP.to_le_bytes()) {
        let header = source.header(at, bytes.len(), Encoding::EXPLICIT_LITTLE)?;
        let range = source.value(&header, bytes.len())?;
        at = range.end;
        match header.tag {
            tags::TRANSFER_SYNTAX_UID => transfer_syntax = Some(text(&bytes[range])),
            tags::MEDIA_STORAGE_SOP_CLASS_UID => media_storage_sop_class = Some(text(&bytes[range])),
            Tag(..) => {}
        }
    }
    let transfer_syntax_uid: Uid = transfer_syntax
        .ok_or_else(|| {
            Refusal::new(
                if at >= bytes.len() { RefusalCode::Truncated } else { RefusalCode::MissingAttribute },
                "the file meta information names no Transfer Syntax UID (0002,0010)",
            )
        })?
        .parse()?;
    let transfer_syntax = TransferSyntax::from_uid(&transfer_syntax_uid);
    Ok(Meta { transfer_syntax, transfer_syntax_uid, media_storage_sop_class, dataset_at: at })
}

/// A UID as text, without padding.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned()
}

/// Whether a preamble is another kind of file (CVE-2019-11687). TIFF is allowed: dual-format slides use it.
fn suspicious(preamble: &[u8]) -> bool {
    let starts: [&[u8]; 7] = [b"MZ", b"\x7fELF", b"PK\x03\x04", b"#!", b"<", b"%PDF", b"\xcf\xfa\xed\xfe"];
    starts.iter().any(|start| preamble.starts_with(start))
}
