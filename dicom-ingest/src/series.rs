//! The series of a study, and what their instances say together: what a rule can ask of a series, and what people want to
//! know of it. Nothing is guessed: what no instance states is absent, and where instances differ all is said.

use std::collections::BTreeMap;

use crate::instance::Instance;
use crate::phi::Phi;
use crate::plane::{Orientation, Plane};
use crate::refusal::{Refusal, RefusalCode};
use crate::study::{DropReason, Dropped, Study, StudyFile};
use crate::uid::Uid;
use crate::volume::Plan;

/// The instances of one Series Instance UID.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// Series Instance UID (0020,000E).
    pub uid: &'a Uid,
    /// Series Number (0020,0011) of the first instance that states one.
    pub number: Option<i32>,
    /// Its instances, in the study's order; at least one.
    pub files: Vec<&'a StudyFile>,
    /// Modality (0008,0060); the standard has one a series.
    pub modalities: Vec<String>,
    /// Body Part Examined (0018,0015), else the coded anatomic region.
    pub body_parts: Vec<String>,
    /// Convolution Kernel (0018,1210).
    pub kernels: Vec<String>,
    /// Series Description (0008,103E): typed by people.
    pub descriptions: Vec<Phi<String>>,
    /// An instance states a contrast agent.
    pub contrast: bool,
    /// Number of images: frames of all instances.
    pub images: usize,
    /// Images that are localizers.
    pub localizers: usize,
    /// How the images lie in the patient; localizers do not count unless there is nothing else.
    pub orientations: Vec<Orientation>,
    /// Least and greatest Slice Thickness (0018,0050) in mm, localizers left out in the same way.
    pub thickness_mm: Option<[f64; 2]>,
    /// The volume that its images make, or why they make none; `None` where no image states how it lies in the patient, as in
    /// projection radiography, and where there is one image alone. Where a file of the series could not be read they make none:
    /// what is missing at an end leaves no gap.
    pub volume: Option<Result<Plan, Refusal>>,
}

impl<'a> Series<'a> {
    /// The series of a study, in the order of their first instances.
    pub fn of(study: &'a Study) -> Vec<Self> {
        let mut series: Vec<(&Uid, Vec<&StudyFile>)> = Vec::new();
        let mut places = BTreeMap::new();
        for file in &study.instances {
            let uid = &file.instance.series_uid;
            let place = *places.entry(uid).or_insert(series.len());
            match series.get_mut(place) {
                Some((_, files)) => files.push(file),
                None => series.push((uid, vec![file])),
            }
        }
        series.into_iter().map(|(uid, files)| Self::read(uid, files, unreadable(study, uid))).collect()
    }

    /// The header facts of its instances.
    pub fn instances(&self) -> impl Iterator<Item = &'a Instance> {
        self.files.iter().map(|file| &file.instance)
    }

    /// The distance between neighbouring slices in mm, measured along their normal.
    pub fn step_mm(&self) -> Option<f64> {
        let plan = self.volume.as_ref()?.as_ref().ok()?;
        plan.grid.spacing.first().copied()
    }

    fn read(uid: &'a Uid, files: Vec<&'a StudyFile>, unreadable: usize) -> Self {
        let instances = || files.iter().map(|file| &file.instance);
        let planes = || instances().flat_map(|instance| &instance.planes);
        let localizers = planes().filter(|plane| plane.localizer).count();
        let all = planes().count() == localizers;
        let kept: Vec<&Plane> = planes().filter(|plane| all || !plane.localizer).collect();
        let lies = planes().count() > 1 && planes().any(|plane| plane.directions.is_some());
        let thickness = kept.iter().filter_map(|plane| plane.thickness);
        Self {
            uid,
            number: instances().find_map(|instance| instance.series_number),
            modalities: distinct(instances().filter_map(|instance| instance.modality.clone())),
            body_parts: distinct(instances().filter_map(Instance::stated_body_part)),
            kernels: distinct(instances().filter_map(|instance| instance.kernel.clone())),
            descriptions: distinct(instances().filter_map(|instance| instance.series_description.clone())),
            contrast: instances().any(|instance| instance.contrast),
            images: instances().map(Instance::images).sum(),
            localizers,
            orientations: distinct(kept.iter().filter_map(|plane| plane.orientation())),
            thickness_mm: thickness.fold(None, |range, mm| {
                Some(range.map_or([mm, mm], |[least, most]: [f64; 2]| [least.min(mm), most.max(mm)]))
            }),
            volume: lies.then(|| {
                let plan = Plan::new(&instances().collect::<Vec<_>>());
                plan.and_then(|plan| if unreadable == 0 { Ok(plan) } else { Err(unread(unreadable)) })
            }),
            files,
        }
    }
}

/// How many files of a series could not be read: those that name it, and those that may be of it. What the archive took back
/// is none.
fn unreadable(study: &Study, series: &Uid) -> usize {
    let is_missing = |dropped: &&Dropped| match &dropped.reason {
        DropReason::Duplicate => false,
        DropReason::Refused(refusal) => {
            refusal.code != RefusalCode::RejectedByArchive
                && dropped.series_uid.as_ref().is_none_or(|named| named == series)
        }
    };
    study.dropped.iter().filter(is_missing).count()
}

fn unread(files: usize) -> Refusal {
    let message =
        format!("{files} files that are of the series, or may be, could not be read: slices may be missing");
    Refusal::new(RefusalCode::IncompleteSeries, message)
}

/// Each value once, in order.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}
