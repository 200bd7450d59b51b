//! Studies: instances of one Study Instance UID, of one patient, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::identity::StatedIdentity;
use crate::instance::Instance;
use crate::own::is_own;
use crate::refusal::{Refusal, RefusalCode};
use crate::rejection::Reason;
use crate::study_time::StudyTime;
use crate::uid::{Home, Uid};
use crate::warning::Warning;

/// An instance of a study and where it was found.
#[derive(Debug, Clone)]
pub struct StudyFile {
    /// The file.
    pub path: PathBuf,
    /// What its header says.
    pub instance: Instance,
}

/// A file of a study that was left out.
#[derive(Debug, Clone)]
pub struct Dropped {
    /// The file.
    pub path: PathBuf,
    /// The series that it names, as far as that can be told.
    pub series_uid: Option<Uid>,
    /// Why it was left out.
    pub reason: DropReason,
}

/// Why a file of a study was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// The same instance with the same bytes is there already.
    Duplicate,
    /// It names the study, but could not be read.
    Refused(Refusal),
}

/// A study, checked: one patient, one order, no side that contradicts another, no instance twice.
#[derive(Debug, Clone)]
pub struct Study {
    /// Study Instance UID.
    pub uid: Uid,
    /// What its instances state of patient, order and side; none of them contradicts another.
    pub identity: StatedIdentity,
    /// The earliest start that an instance states.
    pub started: Option<StudyTime>,
    /// The instances, by series, then instance number, then SOP Instance UID.
    pub instances: Vec<StudyFile>,
    /// Files that were left out.
    pub dropped: Vec<Dropped>,
    /// What notes in the study reject, whether it lies here or not; what does is among the files left out.
    pub rejected: BTreeMap<Uid, Reason>,
    /// Reports of our own ([`crate::own`]) that lie in the study beside its instances, each once; nothing else is
    /// said of them.
    pub own_reports: usize,
    /// What was odd but harmless, each once; no patient data.
    pub warnings: Vec<Warning>,
}

