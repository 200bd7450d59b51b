//! HTTP clients of servers that a site named: no redirect, no proxy, nothing sent twice, a bounded answer.

use std::io;
use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Response, Url, redirect};

/// A base URL: `http` or `https`, without user, password, query and fragment. `None` for every other text.
pub(crate) fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (is_web && is_bare).then_some(url)
}

/// What all clients have in common; the time limits are each one's own. With authorities nobody else is trusted. `is_plain`
/// says that no certificate is ever looked at, so a system without any will do.
pub(crate) fn builder(is_plain: bool, authorities: Option<Vec<Certificate>>) -> ClientBuilder {
    // The program installs the provider first of all; whoever uses this library alone has it from here.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder()
        .user_agent(concat!("chiasm/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never());
    match authorities {
        Some(authorities) => builder.tls_certs_only(authorities),
        None if is_plain => builder.tls_certs_only([]),
        None => builder,
    }
}

/// The authorities of a PEM file. The error is what the system said, `None` where the file holds no certificate.
pub(crate) fn authorities(path: &Path) -> Result<Vec<Certificate>, Option<io::Error>> {
    let pem = std::fs::read(path).map_err(Some)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(None),
    }
}

/// The whole answer. `None` where it is longer than `limit` bytes: it is dropped, and its connection with it.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    if response
        .content_length()
        .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit))
    {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > limit.saturating_sub(body.len()) {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
