//! Structured reports that this software wrote into a study itself. They are no input: otherwise each report that comes
//! to lie in an archive would be a reason to write the next one.

use crate::instance::Instance;

/// Comprehensive 3D SR Storage.
pub const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.34";
/// Manufacturer (0008,0070) of our own objects.
pub const MANUFACTURER: &str = "Chiasm project";
/// Manufacturer's Model Name (0008,1090) of our own objects.
pub const MODEL: &str = "Chiasm";

/// Whether the instance is a report of our own.
pub fn is_own(instance: &Instance) -> bool {
    instance.sop_class_uid.as_str() == SOP_CLASS
        && instance.manufacturer.as_deref() == Some(MANUFACTURER)
        && instance.model_name.as_deref() == Some(MODEL)
}
