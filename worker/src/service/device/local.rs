//! The networks in this process: what the device process runs, and what tests of the thread use.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use models::{Bundle, Device, GreyImage, ScoreError, Scorer, Scores};

use super::engine::{Engine, EngineError, Facts, OpenEngine};
use crate::cli::DeviceArg;
use crate::ending::Ending;

/// Opens the device in this process.
pub struct OpenLocal {
    /// The networks.
    pub bundle: Arc<Bundle>,
    /// Where they run.
    pub device: DeviceArg,
}

/// A device that is open in this process.
pub struct Local {
    device: Device,
    scorer: Scorer,
    facts: Facts,
}

impl OpenLocal {
    /// Opens the device, loads the networks and runs their self-test.
    pub fn local(&self) -> Result<Local, Ending> {
        let began = Instant::now();
        let opened = contained(|| Ok(open(&self.bundle, self.device)));
        let (device, scorer) = opened.unwrap_or_else(|error| Err(error.ending()))?;
        let facts = Facts {
            description: device.description().to_owned(),
            is_gpu: device.is_gpu(),
            opened_ms: began.elapsed().as_secs_f64() * 1e3,
            adapter_bytes: device.allocated_bytes(),
            resident_bytes: resident_bytes(),
        };
        Ok(Local { device, scorer, facts })
    }
}

impl OpenEngine for OpenLocal {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        Ok(Box::new(self.local()?))
    }
}

fn open(bundle: &Bundle, device: DeviceArg) -> Result<(Device, Scorer), Ending> {
    let device = crate::device::open(device).map_err(|error| {
        Ending::failed("DeviceUnavailable", error.to_string(), "Choose another device with --device.")
    })?;
    let scorer = Scorer::load(bundle, &device).map_err(|error| {
        let next_step = "Choose `--device cpu`, or install the bundle again.";
        Ending::failed(error.code(), error.to_string(), next_step)
    })?;
    Ok((device, scorer))
}

impl Local {
    fn look(&mut self) {
        self.facts.adapter_bytes = self.device.allocated_bytes();
        self.facts.resident_bytes = resident_bytes();
    }
}

impl Engine for Local {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn score(&mut self, pictures: &[Arc<GreyImage>]) -> Result<Vec<Scores>, EngineError> {
        let scores = contained(|| self.scorer.score(pictures))?;
        self.look();
        Ok(scores)
    }

    fn saliency(&mut self, picture: &GreyImage, label: &str) -> Result<GreyImage, EngineError> {
        let map = contained(|| self.scorer.saliency(picture, label))?;
        self.look();
        Ok(map)
    }
}

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
fn contained<T>(ask: impl FnOnce() -> Result<T, ScoreError>) -> Result<T, EngineError> {
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

/// Bytes of this process that are in memory, where the system tells.
pub(super) fn resident_bytes() -> Option<u64> {
    crate::telemetry::metrics::resident_memory()
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
