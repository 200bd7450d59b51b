//! The device in a process of its own: the worker's side. A device that is lost, exhausted or hangs costs a new process,
//! never the worker.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child as Process, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dicom_ingest::decoders::{Deadline, Timed};
use models::{GreyImage, Scores};

use super::engine::{Engine, EngineError, Facts, OpenEngine};
use super::opening::Opening;
use super::wire::{self, Answered, Asked, Held, Size};
use crate::cli::DeviceArg;
use crate::decoders::own_program;
use crate::ending::Ending;
use crate::model::{ModelFacts, ModelNumber};

/// How long a process may take to open the device, and how long to load a model and pass its self-test: a driver may
/// compile every kernel.
const OPENS_WITHIN: Duration = Duration::from_mins(15);

/// Bytes that are read at once where an answer is due: the scores of a picture or a few are shorter, what is
/// longer takes several reads.
const READ_AT_ONCE: usize = 32 << 10;

/// What drivers take for the folder of their compiled kernels: Mesa (Intel, AMD, lavapipe) and NVIDIA.
const DRIVER_CACHES: [&str; 2] = ["MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH"];

/// Starts device processes of this program.
#[derive(Debug, Clone)]
pub struct OpenChild {
    /// Where the networks run.
    pub device: DeviceArg,
    /// Whether it logs JSON lines, as the worker does.
    pub json_log: bool,
    /// What the process is to hold.
    pub opening: Opening,
    /// Where the device's driver keeps the kernels that it compiled; where it pleases without one.
    pub kernels: Option<PathBuf>,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// A running device process.
pub(super) struct Child {
    process: Process,
    /// Its standard input and output in one. The device's thread says and hears everything itself, with a deadline: a process
    /// that hangs and does not read holds it no longer than an answer may take.
    link: UnixStream,
    /// Batches that were begun, with the number of their pictures; or why one was not.
    begun: VecDeque<Result<(ModelNumber, usize), EngineError>>,
    facts: Facts,
    timeout: Duration,
}

impl OpenEngine for OpenChild {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        let mut child = self.spawn().map_err(|error| not_started(&error.to_string()))?;
        let deadline = Deadline::after(OPENS_WITHIN);
        child.tell(&Asked::Open(self.opening.clone()), &[], deadline).map_err(|error| error.ending())?;
        let (ready, _) = child.answer(deadline).map_err(|error| error.ending())?;
        match ready {
            Answered::Ready { description, is_gpu, opened_ms } => {
                tracing::info!(
                    device = description,
                    opened_ms,
                    pid = child.process.id(),
                    "device process ready"
                );
                let models = vec![ModelFacts::default(); self.opening.models.len()];
                child.facts = Facts { description, is_gpu, opened_ms, models, ..Facts::default() };
                Ok(Box::new(child))
            }
            Answered::NotReady(code, reason, next_step) => Err(Ending::failed(&code, reason, &next_step)),
            _ => Err(not_started("its first answer is none of this version")),
        }
    }
}

impl OpenChild {
    fn spawn(&self) -> io::Result<Child> {
        let kernels = self.kernels.iter().flat_map(|folder| DRIVER_CACHES.map(|variable| (variable, folder)));
        let mut command = Command::new(own_program()?);
        command
            .arg0("chiasm")
            .envs(kernels)
            .args(["device-process", "--device", self.device.as_str()])
            .args(self.json_log.then_some("--json-log"))
            // Its own group: a signal of the terminal is the worker's to answer.
            .process_group(0);
        Child::start(command, self.timeout)
    }
}

impl Child {
    /// Starts the process, with one end of a connection as its standard input and output.
    fn start(mut command: Command, timeout: Duration) -> io::Result<Self> {
        let (link, asks) = UnixStream::pair()?;
        let answers = asks.try_clone()?;
        command.stdin(Stdio::from(OwnedFd::from(asks))).stdout(Stdio::from(OwnedFd::from(answers)));
        // The command holds the other end no longer than this: only the process may, so that its end is seen.
        let process = command.spawn()?;
        drop(command);
        Ok(Self { process, link, begun: VecDeque::new(), facts: Facts::default(), timeout })
    }

    fn tell(
        &mut self,
        asked: &Asked,
        pictures: &[&GreyImage],
        deadline: Deadline,
    ) -> Result<(), EngineError> {
        // Nothing was said yet: the process is well.
        let frame = wire::frame(asked, pictures).map_err(|_| EngineError::TooLarge)?;
        let told = Timed::new(&self.link, deadline).write_all(&frame);
        told.map_err(|error| self.silent(&error, deadline))
    }

    fn ask(
        &mut self,
        asked: &Asked,
        pictures: &[&GreyImage],
        within: Duration,
    ) -> Result<(Answered, Vec<f32>), EngineError> {
        let deadline = Deadline::after(within);
        self.tell(asked, pictures, deadline)?;
        let (answered, body) = self.answer(deadline)?;
        match answered {
            Answered::Refused(error) => Err(EngineError::Score(error)),
            Answered::NotLoaded(code, reason, next_step, held) => {
                self.saw(held);
                Err(EngineError::Model { code, reason, next_step })
            }
            Answered::OutOfMemory => Err(EngineError::OutOfMemory),
            Answered::Broken(reason) => Err(EngineError::Lost { reason }),
            answered => Ok((answered, body)),
        }
    }

    /// How long an answer may take: a model that is not resident is loaded and tested first.
    fn within(&self, model: ModelNumber) -> Duration {
        if self.facts.holds(model) { self.timeout } else { self.timeout + OPENS_WITHIN }
    }

