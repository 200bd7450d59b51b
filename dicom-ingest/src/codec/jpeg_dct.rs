//! Lossy JPEG of 8 bits, through the crate `jpeg-decoder`.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::Codestream;
use super::jpeg::failed;
use super::samples::store_unsigned;
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;

/// Most samples that a byte can hold: a block of 64 takes two bits at least.
const SAMPLES_PER_BYTE: u64 = 256;

/// Decodes a grey frame.
pub(super) fn decode(coded: &[u8], header: Codestream, facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    header.check(facts, coded.len(), SAMPLES_PER_BYTE)?;
    if header.precision != 8 {
        return Err(Refusal::new(
            RefusalCode::UnsupportedTransferSyntax,
            format!(
                "lossy JPEG of {} bits is not read; send the image in another transfer syntax",
                header.precision
            ),
        ));
    }
    if facts.signed {
        return Err(Refusal::new(RefusalCode::UnsupportedPixel, "signed samples in a lossy JPEG codestream"));
    }
    let samples = usize::try_from(facts.samples_per_frame()).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new(coded);
    decoder.set_max_decoding_buffer_size(samples);
    decoder.set_color_transform(ColorTransform::Grayscale);
    let bytes =
        decoder.decode().map_err(|error| failed(&format!("the JPEG decoder refuses the frame: {error}")))?;
    let grey = decoder.info().is_some_and(|info| info.pixel_format == PixelFormat::L8);
    if !grey || bytes.len() != samples {
        return Err(failed("the JPEG decoder did not return the grey frame that the header promised"));
    }
    store_unsigned(bytes.into_iter().map(u16::from).collect(), header.precision, facts, false)
}
