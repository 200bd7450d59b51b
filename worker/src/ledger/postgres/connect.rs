//! How the database is reached: whom to trust, and which settings every connection has.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::time::timeout;

use crate::config::site::PostgresConfig;
use crate::ledger::LedgerError;

/// How long a free connection, or a new one, is waited for.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Settings of every connection. Commits wait for the disk, whatever the server's default is; nothing waits for ever, and
/// a worker that is stopped in the middle of a transaction keeps nobody else out for long. Every statement has an index
/// made for it: the planner is told so, because a queue that fills within a minute is one that it has no statistics of.
const SETTINGS: [(&str, &str); 13] = [
    ("synchronous_commit", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("idle_session_timeout", "0"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
];

/// What the configuration means for a connection. To another machine TLS is required and the server is verified, unless
/// plaintext is allowed; with `ca_file` always.
pub(super) fn options(config: &PostgresConfig) -> Result<PgConnectOptions, LedgerError> {
    let known = ["postgres://", "postgresql://"].iter().any(|scheme| config.url.starts_with(scheme));
    let parsed = PgConnectOptions::from_str(&config.url).ok().filter(|_| known);
    // The URL is not repeated: it may hold a password where none belongs.
    let mut options = parsed.ok_or_else(|| LedgerError::Unusable {
        reason: "`ledger.url` is no PostgreSQL URL; an example is `postgres://chiasm@db.example.org/chiasm`"
            .into(),
    })?;
    options = options.application_name("chiasm").options(SETTINGS);
    // No log of ours holds each statement, as libraries are held at INFO; those that are slow are warned of.
    if let Ok(never) = "off".parse() {
        options = options.log_statements(never);
    }
    if let Some(password) = &config.password {
        options = options.password(password.expose());
    }
    if let Some(ca_file) = &config.ca_file {
        return Ok(options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca_file));
    }
    let plaintext = config.allow_plaintext || is_this_machine(&options);
    Ok(options.ssl_mode(if plaintext { PgSslMode::Prefer } else { PgSslMode::VerifyFull }))
}

/// A connection, or an error in time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(CONNECT_WITHIN, options.connect()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn is_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str, ca_file: Option<&str>, allow_plaintext: bool) -> PgSslMode {
        let config = PostgresConfig {
            url: url.into(),
            password: None,
            ca_file: ca_file.map(Into::into),
            allow_plaintext,
            connections: 1,
        };
        options(&config).unwrap().get_ssl_mode()
    }

    #[test]
    fn another_machine_is_verified_and_this_one_need_not_be() {
        for url in [
            "postgres://c@db.example.org/c",
            "postgres://c@10.0.0.1/c?sslmode=disable",
            "postgres://c@[2001:db8::1]/c",
        ] {
            assert!(matches!(mode(url, None, false), PgSslMode::VerifyFull), "{url}");
            assert!(matches!(mode(url, None, true), PgSslMode::Prefer), "{url}");
            assert!(matches!(mode(url, Some("ca.pem"), true), PgSslMode::VerifyFull), "{url}");
        }
        for url in [
            "postgres://c@127.0.0.1:5433/c",
            "postgres://c@localhost/c",
            "postgres://c@[::1]/c",
            "postgres:///c?host=/run/postgresql",
        ] {
            assert!(matches!(mode(url, None, false), PgSslMode::Prefer), "{url}");
        }
        // What the URL calls its host last is where the connection goes.
        let renamed = "postgres://c@localhost/c?host=db.example.org";
        assert!(matches!(mode(renamed, None, false), PgSslMode::VerifyFull));
    }

    #[test]
    fn what_is_no_url_is_said_without_repeating_it() {
        let config = PostgresConfig {
            url: "db:secret".into(),
            password: None,
            ca_file: None,
            allow_plaintext: false,
            connections: 1,
        };
        let error = options(&config).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
