//! A value that identifies a patient cannot be printed by accident.

use std::fmt;

/// Anything that identifies a patient. It has no `Display` and no `Serialize`; its `Debug` prints `[phi]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for comparing, and for writing a wire format, never for a log or an error.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        let name = Phi::new("Public^Canary".to_owned());
        assert_eq!(format!("{name:?} {:#?}", Some(&name)), "[phi] Some(\n    [phi],\n)");
        assert_eq!(name.expose(), "Public^Canary");
    }
}
