//! What the server holds: every version of every resource, and the log of accepted transactions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Identifier system of job keys. A test compares it with the program's.
pub const JOB_KEYS: &str = "https://chiasm.invalid/fhir/job-key";

/// A transaction that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// SHA-256 of the bundle's bytes, in hexadecimal digits, without `ifMatch` and `ifNoneMatch` of its requests: what a client
    /// asks of the versions that lie there is another from try to try.
    pub sha256: String,
    /// The bundle's job key.
    pub job_key: Option<String>,
    /// The reports that it wrote, as `DiagnosticReport/<id>`.
    pub reports: Vec<String>,
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Which transaction wrote it: its place in the log.
    pub transaction: usize,
    /// The job key among its identifiers.
    pub job_key: Option<String>,
    /// Its `status`.
    pub status: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    /// The newest version of `Type/id`.
    newest: BTreeMap<String, Value>,
    versions: BTreeMap<String, Vec<Version>>,
    accepted: Vec<Accepted>,
    /// Whether it keeps the numbers of versions to itself.
    hides_versions: bool,
    /// Whether it chooses ids itself.
    chooses_ids: bool,
    /// Ids that it chose so far.
    chosen: usize,
}

/// Status and body of an answer.
type Answer = (u16, Value);

impl Store {
    pub(super) fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    pub(super) fn versions(&self, place: &str) -> Vec<Version> {
        self.versions.get(place).cloned().unwrap_or_default()
    }

    pub(super) fn newest(&self, place: &str) -> Option<&Value> {
        self.newest.get(place)
    }

    pub(super) fn places(&self, begin: &str) -> Vec<String> {
        self.newest.keys().filter(|place| place.starts_with(begin)).cloned().collect()
    }

    pub(super) fn doubled(&self) -> Vec<String> {
        let mut doubled = BTreeSet::new();
        for (place, versions) in &self.versions {
            let mut keys = BTreeSet::new();
            let of_reports = versions.iter().filter(|_| place.starts_with("DiagnosticReport/"));
            let again =
                of_reports.filter_map(|version| version.job_key.as_ref()).filter(|key| !keys.insert(*key));
            doubled.extend(again.cloned());
        }
        let mut bytes = BTreeMap::new();
        for accepted in &self.accepted {
            let Some(key) = &accepted.job_key else { continue };
            if bytes.insert(key, &accepted.sha256).is_some_and(|before| *before != accepted.sha256) {
                doubled.insert(key.clone());
            }
        }
        doubled.into_iter().collect()
    }

    pub(super) fn hide_versions(&mut self) {
        self.hides_versions = true;
        for resource in self.newest.values_mut() {
            resource["meta"] = json!({});
        }
    }

    pub(super) fn choose_ids(&mut self) {
        self.chooses_ids = true;
    }

