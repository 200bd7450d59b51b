//! What a pipeline says to a series, in words.

use super::{Says, Verdict};
use crate::convert;
use crate::declaration::Pipeline;
use crate::select::{Candidate, Judged, Selection};

/// What is said to the series at this place of the study; `None` where the study has no such series.
pub(super) fn says(pipeline: &Pipeline, selection: &Selection<'_>, at: usize) -> Option<Says> {
    let judged = selection.series.get(at)?;
    let (verdict, words) = match (selection.best(), selection.best_of(&judged.series)) {
        (Some(best), Some(own)) if std::ptr::eq(best, own) => (Verdict::ReadFirst, first(best, judged)),
        (Some(best), Some(own)) => (Verdict::InReserve, reserve(pipeline, best, own)),
        _ => (Verdict::NotRead, not_read(judged)),
    };
    Some(Says {
        pipeline: pipeline.id.clone(),
        verdict,
        readable: if verdict == Verdict::NotRead { 0 } else { judged.readable },
        words,
        objections: judged.objections.clone(),
    })
}

fn first(best: &Candidate<'_>, judged: &Judged<'_>) -> String {
    let view = convert::view(&best.file.instance);
    let stated = view.map_or_else(String::new, |view| format!(", view {view}"));
    let checked = if best.check_frontal {
        "; body part or view is not stated, so the picture itself has to pass as frontal"
    } else {
        ""
    };
    let of = judged.readable;
    let uid = &best.file.instance.sop_instance_uid;
    format!("read first: instance {uid}{stated}, of {of} here that may be read{checked}")
}

/// Why an image of another series comes first.
fn reserve(pipeline: &Pipeline, best: &Candidate<'_>, own: &Candidate<'_>) -> String {
    let rank =
        |candidate: &Candidate<'_>| pipeline.view_rank(convert::view(&candidate.file.instance).as_deref());
    let why = if own.check_frontal && !best.check_frontal {
        "states body part and view".to_owned()
    } else if rank(best) < rank(own) {
        let view = convert::view(&best.file.instance).unwrap_or_default();
        format!("has the preferred view ({view})")
    } else {
        "has the lower SOP Instance UID".to_owned()
    };
    format!("in reserve: instance {} of another series {why}", best.file.instance.sop_instance_uid)
}

fn not_read(judged: &Judged<'_>) -> String {
    if judged.objections.is_empty() {
        return "not read: the study is refused for another series".to_owned();
    }
    let reasons: Vec<String> =
        judged.objections.iter().map(|one| format!("{} ({})", one.reason, one.code)).collect();
    format!("not read: {}", reasons.join("; "))
}
