//! The images, the person they are of, and the picture for the page.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use super::Coding;

/// The images, as the study states them.
#[derive(Clone, PartialEq)]
pub struct Study {
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: String,
    /// Accession Number (0008,0050).
    pub accession_number: Option<String>,
    /// Index time t0: nothing of the record that became known later was used. `None` where the images
    /// state no time.
    pub started: Option<Timestamp>,
    /// t0 as the images state it, for a reader, such as `2020-03-14 09:30`.
    pub started_text: String,
    /// The date and the time of day that the images state, in their own zone; `None` where they state no date.
    pub local_start: Option<(Date, Option<Time>)>,
    /// Which rule gave the time zone, for a reader, such as `site zone UTC, the images state no offset`.
    pub zone_rule: String,
    /// Modalities (0008,0060) of the instances used, such as `DX`.
    pub modalities: Vec<String>,
    /// Study Description (0008,1030).
    pub description: Option<String>,
    /// Body part and view that were read, for a reader, such as `chest, PA view`.
    pub view: Option<String>,
    /// The part of the body that the images state, where a code is known for it.
    pub body_site: Option<Coding>,
    /// The instances that were read.
    pub instances: Vec<Instance>,
    /// The instances that were not read, and why.
    pub dropped: Vec<Dropped>,
    /// What was odd about the images though they were read.
    pub warnings: Vec<Warning>,
}

/// One SOP instance that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: String,
    /// Modality (0008,0060) of its series.
    pub modality: String,
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// One instance that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// SOP Instance UID, where it could be read.
    pub sop_instance_uid: Option<String>,
    /// Stable code.
    pub code: String,
    /// Why, in one sentence without patient data.
    pub reason: String,
}

/// Something odd that did not stop the analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable code.
    pub code: String,
    /// What, in one sentence without patient data.
    pub text: String,
}

/// The person the study is of.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// How the FHIR resources refer to the person.
    pub subject: Subject,
    /// Name, as a reader would write it. For the page only.
    pub name: Option<String>,
    /// Patient's Name (0010,0010) as the images state it, such as `Public^Jane`. For the DICOM rendering only.
    pub name_as_stated: Option<String>,
    /// Issuer of Patient ID (0010,0021) as the images state it. For the DICOM rendering only.
    pub issuer: Option<String>,
    /// Patient ID (0010,0020), which the match was made with. For the page and the DICOM rendering.
    pub identifier: Option<String>,
    /// Sex, one of `female`, `male`, `other`, `unknown`. For the page and the DICOM rendering.
    pub sex: Option<String>,
    /// Birth date, `YYYY-MM-DD` or shorter. For the page and the DICOM rendering.
    pub birth_date: Option<String>,
    /// Age at t0 in completed years. For the page only.
    pub age_years: Option<u32>,
}

/// `Family^Given` as `Family, Given`.
pub fn readable_name(name: &str) -> String {
    let alphabetic = name.split('=').next().unwrap_or_default();
    let parts: Vec<_> = alphabetic.split('^').filter(|part| !part.is_empty()).take(2).collect();
    parts.join(", ")
}

/// How the person is referred to. A Patient resource is never created.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// The record matched: a reference such as `Patient/abc`, as the record's bundle states it.
    Reference(String),
    /// Only the images say who it is.
    Identifier {
        /// Identifier system, where the site configured one.
        system: Option<String>,
        /// Issuer of Patient ID (0010,0021).
        assigner: Option<String>,
        /// Patient ID (0010,0020).
        value: String,
    },
    /// The images state no usable identifier.
    Unidentified,
}

/// The radiograph that was read, small enough for a page.
#[derive(Clone, PartialEq)]
pub struct Picture {
    /// SOP Instance UID of the source.
    pub sop_instance_uid: String,
    /// Patient Orientation (0020,0020) as the source states it; empty where it states none. For the DICOM rendering only.
    pub orientation: Vec<String>,
    /// Image Laterality (0020,0062) or Laterality (0020,0060), as the source states it. For the DICOM rendering only.
    pub laterality: Option<String>,
    /// Whether the source was compressed with loss. For the DICOM rendering only.
    pub is_lossy: bool,
    /// PNG file.
    pub png: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Where the model looked, for one finding, or what it outlines.
    pub saliency: Option<Saliency>,
}

/// What a PNG over the picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Where the model looked.
    WhereItLooked,
    /// The edges of what it outlines.
    Outlines,
}

/// Where the model looked, or what it outlines: a PNG with transparency, laid over the picture in the same shape.
#[derive(Clone, PartialEq)]
pub struct Saliency {
    /// Which of both.
    pub shows: Shows,
    /// Title of the finding it explains, or titles of what is outlined.
    pub finding: String,
    /// How it was made, such as `occlusion` or `Grad-CAM`.
    pub method: String,
    /// PNG file with an alpha channel, of the same aspect ratio as the picture.
    pub png: Vec<u8>,
}
