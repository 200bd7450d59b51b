//! A FHIR server: the bundle as one transaction, as the ledger stores it, with what earlier versions said taken back; to one that speaks
//! R5, in its words.
//!
//! What is written twice is written under the same ids, so a second time cannot double a report; it would add a version
//! to its history, though. Hence **read first, then send the same bytes**: before every write, and again after one whose
//! outcome is unknown, because the connection broke or a worker was killed. The report has one id for all versions (from
//! the report key); which version lies there is told by its identifier with the job key.
//!
//! After a success it is read too: the answer alone is not believed.
//!
//! Another version under that id is overwritten where nobody signed it. That is right when ours is newer, and the ledger
//! decides what is newest: the caller asks it before each delivery. Without that question an older version that was long
//! on its way would take the newer one's place. What a person signed (`final`, `amended`, `corrected`, `appended`) is
//! never overwritten, and whoever signs between the look and the write is safe too: the write carries the one condition
//! that what was read still lies there (`If-Match` with its version, `If-None-Match: *` where there was nothing).
//!
//! A server that lets nobody choose ids gives its own: then the report is found by its identifier (`ids`).
//!
//! A server that says that it speaks another release, or takes no transactions, gets nothing (`capabilities`).
//!
//! Immediately before the write, the server is asked once more whose report it is (`patient`): exactly one current Patient
//! must carry the images' identifier and agree with them. A withdrawal is written in any case: what it takes back lies
//! there already. So is a report that names nobody and says only why there is no result.
//!
//! The token goes to the configured origin alone: URLs are made from the base URL here and nowhere else, and no redirect
//! is followed. Proxies of the environment are not used.

mod answer;
mod capabilities;
mod ids;
mod letter;
mod patient;
mod search_set;
mod study;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use self::answer::{Found, Lies, Verdict};
use self::capabilities::{Capabilities, STATEMENT_BYTES};
use self::ids::Ids;
use self::letter::Letter;
use super::smart::Smart;
use super::trouble::Trouble;
use super::web::{ANSWER_BYTES, Answer, Body, Client, Login, Post};
use super::{DeliverError, OpenError, Parcel, Receipts, Target, TerminalCode, TransientCode, object};
use crate::config::site::{FhirConfig, FhirRelease};
use crate::identity::Person;
use crate::ledger::JobState;
use crate::message::Name;

/// Pages of a search for one patient that are looked at; who has more namesakes is not told apart.
const PATIENT_PAGES: usize = 8;

/// How often a transaction is sent in one delivery when others write the same models' devices at that moment (409), or the
/// report itself (412).
const SENDS: u32 = 4;

/// What of a report says which version it is, and whether somebody signed it.
const TOLD: &str = "identifier,status,meta";

/// Answers by which a server or what stands before it refuses to be asked for a part. Not 404: that is the answer where nothing lies.
const REFUSES_PARTS: [u16; 6] = [400, 405, 406, 414, 422, 501];

/// The media type of FHIR as JSON.
const FHIR_JSON: &str = "application/fhir+json";

/// A transaction, of which one line an entry is asked for in return.
fn post(bundle: Vec<u8>) -> Post {
    Post { content_type: FHIR_JSON.to_owned(), prefer: Some("return=minimal"), body: bundle }
}

/// A FHIR server as a target.
#[derive(Debug)]
pub struct FhirTarget {
    name: Name,
    client: Client,
    /// The identifier system of the site's Patient IDs.
    patient_id_system: Option<String>,
    release: FhirRelease,
    /// What the server said last that it can do.
    capabilities: Mutex<Option<Capabilities>>,
    /// Whether the server refused a write because its ids were ours.
    refuses_our_ids: AtomicBool,
    /// Whether the server refused to be asked for some elements of a report.
    reads_whole: AtomicBool,
}

impl FhirTarget {
    /// Makes the client; nothing is reached yet. `patient_id_system` is the identifier system of the site's Patient IDs.
    pub fn new(
        name: Name,
        config: &FhirConfig,
        patient_id_system: Option<String>,
    ) -> Result<Self, OpenError> {
        let client = client(&name, config)?;
        Ok(Self {
            name,
            client,
            patient_id_system,
            release: FhirRelease::R4,
            capabilities: Mutex::new(None),
            refuses_our_ids: AtomicBool::new(false),
            reads_whole: AtomicBool::new(false),
        })
    }

    /// The same target of a server that speaks this release.
    #[must_use]
    pub fn speaking(self, release: FhirRelease) -> Self {
        Self { release, ..self }
    }

    /// Asks the server what it can do.
    async fn ask(&self) -> Result<Capabilities, Trouble> {
        let answer = self.client.get("metadata", &[], STATEMENT_BYTES).await?;
        let said = capabilities::read(&answer, self.release)?;
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        Ok(said)
    }

    /// What the server can do; it is asked where it did not say so yet.
    async fn capabilities(&self) -> Result<Capabilities, DeliverError> {
        let said = *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        match said {
            Some(said) => Ok(said),
            None => self.ask().await.map_err(|error| self.error(error)),
        }
    }

