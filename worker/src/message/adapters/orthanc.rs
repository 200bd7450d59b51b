//! Orthanc: the change events of orthanc-server-extensions, and what our own Lua hook sends.
//!
//! An event names a study by Orthanc's own identifier (a SHA-1). Only Orthanc can say which StudyInstanceUID that is, so
//! the event becomes an [`OrthancStudy`], and [`crate::orthanc`] asks.

use std::fmt;
use std::str::FromStr;

use dicom_ingest::uid::Uid;
use jiff::Timestamp;

use super::{AdapterMapping, Fields, JobRequest, MessageRefusal, id_of, routine};
use crate::message::envelope::{self, Attributes};
use crate::message::fields::{integer, text};
use crate::message::json::Json;
use crate::message::{Name, refusal, words};

/// The CloudEvents type of orthanc-server-extensions.
pub(super) const EVENT: &str = "orthanc-server-extensions.change-event";

/// Orthanc's number for the change `StableStudy`.
const STABLE_STUDY: u64 = 9;

/// Orthanc's identifier of a resource: five groups of eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrthancId(String);

/// The text is no [`OrthancId`].
#[derive(Debug, thiserror::Error)]
#[error("an Orthanc identifier has five groups of eight hexadecimal digits, separated by `-`")]
pub struct BadOrthancId;

impl OrthancId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrthancId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrthancId {
    type Err = BadOrthancId;

    fn from_str(text: &str) -> Result<Self, BadOrthancId> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let groups: Vec<&str> = text.split('-').collect();
        let fits =
            groups.len() == 5 && groups.iter().all(|group| group.len() == 8 && group.bytes().all(digit));
        if fits { Ok(Self(text.to_owned())) } else { Err(BadOrthancId) }
    }
}

/// A stable study that Orthanc must name first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrthancStudy {
    /// CloudEvents `id` of the event.
    pub id: String,
    /// CloudEvents `time` of the event.
    pub time: Timestamp,
    /// Orthanc's identifier of the study.
    pub study: OrthancId,
}

impl OrthancStudy {
    /// The request, once Orthanc has said which study it is and how many instances it has.
    pub fn request(
        self,
        study_uid: Uid,
        expected_instances: Option<u32>,
        source: Option<Name>,
    ) -> JobRequest {
        JobRequest { source, expected_instances, ..routine(self.id, self.time, study_uid) }
    }
}

pub(super) fn read_event(message: Fields, now: Timestamp) -> Result<OrthancStudy, MessageRefusal> {
    let Attributes { id, time, mut data } = envelope::attributes(message, now)?;
    let form = "one of Orthanc's change types, as a number or a word";
    let stable = data.required("change_type", form, is_stable_study)?;
    if !stable {
        let reason = "`data.change_type` is not StableStudy; only stable studies are requests";
        return Err(refusal("NotStableStudy", reason.to_owned()));
    }
    let study = data.required("resource_id", "an Orthanc identifier", text(|id| id.parse().ok()))?;
    Ok(OrthancStudy { id, time, study })
}

fn is_stable_study(value: Json) -> Option<bool> {
    match value {
        Json::Integer(number) => Some(number == STABLE_STUDY),
        Json::Text(word) => {
            Some(word.eq_ignore_ascii_case("StableStudy") || word.eq_ignore_ascii_case("STABLE_STUDY"))
        }
        _ => None,
    }
}

/// What `deploy/orthanc/chiasm.lua` sends. It is ours, so nothing unknown is passed over.
pub(super) fn read_hook(
    mut message: Fields,
    body: &[u8],
    now: Timestamp,
    mapping: &AdapterMapping,
) -> Result<JobRequest, MessageRefusal> {
    message.required("orthanc_study", "an Orthanc identifier", text(|id| id.parse::<OrthancId>().ok()))?;
    let study_uid = message.required("StudyInstanceUID", words::UID, text(words::uid))?;
    let form = "a whole number from 1 to 1000000";
    let expected_instances = message.optional("instances", form, integer(envelope::instances))?;
    let form = "Orthanc's time, such as 20260317T093000";
    let changed = message.optional("last_update", form, text(orthanc_time))?;
    message.finish()?;
    let time = words::plausible(changed.unwrap_or(now), now, "last_update")?;
    let source = mapping.orthanc_source.clone();
    Ok(JobRequest { source, expected_instances, ..routine(id_of(body), time, study_uid) })
}

/// A time as Orthanc writes it: `20260317T093000`, UTC.
pub fn orthanc_time(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let digits =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    words::time(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}
