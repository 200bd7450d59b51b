//! The checker at the receiving ends: each target holds what the ledger holds, once, of the right patient.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use serde_json::Value;
use worker::ledger::ReportBytes;

use super::Site;
use super::check::{Verdict, current, text};
use super::sent::sent;

impl Site {
    /// The truth at the receiving end: one report an id, only bytes that the ledger holds, the newest version last.
    pub(super) fn check_fhir(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let digests: BTreeMap<String, BTreeSet<String>> =
            jobs.values().flat_map(|jobs| sent(jobs, stored)).collect();
        let accepted = self.fhir.accepted();
        verdict.writes = accepted.len();
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for write in &accepted {
            let key = write.job_key.clone().unwrap_or_default();
            if !digests.get(&key).is_some_and(|digests| digests.contains(&write.sha256)) {
                verdict.wrong(format!("job {key}: the FHIR server has other bytes than the ledger"));
            }
            let [place] = &write.reports[..] else {
                verdict.wrong(format!("job {key}: a write holds {} reports", write.reports.len()));
                continue;
            };
            if places.insert(key.clone(), place.clone()).is_some_and(|before| before != *place) {
                verdict.wrong(format!("job {key}: two report ids"));
            }
        }
        let mut owners: BTreeMap<&String, &String> = BTreeMap::new();
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let Some(place) = places.get(&key) else {
                    verdict.wrong(format!("job {key} ended and its report is not on the FHIR server"));
                    continue;
                };
                if owners.insert(place, study).is_some() {
                    verdict.wrong(format!("two studies share the report {place}"));
                }
                let versions = self.fhir.versions(place);
                if versions.last().and_then(|version| version.job_key.clone()) != Some(key.clone()) {
                    verdict.wrong(format!("job {key}: the FHIR server's last version is another job's"));
                }
            }
        }
        for place in self.fhir.places("DiagnosticReport") {
            let keys: Vec<_> =
                self.fhir.versions(&place).into_iter().map(|version| version.job_key).collect();
            verdict.rewrites += keys.len() - keys.iter().collect::<BTreeSet<_>>().len();
        }
    }

    /// The PACS holds one instance a version, only bytes that the ledger holds, each in the study that it is about.
    pub(super) fn check_pacs(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let mut known: BTreeMap<String, (&String, &Vec<u8>, String)> = BTreeMap::new();
        for (key, report) in stored {
            for file in report.sr.iter().chain(&report.overlay).chain(&report.segmentation) {
                let Ok(header) = read_header(file, &Limits::default()) else {
                    verdict.wrong(format!("job {key}: one of its DICOM objects cannot be read"));
                    continue;
                };
                let (uid, study) = (header.sop_instance_uid.to_string(), header.study_uid.to_string());
                if known.insert(uid, (key, file, study)).is_some() {
                    verdict.wrong(format!("job {key}: another version has the same SOP Instance UID"));
                }
            }
        }
        let copies = self.pacs.copies();
        verdict.pacs_writes = copies.values().map(Vec::len).sum();
        for (uid, copies) in &copies {
            match known.get(uid) {
                Some((key, sr, _)) if copies.iter().any(|copy| copy != *sr) => {
                    verdict.wrong(format!("job {key}: the PACS has other bytes than the ledger"));
                }
                Some(_) => {}
                None => verdict.wrong(format!("the PACS has {uid}, which no job of the ledger wrote")),
            }
            verdict.rewrites += copies.len() - 1;
        }
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let own: Vec<_> = known.iter().filter(|(_, (owner, _, _))| **owner == key).collect();
                let beside = |report: &ReportBytes| {
                    usize::from(report.overlay.is_some()) + usize::from(report.segmentation.is_some())
                };
                let wanted = stored.get(&key).map_or(1, |report| 1 + beside(report));
                if own.len() != wanted {
                    verdict.wrong(format!("job {key}: it has {} objects for the PACS", own.len()));
                }
                for (uid, (_, _, of)) in own {
                    if !copies.contains_key(uid) {
                        verdict.wrong(format!("job {key} ended and {uid} is not on the PACS"));
                    }
                    if of != study {
                        verdict.wrong(format!("job {key}: {uid} is of another study"));
                    }
                }
            }
        }
    }

    /// The folder holds the same bytes, nothing half written, and each report names the patient of its study.
    pub(super) fn check_folder(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let reports = self.folder.join("reports");
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let written = |name: &str| fs::read(reports.join(study).join(name)).ok();
                let bundle = stored.get(&key).and_then(|report| report.bundle.clone());
                let sr = stored.get(&key).and_then(|report| report.sr.clone());
                let overlay = stored.get(&key).and_then(|report| report.overlay.clone());
                let there = (written("bundle.json"), written("report.dcm"), written("overlay.dcm"));
                if there.0.is_none() || there.1.is_none() || there != (bundle.clone(), sr, overlay) {
                    verdict.wrong(format!("job {key}: the folder has other bytes than the ledger"));
                }
                let bundle: Value =
                    bundle.and_then(|bundle| serde_json::from_slice(&bundle).ok()).unwrap_or_default();
                if !self.is_of_the_right_patient(study, &bundle) {
                    verdict.wrong(format!("job {key}: the report is of another patient"));
                }
            }
        }
        for study in fs::read_dir(&reports).into_iter().flatten().flatten() {
            let files = fs::read_dir(study.path()).into_iter().flatten().flatten();
            let names: BTreeSet<String> =
                files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
            let known =
                ["bundle.json", "overlay.dcm", "report.dcm", "report.html", "report.pdf", "segmentation.dcm"];
            if names.iter().any(|name| !known.contains(&name.as_str())) {
                verdict.wrong(format!("left behind in the reports' folder: {names:?}"));
            }
        }
    }

    /// The bucket's pointer leads to the version that counts, with the same bytes; and no worker keeps a study for itself.
    pub(super) fn check_bucket(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let Some(remote) = &self.remote else { return };
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let folder = remote.reports().join(study);
                let pointer = fs::read(folder.join("latest.json")).unwrap_or_default();
                let pointer: Value = serde_json::from_slice(&pointer).unwrap_or_default();
                let place = pointer["files"]["bundle"]["key"].as_str().unwrap_or_default().to_owned();
                let bundle = fs::read(folder.join(place)).ok();
                let expected = stored.get(&key).and_then(|report| report.bundle.clone());
                if pointer["job"] != key.as_str() || bundle.is_none() || bundle != expected {
                    verdict.wrong(format!("job {key}: the bucket's newest version is another"));
                }
            }
        }
    }

    /// Every subject in the bundle is this study's patient and no other of the cohort.
    fn is_of_the_right_patient(&self, study: &str, bundle: &Value) -> bool {
        let Some(patient) = self.cohort.patient(study) else { return false };
        let subjects: Vec<&Value> = bundle["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| &entry["resource"]["subject"])
            .filter(|subject| !subject.is_null())
            .collect();
        let is_hers = |subject: &&Value| {
            let text = subject.to_string().to_lowercase();
            text.contains(&patient.id.to_lowercase())
        };
        !subjects.is_empty() && subjects.iter().all(is_hers)
    }
}
