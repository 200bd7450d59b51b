//! Where the broker is, who we are to it, and whom we trust.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use reqwest::Url;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::config::site::{RabbitMqConfig, TlsConfig};
use crate::queue::QueueError;

/// Seconds between heartbeats where the URL states no `heartbeat`. A silent broker is given up after twice this time.
const HEARTBEAT_S: u16 = 10;

/// A broker's address with what is needed to log in.
pub(super) struct Address {
    /// Host, port, virtual host, login and heartbeat.
    pub(super) uri: AMQPUri,
    /// Trusted authorities and our certificate, for `amqps`.
    pub(super) tls: Option<Tls>,
}

/// How the connection is encrypted.
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    /// Whose certificate is expected.
    pub(super) server: ServerName<'static>,
}

impl Address {
    /// Reads URL, password and certificate files.
    pub(super) fn of(config: &RabbitMqConfig) -> Result<Self, QueueError> {
        let url = Url::parse(&config.url).map_err(|_| unusable("`queue.url` is no URL"))?;
        let mut uri: AMQPUri = config.url.parse().map_err(|_| unusable("`queue.url` is no AMQP URL"))?;
        // The parser takes an IPv6 host for none at all, and an empty path for a virtual host without a name.
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| unusable("`queue.url` names no host"))?;
        host.trim_start_matches('[').trim_end_matches(']').clone_into(&mut uri.authority.host);
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat = Some(uri.query.heartbeat.filter(|seconds| *seconds > 0).unwrap_or(HEARTBEAT_S));
        if let Some(password) = &config.password {
            password.expose().clone_into(&mut uri.authority.userinfo.password);
        } else if config.tls.client_certificate_file.is_some() && uri.query.auth_mechanism.is_none() {
            uri.query.auth_mechanism = Some(SASLMechanism::External);
        }
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => {
                let server = ServerName::try_from(uri.authority.host.clone())
                    .map_err(|_| unusable("the host in `queue.url` is no name or address"))?;
                Some(Tls { config: Arc::new(trust(&config.tls)?), server })
            }
        };
        Ok(Self { uri, tls })
    }
}

impl fmt::Debug for Address {
    /// Without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (authority, vhost) = (&self.uri.authority, &self.uri.vhost);
        write!(f, "{}://{}:{}/{vhost}", self.uri.scheme, authority.host, authority.port)
    }
}

fn trust(config: &TlsConfig) -> Result<ClientConfig, QueueError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &config.ca_file {
        for certificate in certificates("queue.ca_file", file)? {
            roots.add(certificate).map_err(|error| unusable(&format!("`queue.ca_file`: {error}")))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(unusable("the system has no certificate authorities; set `queue.ca_file`"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| unusable(&error.to_string()))?;
    let trusting = versions.with_root_certificates(roots);
    match (&config.client_certificate_file, &config.client_key_file) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("queue.client_certificate_file", certificate)?;
            let key = PrivateKeyDer::from_pem_slice(&read("queue.client_key_file", key)?)
                .map_err(|_| unusable("`queue.client_key_file` holds no private key in PEM form"))?;
            let identified = trusting.with_client_auth_cert(chain, key);
            identified.map_err(|error| unusable(&format!("`queue.client_certificate_file`: {error}")))
        }
        (None, None) => Ok(trusting.with_no_client_auth()),
        _ => Err(unusable("`queue.client_certificate_file` and `queue.client_key_file` go together")),
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, QueueError> {
    let none = || unusable(&format!("`{key}`: no certificate in PEM form in `{}`", file.display()));
    let pem = read(key, file)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, QueueError> {
    fs::read(file)
        .map_err(|error| unusable(&format!("`{key}` cannot be read from `{}`: {error}", file.display())))
}

fn unusable(reason: &str) -> QueueError {
    QueueError::Unusable { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use lapin::uri::SASLMechanism;

    use super::Address;
    use crate::config::secret::Secret;
    use crate::config::site::{RabbitMqConfig, TlsConfig};

    fn config(url: &str) -> RabbitMqConfig {
        RabbitMqConfig {
            url: url.into(),
            password: Some(Secret::new("hidden-word".into())),
            tls: TlsConfig::default(),
            prefix: "chiasm".parse().unwrap(),
        }
    }

    #[test]
    fn hosts_virtual_hosts_and_heartbeats_are_read_as_written() {
        for (url, host, port, vhost, heartbeat) in [
            ("amqp://chiasm@127.0.0.1", "127.0.0.1", 5672, "/", 10),
            ("amqp://chiasm@[::1]:5673/", "::1", 5673, "/", 10),
            ("amqp://chiasm@rabbit.example.org/%2f", "rabbit.example.org", 5672, "/", 10),
            ("amqp://chiasm@rabbit.example.org/site?heartbeat=3", "rabbit.example.org", 5672, "site", 3),
        ] {
            let address = Address::of(&config(url)).unwrap();
            let uri = &address.uri;
            assert_eq!((uri.authority.host.as_str(), uri.authority.port), (host, port), "{url}");
            assert_eq!((uri.vhost.as_str(), uri.query.heartbeat), (vhost, Some(heartbeat)), "{url}");
            assert_eq!(uri.authority.userinfo.password, "hidden-word");
            assert!(!format!("{address:?}").contains("hidden"));
        }
    }

    #[test]
    fn what_cannot_be_read_says_which_key() {
        for url in ["rabbit", "amqp://", "amqp:///chiasm", "http://rabbit"] {
            assert!(Address::of(&config(url)).is_err(), "{url}");
        }
        let mut missing = config("amqps://rabbit");
        missing.tls.ca_file = Some("/nowhere/ca.pem".into());
        assert!(Address::of(&missing).unwrap_err().to_string().contains("queue.ca_file"));
    }

    #[test]
    fn a_certificate_without_a_password_logs_in() {
        let mut external = config("amqp://rabbit");
        external.password = None;
        external.tls.client_certificate_file = Some("/etc/chiasm/worker.pem".into());
        let address = Address::of(&external).unwrap();
        assert_eq!(address.uri.query.auth_mechanism, Some(SASLMechanism::External));
    }
}
