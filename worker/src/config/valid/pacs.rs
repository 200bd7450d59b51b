//! PACS as targets.

use std::time::Duration;

use super::super::environment::Environment;
use super::super::problem::Findings;
use super::super::raw::RawTarget;
use super::super::secret;
use super::super::site::{DicomConfig, DicomWebConfig};
use super::address;

/// Characters of an application entity title (PS3.5 6.2, AE).
const AE_CHARS: usize = 16;

pub(super) fn dicomweb(
    key: &str,
    raw: &RawTarget,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<DicomWebConfig> {
    let of = |name: &str| format!("{key}.{name}");
    if raw.path.is_some() || raw.address.is_some() || raw.called_ae.is_some() {
        findings.warn(key, "speaks DICOMweb: `path`, `address` and `called_ae` have no effect");
    }
    let timeout = findings.within(&of("timeout_s"), raw.timeout_s, 1, 600);
    let token = secret::read(&of("token"), raw.token.as_ref(), environment, findings);
    let password = secret::read(&of("password"), raw.password.as_ref(), environment, findings);
    let login = raw.user.clone().zip(password);
    if raw.user.is_some() != raw.password.is_some() {
        findings.wrong(&of("user"), "and `password` belong together; give both or neither");
    }
    if raw.token.is_some() && raw.user.is_some() {
        findings.wrong(&of("token"), "and `user` are two logins; give one");
    }
    address::file(&of("ca_file"), raw.ca_file.as_deref(), findings);
    let Some(url) = &raw.url else {
        findings.wrong(&of("url"), "is missing; give the base URL of the PACS' DICOMweb services");
        return None;
    };
    let url = address::http(&of("url"), url, raw.allow_plaintext, findings)?;
    let timeout = Duration::from_secs(timeout);
    Some(DicomWebConfig { url, token, login, ca_file: raw.ca_file.clone(), timeout })
}

pub(super) fn dicom(key: &str, raw: &RawTarget, findings: &mut Findings) -> Option<DicomConfig> {
    let of = |name: &str| format!("{key}.{name}");
    let of_web = raw.url.is_some() || raw.token.is_some() || raw.user.is_some() || raw.password.is_some();
    if raw.path.is_some() || of_web || raw.ca_file.is_some() {
        findings.warn(key, "speaks DICOM: `path`, `url`, logins and `ca_file` have no effect");
    }
    let timeout = findings.within(&of("timeout_s"), raw.timeout_s, 1, 600);
    let calling_ae = title(&of("calling_ae"), Some(&raw.calling_ae), findings);
    let called_ae = title(&of("called_ae"), raw.called_ae.as_deref(), findings);
    let Some(text) = &raw.address else {
        findings.wrong(&of("address"), "is missing; give `host:port` of the PACS");
        return None;
    };
    let address = address::dicom(&of("address"), text, raw.allow_plaintext, findings)?;
    let timeout = Duration::from_secs(timeout);
    Some(DicomConfig { address, called_ae: called_ae?, calling_ae: calling_ae?, timeout })
}

pub(super) fn title(key: &str, title: Option<&str>, findings: &mut Findings) -> Option<String> {
    let title = title.map(str::trim).unwrap_or_default();
    let fits = (1..=AE_CHARS).contains(&title.len())
        && title.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\');
    if !fits {
        findings.wrong(key, "must be an AE title: 1 to 16 ASCII characters, no backslash");
        return None;
    }
    Some(title.to_owned())
}
