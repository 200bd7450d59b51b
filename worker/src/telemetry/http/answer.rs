//! The answers.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{IntakeError, Served};
use crate::message;

/// A probe that takes longer is as good as a failed one.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// A body that takes longer to arrive is given up.
const BODY_WITHIN: Duration = Duration::from_secs(10);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router(served: Served) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/intake/orthanc", post(intake))
        .with_state(served)
}

async fn live(State(served): State<Served>) -> (StatusCode, &'static str) {
    if served.probe.is_live() {
        (StatusCode::OK, "live\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the main loop does not go round\n")
    }
}

async fn ready(State(served): State<Served>) -> Response {
    let reasons = tokio::time::timeout(PROBE_WITHIN, served.probe.not_ready())
        .await
        .unwrap_or_else(|_| vec!["probe: it does not answer".to_owned()]);
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": reasons.is_empty(), "reasons": reasons}))).into_response()
}

async fn metrics(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], served.metrics.encode()).into_response()
}

async fn intake(State(served): State<Served>, request: Request) -> Response {
    let Some(intake) = &served.intake else { return StatusCode::NOT_FOUND.into_response() };
    if !has_token(request.headers(), intake.token().expose()) {
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    let body = match body(request.into_body()).await {
        Ok(body) => body,
        Err(status) => return status.into_response(),
    };
    match intake.take(&body).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(IntakeError::Refused(refusal)) => {
            tracing::warn!(code = refusal.code, "a posted request was refused");
            (StatusCode::BAD_REQUEST, Json(json!({"code": refusal.code, "reason": refusal.reason})))
                .into_response()
        }
        Err(error @ IntakeError::Unavailable(_)) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(cause, "a posted request was not taken");
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("10"))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, error.to_string()).into_response()
        }
    }
}

async fn body(body: Body) -> Result<Vec<u8>, StatusCode> {
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, message::MAX_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Compares digests: how long that takes says nothing about the token.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let (scheme, given) = given.split_at(given.len().min("Bearer ".len()));
    scheme.eq_ignore_ascii_case(b"Bearer ") && Sha256::digest(given) == Sha256::digest(token)
}
