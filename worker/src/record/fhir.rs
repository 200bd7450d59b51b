//! A FHIR R4 server as the place of records: the patient by identifier, then each type of resource page by page.
//!
//! The token goes to the configured origin alone: a next page that is not below the base URL is refused, and no redirect is
//! followed. A server that asks to be left alone (429, 503 with Retry-After) is asked again after that time, if it is short;
//! else the request rests on the queue.

use std::pin::Pin;
use std::time::Duration;

use fusion::record::{Assembly, RESOURCE_TYPES};
use reqwest::Url;

use super::{Held, RecordFetchError};
use crate::config::site::FhirConfig;
use crate::deliver::trouble::Trouble;
use crate::deliver::web::{Answer, Body, Client};
use crate::deliver::{OpenError, TransientCode, fhir};
use crate::identity::Person;
use crate::message::Name;

/// Resources asked for at once; servers may give fewer.
const PAGE: &str = "200";
/// Most pages of one record.
const MAX_PAGES: usize = 2000;
/// Most bytes of one page.
const PAGE_BYTES: usize = 32 * 1024 * 1024;
/// Tries of one page, and the longest pause between two.
const TRIES: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A FHIR server with records.
#[derive(Debug)]
pub(crate) struct FhirRecords {
    client: Client,
    /// Only what changed since then, as FHIR writes a date.
    updated_since: Option<String>,
    /// The identifier system of the site's Patient IDs.
    patient_id_system: Option<String>,
    sleep: Sleep,
}

impl FhirRecords {
    /// Makes the client; nothing is reached yet.
    pub(crate) fn new(
        name: &Name,
        config: &FhirConfig,
        updated_since: Option<String>,
        patient_id_system: Option<String>,
    ) -> Result<Self, OpenError> {
        let client = fhir::client(name, config)?;
        Ok(Self {
            client,
            updated_since,
            patient_id_system,
            sleep: |rest| Box::pin(tokio::time::sleep(rest)),
        })
    }

    /// The record of the person of the images.
    pub(crate) async fn fetch(&self, person: &Person) -> Result<Held, RecordFetchError> {
        let wanted = person.identifiers.first().ok_or(RecordFetchError::NoPatientId)?;
        let token = match &self.patient_id_system {
            Some(system) => format!("{system}|{}", wanted.value),
            None => wanted.value.clone(),
        };
        let mut pages = 0;
        let mut assembly = Assembly::default();
        let mut patients =
            self.all(&mut assembly, "Patient", &[("identifier", token.as_str())], &mut pages).await?;
        patients.sort();
        patients.dedup();
        let id = match patients.as_slice() {
            [] => return Ok(Held::Nobody),
            [only] => only.clone(),
            several => return Ok(Held::Several(several.len())),
        };
        let since = self.updated_since.as_ref().map(|since| format!("ge{since}"));
        // The patient is known, and Medications come with the requests that name them.
        for kind in RESOURCE_TYPES.into_iter().filter(|kind| !["Patient", "Medication"].contains(kind)) {
            let include = format!("{kind}:medication");
            let mut query = vec![("patient", id.as_str())];
            query.extend(since.as_deref().map(|since| ("_lastUpdated", since)));
            if kind.starts_with("Medication") {
                query.push(("_include", include.as_str()));
            }
            self.all(&mut assembly, kind, &query, &mut pages).await?;
        }
        Ok(Held::Bundle(assembly.into_bundle()))
    }

    /// Every page of a search; gives the ids of the Patients on them.
    async fn all(
        &self,
        assembly: &mut Assembly,
        kind: &'static str,
        query: &[(&str, &str)],
        pages: &mut usize,
    ) -> Result<Vec<String>, RecordFetchError> {
        let mut url = self.client.url(kind);
        url.query_pairs_mut().extend_pairs(query).append_pair("_count", PAGE);
        let mut patients = Vec::new();
        loop {
            *pages += 1;
            if *pages > MAX_PAGES {
                return Err(RecordFetchError::Endless { limit: MAX_PAGES });
            }
            let bytes = match self.page(&url, kind).await {
                Ok(bytes) => bytes,
                // A server need not know every type; one that it does not know holds nothing of it.
                Err(RecordFetchError::Refused { status: 404, what }) if what != "Patient" => {
                    tracing::info!(what, "the record's server does not know this type");
                    return Ok(patients);
                }
                Err(error) => return Err(error),
            };
            let found =
                assembly.page(&bytes).map_err(|source| RecordFetchError::Unusable { what: kind, source })?;
            patients.extend(found.patients);
            let Some(next) = found.next else { return Ok(patients) };
            // FHIR allows a relative address of the next page
            let next = url.join(&next).map_err(|_| RecordFetchError::Elsewhere { what: kind })?;
            if !self.client.is_below(&next) {
                return Err(RecordFetchError::Elsewhere { what: kind });
            }
            if next == url {
                return Err(RecordFetchError::Endless { limit: *pages });
            }
            url = next;
        }
    }

    /// One page, asked for again while the server is busy.
    async fn page(&self, url: &Url, what: &'static str) -> Result<Vec<u8>, RecordFetchError> {
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.client.get_url(url, PAGE_BYTES).await {
                Ok(Answer { status: 200, body: Body::Whole(bytes), .. }) => return Ok(bytes),
                Ok(Answer { status: 200, body: Body::TooLong, .. }) => {
                    let source = fusion::RecordError::TooLarge { bytes: PAGE_BYTES, limit: PAGE_BYTES };
                    return Err(RecordFetchError::Unusable { what, source });
                }
                Ok(Answer { status: 408 | 429 | 500 | 502 | 503 | 504, retry_after, .. }) => {
                    (RecordFetchError::Away { code: "ServerBusy", source: None }, retry_after)
                }
                Ok(Answer { status, .. }) => return Err(RecordFetchError::Refused { status, what }),
                Err(Trouble::Now {
                    code:
                        code @ (TransientCode::SmartConfigurationUnusable
                        | TransientCode::SmartTokenRefused
                        | TransientCode::SmartKeyUnusable),
                    source,
                    ..
                }) => return Err(RecordFetchError::NoToken { code, source }),
                Err(Trouble::Now { source, .. }) => {
                    (RecordFetchError::Away { code: "ConnectionLost", source }, None)
                }
                Err(Trouble::Good { .. }) => return Err(RecordFetchError::Elsewhere { what }),
            };
            let Some(rest) = rest(attempt, asked) else { return Err(error) };
            (self.sleep)(rest).await;
            attempt += 1;
        }
    }
}

/// How long to leave the server alone before the next try: what it asks for, else a second, two, four. `None` where this was
/// the last try, or the server asks for longer than a request is held.
fn rest(attempt: u32, asked: Option<Duration>) -> Option<Duration> {
    let rest = asked.unwrap_or_else(|| Duration::from_secs(1 << attempt.saturating_sub(1).min(8)));
    (attempt < TRIES && rest <= LONGEST_PAUSE).then_some(rest)
}

/// What waits between two tries; tests write down how long.
type Sleep = fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

#[cfg(test)]
mod tests;
