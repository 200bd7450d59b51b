//! Configured sources of records: the record of a study's patient, kept on this machine where it comes from elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::fetch::{FetchError, SourcesError};
use crate::config::Config;
use crate::config::site::RecordConfig;
use crate::deliver::fhir::FhirTarget;
use crate::deliver::{Target, Targets};
use crate::identity::Person;
use crate::intake::record::RecordIndex;
use crate::job::RecordSource;
use crate::message::Name;
use crate::record::{Export, FhirRecords, Held, RecordFetchError, Store};

/// Configured sources of records by name.
#[derive(Debug)]
pub(super) struct Records {
    places: BTreeMap<Name, RecordPlace>,
    /// Where bundles are kept that were fetched; `None` where none are.
    kept: Option<Store>,
}

/// Where records come from.
#[derive(Debug)]
enum RecordPlace {
    Folder(Mutex<RecordIndex>),
    Export(Export),
    Fhir {
        records: Box<FhirRecords>,
        /// The same server, asked whose a report is.
        witness: Arc<FhirTarget>,
    },
}

impl Records {
    /// The sources that a site configured; nothing is reached yet.
    pub(super) fn open(config: &Config) -> Result<Self, SourcesError> {
        let mut places = BTreeMap::new();
        for (name, record) in &config.places.records {
            let place = match record {
                RecordConfig::Folder { path } => {
                    RecordPlace::Folder(Mutex::new(RecordIndex::new(path.clone())))
                }
                RecordConfig::Export { path } => RecordPlace::Export(Export::new(path)),
                RecordConfig::Fhir { server, updated_since } => {
                    let system = config.patient_id_system.clone();
                    let records = FhirRecords::new(name, server, updated_since.clone(), system.clone())?;
                    let witness = FhirTarget::new(name.clone(), server, system)?;
                    RecordPlace::Fhir { records: Box::new(records), witness: Arc::new(witness) }
                }
            };
            places.insert(name.clone(), place);
        }
        let fetched = places.values().any(|place| !matches!(place, RecordPlace::Folder(_)));
        let kept = fetched.then(|| Store::open(&config.state)).transpose().map_err(SourcesError::Kept)?;
        Ok(Self { places, kept })
    }

    /// Servers with records, each as one that says whose a report is.
    pub(super) fn witnesses(&self) -> Targets {
        let witness = |(name, place): (&Name, &RecordPlace)| match place {
            RecordPlace::Fhir { witness, .. } => Some((name.clone(), Arc::clone(witness) as Arc<dyn Target>)),
            RecordPlace::Folder(_) | RecordPlace::Export(_) => None,
        };
        self.places.iter().filter_map(witness).collect()
    }

    /// Whether this record was fetched from the source, and the source is a server that can be asked again whose it is.
    pub(super) fn was_asked(&self, name: &Name, record: &RecordSource) -> bool {
        let is_server = matches!(self.places.get(name), Some(RecordPlace::Fhir { .. }));
        is_server && matches!(record, RecordSource::File { .. })
    }

    /// The record of the person at the source. Blocks.
    pub(super) fn of(
        &self,
        name: &Name,
        person: &Person,
        zone: &jiff::tz::TimeZone,
    ) -> Result<RecordSource, FetchError> {
        let unreachable = |source| FetchError::Unreachable { source_name: name.to_string(), source };
        let place = self
            .places
            .get(name)
            .ok_or_else(|| FetchError::Unknown("`record` names no record source of this site".into()))?;
        let held = match place {
            RecordPlace::Folder(index) => {
                let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
                return index.for_person(person, zone).map_err(unreachable);
            }
            RecordPlace::Export(export) => export.fetch(person),
            RecordPlace::Fhir { records, .. } => {
                tokio::runtime::Handle::current().block_on(records.fetch(person))
            }
        };
        match held {
            Ok(Held::Nobody) | Err(RecordFetchError::NoPatientId) => Ok(RecordSource::NoMatch),
            Ok(Held::Several(count)) => Ok(RecordSource::Several { count }),
            Ok(Held::Bundle(bundle)) => {
                // There is a store wherever a record is fetched.
                let kept = self.kept.as_ref().ok_or_else(|| io::Error::other("no store"));
                let file = kept.and_then(|store| store.keep(&bundle)).map_err(unreachable)?;
                Ok(RecordSource::File { file })
            }
            Err(error) => Err(unreachable(io::Error::other(error))),
        }
    }
}
