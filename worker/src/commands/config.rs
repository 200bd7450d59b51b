//! `chiasm config check`: what is in effect, where it comes from, and what is wrong; `jwks`: the public part of signing keys.

use std::io::Write;

use super::{Usage, with_source};
use crate::cli::config::{ConfigArgs, ConfigCommand, JwksArgs};
use crate::config::{ConfigError, Environment, Flags, Loaded, Problem, Problems};
use crate::deliver::smart::key::KeyPair;
use crate::risk_models::{RiskModelError, RiskModels};

/// Shows the configuration; exit code 2 when it is not valid.
pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<u8> {
    let args = match command {
        ConfigCommand::Check(args) => args,
        ConfigCommand::Jwks(args) => return jwks(args),
    };
    let flags = Flags {
        file: args.site.config.clone(),
        site_zone: args.site.site_zone.clone(),
        language: args.site.language,
        state: args.state.clone(),
    };
    match Loaded::read(&flags, &Environment::of_process()) {
        Ok(loaded) => {
            let faults: Vec<Problem> = RiskModels::faults(&loaded.config).iter().map(problem).collect();
            if faults.is_empty() {
                show(args, &loaded)
            } else {
                refuse(args, &ConfigError::Invalid(Problems(faults)))
            }
        }
        Err(error) => refuse(args, &error),
    }
}

/// What is wrong with a model that the site configured.
fn problem(error: &RiskModelError) -> Problem {
    let problem = format!("{}: {}", error.code, with_source(error.source.as_ref()));
    Problem { key: format!("risks.{}.path", error.name), origin: None, problem }
}

/// Prints public keys alone.
fn jwks(args: &JwksArgs) -> anyhow::Result<u8> {
    if args.key_id.is_some() && args.keys.len() > 1 {
        anyhow::bail!(Usage("one `--key-id` cannot name several keys; print each by itself".into()));
    }
    let jwk = |path: &std::path::PathBuf| {
        let key = KeyPair::read(path).map_err(|error| Usage(with_source(&error)))?;
        Ok(key.jwk(args.key_id.as_deref()))
    };
    let keys = args.keys.iter().map(jwk).collect::<anyhow::Result<Vec<_>>>()?;
    let set = serde_json::json!({ "keys": keys });
    writeln!(std::io::stdout().lock(), "{}", serde_json::to_string_pretty(&set)?)?;
    Ok(0)
}

fn show(args: &ConfigArgs, loaded: &Loaded) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    let warnings = [loaded.warnings.clone(), loaded.config.places.missing_folders()].concat();
    if args.json {
        let line = serde_json::json!({"valid": true, "settings": loaded.settings, "warnings": warnings});
        writeln!(out, "{line}")?;
        return Ok(0);
    }
    for setting in &loaded.settings {
        let line = format!("{} = {}", setting.key, setting.value);
        writeln!(out, "{line:<60} # {}", setting.origin)?;
    }
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "the configuration is valid")?;
    Ok(0)
}

fn refuse(args: &ConfigArgs, error: &ConfigError) -> anyhow::Result<u8> {
    let whole = [Problem { key: "config".to_owned(), origin: None, problem: with_source(error) }];
    let problems = match error {
        ConfigError::Invalid(problems) => problems.0.as_slice(),
        ConfigError::Read { .. } | ConfigError::Syntax { .. } => &whole,
    };
    if args.json {
        let line = serde_json::json!({"valid": false, "problems": problems});
        writeln!(std::io::stdout().lock(), "{line}")?;
        return Ok(2);
    }
    let mut out = std::io::stderr().lock();
    for problem in problems {
        writeln!(out, "error: {problem}")?;
    }
    writeln!(out, "the configuration is not valid; `chiasm.toml` in the repository shows every key")?;
    Ok(2)
}
