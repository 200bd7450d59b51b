//! MONAI Deploy's `WorkflowRequestEvent` (`md.workflow.request`): the Informatics Gateway has stored a payload in a bucket.
//!
//! The bucket becomes a configured source by the site's table; no path of the event is ever opened. The gateway writes
//! instances under `dcm/<study>/<series>/<instance>.dcm`, which is where the StudyInstanceUID is read. Files of other kinds
//! in the payload are passed over: the record comes from the site's configuration.

use std::collections::BTreeSet;

use dicom_ingest::uid::Uid;
use jiff::Timestamp;

use super::{AdapterMapping, Fields, JobRequest, MessageRefusal, routine};
use crate::message::fields::{list, text};
use crate::message::json::Json;
use crate::message::{envelope, refusal, words};

/// The folder of DICOM instances in a payload.
const DICOM_FOLDER: &str = "dcm";

/// Through which service the data came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataService {
    Unknown,
    Dimse,
    DicomWeb,
    Fhir,
    Hl7,
    Acr,
}

impl DataService {
    /// The event's class gives integers; other serialisers give words. A value of a later version is unknown.
    fn of(value: Json) -> Option<Self> {
        match value {
            Json::Integer(1) => Some(Self::Dimse),
            Json::Integer(2) => Some(Self::DicomWeb),
            Json::Integer(3) => Some(Self::Fhir),
            Json::Integer(4) => Some(Self::Hl7),
            Json::Integer(5) => Some(Self::Acr),
            Json::Integer(_) => Some(Self::Unknown),
            Json::Text(word) => Some(match word.to_ascii_lowercase().as_str() {
                "dimse" => Self::Dimse,
                "dicomweb" => Self::DicomWeb,
                "fhir" => Self::Fhir,
                "hl7" => Self::Hl7,
                "acr" => Self::Acr,
                _ => Self::Unknown,
            }),
            _ => None,
        }
    }

    fn has_images(self) -> bool {
        !matches!(self, Self::Fhir | Self::Hl7)
    }
}

pub(super) fn read(
    message: Fields,
    now: Timestamp,
    mapping: &AdapterMapping,
) -> Result<JobRequest, MessageRefusal> {
    let mut message = message.with_null_as_absent();
    let id = message.required("payload_id", words::TOKEN, text(words::token))?;
    let correlation_id = message.required("correlation_id", words::TOKEN, text(words::token))?;
    let time = message.required("timestamp", words::TIME, text(words::time_or_utc))?;
    let time = words::plausible(time, now, "timestamp")?;
    let source =
        message.required("bucket", "a text", text(|bucket| Some(mapping.buckets.get(bucket).cloned())))?;
    let source = source.ok_or_else(|| {
        let reason = "`bucket` is none of the site's table of buckets; add it with the source that reads it";
        refusal("UnknownBucket", reason.to_owned())
    })?;
    let form = "one of MONAI Deploy's data services, as a number or a word";
    let service = match message.optional_object("trigger")? {
        Some(trigger) => trigger.with_null_as_absent().optional("dataService", form, DataService::of)?,
        None => None,
    };
    let paths =
        message.required("payload", "a list of objects with a text `path`", list(usize::MAX, path_of))?;
    let (study_uid, count) = study(&paths, &id, service.unwrap_or(DataService::Unknown))?;
    Ok(JobRequest {
        source: Some(source),
        expected_instances: envelope::instances(count as u64),
        correlation_id: Some(correlation_id),
        ..routine(id, time, study_uid)
    })
}

fn path_of(entry: Json) -> Option<String> {
    let Json::Object(members) = entry else { return None };
    members.into_iter().find_map(|(name, value)| match value {
        Json::Text(path) if name == "path" => Some(path),
        _ => None,
    })
}

/// The one study of the payload and how many instances of it are there.
fn study(paths: &[String], payload_id: &str, service: DataService) -> Result<(Uid, usize), MessageRefusal> {
    let mut studies = BTreeSet::new();
    let mut instances = BTreeSet::new();
    for path in paths {
        let inside = path.strip_prefix(payload_id).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
        let Some(rest) = inside.strip_prefix(DICOM_FOLDER).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let (study, instance) = instance_of(rest).ok_or_else(|| {
            let reason =
                "a `payload.path` below `dcm/` is not `dcm/<study>/<series>/<instance>.dcm` with DICOM UIDs";
            refusal("BadField", reason.to_owned())
        })?;
        studies.insert(study);
        instances.insert(instance);
    }
    let mut studies = studies.into_iter();
    match (studies.next(), studies.next()) {
        (Some(study), None) => Ok((study, instances.len())),
        (Some(_), Some(_)) => Err(refusal(
            "SeveralStudies",
            "`payload` holds more than one study; send one event a study (group by StudyInstanceUID)"
                .to_owned(),
        )),
        (None, _) => {
            let why = if service.has_images() { "" } else { ": the event is of FHIR or HL7 data" };
            Err(refusal("NoStudy", format!("`payload` names no DICOM instance below `dcm/`{why}")))
        }
    }
}

fn instance_of(path: &str) -> Option<(Uid, Uid)> {
    let mut parts = path.split('/');
    let (study, series, file) = (parts.next()?, parts.next()?, parts.next()?);
    words::uid(series)?;
    let instance = words::uid(file.strip_suffix(".dcm")?)?;
    if parts.next().is_some() { None } else { Some((words::uid(study)?, instance)) }
}
