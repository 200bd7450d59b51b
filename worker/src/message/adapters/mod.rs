//! Messages of other systems, turned into requests at the edge.
//!
//! Their schemas are theirs: fields that are not needed are passed over. What is taken becomes the same bounded values
//! as in the native message.

mod bare;
pub mod monai;
pub mod orthanc;

use std::collections::BTreeMap;

use dicom_ingest::uid::Uid;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::fields::Fields;
use super::{Incoming, JobRequest, MessageRefusal, Mode, Name, envelope, refusal};
use crate::job::hex;
use crate::lane::Lane;

/// What a site says about the words of other systems.
#[derive(Debug, Clone, Default)]
pub struct AdapterMapping {
    /// MONAI Deploy's bucket names, each with the configured source that reads the bucket.
    pub buckets: BTreeMap<String, Name>,
    /// The configured source that reads Orthanc's studies; `None` for the site's default.
    pub orthanc_source: Option<Name>,
}

/// Reads a message that is an object, native or of another system.
pub(super) fn read(
    message: Fields,
    body: &[u8],
    now: Timestamp,
    mapping: &AdapterMapping,
) -> Result<Incoming, MessageRefusal> {
    if message.has("specversion") {
        return match message.peek("type") {
            Some(orthanc::EVENT) => orthanc::read_event(message, now).map(Incoming::OrthancStudy),
            _ => envelope::read(message, now).map(Incoming::Request),
        };
    }
    if message.has("payload_id") && message.has("bucket") {
        return monai::read(message, now, mapping).map(Incoming::Request);
    }
    if message.has("orthanc_study") {
        return orthanc::read_hook(message, body, now, mapping).map(Incoming::Request);
    }
    if message.has("StudyInstanceUID") {
        return bare::read(message, body, now).map(Incoming::Request);
    }
    let reason = "the message is neither a CloudEvents 1.0 envelope nor of another form that is read here";
    Err(refusal("NotCloudEvents", reason.to_owned()))
}

/// A routine request for a study with the site's defaults for the rest.
pub(super) fn routine(id: String, time: Timestamp, study_uid: Uid) -> JobRequest {
    JobRequest {
        id,
        time,
        study_uid,
        source: None,
        record: None,
        targets: Vec::new(),
        pipeline: None,
        lane: Lane::Routine,
        mode: Mode::Clinical,
        expected_instances: None,
        correlation_id: None,
    }
}

/// The id of a message that states none: the same bytes have the same id.
fn id_of(body: &[u8]) -> String {
    let digest = hex(&Sha256::digest(body));
    format!("sha256-{digest}")
}
