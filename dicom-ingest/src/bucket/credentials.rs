//! Who we are to an S3 server: the site's own access key, or what the usual chain finds.

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::OnceCell;

use super::AccessKey;

/// The site's access key, with the secret as it is now.
#[derive(Debug)]
struct Stated(AccessKey);

/// The usual chain, looked through when it is first asked.
#[derive(Debug)]
struct Usual {
    region: String,
    http: SharedHttpClient,
    chain: OnceCell<DefaultCredentialsChain>,
}

pub(super) fn provider(
    key: Option<&AccessKey>,
    region: &str,
    http: SharedHttpClient,
) -> SharedCredentialsProvider {
    match key {
        Some(key) => SharedCredentialsProvider::new(Stated(key.clone())),
        None => {
            SharedCredentialsProvider::new(Usual { region: region.to_owned(), http, chain: OnceCell::new() })
        }
    }
}

impl ProvideCredentials for Stated {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let AccessKey { id, secret } = &self.0;
        future::ProvideCredentials::ready(Ok(Credentials::new(id, secret.expose(), None, None, "site")))
    }
}

impl ProvideCredentials for Usual {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.look())
    }
}

impl Usual {
    async fn look(&self) -> provider::Result {
        let chain = self.chain.get_or_init(|| async {
            let region = Some(Region::new(self.region.clone()));
            let config =
                ProviderConfig::without_region().with_region(region).with_http_client(self.http.clone());
            DefaultCredentialsChain::builder().configure(config).build().await
        });
        chain.await.provide_credentials().await
    }
}
