//! Why a study could not be fetched, and what that means for whoever asked.

use std::io;

/// What the library below said; no text of ours repeats it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a source gave no study. No text holds a secret, a URL, a path, or a word of a server's answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The source answers and holds nothing of the study.
    #[error("the source holds no instance of the study")]
    Absent,
    /// The study is larger than was allowed.
    #[error("the study has {bytes} bytes or more, the limit is {limit}")]
    TooLarge {
        /// What it has at least.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The study has more files than was allowed.
    #[error("the study has more than {limit} files")]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
    /// No connection came about, or a folder cannot be read.
    #[error("the source cannot be reached")]
    Unreachable(#[source] Option<Cause>),
    /// No answer in time.
    #[error("the source did not answer in time")]
    TimedOut,
    /// The source asks to come later (429, 503, SlowDown).
    #[error("the source is busy: status {status}")]
    Busy {
        /// HTTP status.
        status: u16,
    },
    /// The source fails (other 5xx).
    #[error("the source fails: status {status}")]
    Failed {
        /// HTTP status.
        status: u16,
    },
    /// The source does not accept who we are, or there are no credentials.
    #[error("the source does not accept the credentials: status {status}")]
    Denied {
        /// HTTP status; 401 where there are no credentials at all.
        status: u16,
    },
    /// The source sent the request elsewhere, which is never followed.
    #[error("the source answered with a redirect, status {status}, which is not followed")]
    Redirected {
        /// HTTP status.
        status: u16,
    },
    /// The place that is configured is not there: no such bucket, no such service.
    #[error("the source has no such place: status {status}")]
    NoSuchPlace {
        /// HTTP status.
        status: u16,
    },
    /// Another answer that is no success.
    #[error("the source refused the request: status {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The study was changed between being located and being fetched.
    #[error("the study was changed at its source while it was fetched")]
    Changed,
    /// A body ended before it was whole.
    #[error("what the source sent ended too early")]
    Truncated,
    /// A body is not the one that its checksum was made of.
    #[error("what the source sent does not have its checksum")]
    Damaged,
    /// The answer is not of the form that the protocol asks for.
    #[error("the source's answer is not understood: {0}")]
    NotUnderstood(&'static str),
    /// The folder that is fetched into cannot be written to.
    #[error("the folder for fetched files cannot be written to")]
    Spool(#[source] io::Error),
}

/// What an error means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The study is not there; it may come soon.
    Absent,
    /// The source, or the way to it, is at fault; the study may be had later.
    Later,
    /// The study itself is not to be had within the limits.
    Never,
}

impl SourceError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Absent => "StudyNotFound",
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => "StudyTooLarge",
            Self::Unreachable(_) => "SourceUnreachable",
            Self::TimedOut => "SourceTimedOut",
            Self::Busy { .. } => "SourceBusy",
            Self::Failed { .. } => "SourceFailed",
            Self::Denied { .. } => "SourceDenied",
            Self::Redirected { .. } => "SourceRedirected",
            Self::NoSuchPlace { .. } => "SourceNoSuchPlace",
            Self::Refused { .. } => "SourceRefused",
            Self::Changed => "SourceChanging",
            Self::Truncated => "SourceTruncated",
            Self::Damaged => "SourceDamaged",
            Self::NotUnderstood(_) => "SourceNotUnderstood",
            Self::Spool(_) => "SpoolFailed",
        }
    }

    /// What it means.
    pub const fn fate(&self) -> Fate {
        match self {
            Self::Absent => Fate::Absent,
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => Fate::Never,
            Self::Unreachable(_)
            | Self::TimedOut
            | Self::Busy { .. }
            | Self::Failed { .. }
            | Self::Denied { .. }
            | Self::Redirected { .. }
            | Self::NoSuchPlace { .. }
            | Self::Refused { .. }
            | Self::Changed
            | Self::Truncated
            | Self::Damaged
            | Self::NotUnderstood(_)
            | Self::Spool(_) => Fate::Later,
        }
    }

    /// What a person does when it stays.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Absent => "Check that the whole study is at the source, and submit it again.",
            Self::TooLarge { .. } | Self::TooManyFiles { .. } => {
                "Raise `worker.max_study_mib` if the machine has the memory, and submit it again."
            }
            Self::Unreachable(_) | Self::TimedOut | Self::Busy { .. } | Self::Failed { .. } => {
                "Bring the source back, and submit the study again."
            }
            Self::Denied { .. } => "Renew the source's credentials, and submit the study again.",
            Self::Redirected { .. }
            | Self::NoSuchPlace { .. }
            | Self::Refused { .. }
            | Self::NotUnderstood(_) => {
                "Check the source's address in the configuration, and submit the study again."
            }
            Self::Changed => "Wait until the study is no longer written at its source, and submit it again.",
            Self::Truncated | Self::Damaged => "Check the way to the source, and submit the study again.",
            Self::Spool(_) => "Free some disk space in `state`, and submit the study again.",
        }
    }

    /// Whether the same request can be worth sending again at once.
    #[cfg(any(feature = "dicomweb", feature = "s3"))]
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::TimedOut
                | Self::Busy { .. }
                | Self::Failed { .. }
                | Self::Truncated
                | Self::Damaged
        )
    }

    /// The error of an answer that is no success. `missing` is what 404 means here.
    #[cfg(any(feature = "dicomweb", feature = "s3"))]
    pub(crate) fn of_status(status: u16, missing: Self) -> Self {
        match status {
            300..=399 => Self::Redirected { status },
            401 | 403 | 407 => Self::Denied { status },
            404 => missing,
            409 | 412 => Self::Changed,
            408 | 425 | 429 | 503 => Self::Busy { status },
            500..=599 => Self::Failed { status },
            _ => Self::Refused { status },
        }
    }
}
