//! Why a report could not be delivered: for now, or for good.

use std::time::Duration;

use crate::message::Name;

/// Why a report could not be delivered. No text holds a secret or patient data: a server's own words are never kept,
/// only the codes and places of its issues.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The report stays in the outbox; trying the same bytes again later can help.
    #[error("target `{target}` cannot take the report now ({code}); {}", code.next_step())]
    Transient {
        /// The target.
        target: Name,
        /// What hinders it.
        code: TransientCode,
        /// How long the target asks to be left alone, at most [`DeliverError::LONGEST_REST`].
        retry_after: Option<Duration>,
        /// What the system or the HTTP library said, without URL.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The same bytes would be refused again: a human is needed.
    #[error("target `{target}` does not take the report ({code}): {reason}")]
    Terminal {
        /// The target.
        target: Name,
        /// What is wrong.
        code: TerminalCode,
        /// One sentence: status, and codes and places of the server's issues.
        reason: String,
    },
}

impl DeliverError {
    /// The longest rest that a target can ask for.
    pub const LONGEST_REST: Duration = Duration::from_mins(10);

    /// This worker has no target of that name; another worker may, or its configuration may be mended.
    pub fn not_configured(target: &Name) -> Self {
        let code = TransientCode::NotConfigured;
        Self::Transient { target: target.clone(), code, retry_after: None, source: None }
    }

    /// Nothing is sent to a target that failed too often in a row; it is probed after this time.
    pub fn paused(target: &Name, rest: Duration) -> Self {
        let code = TransientCode::TargetPaused;
        Self::Transient { target: target.clone(), code, retry_after: Some(rest), source: None }
    }

    /// The stable code, for rows and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transient { code, .. } => code.as_str(),
            Self::Terminal { code, .. } => code.as_str(),
        }
    }

    /// True where trying again later can help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Transient { .. } => true,
            Self::Terminal { .. } => false,
        }
    }
}

/// Defines an enum of stable codes; the code is the variant's name.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $code:ident,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $code,)* }

        impl $name {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The stable code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// What hinders a delivery for now.
    TransientCode {
        /// This worker's configuration has no such target.
        NotConfigured,
        /// The target failed too often in a row: it is probed, and nothing is sent until it answers.
        TargetPaused,
        /// The disk or the quota of the folder is used up.
        TargetFull,
        /// The folder is read-only or belongs to somebody else.
        TargetUnwritable,
        /// The folder is not there: its disk may not be mounted.
        TargetMissing,
        /// The disk or the share fails.
        TargetFailed,
        /// No connection came about: nothing was sent.
        Unreachable,
        /// No answer in time; the report may have arrived.
        TimedOut,
        /// The connection broke before the whole answer was there; the report may have arrived.
        ConnectionCut,
        /// The server asks to come later (408, 425, 429, 503).
        ServerBusy,
        /// The server fails (other 5xx).
        ServerFailed,
        /// The server does not accept the token (401).
        AuthenticationFailed,
        /// The FHIR server does not say how SMART Backend Services get a token, or says what cannot be used.
        SmartConfigurationUnusable,
        /// The authorization server gives no token.
        SmartTokenRefused,
        /// The key that signs for SMART Backend Services cannot be used.
        SmartKeyUnusable,
        /// The server does not allow it to this token (403).
        PermissionDenied,
        /// The FHIR server says that it speaks another release than the one that is configured.
        FhirVersionUnsupported,
        /// The FHIR server says that it takes no transactions.
        TransactionUnsupported,
        /// The answer was longer than an answer can be, and was cut.
        AnswerTooLong,
        /// The answer is not FHIR JSON of the expected kind, though its status is one of success.
        AnswerNotUnderstood,
        /// Status 200 with an OperationOutcome of failure, or with every entry stored and no such report there.
        AnswerContradictory,
        /// The PACS does not let this application entity in.
        AssociationRejected,
        /// The PACS takes no Comprehensive 3D SR.
        SopClassRefused,
    }
}

impl TransientCode {
    /// What a human does when it stays.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::NotConfigured => "configure a target of this name on every worker that shares the ledger",
            Self::TargetPaused => "it is probed; `/readyz` says what hinders it",
            Self::TargetFull => "free some disk space",
            Self::TargetUnwritable => "check the folder's owner, mode and mount options",
            Self::TargetMissing => "make the folder or mount its disk",
            Self::TargetFailed => "check the disk or the share",
            Self::Unreachable | Self::TimedOut | Self::ConnectionCut => {
                "check the server and the way to it; it is tried again"
            }
            Self::ServerBusy | Self::ServerFailed => "the server is tried again",
            Self::AuthenticationFailed => "renew the token or the password",
            Self::SmartConfigurationUnusable => {
                "check the FHIR server's `.well-known/smart-configuration`: it must name an `https://` token endpoint, \
                 `client_credentials` and `private_key_jwt`"
            }
            Self::SmartTokenRefused => {
                "register this client's id, public key (`chiasm config jwks`) and scopes at the authorization server, and check \
                 both clocks"
            }
            Self::SmartKeyUnusable => "put an RSA or P-384 key as PKCS #8 PEM where `key_file` says",
            Self::PermissionDenied => "allow this login to read and to write what the report consists of",
            Self::FhirVersionUnsupported => {
                "set the target's `fhir_version` to what the server speaks, or its URL to the server's R4 or R5 base"
            }
            Self::TransactionUnsupported => {
                "let the server take a transaction (POST of a Bundle to its base), or name one that does"
            }
            Self::AnswerTooLong | Self::AnswerNotUnderstood | Self::AnswerContradictory => {
                "check that the address is this kind of server's and that no proxy answers for it"
            }
            Self::AssociationRejected => "check both AE titles, and that the PACS knows ours",
            Self::SopClassRefused => {
                "let the PACS accept Comprehensive 3D SR Storage, Secondary Capture Image Storage and Segmentation Storage"
            }
        }
    }
}

