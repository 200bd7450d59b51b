//! How requests come to the queue: through the program, and as messages of other makers.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use worker::lane::Lane;
use worker::message::{JobRequest, Mode, envelope};
use worker::queue::Message;

use super::Site;
use super::check::End;
use super::remote::Origin;
use crate::chiasm;

/// Studies that one call of the program submits.
const A_CALL: usize = 500;

/// How long submitting may fail, while the broker is away.
const PATIENCE: Duration = Duration::from_mins(2);

impl Site {
    /// Makes so many new studies at the source.
    pub fn studies(&mut self, count: usize) -> Vec<String> {
        let source = self.folder.join("studies");
        self.cohort.add(count, &source)
    }

    /// Makes so many new studies at a place.
    ///
    /// # Panics
    /// Where the site has no such place, or it does not take them.
    pub fn studies_at(&mut self, origin: Origin, count: usize) -> Vec<String> {
        let remote = self.remote.as_ref().expect("a site with a bucket and a DICOMweb server");
        let studies = self.cohort.add(count, &remote.studies());
        if origin == Origin::Pacs {
            remote.store(&studies);
        }
        self.origins.extend(studies.iter().map(|study| (study.clone(), origin)));
        studies
    }

    /// Submits studies with `chiasm submit` until it says that all are accepted.
    ///
    /// # Panics
    /// Where it keeps failing.
    pub fn submit(&mut self, studies: &[String], lane: Lane) {
        let origin_of = |study: &&String| self.origins.get(*study).copied();
        let mut by_origin: BTreeMap<Option<Origin>, Vec<String>> = BTreeMap::new();
        for study in studies {
            by_origin.entry(origin_of(&study)).or_default().push(study.clone());
        }
        for (origin, studies) in &by_origin {
            self.submit_from(*origin, studies, lane);
        }
    }

    /// Submits studies for one of the site's pipelines.
    ///
    /// # Panics
    /// Where they are not accepted.
    pub fn submit_to(&mut self, pipeline: &str, studies: &[String], lane: Lane) {
        let priority = if lane == Lane::Stat { "255" } else { "100" };
        let output = Command::new(chiasm())
            .args(["submit", "--json", "--priority", priority, "--pipeline", pipeline, "--config"])
            .arg(&self.direct)
            .args(studies.iter().flat_map(|study| ["--study", study]))
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.expect(studies, &End::reported());
    }

    fn submit_from(&mut self, origin: Option<Origin>, studies: &[String], lane: Lane) {
        for studies in studies.chunks(A_CALL) {
            let began = Instant::now();
            loop {
                let output = self.chiasm_submit_from(origin, studies, lane);
                if output.status.success() {
                    break;
                }
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(began.elapsed() < PATIENCE, "`chiasm submit` keeps failing: {said}");
                std::thread::sleep(Duration::from_millis(200));
            }
            self.expect(studies, &End::reported());
        }
    }

    /// One call of `chiasm submit`; nothing of it counts as accepted here.
    ///
    /// # Panics
    /// Where the program cannot be started.
    pub fn chiasm_submit(&self, studies: &[String], lane: Lane) -> std::process::Output {
        self.chiasm_submit_from(None, studies, lane)
    }

    fn chiasm_submit_from(
        &self,
        origin: Option<Origin>,
        studies: &[String],
        lane: Lane,
    ) -> std::process::Output {
        let priority = if lane == Lane::Stat { "255" } else { "100" };
        Command::new(chiasm())
            .args(["submit", "--json", "--priority", priority, "--config"])
            .arg(&self.direct)
            .args(origin.iter().flat_map(|origin| ["--source", origin.name()]))
            .args(studies.iter().flat_map(|study| ["--study", study]))
            .output()
            .expect("the program starts")
    }

    /// Says how studies that were accepted are to end.
    pub fn expect(&mut self, studies: &[String], end: &End) {
        self.accepted.extend(studies.iter().map(|study| (study.clone(), end.clone())));
    }

    /// Says that so many dead letters with this code are to be there in the end.
    pub fn expect_dead(&mut self, code: &str, count: usize) {
        *self.dead.entry(code.to_owned()).or_default() += count;
    }

    /// Puts messages on the queue as they are.
    ///
    /// # Panics
    /// Where the queue does not take them.
    pub fn publish(&self, messages: &[Message]) {
        self.runtime.block_on(self.queue.publish_all(messages)).expect("the queue takes them");
    }
}

/// The message that asks for a study; `id` and `time` are the request's, not the job's.
///
/// # Panics
/// Where the UID is none.
pub fn request(study_uid: &str, id: &str, time: Timestamp, lane: Lane) -> Message {
    request_to(study_uid, id, time, lane, &[])
}

/// The same, to these targets alone.
///
/// # Panics
/// Where the UID or a name is none.
pub fn request_to(study_uid: &str, id: &str, time: Timestamp, lane: Lane, targets: &[&str]) -> Message {
    let request = JobRequest {
        id: id.to_owned(),
        time,
        study_uid: study_uid.parse().expect("a UID"),
        source: None,
        record: None,
        targets: targets.iter().map(|target| target.parse().expect("a name")).collect(),
        pipeline: None,
        lane,
        mode: Mode::Clinical,
        expected_instances: None,
        correlation_id: None,
    };
    envelope::message(&request, "urn:chiasm:tests", None)
}
