//! A study as `chiasm inspect` shows it: its series, what each is, what every pipeline says to each, and what was refused. Pure.
//!
//! It holds no name, number, date or age of the patient. Series descriptions are in it: they are what people know a series by,
//! and what rules ask for; whoever typed a name into one has to know that it is shown.

pub mod sheet;
pub mod tree;
mod verdict;

use std::path::Path;

use dicom_ingest::instance::Instance;
use dicom_ingest::series::Series;
use dicom_ingest::study::{DropReason, RefusedFile, Study, StudyOutcome};
use models::ModelCard;
use serde::Serialize;

use crate::declaration::{Objection, Pipeline};
use crate::select::{Selection, select};

/// Files that are named one by one; of the others the codes are counted.
const MOST_FILES: usize = 20;

/// A study: one JSON line.
#[derive(Debug, Clone, Serialize)]
pub struct InspectedStudy {
    /// Study Instance UID.
    pub study_uid: String,
    /// `None`: readable. Else why the study is refused as a whole.
    #[serde(flatten)]
    pub refusal: Option<Coded>,
    /// Its series.
    pub series: Vec<InspectedSeries>,
    /// What every pipeline reads of it.
    pub pipelines: Vec<Reads>,
    /// Files that were refused, at most twenty.
    pub refused_files: Vec<InspectedFile>,
    /// How many were refused.
    pub refused: usize,
    /// Files whose instance is there already with the same bytes.
    pub duplicates: usize,
    /// Reports of our own beside the images; they are no input.
    pub own_reports: usize,
    /// What was odd about the files but harmless.
    pub warnings: Vec<Coded>,
}

/// A stable code and a sentence.
#[derive(Debug, Clone, Serialize)]
pub struct Coded {
    /// The code (`docs/codes.md`).
    pub code: String,
    /// The sentence, without patient data.
    pub reason: String,
}

/// A file that was refused: one JSON line, where it belongs to no readable study.
#[derive(Debug, Clone, Serialize)]
pub struct InspectedFile {
    /// Where it lies.
    pub file: String,
    /// Why it was refused.
    #[serde(flatten)]
    pub refusal: Coded,
}

/// A series.
#[derive(Debug, Clone, Serialize)]
pub struct InspectedSeries {
    /// Series Instance UID.
    pub series_uid: String,
    /// Series Number (0020,0011).
    pub number: Option<i32>,
    /// Modality (0008,0060); several contradict the standard and are all said, as with the lists below.
    pub modalities: Vec<String>,
    /// Body part or anatomic region.
    pub body_parts: Vec<String>,
    /// Series Description (0008,103E).
    pub descriptions: Vec<String>,
    /// How the images lie: `axial`, `coronal`, `sagittal`, `oblique`.
    pub orientations: Vec<&'static str>,
    /// Instances (files).
    pub instances: usize,
    /// Images (frames).
    pub images: usize,
    /// Images that are localizers.
    pub localizers: usize,
    /// Rows and columns of the first image.
    pub size: Option<[u32; 2]>,
    /// Pixel spacing of the first image in mm: between rows, between columns; at the detector where only that is stated.
    pub pixel_spacing_mm: Option<[f64; 2]>,
    /// Least and greatest slice thickness in mm, as stated.
    pub thickness_mm: Option<[f64; 2]>,
    /// Distance between slices in mm, as measured.
    pub step_mm: Option<f64>,
    /// Convolution kernels.
    pub kernels: Vec<String>,
    /// Whether a contrast agent is stated.
    pub contrast: bool,
    /// Transfer syntaxes.
    pub transfer_syntaxes: Vec<String>,
    /// The volume's slices, rows and columns.
    pub volume: Option<[usize; 3]>,
    /// Why the images, which lie in the patient, make no volume.
    pub no_volume: Option<Coded>,
    /// What every pipeline says to it.
    pub pipelines: Vec<Says>,
}

/// What a pipeline says to a series.
#[derive(Debug, Clone, Serialize)]
pub struct Says {
    /// The pipeline.
    pub pipeline: String,
    /// Whether it reads an image of the series first, may read one, or reads none.
    pub verdict: Verdict,
    /// Instances that may be read.
    pub readable: usize,
    /// The verdict in words.
    pub words: String,
    /// Everything that stands against the series or against images of it.
    pub objections: Vec<Objection>,
}

/// What becomes of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The image that is read first is in it.
    ReadFirst,
    /// It is read where what comes first cannot be.
    InReserve,
    /// It is not read.
    NotRead,
}

/// What a pipeline reads of a study.
#[derive(Debug, Clone, Serialize)]
pub struct Reads {
    /// The pipeline.
    pub pipeline: String,
    /// The series of what is read first.
    pub series_uid: Option<String>,
    /// What is read first.
    pub sop_instance_uid: Option<String>,
    /// Why nothing is read.
    #[serde(flatten)]
    pub refusal: Option<Coded>,
}

/// A pipeline, and the card of its model where that is built in.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The card of its model.
    pub model: Option<&'a ModelCard>,
}

impl InspectedStudy {
    /// Whether some pipeline reads something of it.
    pub fn is_read(&self) -> bool {
        self.pipelines.iter().any(|reads| reads.refusal.is_none())
    }
}

