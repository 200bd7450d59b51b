//! [`Phi`]: a value that identifies a patient and cannot be printed by accident.

use std::fmt;

/// A value that identifies a patient. It has no `Display` and no `Serialize`; its `Debug` is redacted.
///
/// [`Phi::expose`] is for the places that write a wire format or compare identities.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value that identifies a patient.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whatever is done with it must not reach a log, a metric or an error text.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[phi]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Phi::new("Public^A")), "[phi]");
    }
}
