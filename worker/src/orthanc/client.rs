//! The few questions that are asked of Orthanc's REST interface. One origin, bounded answers, no redirect, no proxy.

use std::path::PathBuf;
use std::time::Duration;

use dicom_ingest::uid::Uid;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::secret::Secret;
use crate::config::site::OrthancConfig;
use crate::message::adapters::orthanc::OrthancId;
use crate::origin;

/// The longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time for a connection to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of an answer. A change has about 250, and at most [`super::changes::PAGE`] are asked for; a study's
/// answer lists its series.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why Orthanc gave no answer. No text holds a secret, a URL with one, or anything of an answer.
#[derive(Debug, thiserror::Error)]
pub enum OrthancError {
    /// The configured URL is none.
    #[error("`orthanc.url` is no http or https URL without user, query and fragment")]
    Url,
    /// The authority could not be read.
    #[error("could not read `{path}` of `orthanc.ca_file`")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What the system said; `None` when the file holds no certificate.
        source: Option<std::io::Error>,
    },
    /// The client could not be made.
    #[error("could not prepare connections to Orthanc")]
    Client(#[source] reqwest::Error),
    /// Orthanc cannot be reached, or did not answer in time.
    #[error("could not {act}: Orthanc does not answer")]
    Unreachable {
        /// What was asked.
        act: &'static str,
        /// What the network said.
        source: reqwest::Error,
    },
    /// Orthanc refused the question.
    #[error("could not {act}: Orthanc answered with status {status}")]
    Status {
        /// What was asked.
        act: &'static str,
        /// The HTTP status; 401 means that `orthanc.user` and `orthanc.password` are not right.
        status: u16,
    },
    /// The answer is not what Orthanc answers.
    #[error("could not {act}: the answer is not Orthanc's, or longer than {MAX_ANSWER_BYTES} bytes")]
    Answer {
        /// What was asked.
        act: &'static str,
    },
}

impl OrthancError {
    /// Whether the question itself is at fault, so that asking again gives the same answer.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                (400..500).contains(status) && ![401, 403, 407, 408, 429].contains(status)
            }
            Self::Answer { .. } => true,
            Self::Url | Self::Authority { .. } | Self::Client(_) | Self::Unreachable { .. } => false,
        }
    }
}

/// A page of the change log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    pub(super) changes: Vec<Change>,
    /// Whether there are no newer changes.
    pub(super) done: bool,
    /// The number of the page's last change, or of the log's where the page is empty.
    pub(super) last: u64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Change {
    #[serde(rename = "Seq")]
    pub(super) sequence: u64,
    #[serde(rename = "ChangeType")]
    pub(super) kind: String,
    #[serde(rename = "ID")]
    pub(super) resource: String,
    /// UTC, `20260317T093000`.
    #[serde(rename = "Date")]
    pub(super) date: String,
}

/// What a study's identifier stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// This study with so many instances.
    Study { uid: Uid, instances: Option<u64> },
    /// It was deleted.
    Gone,
    /// Its StudyInstanceUID is no DICOM UID, so that nothing can ask for it.
    BadUid,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StudyAnswer {
    main_dicom_tags: StudyTags,
}

#[derive(Deserialize)]
struct StudyTags {
    #[serde(rename = "StudyInstanceUID")]
    study_instance_uid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statistics {
    count_instances: Count,
}

/// A count, which Orthanc has written as a number and as a text.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Count(u64);

impl TryFrom<serde_json::Value> for Count {
    type Error = &'static str;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number.map(Self).ok_or("is no count")
    }
}

/// A client of one Orthanc.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    login: Option<(String, Secret)>,
}

impl Client {
    /// Prepares connections; nothing is sent yet.
    pub fn new(config: &OrthancConfig) -> Result<Self, OrthancError> {
        let base = origin::base_url(&config.url).ok_or(OrthancError::Url)?;
        let authorities = config.ca_file.as_ref().map(|path| {
            origin::authorities(path).map_err(|source| OrthancError::Authority { path: path.clone(), source })
        });
        let http = origin::builder(base.scheme() == "http", authorities.transpose()?)
            .connect_timeout(CONNECT_TIMEOUT)
            // Orthanc closes a connection after a second, and a question on one that is just being closed fails.
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()
            .map_err(OrthancError::Client)?;
        Ok(Self { http, base, login: config.login.clone() })
    }

    /// Changes after number `since`, oldest first.
    pub(super) async fn changes(&self, since: u64, limit: usize) -> Result<Page, OrthancError> {
        let query = [("since", since.to_string()), ("limit", limit.to_string())];
        self.ask("read Orthanc's changes", &["changes"], &query).await
    }

    /// The newest change alone.
    pub(super) async fn newest_change(&self) -> Result<Page, OrthancError> {
        self.ask("read Orthanc's newest change", &["changes"], &[("last", String::new())]).await
    }

    /// Which study an identifier stands for, and how many instances it has.
    pub(super) async fn study(&self, id: &OrthancId) -> Result<Named, OrthancError> {
        let study: StudyAnswer =
            match self.ask("read a study of Orthanc", &["studies", id.as_str()], &[]).await {
                Err(OrthancError::Status { status: 404, .. }) => return Ok(Named::Gone),
                answer => answer?,
            };
        let Ok(uid) = study.main_dicom_tags.study_instance_uid.parse() else { return Ok(Named::BadUid) };
        let place = ["studies", id.as_str(), "statistics"];
        let statistics: Statistics =
            match self.ask("count the instances of a study of Orthanc", &place, &[]).await {
                Err(OrthancError::Status { status: 404, .. }) => return Ok(Named::Gone),
                answer => answer?,
            };
        Ok(Named::Study { uid, instances: Some(statistics.count_instances.0) })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        act: &'static str,
        place: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, OrthancError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(place);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.get(url);
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let unreachable =
            |source: reqwest::Error| OrthancError::Unreachable { act, source: source.without_url() };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(OrthancError::Status { act, status: status.as_u16() });
        }
        let body = origin::read(response, MAX_ANSWER_BYTES).await.map_err(unreachable)?;
        let body = body.ok_or(OrthancError::Answer { act })?;
        // The cause is left out: it may repeat a value of the answer.
        serde_json::from_slice(&body).map_err(|_| OrthancError::Answer { act })
    }
}
