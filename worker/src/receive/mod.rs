//! `chiasm receive`: a storage SCP (PS3.4 annex B) that takes studies over DICOM.
//!
//! An instance is written to the disk as it comes, scanned by the bounded readers of files, and has its name, with folder and
//! file synced, before its sender is told that it is stored. A study that was quiet for a while, or of which everything is here
//! that the archive states, is released: it becomes a request on the queue, whose source is the folder. Nothing here knows a
//! ledger or a job.

mod archive;
mod association;
mod command;
mod contexts;
mod counts;
mod inbox;
mod incoming;
mod open;
mod release;
mod studies;
mod tls;
mod watch;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dicom_ingest::reader::Reader;
use dicom_ingest::source::dicomweb::Dicomweb;
use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceProviderPresentationReason, AssociationRJSource,
    Pdu, write_pdu,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::site::ReceiveConfig;
use crate::queue::Queue;
use crate::service::pressure::disk::Disk;
use archive::Archive;
use contexts::Options;
use counts::{AssociationEnd, Counts};
use inbox::Inbox;
use open::Waits;
use studies::Studies;
use tls::Tls;
use watch::Beat;

/// Callers beyond the limit that are told so at once; more are only cut off.
const TURNED_AWAY_AT_ONCE: usize = 32;
/// How long such a caller may take to say what it wants.
const TURNING_AWAY: Duration = Duration::from_secs(5);
/// How long the last probes and measures may take when the receiver ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long the listener rests when the system has no more connections to give.
const REST: Duration = Duration::from_millis(100);

/// Takes studies.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiveConfig,
    options: Options,
    tls: Option<Tls>,
    inbox: Arc<Inbox>,
    studies: Arc<Studies>,
    disk: Disk,
    reader: Arc<dyn Reader>,
    /// Files that are read at the same time.
    reading: Semaphore,
    queue: Arc<dyn Queue>,
    archive: Option<Archive>,
    counts: Counts,
    beat: Beat,
}

impl Receiver {
    /// Takes the folder and what an earlier receiver left there. `readers` files are read at the same time; `archive` is the
    /// server of [`ReceiveConfig::count_from`].
    pub fn open(
        config: ReceiveConfig,
        reader: Arc<dyn Reader>,
        readers: usize,
        queue: Arc<dyn Queue>,
        archive: Option<Dicomweb>,
    ) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::open(&config.folder)?);
        let waits = Waits { quiet: config.quiet, patience: config.count_patience, longest: config.longest };
        let studies = Arc::new(Studies::open(Arc::clone(&inbox), waits)?);
        let disk = Disk::new("receive", inbox.root());
        let options = contexts::options(&config);
        let tls = config.tls.as_ref().map(Tls::open).transpose()?;
        let reading = Semaphore::new(readers.max(1));
        let archive = archive.map(Archive::new);
        let (counts, beat) = (Counts::new(), Beat::new());
        Ok(Self { config, options, tls, inbox, studies, disk, reader, reading, queue, archive, counts, beat })
    }

    /// Takes associations until `stopping`; those under way have `grace` to finish their instance.
    pub async fn run(self, stopping: CancellationToken, grace: Duration) -> io::Result<()> {
        let listener = TcpListener::bind(self.config.listen).await?;
        let receiver = Arc::new(self);
        let unreleased = receiver.studies.count();
        let (side, over) = (TaskTracker::new(), CancellationToken::new());
        watch::start(&receiver, &side, &over).await?;
        let address = listener.local_addr()?;
        tracing::info!(%address, unreleased, "receiver started");
        let tasks = TaskTracker::new();
        let releasing = tokio::spawn(release::run(Arc::clone(&receiver), stopping.clone()));
        let associations = Arc::new(Semaphore::new(receiver.config.max_associations));
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
        while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            receiver.begin(&tasks, stream, peer, &associations, &turned_away, &stopping);
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
            tracing::warn!(associations = tasks.len(), "the grace is over: associations are cut");
        }
        drop(releasing.await);
        over.cancel();
        side.close();
        drop(tokio::time::timeout(LAST_ANSWERS, side.wait()).await);
        Ok(())
    }

    fn begin(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        stream: TcpStream,
        peer: SocketAddr,
        associations: &Arc<Semaphore>,
        turned_away: &Arc<Semaphore>,
        stopping: &CancellationToken,
    ) {
        // An answer is one small packet, and its sender waits for it.
        drop(stream.set_nodelay(true));
        if let Ok(place) = Arc::clone(associations).try_acquire_owned() {
            let (receiver, stopping) = (Arc::clone(self), stopping.clone());
            tasks.spawn(async move {
                receiver.serve(stream, peer.ip(), stopping).await;
                drop(place);
            });
            return;
        }
        self.counts.association_ended(AssociationEnd::TurnedAway);
        tracing::warn!(address = %peer.ip(), "turned away: as many associations as may be are open");
        // Without a handshake, a caller over TLS could not read why.
        if self.tls.is_none()
            && let Ok(place) = Arc::clone(turned_away).try_acquire_owned()
        {
            tasks.spawn(async move {
                drop(tokio::time::timeout(TURNING_AWAY, turn_away(stream)).await);
                drop(place);
            });
        }
    }

    /// Opens the connection where it is encrypted, and serves it.
    async fn serve(self: Arc<Self>, stream: TcpStream, address: IpAddr, stopping: CancellationToken) {
        let Some(tls) = &self.tls else {
            return association::serve(self, stream, address, stopping).await;
        };
        match tls.accept(stream, self.config.idle).await {
            Ok((plain, carrying)) => {
                let serving = association::serve(Arc::clone(&self), plain, address, stopping);
                tokio::join!(serving, carrying);
            }
            Err(error) => {
                self.counts.association_ended(AssociationEnd::Rejected);
                tracing::warn!(%address, %error, "no association: TLS could not be agreed on");
            }
        }
    }

    /// Whether there is room for one more instance. A disk that does not answer has none.
    async fn has_room(&self) -> bool {
        self.disk.free().await.is_some_and(|free| free >= self.config.min_free_disk_bytes)
    }
}

/// Rejects an association for now (PS3.8 table 9-21: transient, presentation related, local limit exceeded), after its
/// request was taken off the wire: a connection that is closed before is reset, and the caller never sees why.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
    let (mut reading, mut writing) = stream.split();
    tokio::io::copy(&mut (&mut reading).take(u64::from(length)), &mut tokio::io::sink()).await?;
    let reason = AssociationRJServiceProviderPresentationReason::LocalLimitExceeded;
    let source = AssociationRJSource::ServiceProviderPresentation(reason);
    let result = AssociationRJResult::Transient;
    let mut answer = Vec::new();
    write_pdu(&mut answer, &Pdu::AssociationRJ(AssociationRJ { result, source }))
        .map_err(io::Error::other)?;
    writing.write_all(&answer).await?;
    writing.shutdown().await
}