    /// Asks the server whether the report is surely about one current Patient of its own.
    async fn confirm_patient(&self, letter: &Letter<'_>, parcel: &Parcel<'_>) -> Result<(), Trouble> {
        if letter.is_withdrawal {
            return Ok(());
        }
        let Some(subject) = &letter.subject else {
            let says_something = parcel.report.ends == JobState::Reported;
            let refused = || patient::refused(TerminalCode::PatientNotStated);
            return if says_something { Err(refused()) } else { Ok(()) };
        };
        let images =
            object::person(parcel)?.ok_or_else(|| patient::refused(TerminalCode::PatientNotStated))?;
        let candidates = self.candidates(&images).await?;
        patient::confirm(&images, subject, self.patient_id_system.as_deref(), &candidates)
    }

    /// All Patients of the server with the identifier that the images state.
    async fn candidates(&self, images: &Person) -> Result<Vec<patient::Candidate>, Trouble> {
        let wanted = images.identifiers.first();
        let wanted = wanted.ok_or_else(|| patient::refused(TerminalCode::PatientNotStated))?;
        let token = match &self.patient_id_system {
            Some(system) => format!("{}|{}", escaped(system), escaped(&wanted.value)),
            None => escaped(&wanted.value),
        };
        let mut url = self.client.url("Patient");
        url.query_pairs_mut().append_pair("identifier", &token);
        let mut candidates = Vec::new();
        for _ in 0..PATIENT_PAGES {
            let answer = self.client.get_url(&url, ANSWER_BYTES).await?;
            let page = match &answer {
                Answer { status: 200, body: Body::Whole(bytes), .. } => patient::page(bytes),
                Answer { status: 200, body: Body::TooLong, .. } => {
                    return Err(Trouble::now(TransientCode::AnswerTooLong));
                }
                answer => return Err(answer::failed_search(answer)),
            };
            let page = page.ok_or_else(|| Trouble::now(TransientCode::AnswerNotUnderstood))?;
            candidates.extend(page.candidates);
            let Some(next) = page.next else { return Ok(candidates) };
            // FHIR allows a relative address of the next page
            url = url.join(&next).map_err(|_| Trouble::now(TransientCode::AnswerNotUnderstood))?;
        }
        Err(patient::refused(TerminalCode::SeveralPatients))
    }

    /// Who chooses the ids at this server.
    async fn ids(&self) -> Result<Ids, DeliverError> {
        let takes_ours = self.capabilities().await?.takes_our_ids != Some(false);
        let refused_ours = self.refuses_our_ids.load(Ordering::Relaxed);
        Ok(if takes_ours && !refused_ours { Ids::Ours } else { Ids::Servers })
    }

    /// What the server holds of the report: under its id, or by its identifier where the server chooses ids. An error where a person
    /// signed another version of it.
    async fn look(&self, letter: &Letter<'_>, ids: Ids) -> Result<Lies, DeliverError> {
        // the page lies in the report, so the answer may be as long as the bundle, written more widely
        let limit = ANSWER_BYTES.saturating_add(letter.bytes.len().saturating_mul(2));
        let lies = match ids {
            Ids::Ours => {
                let answer = self.read(&letter.report_url, limit).await;
                answer
                    .and_then(|answer| answer::found(&answer, letter.job_key))
                    .map(|found| Lies { found, id: None })
            }
            Ids::Servers => {
                let query = [("identifier", letter.report_token.as_str())];
                let answer = self.client.get("DiagnosticReport", &query, limit).await;
                answer.and_then(|answer| ids::found(&answer, letter.job_key))
            }
        };
        lies.map_err(|error| self.error(error))
    }

    /// Reads a report that lies under an id: of a server that can do so only what tells its version, and not its page
    /// (<http://hl7.org/fhir/R4/http.html#general>). A server that refuses to be asked so is asked for all of it.
    async fn read(&self, report_url: &str, limit: usize) -> Result<Answer, Trouble> {
        if !self.reads_whole.load(Ordering::Relaxed) {
            let answer = self.client.get(report_url, &[("_elements", TOLD)], limit).await?;
            if !REFUSES_PARTS.contains(&answer.status) {
                return Ok(answer);
            }
            self.reads_whole.store(true, Ordering::Relaxed);
        }
        self.client.get(report_url, &[], limit).await
    }

    /// Looks whether it is there, and gives this error where it is not: a proxy, a cache or a server that loses what it took
    /// says success too, and a report that everybody believes delivered is the one that nobody misses.
    async fn believe(&self, letter: &Letter<'_>, ids: Ids, otherwise: Trouble) -> Result<Lies, DeliverError> {
        let lies = self.look(letter, ids).await?;
        if lies.found == Found::This { Ok(lies) } else { Err(self.error(otherwise)) }
    }

