//! Numbers that are stored: twelve significant digits, so that writing them as JSON and reading them back
//! gives the same number whatever the reader's rounding, and a report made from stored values is the same
//! to the byte.

/// The nearest number with twelve significant digits; not finite ones stay as they are.
pub(crate) fn stored(value: f64) -> f64 {
    if !value.is_finite() {
        return value;
    }
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_to_the_bit() {
        for step in 1..20_000_u32 {
            let value =
                stored((f64::from(step) * 0.618_033_988_749_895).sin().exp() * f64::from(step).powi(2) / 7.0);
            let read: f64 = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
            assert_eq!(value.to_bits(), read.to_bits(), "{value}");
        }
        assert!((stored(1.0 / 3.0) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(stored(2.4).to_bits(), 2.4_f64.to_bits());
    }
}
