//! A PACS over DICOMweb: structured report, overlay and segmentation by STOW-RS (PS3.18 10.5), exactly as the ledger stores them.
//!
//! An instance has one SOP Instance UID for ever, so storing it again is no second effect. Even so, after a try whose
//! outcome is unknown the archive is **asked first** (QIDO-RS) and sent the same bytes only where it has no such instance:
//! some archives write down each time that one arrives.

mod answer;

use async_trait::async_trait;

use self::answer::Verdict;
use super::object::Letter;
use super::trouble::Trouble;
use super::web::{ANSWER_BYTES, Client, Login, Post};
use super::{DeliverError, OpenError, Parcel, Receipts, Target};
use crate::config::site::DicomWebConfig;
use crate::job;
use crate::message::Name;

/// The media type of answers (PS3.18 F).
const DICOM_JSON: &str = "application/dicom+json";
/// A study that no archive holds: the root of UUID-derived UIDs with nothing below it but zero.
const NO_STUDY: &str = "2.25.0";

/// A PACS as a target.
#[derive(Debug)]
pub struct DicomWebTarget {
    name: Name,
    client: Client,
}

impl DicomWebTarget {
    /// Makes the client; nothing is reached yet.
    pub fn new(name: Name, config: &DicomWebConfig) -> Result<Self, OpenError> {
        let login = match (&config.token, &config.login) {
            (Some(token), _) => Login::Bearer(token.clone()),
            (None, Some((user, password))) => Login::Basic(user.clone(), password.clone()),
            (None, None) => Login::None,
        };
        let ca_file = config.ca_file.as_deref();
        let client = Client::new(&name, &config.url, login, ca_file, config.timeout, DICOM_JSON)?;
        Ok(Self { name, client })
    }

    /// Whether the archive holds this instance.
    async fn holds(&self, letter: &Letter<'_>) -> Result<bool, Trouble> {
        let place = format!("studies/{}/instances", letter.study_uid);
        let query = [("SOPInstanceUID", letter.sop_instance_uid.as_str())];
        let answer = self.client.get(&place, &query, ANSWER_BYTES).await?;
        answer::found(&answer, &letter.sop_instance_uid)
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<(), Trouble> {
        let boundary = boundary(letter);
        let post = Post {
            content_type: format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"),
            prefer: None,
            body: multipart(&boundary, letter.file),
        };
        // A study that the archive does not hold yet is no reason to refuse, so the place names none.
        let answer = self.client.post("studies", post).await?;
        match answer::judge(&answer, &letter.sop_instance_uid) {
            Verdict::Stored => Ok(()),
            Verdict::Unclear(otherwise) => {
                if self.holds(letter).await? {
                    Ok(())
                } else {
                    Err(otherwise)
                }
            }
            Verdict::Not(trouble) => Err(trouble),
        }
    }

    async fn settled(&self, letter: &Letter<'_>, sent_before: bool) -> Result<(), Trouble> {
        if sent_before && self.holds(letter).await? {
            return Ok(());
        }
        self.send(letter).await
    }
}

#[async_trait]
impl Target for DicomWebTarget {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        // A study without an identified patient has no structured report: there is nothing for an archive.
        let letters = Letter::all(parcel).map_err(|trouble| trouble.at(&self.name))?;
        let mut receipts = Receipts::new();
        for letter in letters {
            let settled = self.settled(&letter, parcel.sent_before).await;
            settled.map_err(|trouble| trouble.at(&self.name))?;
            let place = format!("studies/{}/instances/{}", letter.study_uid, letter.sop_instance_uid);
            receipts.insert(letter.part.to_owned(), self.client.url(&place).to_string());
        }
        Ok(receipts)
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        // asks for nothing that is there, so that no patient's data comes back
        let query = [("StudyInstanceUID", NO_STUDY), ("limit", "1")];
        let answer = self.client.get("studies", &query, ANSWER_BYTES).await;
        answer.and_then(|answer| answer::is_dicomweb(&answer)).map_err(|trouble| trouble.at(&self.name))
    }
}

/// A boundary that does not occur in the file (RFC 2046, 5.1.1); the same for the same file.
fn boundary(letter: &Letter<'_>) -> String {
    let candidate = |round: u32| {
        let digest = job::digest(&["boundary", &letter.sop_instance_uid, &round.to_string()]);
        digest.chars().take(32).collect::<String>()
    };
    let is_free = |text: &String| memchr::memmem::find(letter.file, text.as_bytes()).is_none();
    (0..=u32::MAX).map(candidate).find(is_free).unwrap_or_default()
}

fn multipart(boundary: &str, file: &[u8]) -> Vec<u8> {
    let head = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let tail = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), file, tail.as_bytes()].concat()
}
