//! The native message: a CloudEvents 1.0 envelope in structured JSON mode, of type `imaging.job.requested.v1`.
//!
//! `docs/messages.md` and `worker/schemas/imaging.job.requested.v1.json` say the same; a test holds the three together.

use serde::Serialize;

use super::fields::{Fields, integer, list, text};
use super::json::Json;
use super::{JobRequest, MessageRefusal, Mode, Name, refusal, words};
use crate::lane::Lane;
use crate::queue::Message;
use jiff::Timestamp;

/// The type of the one native message.
pub const REQUESTED: &str = "imaging.job.requested.v1";

/// The JSON Schema of the native message.
pub const SCHEMA: &str = include_str!("../../schemas/imaging.job.requested.v1.json");

/// Everything of the type's name but its version.
const REQUESTED_ANY_VERSION: &str = "imaging.job.requested.v";

/// The priority of a request that states none.
const DEFAULT_PRIORITY: u8 = 100;

/// The most targets that one request may name.
pub const MAX_TARGETS: usize = 16;

/// The most instances that a request may expect.
const MAX_INSTANCES: u32 = 1_000_000;

/// What every CloudEvents envelope says, whatever its data.
pub(super) struct Attributes {
    pub(super) id: String,
    pub(super) time: Timestamp,
    pub(super) data: Fields,
}

/// Reads the attributes. The version is known and the type is one of ours or of an adapter when this is called.
pub(super) fn attributes(message: Fields, now: Timestamp) -> Result<Attributes, MessageRefusal> {
    let mut message = message.with_null_as_absent();
    let unused = |most| text(words::unused(most));
    message.required("specversion", "the text `1.0`", text(|version| (version == "1.0").then_some(())))?;
    message.required("type", "a text", text(|_| Some(())))?;
    let id = message.required("id", words::TOKEN, text(words::token))?;
    message.required("source", "1 to 256 visible ASCII characters", unused(256))?;
    let time = message.required("time", words::TIME, text(words::time))?;
    message.optional(
        "datacontenttype",
        "the text `application/json`",
        text(|kind| (kind == "application/json").then_some(())),
    )?;
    message.optional("subject", "1 to 256 visible ASCII characters", unused(256))?;
    // A trace context that is not understood ends a trace, never a request (W3C Trace Context, 3.2.2.5).
    message.optional("traceparent", "1 to 256 visible ASCII characters", unused(256))?;
    message.optional("tracestate", "1 to 512 visible ASCII characters", unused(512))?;
    let data = message.object("data")?;
    message.finish()?;
    Ok(Attributes { id, time: words::plausible(time, now, "time")?, data })
}

/// Reads a native message.
pub(super) fn read(message: Fields, now: Timestamp) -> Result<JobRequest, MessageRefusal> {
    known_type(message.peek("type"))?;
    known_version(message.peek("specversion"))?;
    let Attributes { id, time, mut data } = attributes(message, now)?;
    let name = || text(|name| name.parse::<Name>().ok());
    let mut study = data.object("study")?;
    let study_uid = study.required("instance_uid", words::UID, text(words::uid))?;
    let series = study.optional("series", "a list", list(usize::MAX, |_| Some(())))?;
    study.finish()?;
    if series.is_some_and(|series| !series.is_empty()) {
        let reason = "`data.study.series` names series: only whole studies are read; leave it out";
        return Err(refusal("SeriesNotSupported", reason.to_owned()));
    }
    let priority =
        data.optional("priority", "a whole number from 0 to 255", integer(|n| u8::try_from(n).ok()))?;
    let source = data.optional("source", words::NAME, name())?;
    let record = data.optional("record", words::NAME, name())?;
    let targets = data.optional("targets", TARGETS, targets)?.unwrap_or_default();
    let pipeline = data.optional("pipeline", words::NAME, name())?;
    let mode = data.optional("mode", "`clinical` or `shadow`", text(mode))?.unwrap_or_default();
    let expected_instances =
        data.optional("expected_instances", "a whole number from 1 to 1000000", integer(instances))?;
    let transaction_id = data.optional("transaction_id", words::TOKEN, text(words::token))?;
    let correlation_id = data.optional("correlation_id", words::TOKEN, text(words::token))?;
    data.finish()?;
    Ok(JobRequest {
        id,
        time,
        study_uid,
        source,
        record,
        targets,
        pipeline,
        lane: Lane::of_priority(priority.unwrap_or(DEFAULT_PRIORITY)),
        mode,
        expected_instances,
        correlation_id: correlation_id.or(transaction_id),
    })
}

const TARGETS: &str = "a list of at most 16 names of places in the site's configuration, each once";

fn known_type(kind: Option<&str>) -> Result<(), MessageRefusal> {
    let reason = match kind {
        Some(REQUESTED) => return Ok(()),
        Some(kind) if kind.starts_with(REQUESTED_ANY_VERSION) => {
            let reason = format!("`type` is another version of a request; this version reads `{REQUESTED}`");
            return Err(refusal("UnknownVersion", reason));
        }
        Some(_) => format!("`type` is none that is read here; a request is `{REQUESTED}`"),
        None => format!("`type` is missing or no text; a request is `{REQUESTED}`"),
    };
    Err(refusal("UnknownType", reason))
}

fn known_version(version: Option<&str>) -> Result<(), MessageRefusal> {
    if version == Some("1.0") {
        return Ok(());
    }
    Err(refusal("UnknownVersion", "`specversion` is not `1.0`".to_owned()))
}

fn targets(value: Json) -> Option<Vec<Name>> {
    let names = list(MAX_TARGETS, text(|name| name.parse::<Name>().ok()))(value)?;
    let each_once = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
    each_once.then_some(names)
}

fn mode(word: &str) -> Option<Mode> {
    match word {
        "clinical" => Some(Mode::Clinical),
        "shadow" => Some(Mode::Shadow),
        _ => None,
    }
}

/// How many instances a request may expect.
pub(crate) fn instances(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| (1..=MAX_INSTANCES).contains(number))
}

/// Writes a request as a message for its lane. `origin` is the CloudEvents `source`, a URI reference without patient
/// data: who asks.
pub fn message(request: &JobRequest, origin: &str, trace_parent: Option<&str>) -> Message {
    let envelope = Envelope {
        specversion: "1.0",
        id: &request.id,
        source: origin,
        kind: REQUESTED,
        time: request.time.to_string(),
        datacontenttype: "application/json",
        traceparent: trace_parent,
        data: Data {
            study: Study { instance_uid: request.study_uid.as_str() },
            priority: match request.lane {
                Lane::Stat => Lane::STAT_FROM,
                Lane::Routine => DEFAULT_PRIORITY,
            },
            source: request.source.as_ref(),
            record: request.record.as_ref(),
            targets: &request.targets,
            pipeline: request.pipeline.as_ref(),
            mode: request.mode,
            expected_instances: request.expected_instances,
            correlation_id: request.correlation_id.as_deref(),
        },
    };
    Message {
        lane: request.lane,
        id: request.id.clone(),
        // An envelope is plain strings and numbers: it always serialises.
        body: serde_json::to_vec(&envelope).unwrap_or_default(),
        trace_parent: trace_parent.map(str::to_owned),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    study: Study<'a>,
    priority: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a Name>,
    #[serde(skip_serializing_if = "<[Name]>::is_empty")]
    targets: &'a [Name],
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<&'a Name>,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_instances: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Study<'a> {
    instance_uid: &'a str,
}