    /// The one frame that is due.
    fn answer(&mut self, deadline: Deadline) -> Result<(Answered, Vec<f32>), EngineError> {
        let mut link = BufReader::with_capacity(READ_AT_ONCE, Timed::new(&self.link, deadline));
        let frame = wire::read::<Answered>(&mut link);
        let is_all = link.buffer().is_empty();
        match frame {
            Ok(Some(frame)) if is_all => Ok(frame),
            Ok(Some(_)) => Err(self.contradiction()),
            Ok(None) => Err(self.lost()),
            Err(error) => Err(self.silent(&error, deadline)),
        }
    }

    /// Nothing can be said or heard any more; the process is ended.
    fn silent(&mut self, error: &io::Error, deadline: Deadline) -> EngineError {
        if error.kind() == io::ErrorKind::TimedOut {
            self.end();
            return EngineError::Hung { seconds: deadline.seconds() };
        }
        self.lost()
    }

    /// What became of the process.
    fn lost(&mut self) -> EngineError {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        let reason =
            ended.map_or_else(|error| error.to_string(), |status| format!("its process ended: {status}"));
        EngineError::Lost { reason }
    }

    fn end(&mut self) {
        // A process that is gone already needs no signal.
        drop(self.process.kill());
        drop(self.process.wait());
    }

    fn saw(&mut self, held: Held) {
        self.facts.adapter_bytes = held.adapter_bytes;
        self.facts.resident_bytes = held.resident_bytes;
        self.facts.models = held.models;
    }
}

impl Engine for Child {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn load(&mut self, model: ModelNumber, if_it_fits: bool) -> Result<(), EngineError> {
        match self.ask(&Asked::Load(model, if_it_fits), &[], OPENS_WITHIN)? {
            (Answered::Loaded(held), _) => {
                self.saw(held);
                Ok(())
            }
            _ => Err(self.contradiction()),
        }
    }

    fn begin(&mut self, model: ModelNumber, pictures: &[Arc<GreyImage>]) {
        let sizes = pictures.iter().map(|picture| size(picture)).collect();
        let pictures: Vec<&GreyImage> = pictures.iter().map(AsRef::as_ref).collect();
        let deadline = Deadline::after(self.within(model));
        let told = self.tell(&Asked::Begin(model, sizes), &pictures, deadline);
        self.begun.push_back(told.map(|()| (model, pictures.len())));
    }

    /// The time for the answer begins here: the batch before it was finished, and nothing else is computed.
    fn finish(&mut self) -> Result<Vec<Scores>, EngineError> {
        let Some(begun) = self.begun.pop_front() else { return Err(self.contradiction()) };
        let (model, pictures) = begun?;
        match self.ask(&Asked::Finish, &[], self.within(model))? {
            (Answered::Scores(scores, held), _) if scores.len() == pictures => {
                self.saw(held);
                Ok(scores)
            }
            _ => Err(self.contradiction()),
        }
    }

    fn saliency(
        &mut self,
        model: ModelNumber,
        picture: &GreyImage,
        label: &str,
    ) -> Result<GreyImage, EngineError> {
        let asked = Asked::Saliency(model, size(picture), label.to_owned());
        match self.ask(&asked, &[picture], self.within(model))? {
            (Answered::Map((width, height), held), values) => {
                self.saw(held);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(timeout: Duration) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600");
        Child::start(command, timeout).unwrap()
    }

    /// A picture that no connection holds, to a process that reads nothing.
    #[test]
    fn a_process_that_does_not_read_hangs_no_longer_than_its_answer_may_take() {
        let mut child = silent(Duration::from_millis(50));
        let picture = GreyImage::new(1024, 1024, vec![0.5; 1 << 20]).unwrap();
        let asked = Asked::Begin(ModelNumber(0), vec![size(&picture)]);
        let answered = child.ask(&asked, &[&picture], child.timeout);
        assert!(matches!(answered, Err(EngineError::Hung { .. })), "{answered:?}");
        assert!(matches!(child.ask(&asked, &[&picture], child.timeout), Err(EngineError::Lost { .. })));
    }

    #[test]
    fn two_batches_for_a_process_that_does_not_read_wait_no_longer_than_the_answer() {
        let mut child = silent(Duration::from_millis(50));
        child.facts.models = vec![ModelFacts { is_resident: true, ..ModelFacts::default() }];
        let picture = Arc::new(GreyImage::new(1024, 1024, vec![0.5; 1 << 20]).unwrap());
        for _ in 0..2 {
            child.begin(ModelNumber(0), std::slice::from_ref(&picture));
        }
        assert!(matches!(child.finish(), Err(EngineError::Hung { .. })));
        assert!(matches!(child.finish(), Err(EngineError::Lost { .. })), "the second is lost with it");
    }

    #[test]
    fn a_batch_that_was_not_begun_is_said_in_its_turn_and_costs_no_process() {
        let mut child = silent(Duration::from_millis(50));
        let picture = Arc::new(GreyImage::new(8193, 8192, vec![0.5; 8193 * 8192]).unwrap());
        child.begin(ModelNumber(0), &[picture]);
        assert_eq!(child.finish(), Err(EngineError::TooLarge));
        assert_eq!(child.process.try_wait().unwrap(), None, "it goes on");
    }

    #[test]
    fn an_ask_that_is_too_long_costs_no_process() {
        let mut child = silent(Duration::from_millis(50));
        let picture = GreyImage::new(8193, 8192, vec![0.5; 8193 * 8192]).unwrap();
        let asked = Asked::Begin(ModelNumber(0), vec![size(&picture)]);
        let answered = child.ask(&asked, &[&picture], child.timeout);
        assert_eq!(answered.unwrap_err(), EngineError::TooLarge);
        assert_eq!(child.process.try_wait().unwrap(), None, "it goes on");
    }
}