    /// One of the studies of the letter's that the server has, where it has several: "create it where there is none" is refused
    /// then (412).
    async fn known_study(&self, letter: &Letter<'_>) -> Result<Option<String>, DeliverError> {
        let Some(token) = letter.study() else { return Ok(None) };
        let query = [("identifier", token)];
        let answer = self.client.get("ImagingStudy", &query, ANSWER_BYTES).await;
        match answer.map_err(|error| self.error(error))? {
            Answer { status: 200, body: Body::Whole(bytes), .. } => Ok(study::one_of_several(&bytes)),
            Answer { status: 200, body: Body::TooLong, .. } => {
                Err(self.error(Trouble::now(TransientCode::AnswerTooLong)))
            }
            answer => Err(self.error(answer::failed_search(&answer))),
        }
    }

    /// Writes it where this lies, and gives what lies there then.
    async fn send(&self, letter: &Letter<'_>, mut ids: Ids, mut lies: Lies) -> Result<Lies, DeliverError> {
        let mut other = None;
        let mut send = 0;
        loop {
            send += 1;
            let letter = other.as_ref().unwrap_or(letter);
            let bytes = letter.bytes_over(&lies, ids).map_err(|error| self.error(error))?;
            let answer = self.client.post("", post(bytes)).await.map_err(|error| self.error(error))?;
            match answer::judge(&answer, letter.entries) {
                Verdict::Stored => {
                    let otherwise = Trouble::now(TransientCode::AnswerContradictory);
                    return self.believe(letter, ids, otherwise).await;
                }
                Verdict::Unclear(otherwise) => return self.believe(letter, ids, otherwise).await,
                Verdict::Conflict(otherwise) => {
                    let now = self.look(letter, ids).await?;
                    if now.found == Found::This {
                        return Ok(now);
                    }
                    if send >= SENDS {
                        return Err(self.error(otherwise));
                    }
                    // 409: others write the same devices. 412: what lies there is another by now, or the study is there twice.
                    if now == lies && answer.status == 412 {
                        let place = self.known_study(letter).await?;
                        let known = place.and_then(|place| letter.with_known_study(&place));
                        let Some(known) = known else { return Err(self.error(otherwise)) };
                        tracing::warn!(
                            job = letter.job_key,
                            "the server has the study more than once; the report refers to one"
                        );
                        other = Some(known);
                        continue;
                    }
                    lies = now;
                    tokio::time::sleep(letter.pause(send)).await;
                }
                // nothing is stored: from now on the server chooses
                Verdict::Not(_) if ids == Ids::Ours && answer::refuses_our_ids(&answer) => {
                    tracing::warn!("the server lets nobody choose ids, though its statement does not say so");
                    self.refuses_our_ids.store(true, Ordering::Relaxed);
                    ids = Ids::Servers;
                    lies = self.look(letter, ids).await?;
                    if lies.found == Found::This {
                        return Ok(lies);
                    }
                }
                Verdict::Not(error) => return Err(self.error(error)),
            }
        }
    }

    fn error(&self, trouble: Trouble) -> DeliverError {
        trouble.at(&self.name)
    }
}

#[async_trait]
impl Target for FhirTarget {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        let letter = Letter::of(parcel).map_err(|error| self.error(error))?;
        let report_url = letter.report_url.clone();
        let ids = self.ids().await?;
        let mut lies = self.look(&letter, ids).await?;
        if lies.found != Found::This {
            self.confirm_patient(&letter, parcel).await.map_err(|error| self.error(error))?;
            let letter = letter.written(parcel.earlier, self.release).map_err(|error| self.error(error))?;
            lies = self.send(&letter, ids, lies).await?;
        }
        let place = lies.id.map_or(report_url, |id| format!("DiagnosticReport/{id}"));
        let place = self.client.url(&place).to_string();
        Ok(Receipts::from([("diagnostic_report".to_owned(), place)]))
    }

    fn confirms_patient(&self) -> bool {
        true
    }

    async fn confirm(&self, parcel: &Parcel<'_>) -> Result<(), DeliverError> {
        let letter = Letter::of(parcel).map_err(|error| self.error(error))?;
        self.confirm_patient(&letter, parcel).await.map_err(|error| self.error(error))
    }

    fn says_what_it_can(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        self.ask().await.map(drop).map_err(|error| self.error(error))
    }
}

/// A value inside a search token: the characters that part tokens are escaped
/// (<http://hl7.org/fhir/R4/search.html#escaping>).
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for one in value.chars() {
        if matches!(one, '\\' | '$' | ',' | '|') {
            escaped.push('\\');
        }
        escaped.push(one);
    }
    escaped
}

/// A client of the FHIR server with this configured name.
pub(crate) fn client(name: &Name, config: &FhirConfig) -> Result<Client, OpenError> {
    let login = config.token.clone().map_or(Login::None, Login::Bearer);
    let client = Client::new(name, &config.url, login, config.ca_file.as_deref(), config.timeout, FHIR_JSON)?;
    let Some(smart) = config.smart.clone() else { return Ok(client) };
    client
        .with_tokens(|base| Smart::new(base, smart))
        .map_err(|source| OpenError::SigningKey { target: name.clone(), source: Box::new(source) })
}
