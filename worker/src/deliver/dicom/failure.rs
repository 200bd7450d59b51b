//! What an error of an association and the status of an answer mean: now, or for good.

use dicom_ul::association::Error;
use dicom_ul::pdu::{AssociationRJResult, Pdu};

use crate::deliver::trouble::Trouble;
use crate::deliver::{TerminalCode, TransientCode};

/// An association that did not come about, or broke. No text of it is kept: it can hold what the peer wrote.
pub(super) fn association(error: Error) -> Trouble {
    Trouble::now(match error {
        Error::ToAddress { .. } | Error::Connect { .. } => TransientCode::Unreachable,
        Error::Timeout { .. } => TransientCode::TimedOut,
        Error::Rejected { association_rj, .. } => match association_rj.result {
            AssociationRJResult::Permanent => TransientCode::AssociationRejected,
            AssociationRJResult::Transient => TransientCode::ServerBusy,
        },
        Error::NoAcceptedPresentationContexts { .. } => TransientCode::SopClassRefused,
        Error::UnexpectedPdu { pdu, .. } => match *pdu {
            Pdu::AbortRQ { .. } => TransientCode::ConnectionCut,
            _ => TransientCode::AnswerNotUnderstood,
        },
        Error::UnknownPdu { .. } | Error::ProtocolVersionMismatch { .. } => {
            TransientCode::AnswerNotUnderstood
        }
        _ => TransientCode::ConnectionCut,
    })
}

/// The kind of an error, for a log.
pub(super) fn kind(error: &Error) -> &'static str {
    match error {
        Error::Timeout { .. } => "timeout",
        Error::Aborted { .. } => "aborted",
        Error::ConnectionClosed { .. } => "closed",
        _ => "other",
    }
}

/// The status of C-STORE (PS3.4 Table B.2-1, PS3.7 Annex C) and C-ECHO. `0111` says that the archive has the instance:
/// its UID is made from the bytes' own keys, so it is this one.
pub(super) fn judge(status: u16) -> Result<(), Trouble> {
    match status {
        0x0000 | 0x0111 | 0xB000 | 0xB006 | 0xB007 | 0x0001 | 0x0107 | 0x0116 => Ok(()),
        0xA700..=0xA7FF => Err(Trouble::now(TransientCode::TargetFull)),
        0x0124 => Err(Trouble::now(TransientCode::PermissionDenied)),
        0x0122 => Err(Trouble::now(TransientCode::SopClassRefused)),
        0xA900..=0xA9FF | 0xC000..=0xCFFF | 0x0117 | 0x0115 | 0x0106 | 0x0120 | 0x0121 => {
            let reason = format!("the PACS answered C-STORE with status {status:04X}");
            Err(Trouble::good(TerminalCode::Rejected, reason))
        }
        _ => Err(Trouble::now(TransientCode::ServerFailed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_fate() {
        let code = |status| match judge(status) {
            Ok(()) => "stored",
            Err(Trouble::Now { code, .. }) => code.as_str(),
            Err(Trouble::Good { code, .. }) => code.as_str(),
        };
        for (status, fate) in [
            (0x0000, "stored"),
            (0x0111, "stored"),
            (0xB007, "stored"),
            (0xA700, "TargetFull"),
            (0xA701, "TargetFull"),
            (0xA900, "Rejected"),
            (0xC000, "Rejected"),
            (0x0122, "SopClassRefused"),
            (0x0124, "PermissionDenied"),
            (0x0110, "ServerFailed"),
            (0x0211, "ServerFailed"),
        ] {
            assert_eq!(code(status), fate, "{status:04X}");
        }
    }
}