    /// Stores all entries or none.
    pub(super) fn transaction(&mut self, bytes: &[u8]) -> Answer {
        let Ok(bundle) = serde_json::from_slice::<Value>(bytes) else { return (400, outcome("structure")) };
        let Some(entries) = bundle["entry"].as_array().filter(|_| bundle["type"] == "transaction") else {
            return (400, outcome("structure"));
        };
        let planned: Result<Vec<Planned>, Answer> = entries.iter().map(|entry| self.plan(entry)).collect();
        let planned = match planned {
            Ok(planned) => planned,
            Err(refused) => return refused,
        };
        let places: BTreeMap<&str, &str> = entries
            .iter()
            .zip(&planned)
            .filter_map(|(entry, planned)| Some((entry["fullUrl"].as_str()?, planned.place.as_str())))
            .collect();
        let mut answers = Vec::new();
        let mut reports = Vec::new();
        for (entry, planned) in entries.iter().zip(&planned) {
            let mut status = "200 OK";
            if planned.is_written {
                let mut resource = entry["resource"].clone();
                rewrite(&mut resource, &places);
                if self.write(&planned.place, resource) == 1 {
                    status = "201 Created";
                }
                if planned.place.starts_with("DiagnosticReport/") {
                    reports.push(planned.place.clone());
                }
            }
            let version = self.versions[&planned.place].len();
            let location = format!("{}/_history/{version}", planned.place);
            answers.push(json!({ "response": { "status": status, "location": location } }));
        }
        let sha256 = sha256(&unconditional(bytes, entries));
        self.accepted.push(Accepted { sha256, job_key: job_key(&bundle), reports });
        (200, json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers }))
    }

    /// Where an entry goes, before anything is written.
    fn plan(&mut self, entry: &Value) -> Result<Planned, Answer> {
        let invalid = || (400, outcome("invalid"));
        let (method, url) =
            (&entry["request"]["method"], entry["request"]["url"].as_str().ok_or_else(invalid)?);
        let kind = entry["resource"]["resourceType"].as_str().ok_or_else(invalid)?;
        match method.as_str() {
            Some("PUT")
                if url.split('/').collect::<Vec<_>>()
                    == [kind, entry["resource"]["id"].as_str().unwrap_or("")] =>
            {
                if self.chooses_ids && !self.newest.contains_key(url) {
                    return Err((405, outcome("not-supported")));
                }
                if !self.is_as_asked(url, &entry["request"]) {
                    return Err((412, outcome("conflict")));
                }
                Ok(Planned { place: url.to_owned(), is_written: true })
            }
            Some("POST") if url == kind => {
                let condition = entry["request"]["ifNoneExist"].as_str().unwrap_or_default();
                let there = self.search(kind, condition);
                match there[..] {
                    [] => Ok(Planned { place: self.chosen(kind), is_written: true }),
                    [one] => Ok(Planned { place: one.to_owned(), is_written: false }),
                    _ => Err((412, outcome("multiple-matches"))),
                }
            }
            Some("PUT") if url.split_once('?').is_some_and(|(of, _)| of == kind) => {
                let there = self.search(kind, url.split_once('?').map_or("", |(_, condition)| condition));
                match there[..] {
                    [] => Ok(Planned { place: self.chosen(kind), is_written: true }),
                    [one] => Ok(Planned { place: one.to_owned(), is_written: true }),
                    _ => Err((412, outcome("multiple-matches"))),
                }
            }
            _ => Err(invalid()),
        }
    }

    /// Whether what lies at a place is what the request has as its condition.
    fn is_as_asked(&self, place: &str, request: &Value) -> bool {
        let there = self.newest.contains_key(place);
        let version = format!("W/\"{}\"", self.versions.get(place).map_or(0, Vec::len));
        let matches = request["ifMatch"].as_str().is_none_or(|wanted| there && wanted == version);
        let is_new = request["ifNoneMatch"].as_str().is_none_or(|unwanted| unwanted == "*" && !there);
        matches && is_new
    }

    /// Stores a resource beside all transactions.
    pub(super) fn put(&mut self, resource: Value) {
        let part = |key: &str| resource[key].as_str().expect("a resource has a type and an id");
        let place = format!("{}/{}", part("resourceType"), part("id"));
        self.write(&place, resource);
    }

    /// Adds a version and gives its number.
    fn write(&mut self, place: &str, mut resource: Value) -> usize {
        let versions = self.versions.entry(place.to_owned()).or_default();
        versions.push(Version {
            transaction: self.accepted.len(),
            job_key: job_key(&resource),
            status: resource["status"].as_str().map(str::to_owned),
        });
        resource["id"] = place.split('/').next_back().into();
        if !self.hides_versions {
            resource["meta"]["versionId"] = versions.len().to_string().into();
        }
        self.newest.insert(place.to_owned(), resource);
        versions.len()
    }

    /// Answers `Type/id`, with some of its elements alone where it is asked so, `Type?identifier=system|value` and
    /// `Type?identifier=value`.
    pub(super) fn read(&self, path: &str) -> Answer {
        let path = path.trim_start_matches("/fhir/");
        if let Some((kind, query)) = path.split_once('?').filter(|(kind, _)| !kind.contains('/')) {
            // how many are asked for at once makes no difference here
            let query = query.split('&').next().unwrap_or_default();
            let query = query.replace("%7C", "|").replace("%3A", ":").replace("%2F", "/").replace('+', " ");
            let found = self.search(kind, &query);
            let entries: Vec<_> =
                found.iter().map(|place| json!({ "resource": self.newest[*place] })).collect();
            return (
                200,
                json!({ "resourceType": "Bundle", "type": "searchset", "total": found.len(), "entry": entries }),
            );
        }
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let Some(resource) = self.newest.get(place) else { return (404, outcome("not-found")) };
        let mut resource = resource.clone();
        if let (Some(names), Some(members)) = (query.strip_prefix("_elements="), resource.as_object_mut()) {
            let names = names.replace("%2C", ",");
            let is_wanted = |name: &str| {
                names.split(',').chain(["resourceType", "id", "meta"]).any(|wanted| wanted == name)
            };
            members.retain(|name, _| is_wanted(name));
        }
        (200, resource)
    }

    /// A place of this kind with an id that the server chooses.
    fn chosen(&mut self, kind: &str) -> String {
        self.chosen += 1;
        format!("{kind}/{}", self.chosen)
    }

    /// Resources with an identifier or a tag.
    fn search(&self, kind: &str, condition: &str) -> Vec<&str> {
        let Some((parameter, token)) = condition.split_once('=') else { return Vec::new() };
        let (system, value) =
            token.split_once('|').map_or((None, token), |(system, value)| (Some(system), value));
        let is_in = |tokens: &[Value], name: &str| {
            tokens.iter().any(|one| system.is_none_or(|system| one["system"] == system) && one[name] == value)
        };
        let wanted = |resource: &Value| match parameter {
            "identifier" => is_in(identifiers(resource), "value"),
            "_tag" => resource["meta"]["tag"].as_array().is_some_and(|tags| is_in(tags, "code")),
            _ => false,
        };
        let begin = format!("{kind}/");
        let there =
            self.newest.iter().filter(|(place, resource)| place.starts_with(&begin) && wanted(resource));
        there.map(|(place, _)| place.as_str()).collect()
    }
}

