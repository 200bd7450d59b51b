//! Requests to one DICOMweb server.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Response, Url};

use super::Login;
use crate::source::web::{OpenError, WebOptions, base_url, client};
use crate::source::{SourceError, pause};

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    login: Option<Login>,
}

impl Client {
    pub(super) fn new(url: &str, login: Option<Login>, web: &WebOptions) -> Result<Self, OpenError> {
        let base = base_url(url)?;
        let http = client(web, base.scheme() == "http")?;
        Ok(Self { http, base, login })
    }

    /// A place below the base.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The answer to one request, which is a success.
    pub(super) async fn get(
        &self,
        url: Url,
        accept: &'static str,
        timeout: Option<Duration>,
    ) -> Result<Response, SourceError> {
        let mut request = self.http.get(url).header(ACCEPT, HeaderValue::from_static(accept));
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        request = match &self.login {
            Some(Login::Basic { user, password }) => request.basic_auth(user, Some(password.expose())),
            Some(Login::Bearer(token)) => request.bearer_auth(token.expose()),
            None => request,
        };
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let missing = SourceError::NoSuchPlace { status: status.as_u16() };
        Err(SourceError::of_status(status.as_u16(), missing))
    }

    /// A whole answer of at most `limit` bytes; a request that meets a passing fault is sent again.
    pub(super) async fn read(
        &self,
        url: Url,
        accept: &'static str,
        timeout: Duration,
        limit: usize,
    ) -> Result<Vec<u8>, SourceError> {
        let mut tries = 1;
        loop {
            let answer = match self.get(url.clone(), accept, Some(timeout)).await {
                Ok(response) => whole(response, limit).await,
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if pause::before_next(tries, &error).await => tries += 1,
                answer => return answer,
            }
        }
    }
}

async fn whole(mut response: Response, limit: usize) -> Result<Vec<u8>, SourceError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cut(&error))? {
        if chunk.len() > limit.saturating_sub(body.len()) {
            return Err(SourceError::NotUnderstood("it is longer than such an answer can be"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// No answer came. The library's text names the URL, which is not kept.
fn broken(error: reqwest::Error) -> SourceError {
    if error.is_timeout() {
        SourceError::TimedOut
    } else {
        SourceError::Unreachable(Some(error.without_url().into()))
    }
}

/// The answer broke off.
pub(super) fn cut(error: &reqwest::Error) -> SourceError {
    if error.is_timeout() { SourceError::TimedOut } else { SourceError::Truncated }
}
