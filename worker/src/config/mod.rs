//! Configuration: raw text first, then values that are valid. Precedence: flag, environment, file, default.

pub mod secret;
pub mod site;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;

/// The shipped, commented configuration file.
pub const EXAMPLE: &str = include_str!("../../chiasm.toml");

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("could not read the configuration `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not of the known form.
    #[error("the configuration `{path}` is not valid; `chiasm.toml` in the repository shows every key")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: toml::de::Error,
    },
    /// The zone is unknown.
    #[error("`site_zone`: `{0}` is no time zone of the IANA database; an example is `Europe/Berlin`")]
    Zone(String),
}

/// What a site configures.
#[derive(Debug, Clone)]
pub struct Config {
    /// Distinguishes sites that share a ledger or a FHIR server; part of every key.
    pub tenant: String,
    /// The zone of DICOM times that state no offset (0008,0201).
    pub site_zone: TimeZone,
    /// The zone's name, for reports.
    pub site_zone_name: String,
    /// FHIR identifier system of the site's Patient ID, for reports without a record.
    pub patient_id_system: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConfig {
    tenant: String,
    site_zone: String,
    patient_id_system: Option<String>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self { tenant: "default".into(), site_zone: "UTC".into(), patient_id_system: None }
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, Self::Error> {
        let site_zone =
            TimeZone::get(&raw.site_zone).map_err(|_| ConfigError::Zone(raw.site_zone.clone()))?;
        Ok(Self {
            tenant: raw.tenant,
            site_zone,
            site_zone_name: raw.site_zone,
            patient_id_system: raw.patient_id_system,
        })
    }
}

impl Config {
    /// Reads `file`, or takes the defaults where there is none; `site_zone` from the command line wins.
    pub fn load(file: Option<&Path>, site_zone: Option<String>) -> Result<Self, ConfigError> {
        let mut raw = match file {
            None => RawConfig::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
                toml::from_str(&text).map_err(|source| ConfigError::Form { path: path.to_owned(), source })?
            }
        };
        if let Some(zone) = site_zone {
            raw.site_zone = zone;
        }
        raw.try_into()
    }

    /// The part of the configuration that changes a report, as text for the job key.
    pub fn fingerprint(&self) -> String {
        format!(
            "tenant={};zone={};system={}",
            self.tenant,
            self.site_zone_name,
            self.patient_id_system.as_deref().unwrap_or("")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_loads_and_is_the_default() {
        let raw: RawConfig = toml::from_str(EXAMPLE).unwrap();
        let example = Config::try_from(raw).unwrap();
        let default = Config::load(None, None).unwrap();
        assert_eq!(example.fingerprint(), default.fingerprint());
    }

    #[test]
    fn unknown_keys_and_zones_are_refused() {
        assert!(toml::from_str::<RawConfig>("zone = 'UTC'").is_err());
        let refused = Config::load(None, Some("Mars/Olympus".into()));
        assert!(matches!(refused, Err(ConfigError::Zone(zone)) if zone == "Mars/Olympus"));
    }
}
