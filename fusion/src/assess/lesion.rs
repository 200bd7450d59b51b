//! The nodule that the formulas were computed for, as data of its own: what somebody measured, or what a model outlined.

use jiff::Timestamp;

use super::AssessInput;
use super::course::Before;
use super::inputs::index_nodule;
use crate::formulas::doubling::Growth;
use crate::nodule::{NoduleKind, Outlined, Site};
use crate::number::stored;

/// The index nodule of an examination: the largest of the latest examination that states any. Its `Debug` leaves the
/// sources out.
#[derive(Clone, PartialEq)]
pub struct Lesion {
    /// Longest diameter, mm.
    pub diameter_mm: f64,
    /// Texture.
    pub kind: Option<NoduleKind>,
    /// Whether it is spiculated, as coded.
    pub spiculated: Option<bool>,
    /// Where it lies, in SNOMED CT: as stated, else what is known of its lobe.
    pub site: Site,
    /// Nodules on its examination, this one included, where that is known.
    pub count: Option<u32>,
    /// Reference of what states it: a resource of the record, or `urn:oid:` and a SOP Instance UID; of an outline, the image's.
    pub source: Option<String>,
    /// The model that outlined it; `None` where a person states it.
    pub outlined: Option<Outlined>,
    /// When it was seen.
    pub dated: Option<Timestamp>,
    /// The same nodule on the examination before, where there is one on each.
    pub earlier: Option<EarlierLesion>,
}

/// The index nodule as the examination before saw it.
#[derive(Clone, PartialEq)]
pub struct EarlierLesion {
    /// Longest diameter, mm.
    pub diameter_mm: f64,
    /// Reference of what states it.
    pub source: Option<String>,
    /// When it was seen.
    pub dated: Option<Timestamp>,
    /// The later diameter less the earlier one, mm.
    pub difference_mm: f64,
    /// What volumes of spheres say of its growth.
    pub growth: Option<Growth>,
}

impl std::fmt::Debug for Lesion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Lesion");
        shown.field("diameter_mm", &self.diameter_mm).field("count", &self.count).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EarlierLesion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("EarlierLesion");
        shown.field("diameter_mm", &self.diameter_mm).field("growth", &self.growth).finish_non_exhaustive()
    }
}

/// The nodule that the formulas of [`super::assess`] take from the same input; `None` where they take none.
pub fn lesion(input: &AssessInput<'_>) -> Option<Lesion> {
    let index = index_nodule(input).ok()?;
    let nodule = index.nodule;
    let before = if let Before::Same(earlier) = index.before { Some(earlier) } else { None };
    let earlier = before.map(|earlier| EarlierLesion {
        diameter_mm: stored(earlier.nodule.diameter_mm),
        source: earlier.nodule.source.first().cloned(),
        dated: earlier.nodule.dated,
        difference_mm: stored(nodule.diameter_mm - earlier.nodule.diameter_mm),
        growth: earlier.growth(nodule),
    });
    let lobe = |code: &str, display: &str| Site { code: code.to_owned(), display: display.to_owned() };
    let site = nodule.site.clone().unwrap_or_else(|| match nodule.upper_lobe {
        Some(true) => lobe("45653009", "Structure of upper lobe of lung"),
        Some(false) | None => lobe("39607008", "Lung structure"),
    });
    Some(Lesion {
        diameter_mm: stored(nodule.diameter_mm),
        kind: nodule.kind,
        spiculated: nodule.spiculated,
        site,
        count: index.known_count(),
        source: nodule.source.first().cloned(),
        outlined: nodule.outlined.clone(),
        dated: nodule.dated,
        earlier,
    })
}
