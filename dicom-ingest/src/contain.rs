//! A panic in a codec costs one instance, not the program.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::refusal::{Refusal, RefusalCode};

/// Runs `work`; a panic becomes a refusal. The panic's own text is dropped: it could hold values of the file.
pub(crate) fn contain<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // What `work` borrowed is only bytes that nobody writes to, and what it was building is dropped.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Refusal::new(RefusalCode::DecoderPanicked, "reading the instance panicked; it was contained"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_refusal() {
        let refused = contain::<()>(|| panic!("contained, as this test expects"));
        assert_eq!(refused.unwrap_err().code, RefusalCode::DecoderPanicked);
    }
}
