//! A job: which files to read for which study, with which record, and where the report goes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ending::{Ending, Why};
use crate::message::{Mode, Name};

/// What a job reads and where it writes. Stored in the ledger; holds paths of this machine, so it never leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The study's files, ordered by SOPInstanceUID.
    pub files: Vec<SourceFile>,
    /// The record that was offered.
    pub record: RecordSource,
    /// The configured source that the files were fetched from, where they lay on another machine. Their paths are then
    /// names by content, below wherever they are fetched to again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_from: Option<Name>,
    /// The configured FHIR server that the record was fetched from: it says whose it is once more before a report goes to places
    /// that cannot say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_from: Option<Name>,
    /// The folder the report goes to, where the caller named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// The configured targets the report goes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Name>,
    /// The pipeline that reads the study; `None` is the built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Name>,
    /// Whether the report is delivered at all.
    #[serde(default)]
    pub mode: Mode,
    /// The asker's own name for the undertaking, for status events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Why the study could not even be read when the job was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

impl Request {
    /// This request, going also to where `asked` wants the same report to go; `None` where that adds nothing. What an older
    /// version scored in the shadow under the same key goes to where it is asked for now.
    #[must_use]
    pub fn widened(&self, asked: &Self) -> Option<Self> {
        if asked.mode == Mode::Shadow {
            return None;
        }
        let mut wide = self.clone();
        if self.mode == Mode::Shadow {
            (wide.mode, wide.targets, wide.out) = (Mode::Clinical, Vec::new(), None);
        }
        let added: Vec<_> =
            asked.targets.iter().filter(|name| !wide.targets.contains(name)).cloned().collect();
        wide.targets.extend(added);
        if asked.out.is_some() {
            wide.out.clone_from(&asked.out);
        }
        (wide != *self).then_some(wide)
    }
}

/// Why a study could not be read when its job was accepted: the job ends with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Whether a person must look, or the study is only refused.
    pub failed: bool,
    /// Stable code.
    pub code: String,
    /// One sentence without patient data.
    pub reason: String,
    /// What a person can do.
    pub next_step: String,
}

impl From<Unread> for Ending {
    fn from(unread: Unread) -> Self {
        let why = Why { code: unread.code, reason: unread.reason, next_step: unread.next_step };
        if unread.failed { Self::Failed(why) } else { Self::Refused(why) }
    }
}

/// One file as it was when the job was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Absolute path, or the name below a fetched study's folder.
    pub path: PathBuf,
    /// SHA-256 of its bytes: a file that changed since is not read.
    pub sha256: String,
}

/// The digest of a file that cannot be read, or whose reader ended over it.
pub const UNREADABLE: &str = "unreadable";

/// The record that was offered for a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum RecordSource {
    /// No record was offered.
    NotGiven,
    /// Records were offered and none carries the study's Patient ID.
    NoMatch,
    /// One record: named by the caller, or the only one of a folder that carries the study's Patient ID.
    File {
        /// The file.
        file: SourceFile,
    },
    /// Several records of a folder carry the study's Patient ID.
    Several {
        /// How many.
        count: usize,
    },
}

impl RecordSource {
    fn fingerprint(&self) -> String {
        match self {
            Self::NotGiven => "not-given".into(),
            Self::NoMatch => "no-match".into(),
            Self::File { file } => file.sha256.clone(),
            Self::Several { count } => format!("several-{count}"),
        }
    }
}

/// The two keys of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Report key R: tenant, study, pipeline, and whether it is read in the shadow. All versions of a report share it.
    pub report: String,
    /// Job key J: the exact inputs, models and configuration; one version.
    pub job: String,
}

/// Everything that distinguishes one version of a report from another.
#[derive(Debug, Clone)]
pub struct KeyParts<'a> {
    /// The site.
    pub tenant: &'a str,
    /// StudyInstanceUID.
    pub study_uid: &'a str,
    /// SHA-256 of every file of the study, in any order.
    pub files: &'a [String],
    /// Which pipeline reads the study.
    pub pipeline_id: &'a str,
    /// Digests of pipeline declaration, models and program version.
    pub versions: &'a str,
    /// Configuration that changes a report.
    pub configuration: &'a str,
    /// The record that was offered.
    pub record: &'a RecordSource,
    /// Whether the report is delivered at all.
    pub mode: Mode,
}

/// The report key of a study and a pipeline. What is read in the shadow is a report of its own: it is at no target, and takes
/// no other's place.
pub fn report_key(tenant: &str, study_uid: &str, pipeline_id: &str, mode: Mode) -> String {
    let mut texts = vec!["report", tenant, study_uid, pipeline_id];
    match mode {
        Mode::Clinical => {}
        Mode::Shadow => texts.push("shadow"),
    }
    digest(&texts)
}

