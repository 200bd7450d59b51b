//! The bytes to the broker: TCP, and TLS over it for `amqps`.
//!
//! The client is given streams of ours. Its own TLS always trusts the system's authorities beside the site's, and where
//! it is built without, it speaks plain AMQP to an `amqps` address and says nothing.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::Address;

/// What the client runs on: the program's runtime with streams of ours.
pub(super) type Wired = Runtime<RuntimeParts<Tokio, Wiring>>;

/// Bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream as the client takes it.
pub(super) type Wire = Compat<Box<dyn Duplex>>;

/// A second handle of a connection's socket. The client's thread cannot be told to give up while it waits for a broker
/// that is silent; shutting the socket ends the wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Plug(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Plug {
    fn keep(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        Ok(())
    }

    /// Ends the connection at once.
    pub(super) fn pull(&self) {
        if let Some(socket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may be gone already.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Makes the streams of one connection.
#[derive(Clone)]
pub(super) struct Wiring {
    tokio: Tokio,
    address: Arc<Address>,
    plug: Plug,
}

impl Wiring {
    /// What the client runs on for one connection.
    pub(super) fn runtime(address: Arc<Address>, plug: Plug) -> Wired {
        let wiring = Self { tokio: Tokio::current(), address, plug };
        Runtime::new(RuntimeParts::new(Tokio::current(), wiring))
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wiring").field(&self.address).finish()
    }
}

impl Reactor for Wiring {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// The client makes no streams but by connecting.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl futures_io::AsyncRead + futures_io::AsyncWrite + Send + Unpin + 'static> {
        Err::<Wire, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.tokio.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        socket: SocketAddr,
    ) -> impl Future<Output = io::Result<Wire>> + Send + 'static {
        let (address, plug) = (Arc::clone(&self.address), self.plug.clone());
        async move {
            let stream = TcpStream::connect(socket).await?;
            stream.set_nodelay(true)?;
            plug.keep(&stream)?;
            let stream: Box<dyn Duplex> = match &address.tls {
                None => Box::new(stream),
                Some(tls) => {
                    let connector = TlsConnector::from(Arc::clone(&tls.config));
                    Box::new(connector.connect(tls.server.clone(), stream).await?)
                }
            };
            Ok(Compat::new(stream))
        }
    }
}
