//! Tokens as a FHIR server's client gets, uses and renews them.

mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use self::server::{Both, start};
use super::*;
use crate::config::site::FhirConfig;
use crate::deliver::web::Client;
use crate::deliver::{OpenError, TransientCode, fhir};

/// A new P-384 key in a file.
fn p384(folder: &Path, name: &str) -> PathBuf {
    let random = ring::rand::SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let path = folder.join(name);
    let label = ["-----BEGIN PRIVATE", " KEY-----\n"].concat();
    let end = label.replace("BEGIN", "END");
    std::fs::write(&path, format!("{label}{}\n{end}", STANDARD.encode(der.as_ref()))).unwrap();
    path
}

fn register(world: &Both, path: &Path) {
    let jwk = key::KeyPair::read(path).unwrap().jwk(None);
    world.lock().unwrap().keys.insert(jwk["kid"].as_str().unwrap().to_owned(), jwk);
}

fn config(world: &Both, key_file: PathBuf) -> FhirConfig {
    let smart = SmartConfig {
        client_id: "chiasm".into(),
        key_file,
        key_id: None,
        scopes: vec!["system/Patient.rs".into(), "system/Observation.rs".into()],
        token_url: None,
    };
    let url = world.lock().unwrap().fhir.clone();
    FhirConfig { url, token: None, smart: Some(smart), ca_file: None, timeout: Duration::from_secs(10) }
}

fn client(config: &FhirConfig) -> Client {
    fhir::client(&"ehr".parse().unwrap(), config).unwrap()
}

async fn status(client: &Client) -> Result<u16, Trouble> {
    Ok(client.get("metadata", &[], 10_000).await?.status)
}

