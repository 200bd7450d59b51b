//! SMART Backend Services: who we are to a FHIR server's authorization server.

use fusion::record::RESOURCE_TYPES;

use super::super::problem::Findings;
use super::super::raw::RawSmart;
use super::super::secret;
use super::super::site::SmartConfig;
use super::address;

/// The longest id of a client or a key.
const MAX_ID: usize = 256;

/// What reading a record needs.
pub(super) fn read_scopes() -> Vec<String> {
    RESOURCE_TYPES.iter().map(|kind| format!("system/{kind}.rs")).collect()
}

/// A valid client. `usual_scopes` are asked for where the site names none.
pub(super) fn smart(
    key: &str,
    raw: &RawSmart,
    usual_scopes: Option<Vec<String>>,
    allow_plaintext: bool,
    findings: &mut Findings,
) -> Option<SmartConfig> {
    let of = |name: &str| format!("{key}.{name}");
    let is_id = |text: &str| (1..=MAX_ID).contains(&text.len()) && !text.chars().any(char::is_control);
    let client_id = raw.client_id.clone().filter(|id| is_id(id));
    if client_id.is_none() {
        findings.wrong(&of("client_id"), "must be 1 to 256 characters; the authorization server gives it");
    }
    if raw.key_id.as_deref().is_some_and(|id| !is_id(id)) {
        findings.wrong(&of("key_id"), "must be 1 to 256 characters, or be left out for the key's thumbprint");
    }
    match &raw.key_file {
        None => findings.wrong(&of("key_file"), "is missing; name the PEM file of the private key"),
        Some(file) => {
            address::file(&of("key_file"), Some(file), findings);
            secret::warn_of_permissions(&of("key_file"), file, findings);
        }
    }
    let token_url = match &raw.token_url {
        // written exactly as the FHIR server writes it: it is compared, and is the assertion's audience
        Some(url) => address::http(&of("token_url"), url, allow_plaintext, findings).map(|_| url.clone()),
        None => None,
    };
    let scopes = raw.scopes.clone().or(usual_scopes).unwrap_or_default();
    if scopes.is_empty() {
        findings.wrong(
            &of("scopes"),
            "is missing; name what the target needs, such as `[\"system/Patient.rs\", \"system/DiagnosticReport.cruds\"]`",
        );
    }
    for scope in scopes.iter().filter(|scope| !is_scope(scope)) {
        findings.wrong(
            &of("scopes"),
            format!("`{scope}` is no `system/` scope; an example is `system/Patient.rs`"),
        );
    }
    Some(SmartConfig {
        client_id: client_id?,
        key_file: raw.key_file.clone()?,
        key_id: raw.key_id.clone(),
        scopes,
        token_url,
    })
}

/// `system/Type.rs`, `system/*.cruds`, or the older `system/Type.read`.
fn is_scope(scope: &str) -> bool {
    let Some((kind, may)) = scope.strip_prefix("system/").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let of_type = kind == "*" || (!kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic()));
    // letters of `cruds`, each at most once and in that order
    let mut rest = "cruds".chars();
    let granular = !may.is_empty() && may.chars().all(|letter| rest.any(|known| known == letter));
    of_type && scope.len() <= MAX_ID && (granular || matches!(may, "read" | "write" | "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scopes_of_systems_are_taken() {
        for scope in
            ["system/Patient.rs", "system/*.cruds", "system/Observation.read", "system/*.*", "system/A.s"]
        {
            assert!(is_scope(scope), "{scope}");
        }
        for scope in [
            "user/Patient.rs",
            "openid",
            "system/Patient",
            "system/.rs",
            "system/Patient.sr",
            "system/Patient.",
            "system/P a.rs",
        ] {
            assert!(!is_scope(scope), "{scope}");
        }
        assert!(read_scopes().iter().all(|scope| is_scope(scope)));
    }
}
