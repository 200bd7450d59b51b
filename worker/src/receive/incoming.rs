//! An instance that is arriving: written to the disk as it comes, scanned when it is whole, stored where it is sound.

use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use dicom_ingest::file::FileBytes;
use dicom_ingest::own;
use dicom_ingest::reader::Header;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::uid::Uid;
use dicom_ingest::write::file_head;
use dicom_ul::pdu::PresentationContextNegotiated;
use tokio::io::AsyncWriteExt;

use super::Receiver;
use super::command::{Ask, Status};
use super::inbox::{Arriving, Placed};

/// The free disk is looked at again after so many bytes of an instance.
const LOOK_EVERY: u64 = 32 * 1024 * 1024;

/// What is arriving for one C-STORE. After a refusal the rest of the data set is taken off the wire and thrown away.
#[derive(Debug)]
pub(super) struct Incoming {
    announced: Announced,
    state: State,
    bytes: u64,
    looked_at: u64,
}

#[derive(Debug)]
enum State {
    Writing { arriving: Arriving, file: tokio::fs::File },
    Refused(Status),
}

/// What the command says of the instance.
#[derive(Debug, Clone)]
struct Announced {
    sop_class: String,
    sop_instance: String,
}

impl Incoming {
    /// Begins with the command and the context that it came in.
    pub(super) async fn begin(
        receiver: &Receiver,
        ask: &Ask,
        context: &PresentationContextNegotiated,
    ) -> Self {
        let announced =
            Announced { sop_class: ask.sop_class.clone(), sop_instance: ask.sop_instance.clone() };
        let state = if ask.sop_class != context.abstract_syntax {
            State::Refused(Status::CLASS_NOT_SUPPORTED)
        } else if ask.sop_instance.parse::<Uid>().is_err() {
            State::Refused(Status::INVALID_INSTANCE)
        } else if !receiver.has_room().await {
            State::Refused(Status::out_of_resources("DiskFull"))
        } else {
            let head = file_head(&ask.sop_class, &ask.sop_instance, &context.transfer_syntax);
            match Self::open(receiver, &head).await {
                Ok(state) => state,
                Err(error) => State::Refused(not_written(&error)),
            }
        };
        Self { announced, state, bytes: 0, looked_at: 0 }
    }

    async fn open(receiver: &Receiver, head: &[u8]) -> io::Result<State> {
        let inbox = Arc::clone(&receiver.inbox);
        let (arriving, file) = blocking(move || inbox.begin()).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.write_all(head).await?;
        Ok(State::Writing { arriving, file })
    }

    /// Takes the next piece of the data set.
    pub(super) async fn write(&mut self, receiver: &Receiver, piece: &[u8]) {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        let State::Writing { file, .. } = &mut self.state else { return };
        if self.bytes > receiver.config.max_instance_bytes {
            self.state = State::Refused(Status::out_of_resources("TooLarge"));
            return;
        }
        if let Err(error) = file.write_all(piece).await {
            self.state = State::Refused(not_written(&error));
            return;
        }
        if self.bytes - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.bytes;
            if !receiver.has_room().await {
                self.state = State::Refused(Status::out_of_resources("DiskFull"));
            }
        }
    }

    /// Bytes of the data set that came so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The data set is whole: stores it, durably before this returns success.
    pub(super) async fn finish(self, receiver: &Arc<Receiver>) -> Status {
        let (arriving, mut file) = match self.state {
            State::Writing { arriving, file } => (arriving, file),
            State::Refused(status) => return status,
        };
        if let Err(error) = file.flush().await {
            return not_written(&error);
        }
        drop(file);
        // Whole files are in memory one a process that reads them.
        let Ok(_turn) = receiver.reading.acquire().await else { return Status::out_of_resources("Stopping") };
        let (receiver, announced) = (Arc::clone(receiver), self.announced);
        let stored = blocking(move || Ok(store(&receiver, &announced, &arriving))).await;
        stored.unwrap_or_else(|error| not_written(&error))
    }
}

/// Scans the file and puts it in its place.
fn store(receiver: &Receiver, announced: &Announced, arriving: &Arriving) -> Status {
    let bytes = match fs::read(arriving.path()) {
        Ok(bytes) => bytes,
        Err(error) => return not_written(&error),
    };
    let instance = match receiver.reader.header(&FileBytes::new(&bytes)) {
        Header::Instance(instance) => instance,
        Header::Directory => return Status::not_understood(RefusalCode::NoPixelData.as_str()),
        Header::Refused(_, refusal) => return status_of(refusal.code),
    };
    if instance.sop_class_uid.as_str() != announced.sop_class
        || instance.sop_instance_uid.as_str() != announced.sop_instance
    {
        return Status::mismatch("SopMismatch");
    }
    let (study, uid) = (&instance.study_uid, &instance.sop_instance_uid);
    // A report of our own that comes back is kept, and is no reason for the next one.
    let arrival = if own::is_own(&instance) { Ok(None) } else { receiver.studies.arriving(study).map(Some) };
    let kept = arrival.and_then(|_arrival| receiver.inbox.keep(arriving, &bytes, study, uid));
    match kept {
        Ok(Placed::New | Placed::Same) => Status::SUCCESS,
        Ok(Placed::Other) => Status::DUPLICATE,
        Err(error) => not_written(&error),
    }
}

/// What a file that is not read is answered with. A file beyond a limit of the machine can be taken by a larger one.
const fn status_of(code: RefusalCode) -> Status {
    match code {
        RefusalCode::DecoderUnavailable | RefusalCode::TooLarge => Status::out_of_resources(code.as_str()),
        _ => Status::not_understood(code.as_str()),
    }
}

fn not_written(error: &io::Error) -> Status {
    tracing::error!(%error, "an instance could not be stored; its sender is told so");
    let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    Status::out_of_resources(if is_full { "DiskFull" } else { "NotStored" })
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
