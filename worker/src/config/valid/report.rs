//! Whose reports they are: references to what FHIR servers hold already.

use super::super::problem::Findings;
use super::super::raw::RawReport;
use crate::report::document::{Organization, Site};

/// The site's organization and its archive's service.
pub(super) fn site(raw: &RawReport, findings: &mut Findings) -> Site {
    let organization = raw.organization.as_ref().map(|own| {
        if own.name.trim().is_empty() {
            findings.wrong("report.organization.name", "is empty; name who answers for the reports");
        }
        reference("report.organization.reference", "Organization", own.reference.as_deref(), findings);
        let contact = own.contact.as_deref().unwrap_or("https://");
        if !["https://", "http://", "mailto:", "tel:"].iter().any(|scheme| contact.starts_with(scheme)) {
            findings.wrong(
                "report.organization.contact",
                format!("`{contact}` is no URL; examples are `https://example.org/ai`, `mailto:ai@example.org` and `tel:+49301234`"),
            );
        }
        Organization {
            name: own.name.clone(),
            reference: own.reference.clone(),
            contact: own.contact.clone(),
        }
    });
    reference("report.endpoint", "Endpoint", raw.endpoint.as_deref(), findings);
    Site { organization, endpoint: raw.endpoint.clone() }
}

fn reference(key: &str, kind: &str, reference: Option<&str>, findings: &mut Findings) {
    let Some(reference) = reference else { return };
    let path = reference.rsplit('/').take(2).collect::<Vec<_>>();
    let is_web = reference.starts_with("https://") || reference.starts_with("http://");
    let is_id = |id: &str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
    };
    let names = matches!(path[..], [id, own] if own == kind && is_id(id));
    if !names || !(is_web || reference.matches('/').count() == 1) {
        findings.wrong(
            key,
            format!("`{reference}` is no reference to one; an example is `{kind}/radiology`, or the same with its server's URL before it"),
        );
    }
}
