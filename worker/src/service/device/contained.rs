//! The device's library, contained: its panics become errors, and exhaustion is told from loss.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use models::ScoreError;

use super::engine::EngineError;

/// What the last panic of the device's library said. Its hook is the only place that hears it.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Remembers what a panic says, so that an exhausted device is told from a broken one; the log has it as before.
pub(super) fn remember_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        before(info);
    }));
}

/// Runs the device's library; its panics become errors.
pub(super) fn contained<T>(ask: impl FnOnce() -> Result<T, ScoreError>) -> Result<T, EngineError> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ScoreError::Device { reason })) => Err(cause(reason)),
        Ok(Err(error)) => Err(EngineError::Score(error)),
        Err(payload) => {
            let said = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            let heard = std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner));
            Err(cause(format!("the device's library panicked: {said} {heard}")))
        }
    }
}

/// wgpu, CubeCL and drivers have no common type for exhaustion, only words (cubecl#1531, burn#3510).
fn cause(reason: String) -> EngineError {
    const EXHAUSTED: [&str; 7] = [
        "out of memory",
        "outofmemory",
        "out_of_device_memory",
        "out_of_host_memory",
        "memory page",
        "no pool handles",
        "buffertoobig",
    ];
    let lower = reason.to_lowercase();
    if EXHAUSTED.iter().any(|words| lower.contains(words)) {
        EngineError::OutOfMemory
    } else {
        EngineError::Lost { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_told_from_loss_by_what_the_libraries_say() {
        for words in [
            "wgpu error: Out of Memory",
            "Memory page 0 doesn't exist",
            "No pool handles allocation of 4 GiB",
            "ERROR_OUT_OF_DEVICE_MEMORY",
        ] {
            assert_eq!(cause(words.into()), EngineError::OutOfMemory, "{words}");
        }
        assert!(matches!(cause("Parent device is lost".into()), EngineError::Lost { .. }));
    }

    #[test]
    fn a_panic_of_the_library_is_an_error_of_the_engine() {
        let broken =
            contained::<()>(|| std::panic::panic_any("queue submit failed: out of memory".to_owned()));
        assert_eq!(broken, Err(EngineError::OutOfMemory));
        let lost = contained::<()>(|| std::panic::panic_any("device lost"));
        assert!(matches!(lost, Err(EngineError::Lost { .. })));
    }
}
