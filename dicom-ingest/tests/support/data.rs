//! The shared data of the project, as far as they are there.

use std::path::{Path, PathBuf};

/// The folder of the shared data; `None`, with a line that says so, where it is missing.
#[expect(clippy::disallowed_methods, reason = "tests may look for their data")]
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = std::env::var("CHIASM_DATA").map_or_else(|_| beside(), PathBuf::from);
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    {
        println!("skipped: the shared data `{name}` are not there (set CHIASM_DATA)");
    }
    None
}

/// The rows of a CSV file without quoting, its header left out.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

/// The stored values of all frames as little-endian 32-bit integers, hashed.
pub(crate) fn digest(frames: &[dicom_ingest::frame::Frame]) -> String {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    for frame in frames {
        let bytes: Vec<u8> = frame.stored.iter().flat_map(i32::to_le_bytes).collect();
        hasher.update(&bytes);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
