//! A FHIR server: the bundle as one transaction, exactly as the ledger stores it; to one that speaks R5, in its words.
//!
//! What is written twice is written under the same ids, so a second time cannot double a report; it would add a version
//! to its history, though. Hence the rule after a try whose outcome is unknown, because the connection broke or a worker
//! was killed: **read first, then send the same bytes again**. The report has one id for all versions (from the report
//! key); which version lies there is told by its identifier with the job key.
//!
//! After a success it is read too: the answer alone is not believed.
//!
//! A report of another version under that id is overwritten. That is right when ours is newer, and the ledger decides
//! what is newest: the caller asks it before each delivery. Without that question an older version that was long on its
//! way would take the newer one's place.
//!
//! Immediately before the write, the server is asked once more whose report it is (`patient`): exactly one current Patient
//! must carry the images' identifier and agree with them. A withdrawal is written in any case: what it takes back lies
//! there already. So is a report that names nobody and says only why there is no result.
//!
//! The token goes to the configured origin alone: URLs are made from the base URL here and nowhere else, and no redirect
//! is followed. Proxies of the environment are not used.

mod answer;
mod letter;
mod patient;

use async_trait::async_trait;

use self::answer::{Found, Verdict};
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

/// How often a transaction is sent in one delivery when others write the same models' devices at that moment (409).
const SENDS: u32 = 4;

/// The media type of FHIR as JSON.
const FHIR_JSON: &str = "application/fhir+json";

/// A transaction, of which one line an entry is asked for in return.
fn post(bundle: &[u8]) -> Post {
    Post { content_type: FHIR_JSON.to_owned(), prefer: Some("return=minimal"), body: bundle.to_vec() }
}

/// A FHIR server as a target.
#[derive(Debug)]
pub struct FhirTarget {
    name: Name,
    client: Client,
    /// The identifier system of the site's Patient IDs.
    patient_id_system: Option<String>,
    release: FhirRelease,
}

impl FhirTarget {
    /// Makes the client; nothing is reached yet. `patient_id_system` is the identifier system of the site's Patient IDs.
    pub fn new(
        name: Name,
        config: &FhirConfig,
        patient_id_system: Option<String>,
    ) -> Result<Self, OpenError> {
        let client = client(&name, config)?;
        Ok(Self { name, client, patient_id_system, release: FhirRelease::R4 })
    }

    /// The same target of a server that speaks this release.
    #[must_use]
    pub fn speaking(self, release: FhirRelease) -> Self {
        Self { release, ..self }
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

    /// Whether the server holds exactly this version.
    async fn holds(&self, letter: &Letter<'_>) -> Result<bool, DeliverError> {
        // the page lies in the report, so the answer may be as long as the bundle, written more widely
        let limit = ANSWER_BYTES.saturating_add(letter.bytes.len().saturating_mul(2));
        let answer =
            self.client.get(&letter.report_url, &[], limit).await.map_err(|error| self.error(error))?;
        match answer::found(&answer, letter.job_key).map_err(|error| self.error(error))? {
            Found::This => Ok(true),
            Found::Another | Found::Nothing => Ok(false),
        }
    }

    /// Looks whether what was said to be stored is there. A proxy, a cache or a server that loses what it took says so too,
    /// and a report that everybody believes delivered is the one that nobody misses.
    async fn believe(&self, letter: &Letter<'_>) -> Result<(), DeliverError> {
        if self.holds(letter).await? {
            return Ok(());
        }
        Err(self.error(Trouble::now(TransientCode::AnswerContradictory)))
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<(), DeliverError> {
        for send in 1..=SENDS {
            let answer =
                self.client.post("", post(&letter.bytes)).await.map_err(|error| self.error(error))?;
            match answer::judge(&answer, letter.entries) {
                Verdict::Stored => return self.believe(letter).await,
                Verdict::Unclear(otherwise) => {
                    let holds = self.holds(letter).await?;
                    return if holds { Ok(()) } else { Err(self.error(otherwise)) };
                }
                Verdict::Conflict(otherwise) => {
                    if self.holds(letter).await? {
                        return Ok(());
                    }
                    if answer.status != 409 || send == SENDS {
                        return Err(self.error(otherwise));
                    }
                    tokio::time::sleep(letter.pause(send)).await;
                }
                Verdict::Not(error) => return Err(self.error(error)),
            }
        }
        Ok(())
    }

    fn error(&self, trouble: Trouble) -> DeliverError {
        trouble.at(&self.name)
    }
}

#[async_trait]
impl Target for FhirTarget {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        let letter = Letter::of(parcel, self.release).map_err(|error| self.error(error))?;
        if !(parcel.sent_before && self.holds(&letter).await?) {
            self.confirm_patient(&letter, parcel).await.map_err(|error| self.error(error))?;
            self.send(&letter).await?;
        }
        let place = self.client.url(&letter.report_url).to_string();
        Ok(Receipts::from([("diagnostic_report".to_owned(), place)]))
    }

    fn confirms_patient(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        let answer = self.client.get("metadata", &[], 0).await.map_err(|error| self.error(error))?;
        answer::is_fhir_server(&answer).map_err(|error| self.error(error))
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
