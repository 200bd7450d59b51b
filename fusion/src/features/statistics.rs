//! Statistics of dated values.

use super::WindowStatistics;

/// Days of a year, for slopes.
pub(crate) const DAYS_PER_YEAR: f64 = 365.25;

/// Most values that a slope is made from; of more, the latest.
pub(crate) const MAX_SLOPE_VALUES: usize = 500;

/// The Theil-Sen slope of `(days, value)` points: the median of the slopes of all pairs, per 365.25 days.
/// `None` with fewer than 3 points, or where they span less than a day.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let points = &points[points.len().saturating_sub(MAX_SLOPE_VALUES)..];
    let days = points.iter().map(|(day, _)| *day);
    let (first, last) = (days.clone().fold(f64::INFINITY, f64::min), days.fold(f64::NEG_INFINITY, f64::max));
    if points.len() < 3 || last - first < 1.0 {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (index, (day, value)) in points.iter().enumerate() {
        for (other_day, other) in &points[index + 1..] {
            let gap = (other_day - day) / DAYS_PER_YEAR;
            if gap != 0.0 {
                slopes.push((other - value) / gap);
            }
        }
    }
    median(&mut slopes)
}

/// The time in which a value doubles, in months of 365.25 / 12 days: ln 2 / slope of ln(value). `None`
/// with fewer than 3 points, where a value is not positive, or where the values do not grow.
pub fn doubling_time_months(points: &[(f64, f64)]) -> Option<f64> {
    if points.iter().any(|(_, value)| *value <= 0.0) {
        return None;
    }
    let logs: Vec<(f64, f64)> = points.iter().map(|(day, value)| (*day, value.ln())).collect();
    let per_month = theil_sen(&logs)? / 12.0;
    (per_month > 0.0).then(|| std::f64::consts::LN_2 / per_month)
}

/// The middle value, or the mean of both. Nothing is sorted: 500 values have 124,750 slopes.
fn median(values: &mut [f64]) -> Option<f64> {
    let (count, middle) = (values.len(), values.len() / 2);
    if count == 0 {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if count % 2 == 1 {
        return Some(*upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(lower, *upper))
}

/// Statistics of the values at most `days` old; `points` are `(age in days, value)`, oldest first, and `sources` their
/// resources. `None` where there are none.
pub(crate) fn window(points: &[(f64, f64)], sources: &[Option<&str>], days: u32) -> Option<WindowStatistics> {
    // The oldest come first, so that the window is the end of the list.
    let start = points.partition_point(|(age, _)| *age >= f64::from(days));
    let inside: Vec<(f64, f64)> = points[start..].iter().map(|(age, value)| (-age, *value)).collect();
    let source_of = |wanted: f64| {
        let latest = inside.iter().rposition(|(_, value)| value.total_cmp(&wanted).is_eq())?;
        sources.get(start + latest).copied().flatten().map(str::to_owned)
    };
    let values = inside.iter().map(|(_, value)| *value);
    let (_, last) = inside.last()?;
    let min = values.clone().min_by(f64::total_cmp)?;
    let max = values.clone().max_by(f64::total_cmp)?;
    Some(WindowStatistics {
        days,
        count: inside.len(),
        mean: values.sum::<f64>() / inside.len() as f64,
        min,
        min_source: source_of(min),
        max,
        max_source: source_of(max),
        slope_per_year: theil_sen(&inside),
        delta: inside.len().checked_sub(2).map(|previous| last - inside[previous].1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_theil_sen() {
        let slope = theil_sen(&[(0.0, 4.0), (365.25, 5.0), (730.5, 9.0)]).unwrap();
        assert!((slope - 2.5).abs() < 1e-12, "{slope}");
        assert_eq!(theil_sen(&[(0.0, 4.0), (365.25, 5.0)]), None);
        assert_eq!(theil_sen(&[(0.0, 4.0), (0.1, 5.0), (0.2, 6.0)]), None);
        assert_eq!(theil_sen(&[]), None);
    }

    /// Against the sorted list, with ties, one value and none.
    #[test]
    fn medians_are_the_middle_of_the_sorted_values() {
        for count in 0..40_u32 {
            let values: Vec<f64> = (0..count).map(|at| f64::from(at * 7919 % 13) - 6.0).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let half = sorted.len() / 2;
            let expected = match sorted.len() {
                0 => None,
                odd if odd % 2 == 1 => Some(sorted[half]),
                _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
            };
            assert_eq!(median(&mut values.clone()), expected, "{values:?}");
        }
    }

    #[test]
    fn worked_doubling_time() {
        let year = DAYS_PER_YEAR;
        let middle = 4.0 * std::f64::consts::SQRT_2;
        let months = doubling_time_months(&[(0.0, 4.0), (year / 2.0, middle), (year, 8.0)]).unwrap();
        assert!((months - 12.0).abs() < 1e-9, "{months}");
        assert_eq!(doubling_time_months(&[(0.0, 8.0), (year / 2.0, middle), (year, 4.0)]), None);
    }

    #[test]
    fn windows_are_half_open() {
        let points = [(30.0, 1.0), (29.9, 2.0), (0.0, 6.0)];
        let sources = [Some("a"), Some("b"), Some("c")];
        let found = window(&points, &sources, 30).unwrap();
        assert_eq!(
            (found.count, found.mean, found.min, found.max, found.delta),
            (2, 4.0, 2.0, 6.0, Some(4.0))
        );
        assert_eq!((found.min_source.as_deref(), found.max_source.as_deref()), (Some("b"), Some("c")));
        assert!(window(&[], &[], 30).is_none());
    }
}
