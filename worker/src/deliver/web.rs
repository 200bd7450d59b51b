//! HTTP to one origin, for every target that speaks it: login, time limits, a bounded answer, no redirect, no proxy.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, RequestBuilder, Response, Url};

use super::smart::Smart;
use super::trouble::Trouble;
use super::{OpenError, TerminalCode, TransientCode, retry_after};
use crate::config::secret::Secret;
use crate::message::Name;
use crate::origin;

/// The most bytes that are read of an answer to a transaction: it holds one line an entry.
pub(super) const ANSWER_BYTES: usize = 1024 * 1024;

/// The longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that rests longer is not used again: servers cut theirs after five seconds and more, and a request that
/// meets the cut has an unknown outcome.
const IDLE: Duration = Duration::from_secs(4);

/// An answer of the server, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the server calls it JSON.
    pub(super) says_json: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Body,
}

/// What was read of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    /// Longer than was asked for; the rest was not read.
    TooLong,
}

/// Who we are to the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Login {
    None,
    Bearer(Secret),
    /// User and password of HTTP basic authentication.
    Basic(String, Secret),
}

impl Login {
    /// The same with the secret read again from its file; `None` where it comes from none.
    fn read_again(&self) -> Option<Self> {
        match self {
            Self::None => None,
            Self::Bearer(token) => token.read_again().map(Self::Bearer),
            Self::Basic(user, password) => {
                password.read_again().map(|password| Self::Basic(user.clone(), password))
            }
        }
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) content_type: String,
    /// The `Prefer` header (RFC 7240).
    pub(super) prefer: Option<&'static str>,
    pub(super) body: Vec<u8>,
}

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    login: Mutex<Login>,
    /// Gets the tokens, where the site configured that.
    smart: Option<Smart>,
    /// The media type that is understood.
    accept: &'static str,
}

impl Client {
    pub(crate) fn new(
        target: &Name,
        url: &str,
        login: Login,
        ca_file: Option<&Path>,
        timeout: Duration,
        accept: &'static str,
    ) -> Result<Self, OpenError> {
        let base = origin::base_url(url).ok_or_else(|| OpenError::Url { target: target.clone() })?;
        let authorities = ca_file.map(|path| authorities(target, path)).transpose()?;
        let http = origin::builder(base.scheme() == "http", authorities)
            .pool_idle_timeout(IDLE)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .build()
            .map_err(|source| OpenError::Client { target: target.clone(), source })?;
        Ok(Self { http, base, login: Mutex::new(login), smart: None, accept })
    }

    /// The same with tokens of SMART Backend Services.
    pub(super) fn with_tokens(
        self,
        make: impl FnOnce(Url) -> Result<Smart, super::smart::key::KeyError>,
    ) -> Result<Self, super::smart::key::KeyError> {
        let smart = Some(make(self.base.clone())?);
        Ok(Self { smart, ..self })
    }

