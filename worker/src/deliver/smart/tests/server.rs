//! A FHIR server with an authorization server beside it, at another origin: it verifies every assertion as SMART says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Value, json};

/// What the servers know and what they saw.
#[derive(Default)]
pub(super) struct World {
    pub(super) fhir: String,
    pub(super) authorization: String,
    /// Registered public keys (JWK) by their `kid`.
    pub(super) keys: BTreeMap<String, Value>,
    pub(super) seen: BTreeSet<String>,
    /// Tokens that the FHIR server takes.
    pub(super) valid: BTreeSet<String>,
    /// The FHIR server takes no token at all.
    pub(super) takes_none: bool,
    pub(super) issued: usize,
    pub(super) discovered: usize,
    /// Authorization headers that the FHIR server got.
    pub(super) sent: Vec<String>,
    pub(super) expires_in: f64,
    pub(super) granted: Option<String>,
    /// Altered parts of the configuration document.
    pub(super) configuration: Value,
    /// Status and body instead of a token.
    pub(super) refusal: Option<(u16, &'static str)>,
    /// Assertions that did not hold, and why.
    pub(super) faults: Vec<&'static str>,
}

pub(super) type Both = Arc<Mutex<World>>;

pub(super) async fn start() -> Both {
    let world: Both = Arc::default();
    world.lock().unwrap().expires_in = 300.0;
    let fhir = serve(Router::new().fallback(resource).with_state(Arc::clone(&world))).await;
    let authorization = serve(Router::new().fallback(token).with_state(Arc::clone(&world))).await;
    let mut known = world.lock().unwrap();
    (known.fhir, known.authorization) = (format!("{fhir}/fhir"), authorization);
    drop(known);
    world
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn resource(Shared(world): Shared<Both>, headers: HeaderMap, uri: Uri) -> Response {
    let mut world = world.lock().unwrap();
    if uri.path() == "/fhir/.well-known/smart-configuration" {
        world.discovered += 1;
        let mut found = json!({
            "token_endpoint": format!("{}/token?realm=1", world.authorization),
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        });
        for (key, value) in world.configuration.as_object().into_iter().flatten() {
            found[key] = value.clone();
        }
        return axum::Json(found).into_response();
    }
    let given =
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    world.sent.push(given.clone());
    let known = given.strip_prefix("Bearer ").is_some_and(|token| world.valid.contains(token));
    if !known || world.takes_none {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    axum::Json(json!({ "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1" })).into_response()
}

async fn token(Shared(world): Shared<Both>, headers: HeaderMap, uri: Uri, body: Bytes) -> Response {
    let mut world = world.lock().unwrap();
    if let Some((status, body)) = world.refusal {
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    let audience = format!("{}{uri}", world.authorization);
    let form: BTreeMap<String, String> =
        Url::parse(&format!("form:?{}", std::str::from_utf8(&body).unwrap()))
            .unwrap()
            .query_pairs()
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
    match verify(&mut world, &headers, &audience, &form) {
        Ok(()) => {}
        Err(fault) => {
            world.faults.push(fault);
            return (StatusCode::BAD_REQUEST, r#"{"error":"invalid_client","error_description":"canary"}"#)
                .into_response();
        }
    }
    world.issued += 1;
    let token = format!("token-{}", world.issued);
    world.valid.insert(token.clone());
    let scope = world.granted.clone().unwrap_or_else(|| form["scope"].clone());
    axum::Json(json!({ "access_token": token, "token_type": "bearer", "expires_in": world.expires_in, "scope": scope }))
        .into_response()
}

/// What SMART Backend Services asks an authorization server to check.
fn verify(
    world: &mut World,
    headers: &HeaderMap,
    audience: &str,
    form: &BTreeMap<String, String>,
) -> Result<(), &'static str> {
    let holds = |holds: bool, fault: &'static str| if holds { Ok(()) } else { Err(fault) };
    holds(headers["content-type"] == "application/x-www-form-urlencoded", "content type")?;
    holds(!headers.contains_key("authorization"), "authorization header")?;
    holds(form["grant_type"] == "client_credentials", "grant")?;
    let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    holds(form["client_assertion_type"] == jwt_bearer, "assertion type")?;
    let assertion = &form["client_assertion"];
    let (message, signature) = assertion.rsplit_once('.').ok_or("three parts")?;
    let (header, claims) = message.split_once('.').ok_or("three parts")?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "base64url");
    let header: Value = serde_json::from_slice(&decoded(header)?).map_err(|_| "header")?;
    let claims: Value = serde_json::from_slice(&decoded(claims)?).map_err(|_| "claims")?;
    let key = world.keys.get(header["kid"].as_str().unwrap()).ok_or("kid")?;
    holds(header["typ"] == "JWT" && header["alg"] == key["alg"], "alg")?;
    holds(signed(key, message.as_bytes(), &decoded(signature)?), "signature")?;
    holds(claims["iss"] == "chiasm" && claims["sub"] == "chiasm", "iss and sub")?;
    holds(claims["aud"] == audience, "aud")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ends = claims["exp"].as_u64().ok_or("exp")?;
    holds((now..=now + 300).contains(&ends), "exp")?;
    let jti = claims["jti"].as_str().ok_or("jti")?;
    holds(jti.len() >= 16 && world.seen.insert(jti.to_owned()), "jti used twice")
}

fn signed(key: &Value, message: &[u8], signature: &[u8]) -> bool {
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    if key["kty"] == "RSA" {
        let public = RsaPublicKeyComponents { n: part("n"), e: part("e") };
        return public.verify(&RSA_PKCS1_2048_8192_SHA384, message, signature).is_ok();
    }
    let point = [vec![4], part("x"), part("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
}
