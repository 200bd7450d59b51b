//! Fleischner Society 2017: what is suggested for a nodule that was found by chance.
//!
//! MacMahon H et al., Radiology 2017;284:228-243, as restated by two public sources. Not for screening, persons below 35
//! years, with a cancer, or with immunosuppression. The printed pairs of size are 6 mm / 100 mm3 and 8 mm / 250 mm3, while a
//! sphere of 6 mm has 113 mm3: the rules for diameter and for volume can differ, so the one that was measured is used and
//! named.

use crate::nodule::NoduleKind;

/// Greatest diameter of a nodule, mm.
pub const MAX_DIAMETER_MM: f64 = 30.0;

/// How the size was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// Mean diameter, mm.
    DiameterMm(f64),
    /// Volume, mm3.
    VolumeMm3(f64),
}

/// Classes of size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Small,
    Middle,
    Large,
}

impl Size {
    fn class(self) -> Option<Class> {
        let (value, small, large) = match self {
            Self::DiameterMm(value) => (value, 6.0, 8.0),
            Self::VolumeMm3(value) => (value, 100.0, 250.0),
        };
        (value.is_finite() && value > 0.0).then_some(match value {
            low if low < small => Class::Small,
            middle if middle <= large => Class::Middle,
            _ => Class::Large,
        })
    }
}

/// What the rule needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Age in years.
    pub age_years: f64,
    /// A cancer, past or present.
    pub cancer: Option<bool>,
    /// Immunosuppression.
    pub immunosuppressed: Option<bool>,
    /// Size of the index nodule.
    pub size: Size,
    /// Its texture.
    pub kind: NoduleKind,
    /// More than one nodule.
    pub multiple: bool,
    /// Risk factors make it high risk; `None` where they are not known. Subsolid nodules do not need it.
    pub high_risk: Option<bool>,
}

/// Why the rule gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCovered {
    /// Below 35 years.
    Age,
    /// A cancer is stated.
    Cancer,
    /// Immunosuppression is stated.
    Immunosuppression,
    /// No usable size.
    Size,
    /// Above [`MAX_DIAMETER_MM`]: a mass, not a nodule.
    Mass,
}

impl NotCovered {
    /// For a reader.
    pub fn text(self) -> &'static str {
        match self {
            Self::Age => "the patient is below 35 years",
            Self::Cancer => "a cancer is stated",
            Self::Immunosuppression => "immunosuppression is stated",
            Self::Size => "the size is not usable",
            Self::Mass => "the lesion is larger than 30 mm: a mass, not a nodule",
        }
    }
}

/// What is suggested. Where the group of risk is not known and the suggestions differ, both are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suggestion {
    /// One.
    One(&'static str),
    /// By group of risk.
    ByRisk {
        /// At low risk.
        low: &'static str,
        /// At high risk.
        high: &'static str,
    },
}

/// The rule.
pub fn suggest(inputs: &Inputs) -> Result<Suggestion, NotCovered> {
    if inputs.age_years.is_nan() || inputs.age_years < 35.0 {
        return Err(NotCovered::Age);
    }
    if inputs.cancer == Some(true) {
        return Err(NotCovered::Cancer);
    }
    if inputs.immunosuppressed == Some(true) {
        return Err(NotCovered::Immunosuppression);
    }
    if matches!(inputs.size, Size::DiameterMm(diameter) if diameter > MAX_DIAMETER_MM) {
        return Err(NotCovered::Mass);
    }
    let class = inputs.size.class().ok_or(NotCovered::Size)?;
    Ok(match inputs.kind {
        NoduleKind::Solid => solid(class, inputs.multiple, inputs.high_risk),
        kind => Suggestion::One(subsolid(class, inputs.multiple, kind)),
    })
}

fn solid(class: Class, multiple: bool, high_risk: Option<bool>) -> Suggestion {
    let (low, high) = match (class, multiple) {
        (Class::Small, _) => ("no routine follow-up", "optional CT at 12 months"),
        (Class::Middle, false) => (
            "CT at 6 to 12 months, then consider CT at 18 to 24 months",
            "CT at 6 to 12 months, then at 18 to 24 months",
        ),
        (Class::Large, false) => {
            let same = "consider CT at 3 months, PET-CT or tissue sampling";
            (same, same)
        }
        (Class::Middle | Class::Large, true) => (
            "CT at 3 to 6 months, then consider CT at 18 to 24 months",
            "CT at 3 to 6 months, then at 18 to 24 months",
        ),
    };
    match high_risk {
        Some(true) => Suggestion::One(high),
        Some(false) => Suggestion::One(low),
        None if low == high => Suggestion::One(low),
        None => Suggestion::ByRisk { low, high },
    }
}

