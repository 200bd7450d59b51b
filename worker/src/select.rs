//! Which series and images of a study are read, and why the others are not. Pure: from header facts, the pipeline's declared
//! rule, the model's card and the declared preference. `chiasm inspect` prints what is decided here.

use dicom_ingest::instance::Instance;
use dicom_ingest::series::Series;
use dicom_ingest::study::{Study, StudyFile};
use models::{Applies, ModelCard};

use crate::convert;
use crate::declaration::{Objection, Pipeline};
use crate::ending::Ending;

/// An image that may be read.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The file.
    pub file: &'a StudyFile,
    /// True when the picture itself has to show that it is a frontal chest radiograph.
    pub check_frontal: bool,
}

/// What a pipeline says to one series.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// The series.
    pub series: Series<'a>,
    /// Why it, or an image of it, is not read; each code once.
    pub objections: Vec<Objection>,
    /// How many of its instances may be read.
    pub readable: usize,
}

/// What a pipeline says to a study.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// To each series, in the study's order.
    pub series: Vec<Judged<'a>>,
    /// The images that may be read, best first.
    candidates: Vec<Candidate<'a>>,
}

/// The code that speaks for the whole study.
const SPECIES: &str = "NotApplicableSpecies";

/// Codes from the most to the least telling reason: what is said of a study whose images are refused for several.
const TELLING: [&str; 13] = [
    SPECIES,
    "NotApplicableAge",
    "NotApplicableView",
    "NotApplicableSpacing",
    "NotApplicableThickness",
    "NotApplicableKernel",
    "NotApplicableContrast",
    "NotApplicableDescription",
    "NotApplicableImages",
    "NotApplicableOrientation",
    "NotApplicableBodyPart",
    "NotApplicableSopClass",
    "NotApplicableModality",
];

/// What a pipeline says to the series and images of a study. Without the model's card, which only what is built in has, the
/// pipeline's rule alone speaks, and every image of a series that it accepts may be read.
///
/// Best first is a stated view before an unstated one, then the pipeline's preference, then the lowest SOP Instance UID.
pub fn select<'a>(study: &'a Study, model: Option<&ModelCard>, pipeline: &Pipeline) -> Selection<'a> {
    let mut candidates = Vec::new();
    let series = Series::of(study);
    let judged: Vec<Judged<'a>> =
        series.into_iter().map(|series| judge(series, model, pipeline, &mut candidates)).collect();
    candidates.sort_by_key(|candidate| {
        let instance = &candidate.file.instance;
        let view = convert::view(instance);
        (candidate.check_frontal, pipeline.view_rank(view.as_deref()), instance.sop_instance_uid.clone())
    });
    let animal = judged.iter().any(|judged| judged.objections.iter().any(|one| one.code == SPECIES));
    // One animal in a study makes the whole study an animal's.
    Selection { series: judged, candidates: if animal { Vec::new() } else { candidates } }
}

/// The images that may be read, best first.
pub fn candidates<'a>(
    study: &'a Study,
    model: &ModelCard,
    pipeline: &Pipeline,
) -> Result<Vec<Candidate<'a>>, Ending> {
    let selection = select(study, Some(model), pipeline);
    match selection.refusal() {
        Some(Objection { code, reason }) => Err(Ending::refused(code, reason)),
        None => Ok(selection.candidates),
    }
}

impl<'a> Selection<'a> {
    /// The image that is read first; the others are read where it cannot be.
    pub fn best(&self) -> Option<&Candidate<'a>> {
        self.candidates.first()
    }

    /// The image of a series that is read first among its own.
    pub fn best_of(&self, series: &Series<'_>) -> Option<&Candidate<'a>> {
        self.candidates.iter().find(|candidate| candidate.file.instance.series_uid == *series.uid)
    }

    /// Why nothing is read; `None` where something is.
    pub fn refusal(&self) -> Option<Objection> {
        if !self.candidates.is_empty() {
            return None;
        }
        let rank = |code: &str| TELLING.iter().position(|telling| *telling == code).unwrap_or(TELLING.len());
        let objections = self.series.iter().flat_map(|judged| &judged.objections);
        let most_telling = objections.min_by_key(|objection| rank(objection.code));
        Some(most_telling.cloned().unwrap_or_else(|| Objection {
            code: "NotApplicableModality",
            reason: "the study holds no image".to_owned(),
        }))
    }
}

/// What model and rule say to a series. What may be read of it becomes a candidate.
fn judge<'a>(
    series: Series<'a>,
    model: Option<&ModelCard>,
    pipeline: &Pipeline,
    candidates: &mut Vec<Candidate<'a>>,
) -> Judged<'a> {
    let of_rule = pipeline.series.objections(&series);
    let mut objections: Vec<Objection> = Vec::new();
    let mut readable = 0;
    for &file in &series.files {
        let (check_frontal, objection) = match model.map(|model| applies(&file.instance, model)) {
            Some(Applies::NeedsFrontalCheck) => (true, None),
            Some(Applies::No { code, reason }) => (false, Some(Objection { code, reason })),
            None if file.instance.images() == 0 => (false, Some(no_image())),
            Some(Applies::Yes) | None => (false, None),
        };
        match objection {
            Some(objection) => push(&mut objections, objection),
            None if of_rule.is_empty() => {
                readable += 1;
                candidates.push(Candidate { file, check_frontal });
            }
            None => {}
        }
    }
    // The model's own words for the same thing come first.
    for objection in of_rule {
        push(&mut objections, objection);
    }
    Judged { series, objections, readable }
}

/// Adds an objection, unless one of its code is there.
fn push(objections: &mut Vec<Objection>, objection: Objection) {
    if !objections.iter().any(|said| said.code == objection.code) {
        objections.push(objection);
    }
}

fn no_image() -> Objection {
    Objection { code: "NotApplicableSopClass", reason: "the instance holds no image".to_owned() }
}

/// Whether the model may read this instance, as far as its header tells.
fn applies(instance: &Instance, model: &ModelCard) -> Applies {
    let (view, body_part) = (convert::view(instance), instance.stated_body_part());
    model.applies(&convert::study_facts(instance, view.as_deref(), body_part.as_deref()))
}
