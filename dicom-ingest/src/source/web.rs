//! What all web clients of this crate share: TLS, time limits, no redirect, no proxy, secrets that are never printed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Identity, Url, redirect};

/// The longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that rests longer is not used again: servers cut theirs, and a request that meets the cut is lost. Orthanc
/// keeps its own for one second.
const IDLE: Duration = Duration::from_millis(800);

/// A text that must not be seen. It is asked for whenever it is used, so that a renewed one is used.
#[derive(Clone)]
pub struct Hidden(Arc<dyn Fn() -> String + Send + Sync>);

impl Hidden {
    /// The text that `now` gives.
    pub fn new(now: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn expose(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Whom to trust, who we are, and how long to wait.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// PEM of the authorities to trust instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// PEM of our certificate chain and key, for mTLS.
    pub identity: Option<Hidden>,
    /// The longest silence of a server.
    pub timeout: Duration,
}

/// A configured source cannot be used. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none.
    #[error("the URL must be `http://` or `https://`, without user, password, query or fragment")]
    Url,
    /// The authorities' file holds no certificate.
    #[error("the authorities' file holds no PEM certificate")]
    Authorities,
    /// The client certificate or its key is none.
    #[error("the client's certificate and key are no PEM certificate and key")]
    Identity,
    /// The client could not be made.
    #[error("could not set up HTTPS; check the system's certificates or name an authority")]
    Client(#[source] reqwest::Error),
}

/// A valid base URL.
pub(crate) fn base_url(text: &str) -> Result<Url, OpenError> {
    let url = Url::parse(text).map_err(|_| OpenError::Url)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_web && is_bare { Ok(url) } else { Err(OpenError::Url) }
}

/// A client that follows nobody. `is_plain` says that no certificate is ever looked at, so a system without any will do.
pub(crate) fn client(options: &WebOptions, is_plain: bool) -> Result<reqwest::Client, OpenError> {
    // The program installs the provider first of all; whoever uses this library alone has it from here.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("chiasm/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .pool_idle_timeout(IDLE)
        .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
        .read_timeout(options.timeout);
    if let Some(pem) = &options.authorities {
        let authorities = Certificate::from_pem_bundle(pem).map_err(|_| OpenError::Authorities)?;
        if authorities.is_empty() {
            return Err(OpenError::Authorities);
        }
        builder = builder.tls_certs_only(authorities);
    } else if is_plain {
        builder = builder.tls_certs_only([]);
    }
    if let Some(identity) = &options.identity {
        let identity = Identity::from_pem(identity.expose().as_bytes()).map_err(|_| OpenError::Identity)?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(OpenError::Client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_secret_or_of_another_scheme_is_none() {
        for text in
            ["ftp://a/", "file:///etc/passwd", "pacs", "http://u:pw@a/", "http://a/?k=pw", "http://a/#pw"]
        {
            let error = base_url(text).unwrap_err();
            assert!(matches!(error, OpenError::Url) && !error.to_string().contains("pw"), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed_and_bad_files_are_typed() {
        let options = |authorities: Option<&[u8]>, identity: Option<Hidden>| WebOptions {
            authorities: authorities.map(<[u8]>::to_vec),
            identity,
            timeout: Duration::from_secs(1),
        };
        let hidden = Hidden::new(|| "canary".into());
        assert!(!format!("{:?}", options(None, Some(hidden.clone()))).contains("canary"));
        assert!(matches!(client(&options(None, Some(hidden)), true), Err(OpenError::Identity)));
        assert!(matches!(client(&options(Some(b"none"), None), false), Err(OpenError::Authorities)));
        assert!(client(&options(None, None), true).is_ok());
    }
}
