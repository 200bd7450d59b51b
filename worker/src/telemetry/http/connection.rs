//! Connections with bounds: in number, in the time of a header and of the whole, and in the size of a header. A slow
//! client holds up itself alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at once; more wait in the system's queue.
const MOST_CONNECTIONS: usize = 128;
/// A header that takes longer to arrive closes its connection.
const HEADER_WITHIN: Duration = Duration::from_secs(5);
/// A connection carries one request and lives no longer than this.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);
/// The largest header, in bytes; also what is buffered of one connection.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// The most header fields.
const MOST_HEADERS: usize = 64;
/// Requests under way have so long to finish.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// Pause after the system gave no connection: out of file descriptors and the like.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn serve(listener: TcpListener, router: Router, ended: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = ended.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let router = router.clone();
                connections.spawn(async move {
                    let _place = place;
                    carry(stream, router).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(FINISH_WITHIN, connections.wait()).await.is_err() {
        tracing::info!("connections that did not finish are closed");
    }
}

async fn carry(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(MOST_HEADER_BYTES)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match tokio::time::timeout(CONNECTION_WITHIN, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Err(_) => tracing::debug!("a connection took too long and was closed"),
    }
}