/// Makes both keys. The record is part of the job key: another record makes another version of the same report.
pub fn keys(parts: &KeyParts<'_>) -> Keys {
    let report = report_key(parts.tenant, parts.study_uid, parts.pipeline_id, parts.mode);
    let mut files: Vec<&str> = parts.files.iter().map(String::as_str).collect();
    files.sort_unstable();
    let record = parts.record.fingerprint();
    let mut texts = vec!["job", &report, parts.versions, parts.configuration, &record];
    texts.extend(files);
    let job = digest(&texts);
    Keys { report, job }
}

/// The key of the version that takes the version with this key back: one withdrawal a version.
pub fn withdrawal_key(job_key: &str) -> String {
    digest(&["withdrawal", job_key])
}

/// SHA-256 over the texts, each with its length in front so that no two lists give the same bytes.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize())
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(files: &'a [String], record: &'a RecordSource) -> KeyParts<'a> {
        KeyParts {
            tenant: "t",
            study_uid: "1.2",
            files,
            pipeline_id: "p",
            versions: "v",
            configuration: "c",
            record,
            mode: Mode::Clinical,
        }
    }

    #[test]
    fn keys_ignore_the_order_of_files_and_see_every_change() {
        let one = vec!["a".to_owned(), "b".to_owned()];
        let turned: Vec<_> = one.iter().rev().cloned().collect();
        let base = keys(&parts(&one, &RecordSource::NotGiven));
        assert_eq!(base, keys(&parts(&turned, &RecordSource::NotGiven)));
        let other = keys(&parts(&one[..1], &RecordSource::NotGiven));
        assert_eq!(base.report, other.report);
        assert_ne!(base.job, other.job);
        assert_ne!(base.job, keys(&parts(&one, &RecordSource::NoMatch)).job);
        let shadow = keys(&KeyParts { mode: Mode::Shadow, ..parts(&one, &RecordSource::NotGiven) });
        assert!(shadow.report != base.report && shadow.job != base.job, "it takes nobody's place");
    }

    #[test]
    fn a_request_survives_the_ledger() {
        let request = Request {
            files: vec![SourceFile { path: "/a".into(), sha256: "00".into() }],
            record: RecordSource::File { file: SourceFile { path: "/b".into(), sha256: "11".into() } },
            fetched_from: Some("archive".parse().unwrap()),
            record_from: Some("server".parse().unwrap()),
            out: None,
            targets: vec!["reports".parse().unwrap()],
            pipeline: Some("effusion".parse().unwrap()),
            mode: Mode::Shadow,
            correlation_id: Some("c".into()),
            unread: None,
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }

    #[test]
    fn a_request_is_widened_by_what_another_adds() {
        let to = |targets: &[&str], mode: Mode| Request {
            files: Vec::new(),
            record: RecordSource::NotGiven,
            fetched_from: None,
            record_from: None,
            out: None,
            targets: targets.iter().map(|name| name.parse().unwrap()).collect(),
            pipeline: None,
            mode,
            correlation_id: None,
            unread: None,
        };
        let (clinical, shadow) = (|targets| to(targets, Mode::Clinical), |targets| to(targets, Mode::Shadow));
        let one = clinical(&["a", "b"]);
        assert_eq!(one.widened(&clinical(&["b", "c"])), Some(clinical(&["a", "b", "c"])));
        assert_eq!(one.widened(&clinical(&["b", "a"])), None);
        assert_eq!(one.widened(&shadow(&["c"])), None, "it asks for no delivery");
        assert_eq!(shadow(&["a"]).widened(&clinical(&["c"])), Some(clinical(&["c"])));
        let out = |folder: &str| Request { out: Some(folder.into()), ..clinical(&["a"]) };
        assert_eq!(one.widened(&out("/x")), Some(Request { out: Some("/x".into()), ..one.clone() }));
        assert_eq!(out("/x").widened(&out("/x")), None);
        assert_eq!(out("/x").widened(&clinical(&["a"])), None);
    }

    #[test]
    fn a_request_that_version_0_1_0_stored_is_read() {
        let text = r#"{"files":[],"record":{"kind":"not_given"},"out":"/out"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!((request.out, request.mode), (Some("/out".into()), Mode::Clinical));
        assert_eq!((request.fetched_from, request.record_from, request.pipeline), (None, None, None));
    }
}
