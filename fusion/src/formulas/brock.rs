//! Brock / PanCan models 2a and 2b: probability that a nodule on a screening CT is or becomes cancer.
//!
//! McWilliams A et al., N Engl J Med 2013;369:910-919. Coefficients of 2b as read in three public
//! implementations (seven digits) and, rounded, in PMC6717521 table 2; of 2a as read in two. For 2a
//! nonsolid, sources disagree between -0.3005 and -0.3055: -0.3005 is used. Size enters as
//! (d / 10 mm)^-0.5 less the same at 4 mm.

use super::{Calculation, Term};
use crate::nodule::NoduleKind;

/// Greatest diameter of a nodule, mm; what is larger is a mass and outside the domain.
pub const MAX_DIAMETER_MM: f64 = 30.0;

/// Least and greatest number of nodules that an unknown one is taken to lie between. No domain is published; with twenty the term
/// alone divides the odds by almost five.
pub const COUNTS: (u32, u32) = (1, 20);

/// (4 mm / 10 mm)^-0.5.
const SIZE_CENTRE: f64 = 1.581_138_83;
const AGE_CENTRE: f64 = 62.0;
const COUNT_CENTRE: f64 = 4.0;

/// Coefficients of one variant.
struct Coefficients {
    variant: &'static str,
    intercept: f64,
    age: f64,
    female: f64,
    family: f64,
    emphysema: f64,
    size: f64,
    nonsolid: f64,
    part_solid: f64,
    upper_lobe: f64,
    count: f64,
    /// `None` in the variant without spiculation.
    spiculation: Option<f64>,
}

const MODEL_2A: Coefficients = Coefficients {
    variant: "2a (full, without spiculation)",
    intercept: -6.8071,
    age: 0.0321,
    female: 0.5635,
    family: 0.3013,
    emphysema: 0.3462,
    size: -5.6693,
    nonsolid: -0.3005,
    part_solid: 0.3395,
    upper_lobe: 0.7116,
    count: -0.0803,
    spiculation: None,
};

const MODEL_2B: Coefficients = Coefficients {
    variant: "2b (full, with spiculation)",
    intercept: -6.78917,
    age: 0.028_668_7,
    female: 0.601_072_7,
    family: 0.296_109,
    emphysema: 0.295_311_2,
    size: -5.385_484,
    nonsolid: -0.127_617_3,
    part_solid: 0.376_957_8,
    upper_lobe: 0.658_138_3,
    count: -0.082_415_6,
    spiculation: Some(0.772_933_5),
};

/// What the formula needs. Age, sex and diameter are mandatory; `None` elsewhere is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Age in years.
    pub age_years: f64,
    /// Whether the person is female.
    pub female: bool,
    /// Lung cancer in the family.
    pub family_history: Option<bool>,
    /// Emphysema.
    pub emphysema: Option<bool>,
    /// Longest diameter, mm, above 0 and at most [`MAX_DIAMETER_MM`].
    pub diameter_mm: f64,
    /// Texture.
    pub kind: Option<NoduleKind>,
    /// Nodule in an upper lobe.
    pub upper_lobe: Option<bool>,
    /// Nodules on the CT, at least 1; unknown is any number within [`COUNTS`].
    pub count: Option<u32>,
    /// Spiculated margin; unknown selects variant 2a.
    pub spiculated: Option<bool>,
}

