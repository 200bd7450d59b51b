//! What the site says of itself and of its archive.

/// The site, as it is configured; nothing of it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// Who answers for the report and owns what made it.
    pub organization: Option<Organization>,
    /// The archive's DICOMweb service, as FHIR servers name it, such as `Endpoint/wado-rs`.
    pub endpoint: Option<String>,
}

/// An organization, which is referenced and never created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// How FHIR servers name it, such as `Organization/radiology`.
    pub reference: Option<String>,
    /// Where somebody is reached about the program: a URL, `mailto:` and `tel:` too.
    pub contact: Option<String>,
}