impl Study {
    /// Takes in refused files that name no study, where whoever found them knows that they lie in this one: they are left out of
    /// it by name.
    pub fn adopt(&mut self, files: Vec<RefusedFile>) {
        self.dropped.extend(files.into_iter().map(Dropped::from));
        self.dropped.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Whether no image is left because the archive rejected those that there were.
    pub fn is_rejected(&self) -> bool {
        !self.rejected.is_empty() && self.instances.iter().all(|file| file.instance.pixels.is_none())
    }
}

/// A study that is not read, and why.
#[derive(Debug, Clone)]
pub struct RefusedStudy {
    /// Study Instance UID.
    pub uid: Uid,
    /// Why.
    pub refusal: Refusal,
    /// Its files.
    pub paths: Vec<PathBuf>,
}

/// A study, or its refusal.
#[derive(Debug, Clone)]
pub enum StudyOutcome {
    /// A study that can be read.
    Ready(Box<Study>),
    /// A study that is refused as a whole.
    Refused(RefusedStudy),
}

impl StudyOutcome {
    /// The Study Instance UID.
    pub fn uid(&self) -> &Uid {
        match self {
            Self::Ready(study) => &study.uid,
            Self::Refused(refused) => &refused.uid,
        }
    }
}

/// A file that claims to be DICOM and was refused, with the study and series it names, as far as that can be read.
#[derive(Debug, Clone)]
pub struct RefusedFile {
    /// The file.
    pub path: PathBuf,
    /// Where it belongs.
    pub home: Home,
    /// Why it was refused.
    pub refusal: Refusal,
}

impl From<RefusedFile> for Dropped {
    fn from(RefusedFile { path, home, refusal }: RefusedFile) -> Self {
        Self { path, series_uid: home.series_uid, reason: DropReason::Refused(refusal) }
    }
}

/// Groups instances by study. Refused files go to the study they name, when that study has an instance that
/// could be read; the others are handed back. Reports of our own are counted and left aside. The order of the input decides nothing.
pub fn group(files: Vec<StudyFile>, refused: Vec<RefusedFile>) -> (Vec<StudyOutcome>, Vec<RefusedFile>) {
    let mut by_study: BTreeMap<Uid, (Vec<StudyFile>, Vec<Dropped>)> = BTreeMap::new();
    for file in files {
        by_study.entry(file.instance.study_uid.clone()).or_default().0.push(file);
    }
    let mut homeless = Vec::new();
    for file in refused {
        match file.home.study_uid.as_ref().and_then(|uid| by_study.get_mut(uid)) {
            Some((_, dropped)) => dropped.push(file.into()),
            None => homeless.push(file),
        }
    }
    homeless.sort_by(|a, b| a.path.cmp(&b.path));
    let outcomes = by_study
        .into_iter()
        // of a study whose images are gone, our reports are all that is left: there is nothing to read
        .filter(|(_, (files, _))| !files.iter().all(|file| is_own(&file.instance)))
        .map(|(uid, (files, dropped))| assemble(uid, files, dropped))
        .collect();
    (outcomes, homeless)
}

fn assemble(uid: Uid, mut files: Vec<StudyFile>, mut dropped: Vec<Dropped>) -> StudyOutcome {
    let key = |file: &StudyFile| {
        let Instance { series_number, instance_number, series_uid, sop_instance_uid, .. } = &file.instance;
        (*series_number, series_uid.clone(), *instance_number, sop_instance_uid.clone(), file.path.clone())
    };
    files.sort_by_cached_key(key);
    let (own, mut files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_own(&file.instance));
    let own_reports = own.iter().map(|file| &file.instance.sop_instance_uid).collect::<BTreeSet<_>>().len();
    let rejected = rejected(&files);
    // before anything is compared: what was rejected may be another patient's
    files.retain(|file| match rejected.get(&file.instance.sop_instance_uid) {
        None => true,
        Some(reason) => {
            let message = format!("the archive rejected the instance: {}", reason.words());
            let refusal = Refusal::new(RefusalCode::RejectedByArchive, message);
            let series_uid = Some(file.instance.series_uid.clone());
            let reason = DropReason::Refused(refusal);
            dropped.push(Dropped { path: file.path.clone(), series_uid, reason });
            false
        }
    });
    let paths = files.iter().map(|file| file.path.clone()).collect();
    let refuse = |refusal| StudyOutcome::Refused(RefusedStudy { uid: uid.clone(), refusal, paths });
    let instances = deduplicate(files, &mut dropped);
    if let Some(refusal) = dropped.iter().find_map(costly) {
        return refuse(refusal.clone());
    }
    let identity = StatedIdentity::of(instances.iter().map(|file| &file.instance));
    if let Some(conflict) = identity.conflicts.first() {
        return refuse(conflict.refusal());
    }
    let mut warnings: Vec<Warning> = Vec::new();
    for warning in instances.iter().flat_map(|file| &file.instance.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    dropped.sort_by(|a, b| a.path.cmp(&b.path));
    let times = instances.iter().filter_map(|file| file.instance.study_time.as_ref());
    let started = times
        .min_by_key(|time| (time.source != "StudyDate", time.date, time.time.is_none(), time.time))
        .cloned();
    StudyOutcome::Ready(Box::new(Study {
        uid,
        identity,
        started,
        instances,
        dropped,
        rejected,
        own_reports,
        warnings,
    }))
}

/// What the notes among the files reject; of two reasons the graver one. A note can be rejected too, and then says nothing.
fn rejected(files: &[StudyFile]) -> BTreeMap<Uid, Reason> {
    let notes = || files.iter().filter_map(|file| Some((&file.instance, file.instance.rejection.as_ref()?)));
    let taken_back: Vec<&Uid> = notes().flat_map(|(_, note)| &note.instances).collect();
    let mut rejected = BTreeMap::new();
    for (note, rejection) in notes() {
        if taken_back.contains(&&note.sop_instance_uid) {
            continue;
        }
        for uid in &rejection.instances {
            let reason = rejected.entry(uid.clone()).or_insert(rejection.reason);
            *reason = rejection.reason.min(*reason);
        }
    }
    rejected
}

/// The refusal of a file that costs the whole study.
fn costly(dropped: &Dropped) -> Option<&Refusal> {
    match &dropped.reason {
        DropReason::Refused(refusal) if refusal.code.outcome().costs_study() => Some(refusal),
        DropReason::Refused(_) | DropReason::Duplicate => None,
    }
}

/// Keeps every instance once, and not the same UID with other bytes.
fn deduplicate(files: Vec<StudyFile>, dropped: &mut Vec<Dropped>) -> Vec<StudyFile> {
    let mut digests: BTreeMap<Uid, [u8; 32]> = BTreeMap::new();
    let mut kept = Vec::with_capacity(files.len());
    for file in files {
        let Instance { sop_instance_uid, sha256, .. } = &file.instance;
        let series_uid = Some(file.instance.series_uid.clone());
        match digests.get(sop_instance_uid) {
            None => {
                digests.insert(sop_instance_uid.clone(), *sha256);
                kept.push(file);
            }
            Some(known) if known == sha256 => {
                dropped.push(Dropped { path: file.path, series_uid, reason: DropReason::Duplicate });
            }
            Some(_) => {
                let message = format!("instance {sop_instance_uid} is there twice with different contents");
                let reason = DropReason::Refused(Refusal::new(RefusalCode::ConflictingInstance, message));
                dropped.push(Dropped { path: file.path, series_uid, reason });
            }
        }
    }
    kept
}
