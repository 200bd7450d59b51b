//! What a FHIR server says of its authorization, and what the authorization server answers.

use std::time::Duration;

use serde::Deserialize;

use super::key::KeyError;
use crate::config::secret::Secret;
use crate::deliver::TransientCode;
use crate::deliver::trouble::Trouble;

/// How long a token is used of which it is not said how long it holds.
const UNSAID: Duration = Duration::from_mins(1);

/// The longest time a token is used, whatever is said of it.
const LONGEST: Duration = Duration::from_hours(24);

/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Why there is no token. A server's own words are never kept, only its codes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SmartError {
    /// There is no such document.
    #[error("`.well-known/smart-configuration` below the FHIR server's base URL answers {status}")]
    NotFound {
        /// HTTP status.
        status: u16,
    },
    /// It is another kind of document.
    #[error("`.well-known/smart-configuration` is no JSON with a `token_endpoint`")]
    NotUnderstood,
    /// The server cannot be used this way.
    #[error("the FHIR server does not offer {what}")]
    NotOffered {
        /// What is missing.
        what: &'static str,
    },
    /// The token endpoint is no address, or a plain one.
    #[error("the token endpoint is no `https://` address without user and fragment")]
    Endpoint,
    /// The FHIR server names another token endpoint than the site.
    #[error("the FHIR server names another token endpoint than `token_url`")]
    OtherEndpoint,
    /// The authorization server refuses.
    #[error("the authorization server answers {status} ({code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// OAuth's code of the error (RFC 6749, 5.2).
        code: &'static str,
    },
    /// The answer holds no token that could be used.
    #[error("the authorization server's answer holds no bearer token")]
    NoToken,
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl SmartError {
    /// As a trouble with its next step.
    pub(super) fn at(self, code: TransientCode) -> Trouble {
        Trouble::Now { code, retry_after: None, source: Some(Box::new(self)) }
    }
}

#[derive(Deserialize)]
struct Configuration {
    token_endpoint: String,
    grant_types_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
}

/// The token endpoint as it is written. What the document does not list is not held against it.
pub(super) fn token_endpoint(
    status: u16,
    body: &[u8],
    algorithm: &'static str,
) -> Result<String, SmartError> {
    if status != 200 {
        return Err(SmartError::NotFound { status });
    }
    let found: Configuration = serde_json::from_slice(body).map_err(|_| SmartError::NotUnderstood)?;
    for (list, wanted) in [
        (&found.grant_types_supported, "client_credentials"),
        (&found.token_endpoint_auth_methods_supported, "private_key_jwt"),
        (&found.token_endpoint_auth_signing_alg_values_supported, algorithm),
    ] {
        if list.as_ref().is_some_and(|list| !list.iter().any(|one| one == wanted)) {
            return Err(SmartError::NotOffered { what: wanted });
        }
    }
    Ok(found.token_endpoint)
}

/// A token that was given.
pub(super) struct Granted {
    pub(super) token: Secret,
    pub(super) lasts: Duration,
    /// Scopes that were asked for and not granted.
    pub(super) missing: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: Option<f64>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The token of an answer.
pub(super) fn granted(status: u16, body: &[u8], scopes: &[String]) -> Result<Granted, SmartError> {
    if status != 200 {
        let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.error).unwrap_or_default();
        let known = OAUTH_ERRORS.iter().find(|known| **known == said);
        return Err(SmartError::Refused { status, code: known.copied().unwrap_or("no OAuth error") });
    }
    let found: TokenAnswer = serde_json::from_slice(body).map_err(|_| SmartError::NoToken)?;
    let token = found.access_token;
    let sendable =
        (1..=MAX_TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !sendable || !found.token_type.eq_ignore_ascii_case("bearer") {
        return Err(SmartError::NoToken);
    }
    let seconds = found.expires_in.filter(|seconds| seconds.is_finite());
    let lasts =
        seconds.map_or(UNSAID, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())));
    let given = found.scope.map(|scope| scope.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let missing = match given {
        // nothing said is everything granted (RFC 6749, 5.1)
        None => Vec::new(),
        Some(given) => scopes.iter().filter(|scope| !covers(&given, scope)).cloned().collect(),
    };
    Ok(Granted { token: Secret::new(token), lasts, missing })
}

/// Codes of errors (RFC 6749, 5.2).
const OAUTH_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// Whether what was given holds a scope, be it by name or by `*` for all types.
fn covers(given: &[String], scope: &str) -> bool {
    let all = scope.split_once('.').map(|(_, may)| format!("system/*.{may}"));
    given.iter().any(|one| {
        one == scope || Some(one) == all.as_ref() || one == "system/*.*" || one == "system/*.cruds"
    })
}