/// A study as it was found, and what each pipeline says to it.
pub fn study(found: &StudyOutcome, asked: &[Asked<'_>]) -> InspectedStudy {
    match found {
        StudyOutcome::Ready(study) => ready(study, asked),
        StudyOutcome::Refused(refused) => {
            let refusal = coded(refused.refusal.code.as_str(), &refused.refusal.message);
            InspectedStudy {
                study_uid: refused.uid.to_string(),
                series: Vec::new(),
                pipelines: asked.iter().map(|asked| nothing(asked.pipeline, refusal.clone())).collect(),
                refusal: Some(refusal),
                refused_files: Vec::new(),
                refused: 0,
                duplicates: 0,
                own_reports: 0,
                warnings: Vec::new(),
            }
        }
    }
}

/// A file that belongs to no readable study.
pub fn file(refused: &RefusedFile) -> InspectedFile {
    named(&refused.path, refused.refusal.code.as_str(), &refused.refusal.message)
}

/// A file and why it was refused.
pub fn named(path: &Path, code: &str, reason: &str) -> InspectedFile {
    InspectedFile { file: path.to_string_lossy().into_owned(), refusal: coded(code, reason) }
}

fn ready(study: &Study, asked: &[Asked<'_>]) -> InspectedStudy {
    let selections: Vec<(Asked<'_>, Selection<'_>)> =
        asked.iter().map(|asked| (*asked, select(study, asked.model, asked.pipeline))).collect();
    let series = Series::of(study);
    let refused = || {
        study.dropped.iter().filter_map(|dropped| match &dropped.reason {
            DropReason::Refused(refusal) => {
                Some(named(&dropped.path, refusal.code.as_str(), &refusal.message))
            }
            DropReason::Duplicate => None,
        })
    };
    InspectedStudy {
        study_uid: study.uid.to_string(),
        refusal: None,
        series: series
            .iter()
            .enumerate()
            .map(|(at, series)| InspectedSeries {
                pipelines: selections
                    .iter()
                    .filter_map(|(asked, selection)| verdict::says(asked.pipeline, selection, at))
                    .collect(),
                ..described(series)
            })
            .collect(),
        pipelines: selections.iter().map(|(asked, selection)| reads(asked.pipeline, selection)).collect(),
        refused_files: refused().take(MOST_FILES).collect(),
        refused: refused().count(),
        duplicates: study.dropped.iter().filter(|dropped| dropped.reason == DropReason::Duplicate).count(),
        own_reports: study.own_reports,
        warnings: study.warnings.iter().map(|one| coded(one.code.as_str(), &one.message)).collect(),
    }
}

/// What a series is.
fn described(series: &Series<'_>) -> InspectedSeries {
    let first = || series.instances().find(|instance| instance.pixels.is_some());
    let size = first().and_then(|instance| instance.pixels.as_ref());
    let mut syntaxes: Vec<String> =
        series.instances().map(|instance| instance.transfer_syntax.name().to_owned()).collect();
    syntaxes.sort_unstable();
    syntaxes.dedup();
    let (volume, no_volume) = match &series.volume {
        Some(Ok(plan)) => (Some(plan.grid.size), None),
        Some(Err(refusal)) => (None, Some(coded(refusal.code.as_str(), &refusal.message))),
        None => (None, None),
    };
    InspectedSeries {
        series_uid: series.uid.to_string(),
        number: series.number,
        modalities: series.modalities.clone(),
        body_parts: series.body_parts.clone(),
        descriptions: series.descriptions.iter().map(|text| text.expose().clone()).collect(),
        orientations: series.orientations.iter().map(|orientation| orientation.as_str()).collect(),
        instances: series.files.len(),
        images: series.images,
        localizers: series.localizers,
        size: size.map(|pixels| [pixels.rows, pixels.columns]),
        pixel_spacing_mm: first().and_then(spacing),
        thickness_mm: series.thickness_mm,
        step_mm: series.step_mm(),
        kernels: series.kernels.clone(),
        contrast: series.contrast,
        transfer_syntaxes: syntaxes,
        volume,
        no_volume,
        pipelines: Vec::new(),
    }
}

/// In the patient, else at the detector.
fn spacing(instance: &Instance) -> Option<[f64; 2]> {
    let plane = instance.planes.first().and_then(|plane| plane.spacing);
    plane.or(instance.pixel_spacing).or(instance.imager_pixel_spacing)
}

fn reads(pipeline: &Pipeline, selection: &Selection<'_>) -> Reads {
    match (selection.best(), selection.refusal()) {
        (Some(best), _) => Reads {
            pipeline: pipeline.id.clone(),
            series_uid: Some(best.file.instance.series_uid.to_string()),
            sop_instance_uid: Some(best.file.instance.sop_instance_uid.to_string()),
            refusal: None,
        },
        (None, Some(Objection { code, reason })) => nothing(pipeline, coded(code, &reason)),
        (None, None) => nothing(pipeline, coded("NotApplicableModality", "the study holds no image")),
    }
}

fn nothing(pipeline: &Pipeline, refusal: Coded) -> Reads {
    Reads { pipeline: pipeline.id.clone(), series_uid: None, sop_instance_uid: None, refusal: Some(refusal) }
}

fn coded(code: &str, reason: &str) -> Coded {
    Coded { code: code.to_owned(), reason: reason.to_owned() }
}
