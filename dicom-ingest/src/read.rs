//! From bytes to header facts.

use crate::contain::contain;
use crate::file::sha256;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::prescan::prescan;
use crate::refusal::Refusal;

/// Scans a file and reads its header facts; pixels are not decoded. A panic, should there be one, is contained.
pub fn read_header(bytes: &[u8], limits: &Limits) -> Result<Instance, Refusal> {
    contain(|| Instance::read(&prescan(bytes, limits)?, sha256(bytes)))
}
