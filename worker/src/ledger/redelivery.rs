//! A report that was delivered and is to go to more places: what was added, and how that is taken back where its delivery is
//! cancelled. The report stays where it is.

use serde::{Deserialize, Serialize};

use super::row::AuditEntry;
use super::state::JobState;
use crate::job::Request;
use crate::message::{Mode, Name};

/// Where a report went before it was asked for in more places: the text of the audit entry `widened`. Names of the site, no path.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    mode: Mode,
    targets: Vec<Name>,
    /// Whether it goes to another folder of a caller now.
    other_folder: bool,
}

/// What the audit trail says of a request that was widened; nothing where a request is not of a form that this version reads.
pub(super) fn before(request: &str, wide: &str) -> String {
    let read = |text| serde_json::from_str::<Request>(text).ok();
    let before = read(request).zip(read(wide)).map(|(request, wide)| Before {
        mode: request.mode,
        other_folder: wide.out != request.out,
        targets: request.targets,
    });
    before.and_then(|before| serde_json::to_string(&before).ok()).unwrap_or_default()
}

/// Where a job stood, and what it asked for, before its delivered report was asked for in more places. `None` for a job whose
/// report was not delivered since it was last accepted.
pub(super) fn undone(entries: &[AuditEntry], request: &str) -> Option<(JobState, String)> {
    let passes = |entry: &AuditEntry| matches!(entry.event.as_str(), "deferred" | "widened" | "withdrawn");
    let ended = entries.iter().rposition(|entry| !passes(entry))?;
    let (entry, since) = entries.get(ended..)?.split_first()?;
    if !matches!(entry.event.as_str(), "settled" | "cancelled") {
        return None;
    }
    let state: JobState = entry.detail.parse().ok()?;
    if !matches!(state, JobState::Reported | JobState::Refused) {
        return None;
    }
    let widened = since.iter().filter(|entry| entry.event == "widened");
    let before: Vec<Before> = widened.filter_map(|entry| serde_json::from_str(&entry.detail).ok()).collect();
    let narrow = serde_json::from_str::<Request>(request).ok().and_then(|request| {
        let first = before.first()?;
        let other_folder = before.iter().any(|before| before.other_folder);
        let out = request.out.clone().filter(|_| !other_folder);
        let narrow = Request { mode: first.mode, targets: first.targets.clone(), out, ..request };
        serde_json::to_string(&narrow).ok()
    });
    Some((state, narrow.unwrap_or_else(|| request.to_owned())))
}
