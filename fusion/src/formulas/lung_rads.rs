//! Lung-RADS v2022: category of a nodule on a screening CT.
//!
//! Christensen J et al., Chest 2024;165:738-753; read in RSNA RDES267 and one public engine. Mean diameters in mm, rounded
//! to one decimal as the rule has it; growth is more than 1.5 mm within 12 months. A new or growing ground-glass nodule
//! below 30 mm is category 2, as the ACR's text says; some engines differ. From 30 mm on the ACR's table has it as 2 where it is
//! "stable or slowly growing" and as 3 at baseline or new; growth of more than 1.5 mm within 12 months is not slow, and no row is
//! for it. Categories 0 and 1, cysts, slow growth over several screens (4B where there is a solid part) and inflammatory findings are
//! not covered: they come back as not classified, never as a guess.

/// How the nodule compares with the CT before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// First CT.
    Baseline,
    /// Not there before.
    New,
    /// Grown by more than 1.5 mm within 12 months.
    Growing,
    /// Seen before and not grown.
    Stable,
}

/// Where an airway nodule lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Airway {
    /// Subsegmental.
    Subsegmental,
    /// Segmental or larger, at baseline.
    SegmentalAtBaseline,
    /// Segmental or larger, and there on a later CT too.
    Persistent,
}

/// What the nodule is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// Solid.
    Solid {
        /// Mean diameter, mm.
        diameter_mm: f64,
        /// Against the CT before.
        course: Course,
    },
    /// Part-solid.
    PartSolid {
        /// Mean diameter of the whole nodule, mm.
        total_mm: f64,
        /// Mean diameter of the solid part, mm.
        solid_mm: f64,
        /// Against the CT before; new or growing of the **solid part** where it was seen before.
        course: Course,
    },
    /// Pure ground glass.
    GroundGlass {
        /// Mean diameter, mm.
        diameter_mm: f64,
        /// Against the CT before.
        course: Course,
    },
    /// Solid, at the pleura, smooth, oval, lentiform or triangular.
    Juxtapleural {
        /// Mean diameter, mm.
        diameter_mm: f64,
    },
    /// In an airway.
    InAirway(Airway),
    /// Atypical pulmonary cyst: not covered.
    Cyst,
}

/// Categories of a nodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Benign.
    Two,
    /// Probably benign.
    Three,
    /// Suspicious.
    FourA,
    /// Very suspicious.
    FourB,
    /// 3 or 4 with further features that raise the suspicion.
    FourX,
}

impl Category {
    /// As reports write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Two => "2",
            Self::Three => "3",
            Self::FourA => "4A",
            Self::FourB => "4B",
            Self::FourX => "4X",
        }
    }

    /// The category after a follow-up that shows no growth: 3 at 6 months to 2, 4A at 3 months to 3, 4B that was proven
    /// benign to 2. `None` where the rule has no step down.
    pub fn stepped_down(self) -> Option<Self> {
        match self {
            Self::Three | Self::FourB => Some(Self::Two),
            Self::FourA => Some(Self::Three),
            Self::Two | Self::FourX => None,
        }
    }
}

/// Why there is no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotClassified {
    /// Atypical cysts have rules of their own that are not part of this program.
    Cyst,
    /// A diameter is not above 0, or the solid part is larger than the whole.
    Size,
    /// A juxtapleural nodule of 10 mm or more is classified as the solid nodule that it is.
    JuxtapleuralSize,
    /// No row is for a ground-glass nodule of 30 mm and more that grows by more than 1.5 mm within 12 months.
    GrowingGroundGlass,
}

impl NotClassified {
    /// For a reader.
    pub fn text(self) -> &'static str {
        match self {
            Self::Cyst => "the rules for cysts are not part of this program",
            Self::Size => "the size is not usable",
            Self::JuxtapleuralSize => "it is too large for a nodule at the pleura",
            Self::GrowingGroundGlass => {
                "no row is for a ground-glass nodule of 30 mm and more that grows faster than slowly"
            }
        }
    }
}

/// The category. `suspicious`: spiculation, enlarged lymph nodes or other features that raise the suspicion.
pub fn classify(finding: Finding, suspicious: bool) -> Result<Category, NotClassified> {
    let category = plain(finding)?;
    Ok(if suspicious && category >= Category::Three { Category::FourX } else { category })
}

/// One decimal, as the rule has it.
fn rounded(millimetres: f64) -> Result<f64, NotClassified> {
    if millimetres.is_finite() && millimetres > 0.0 {
        Ok((millimetres * 10.0).round() / 10.0)
    } else {
        Err(NotClassified::Size)
    }
}

fn plain(finding: Finding) -> Result<Category, NotClassified> {
    use Category::{FourA, FourB, Three, Two};
    Ok(match finding {
        Finding::Cyst => return Err(NotClassified::Cyst),
        Finding::Solid { diameter_mm, course } => solid(rounded(diameter_mm)?, course),
        Finding::PartSolid { total_mm, solid_mm, course } => {
            let total = rounded(total_mm)?;
            let inner = if solid_mm == 0.0 { 0.0 } else { rounded(solid_mm)? };
            if inner > total {
                return Err(NotClassified::Size);
            }
            part_solid(total, inner, course)
        }
        Finding::GroundGlass { diameter_mm, course } => match (rounded(diameter_mm)?, course) {
            (small, _) if small < 30.0 => Two,
            (_, Course::Stable) => Two, // stable, or grown by too little to count: slowly growing
            (_, Course::Growing) => return Err(NotClassified::GrowingGroundGlass),
            (_, Course::Baseline | Course::New) => Three,
        },
        Finding::Juxtapleural { diameter_mm } => {
            if rounded(diameter_mm)? >= 10.0 {
                return Err(NotClassified::JuxtapleuralSize);
            }
            Two
        }
        Finding::InAirway(Airway::Subsegmental) => Two,
        Finding::InAirway(Airway::SegmentalAtBaseline) => FourA,
        Finding::InAirway(Airway::Persistent) => FourB,
    })
}

