//! Which image of a study is read. Pure: from header facts, the model's card and the declared preference.

use dicom_ingest::instance::Instance;
use dicom_ingest::study::{Study, StudyFile};
use models::{Applies, ModelCard};

use crate::convert;
use crate::declaration::Pipeline;
use crate::ending::Ending;

/// An image that may be read.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The file.
    pub file: &'a StudyFile,
    /// True when the picture itself has to show that it is a frontal chest radiograph.
    pub check_frontal: bool,
}

/// Codes from the most to the least telling reason: what is said of a study whose images are refused for several.
const TELLING: [&str; 6] = [
    "NotApplicableSpecies",
    "NotApplicableAge",
    "NotApplicableView",
    "NotApplicableBodyPart",
    "NotApplicableSopClass",
    "NotApplicableModality",
];

/// The images that may be read, best first: a stated view before an unstated one, then the pipeline's preference,
/// then the lowest SOP Instance UID.
pub fn candidates<'a>(
    study: &'a Study,
    model: &ModelCard,
    pipeline: &Pipeline,
) -> Result<Vec<Candidate<'a>>, Ending> {
    let mut found = Vec::new();
    let mut refusals = Vec::new();
    for file in &study.instances {
        match applies(&file.instance, model) {
            Applies::Yes => found.push(Candidate { file, check_frontal: false }),
            Applies::NeedsFrontalCheck => found.push(Candidate { file, check_frontal: true }),
            Applies::No { code, reason } => refusals.push((code, reason)),
        }
    }
    // One animal in a study makes the whole study an animal's.
    if let Some((code, reason)) = refusals.iter().find(|(code, _)| *code == TELLING[0]) {
        return Err(Ending::refused(code, reason.clone()));
    }
    if found.is_empty() {
        let rank = |code: &str| TELLING.iter().position(|telling| *telling == code).unwrap_or(TELLING.len());
        return Err(refusals.into_iter().min_by_key(|(code, _)| rank(code)).map_or_else(
            || Ending::refused("NotApplicableModality", "the study holds no image"),
            |(code, reason)| Ending::refused(code, reason),
        ));
    }
    found.sort_by_key(|candidate| {
        let instance = &candidate.file.instance;
        let view = convert::view(instance);
        (candidate.check_frontal, pipeline.view_rank(view.as_deref()), instance.sop_instance_uid.clone())
    });
    Ok(found)
}

/// Whether the model may read this instance, as far as its header tells.
fn applies(instance: &Instance, model: &ModelCard) -> Applies {
    let (view, body_part) = (convert::view(instance), convert::body_part(instance));
    model.applies(&convert::study_facts(instance, view.as_deref(), body_part.as_deref()))
}
