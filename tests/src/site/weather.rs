//! A TCP proxy between a worker and a server, for everything that a network does to a connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What the way is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Fair,
    /// Nothing passes and nobody is told; new connections are taken and stay silent.
    Blackhole,
    /// Each piece of at most 16 KiB takes so much longer.
    Slow(Duration),
}

/// A running proxy; it ends when it is dropped, with its connections.
#[derive(Debug)]
pub struct Way {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    cuts: watch::Sender<u64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Way {
    /// A way to `server` in fair weather.
    ///
    /// # Panics
    /// Where no port can be had.
    pub fn to(server: SocketAddr) -> Self {
        let (weather, of_weather) = watch::channel(Weather::Fair);
        let (cuts, of_cuts) = watch::channel(0);
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                bound.send(listener.local_addr().expect("its address")).expect("who started it waits");
                tokio::select! {
                    () = accept(listener, server, of_weather, of_cuts) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the proxy starts");
        Self { address, weather, cuts, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather from now on, for connections that stand too.
    pub fn turns(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Cuts every connection that stands.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
    cuts: watch::Receiver<u64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (weather, mut cuts) = (weather.clone(), cuts.clone());
        cuts.mark_unchanged();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            drop(client.set_nodelay(true).and_then(|()| server.set_nodelay(true)));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = pass(from_client, to_server, weather.clone()) => {}
                () = pass(from_server, to_client, weather) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Passes bytes in one direction until either side ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut piece).await {
        if read == 0 || weather.wait_for(|weather| *weather != Weather::Blackhole).await.is_err() {
            return;
        }
        let now = *weather.borrow();
        if let Weather::Slow(longer) = now {
            tokio::time::sleep(longer).await;
        }
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}
