//! Codes as labels: only those that are documented, so that nothing from outside can make a time series.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The one list of codes.
const CODES: &str = include_str!("../../../../docs/codes.md");

/// The label of what is not in the list.
const OTHER: &str = "other";

static KNOWN: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| listed(CODES).collect());

/// The code itself where it is documented, else `other`.
pub(super) fn label(code: &str) -> &'static str {
    KNOWN.get(code).copied().unwrap_or(OTHER)
}

/// The words in backticks in the first column of the tables.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::{TerminalCode, TransientCode};

    #[test]
    fn documented_codes_are_labels_and_nothing_else_is() {
        for code in ["Truncated", "MixedPatient", "ModelSelfTestDiffers", "NotApplicableView"] {
            assert_eq!(label(code), code);
        }
        for code in ["", "1.2.840.10008", "Public^Jane", "truncated"] {
            assert_eq!(label(code), OTHER);
        }
        let transient = TransientCode::ALL.iter().map(|code| code.as_str());
        for code in transient.chain(TerminalCode::ALL.iter().map(|code| code.as_str())) {
            assert_eq!(label(code), code);
        }
        assert!(KNOWN.len() > 50, "{KNOWN:?}");
        assert!(KNOWN.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{KNOWN:?}");
    }
}
