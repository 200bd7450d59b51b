//! Lung nodules from a structured report: measurement groups of TID 1500 (PS3.16), as in Comprehensive and
//! Comprehensive 3D SR. Only what is coded is taken; a fact that is not stated is `None`.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::contain::contain;
use crate::dataset::View;
use crate::instance::uid;
use crate::limits::Limits;
use crate::prescan::prescan;
use crate::refusal::{Refusal, RefusalCode};
use crate::study_time::StudyTime;
use crate::uid::Uid;

mod codes;

pub use codes::{Composition, Lobe, Side};

/// A nodule of the lung as a report codes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SrNodule {
    /// SOP Instance UID of the report.
    pub sop_instance_uid: Uid,
    /// Tracking Identifier (112039, DCM), as written.
    pub tracking_id: Option<String>,
    /// Tracking Unique Identifier (112040, DCM).
    pub tracking_uid: Option<Uid>,
    /// Longest diameter in mm: the greatest Long Axis, else the greatest Diameter, else the greatest Length.
    pub diameter_mm: Option<f64>,
    /// Finding Site (363698007, SCT).
    pub site: Option<Code>,
    /// The lobe, from the site.
    pub lobe: Option<Lobe>,
    /// The side, from the site or its Laterality.
    pub side: Option<Side>,
    /// What the nodule is made of.
    pub composition: Option<Composition>,
    /// Whether its margin is spiculated: stated, stated otherwise, or not stated.
    pub spiculated: Option<bool>,
    /// When the report was written.
    pub written: Option<StudyTime>,
    /// The report's Verification Flag (0040,A493) is `VERIFIED`: a person has signed it.
    pub verified: bool,
}

/// Reads the lung nodules of a structured report, one a measurement group, in the order of the report. A report
/// without any is an empty list. A diameter in a unit other than mm or cm (UCUM) is refused.
pub fn nodules(bytes: &[u8], limits: &Limits) -> Result<Vec<SrNodule>, Refusal> {
    contain(|| {
        let found = prescan(bytes, limits)?;
        let root = found.view();
        if root.first(tags::VALUE_TYPE).as_deref() != Some("CONTAINER") {
            return Err(Refusal::new(
                RefusalCode::MissingAttribute,
                "the instance has no content tree (ValueType (0040,A040) is not CONTAINER)",
            ));
        }
        let report = uid(&root, tags::SOP_INSTANCE_UID, "SOPInstanceUID")?;
        let written = StudyTime::content(&root);
        let verified = root.first(tags::VERIFICATION_FLAG).as_deref() == Some("VERIFIED");
        let mut nodules = Vec::new();
        // Depth is bounded by the scan; the last pushed is the next in document order.
        let mut open = vec![root];
        while let Some(item) = open.pop() {
            if codes::is_measurement_group(&item) {
                let found = nodule(&item, &report, verified)?;
                nodules.extend(found.map(|nodule| SrNodule { written: written.clone(), ..nodule }));
                continue;
            }
            let mut content: Vec<View<'_>> = item.items(tags::CONTENT_SEQUENCE).collect();
            content.reverse();
            open.extend(content);
        }
        Ok(nodules)
    })
}

/// The nodule of a measurement group; `None` when the group is about something else.
fn nodule(group: &View<'_>, report: &Uid, verified: bool) -> Result<Option<SrNodule>, Refusal> {
    let content: Vec<(Code, View<'_>)> = group
        .items(tags::CONTENT_SEQUENCE)
        .filter_map(|item| Some((item.codes(tags::CONCEPT_NAME_CODE_SEQUENCE).into_iter().next()?, item)))
        .collect();
    let coded = |item: &View<'_>| item.codes(tags::CONCEPT_CODE_SEQUENCE).into_iter().next();
    let named =
        |is: fn(&Code) -> bool| content.iter().filter(move |(name, _)| is(name)).map(|(_, item)| item);
    let finding = named(codes::is_finding).find_map(coded);
    let site_item = named(codes::is_finding_site).next();
    let site = site_item.and_then(coded);
    if !finding.is_some_and(|finding| codes::is_lung_nodule(&finding, site.as_ref())) {
        return Ok(None);
    }
    let laterality =
        site_item.into_iter().flat_map(|item| item.items(tags::CONTENT_SEQUENCE)).find_map(|item| {
            let name = item.codes(tags::CONCEPT_NAME_CODE_SEQUENCE).into_iter().next()?;
            codes::is_laterality(&name).then(|| coded(&item)).flatten()
        });
    let lengths = [codes::is_long_axis, codes::is_diameter, codes::is_length];
    let mut diameter_mm = None;
    for is in lengths {
        for item in named(is) {
            diameter_mm = diameter_mm.max_by_value(millimetres(item)?);
        }
        if diameter_mm.is_some() {
            break;
        }
    }
    let values: Vec<Code> = content.iter().filter_map(|(_, item)| coded(item)).collect();
    Ok(Some(SrNodule {
        sop_instance_uid: report.clone(),
        tracking_id: named(codes::is_tracking_id).find_map(|item| item.text(tags::TEXT_VALUE)),
        tracking_uid: named(codes::is_tracking_uid).find_map(|item| item.first(tags::UID)?.parse().ok()),
        diameter_mm,
        lobe: site.as_ref().and_then(codes::lobe),
        side: site.as_ref().and_then(codes::side_of_site).or_else(|| codes::side(laterality.as_ref()?)),
        site,
        composition: values.iter().find_map(codes::composition),
        spiculated: codes::spiculated(&values),
        written: None,
        verified,
    }))
}

/// The greater of two lengths, either of which may be missing.
trait MaxByValue {
    fn max_by_value(self, other: Self) -> Self;
}

impl MaxByValue for Option<f64> {
    fn max_by_value(self, other: Self) -> Self {
        match (self, other) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        }
    }
}

/// A measured length in mm; `None` when the item holds no value.
fn millimetres(item: &View<'_>) -> Result<Option<f64>, Refusal> {
    let Some(measured) = item.item(tags::MEASURED_VALUE_SEQUENCE) else { return Ok(None) };
    let Some(value) = measured.number(tags::NUMERIC_VALUE) else { return Ok(None) };
    let unit = measured.codes(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).into_iter().next();
    let per_unit = match unit {
        Some(unit) if unit.is("UCUM", "mm") => 1.0,
        Some(unit) if unit.is("UCUM", "cm") => 10.0,
        _ => {
            return Err(Refusal::new(
                RefusalCode::BadUnit,
                "a nodule's length is in a unit other than mm or cm (UCUM); correct the report at its source",
            ));
        }
    };
    let length = value * per_unit;
    if length > 0.0 && length < 1000.0 {
        Ok(Some(length))
    } else {
        Err(Refusal::new(RefusalCode::BadUnit, "a nodule's length is not between 0 and 1000 mm"))
    }
}
