//! The client's assertion: a JWT that is signed anew for every token (RFC 7523, SMART `private_key_jwt`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::key::{KeyError, KeyPair};

/// How long an assertion holds; SMART allows five minutes, and clocks differ.
const LIFE: Duration = Duration::from_mins(4);

/// The assertion for the token endpoint `audience`, made at `now`.
pub(super) fn sign(
    key: &KeyPair,
    key_id: Option<&str>,
    client_id: &str,
    audience: &str,
    now: SystemTime,
) -> Result<String, KeyError> {
    let mut random = [0_u8; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| KeyError::Sign)?;
    let key_id = key_id.map_or_else(|| key.thumbprint(), str::to_owned);
    let header = json!({ "alg": key.algorithm(), "kid": key_id, "typ": "JWT" });
    let ends = now.duration_since(UNIX_EPOCH).unwrap_or_default() + LIFE;
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "exp": ends.as_secs(),
        "jti": URL_SAFE_NO_PAD.encode(random),
    });
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The form that asks for a token.
pub(super) fn form(scopes: &[String], assertion: &str) -> String {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("scope", &scopes.join(" ")),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    // the URL type is the encoder of forms that is there
    let Ok(mut url) = Url::parse("form:") else { return String::new() };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}
