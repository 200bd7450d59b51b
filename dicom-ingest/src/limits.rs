//! The bounds of everything that is read from outside. Each is a named number with its unit.

use serde::{Deserialize, Serialize};

/// Bounds for one file. The defaults admit what archives really send, with room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Greatest size of a file, in bytes. A declared length beyond it is a lie, not a long value.
    pub max_file_bytes: u64,
    /// Deepest nesting of sequences (DCMTK's limit is 64 as well).
    pub max_depth: usize,
    /// Greatest number of elements, items and fragments together.
    pub max_elements: usize,
    /// Greatest size of an inflated data set, in bytes, whatever its ratio.
    pub max_inflated_bytes: u64,
    /// Greatest ratio of inflated to deflated size, above [`Self::inflate_floor_bytes`].
    pub max_inflate_ratio: u64,
    /// Inflated size up to which the ratio is not looked at, in bytes: a blank picture deflates 1000 to 1.
    pub inflate_floor_bytes: u64,
    /// Greatest number of samples of an instance: rows x columns x frames x samples per pixel.
    pub max_samples: u64,
    /// Greatest number of frames of an instance.
    pub max_frames: u32,
    /// Greatest number of entries of a ZIP archive.
    pub max_archive_entries: u64,
    /// Greatest size of what a ZIP archive holds, inflated, in bytes.
    pub max_archive_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            max_file_bytes: 2048 * MIB,
            max_depth: 64,
            max_elements: 1_000_000,
            max_inflated_bytes: 1024 * MIB,
            max_inflate_ratio: 100,
            inflate_floor_bytes: 64 * MIB,
            max_samples: 288 * MIB,
            max_frames: 65_536,
            max_archive_entries: 20_000,
            max_archive_bytes: 16_384 * MIB,
        }
    }
}