codes! {
    /// What is wrong with a report or a target for good.
    TerminalCode {
        /// The report has no FHIR bundle.
        NoBundle,
        /// The stored bundle is not one of ours, or another version's.
        BundleUnusable,
        /// The stored structured report is no DICOM file of ours.
        StructuredReportUnusable,
        /// The stored picture with its overlay is not one that this version reads, or of another study.
        OverlayUnusable,
        /// The stored segmentation is not one that this version reads, or of another study.
        SegmentationUnusable,
        /// The Study Instance UID cannot name a folder.
        StudyUidUnusable,
        /// The server sent the request elsewhere; a report is never sent where the configuration does not say.
        RedirectRefused,
        /// The server refused the report (4xx).
        Rejected,
        /// The server holds something that does not go together with the report (409, 412).
        Conflict,
        /// A person signed the report on the server, in another version: it is not overwritten.
        AlreadySigned,
        /// The server holds more than one report with the identifier of this one.
        SeveralReports,
        /// The server stored the transaction in parts.
        TransactionBroken,
        /// The images do not say whose they are.
        PatientNotStated,
        /// The server has no Patient with the images' Patient ID.
        PatientNotFound,
        /// The server has several current Patients with the images' Patient ID.
        SeveralPatients,
        /// The server's Patient is inactive or merged into another.
        PatientNotCurrent,
        /// Sex, birth date or name of the server's Patient is another.
        PatientConflict,
        /// Too little of the server's Patient agrees.
        PatientUnconfirmed,
        /// The server's Patient is another resource than the one that the report names.
        PatientIsAnother,
    }
}

impl TerminalCode {
    /// What a human does about it, without a full stop; the reason says what is wrong.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::PatientNotStated => {
                "find out whose the images are, correct their Patient ID (0010,0020) at the archive and submit the \
                 study again; this report reaches no FHIR server"
            }
            Self::PatientNotFound => {
                "register the patient on the FHIR server, or correct the images' Patient ID (0010,0020)"
            }
            Self::SeveralPatients => {
                "merge the patients on the FHIR server, or set `patient_id_system` where their identifiers are of \
                 different systems"
            }
            Self::PatientNotCurrent => {
                "find out into whom the patient was merged, and correct the images' Patient ID (0010,0020)"
            }
            Self::PatientConflict | Self::PatientUnconfirmed => {
                "compare the images' patient with the FHIR server's: one of them is wrong, or somebody else"
            }
            Self::AlreadySigned => {
                "compare the signed report with this version's page; who signed it amends it there, or lets its status \
                 be `preliminary` again"
            }
            Self::PatientIsAnother => {
                "find out whose the record is that was read, and give the one that the FHIR server holds"
            }
            Self::NoBundle
            | Self::BundleUnusable
            | Self::StructuredReportUnusable
            | Self::OverlayUnusable
            | Self::SegmentationUnusable => {
                "submit the study again: what is stored of its report is not what this version delivers"
            }
            Self::StudyUidUnusable => "correct the Study Instance UID (0020,000D) at the archive",
            Self::RedirectRefused => "configure the target's URL where the server really is",
            Self::Rejected => {
                "mend on the target what the reason names, such as a rule of its own for reports"
            }
            Self::Conflict => "find out on the target what contradicts the report, as the reason says",
            Self::SeveralReports => {
                "find out on the server which of the reports is the one, and take the others back there; none is deleted"
            }
            Self::TransactionBroken => {
                "let the server store a transaction as a whole, and mend what it holds of it"
            }
        }
    }
}

/// What a human does about a code of a delivery, without a full stop.
pub fn next_step(code: &str) -> Option<&'static str> {
    let transient = TransientCode::ALL.iter().find(|known| known.as_str() == code);
    let terminal = TerminalCode::ALL.iter().find(|known| known.as_str() == code);
    transient.map(|known| known.next_step()).or_else(|| terminal.map(|known| known.next_step()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_target_code_and_next_step() {
        let target: Name = "ehr".parse().unwrap();
        let code = TransientCode::AuthenticationFailed;
        let now = DeliverError::Transient { target: target.clone(), code, retry_after: None, source: None };
        assert_eq!(
            now.to_string(),
            "target `ehr` cannot take the report now (AuthenticationFailed); renew the token or the password"
        );
        assert_eq!((now.code(), now.is_transient()), ("AuthenticationFailed", true));
        let code = TerminalCode::Rejected;
        let good = DeliverError::Terminal { target, code, reason: "status 422".into() };
        assert_eq!(good.to_string(), "target `ehr` does not take the report (Rejected): status 422");
        assert_eq!((good.code(), good.is_transient()), ("Rejected", false));
    }

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<_> = TransientCode::ALL.iter().map(|code| code.as_str()).collect();
        codes.extend(TerminalCode::ALL.iter().map(|code| code.as_str()));
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