fn solid(diameter: f64, course: Course) -> Category {
    let bounds = match course {
        Course::Baseline | Course::Stable => [6.0, 8.0, 15.0],
        Course::New => [4.0, 6.0, 8.0],
        Course::Growing => return if diameter < 8.0 { Category::FourA } else { Category::FourB },
    };
    match bounds.iter().filter(|bound| diameter >= **bound).count() {
        0 => Category::Two,
        1 => Category::Three,
        2 => Category::FourA,
        _ => Category::FourB,
    }
}

fn part_solid(total: f64, inner: f64, course: Course) -> Category {
    let by_solid_part = if inner < 4.0 { Category::FourA } else { Category::FourB };
    match course {
        // the row of a growing solid part names no size of the whole
        Course::Growing if inner > 0.0 => return by_solid_part,
        Course::New if total < 6.0 => return Category::Three,
        _ if total < 6.0 => return Category::Two,
        Course::New if inner > 0.0 => return by_solid_part,
        _ => {}
    }
    match inner {
        small if small < 6.0 => Category::Three,
        middle if middle < 8.0 => Category::FourA,
        _ => Category::FourB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Category::{FourA, FourB, FourX, Three, Two};
    use Course::{Baseline, Growing, New, Stable};

    #[test]
    fn every_row_of_the_table() {
        let solid = |diameter_mm, course| Finding::Solid { diameter_mm, course };
        let part = |total_mm, solid_mm, course| Finding::PartSolid { total_mm, solid_mm, course };
        let glass = |diameter_mm, course| Finding::GroundGlass { diameter_mm, course };
        let rows = [
            (solid(5.9, Baseline), Two),
            (solid(6.0, Baseline), Three),
            (solid(7.9, Baseline), Three),
            (solid(8.0, Baseline), FourA),
            (solid(14.9, Baseline), FourA),
            (solid(15.0, Baseline), FourB),
            (solid(40.0, Baseline), FourB),
            (solid(5.9, Stable), Two),
            (solid(6.0, Stable), Three),
            (solid(8.0, Stable), FourA),
            (solid(15.0, Stable), FourB),
            (solid(3.9, New), Two),
            (solid(4.0, New), Three),
            (solid(5.9, New), Three),
            (solid(6.0, New), FourA),
            (solid(7.9, New), FourA),
            (solid(8.0, New), FourB),
            (solid(3.0, Growing), FourA),
            (solid(7.9, Growing), FourA),
            (solid(8.0, Growing), FourB),
            (solid(5.96, Baseline), Three),
            (part(5.9, 2.0, Baseline), Two),
            (part(5.9, 2.0, New), Three),
            (part(5.9, 2.0, Stable), Two),
            (part(5.9, 2.0, Growing), FourA),
            (part(5.9, 4.0, Growing), FourB),
            (part(6.0, 0.0, Baseline), Three),
            (part(8.0, 5.9, Baseline), Three),
            (part(8.0, 5.9, Stable), Three),
            (part(10.0, 6.0, Baseline), FourA),
            (part(10.0, 7.9, Stable), FourA),
            (part(12.0, 8.0, Baseline), FourB),
            (part(12.0, 8.0, Stable), FourB),
            (part(8.0, 3.9, Growing), FourA),
            (part(8.0, 4.0, Growing), FourB),
            (part(8.0, 3.9, New), FourA),
            (part(8.0, 4.0, New), FourB),
            (part(8.0, 0.0, New), Three),
            (glass(29.9, Baseline), Two),
            (glass(29.9, Stable), Two),
            (glass(29.9, New), Two),
            (glass(29.9, Growing), Two),
            (glass(30.0, Stable), Two),
            (glass(30.0, Baseline), Three),
            (glass(30.0, New), Three),
            (Finding::Juxtapleural { diameter_mm: 9.9 }, Two),
            (Finding::InAirway(Airway::Subsegmental), Two),
            (Finding::InAirway(Airway::SegmentalAtBaseline), FourA),
            (Finding::InAirway(Airway::Persistent), FourB),
        ];
        for (finding, expected) in rows {
            assert_eq!(classify(finding, false), Ok(expected), "{finding:?}");
            let raised = if expected >= Three { FourX } else { expected };
            assert_eq!(classify(finding, true), Ok(raised), "{finding:?} with suspicious features");
        }
    }

    #[test]
    fn what_is_not_covered_has_no_category() {
        assert_eq!(classify(Finding::Cyst, false), Err(NotClassified::Cyst));
        assert_eq!(
            classify(Finding::Juxtapleural { diameter_mm: 10.0 }, false),
            Err(NotClassified::JuxtapleuralSize)
        );
        let growing = Finding::GroundGlass { diameter_mm: 30.0, course: Growing };
        assert_eq!(classify(growing, false), Err(NotClassified::GrowingGroundGlass));
        let odd = Finding::PartSolid { total_mm: 8.0, solid_mm: 9.0, course: Baseline };
        assert_eq!(classify(odd, false), Err(NotClassified::Size));
        assert_eq!(
            classify(Finding::Solid { diameter_mm: f64::NAN, course: New }, false),
            Err(NotClassified::Size)
        );
        assert_eq!(
            (Three.stepped_down(), FourA.stepped_down(), FourX.stepped_down()),
            (Some(Two), Some(Three), None)
        );
        assert_eq!(FourB.text(), "4B");
    }
}
