//! One connection to the broker, made anew when it is gone.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lapin::types::LongString;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties};
use tokio::runtime::Handle;

use super::address::Address;
use super::fault::{self, unavailable};
use super::wire::{Plug, Wired, Wiring};
use crate::queue::QueueError;

/// Time for name look-up, TCP, TLS and AMQP together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for one question to the broker and its answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a polite goodbye before the socket is shut.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is looked whether an answer can still come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits for an answer over something for as long as that is up: the client does not end every wait by itself.
pub(super) async fn while_up<T>(is_up: impl Fn() -> bool, answer: impl Future<Output = T>) -> Option<T> {
    let gone = async {
        while is_up() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => Some(answer),
        () = gone => None,
    }
}

/// Pulls the plug unless the connection was made: whoever connects may give up waiting at any time.
struct Attempt(Option<Plug>);

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(plug) = &self.0 {
            plug.pull();
        }
    }
}

/// A connection. Dropping it says goodbye; what was delivered over it and not settled is delivered again.
pub(super) struct Link {
    connection: Connection,
    plug: Plug,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}

impl Link {
    async fn open(address: &Arc<Address>, purpose: &str) -> Result<Self, QueueError> {
        let plug = Plug::default();
        let mut attempt = Attempt(Some(plug.clone()));
        let name: LongString = format!("chiasm {purpose} {}", std::process::id()).into();
        let properties = ConnectionProperties::default().with_connection_name(name);
        let runtime = Wiring::runtime(Arc::clone(address), plug.clone());
        let connect = async |uri: AMQPUri, runtime: Wired| {
            let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
            let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for socket in tokio::net::lookup_host((host, port)).await? {
                // What it calls plain is encrypted already where it has to be.
                match AsyncTcpStream::connect(&runtime, socket).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failed = error,
                }
            }
            Err(failed.into())
        };
        let connecting = Connection::connector(address.uri.clone(), runtime, connect, properties);
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => {
                attempt.0 = None;
                Ok(Self { connection, plug })
            }
            Ok(Err(error)) => Err(fault::connecting(error)),
            Err(elapsed) => Err(unavailable("connect to the broker", elapsed)),
        }
    }

    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, QueueError> {
        let opened = tokio::time::timeout(ANSWER_TIMEOUT, self.connection.create_channel()).await;
        match opened {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(unavailable("open a channel", error)),
            Err(elapsed) => {
                self.abort();
                Err(unavailable("open a channel", elapsed))
            }
        }
    }

    /// Whether it is up, as far as is known.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker takes nothing now, for want of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Ends it at once, without a goodbye: the other side does not answer.
    pub(super) fn abort(&self) {
        self.plug.pull();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The connection says goodbye when it is dropped. A broker that does not answer is not waited for.
        let plug = self.plug.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(GOODBYE_TIMEOUT).await;
                plug.pull();
            })),
            Err(_) => plug.pull(),
        }
    }
}

/// A place for one connection of a purpose.
#[derive(Debug)]
pub(super) struct Line {
    address: Arc<Address>,
    purpose: &'static str,
    current: tokio::sync::Mutex<Option<Arc<Link>>>,
}

impl Line {
    pub(super) fn new(address: Arc<Address>, purpose: &'static str) -> Self {
        Self { address, purpose, current: tokio::sync::Mutex::default() }
    }

    /// The connection; made now, in one attempt, if there is none. Several may ask at the same time: one connects.
    pub(super) async fn link(&self) -> Result<Arc<Link>, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(link) = current.as_ref().filter(|link| link.is_connected()) {
            return Ok(Arc::clone(link));
        }
        *current = None;
        let link = Arc::new(Link::open(&self.address, self.purpose).await?);
        tracing::debug!(purpose = self.purpose, "connected to the broker");
        *current = Some(Arc::clone(&link));
        Ok(link)
    }
}
