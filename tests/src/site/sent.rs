//! What may lie at a FHIR server of the versions of a study's report.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use worker::ledger::ReportBytes;
use worker::report::fhir::{Earlier, Stored, with_earlier};

use crate::fhir_server::sha256;

/// Digests of what may have been sent of each of a study's jobs: its stored bundle, with what other versions said taken back as
/// far as they were there at the time.
pub(super) fn sent(
    jobs: &[Value],
    stored: &BTreeMap<String, ReportBytes>,
) -> Vec<(String, BTreeSet<String>)> {
    let bundles: Vec<(String, &[u8])> = jobs
        .iter()
        .rev()
        .map(|job| job["job"].as_str().unwrap_or_default().to_owned())
        .filter_map(|key| Some((key.clone(), stored.get(&key)?.bundle.as_deref()?)))
        .collect();
    let mut digests = Vec::new();
    for (key, bundle) in &bundles {
        let others = bundles.iter().filter(|(other, _)| other != key);
        let others: Vec<Earlier> = others
            .filter_map(|(job_key, said)| {
                Some(Earlier { job_key: job_key.clone(), said: Stored::read(said)? })
            })
            .collect();
        let some_of_them = (0..1_usize << others.len()).map(|chosen| -> Vec<Earlier> {
            let chosen = others.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
            chosen.map(|(_, one)| one.clone()).collect()
        });
        let forms = some_of_them.map(|earlier| match &earlier[..] {
            [] => sha256(bundle),
            earlier => with_earlier(bundle, earlier).map_or_else(String::new, |sent| sha256(&sent)),
        });
        digests.push((key.clone(), forms.collect()));
    }
    digests
}
