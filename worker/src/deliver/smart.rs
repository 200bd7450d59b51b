//! SMART Backend Services: an access token for a FHIR server, by a signed assertion of who we are.
//!
//! <https://hl7.org/fhir/smart-app-launch/backend-services.html>. The server's `.well-known/smart-configuration` names its
//! token endpoint; there a JWT (RFC 7523, RS384 or ES384, a `jti` of its own, four minutes long) is exchanged for a token. The
//! token lies in memory, is used until shortly before it ends, and is sent to the FHIR server's own base URL alone, which
//! [`super::web`] sees to. What is sent to the token endpoint is of use there only: its `aud` is that very address. No
//! redirect is followed.

mod answer;
mod assertion;
pub(crate) mod key;

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, Url};
use tokio::sync::Mutex;

use super::trouble::Trouble;
use super::web::{self, Body};
use super::{TransientCode, retry_after};
use crate::config::secret::Secret;
use crate::config::site::SmartConfig;
use answer::Granted;
pub(crate) use answer::SmartError;

/// Most bytes of an answer of the authorization server.
const ANSWER_BYTES: usize = 256 * 1024;

/// The longest time before its end at which a token is renewed; a shorter token is renewed in its last quarter.
const MARGIN: Duration = Duration::from_secs(30);

/// Gets tokens for one FHIR server.
pub(crate) struct Smart {
    /// The FHIR server's base URL.
    base: Url,
    config: SmartConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    endpoint: Option<Endpoint>,
    token: Option<Token>,
}

struct Token {
    secret: Secret,
    until: Instant,
}

/// Where tokens are given.
#[derive(Clone)]
struct Endpoint {
    url: Url,
    /// The address as it is written, which is the assertion's `aud`.
    audience: String,
}

impl std::fmt::Debug for Smart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smart").field("client_id", &self.config.client_id).finish_non_exhaustive()
    }
}

impl Smart {
    /// Checks the key; nothing is reached yet.
    pub(crate) fn new(base: Url, config: SmartConfig) -> Result<Self, key::KeyError> {
        key::KeyPair::read(&config.key_file)?;
        Ok(Self { base, config, state: Mutex::default() })
    }

    /// The token to use now: the one there is, or a new one. Whoever asks meanwhile waits for the same.
    pub(crate) async fn token(&self, http: &reqwest::Client) -> Result<Secret, Trouble> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(token) if Instant::now() < token.until => Ok(token.secret.clone()),
            _ => self.request(http, &mut state).await,
        }
    }

    /// A token instead of one that the FHIR server refused (401): the one that somebody else has got meanwhile, or a new one.
    pub(crate) async fn renewed(&self, http: &reqwest::Client, refused: &Secret) -> Result<Secret, Trouble> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(token) if token.secret != *refused && Instant::now() < token.until => {
                Ok(token.secret.clone())
            }
            _ => {
                state.endpoint = None; // it may have moved
                self.request(http, &mut state).await
            }
        }
    }

    async fn request(&self, http: &reqwest::Client, state: &mut State) -> Result<Secret, Trouble> {
        state.token = None;
        let endpoint = match &state.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discover(http).await?,
        };
        // read again each time, so that a key that was renewed in its place is used
        let key = key::KeyPair::read(&self.config.key_file)
            .map_err(|error| SmartError::from(error).at(TransientCode::SmartKeyUnusable))?;
        let assertion = assertion::sign(
            &key,
            self.config.key_id.as_deref(),
            &self.config.client_id,
            &endpoint.audience,
            SystemTime::now(),
        )
        .map_err(|error| SmartError::from(error).at(TransientCode::SmartKeyUnusable))?;
        let asked = Instant::now();
        let body = assertion::form(&self.config.scopes, &assertion);
        let request = http
            .post(endpoint.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let (status, body) = send(request).await?;
        let Granted { token, lasts, missing } = answer::granted(status, &body, &self.config.scopes)
            .map_err(|error| error.at(TransientCode::SmartTokenRefused))?;
        if !missing.is_empty() {
            tracing::warn!(
                scopes = missing.join(" "),
                "the authorization server granted less than was asked for"
            );
        }
        let until = asked + lasts.saturating_sub(MARGIN.min(lasts / 4));
        state.endpoint = Some(endpoint);
        state.token = Some(Token { secret: token.clone(), until });
        Ok(token)
    }

    /// Where the FHIR server says that tokens are given. A configured `token_url` must be that one.
    async fn discover(&self, http: &reqwest::Client) -> Result<Endpoint, Trouble> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([".well-known", "smart-configuration"]);
        }
        let (status, body) = send(http.get(url).header(ACCEPT, "application/json")).await?;
        let unusable = |error: SmartError| error.at(TransientCode::SmartConfigurationUnusable);
        let algorithm = key::KeyPair::read(&self.config.key_file)
            .map_err(|error| SmartError::from(error).at(TransientCode::SmartKeyUnusable))?
            .algorithm();
        let audience = answer::token_endpoint(status, &body, algorithm).map_err(unusable)?;
        if self.config.token_url.as_ref().is_some_and(|pinned| *pinned != audience) {
            return Err(unusable(SmartError::OtherEndpoint));
        }
        let url = self.endpoint(&audience).ok_or_else(|| unusable(SmartError::Endpoint))?;
        Ok(Endpoint { url, audience })
    }

    /// A usable address: HTTPS, or plain HTTP where the site allowed that for the FHIR server itself.
    fn endpoint(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let encrypted = url.scheme() == "https" || (url.scheme() == "http" && self.base.scheme() == "http");
        let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        (encrypted && bare && url.has_host()).then_some(url)
    }
}

/// Status and body of an answer. A server that is busy or failing is asked again later.
async fn send(request: RequestBuilder) -> Result<(u16, Vec<u8>), Trouble> {
    let response = request.send().await.map_err(web::broken)?;
    let status = response.status().as_u16();
    let wait = web::header(response.headers(), "retry-after").map(str::to_owned);
    let code = match status {
        408 | 425 | 429 | 503 => Some(TransientCode::ServerBusy),
        500.. => Some(TransientCode::ServerFailed),
        _ => None,
    };
    if let Some(code) = code {
        let retry_after = wait.and_then(|text| retry_after::parse(&text, SystemTime::now()));
        return Err(Trouble::Now { code, retry_after, source: None });
    }
    match web::read(response, ANSWER_BYTES).await? {
        Body::Whole(body) => Ok((status, body)),
        Body::TooLong => Err(Trouble::now(TransientCode::AnswerTooLong)),
    }
}

#[cfg(test)]
mod tests;
