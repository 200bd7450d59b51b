//! From the bytes of one frame to stored values, one module a codec.
//!
//! Every codec compares what its codestream says about size and depth with the image attributes before it
//! allocates or decodes.

mod jpeg;
mod jpeg2000;
mod jpeg_dct;
mod jpeg_lossless;
mod jpeg_ls;
mod native;
mod rle;
mod samples;

use crate::dataset::ByteOrder;
use crate::pixel_facts::{Photometric, PixelFacts};
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;
use crate::transfer_syntax::TransferSyntax;
use crate::warning::Warning;

pub(crate) use native::Layout;

/// What a codestream's own header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Codestream {
    rows: u32,
    columns: u32,
    components: u32,
    precision: u32,
}

/// Samples up to which any size is believed; above, the codestream must be long enough to hold them.
const PLAUSIBLE_SAMPLES: u64 = 32 << 20;

impl Codestream {
    /// Compares the codestream's header with the image attributes. `samples_per_byte` bounds what one byte of
    /// this codec can hold, so that a few bytes cannot promise a large picture.
    fn check(&self, facts: &PixelFacts, coded_bytes: usize, samples_per_byte: u64) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new(RefusalCode::PixelMismatch, message));
        if (self.rows, self.columns) != (facts.rows, facts.columns) {
            return refuse(format!(
                "the codestream has {} x {} pixels, the header {} x {}",
                self.rows, self.columns, facts.rows, facts.columns
            ));
        }
        if self.components != facts.samples_per_pixel {
            return refuse(format!(
                "the codestream has {} components, the header {}",
                self.components, facts.samples_per_pixel
            ));
        }
        if self.precision == 0 || self.precision > facts.bits_allocated {
            return refuse(format!(
                "the codestream has {} bits a sample, the header allocates {}",
                self.precision, facts.bits_allocated
            ));
        }
        let samples = facts.samples_per_frame();
        if samples > PLAUSIBLE_SAMPLES && samples > (coded_bytes as u64).saturating_mul(samples_per_byte) {
            return refuse(format!("{coded_bytes} bytes cannot hold {samples} samples"));
        }
        Ok(())
    }
}

/// Refuses what is not a grey image of 8 or 16 bits allocated.
pub(crate) fn check_grey(facts: &PixelFacts) -> Result<(), Refusal> {
    if facts.samples_per_pixel != 1
        || !matches!(facts.photometric, Photometric::Monochrome1 | Photometric::Monochrome2)
    {
        return Err(Refusal::new(
            RefusalCode::ColourPixel,
            format!(
                "{} samples per pixel, photometric interpretation {}: only grey images are read",
                facts.samples_per_pixel,
                match &facts.photometric {
                    Photometric::Colour(_) => "of colour",
                    Photometric::PaletteColor => "PALETTE COLOR",
                    Photometric::Monochrome1 | Photometric::Monochrome2 => "grey",
                }
            ),
        ));
    }
    if !matches!(facts.bits_allocated, 8 | 16) {
        return Err(Refusal::new(
            RefusalCode::UnsupportedPixel,
            format!("BitsAllocated is {}: 8 and 16 are read", facts.bits_allocated),
        ));
    }
    Ok(())
}

/// Whether a codestream says of itself that it is lossy, whatever the transfer syntax is called; a fragment that begins none
/// says nothing.
pub(crate) fn is_lossy(coded: &[u8], transfer_syntax: &TransferSyntax) -> bool {
    match transfer_syntax {
        TransferSyntax::JpegBaseline | TransferSyntax::JpegExtended | TransferSyntax::JpegLossless => {
            jpeg::is_lossy(coded)
        }
        TransferSyntax::JpegLs => jpeg_ls::is_lossy(coded),
        TransferSyntax::Jpeg2000 => jpeg2000::is_lossy(coded),
        TransferSyntax::Rle
        | TransferSyntax::ImplicitLittleEndian
        | TransferSyntax::ExplicitLittleEndian
        | TransferSyntax::DeflatedExplicitLittleEndian
        | TransferSyntax::ExplicitBigEndian
        | TransferSyntax::Other(_) => false,
    }
}

/// Decodes one native frame.
pub(crate) fn decode_native(
    bytes: &[u8],
    facts: &PixelFacts,
    layout: Layout,
) -> Result<StoredValues, Refusal> {
    native::decode(bytes, facts, layout)
}

/// Decodes one encapsulated frame to stored values.
pub(crate) fn decode_frame(
    coded: &[u8],
    transfer_syntax: &TransferSyntax,
    facts: &PixelFacts,
    warnings: &mut Vec<Warning>,
) -> Result<StoredValues, Refusal> {
    match transfer_syntax {
        TransferSyntax::Rle => rle::decode(coded, facts),
        TransferSyntax::JpegBaseline | TransferSyntax::JpegExtended | TransferSyntax::JpegLossless => {
            jpeg::decode(coded, facts)
        }
        TransferSyntax::JpegLs => jpeg_ls::decode(coded, facts),
        TransferSyntax::Jpeg2000 => jpeg2000::decode(coded, facts, warnings),
        TransferSyntax::ImplicitLittleEndian
        | TransferSyntax::ExplicitLittleEndian
        | TransferSyntax::DeflatedExplicitLittleEndian
        | TransferSyntax::ExplicitBigEndian => {
            decode_native(coded, facts, Layout { order: ByteOrder::Little, swapped_bytes: false })
        }
        TransferSyntax::Other(uid) => Err(Refusal::new(
            RefusalCode::UnsupportedTransferSyntax,
            format!("pixels of transfer syntax {uid} are not read"),
        )),
    }
}