struct Planned {
    place: String,
    is_written: bool,
}

/// A bundle without the conditions of its requests.
fn unconditional(bundle: &[u8], entries: &[Value]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(bundle).into_owned();
    for request in entries.iter().map(|entry| &entry["request"]) {
        for condition in ["ifMatch", "ifNoneMatch"] {
            if let Some(value) = request.get(condition) {
                text = text.replacen(&format!("\"{condition}\":{value},"), "", 1);
            }
        }
    }
    text.into_bytes()
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// An OperationOutcome of failure. Its words are a patient's, as they often are.
pub(super) fn outcome(code: &str) -> Value {
    let diagnostics = "Canary^Carla (TEST0001) does not fit";
    let issue = json!({
        "severity": "error", "code": code, "diagnostics": diagnostics, "expression": ["Bundle.entry[0].resource.subject"]
    });
    json!({ "resourceType": "OperationOutcome", "issue": [issue] })
}

/// What a server answers that takes a transaction for a batch.
pub(super) fn broken_transaction() -> Value {
    let entries = json!([
        { "response": { "status": "201 Created" } },
        { "response": { "status": "422 Canary^Carla", "outcome": outcome("value") } },
    ]);
    json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries })
}

/// What a server answers that stored every entry of this bundle anew.
pub(super) fn promise(bundle: &[u8]) -> Value {
    let bundle: Value = serde_json::from_slice(bundle).unwrap_or_default();
    let created = json!({ "response": { "status": "201 Created" } });
    let entries = vec![created; bundle["entry"].as_array().map_or(0, Vec::len)];
    json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries })
}

/// A small CapabilityStatement.
pub(super) fn capabilities() -> Value {
    let kinds = [
        "Device",
        "DiagnosticReport",
        "DocumentReference",
        "ImagingStudy",
        "Observation",
        "Patient",
        "Provenance",
        "RiskAssessment",
        "Task",
    ];
    let resources = kinds.map(|kind| {
        json!({
            "type": kind, "versioning": "versioned-update", "updateCreate": true, "conditionalCreate": true,
            "searchParam": [{ "name": "identifier", "type": "token" }]
        })
    });
    json!({
        "resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "format": ["json"],
        "rest": [{ "mode": "server", "interaction": [{ "code": "transaction" }], "resource": resources }]
    })
}

/// The identifiers of a resource: a bundle has one, others have a list.
fn identifiers(resource: &Value) -> &[Value] {
    match &resource["identifier"] {
        Value::Array(several) => several,
        one => std::slice::from_ref(one),
    }
}

fn job_key(resource: &Value) -> Option<String> {
    let own = identifiers(resource).iter().find(|one| one["system"] == JOB_KEYS)?;
    own["value"].as_str().map(str::to_owned)
}

/// References inside the bundle become the places where its entries lie.
fn rewrite(value: &mut Value, places: &BTreeMap<&str, &str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().and_then(|text| places.get(text)) {
                    Some(place) if name == "reference" => *field = (*place).into(),
                    _ => rewrite(field, places),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, places)),
        _ => {}
    }
}
