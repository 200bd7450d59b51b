//! Addresses of servers: no password in them, and no plaintext to another machine unless the site allows it.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;

use reqwest::Url;

use super::super::problem::Findings;

/// A valid HTTP address without a password, query or fragment.
pub(super) fn http(key: &str, text: &str, allow_plaintext: bool, findings: &mut Findings) -> Option<String> {
    let url = parse(key, text, &["https", "http"], findings)?;
    if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
        findings.wrong(key, "has a user, a query or a fragment; give scheme, host, port and path alone");
        return None;
    }
    let is_plain = url.scheme() == "http";
    refuse_plaintext(key, &url, is_plain, allow_plaintext, "use `https://`", findings);
    Some(text.trim_end_matches('/').to_owned())
}

/// A valid `host:port` of a DICOM application entity. DICOM itself is never encrypted here.
pub(super) fn dicom(key: &str, text: &str, allow_plaintext: bool, findings: &mut Findings) -> Option<String> {
    let url = Url::parse(&format!("dicom://{text}")).ok();
    let is_bare = |url: &Url| {
        url.username().is_empty()
            && url.password().is_none()
            && url.path().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let Some(url) = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty()) && is_bare(url))
    else {
        findings.wrong(key, "is no `host:port`; an example is `pacs.example.org:104`");
        return None;
    };
    if url.port().is_none_or(|port| port == 0) {
        findings.wrong(key, "names no port; DICOM's is 104 or 11112");
        return None;
    }
    let remedy = "put a TLS tunnel in front of it";
    refuse_plaintext(key, &url, true, allow_plaintext, remedy, findings);
    Some(text.to_owned())
}

/// A valid AMQP address without a password.
pub(super) fn amqp(key: &str, text: &str, allow_plaintext: bool, findings: &mut Findings) -> Option<Url> {
    let url = parse(key, text, &["amqps", "amqp"], findings)?;
    let is_plain = url.scheme() == "amqp";
    refuse_plaintext(key, &url, is_plain, allow_plaintext, "use `amqps://`", findings);
    Some(url)
}

/// A valid PostgreSQL address without a password. `verified` says that an authority for TLS is configured.
pub(super) fn postgres(
    key: &str,
    text: &str,
    verified: bool,
    allow_plaintext: bool,
    findings: &mut Findings,
) -> Option<Url> {
    let url = parse(key, text, &["postgres", "postgresql"], findings)?;
    let value =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if value("password").is_some() {
        findings.wrong(key, "has a password in it; move it to `password = { file = \"..\" }`");
        return None;
    }
    let mode = value("sslmode");
    let is_verified = verified || mode.as_deref().is_some_and(|mode| mode.starts_with("verify-"));
    if mode.as_deref() == Some("require") && !verified {
        findings
            .warn(key, "`sslmode=require` does not check whose server it is; use `ca_file` or `verify-full`");
    }
    let is_plain = !is_verified && mode.as_deref() != Some("require");
    if value("host").is_some_and(|host| host.starts_with('/')) {
        return Some(url); // a socket of this machine
    }
    refuse_plaintext(
        key,
        &url,
        is_plain,
        allow_plaintext,
        "set `ca_file` or `?sslmode=verify-full`",
        findings,
    );
    Some(url)
}

/// A file that must be there and be readable.
pub(super) fn file(key: &str, file: Option<&Path>, findings: &mut Findings) {
    if let Some(path) = file
        && let Err(error) = File::open(path)
    {
        let problem =
            format!("`{}` cannot be read ({error}); check its path and who may read it", path.display());
        findings.wrong(key, problem);
    }
}

fn parse(key: &str, text: &str, schemes: &[&str], findings: &mut Findings) -> Option<Url> {
    let known = || schemes.iter().map(|scheme| format!("`{scheme}://`")).collect::<Vec<_>>().join(" or ");
    // The text is not repeated: it could hold a password.
    let Ok(url) = Url::parse(text) else {
        findings.wrong(key, format!("is no URL; begin with {}", known()));
        return None;
    };
    if !schemes.contains(&url.scheme()) {
        findings.wrong(key, format!("begins with `{}://`; expected {}", url.scheme(), known()));
        return None;
    }
    if url.password().is_some() {
        findings.wrong(
            key,
            "has a password in it; leave it out and give it by `env` or `file` in a key of its own",
        );
        return None;
    }
    let socket = url.query_pairs().any(|(name, host)| name == "host" && host.starts_with('/'));
    if url.host_str().is_none_or(str::is_empty) && !socket {
        findings.wrong(key, "names no host");
        return None;
    }
    Some(url)
}

fn refuse_plaintext(
    key: &str,
    url: &Url,
    is_plain: bool,
    allowed: bool,
    remedy: &str,
    findings: &mut Findings,
) {
    if !is_plain || is_loopback(url) {
        return;
    }
    if allowed {
        findings.warn(key, "leads to another machine without encryption, which `allow_plaintext` allows");
    } else {
        findings.wrong(
            key,
            format!("leads to another machine without encryption; {remedy}, or set `allow_plaintext = true`"),
        );
    }
}

/// Whether the host is this machine, by what is written: no name is looked up.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
