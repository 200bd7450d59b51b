//! `chiasm decode-process`: reads files for the process that started it, and can do nothing else.

use anyhow::Context;
use dicom_ingest::decoders::serve_standard_input;

/// Serves until the other side is gone. It has to come before anything that opens a file or starts a thread.
pub(super) fn run() -> anyhow::Result<u8> {
    serve_standard_input().context("whoever started this process could not be understood")?;
    Ok(0)
}
