//! Logs: lines of text or JSON on standard error. `RUST_LOG` sets the level; no line ever holds patient data.
//!
//! Libraries are held at INFO whatever `RUST_LOG` says: below it some write requests and bodies.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// Our crates, whose lines are known to be free of patient data at every level.
const OURS: [&str; 5] = ["chiasm", "worker", "dicom_ingest", "fusion", "models"];

/// What `RUST_LOG` asks for; INFO where it asks for nothing.
pub(super) fn wanted() -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy()
}

/// The layer that writes lines to `writer`.
pub(super) fn layer<S, W>(json: bool, wanted: EnvFilter, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = wanted.and(filter_fn(may_be_written));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    if json {
        lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).with_filter(filter).boxed()
    }
}

/// Lines of libraries below INFO may not.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || is_ours(metadata)
}

/// Whether one of our crates wrote the line or opened the span.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    OURS.contains(&root)
}

/// Lets panics be logged with their place. The text of a panic is written only where it stands in the program as it is:
/// one that was put together at run time could hold a value of a study.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, thread = thread.name(), text = fixed_text(panic), backtrace, "panic");
    }));
}

fn fixed_text(panic: &PanicHookInfo<'_>) -> &'static str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("[withheld]")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn written(json: bool, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let wanted = EnvFilter::new("trace");
        let subscriber = tracing_subscriber::registry().with(layer(json, wanted, lines.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_names_event_and_job() {
        let text = written(true, || {
            let _job = tracing::info_span!("job", job = "abc").entered();
            tracing::info!(frames = 2, "study decoded");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "study decoded");
        assert_eq!(line["frames"], 2);
        assert_eq!(line["span"]["job"], "abc");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn libraries_are_held_at_info() {
        let text = written(false, || {
            tracing::info!(target: "hyper::proto", "of a library");
            tracing::debug!(target: "hyper::proto", "body of a request");
            tracing::trace!("of our own");
        });
        assert!(text.contains("of a library") && text.contains("of our own"), "{text}");
        assert!(!text.contains("body"), "{text}");
    }

    #[test]
    fn a_panics_text_is_withheld_where_it_could_hold_data() {
        // The hook is the process's: it is set here, and taken away, while this thread alone panics on purpose.
        let text = written(false, || {
            let before = std::panic::take_hook();
            log_panics();
            let canary = "Public^Jane";
            let made = std::panic::catch_unwind(|| panic!("no patient {canary}"));
            let fixed = std::panic::catch_unwind(|| panic!("a fixed text"));
            std::panic::set_hook(before);
            assert!(made.is_err() && fixed.is_err());
        });
        assert!(!text.contains("Public"), "{text}");
        assert!(text.contains("[withheld]") && text.contains("a fixed text"), "{text}");
        assert!(text.contains("logs.rs:"), "{text}");
    }
}
