//! The identifiers that all renderings share: UUIDs from the report's two keys, and UUIDs as DICOM UIDs.

use sha1::{Digest as _, Sha1};
use uuid::{Builder, Uuid, uuid};

use super::document::{Finding, Model, Report, Risk, Segment};

/// Name space of all our identifiers. Never change it: a stored report would get a twin.
const NAMESPACE: Uuid = uuid!("7210f3e6-404c-4dd8-b515-2286166f831b");

/// Makes an id from a kind and the parts that tell one thing of the kind from another.
pub(super) fn id(kind: &str, parts: &[&str]) -> Uuid {
    // UUID version 5 (RFC 9562, 5.5), with the SHA-1 that uses the processor's own: a model card is long
    let mut hash = Sha1::new().chain_update(NAMESPACE).chain_update(kind);
    for part in parts {
        // the length keeps `ab`, `c` apart from `a`, `bc`
        hash.update(format!("\u{1f}{}:", part.len()));
        hash.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_sha1_bytes(first).into_uuid()
}

/// A finding of this version.
pub(super) fn finding(report: &Report, finding: &Finding) -> Uuid {
    id("Observation", &[&report.keys.job, &finding.label])
}

/// A risk of this version.
pub(super) fn risk(report: &Report, risk: &Risk) -> Uuid {
    id("RiskAssessment", &[&report.keys.job, &risk.id])
}

/// The index lesion of this version.
pub(super) fn lesion(report: &Report) -> Uuid {
    id("Lesion", &[&report.keys.job])
}

/// A model: one device for each version and weights, never for each run.
pub(super) fn model(model: &Model) -> Uuid {
    id("Device", &[&model.id, &model.version, &model.digest])
}

/// The program: one device for each version.
pub(super) fn software(report: &Report) -> Uuid {
    id("Device", &[&report.software.name, &report.software.version])
}

/// The DICOM structured report of this version.
pub(super) fn structured_report(report: &Report) -> Uuid {
    structured_report_of(&report.keys.job)
}

/// The DICOM structured report of another version of the same report.
pub(super) fn structured_report_of(job_key: &str) -> Uuid {
    id("StructuredReport", &[job_key])
}

/// The picture with its overlay of this version.
pub(super) fn overlay(report: &Report) -> Uuid {
    overlay_of(&report.keys.job)
}

/// The picture with its overlay of another version of the same report.
pub(super) fn overlay_of(job_key: &str) -> Uuid {
    id("Overlay", &[job_key])
}

/// The series that the pictures of all versions lie in.
pub(super) fn overlay_series(report: &Report) -> Uuid {
    id("OverlaySeries", &[&report.keys.report])
}

/// What is outlined in this version.
pub(super) fn segment(report: &Report, segment: &Segment) -> Uuid {
    id("Segment", &[&report.keys.job, &segment.label])
}

/// The segmentation of this version.
pub(super) fn segmentation(report: &Report) -> Uuid {
    id("Segmentation", &[&report.keys.job])
}

/// The series that the segmentations of all versions lie in.
pub(super) fn segmentation_series(report: &Report) -> Uuid {
    id("SegmentationSeries", &[&report.keys.report])
}

/// The series that all versions of the structured report lie in.
pub(super) fn series(report: &Report) -> Uuid {
    id("Series", &[&report.keys.report])
}

/// What is followed through all versions of a report, such as one finding of the study.
pub(super) fn tracked(report: &Report, what: &str) -> Uuid {
    id("Tracking", &[&report.keys.report, what])
}

/// A UUID as a DICOM UID (PS3.5 B.2).
pub(super) fn uid(id: Uuid) -> String {
    format!("2.25.{}", id.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_each_part() {
        assert_eq!(id("Device", &["a", "b"]), id("Device", &["a", "b"]));
        assert_ne!(id("Device", &["ab", "c"]), id("Device", &["a", "bc"]));
        assert_ne!(id("Device", &["a"]), id("Task", &["a"]));
    }

    #[test]
    fn ids_are_uuids_of_version_5() {
        let name = ["Device", "1:a", "2:bc"].join("\u{1f}");
        assert_eq!(id("Device", &["a", "bc"]), Uuid::new_v5(&NAMESPACE, name.as_bytes()));
    }
}
