//! The files of a job's study as they stand now: their headers, checked against what was accepted, and the pixels of one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_ingest::file::FileBytes;
use dicom_ingest::frame::Frame;
use dicom_ingest::reader::Reader;
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::discover_keeping;
use dicom_ingest::source::kept::Kept;
use dicom_ingest::study::{RefusedFile, Study, StudyFile, StudyOutcome};
use dicom_ingest::warning::Warning;
use jiff::tz::TimeZone;

use super::evidence::Evidence;
use crate::ending::Ending;
use crate::job::{Request, UNREADABLE, hex};
use crate::select::Candidate;

/// Most samples of an image that is decoded: 8192 x 8192, more than any detector has.
const MOST_SAMPLES: u64 = 64 << 20;

/// Reads the headers of the job's files, unless they were read a moment ago, and checks that they are still what was accepted.
pub(super) fn study(
    study_uid: &str,
    request: &Request,
    reader: &dyn Reader,
    site_zone: &TimeZone,
    evidence: &mut Evidence,
    kept: &mut Kept,
) -> Result<Arc<Study>, Ending> {
    let changed = || {
        Ending::refused(
            "SourceChanged",
            "a file of the study was changed or removed after the job was accepted",
        )
    };
    let study = if let Some(fetched) = evidence.study.take() {
        fetched
    } else {
        let paths = paths(request, evidence.root.as_deref()).ok_or_else(changed)?;
        let files = paths.iter().zip(&request.files);
        let unread: BTreeSet<&Path> =
            files.filter(|(_, file)| file.sha256 == UNREADABLE).map(|(path, _)| path.as_path()).collect();
        Arc::new(read(study_uid, &paths, &unread, reader, kept)?.ok_or_else(changed)?)
    };
    let accepted: BTreeSet<&str> = request.files.iter().map(|file| file.sha256.as_str()).collect();
    let as_accepted = |file: &StudyFile| accepted.contains(hex(&file.instance.sha256).as_str());
    if !study.instances.iter().all(as_accepted) {
        return Err(changed());
    }
    evidence.started = study.started.as_ref().map(|started| started.instant(site_zone));
    evidence.study = Some(Arc::clone(&study));
    Ok(study)
}

/// Where the job's files lie; `None` where they are on another machine and were not fetched.
fn paths(request: &Request, root: Option<&Path>) -> Option<Vec<PathBuf>> {
    let files = request.files.iter();
    match (&request.fetched_from, root) {
        (None, _) => Some(files.map(|file| file.path.clone()).collect()),
        (Some(_), Some(root)) => Some(files.map(|file| root.join(&file.path)).collect()),
        (Some(_), None) => None,
    }
}

/// The study as its files stand now; `None` when they are not what was accepted. `unread` are those that could not be read then.
fn read(
    study_uid: &str,
    paths: &[PathBuf],
    unread: &BTreeSet<&Path>,
    reader: &dyn Reader,
    kept: &mut Kept,
) -> Result<Option<Study>, Ending> {
    let Ok(discovery) = discover_keeping(paths, reader, kept, &mut |_| {}) else { return Ok(None) };
    // Another file that was accepted could be read then: that it cannot be now is its reader's doing, not another content's.
    let is_lost = |file: &&RefusedFile| match file.refusal.code {
        RefusalCode::DecoderUnavailable => true,
        code => code.is_of_the_process() && !unread.contains(file.path.as_path()),
    };
    if let Some(file) = discovery.unreadable.iter().find(is_lost) {
        return Err(ending(file.refusal.clone()));
    }
    match discovery.studies.into_iter().find(|study| study.uid().as_str() == study_uid) {
        None => Ok(None),
        Some(StudyOutcome::Ready(mut study)) => {
            // they were accepted as files of this study, whatever they say
            study.adopt(discovery.unreadable);
            Ok(Some(*study))
        }
        Some(StudyOutcome::Refused(refused)) => {
            Err(Ending::refused(refused.refusal.code.as_str(), refused.refusal.message))
        }
    }
}

/// Whether the header promises one radiograph of a size that one can have; nothing is decoded of what it does not.
fn check_size(candidate: Candidate<'_>) -> Result<(), Ending> {
    let Some(pixels) = &candidate.file.instance.pixels else { return Ok(()) };
    if pixels.frames != 1 {
        return Err(Ending::refused(
            "UnsupportedPixel",
            "the image has more than one frame where one radiograph is expected",
        ));
    }
    if pixels.samples_per_frame() > MOST_SAMPLES {
        let reason = format!("the image has more than {MOST_SAMPLES} pixels, more than a radiograph has");
        return Err(Ending::refused(RefusalCode::PixelLimit.as_str(), reason));
    }
    Ok(())
}

/// The one frame of an image, and what was odd about it but harmless, in its header and in its pixels. It is decoded from the bytes
/// that its header was read from, where they were kept; else its file is read again. Nothing is kept once there is a frame: what
/// comes next may wait for the device.
pub(super) fn decode(
    candidate: Candidate<'_>,
    reader: &dyn Reader,
    kept: &mut Kept,
) -> Result<(Frame, Vec<Warning>), Ending> {
    check_size(candidate)?;
    let file = match kept.take(&candidate.file.path) {
        Some(file) => file,
        None => read_file(&candidate.file.path, reader.limits())
            .map(FileBytes::new)
            .map_err(|_| Ending::refused("UnreadableFile", "a file of the study could not be read"))?,
    };
    let decoded = reader.decode(&file).map_err(ending)?;
    if decoded.instance.sha256 != candidate.file.instance.sha256 {
        return Err(Ending::refused("SourceChanged", "a file of the study was changed while it was read"));
    }
    let odd = decoded.instance.warnings;
    let mut frames = decoded.frames.into_iter();
    match (frames.next(), frames.next()) {
        (Some(frame), None) => {
            kept.clear();
            Ok((frame, odd))
        }
        _ => Err(Ending::refused(
            "UnsupportedPixel",
            "the image has more than one frame where one radiograph is expected",
        )),
    }
}

/// A refusal is the image's doing, but for the one that says that nothing could read it.
fn ending(refusal: Refusal) -> Ending {
    let code = refusal.code.as_str();
    if refusal.code == RefusalCode::DecoderUnavailable {
        let next_step =
            "Free memory of the machine, and submit the study again; after an upgrade, restart every worker.";
        return Ending::failed(code, refusal.message, next_step);
    }
    Ending::refused(code, refusal.message)
}

#[cfg(test)]
mod tests;
