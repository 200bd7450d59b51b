//! A TCP proxy whose faults are switched while it runs: between a worker and its broker, database or FHIR server.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// What the proxy does with bytes, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Passes them on.
    Pass,
    /// Takes connections and bytes, and passes nothing on, as a firewall that forgot them.
    Blackhole,
    /// Passes so many bytes a second on.
    Slow(u32),
    /// Passes each piece on so much later.
    Late(Duration),
    /// Resets every new connection.
    Refuse,
}

/// How often a copying thread looks whether its connection was cut.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A proxy in front of one address. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    fault: Mutex<Fault>,
    open: Mutex<Vec<Arc<Pair>>>,
    is_over: AtomicBool,
}

/// One connection through the proxy. Both sockets are closed when the last thread that copies lets go.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_cut: AtomicBool,
}

impl Proxy {
    /// Listens on a free port of this machine.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (fault, open) = (Mutex::new(Fault::Pass), Mutex::default());
        let shared = Arc::new(Shared { target, fault, open, is_over: AtomicBool::new(false) });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                // A connection that ends while it is taken is one that was never there.
                drop(serving.take(client));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to bytes from now on, of open connections too.
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Resets every open connection: what was under way is lost.
    pub fn cut(&self) {
        for pair in lock(&self.shared.open).drain(..) {
            pair.cut();
        }
    }

    /// Ends the direction to the server of every open connection, and leaves the other open.
    pub fn half_close(&self) {
        for pair in lock(&self.shared.open).iter() {
            drop(pair.server.shutdown(Shutdown::Write));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the listening thread.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn take(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        if *lock(&self.fault) == Fault::Refuse {
            return SockRef::from(&client).set_linger(Some(Duration::ZERO));
        }
        let server = TcpStream::connect_timeout(&self.target, Duration::from_secs(5))?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LOOK_EVERY))?;
            stream.set_write_timeout(Some(LOOK_EVERY))?;
        }
        let pair = Arc::new(Pair { client, server, is_cut: AtomicBool::new(false) });
        lock(&self.open).push(Arc::clone(&pair));
        for to_server in [true, false] {
            let (shared, pair) = (Arc::clone(self), Arc::clone(&pair));
            thread::spawn(move || {
                let (from, to) =
                    if to_server { (&pair.client, &pair.server) } else { (&pair.server, &pair.client) };
                if shared.copy(&pair, from, to).is_err() {
                    pair.cut();
                }
                let mut open = lock(&shared.open);
                // The list and this thread are the last two that hold it.
                open.retain(|other| !Arc::ptr_eq(other, &pair) || Arc::strong_count(&pair) > 2);
            });
        }
        Ok(())
    }

    /// Copies one direction until it ends.
    fn copy(&self, pair: &Pair, mut from: &TcpStream, to: &TcpStream) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while !pair.is_cut.load(Ordering::SeqCst) {
            let room = if matches!(*lock(&self.fault), Fault::Slow(_)) { 1 } else { buffer.len() };
            let count = match from.read(&mut buffer[..room]) {
                Ok(0) => return to.shutdown(Shutdown::Write),
                Ok(count) => count,
                Err(error) if is_pause(&error) => continue,
                Err(error) => return Err(error),
            };
            // The fault may have begun while this was waited for.
            let fault = *lock(&self.fault);
            match fault {
                Fault::Blackhole => continue,
                Fault::Slow(bytes) => thread::sleep(Duration::from_secs(1) / bytes.max(1)),
                Fault::Late(time) => thread::sleep(time),
                Fault::Pass | Fault::Refuse => {}
            }
            write(pair, to, &buffer[..count])?;
        }
        Ok(())
    }
}

impl Pair {
    /// Sockets that linger for no time are reset when they are closed.
    fn cut(&self) {
        for stream in [&self.client, &self.server] {
            drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
        }
        self.is_cut.store(true, Ordering::SeqCst);
    }
}

fn write(pair: &Pair, mut to: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() && !pair.is_cut.load(Ordering::SeqCst) {
        match to.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
