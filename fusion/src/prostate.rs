//! What is stated of the prostate: by a structured report of the study, and of its lesions by the record too. Nothing here
//! looks at pixels.

mod sector;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::features::{Schema, View, assigned};
use crate::formulas::comparators::Third;
use crate::nodule::is_site;
use crate::record::{Observation, ObservedValue, Record};
use sector::Sector;

/// The scale of the schema that a lesion's category stands on.
const SCALE: &str = "pi-rads";

/// The prostate in one report; what it does not state is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProstateReport {
    /// PI-RADS category, 1 to 5, highest of all lesions.
    pub pi_rads: Option<u8>,
    /// Volume of the whole gland in mL.
    pub volume_ml: Option<f64>,
    /// Antigen that the report quotes in ng/mL, and when it was taken, where the report says so.
    pub psa: Option<(f64, Option<Timestamp>)>,
    /// Lesions that it gives a category and a place; others are not listed.
    pub lesions: Vec<ProstateLesion>,
    /// Reference of the report, such as `urn:oid:1.2.3`.
    pub source: String,
    /// When it was written.
    pub dated: Option<Timestamp>,
}

/// A lesion with a category, and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct ProstateLesion {
    /// PI-RADS category, 1 to 5.
    pub pi_rads: u8,
    /// Whether it lies in the peripheral zone.
    pub peripheral: bool,
    /// The third that it lies in.
    pub third: Third,
    /// Reference of what states it.
    pub source: Option<String>,
    /// When it was seen.
    pub dated: Option<Timestamp>,
}

impl ProstateLesion {
    /// A lesion at what `sites` name together, each `(code of SNOMED CT, its words)`. `None` where they leave the zone or
    /// the third open, or name two.
    pub fn at<'a>(pi_rads: u8, sites: impl IntoIterator<Item = (Option<&'a str>, &'a str)>) -> Option<Self> {
        let sectors = sites.into_iter().map(|(code, words)| Sector::of(code, words));
        let place = sectors.reduce(Sector::and)?;
        let (Some(peripheral), Some(third)) = (place.peripheral.known(), place.third.known()) else {
            return None;
        };
        Some(Self { pi_rads, peripheral, third, source: None, dated: None })
    }
}

/// Lesions of the prostate that the record states, each as an Observation of a PI-RADS category with the sector as its
/// `bodySite` or as a component (SNOMED CT 363698007 finding site), and that were known at `t0`. `zone` is the site's, for
/// dates without a zone.
pub fn prostate_lesions(record: &Record, t0: Timestamp, zone: &TimeZone) -> Vec<ProstateLesion> {
    let view = View::new(record, Schema::built_in(), t0, zone);
    let known = view.observations.known.iter();
    known
        .filter_map(|known| {
            let mut lesion = read(view.schema, known.fact)?;
            lesion.source.clone_from(&known.fact.origin.reference);
            lesion.dated = Some(known.effective);
            Some(lesion)
        })
        .collect()
}

/// Whether an Observation states a lesion with a category and a place.
pub(crate) fn is_lesion(schema: &Schema, fact: &Observation) -> bool {
    read(schema, fact).is_some()
}

fn read(schema: &Schema, fact: &Observation) -> Option<ProstateLesion> {
    let category = u8::try_from(assigned(schema, SCALE, fact)?).ok()?;
    ProstateLesion::at(category, sites(fact))
}

/// The places that an Observation names. A concept is one place however many codings it has: the SNOMED CT one decides.
fn sites(fact: &Observation) -> Vec<(Option<&str>, &str)> {
    const SNOMED: &str = "http://snomed.info/sct";
    let parts =
        fact.components.iter().filter(|part| is_site(&part.code)).filter_map(|part| match &part.value {
            ObservedValue::Concept(concept) => Some(concept),
            _ => None,
        });
    let stated = [&fact.body_site].into_iter().chain(parts);
    stated
        .filter_map(|concept| {
            let coded = concept.codings.iter().find(|coding| coding.system.as_deref() == Some(SNOMED));
            let code = coded.and_then(|coding| coding.code.as_deref());
            let displays = concept.codings.iter().filter_map(|coding| coding.display.as_deref());
            let words = coded.and_then(|coding| coding.display.as_deref());
            let words = words.or(concept.text.as_deref()).or_else(|| displays.into_iter().next());
            (code.is_some() || words.is_some()).then(|| (code, words.unwrap_or_default()))
        })
        .collect()
}
