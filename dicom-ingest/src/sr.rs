//! What a structured report states for the risks: lung nodules and the prostate, from the content tree of Enhanced,
//! Comprehensive and Comprehensive 3D SR (PS3.16: TID 1500, TID 4300). Only what is coded is taken; a fact that is not
//! stated is `None`.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::contain::contain;
use crate::dataset::View;
use crate::instance::uid;
use crate::limits::Limits;
use crate::listed::listed;
use crate::prescan::prescan;
use crate::refusal::{Refusal, RefusalCode};
use crate::study_time::StudyTime;
use crate::uid::Uid;

mod codes;
mod nodule;
mod prostate;

pub use codes::{Composition, Lobe, Side};
pub use nodule::SrNodule;
pub use prostate::{Fault, ProstateFact, SrLesion, SrProstate, SrPsa};

/// What a report states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SrReport {
    /// SOP Instance UID of the report.
    pub sop_instance_uid: Uid,
    /// When the report was written.
    pub written: Option<StudyTime>,
    /// The report's Verification Flag (0040,A493) is `VERIFIED`: a person has signed it.
    pub verified: bool,
    /// The documents that it takes the place of: Predecessor Documents Sequence (0040,A360).
    #[serde(deserialize_with = "listed")]
    pub predecessors: Vec<Uid>,
    /// Its lung nodules, one a measurement group, in the order of the report.
    #[serde(deserialize_with = "listed")]
    pub nodules: Vec<SrNodule>,
    /// Why a length of a nodule cannot be taken, each once; the nodule has the length that is left, if there is one.
    #[serde(deserialize_with = "listed")]
    pub nodule_faults: Vec<Fault>,
    /// What it states of the prostate.
    pub prostate: SrProstate,
}

impl SrReport {
    /// Whether it states nothing that is read here.
    pub fn is_empty(&self) -> bool {
        self.nodules.is_empty() && self.nodule_faults.is_empty() && self.prostate == SrProstate::default()
    }
}

/// Reads a structured report. What is stated of a nodule or the prostate and cannot be taken is left out and named.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<SrReport, Refusal> {
    contain(|| {
        let found = prescan(bytes, limits)?;
        let root = found.view();
        if root.first(tags::VALUE_TYPE).as_deref() != Some("CONTAINER") {
            return Err(Refusal::new(
                RefusalCode::MissingAttribute,
                "the instance has no content tree (ValueType (0040,A040) is not CONTAINER)",
            ));
        }
        let (nodules, nodule_faults) = nodules(&root);
        Ok(SrReport {
            sop_instance_uid: uid(&root, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
            written: StudyTime::content(&root),
            verified: root.first(tags::VERIFICATION_FLAG).as_deref() == Some("VERIFIED"),
            predecessors: predecessors(&root),
            nodules,
            nodule_faults,
            prostate: prostate::read(&root),
        })
    })
}

/// The nodules of this examination: what stands under a heading for earlier findings or for history is of another one.
fn nodules(root: &View<'_>) -> (Vec<SrNodule>, Vec<Fault>) {
    let (mut nodules, mut faults) = (Vec::new(), Vec::new());
    // Depth is bounded by the scan; the last pushed is the next in document order.
    let mut open = vec![*root];
    while let Some(item) = open.pop() {
        if name(&item).is_some_and(|name| codes::is_earlier(&name) || codes::is_history(&name)) {
            continue;
        }
        if codes::is_measurement_group(&item) {
            nodules.extend(nodule::read(&item, &mut faults));
            continue;
        }
        let mut content: Vec<View<'_>> = item.items(tags::CONTENT_SEQUENCE).collect();
        content.reverse();
        open.extend(content);
    }
    (nodules, faults)
}

/// The documents that the report says it was made from, and which it takes the place of.
fn predecessors(root: &View<'_>) -> Vec<Uid> {
    root.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE)
        .flat_map(|study| study.items(tags::REFERENCED_SERIES_SEQUENCE))
        .flat_map(|series| series.items(tags::REFERENCED_SOP_SEQUENCE))
        .filter_map(|document| document.first(tags::REFERENCED_SOP_INSTANCE_UID)?.parse().ok())
        .collect()
}

/// The name of a content item.
fn name(item: &View<'_>) -> Option<Code> {
    item.codes(tags::CONCEPT_NAME_CODE_SEQUENCE).into_iter().next()
}

/// The value of a content item of type CODE.
fn coded(item: &View<'_>) -> Option<Code> {
    item.codes(tags::CONCEPT_CODE_SEQUENCE).into_iter().next()
}
