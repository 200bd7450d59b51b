//! A secret: read once from where the configuration says, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

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
