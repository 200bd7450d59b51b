//! TLS before associations (PS3.15 annex B: BCP 195). A connection is opened here; what it holds goes on in the clear to the
//! association through a connection of this process to itself, because an association is read from a plain one.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::site::ReceiveTls;

/// What is left to say may take so long once the peer has said its last.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The certificate of the receiver, and whom it believes.
#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

impl Tls {
    /// Reads certificate and key, and the authority of those who may call, where one is named.
    pub(super) fn open(config: &ReceiveTls) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &config.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(io::Error::other)?;
                }
                let known = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(known.build().map_err(io::Error::other)?)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&fs::read(&config.key_file)?).map_err(io::Error::other)?;
        let config = builder.with_single_cert(certificates(&config.certificate_file)?, key);
        Ok(Self(TlsAcceptor::from(Arc::new(config.map_err(io::Error::other)?))))
    }

    /// Opens a connection within `patience`. Gives the plain end, and what carries it on: to be run beside.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> io::Result<(TcpStream, impl Future<Output = ()> + use<>)> {
        let opened = tokio::time::timeout(patience, self.0.accept(stream)).await;
        let opened = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (ours, inner) = pair().await?;
        Ok((ours, carry(opened, inner)))
    }
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(&fs::read(file)?).collect::<Result<_, _>>().map_err(io::Error::other)
}

/// Two ends of one connection. Nobody else on the machine gets in between: the end that is taken is the one that was made.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let (inner, accepted) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
    let (inner, (ours, from)) = (inner?, accepted?);
    if from != inner.local_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
    }
    inner.set_nodelay(true)?;
    ours.set_nodelay(true)?;
    Ok((ours, inner))
}

/// Carries bytes both ways until our side has closed, or for a moment after the peer has.
async fn carry(outer: TlsStream<TcpStream>, inner: TcpStream) {
    let (mut from_peer, mut to_peer) = split(outer);
    let (mut from_us, mut to_us) = inner.into_split();
    let inwards = async {
        drop(copy(&mut from_peer, &mut to_us).await);
        drop(to_us.shutdown().await);
    };
    let outwards = async {
        drop(copy(&mut from_us, &mut to_peer).await);
        drop(to_peer.shutdown().await);
    };
    tokio::pin!(inwards, outwards);
    tokio::select! {
        () = &mut outwards => {}
        () = &mut inwards => drop(tokio::time::timeout(LAST_WORDS, outwards).await),
    }
}
