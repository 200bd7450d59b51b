//! A secret: read once from where the configuration says, never printed.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::problem::Findings;
use super::raw::RawSecret;

/// The longest secret, in bytes: a larger file is not the one that was meant.
const MAX_BYTES: u64 = 64 * 1024;

/// Text that must not be seen. It has no `Display` and no `Serialize`; [`Secret::expose`] stands only where a wire
/// format is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    /// Where it was read, if it was a file: a token may be renewed there.
    file: Option<PathBuf>,
}

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self { text, file: None }
    }

    /// Reads the text from a file; white space at its end is not part of it.
    pub fn from_file(file: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(file)?.trim_end().to_owned();
        Ok(Self { text, file: Some(file.to_owned()) })
    }

    /// What the file holds now. `None` for a secret that came from elsewhere, or whose file cannot be read now.
    pub fn read_again(&self) -> Option<Self> {
        Self::from_file(self.file.as_deref()?).ok()
    }

    /// The text itself, for the wire.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Reads a secret from where the configuration says.
pub(super) fn read(
    key: &str,
    place: Option<&RawSecret>,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Secret> {
    let place = place?;
    let text = match (&place.env, &place.file) {
        (Some(name), None) => environment.value(name).map(str::to_owned).ok_or_else(|| {
            format!("the environment variable {name} is not set; set it, or name a `file` instead")
        }),
        (None, Some(file)) => {
            warn_of_permissions(key, file, findings);
            text_of(file)
        }
        _ => Err("give exactly one of `env` and `file`".to_owned()),
    };
    match text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()) {
        Ok(text) if text.is_empty() => findings.wrong(key, "the secret is empty; write it to its place"),
        Ok(text) if text.chars().any(char::is_control) => {
            findings
                .wrong(key, "the secret has more than one line or control characters; one line is expected");
        }
        Ok(text) => return Some(Secret { text, file: place.file.clone() }),
        Err(problem) => findings.wrong(key, problem),
    }
    None
}

fn text_of(file: &Path) -> Result<String, String> {
    let because = |error: std::io::Error| {
        format!("the file `{}` cannot be read ({error}); check its path and who may read it", file.display())
    };
    let metadata = fs::metadata(file).map_err(because)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(format!("`{}` is no file of at most 64 KiB; name the secret's file", file.display()));
    }
    fs::read_to_string(file).map_err(because)
}

/// Warns when others than the owner can read a file with a secret.
pub(super) fn warn_of_permissions(key: &str, file: &Path, findings: &mut Findings) {
    let Ok(metadata) = fs::metadata(file) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        let problem = format!(
            "`{}` can be read by everybody or written by its group (mode {mode:03o}); run `chmod 640` on it or less",
            file.display()
        );
        findings.warn(key, problem);
    }
}
