//! What becomes of a picture that is unlike the training pictures.

use serde::{Deserialize, Serialize};

/// What a manifest asks for where a picture is out of distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outside {
    /// No finding is assessed: a probability was calibrated on other pictures than this one.
    #[default]
    NotAssessed,
    /// The findings are said, with a warning beside them.
    Warned,
}

impl Outside {
    /// What holds where a manifest does not say, and is not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