/// Variant 2b where spiculation was assessed, else 2a. `None` outside the domain of the diameter.
pub fn calculate(inputs: &Inputs) -> Option<Calculation> {
    if !(inputs.diameter_mm > 0.0 && inputs.diameter_mm <= MAX_DIAMETER_MM) {
        return None;
    }
    let table = if inputs.spiculated.is_some() { &MODEL_2B } else { &MODEL_2A };
    let size = (inputs.diameter_mm / 10.0).powf(-0.5) - SIZE_CENTRE;
    let kind = inputs.kind.map(|kind| match kind {
        NoduleKind::Solid => 0.0,
        NoduleKind::PartSolid => table.part_solid,
        NoduleKind::NonSolid => table.nonsolid,
    });
    let count = |count: u32| table.count * (f64::from(count) - COUNT_CENTRE);
    let mut terms = vec![
        Term::known("age", "age", table.age * (inputs.age_years - AGE_CENTRE)),
        Term::known("sex", "sex", if inputs.female { table.female } else { 0.0 }),
        Term::yes_no("family history of lung cancer", "family-history", inputs.family_history, table.family),
        Term::yes_no("emphysema", "emphysema", inputs.emphysema, table.emphysema),
        Term::known("nodule size", "nodule-diameter", table.size * size),
        Term::tri_state("nodule type", "nodule-type", kind, &[0.0, table.part_solid, table.nonsolid]),
        Term::yes_no("upper lobe", "upper-lobe", inputs.upper_lobe, table.upper_lobe),
        Term::tri_state(
            "number of nodules",
            "nodule-count",
            inputs.count.map(count),
            &[count(COUNTS.0), count(COUNTS.1)],
        ),
    ];
    if let (Some(coefficient), Some(spiculated)) = (table.spiculation, inputs.spiculated) {
        terms.push(Term::known("spiculation", "spiculation", if spiculated { coefficient } else { 0.0 }));
    }
    Some(Calculation { variant: table.variant, intercept: table.intercept, terms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use NoduleKind::{NonSolid, PartSolid, Solid};

    type Row = (f64, u8, u8, u8, f64, NoduleKind, u8, u32, Option<u8>, f64, f64);

    fn inputs(row: &Row) -> Inputs {
        Inputs {
            age_years: row.0,
            female: row.1 == 1,
            family_history: Some(row.2 == 1),
            emphysema: Some(row.3 == 1),
            diameter_mm: row.4,
            kind: Some(row.5),
            upper_lobe: Some(row.6 == 1),
            count: Some(row.7),
            spiculated: row.8.map(|truth| truth == 1),
        }
    }

    #[test]
    fn worked_values() {
        let rows: [Row; 13] = [
            (62.0, 0, 0, 0, 4.0, Solid, 0, 4, Some(0), -6.789_170, 0.001_125),
            (62.0, 0, 0, 0, 10.0, Solid, 0, 1, Some(0), -3.412_209, 0.031_916),
            (65.0, 1, 0, 1, 12.0, Solid, 1, 1, Some(1), -0.529_515, 0.370_630),
            (70.0, 0, 1, 1, 8.0, PartSolid, 1, 2, Some(0), -2.274_429, 0.093_263),
            (60.0, 1, 0, 0, 20.0, NonSolid, 0, 3, Some(0), -1.583_551, 0.170_293),
            (75.0, 1, 1, 1, 25.0, PartSolid, 1, 1, Some(1), 1.940_411, 0.874_397),
            (55.0, 1, 1, 0, 6.0, Solid, 1, 1, Some(0), -3.624_716, 0.025_965),
            (50.0, 0, 0, 0, 30.0, Solid, 0, 10, Some(0), -2.221_801, 0.097_810),
            (62.0, 0, 0, 0, 4.0, Solid, 0, 4, None, -6.807_100, 0.001_105),
            (62.0, 0, 0, 0, 10.0, Solid, 0, 1, None, -3.271_550, 0.036_560),
            (65.0, 1, 0, 1, 12.0, Solid, 1, 1, None, -1.059_989, 0.257_312),
            (70.0, 0, 1, 1, 8.0, PartSolid, 1, 2, None, -2.065_620, 0.112_484),
            (60.0, 1, 0, 0, 20.0, NonSolid, 0, 3, None, -1.572_850, 0.171_810),
        ];
        for row in &rows {
            let found = calculate(&inputs(row)).unwrap();
            assert!((found.logit().unwrap() - row.9).abs() <= 1e-6, "{row:?}: {found:?}");
            assert!((found.probability().unwrap() - row.10).abs() <= 1e-6, "{row:?}: {found:?}");
        }
    }

    #[test]
    fn one_factor_at_a_time() {
        let base: Row = (62.0, 0, 0, 0, 10.0, Solid, 0, 4, Some(0), -3.659_456, 0.025_100);
        let base = inputs(&base);
        let yes = Some(true);
        let rows = [
            (base, 0.025_100),
            (Inputs { female: true, ..base }, 0.044_857),
            (Inputs { family_history: yes, ..base }, 0.033_461),
            (Inputs { emphysema: yes, ..base }, 0.033_435),
            (Inputs { kind: Some(PartSolid), ..base }, 0.036_177),
            (Inputs { kind: Some(NonSolid), ..base }, 0.022_160),
            (Inputs { upper_lobe: yes, ..base }, 0.047_366),
            (Inputs { spiculated: yes, ..base }, 0.052_824),
            (Inputs { age_years: 72.0, ..base }, 0.033_157),
            (Inputs { count: Some(5), ..base }, 0.023_161),
        ];
        for (inputs, expected) in rows {
            let found = calculate(&inputs).unwrap().probability().unwrap();
            assert!((found - expected).abs() <= 1e-6, "{inputs:?}: {found}");
        }
    }

    #[test]
    fn size_term() {
        let rows = [
            (4.0, 0.0),
            (6.0, -0.290_144_38),
            (8.0, -0.463_104_84),
            (10.0, -0.581_138_83),
            (12.0, -0.668_267_90),
            (20.0, -0.874_032_05),
            (30.0, -1.003_788_56),
        ];
        for (diameter, expected) in rows {
            let size = (diameter / 10.0_f64).powf(-0.5) - SIZE_CENTRE;
            assert!((size - expected).abs() < 1e-8, "{diameter}: {size}");
        }
    }

    #[test]
    fn unknown_inputs_give_a_range_that_holds_every_value() {
        let base = inputs(&(62.0, 0, 0, 0, 10.0, Solid, 0, 4, Some(0), 0.0, 0.0));
        let unknown = Inputs { family_history: None, emphysema: None, kind: None, upper_lobe: None, ..base };
        let found = calculate(&unknown).unwrap();
        assert_eq!(found.probability(), None);
        assert_eq!(found.missing(), ["family-history", "emphysema", "nodule-type", "upper-lobe"]);
        let (low, high) = found.range();
        for bits in 0..8_u8 {
            for kind in [Solid, PartSolid, NonSolid] {
                let one = Inputs {
                    family_history: Some(bits & 1 > 0),
                    emphysema: Some(bits & 2 > 0),
                    upper_lobe: Some(bits & 4 > 0),
                    kind: Some(kind),
                    ..base
                };
                let value = calculate(&one).unwrap().probability().unwrap();
                assert!(low - 1e-12 <= value && value <= high + 1e-12);
            }
        }
    }

    #[test]
    fn an_unknown_number_of_nodules_is_any_of_those_that_are_usual() {
        let base = inputs(&(62.0, 0, 0, 0, 10.0, Solid, 0, 4, Some(0), 0.0, 0.0));
        let found = calculate(&Inputs { count: None, ..base }).unwrap();
        assert_eq!((found.probability(), found.missing()), (None, vec!["nodule-count"]));
        let with = |count| calculate(&Inputs { count: Some(count), ..base }).unwrap().probability().unwrap();
        let (low, high) = found.range();
        assert!((low - with(20)).abs() < 1e-12 && (high - with(1)).abs() < 1e-12, "more nodules, less risk");
    }

    #[test]
    fn a_mass_is_outside_the_domain() {
        let base = inputs(&(62.0, 0, 0, 0, 30.1, Solid, 0, 4, Some(0), 0.0, 0.0));
        assert_eq!(calculate(&base), None);
        assert_eq!(calculate(&Inputs { diameter_mm: 0.0, ..base }), None);
        assert_eq!(calculate(&Inputs { diameter_mm: f64::NAN, ..base }), None);
    }
}