    /// A place on the server, below its base. `path` is one of ours, such as `metadata` or a type and an id; an empty one
    /// is the base.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if path.is_empty() {
            return url;
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }

    /// Whether an address lies below the base: same scheme, host and port, and the base's path.
    pub(crate) fn is_below(&self, url: &Url) -> bool {
        let base = self.base.path().trim_end_matches('/');
        let below =
            url.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        url.origin() == self.base.origin() && url.username().is_empty() && url.password().is_none() && below
    }

    /// Reads an address below the base; another one is refused before anything is sent.
    pub(crate) async fn get_url(&self, url: &Url, limit: usize) -> Result<Answer, Trouble> {
        if !self.is_below(url) {
            return Err(Trouble::good(
                TerminalCode::RedirectRefused,
                "the address is not below the base URL",
            ));
        }
        self.exchange(limit, || self.question(url)).await
    }

    /// A question, which no cache answers: HAPI gives the result of the same search again for a minute, and what was
    /// merged, registered or written meanwhile is exactly what is asked for.
    fn question(&self, url: &Url) -> RequestBuilder {
        self.http.get(url.clone()).header(CACHE_CONTROL, "no-cache")
    }

    /// Reads a place with a query; `limit` in bytes of the answer.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Answer, Trouble> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.exchange(limit, || self.question(&url)).await
    }

    /// Sends something to a place.
    pub(super) async fn post(&self, path: &str, post: Post) -> Result<Answer, Trouble> {
        let url = self.url(path);
        let Post { content_type, prefer, body } = post;
        // it may be sent twice, and is not copied for that
        let body = Bytes::from(body);
        let request = || {
            let post = self.http.post(url.clone()).header(CONTENT_TYPE, &content_type);
            let post = match prefer {
                Some(prefer) => post.header("Prefer", prefer),
                None => post,
            };
            post.body(body.clone())
        };
        self.exchange(ANSWER_BYTES, request).await
    }

    /// Sends a request, and once more where there is a newer token: in its file, or from the authorization server.
    async fn exchange(&self, limit: usize, request: impl Fn() -> RequestBuilder) -> Result<Answer, Trouble> {
        if let Some(smart) = &self.smart {
            let token = smart.token(&self.http).await?;
            let answer = self.once(limit, request(), &Login::Bearer(token.clone())).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            let renewed = smart.renewed(&self.http, &token).await?;
            return self.once(limit, request(), &Login::Bearer(renewed)).await;
        }
        let login = self.login();
        let answer = self.once(limit, request(), &login).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let Some(renewed) = login.read_again().filter(|renewed| *renewed != login) else { return Ok(answer) };
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&renewed);
        self.once(limit, request(), &renewed).await
    }

    async fn once(&self, limit: usize, request: RequestBuilder, login: &Login) -> Result<Answer, Trouble> {
        let request = request.header(ACCEPT, self.accept);
        let request = match login {
            Login::None => request,
            Login::Bearer(token) => request.bearer_auth(token.expose()),
            Login::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
        };
        let response = request.send().await.map_err(broken)?;
        let headers = response.headers();
        Ok(Answer {
            status: response.status().as_u16(),
            says_json: header(headers, CONTENT_TYPE.as_str()).is_some_and(|text| text.contains("json")),
            retry_after: header(headers, RETRY_AFTER.as_str())
                .and_then(|text| retry_after::parse(text, SystemTime::now())),
            body: read(response, limit).await?,
        })
    }

    fn login(&self) -> Login {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads at most `limit` bytes.
pub(super) async fn read(response: Response, limit: usize) -> Result<Body, Trouble> {
    let body = origin::read(response, limit).await.map_err(broken)?;
    Ok(body.map_or(Body::TooLong, Body::Whole))
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// An exchange without a whole answer. The library's text names the URL, which is not kept.
pub(super) fn broken(error: reqwest::Error) -> Trouble {
    let code = if error.is_connect() {
        TransientCode::Unreachable
    } else if error.is_timeout() {
        TransientCode::TimedOut
    } else {
        TransientCode::ConnectionCut
    };
    Trouble::Now { code, retry_after: None, source: Some(Box::new(error.without_url())) }
}

fn authorities(target: &Name, path: &Path) -> Result<Vec<Certificate>, OpenError> {
    let (named, place) = (target.clone(), path.to_owned());
    origin::authorities(path).map_err(|source| match source {
        Some(source) => OpenError::Read { target: named, path: place, source },
        None => OpenError::Authority { target: named, path: place },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, OpenError> {
        let timeout = Duration::from_secs(1);
        Client::new(&"ehr".parse().unwrap(), url, Login::None, None, timeout, "application/json")
    }

    #[test]
    fn places_lie_below_the_base_whether_or_not_it_ends_with_a_slash() {
        for base in ["http://127.0.0.1:1/fhir/r4", "http://127.0.0.1:1/fhir/r4/"] {
            let url = client(base).unwrap().url("DiagnosticReport/a-1");
            assert_eq!(url.as_str(), "http://127.0.0.1:1/fhir/r4/DiagnosticReport/a-1");
        }
        assert_eq!(
            client("http://127.0.0.1:1").unwrap().url("metadata").as_str(),
            "http://127.0.0.1:1/metadata"
        );
    }

    #[test]
    fn a_place_never_leaves_the_origin() {
        let url = client("https://fhir.example.org/r4").unwrap().url("//other.example.org/../x?y#z");
        assert_eq!(url.origin().ascii_serialization(), "https://fhir.example.org");
        assert!(url.query().is_none() && url.fragment().is_none());
    }

    #[test]
    fn a_base_with_a_secret_or_of_another_scheme_is_refused_without_repeating_it() {
        for url in
            ["ftp://a/", "file:///etc/passwd", "fhir", "http://u:pw@a/", "http://a/?k=pw", "http://a/#pw"]
        {
            let error = client(url).unwrap_err();
            assert!(matches!(error, OpenError::Url { .. }), "{url}");
            assert!(!error.to_string().contains("pw"), "{url}");
        }
    }

    #[test]
    fn an_authority_that_is_none_is_a_typed_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let open = || {
            let timeout = Duration::from_secs(1);
            let target = "ehr".parse().unwrap();
            Client::new(&target, "https://a/", Login::None, Some(&path), timeout, "application/json")
                .map(drop)
        };
        assert!(matches!(open(), Err(OpenError::Read { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(open(), Err(OpenError::Authority { .. })));
    }
}
