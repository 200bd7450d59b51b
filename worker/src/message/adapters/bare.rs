//! The barest message, `{"StudyInstanceUID": "..."}`: for a script or a test. Anything beside the UID is refused, because
//! what publishers like to add (name, modality) does not belong on a queue.

use jiff::Timestamp;

use super::{Fields, JobRequest, MessageRefusal, id_of, routine};
use crate::message::fields::text;
use crate::message::words;

pub(super) fn read(mut message: Fields, body: &[u8], now: Timestamp) -> Result<JobRequest, MessageRefusal> {
    let study_uid = message.required("StudyInstanceUID", words::UID, text(words::uid))?;
    message.finish()?;
    Ok(routine(id_of(body), now, study_uid))
}
