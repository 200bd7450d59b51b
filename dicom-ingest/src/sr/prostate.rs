//! The prostate in a report: PI-RADS, the volume of the whole gland, and the antigen that the report quotes. Read from
//! TID 4300 (PS3.16) and from measurement groups of TID 1500, which is how other makers write them.
//!
//! What stands under a heading for earlier findings is not of this examination. Under a heading for history only the
//! antigen is read, with the day that is stated for it.

use dicom_dictionary_std::tags;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::codes::{self, prostate as own};
use super::{coded, name};
use crate::code::Code;
use crate::dataset::View;
use crate::listed::listed;
use crate::study_time::parse_date;

/// Volumes that a prostate can have, in mL.
const VOLUME_ML: std::ops::RangeInclusive<f64> = 5.0..=500.0;
/// Antigen that can be measured, in ng/mL.
const PSA_NG_ML: std::ops::RangeInclusive<f64> = 0.0..=100_000.0;
/// Volumes that differ by less, as a share of the greater, are two measurements of one.
const SAME_VOLUME: f64 = 0.1;

/// What a report states of the prostate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SrProstate {
    /// PI-RADS category, 1 to 5: the highest of the overall one and those of lesions.
    pub pi_rads: Option<u8>,
    /// Volume of the whole prostate in mL.
    pub volume_ml: Option<f64>,
    /// Prostate-specific antigen that the report quotes: the latest.
    pub psa: Option<SrPsa>,
    /// Lesions with a category, and the sites that their group names.
    #[serde(deserialize_with = "listed")]
    pub lesions: Vec<SrLesion>,
    /// What is stated and cannot be taken, each once.
    #[serde(deserialize_with = "listed")]
    pub faults: Vec<(ProstateFact, Fault)>,
}

/// A lesion with a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrLesion {
    /// PI-RADS category, 1 to 5.
    pub pi_rads: u8,
    /// Finding sites and their modifiers as coded, such as a sector of PS3.16 CID 6304.
    #[serde(deserialize_with = "listed")]
    pub sites: Vec<Code>,
}

/// An antigen that a report quotes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SrPsa {
    /// In ng/mL.
    pub ng_ml: f64,
    /// The day that the report states for it.
    pub taken: Option<Date>,
}

/// Which of the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProstateFact {
    /// PI-RADS.
    PiRads,
    /// The volume.
    Volume,
    /// The antigen.
    Psa,
}

/// Why a fact that is stated cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Its unit is missing or does not fit.
    Unit,
    /// Its value is none that is possible.
    Value,
    /// It is stated more than once, differently.
    Several,
}

/// Where in the tree an item stands.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Below findings of an earlier examination.
    earlier: bool,
    /// Below the patient's history.
    history: bool,
    /// Below findings of the whole prostate, or in a group that measures it.
    whole: bool,
    /// Which of the sites found so far it is at.
    site: Option<usize>,
}

#[derive(Default)]
struct Found {
    /// With the place in `sites` that each stands at.
    categories: Vec<(u8, Option<usize>)>,
    sites: Vec<Vec<Code>>,
    volumes: Vec<f64>,
    antigens: Vec<SrPsa>,
    faults: Vec<(ProstateFact, Fault)>,
}

