//! Lung nodules: measurement groups of TID 1500 (PS3.16) whose finding is a nodule of the lung.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use super::codes::{self, Composition, Lobe, Side};
use super::{Fault, coded, name};
use crate::code::Code;
use crate::dataset::View;
use crate::uid::Uid;

/// A nodule of the lung as a report codes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SrNodule {
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
}

/// The nodule of a measurement group; `None` when the group is about something else. A length that cannot be taken makes its
/// diameter unknown, since the others may be the shorter ones.
pub(super) fn read(group: &View<'_>, faults: &mut Vec<Fault>) -> Option<SrNodule> {
    let content: Vec<(Code, View<'_>)> =
        group.items(tags::CONTENT_SEQUENCE).filter_map(|item| Some((name(&item)?, item))).collect();
    let named =
        |is: fn(&Code) -> bool| content.iter().filter(move |(name, _)| is(name)).map(|(_, item)| item);
    let finding = named(codes::is_finding).find_map(coded);
    let site_item = named(codes::is_finding_site).next();
    let site = site_item.and_then(coded);
    if !finding.is_some_and(|finding| codes::is_lung_nodule(&finding, site.as_ref())) {
        return None;
    }
    let laterality = site_item
        .into_iter()
        .flat_map(|item| item.items(tags::CONTENT_SEQUENCE))
        .find_map(|item| codes::is_laterality(&name(&item)?).then(|| coded(&item)).flatten());
    let lengths = [codes::is_long_axis, codes::is_diameter, codes::is_length];
    let diameter_mm = lengths.into_iter().find_map(|is| greatest(named(is)).transpose());
    let diameter_mm = diameter_mm.transpose().unwrap_or_else(|fault| {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
        None
    });
    let values: Vec<Code> = content.iter().filter_map(|(_, item)| coded(item)).collect();
    Some(SrNodule {
        tracking_id: named(codes::is_tracking_id).find_map(|item| item.text(tags::TEXT_VALUE)),
        tracking_uid: named(codes::is_tracking_uid).find_map(|item| item.first(tags::UID)?.parse().ok()),
        diameter_mm,
        lobe: site.as_ref().and_then(codes::lobe),
        side: site.as_ref().and_then(codes::side_of_site).or_else(|| codes::side(laterality.as_ref()?)),
        site,
        composition: values.iter().find_map(codes::composition),
        spiculated: codes::spiculated(&values),
    })
}

/// The greatest length of the items; `None` where none has one.
fn greatest<'a>(items: impl Iterator<Item = &'a View<'a>>) -> Result<Option<f64>, Fault> {
    let mut greatest: Option<f64> = None;
    for item in items {
        if let Some(length) = millimetres(item)? {
            greatest = Some(greatest.map_or(length, |other| other.max(length)));
        }
    }
    Ok(greatest)
}

/// A measured length in mm; `None` when the item holds no value.
fn millimetres(item: &View<'_>) -> Result<Option<f64>, Fault> {
    let Some(measured) = item.item(tags::MEASURED_VALUE_SEQUENCE) else { return Ok(None) };
    let Some(value) = measured.number(tags::NUMERIC_VALUE) else { return Ok(None) };
    let unit = measured.codes(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).into_iter().next();
    let per_unit = match unit {
        Some(unit) if unit.is("UCUM", "mm") => 1.0,
        Some(unit) if unit.is("UCUM", "cm") => 10.0,
        _ => return Err(Fault::Unit),
    };
    let length = value * per_unit;
    if length > 0.0 && length < 1000.0 { Ok(Some(length)) } else { Err(Fault::Value) }
}
