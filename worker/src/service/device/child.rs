//! The device in a process of its own: the worker's side. A device that is lost, exhausted or hangs costs a new process,
//! never the worker.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use models::{GreyImage, Scores};

use super::engine::{Engine, EngineError, Facts, OpenEngine};
use super::wire::{self, Answered, Asked, Memory, Size};
use crate::cli::DeviceArg;
use crate::decoders::own_program;
use crate::ending::Ending;

/// How long a process may take to open the device and to pass the self-test; a driver may compile every kernel.
const OPENS_WITHIN: Duration = Duration::from_mins(15);

/// Starts device processes of this program.
#[derive(Debug, Clone)]
pub struct OpenChild {
    /// Where the networks run.
    pub device: DeviceArg,
    /// Whether it logs JSON lines, as the worker does.
    pub json_log: bool,
    /// Digest of the model that the worker reports with: the process must have loaded the same.
    pub model_digest: String,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// A running device process.
pub(super) struct Child {
    process: Process,
    asks: Option<ChildStdin>,
    answers: Receiver<io::Result<(Answered, Vec<f32>)>>,
    facts: Facts,
    timeout: Duration,
}

impl OpenEngine for OpenChild {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        let mut child = self.spawn().map_err(|error| not_started(&error.to_string()))?;
        let (ready, _) = child.answer(OPENS_WITHIN).map_err(|error| error.ending())?;
        match ready {
            Answered::Ready { model_digest, .. } if model_digest != self.model_digest => {
                Err(not_started("the program on the disk is another one than this worker was started from"))
            }
            Answered::Ready { description, is_gpu, opened_ms, .. } => {
                tracing::info!(
                    device = description,
                    opened_ms,
                    pid = child.process.id(),
                    "device process ready"
                );
                child.facts = Facts { description, is_gpu, opened_ms, ..Facts::default() };
                Ok(Box::new(child))
            }
            Answered::NotReady(code, reason, next_step) => Err(Ending::failed(&code, reason, &next_step)),
            _ => Err(not_started("its first answer is none of this version")),
        }
    }
}

impl OpenChild {
    fn spawn(&self) -> io::Result<Child> {
        let mut process = Command::new(own_program()?)
            .arg0("chiasm")
            .args(["device-process", "--device", self.device.as_str()])
            .args(self.json_log.then_some("--json-log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its own group: a signal of the terminal is the worker's to answer.
            .process_group(0)
            .spawn()?;
        let (asks, answers) = (process.stdin.take(), process.stdout.take());
        let (heard, hears) = sync_channel(1);
        if let Some(mut answers) = answers {
            std::thread::Builder::new().name("device-answers".into()).spawn(move || {
                loop {
                    let frame = match wire::read::<Answered>(&mut answers) {
                        Ok(Some(frame)) => Ok(frame),
                        Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
                        Err(error) => Err(error),
                    };
                    let over = frame.is_err();
                    if heard.send(frame).is_err() || over {
                        return;
                    }
                }
            })?;
        }
        Ok(Child { process, asks, answers: hears, facts: Facts::default(), timeout: self.timeout })
    }
}

impl Child {
    fn ask(&mut self, asked: &Asked, pictures: &[&GreyImage]) -> Result<(Answered, Vec<f32>), EngineError> {
        let Some(asks) = self.asks.as_mut() else { return Err(self.lost()) };
        if wire::write(asks, asked, pictures).is_err() {
            return Err(self.lost());
        }
        let (answered, body) = self.answer(self.timeout)?;
        match answered {
            Answered::Refused(error) => Err(EngineError::Score(error)),
            Answered::OutOfMemory => Err(EngineError::OutOfMemory),
            Answered::Broken(reason) => Err(EngineError::Lost { reason }),
            answered => Ok((answered, body)),
        }
    }

    fn answer(&mut self, within: Duration) -> Result<(Answered, Vec<f32>), EngineError> {
        match self.answers.recv_timeout(within) {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.lost()),
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                Err(EngineError::Hung { seconds: within.as_secs() })
            }
        }
    }

    /// What became of the process.
    fn lost(&mut self) -> EngineError {
        self.asks = None;
        let ended = self.process.kill().and_then(|()| self.process.wait());
        let reason =
            ended.map_or_else(|error| error.to_string(), |status| format!("its process ended: {status}"));
        EngineError::Lost { reason }
    }

    fn end(&mut self) {
        self.asks = None;
        // A process that is gone already needs no signal.
        drop(self.process.kill());
        drop(self.process.wait());
    }

    fn saw(&mut self, memory: Memory) {
        self.facts.adapter_bytes = memory.adapter_bytes;
        self.facts.resident_bytes = memory.resident_bytes;
    }
}

impl Engine for Child {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn score(&mut self, pictures: &[Arc<GreyImage>]) -> Result<Vec<Scores>, EngineError> {
        let sizes = pictures.iter().map(|picture| size(picture)).collect();
        let pictures: Vec<&GreyImage> = pictures.iter().map(AsRef::as_ref).collect();
        match self.ask(&Asked::Score(sizes), &pictures)? {
            (Answered::Scores(scores, memory), _) if scores.len() == pictures.len() => {
                self.saw(memory);
                Ok(scores)
            }
            _ => Err(self.contradiction()),
        }
    }

    fn saliency(&mut self, picture: &GreyImage, label: &str) -> Result<GreyImage, EngineError> {
        match self.ask(&Asked::Saliency(size(picture), label.to_owned()), &[picture])? {
            (Answered::Map((width, height), memory), values) => {
                self.saw(memory);
                GreyImage::new(width, height, values).map_err(|_| self.contradiction())
            }
            _ => Err(self.contradiction()),
        }
    }
}

impl Child {
    /// An answer to another question: nothing it says can be trusted any more.
    fn contradiction(&mut self) -> EngineError {
        self.end();
        EngineError::Lost { reason: "its process answered another question".into() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

fn size(picture: &GreyImage) -> Size {
    (picture.width(), picture.height())
}

fn not_started(reason: &str) -> Ending {
    Ending::failed(
        "DeviceProcess",
        format!("the device's process could not be started: {reason}"),
        "Free memory and start the worker again; after an upgrade, restart every worker.",
    )
}
