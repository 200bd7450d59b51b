//! Broker, database, Orthanc, and what is served over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::environment::Environment;
use super::super::problem::Findings;
use super::super::raw::{LedgerKind, QueueKind, RawHttp, RawLedger, RawOrthanc, RawQueue};
use super::super::secret;
use super::super::site::{
    HttpConfig, LedgerConfig, OrthancConfig, Places, PostgresConfig, QueueConfig, RabbitMqConfig, TlsConfig,
};
use super::address;

pub(super) fn queue(raw: &RawQueue, environment: &Environment, findings: &mut Findings) -> QueueConfig {
    if raw.kind == QueueKind::Embedded {
        if raw.url.is_some() || raw.password.is_some() {
            findings.warn("queue.kind", "is `embedded`: the keys of a broker have no effect");
        }
        return QueueConfig::Embedded;
    }
    let tls = tls(raw, findings);
    let password = secret::read("queue.password", raw.password.as_ref(), environment, findings);
    let Ok(prefix) = raw.prefix.parse() else {
        findings.wrong("queue.prefix", "must be 1 to 64 letters, digits, `_` or `-`");
        return QueueConfig::Embedded;
    };
    let Some(text) = &raw.url else {
        findings.wrong("queue.url", "is missing; give the broker's `amqps://` URL");
        return QueueConfig::Embedded;
    };
    let Some(url) = address::amqp("queue.url", text, raw.allow_plaintext, findings) else {
        return QueueConfig::Embedded;
    };
    let is_plain = url.scheme() == "amqp";
    if is_plain && (tls.ca_file.is_some() || tls.client_key_file.is_some()) {
        findings.warn("queue.url", "is `amqp://`: certificate files have no effect");
    }
    if password.is_some() && url.username().is_empty() {
        findings.wrong("queue.url", "names no user, but there is a password; write `amqps://user@host`");
    }
    QueueConfig::RabbitMq(RabbitMqConfig { url: text.clone(), password, tls, prefix })
}

fn tls(raw: &RawQueue, findings: &mut Findings) -> TlsConfig {
    address::file("queue.ca_file", raw.ca_file.as_deref(), findings);
    address::file("queue.client_certificate_file", raw.client_certificate_file.as_deref(), findings);
    address::file("queue.client_key_file", raw.client_key_file.as_deref(), findings);
    if let Some(key) = &raw.client_key_file {
        secret::warn_of_permissions("queue.client_key_file", key, findings);
    }
    if raw.client_certificate_file.is_some() != raw.client_key_file.is_some() {
        findings.wrong(
            "queue.client_key_file",
            "certificate and key go together; give `client_certificate_file` and `client_key_file`, or neither",
        );
    }
    TlsConfig {
        ca_file: raw.ca_file.clone(),
        client_certificate_file: raw.client_certificate_file.clone(),
        client_key_file: raw.client_key_file.clone(),
    }
}

pub(super) fn ledger(raw: &RawLedger, environment: &Environment, findings: &mut Findings) -> LedgerConfig {
    let connections = findings.within("ledger.connections", raw.connections, 1, 1000);
    if raw.kind == LedgerKind::Sqlite {
        if raw.url.is_some() || raw.password.is_some() {
            findings.warn("ledger.kind", "is `sqlite`: the keys of a database server have no effect");
        }
        return LedgerConfig::Sqlite;
    }
    let password = secret::read("ledger.password", raw.password.as_ref(), environment, findings);
    address::file("ledger.ca_file", raw.ca_file.as_deref(), findings);
    let Some(url) = &raw.url else {
        findings.wrong("ledger.url", "is missing; give the database's `postgres://` URL");
        return LedgerConfig::Sqlite;
    };
    let verified = raw.ca_file.is_some();
    if address::postgres("ledger.url", url, verified, raw.allow_plaintext, findings).is_none() {
        return LedgerConfig::Sqlite;
    }
    LedgerConfig::Postgres(PostgresConfig {
        url: url.clone(),
        password,
        ca_file: raw.ca_file.clone(),
        allow_plaintext: raw.allow_plaintext,
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
    })
}

pub(super) fn http(raw: &RawHttp, environment: &Environment, findings: &mut Findings) -> HttpConfig {
    let listen = raw.listen.as_deref().and_then(|text| text.parse::<SocketAddr>().ok());
    if raw.listen.is_some() && listen.is_none() {
        findings.wrong("http.listen", "is no address and port; an example is `127.0.0.1:9464`");
    }
    let intake_token = secret::read("http.intake_token", raw.intake_token.as_ref(), environment, findings);
    if let Some(token) = &intake_token {
        if token.expose().len() < 16 {
            findings
                .wrong("http.intake_token", "is shorter than 16 bytes; make one with `openssl rand -hex 32`");
        }
        match listen {
            None if raw.listen.is_none() => {
                findings.warn("http.intake_token", "has no effect without `http.listen`");
            }
            Some(address) if !address.ip().is_loopback() => findings.warn(
                "http.listen",
                "the intake token crosses the network unencrypted; put a proxy with TLS in front",
            ),
            _ => {}
        }
    }
    HttpConfig { listen, intake_token }
}

pub(super) fn orthanc(
    raw: &RawOrthanc,
    places: &Places,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<OrthancConfig> {
    let poll = findings.within("orthanc.poll_s", raw.poll_s, 1, 3600);
    let Some(url) = &raw.url else {
        if raw.user.is_some() || raw.password.is_some() || raw.source.is_some() {
            findings.warn("orthanc.url", "is missing: the other keys of [orthanc] have no effect");
        }
        return None;
    };
    let password = secret::read("orthanc.password", raw.password.as_ref(), environment, findings);
    address::file("orthanc.ca_file", raw.ca_file.as_deref(), findings);
    if raw.user.is_some() != raw.password.is_some() {
        findings.wrong("orthanc.user", "user and password go together; give both or neither");
    }
    let source = match &raw.source {
        None => {
            findings.wrong("orthanc.source", "is missing; name the source that holds Orthanc's studies");
            None
        }
        Some(name) => {
            let known = places.sources.keys().find(|known| known.as_str() == name).cloned();
            if known.is_none() {
                findings.wrong(
                    "orthanc.source",
                    format!("names `{name}`, but there is no valid [sources.{name}]"),
                );
            }
            known
        }
    };
    let url = address::http("orthanc.url", url, raw.allow_plaintext, findings)?;
    Some(OrthancConfig {
        url,
        login: raw.user.clone().zip(password),
        ca_file: raw.ca_file.clone(),
        source: source?,
        poll: Duration::from_secs(poll),
        begin: raw.begin,
    })
}
