//! Where the broker is, who we are to it, and whom we trust.

use std::fmt;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use reqwest::Url;

use crate::config::site::{RabbitMqConfig, TlsConfig};
use crate::queue::QueueError;

/// Seconds between heartbeats where the URL states no `heartbeat`. A silent broker is given up after twice this time.
const HEARTBEAT_S: u16 = 10;

/// Base64 characters in a line of a PEM file.
const PEM_LINE: usize = 64;

/// A broker's address with what is needed to log in.
pub(super) struct Address {
    /// Host, port, virtual host, login and heartbeat.
    pub(super) uri: AMQPUri,
    /// Trusted authorities and our certificate; used for `amqps` alone.
    pub(super) tls: OwnedTLSConfig,
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
        let is_encrypted = uri.scheme == AMQPScheme::AMQPS;
        let tls = if is_encrypted { trust(&config.tls)? } else { OwnedTLSConfig::default() };
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

fn trust(config: &TlsConfig) -> Result<OwnedTLSConfig, QueueError> {
    let roots = match &config.ca_file {
        Some(file) => String::from_utf8(read("queue.ca_file", file)?)
            .map_err(|_| unusable("`queue.ca_file` is no PEM file"))?,
        None => system_roots()?,
    };
    if !roots.contains("-----BEGIN CERTIFICATE-----") {
        return Err(unusable("`queue.ca_file` holds no certificate in PEM form"));
    }
    let identity = match (&config.client_certificate_file, &config.client_key_file) {
        (Some(certificate), Some(key)) => Some(OwnedIdentity::PKCS8 {
            pem: read("queue.client_certificate_file", certificate)?,
            key: read("queue.client_key_file", key)?,
        }),
        (None, None) => None,
        _ => return Err(unusable("`queue.client_certificate_file` and `queue.client_key_file` go together")),
    };
    Ok(OwnedTLSConfig { identity, cert_chain: Some(roots) })
}

/// The system's authorities in PEM form.
fn system_roots() -> Result<String, QueueError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(unusable("the system has no certificate authorities; set `queue.ca_file`"));
    }
    let mut pem = String::new();
    for certificate in &found.certs {
        let text = BASE64_STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(PEM_LINE) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    Ok(pem)
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