/// What the tree states of the prostate.
pub(super) fn read(root: &View<'_>) -> SrProstate {
    let mut found = Found::default();
    // Depth is bounded by the scan.
    let mut open = vec![(*root, Place::default())];
    while let Some((item, place)) = open.pop() {
        let place = name(&item).map_or(place, |name| {
            let place = found.at_its_site(&item, place);
            found.take(&item, &name, place);
            below(&item, &name, place)
        });
        open.extend(item.items(tags::CONTENT_SEQUENCE).map(|child| (child, place)));
    }
    let mut volumes = found.volumes;
    volumes.sort_by(f64::total_cmp);
    let apart =
        volumes.first().zip(volumes.last()).is_some_and(|(least, most)| least / most < 1.0 - SAME_VOLUME);
    let psa = latest(&found.antigens);
    if apart {
        found.faults.push((ProstateFact::Volume, Fault::Several));
    }
    if psa.is_none() && !found.antigens.is_empty() {
        found.faults.push((ProstateFact::Psa, Fault::Several));
    }
    let mut faults: Vec<(ProstateFact, Fault)> = Vec::new();
    for fault in found.faults {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let of_lesions = found.categories.iter().filter_map(|(pi_rads, site)| {
        Some(SrLesion { pi_rads: *pi_rads, sites: found.sites.get((*site)?)?.clone() })
    });
    SrProstate {
        pi_rads: found.categories.iter().map(|(category, _)| *category).max(),
        lesions: of_lesions.collect(),
        volume_ml: volumes.last().copied().filter(|_| !apart),
        psa,
        faults,
    }
}

/// The place of what an item contains.
fn below(item: &View<'_>, named: &Code, place: Place) -> Place {
    let whole = if codes::is_measurement_group(item) {
        measures_whole(item).unwrap_or(place.whole)
    } else {
        place.whole
    };
    Place {
        earlier: place.earlier || codes::is_earlier(named),
        history: place.history || codes::is_history(named),
        site: place.site,
        whole: whole || own::is_overall(named),
    }
}

/// Whether a group's finding is the prostate as an organ, and no lesion of it; `None` where it names neither finding nor
/// site.
fn measures_whole(group: &View<'_>) -> Option<bool> {
    let value_of = |is: fn(&Code) -> bool| {
        group
            .items(tags::CONTENT_SEQUENCE)
            .find(|item| name(item).is_some_and(|name| is(&name)))
            .and_then(|item| coded(&item))
    };
    let (finding, site) = (value_of(codes::is_finding), value_of(codes::is_finding_site));
    match (finding, site) {
        (Some(finding), None) => Some(own::is_prostate(&finding)),
        (Some(finding), Some(site)) => {
            Some(own::is_prostate(&site) && (own::is_prostate(&finding) || own::is_organ(&finding)))
        }
        (None, Some(_)) => Some(false),
        (None, None) => None,
    }
}

impl Found {
    /// The place with the sites that the item names among its content, if it names any, each with its modifiers.
    fn at_its_site(&mut self, item: &View<'_>, place: Place) -> Place {
        let is_site = |child: &View<'_>| name(child).is_some_and(|name| codes::is_finding_site(&name));
        let sites: Vec<Code> = item
            .items(tags::CONTENT_SEQUENCE)
            .filter(is_site)
            .flat_map(|site| {
                let modifiers = site.items(tags::CONTENT_SEQUENCE).filter_map(|modifier| coded(&modifier));
                coded(&site).into_iter().chain(modifiers).collect::<Vec<_>>()
            })
            .collect();
        if sites.is_empty() {
            return place;
        }
        self.sites.push(sites);
        Place { site: Some(self.sites.len() - 1), ..place }
    }

    fn take(&mut self, item: &View<'_>, named: &Code, place: Place) {
        if place.earlier || codes::is_earlier(named) {
            return;
        }
        if own::is_psa(named) {
            self.antigen(item);
        } else if place.history {
        } else if own::is_prostate_volume(named) || (own::is_volume(named) && is_of_prostate(item, place)) {
            self.volume(item);
        } else {
            self.category(item, named, place.site);
        }
    }

    fn antigen(&mut self, item: &View<'_>) {
        let Some(measured) = measured(item) else { return };
        match in_unit(measured, own::psa_unit, &PSA_NG_ML) {
            Ok(ng_ml) => self.antigens.push(SrPsa { ng_ml, taken: day(item) }),
            Err(fault) => self.faults.push((ProstateFact::Psa, fault)),
        }
    }

    fn volume(&mut self, item: &View<'_>) {
        let Some(measured) = measured(item) else { return };
        match in_unit(measured, own::volume_unit, &VOLUME_ML) {
            Ok(millilitres) => self.volumes.push(millilitres),
            Err(fault) => self.faults.push((ProstateFact::Volume, fault)),
        }
    }

    fn category(&mut self, item: &View<'_>, named: &Code, site: Option<usize>) {
        if own::is_of_sequence(named) {
            return;
        }
        let asked = own::asks_pi_rads(named);
        let answer = if let Some(value) = coded(item) {
            own::category(&value, asked)
        } else if let Some((value, unit)) = measured(item).filter(|_| asked) {
            let plain = unit.is_none_or(|unit| own::is_plain(&unit));
            if plain { own::category_of_number(value) } else { Err(Fault::Unit) }
        } else {
            Ok(item.text(tags::TEXT_VALUE).filter(|_| asked).and_then(|text| own::category_of_words(&text)))
        };
        match answer {
            Ok(category) => self.categories.extend(category.map(|category| (category, site))),
            Err(fault) => self.faults.push((ProstateFact::PiRads, fault)),
        }
    }
}

/// Whether a volume is that of the whole prostate: by its own site, else by where it stands.
fn is_of_prostate(item: &View<'_>, place: Place) -> bool {
    let site = item
        .items(tags::CONTENT_SEQUENCE)
        .find(|child| name(child).is_some_and(|name| codes::is_finding_site(&name)))
        .and_then(|child| coded(&child));
    place.whole && site.is_none_or(|site| own::is_prostate(&site))
}

/// The value of a NUM item with its unit.
fn measured(item: &View<'_>) -> Option<(f64, Option<Code>)> {
    let measured = item.item(tags::MEASURED_VALUE_SEQUENCE)?;
    let unit = measured.codes(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).into_iter().next();
    Some((measured.number(tags::NUMERIC_VALUE)?, unit))
}

fn in_unit(
    (value, unit): (f64, Option<Code>),
    factor: fn(&Code) -> Option<f64>,
    possible: &std::ops::RangeInclusive<f64>,
) -> Result<f64, Fault> {
    let value = value * unit.as_ref().and_then(factor).ok_or(Fault::Unit)?;
    if possible.contains(&value) { Ok(value) } else { Err(Fault::Value) }
}

/// The day of an observation: Observation DateTime (0040,A032), else a date among its content.
fn day(item: &View<'_>) -> Option<Date> {
    let of = |text: Option<String>| text.and_then(|text| parse_date(text.get(..8)?));
    of(item.first(tags::OBSERVATION_DATE_TIME)).or_else(|| {
        item.items(tags::CONTENT_SEQUENCE)
            .find_map(|child| of(child.first(tags::DATE)).or_else(|| of(child.first(tags::DATE_TIME))))
    })
}

/// The antigen of the latest day, else the undated one; none where that one is stated differently too.
fn latest(all: &[SrPsa]) -> Option<SrPsa> {
    // An undated one is less than any day.
    let newest = all.iter().map(|psa| psa.taken).max()?;
    let mut same = all.iter().filter(|psa| psa.taken == newest);
    let first = *same.next()?;
    same.all(|other| (other.ng_ml - first.ng_ml).abs() < 1e-9).then_some(first)
}
