//! Limits on a record from outside, checked before anything is built from it.

use super::RecordError;

/// Largest bundle that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Deepest nesting of objects and lists.
pub const MAX_DEPTH: usize = 64;

/// Most entries of one bundle.
pub const MAX_ENTRIES: usize = 100_000;

/// Largest single resource that is looked into, in bytes; a larger one counts as unreadable.
pub const MAX_RESOURCE_BYTES: usize = 1024 * 1024;

/// Checks size and nesting in one pass over the bytes, without building anything.
pub(crate) fn check(bytes: &[u8]) -> Result<(), RecordError> {
    if bytes.len() > MAX_BYTES {
        return Err(RecordError::TooLarge { bytes: bytes.len(), limit: MAX_BYTES });
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(RecordError::TooDeep { limit: MAX_DEPTH, offset });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