async fn refused(client: &Client) -> (TransientCode, String) {
    match status(client).await {
        Err(Trouble::Now { code, source, .. }) => {
            (code, source.map(|source| source.to_string()).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_got_once_and_used_until_shortly_before_it_ends() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    register(&world, &path);
    let client = client(&config(&world, path));
    for _ in 0..3 {
        assert_eq!(status(&client).await.unwrap(), 200);
    }
    {
        let world = world.lock().unwrap();
        assert_eq!((world.issued, world.discovered), (1, 1), "{:?}", world.faults);
        assert_eq!(world.sent, ["Bearer token-1"; 3]);
    }
    let both = tokio::join!(status(&client), status(&client));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (200, 200));
    assert!(!format!("{client:?}").contains("token-1"), "a token is not printed");
    // one that has ended already is never used twice
    world.lock().unwrap().expires_in = 0.0;
    world.lock().unwrap().valid.clear();
    for issued in 2..5 {
        assert_eq!(status(&client).await.unwrap(), 200);
        assert_eq!(world.lock().unwrap().issued, issued);
    }
    assert_eq!(world.lock().unwrap().seen.len(), 4, "each assertion has a `jti` of its own");
}

#[tokio::test]
async fn an_rsa_key_signs_too() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = folder.path().join("rsa.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
        .arg(&path)
        .stderr(Stdio::null())
        .status();
    let Ok(made) = made else { return eprintln!("skipped: the program `openssl` is not installed") };
    assert!(made.success());
    register(&world, &path);
    let client = client(&config(&world, path));
    assert_eq!(status(&client).await.unwrap(), 200, "{:?}", world.lock().unwrap().faults);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    register(&world, &path);
    let client = client(&config(&world, path));
    assert_eq!(status(&client).await.unwrap(), 200);
    world.lock().unwrap().valid.clear();
    assert_eq!(status(&client).await.unwrap(), 200);
    assert_eq!(world.lock().unwrap().issued, 2);
    world.lock().unwrap().takes_none = true;
    world.lock().unwrap().sent.clear();
    assert_eq!(status(&client).await.unwrap(), 401);
    let known = world.lock().unwrap();
    assert_eq!(known.sent, ["Bearer token-2", "Bearer token-3"], "twice, not for ever");
}

#[tokio::test]
async fn a_key_that_was_renewed_in_its_place_signs_the_next_assertion() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    register(&world, &path);
    let client = client(&config(&world, path.clone()));
    assert_eq!(status(&client).await.unwrap(), 200);
    let first = world.lock().unwrap().keys.clone();
    p384(folder.path(), "key.pem");
    register(&world, &path);
    {
        let mut known = world.lock().unwrap();
        known.keys.retain(|kid, _| !first.contains_key(kid));
        known.valid.clear();
    }
    assert_eq!(status(&client).await.unwrap(), 200);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_its_code_and_nothing_is_sent_elsewhere() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    register(&world, &path);
    let plain = config(&world, path.clone());
    let endpoint = format!("{}/token", world.lock().unwrap().authorization);
    let unusable = TransientCode::SmartConfigurationUnusable;
    for (altered, said) in [
        (json!({ "token_endpoint": "ftp://auth.example.org/token" }), "no `https://` address"),
        (json!({ "token_endpoint": format!("{}#x", endpoint) }), "no `https://` address"),
        (json!({ "token_endpoint": endpoint.replace("http://", "http://u:p@") }), "no `https://` address"),
        (json!({ "token_endpoint": 7 }), "no JSON"),
        (json!({ "grant_types_supported": ["authorization_code"] }), "client_credentials"),
        (json!({ "token_endpoint_auth_methods_supported": ["client_secret_basic"] }), "private_key_jwt"),
        (json!({ "token_endpoint_auth_signing_alg_values_supported": ["RS384"] }), "ES384"),
    ] {
        world.lock().unwrap().configuration = altered.clone();
        let (code, text) = refused(&client(&plain)).await;
        assert!(code == unusable && text.contains(said), "{altered}: {code} {text}");
    }
    world.lock().unwrap().configuration = json!({});
    let mut pinned = plain.clone();
    pinned.smart.as_mut().unwrap().token_url = Some(endpoint.clone());
    let (code, text) = refused(&client(&pinned)).await;
    assert!(code == unusable && text.contains("another token endpoint"), "{text}");
    pinned.smart.as_mut().unwrap().token_url = Some(format!("{endpoint}?realm=1"));
    assert_eq!(status(&client(&pinned)).await.unwrap(), 200);
    let known = world.lock().unwrap();
    assert_eq!((known.issued, known.sent.len()), (1, 1), "without a token the FHIR server is not asked");
}

#[tokio::test]
async fn a_refusal_of_the_authorization_server_says_its_code_and_not_its_words() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    let unknown = client(&config(&world, path.clone()));
    let (code, text) = refused(&unknown).await;
    assert_eq!(code, TransientCode::SmartTokenRefused);
    assert!(text.contains("400 (invalid_client)") && !text.contains("canary"), "{text}");
    assert!(code.next_step().contains("chiasm config jwks"));
    register(&world, &path);
    for (refusal, expected) in [
        ((302, ""), TransientCode::SmartTokenRefused),
        ((200, "{}"), TransientCode::SmartTokenRefused),
        ((200, r#"{"access_token":"a b","token_type":"bearer"}"#), TransientCode::SmartTokenRefused),
        ((200, r#"{"access_token":"a","token_type":"mac"}"#), TransientCode::SmartTokenRefused),
        ((503, ""), TransientCode::ServerBusy),
        ((500, ""), TransientCode::ServerFailed),
    ] {
        world.lock().unwrap().refusal = Some(refusal);
        assert_eq!(refused(&unknown).await.0, expected, "{refusal:?}");
    }
    world.lock().unwrap().refusal = None;
    world.lock().unwrap().granted = Some("system/Patient.rs".into());
    assert_eq!(status(&unknown).await.unwrap(), 200, "less was granted: the FHIR server decides");
}

#[tokio::test]
async fn an_assertion_of_somebody_else_or_for_elsewhere_does_not_pass_this_server() {
    let (folder, world) = (tempfile::tempdir().unwrap(), start().await);
    let path = p384(folder.path(), "key.pem");
    register(&world, &path);
    let pair = key::KeyPair::read(&path).unwrap();
    let endpoint = format!("{}/token", world.lock().unwrap().authorization);
    let now = SystemTime::now();
    let hour = Duration::from_hours(1);
    let ask = async |client_id: &str, audience: &str, when: SystemTime| {
        let assertion = assertion::sign(&pair, None, client_id, audience, when).unwrap();
        let form = assertion::form(&["system/Patient.rs".into()], &assertion);
        let send = async || {
            let post = reqwest::Client::new().post(&endpoint).body(form.clone());
            post.header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        (send().await, send().await)
    };
    assert_eq!(ask("chiasm", &endpoint, now).await, (200, 400), "an assertion is taken once");
    assert_eq!(ask("chiasm", "https://elsewhere.example.org/token", now).await.0, 400);
    assert_eq!(ask("other", &endpoint, now).await.0, 400);
    assert_eq!(ask("chiasm", &endpoint, now - hour).await.0, 400);
    assert_eq!(ask("chiasm", &endpoint, now + hour).await.0, 400);
    let faults = world.lock().unwrap().faults.clone();
    for fault in ["jti used twice", "aud", "iss and sub", "exp"] {
        assert!(faults.contains(&fault), "{faults:?}");
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused_when_the_client_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = |key_file: PathBuf| FhirConfig {
        url: "https://fhir.example.org".into(),
        token: None,
        smart: Some(SmartConfig {
            client_id: "chiasm".into(),
            key_file,
            key_id: None,
            scopes: vec!["system/*.rs".into()],
            token_url: None,
        }),
        ca_file: None,
        timeout: Duration::from_secs(1),
    };
    let path = folder.path().join("key.pem");
    let open = || fhir::client(&"ehr".parse().unwrap(), &config(path.clone()));
    assert!(matches!(open(), Err(OpenError::SigningKey { .. })), "no file");
    std::fs::write(&path, "no key").unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("openssl genpkey"), "{error}");
    p384(folder.path(), "key.pem");
    assert!(open().is_ok());
}

/// RFC 7638, section 3.1: the thumbprint is of the required members alone, in order.
#[test]
fn a_public_key_is_shown_without_its_private_part() {
    let folder = tempfile::tempdir().unwrap();
    let pair = key::KeyPair::read(&p384(folder.path(), "key.pem")).unwrap();
    let jwk = pair.jwk(Some("2026-1"));
    let names: BTreeSet<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["alg", "crv", "key_ops", "kid", "kty", "use", "x", "y"]));
    assert_eq!((&jwk["kid"], &jwk["alg"]), (&json!("2026-1"), &json!("ES384")));
    let text = format!(r#"{{"crv":"P-384","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    assert_eq!(pair.thumbprint(), URL_SAFE_NO_PAD.encode(digest));
    assert_eq!(URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap().len(), 48);
}
