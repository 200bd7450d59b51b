//! The SDK's requests over the one HTTP client of this program: same TLS, no redirect, no proxy. The SDK's own client would
//! bring a second TLS or HTTP/2.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::source::web::{self, OpenError, WebOptions};

#[derive(Debug, Clone)]
struct Web(reqwest::Client);

/// The client with these options.
pub(super) fn client(options: &WebOptions, is_plain: bool) -> Result<SharedHttpClient, OpenError> {
    Ok(SharedHttpClient::new(Web(web::client(options, is_plain)?)))
}

impl HttpClient for Web {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Web {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(exchange(http, request))
    }
}

async fn exchange(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let user = |error: &'static str| ConnectorError::user(error.into());
    // All bodies that are sent from here are in memory.
    let body =
        request.body().bytes().map(<[u8]>::to_vec).ok_or_else(|| user("a streamed body is not sent"))?;
    let request = request.map(|_| reqwest::Body::from(body.clone()));
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = reqwest::Request::try_from(request)
        .map_err(|error| ConnectorError::user(error.without_url().into()))?;
    let answer = http.execute(request).await.map_err(|error| {
        let is_timeout = error.is_timeout();
        let cause = error.without_url().into();
        if is_timeout { ConnectorError::timeout(cause) } else { ConnectorError::io(cause) }
    })?;
    let status =
        StatusCode::try_from(answer.status().as_u16()).map_err(|error| ConnectorError::user(error.into()))?;
    let headers = answer.headers().clone();
    let mut response = HttpResponse::new(status, SdkBody::from_body_1_x(reqwest::Body::from(answer)));
    for (name, value) in &headers {
        // A value that is no text is of no header that S3 knows.
        if let Ok(value) = value.to_str() {
            response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}
