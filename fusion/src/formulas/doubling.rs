//! Volume doubling time of a nodule: ln 2 x days / ln(V2 / V1).
//!
//! British Thoracic Society, Thorax 2015;70:ii1-ii54: a change of volume below 25 % is stable; up to 400 days work-up,
//! 400 to 600 days consider it, above 600 days stop or continue.

/// What two volumes say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Growth {
    /// No growth: the later volume is not larger.
    StableOrSmaller,
    /// It grew, by less than a quarter: stable. Days to double, as a number alone.
    Stable {
        /// Days.
        doubling_days: f64,
    },
    /// It grew.
    Growing {
        /// Days.
        doubling_days: f64,
        /// What the guideline calls for.
        pace: Pace,
    },
}

/// Bands of the doubling time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Up to 400 days: work-up.
    Fast,
    /// 400 to 600 days: consider work-up.
    Middle,
    /// Above 600 days: stop or continue.
    Slow,
}

/// Growth of this share or more is growth.
const LEAST_GROWTH: f64 = 0.25;

/// Growth from the first volume to the second, `days` later; volumes in the same unit. `None` where a number is not above
/// 0 or not finite.
pub fn growth(first: f64, second: f64, days: f64) -> Option<Growth> {
    if ![first, second, days].iter().all(|number| number.is_finite() && *number > 0.0) {
        return None;
    }
    if second <= first {
        return Some(Growth::StableOrSmaller);
    }
    let doubling_days = std::f64::consts::LN_2 * days / (second / first).ln();
    Some(if second / first - 1.0 < LEAST_GROWTH {
        Growth::Stable { doubling_days }
    } else {
        let pace = match doubling_days {
            fast if fast <= 400.0 => Pace::Fast,
            middle if middle <= 600.0 => Pace::Middle,
            _ => Pace::Slow,
        };
        Growth::Growing { doubling_days, pace }
    })
}

/// Volume of a sphere of this diameter, mm3: for two diameters measured in the same way.
pub fn sphere_mm3(diameter_mm: f64) -> f64 {
    std::f64::consts::PI / 6.0 * diameter_mm.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_values() {
        let rows = [(150.0, 200.0, 90.0, 216.85), (100.0, 200.0, 90.0, 90.0), (100.0, 125.0, 90.0, 279.57)];
        for (first, second, days, expected) in rows {
            let Some(Growth::Growing { doubling_days, pace: Pace::Fast }) = growth(first, second, days)
            else {
                panic!("{first} to {second}")
            };
            assert!((doubling_days - expected).abs() < 0.005, "{doubling_days}");
        }
        let Some(Growth::Stable { doubling_days }) = growth(300.0, 330.0, 180.0) else { panic!() };
        assert!((doubling_days - 1309.06).abs() < 0.005, "{doubling_days}");
        assert_eq!(growth(200.0, 200.0, 90.0), Some(Growth::StableOrSmaller));
        assert!(matches!(growth(100.0, 130.0, 190.0), Some(Growth::Growing { pace: Pace::Middle, .. })));
        assert!(matches!(growth(100.0, 130.0, 365.0), Some(Growth::Growing { pace: Pace::Slow, .. })));
        for (first, second, days) in [(0.0, 1.0, 1.0), (1.0, f64::NAN, 1.0), (1.0, 2.0, -1.0)] {
            assert_eq!(growth(first, second, days), None);
        }
        assert!((sphere_mm3(6.0) - 113.097).abs() < 0.001 && (sphere_mm3(8.0) - 268.083).abs() < 0.001);
    }
}
