//! The receiver of studies.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::problem::Findings;
use super::super::raw::RawReceive;
use super::super::site::{Callers, CountFrom, Places, ReceiveConfig, ReceiveTls, SourceConfig};
use super::address;
use super::pacs::title;
use crate::message::Name;

const MIB: u64 = 1024 * 1024;
/// More than any disk has, in MiB: 2^60 bytes.
const MOST_FREE_MIB: u64 = 1 << 40;
/// The most of an instance: what the scan of a file takes.
const MOST_INSTANCE_MIB: u64 = 2047;
/// A week, as the longest of `longest_s`.
const MOST_PATIENCE_S: u64 = 7 * 86_400;
/// A hundred years.
const MOST_DAYS: u64 = 36_500;
/// Stands for every calling title.
const ANYBODY: &str = "*";

pub(super) fn receive(raw: &RawReceive, places: &Places, findings: &mut Findings) -> Option<ReceiveConfig> {
    let mut seconds = |key: &str, value, most| Duration::from_secs(findings.within(key, value, 1, most));
    let quiet = seconds("receive.quiet_s", raw.quiet_s, 86_400);
    let longest = seconds("receive.longest_s", raw.longest_s, 7 * 86_400);
    let idle = seconds("receive.idle_s", raw.idle_s, 3600);
    let count_patience_s =
        findings.within("receive.count_patience_s", raw.count_patience_s, 0, MOST_PATIENCE_S);
    if longest < quiet {
        findings.wrong("receive.longest_s", "is less than `quiet_s`: no study would have its quiet time");
    }
    let max_associations = findings.within("receive.max_associations", raw.max_associations, 1, 1000);
    // An association request with 128 contexts and all our transfer syntaxes has some 60 KiB, and it is one PDU.
    let max_pdu_kib = findings.within("receive.max_pdu_kib", raw.max_pdu_kib, 64, 16 * 1024);
    let max_instance_mib =
        findings.within("receive.max_instance_mib", raw.max_instance_mib, 1, MOST_INSTANCE_MIB);
    let min_free_disk_mib =
        findings.within("receive.min_free_disk_mib", raw.min_free_disk_mib, 0, MOST_FREE_MIB);
    let keep_days = findings.within("receive.keep_days", raw.keep_days, 0, MOST_DAYS);
    let titles = |key: &str, titles: &[String], findings: &mut Findings| -> Vec<String> {
        titles.iter().filter_map(|one| title(key, Some(one), findings)).collect()
    };
    let called_aes = titles("receive.called_aes", &raw.called_aes, findings);
    if raw.called_aes.is_empty() {
        findings.wrong("receive.called_aes", "is empty; name the AE titles that the receiver answers to");
    }
    let calling_aes = if raw.calling_aes.iter().any(|one| one == ANYBODY) {
        Callers::Any
    } else {
        Callers::These(titles("receive.calling_aes", &raw.calling_aes, findings))
    };
    let Some(text) = &raw.listen else {
        if raw.source.is_some() || raw.count_from.is_some() || !raw.calling_aes.is_empty() {
            findings.warn("receive.listen", "is missing: the other keys of [receive] have no effect");
        }
        return None;
    };
    callers(&calling_aes, findings);
    let tls = tls(raw, findings);
    let listen = listen(text, tls.is_some(), raw.allow_plaintext, findings);
    let http_listen = raw.http_listen.as_deref().and_then(|text| http_listen(text, findings));
    let source = source(raw.source.as_deref(), places, findings);
    let count_from = count_from(raw.count_from.as_deref(), places, findings);
    if places.default_targets.is_empty() {
        findings.wrong("receive.source", "its studies go to the default targets; set `default_targets`");
    }
    let (source, folder) = source?;
    Some(ReceiveConfig {
        listen: listen?,
        source,
        folder,
        tls,
        called_aes,
        calling_aes,
        quiet,
        longest,
        count_from,
        count_patience: Duration::from_secs(count_patience_s),
        idle,
        max_associations: usize::try_from(max_associations).unwrap_or(usize::MAX),
        max_pdu_bytes: u32::try_from(max_pdu_kib * 1024).unwrap_or(u32::MAX),
        max_instance_bytes: max_instance_mib * MIB,
        min_free_disk_bytes: min_free_disk_mib * MIB,
        keep: (keep_days > 0).then(|| Duration::from_hours(24 * keep_days)),
        http_listen,
    })
}

