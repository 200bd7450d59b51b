//! Records from other places than a folder of bundles: a FHIR server, or the files of a bulk export.
//!
//! What is found becomes one bundle in `state/records`, named by its digest, before the job is made: a report is a function
//! of stored inputs. Whose record it is, is decided later and as strictly as for a file (`identity`).

mod export;
mod fhir;
mod store;

use std::io;

use crate::deliver::TransientCode;

pub(crate) use export::Export;
pub(crate) use fhir::FhirRecords;
pub(crate) use store::Store;

/// What a place has for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nobody has the Patient ID of the images.
    Nobody,
    /// Several have.
    Several(usize),
    /// One: a bundle.
    Bundle(Vec<u8>),
}

/// A record could not be fetched. No text holds a value of a patient, or a URL with one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordFetchError {
    /// The images state no Patient ID that could be asked for.
    #[error("the images state no Patient ID")]
    NoPatientId,
    /// The server did not answer, or asks to be left alone for longer than a request is held.
    #[error("the server gives no answer now ({code})")]
    Away {
        /// Stable code.
        code: &'static str,
        /// What the client said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// There is no token for the server.
    #[error("there is no token for the record's server ({code}); {}", code.next_step())]
    NoToken {
        /// What hinders it.
        code: TransientCode,
        /// The detail.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The server refuses.
    #[error("the server answers {status} to a search for {what}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Type of resource.
        what: &'static str,
    },
    /// The next page lies elsewhere: the token would leave its origin.
    #[error("the server's next page of {what} is not below its own base URL")]
    Elsewhere {
        /// Type of resource.
        what: &'static str,
    },
    /// More pages than a record has.
    #[error("the server gives more than {limit} pages")]
    Endless {
        /// The limit.
        limit: usize,
    },
    /// What the server gives is no search result, or too much.
    #[error("what the server gives for {what} is not usable")]
    Unusable {
        /// Type of resource.
        what: &'static str,
        /// Why.
        source: fusion::RecordError,
    },
    /// Files could not be read.
    #[error("the files of the export cannot be read")]
    Files(#[source] io::Error),
}
