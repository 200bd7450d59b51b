//! Buckets and DICOMweb servers.

use std::path::PathBuf;
use std::time::Duration;

use super::super::environment::Environment;
use super::super::problem::Findings;
use super::super::raw::{RawChecksums, RawSecret, RawSource, RawTarget};
use super::super::secret;
use super::super::site::{DicomwebConfig, S3Config, TlsConfig};
use super::address;

/// The keys of a bucket, which a source and a target have alike.
struct RawBucket<'a> {
    url: Option<&'a String>,
    bucket: Option<&'a String>,
    prefix: &'a str,
    region: &'a str,
    path_style: bool,
    access_key_id: Option<&'a String>,
    secret_access_key: Option<&'a RawSecret>,
    checksums: RawChecksums,
    ca_file: Option<&'a PathBuf>,
    allow_plaintext: bool,
    timeout_s: u64,
}

pub(super) fn s3_source(
    key: &str,
    raw: &RawSource,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<S3Config> {
    if raw.user.is_some() || raw.password.is_some() || raw.token.is_some() {
        findings.warn(key, "is a bucket: `user`, `password` and `token` have no effect");
    }
    let raw = RawBucket {
        url: raw.url.as_ref(),
        bucket: raw.bucket.as_ref(),
        prefix: &raw.prefix,
        region: &raw.region,
        path_style: raw.path_style,
        access_key_id: raw.access_key_id.as_ref(),
        secret_access_key: raw.secret_access_key.as_ref(),
        checksums: raw.checksums,
        ca_file: raw.ca_file.as_ref(),
        allow_plaintext: raw.allow_plaintext,
        timeout_s: raw.timeout_s,
    };
    bucket(key, &raw, environment, findings)
}

pub(super) fn s3_target(
    key: &str,
    raw: &RawTarget,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<S3Config> {
    let raw = RawBucket {
        url: raw.url.as_ref(),
        bucket: raw.bucket.as_ref(),
        prefix: &raw.prefix,
        region: &raw.region,
        path_style: raw.path_style,
        access_key_id: raw.access_key_id.as_ref(),
        secret_access_key: raw.secret_access_key.as_ref(),
        checksums: raw.checksums,
        ca_file: raw.ca_file.as_ref(),
        allow_plaintext: raw.allow_plaintext,
        timeout_s: raw.timeout_s,
    };
    bucket(key, &raw, environment, findings)
}

fn bucket(
    key: &str,
    raw: &RawBucket<'_>,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<S3Config> {
    let of = |name: &str| format!("{key}.{name}");
    let timeout = findings.within(&of("timeout_s"), raw.timeout_s, 1, 600);
    let secret = secret::read(&of("secret_access_key"), raw.secret_access_key, environment, findings);
    if raw.access_key_id.is_some() != raw.secret_access_key.is_some() {
        findings.wrong(
            &of("access_key_id"),
            "access key and secret go together; give both, or neither for the usual chain of credentials",
        );
    }
    address::file(&of("ca_file"), raw.ca_file.map(PathBuf::as_path), findings);
    if !is_region(raw.region) {
        findings
            .wrong(&of("region"), "must be lower-case letters, digits and `-`; an example is `eu-central-1`");
    }
    if !(raw.prefix.is_empty() || is_prefix(raw.prefix)) {
        findings.wrong(
            &of("prefix"),
            "must end with `/`, without an empty part, `.` or `..`; an example is `studies/`",
        );
    }
    let name = raw.bucket.filter(|name| is_bucket(name));
    if name.is_none() {
        findings.wrong(&of("bucket"), "must be 3 to 63 letters, digits, `.`, `_` or `-`; name the bucket");
    }
    let url = match raw.url {
        Some(url) => Some(address::http(&of("url"), url, raw.allow_plaintext, findings)?),
        None => None,
    };
    Some(S3Config {
        url,
        bucket: name?.clone(),
        prefix: raw.prefix.to_owned(),
        region: raw.region.to_owned(),
        path_style: raw.path_style,
        access_key: raw.access_key_id.cloned().zip(secret),
        required_checksums_only: raw.checksums == RawChecksums::Required,
        ca_file: raw.ca_file.cloned(),
        timeout: Duration::from_secs(timeout),
    })
}

fn is_region(region: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !region.is_empty() && region.len() <= 64 && region.bytes().all(is_usual)
}

fn is_bucket(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (3..=63).contains(&name.len()) && name.bytes().all(is_usual) && !name.contains("..")
}

fn is_prefix(prefix: &str) -> bool {
    let is_part = |part: &str| !["", ".", ".."].contains(&part) && !part.chars().any(char::is_control);
    prefix.len() <= 512 && prefix.strip_suffix('/').is_some_and(|path| path.split('/').all(is_part))
}

pub(super) fn dicomweb(
    key: &str,
    raw: &RawSource,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<DicomwebConfig> {
    let of = |name: &str| format!("{key}.{name}");
    if raw.bucket.is_some() || raw.access_key_id.is_some() || raw.secret_access_key.is_some() {
        findings.warn(key, "is a DICOMweb server: `bucket` and access keys have no effect");
    }
    let timeout = findings.within(&of("timeout_s"), raw.timeout_s, 1, 600);
    let max_instance_mib = findings.within(&of("max_instance_mib"), raw.max_instance_mib, 1, 1 << 20);
    let password = secret::read(&of("password"), raw.password.as_ref(), environment, findings);
    let token = secret::read(&of("token"), raw.token.as_ref(), environment, findings);
    if raw.user.is_some() != raw.password.is_some() {
        findings.wrong(&of("user"), "user and password go together; give both or neither");
    }
    if raw.token.is_some() && raw.user.is_some() {
        findings.wrong(&of("token"), "a token and a user cannot both be sent; give one of them");
    }
    let tls = tls(key, raw, findings);
    let Some(url) = &raw.url else {
        findings.wrong(
            &of("url"),
            "is missing; give the base URL of the DICOMweb server, which `/studies` is below",
        );
        return None;
    };
    let url = address::http(&of("url"), url, raw.allow_plaintext, findings)?;
    Some(DicomwebConfig {
        url,
        login: raw.user.clone().zip(password),
        token,
        tls,
        timeout: Duration::from_secs(timeout),
        max_instance_bytes: max_instance_mib << 20,
    })
}

fn tls(key: &str, raw: &RawSource, findings: &mut Findings) -> TlsConfig {
    let of = |name: &str| format!("{key}.{name}");
    address::file(&of("ca_file"), raw.ca_file.as_deref(), findings);
    address::file(&of("client_certificate_file"), raw.client_certificate_file.as_deref(), findings);
    address::file(&of("client_key_file"), raw.client_key_file.as_deref(), findings);
    if let Some(file) = &raw.client_key_file {
        secret::warn_of_permissions(&of("client_key_file"), file, findings);
    }
    if raw.client_certificate_file.is_some() != raw.client_key_file.is_some() {
        findings.wrong(
            &of("client_key_file"),
            "certificate and key go together; give `client_certificate_file` and `client_key_file`, or neither",
        );
    }
    TlsConfig {
        ca_file: raw.ca_file.clone(),
        client_certificate_file: raw.client_certificate_file.clone(),
        client_key_file: raw.client_key_file.clone(),
    }
}