/// Whether nobody or anybody may call.
fn callers(calling_aes: &Callers, findings: &mut Findings) {
    match calling_aes {
        Callers::Any => {
            findings.warn("receive.calling_aes", "lets anybody who reaches the port send studies");
        }
        Callers::These(titles) if titles.is_empty() => findings.wrong(
            "receive.calling_aes",
            "is empty; name the AE titles that may send, or `\"*\"` for anybody",
        ),
        Callers::These(_) => {}
    }
}

fn tls(raw: &RawReceive, findings: &mut Findings) -> Option<ReceiveTls> {
    let files = [
        ("receive.certificate_file", &raw.certificate_file),
        ("receive.key_file", &raw.key_file),
        ("receive.client_ca_file", &raw.client_ca_file),
    ];
    for (key, file) in files {
        address::file(key, file.as_deref(), findings);
    }
    match (&raw.certificate_file, &raw.key_file) {
        (Some(certificate), Some(key)) => Some(ReceiveTls {
            certificate_file: certificate.clone(),
            key_file: key.clone(),
            client_ca_file: raw.client_ca_file.clone(),
        }),
        (None, None) if raw.client_ca_file.is_none() => None,
        _ => {
            findings.wrong(
                "receive.certificate_file",
                "and `key_file` go together, and `client_ca_file` needs both",
            );
            None
        }
    }
}

fn listen(
    text: &str,
    is_encrypted: bool,
    allow_plaintext: bool,
    findings: &mut Findings,
) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        findings.wrong("receive.listen", "is no address and port; an example is `127.0.0.1:11112`");
        return None;
    };
    if !address.ip().is_loopback() && !is_encrypted {
        if allow_plaintext {
            findings.warn(
                "receive.listen",
                "takes studies of other machines without encryption, which `allow_plaintext` allows",
            );
        } else {
            findings.wrong(
                "receive.listen",
                "takes studies of other machines without encryption; set `certificate_file` and `key_file`, or \
                 `allow_plaintext = true`",
            );
        }
    }
    Some(address)
}

fn http_listen(text: &str, findings: &mut Findings) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        findings.wrong("receive.http_listen", "is no address and port; an example is `127.0.0.1:9465`");
    }
    address
}

/// The source by its name, which has to be a folder: that is where instances are stored.
fn source(name: Option<&str>, places: &Places, findings: &mut Findings) -> Option<(Name, PathBuf)> {
    let Some(name) = name else {
        findings
            .wrong("receive.source", "is missing; name the folder source that received studies belong to");
        return None;
    };
    match places.sources.iter().find(|(known, _)| known.as_str() == name) {
        Some((known, SourceConfig::Folder { path })) => Some((known.clone(), path.clone())),
        Some((_, SourceConfig::S3(_) | SourceConfig::Dicomweb(_))) => {
            findings.wrong("receive.source", format!("names `{name}`, which is no folder"));
            None
        }
        None => {
            let problem = format!("names `{name}`, but there is no valid [sources.{name}]");
            findings.wrong("receive.source", problem);
            None
        }
    }
}

/// The source by its name that states how many instances a study has, which only a DICOMweb server does.
fn count_from(name: Option<&str>, places: &Places, findings: &mut Findings) -> Option<CountFrom> {
    let name = name?;
    match places.sources.iter().find(|(known, _)| known.as_str() == name) {
        Some((known, SourceConfig::Dicomweb(server))) => {
            Some(CountFrom { source: known.clone(), server: server.clone() })
        }
        Some((_, SourceConfig::Folder { .. } | SourceConfig::S3(_))) => {
            findings.wrong("receive.count_from", format!("names `{name}`, which is no DICOMweb server"));
            None
        }
        None => {
            let problem = format!("names `{name}`, but there is no valid [sources.{name}]");
            findings.wrong("receive.count_from", problem);
            None
        }
    }
}