fn subsolid(class: Class, multiple: bool, kind: NoduleKind) -> &'static str {
    match (class, multiple, kind) {
        (Class::Small, false, _) => "no routine follow-up",
        (Class::Small, true, _) => "CT at 3 to 6 months; if stable, consider CT at 2 and 4 years",
        (_, true, _) => "CT at 3 to 6 months, then by the most suspicious nodule",
        (_, false, NoduleKind::PartSolid) => {
            "CT at 3 to 6 months; if stable and the solid part stays below 6 mm, every year for 5 years"
        }
        (_, false, _) => "CT at 6 to 12 months, then every 2 years until 5 years",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NoduleKind::{NonSolid, PartSolid, Solid};

    fn inputs(size: Size, kind: NoduleKind, multiple: bool, high_risk: Option<bool>) -> Inputs {
        let (cancer, immunosuppressed) = (Some(false), Some(false));
        Inputs { age_years: 60.0, cancer, immunosuppressed, size, kind, multiple, high_risk }
    }

    #[test]
    fn every_cell_of_the_table() {
        let mm = Size::DiameterMm;
        let rows = [
            (mm(5.9), Solid, false, Some(false), "no routine follow-up"),
            (mm(5.9), Solid, false, Some(true), "optional CT at 12 months"),
            (mm(6.0), Solid, false, Some(false), "CT at 6 to 12 months, then consider CT at 18"),
            (mm(8.0), Solid, false, Some(true), "CT at 6 to 12 months, then at 18"),
            (mm(8.1), Solid, false, Some(false), "consider CT at 3 months, PET-CT or tissue"),
            (mm(8.1), Solid, false, Some(true), "consider CT at 3 months, PET-CT or tissue"),
            (mm(8.1), Solid, false, None, "consider CT at 3 months, PET-CT or tissue"),
            (mm(5.9), Solid, true, Some(false), "no routine follow-up"),
            (mm(5.9), Solid, true, Some(true), "optional CT at 12 months"),
            (mm(6.0), Solid, true, Some(false), "CT at 3 to 6 months, then consider CT at 18"),
            (mm(8.0), Solid, true, Some(true), "CT at 3 to 6 months, then at 18"),
            (mm(8.1), Solid, true, Some(false), "CT at 3 to 6 months, then consider CT at 18"),
            (mm(8.1), Solid, true, Some(true), "CT at 3 to 6 months, then at 18"),
            (mm(5.9), NonSolid, false, None, "no routine follow-up"),
            (mm(6.0), NonSolid, false, None, "CT at 6 to 12 months, then every 2 years until 5"),
            (mm(12.0), NonSolid, false, None, "CT at 6 to 12 months, then every 2 years until 5"),
            (mm(5.9), PartSolid, false, None, "no routine follow-up"),
            (mm(6.0), PartSolid, false, None, "CT at 3 to 6 months; if stable and the solid part"),
            (mm(9.0), PartSolid, false, None, "every year for 5 years"),
            (mm(5.9), NonSolid, true, None, "CT at 3 to 6 months; if stable, consider CT at 2 and 4 years"),
            (mm(5.9), PartSolid, true, None, "CT at 3 to 6 months; if stable, consider CT at 2 and 4 years"),
            (mm(6.0), NonSolid, true, None, "CT at 3 to 6 months, then by the most suspicious"),
            (mm(7.0), PartSolid, true, None, "CT at 3 to 6 months, then by the most suspicious"),
            (Size::VolumeMm3(99.0), Solid, false, Some(false), "no routine"),
            (Size::VolumeMm3(251.0), Solid, false, Some(false), "PET-CT"),
        ];
        for (size, kind, multiple, risk, words) in rows {
            let Ok(Suggestion::One(found)) = suggest(&inputs(size, kind, multiple, risk)) else {
                panic!("{size:?} {kind:?}")
            };
            assert!(found.contains(words), "{size:?} {kind:?} {multiple} {risk:?}: {found}");
        }
        let open = suggest(&inputs(mm(5.0), Solid, false, None));
        assert!(matches!(open, Ok(Suggestion::ByRisk { .. })), "both where the group is not known");
        // a sphere of 5.8 mm is below 6 mm by diameter and above 100 mm3 by volume
        let volume = super::super::doubling::sphere_mm3(5.8);
        assert!(
            volume > 100.0
                && suggest(&inputs(mm(5.8), Solid, false, Some(false)))
                    != suggest(&inputs(Size::VolumeMm3(volume), Solid, false, Some(false)))
        );
    }

    #[test]
    fn whom_it_is_not_for() {
        let base = inputs(Size::DiameterMm(7.0), Solid, false, None);
        assert_eq!(suggest(&Inputs { age_years: 34.0, ..base }), Err(NotCovered::Age));
        assert_eq!(suggest(&Inputs { cancer: Some(true), ..base }), Err(NotCovered::Cancer));
        let immunosuppressed = Inputs { immunosuppressed: Some(true), ..base };
        assert_eq!(suggest(&immunosuppressed), Err(NotCovered::Immunosuppression));
        assert_eq!(suggest(&Inputs { size: Size::DiameterMm(30.1), ..base }), Err(NotCovered::Mass));
        assert_eq!(suggest(&Inputs { size: Size::DiameterMm(0.0), ..base }), Err(NotCovered::Size));
    }
}
