//! Named points of a job's way at which the process can be made to die, to show that dying there loses and doubles
//! nothing. Armed by the environment only (`CHIASM_FAILPOINT=stored` or `stored:3` for the third time); a site can
//! rerun the proof on the very binary that it runs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
    left: AtomicU32,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Arms a point; `None` and unknown points arm nothing. Called once, at the start.
pub fn arm(point: Option<&str>) {
    ARMED.get_or_init(|| {
        let (name, times) = point.map(|point| point.split_once(':').unwrap_or((point, "1")))?;
        let times = times.parse().ok().filter(|times| *times > 0)?;
        POINTS.contains(&name).then(|| {
            tracing::warn!(point = name, times, "a failpoint is armed: this process will die there");
            Armed { point: name.to_owned(), left: AtomicU32::new(times) }
        })
    });
}

/// Dies here, without any clean-up, if this point is armed.
pub fn reach(point: &'static str) {
    debug_assert!(POINTS.contains(&point), "a failpoint has a name of the list");
    if let Some(Some(armed)) = ARMED.get()
        && armed.point == point
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
