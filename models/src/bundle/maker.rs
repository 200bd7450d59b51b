//! Who made a model: what its manifest states, and the bundles that this project published before manifests could.

use serde::{Deserialize, Serialize};

/// Who made a model. What nobody stated is not known, and a report says nothing in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Maker {
    /// The person or organization that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The day it was made, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Where more is said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The weights' digest and the identity of `cxr-findings` 1.0.0, which was published without a seal.
pub(super) const UNSEALED: [&str; 2] = [
    "d2ce5bcf16b5ccb09a1633198d8ffad9ec0d15205f7c148c81a5f611e059281d",
    "1056dda6f226beef02bd7f057b48e30f9f61eed66a65dc5c33bfd9fe39a483a0",
];

/// Identities ([`super::Bundle::identity`]) of the bundles that this project made: their manifests are sealed, and do not
/// state it: the recipe would state it for whoever trains with it.
const PUBLISHED: [&str; 3] = [
    // cxr-findings 1.0.0
    UNSEALED[1],
    // cxr-findings 2.0.0
    "47ffe6ac1c258cc7db5476debb7215aacda599b13c2d1bad8179c395aa831504",
    // pneumonia-mnist 1.0.0
    "919127ecd86b74daad587f4dffd78b4071b31770befad5b2572da92f47449b6e",
];

impl Maker {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is known of the maker of the bundle of this identity.
    pub(super) fn of(&self, identity: &str) -> Self {
        if self.is_empty() && PUBLISHED.contains(&identity) {
            return Self { manufacturer: Some("The Chiasm project".to_owned()), ..Self::default() };
        }
        self.clone()
    }
}
