//! TLS in front of a real server that speaks none: with the tests' certificates, and a client's certificate where asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificates;

/// The front. It ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl TlsFront {
    /// Stands in front of `server`, as `localhost`; with `clients` it asks for a certificate of the tests' authority.
    ///
    /// # Panics
    /// Where the certificates cannot be read or no port can be had.
    pub fn start(server: SocketAddr, certificates: &Certificates, clients: bool) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("TLS versions");
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            let authority = CertificateDer::from_pem_file(certificates.file("ca.pem")).expect("an authority");
            roots.add(authority).expect("a usable authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let chain = CertificateDer::from_pem_file(certificates.file("server.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(certificates.file("server.key")).expect("a key");
        let config = builder.with_single_cert(vec![chain], key).expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await.ok()?;
                    let mut server = TcpStream::connect(server).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
                });
            }
        });
        Self { address, runtime: Some(runtime) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        // A test's own runtime does not allow to wait for this one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
