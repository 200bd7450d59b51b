//! Named points of a job's way at which the process can be made to die, to show that dying there loses and doubles
//! nothing. Armed by the environment only (`CHIASM_FAILPOINT=stored` or `stored:3` for the third time); a site can
//! rerun the proof on the very binary that it runs. `fetched@0123abcd` is for one study alone, the one with this
//! [`of_study`]: a stand-in for files that stop the process that reads them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use crate::job::hex;

/// The environment variable that arms a point.
pub const VARIABLE: &str = "CHIASM_FAILPOINT";

/// The points, in the order of a job's way.
pub const POINTS: [&str; 11] = [
    "received",   // a delivery was taken, nothing of it is read
    "fetched",    // its study was read, the ledger knows nothing yet
    "accepted",   // the job is in the ledger
    "leased",     // this worker holds it
    "analysed",   // the report is composed, in memory only
    "stored",     // model output, report and audit entry are in the ledger
    "delivering", // one target, of several perhaps, has the report
    "delivered",  // every target has it
    "settled",    // the job is in its terminal state
    "announced",  // the status event is out
    "settling",   // the queue is being told
];

struct Armed {
    point: String,
    study: Option<String>,
    left: AtomicU32,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Arms a point; `None` and unknown points arm nothing. Called once, at the start.
pub fn arm(point: Option<&str>) {
    ARMED.get_or_init(|| {
        let armed = point.and_then(parse)?;
        let (point, times) = (armed.point.as_str(), armed.left.load(Ordering::SeqCst));
        tracing::warn!(point, times, "a failpoint is armed: this process will die there");
        Some(armed)
    });
}

fn parse(text: &str) -> Option<Armed> {
    let (place, times) = text.split_once(':').unwrap_or((text, "1"));
    let (point, study) = place.split_once('@').map_or((place, None), |(point, study)| (point, Some(study)));
    let times = times.parse().ok().filter(|times| *times > 0)?;
    POINTS.contains(&point).then(|| Armed {
        point: point.to_owned(),
        study: study.map(str::to_owned),
        left: AtomicU32::new(times),
    })
}

/// The first eight hexadecimal digits of the study's SHA-256: names it after `@`.
pub fn of_study(study_uid: &str) -> String {
    hex(&Sha256::digest(study_uid)[..4])
}

/// Dies here, without any clean-up, if this point is armed for every study.
pub fn reach(point: &'static str) {
    die_if(point, |study| study.is_none());
}

/// Dies here, without any clean-up, if this point is armed for this study or for every study.
pub fn reach_with(point: &'static str, study_uid: &str) {
    die_if(point, |study| study.is_none_or(|study| study == of_study(study_uid)));
}

fn die_if(point: &'static str, is_meant: impl FnOnce(Option<&str>) -> bool) {
    debug_assert!(POINTS.contains(&point), "a failpoint has a name of the list");
    if let Some(Some(armed)) = ARMED.get()
        && armed.point == point
        && is_meant(armed.study.as_deref())
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_armed_by_name_times_and_study() {
        let armed = |text| parse(text).map(|armed| (armed.point, armed.study, armed.left.into_inner()));
        assert_eq!(armed("stored"), Some(("stored".into(), None, 1)));
        assert_eq!(armed("stored:3"), Some(("stored".into(), None, 3)));
        assert_eq!(armed("fetched@0123abcd:2"), Some(("fetched".into(), Some("0123abcd".into()), 2)));
        assert_eq!(
            (armed("nowhere"), armed("stored:0"), armed("stored:x"), armed("")),
            (None, None, None, None)
        );
        assert_eq!(of_study("1.2.3").len(), 8);
    }
}
