//! What this software wrote into a study itself: structured reports, pictures with an overlay, segmentations. They are no
//! input: otherwise each report that comes to lie in an archive would be a reason to write the next one.

use crate::instance::Instance;

/// Comprehensive 3D SR Storage.
pub const SOP_CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.34";
/// Secondary Capture Image Storage, of the picture with its overlay.
pub const OVERLAY_CLASS: &str = "1.2.840.10008.5.1.4.1.1.7";
/// Segmentation Storage, of what a model outlines.
pub const SEGMENTATION_CLASS: &str = "1.2.840.10008.5.1.4.1.1.66.4";
/// Manufacturer (0008,0070) of our own objects.
pub const MANUFACTURER: &str = "Chiasm project";
/// Manufacturer's Model Name (0008,1090) of our own objects.
pub const MODEL: &str = "Chiasm";

/// Whether the instance is an object of our own.
pub fn is_own(instance: &Instance) -> bool {
    matches!(instance.sop_class_uid.as_str(), SOP_CLASS | OVERLAY_CLASS | SEGMENTATION_CLASS)
        && instance.manufacturer.as_deref() == Some(MANUFACTURER)
        && instance.model_name.as_deref() == Some(MODEL)
}
