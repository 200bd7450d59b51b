//! Whose report it is, asked of the server once more, immediately before the write.
//!
//! Between the analysis and the write lie minutes or days in which a patient can be merged, corrected or registered
//! twice. So the server must hold exactly one current Patient with the identifier that the images state, of whom two more
//! of name, birth date and sex agree and none conflicts ([`crate::identity`]). Where the bundle names a Patient by id, it
//! must be that one. Anything else is a typed refusal, and nothing is written. Pure: the asking is the target's.

use super::search_set::SearchSet;
use crate::convert;
use crate::deliver::TerminalCode;
use crate::deliver::trouble::Trouble;
use crate::identity::{self, IdentityRefusal, Person};
use crate::report::fhir::Subject;

/// A Patient resource that the server found.
pub(super) struct Candidate {
    id: String,
    person: Person,
}

/// One page of a search for Patients.
pub(super) struct Page {
    pub(super) candidates: Vec<Candidate>,
    /// Address of the next page, as the server gives it.
    pub(super) next: Option<String>,
}

/// Reads a page of a search; `None` where it is none, or holds a Patient that cannot be read: doubt is no patient.
pub(super) fn page(bytes: &[u8]) -> Option<Page> {
    let set = SearchSet::read(bytes)?;
    let read = set.of("Patient").map(|patient| candidate(patient.id.clone(), patient.json));
    Some(Page { candidates: read.collect::<Option<_>>()?, next: set.next })
}

/// A Patient is read as the only one of a record, by the same rules.
fn candidate(id: String, resource: &str) -> Option<Candidate> {
    let bundle =
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{resource}}}]}}"#);
    let record = fusion::Record::from_json(bundle.as_bytes()).ok()?;
    Some(Candidate { id, person: convert::person_of_record(record.patient()) })
}

/// Whether the report is surely about one of the `candidates`. `system` is the one of the site's Patient IDs, where it is
/// configured: identifiers of other systems do not count then.
pub(super) fn confirm(
    images: &Person,
    subject: &Subject,
    system: Option<&str>,
    candidates: &[Candidate],
) -> Result<(), Trouble> {
    let carries = |candidate: &&Candidate| {
        let mut person = candidate.person.clone();
        if let Some(system) = system {
            person.identifiers.retain(|one| one.issuers.iter().any(|issuer| issuer == system));
        }
        identity::shares_identifier(images, &person)
    };
    let mine: Vec<&Candidate> = candidates.iter().filter(carries).collect();
    let current: Vec<&&Candidate> = mine.iter().filter(|candidate| candidate.person.current).collect();
    let one = match (mine.as_slice(), current.as_slice()) {
        ([], _) => return Err(refused(TerminalCode::PatientNotFound)),
        (_, []) => return Err(refused(TerminalCode::PatientNotCurrent)),
        (_, [one]) => one,
        _ => return Err(refused(TerminalCode::SeveralPatients)),
    };
    identity::confirm(images, &one.person).map_err(|refusal| {
        refused(match refusal {
            IdentityRefusal::NoPatientId => TerminalCode::PatientNotStated,
            IdentityRefusal::OtherPatient => TerminalCode::PatientNotFound,
            IdentityRefusal::NotCurrent => TerminalCode::PatientNotCurrent,
            IdentityRefusal::SeveralRecords => TerminalCode::SeveralPatients,
            IdentityRefusal::SexConflict
            | IdentityRefusal::BirthDateConflict
            | IdentityRefusal::NameConflict => TerminalCode::PatientConflict,
            IdentityRefusal::Unconfirmed => TerminalCode::PatientUnconfirmed,
        })
    })?;
    match &subject.reference {
        Some(reference) if !names(reference, &one.id) => Err(refused(TerminalCode::PatientIsAnother)),
        _ => Ok(()),
    }
}

/// Whether `Patient/<id>`, relative or at the end of a URL and with or without a version, is this id.
fn names(reference: &str, id: &str) -> bool {
    let reference = reference.split("/_history/").next().unwrap_or_default();
    let mut segments = reference.rsplit('/');
    segments.next() == Some(id) && segments.next() == Some("Patient")
}

pub(super) fn refused(code: TerminalCode) -> Trouble {
    let reason = match code {
        TerminalCode::PatientNotStated => "the images do not say whose they are",
        TerminalCode::PatientNotFound => "it has no Patient with the images' Patient ID (0010,0020)",
        TerminalCode::SeveralPatients => {
            "it has more than one current Patient with the images' Patient ID (0010,0020)"
        }
        TerminalCode::PatientNotCurrent => {
            "its Patient with the images' Patient ID (0010,0020) is inactive or was merged into another"
        }
        TerminalCode::PatientConflict => {
            "its Patient has the images' Patient ID (0010,0020), and another sex, birth date or name"
        }
        TerminalCode::PatientUnconfirmed => {
            "its Patient has the images' Patient ID (0010,0020), and fewer than two of name, birth date and sex agree"
        }
        _ => {
            "its Patient with the images' Patient ID (0010,0020) is not the one whose record the report was made with"
        }
    };
    Trouble::good(code, reason)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::identity::{Identifier, Sex};

    fn images() -> Person {
        Person {
            identifiers: vec![Identifier { value: "A1".into(), issuers: vec![] }],
            family: vec!["Public".into()],
            given: vec!["Jane".into()],
            birth_date: Some((date(1950, 1, 2), date(1950, 1, 2))),
            sex: Some(Sex::Female),
            current: true,
        }
    }

    fn jane(id: &str) -> Value {
        json!({
            "resourceType": "Patient", "id": id, "active": true, "gender": "female", "birthDate": "1950-01-02",
            "identifier": [{ "system": "urn:mrn", "value": "A1" }], "name": [{ "family": "Public", "given": ["Jane"] }]
        })
    }

    fn with(id: &str, key: &str, value: Value) -> Value {
        let mut patient = jane(id);
        patient[key] = value;
        patient
    }

    fn set(patients: &[Value]) -> Vec<u8> {
        let entries: Vec<_> = patients.iter().map(|patient| json!({ "resource": patient })).collect();
        json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }).to_string().into_bytes()
    }

    fn code(patients: &[Value], reference: Option<&str>, system: Option<&str>) -> Result<(), TerminalCode> {
        let found = page(&set(patients)).unwrap();
        let subject = Subject { reference: reference.map(str::to_owned) };
        match confirm(&images(), &subject, system, &found.candidates) {
            Ok(()) => Ok(()),
            Err(Trouble::Good { code, .. }) => Err(code),
            Err(Trouble::Now { code, .. }) => panic!("{code}"),
        }
    }

    #[test]
    fn exactly_one_current_patient_who_agrees_is_confirmed_and_all_else_is_typed() {
        use TerminalCode as C;
        let merged =
            with("old", "link", json!([{ "type": "replaced-by", "other": { "reference": "Patient/p" } }]));
        let cases: Vec<(Vec<Value>, Result<(), C>)> = vec![
            (vec![jane("p")], Ok(())),
            (vec![], Err(C::PatientNotFound)),
            (vec![jane("p"), jane("q")], Err(C::SeveralPatients)),
            (vec![with("p", "active", json!(false))], Err(C::PatientNotCurrent)),
            (vec![merged.clone()], Err(C::PatientNotCurrent)),
            (vec![merged, jane("p")], Ok(())),
            (vec![with("p", "gender", json!("male"))], Err(C::PatientConflict)),
            (vec![with("p", "birthDate", json!("1950-01-03"))], Err(C::PatientConflict)),
            (
                vec![with("p", "name", json!([{ "family": "Other", "given": ["One"] }]))],
                Err(C::PatientConflict),
            ),
            (vec![with("p", "identifier", json!([{ "value": "A2" }]))], Err(C::PatientNotFound)),
            (
                vec![json!({ "resourceType": "Patient", "id": "p", "identifier": [{ "value": "A1" }] })],
                Err(C::PatientUnconfirmed),
            ),
        ];
        for (patients, expected) in cases {
            assert_eq!(code(&patients, None, None), expected, "{patients:?}");
        }
    }

    #[test]
    fn the_patient_that_the_bundle_names_must_be_the_one() {
        for (reference, expected) in [
            ("Patient/p", Ok(())),
            ("https://fhir.example.org/r4/Patient/p", Ok(())),
            ("Patient/p/_history/3", Ok(())),
            ("Patient/q", Err(TerminalCode::PatientIsAnother)),
            ("Person/p", Err(TerminalCode::PatientIsAnother)),
        ] {
            assert_eq!(code(&[jane("p")], Some(reference), None), expected, "{reference}");
        }
    }

    #[test]
    fn another_system_of_identifiers_does_not_count_where_the_sites_is_known() {
        let foreign = with("q", "identifier", json!([{ "system": "urn:other", "value": "A1" }]));
        let both = [jane("p"), foreign];
        assert_eq!(code(&both, None, None), Err(TerminalCode::SeveralPatients));
        assert_eq!(code(&both, None, Some("urn:mrn")), Ok(()));
        assert_eq!(code(&both[1..], None, Some("urn:mrn")), Err(TerminalCode::PatientNotFound));
    }

    #[test]
    fn a_page_that_is_none_or_a_patient_who_cannot_be_read_is_no_answer() {
        assert!(page(b"<html>").is_none());
        assert!(page(br#"{"resourceType":"OperationOutcome"}"#).is_none());
        assert!(page(br#"{"resourceType":"Bundle","type":"transaction-response"}"#).is_none());
        assert!(page(&set(&[json!({ "resourceType": "Patient" })])).is_none());
        let outcome = json!({ "resourceType": "OperationOutcome", "issue": [] });
        assert!(page(&set(&[outcome])).unwrap().candidates.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever a server holds: what is confirmed is one current patient, with the identifier, without a conflict.
        #[test]
        fn nobody_is_confirmed_in_spite_of_a_conflict(
            people in prop::collection::vec(
                ("[AB][12]", 0..3_usize, 1..4_u8, "Public|Other", "Jane|One", any::<bool>()), 0..4,
            ),
        ) {
            let patients: Vec<Value> = people.iter().enumerate().map(|(number, (id, sex, day, family, given, active))| json!({
                "resourceType": "Patient", "id": format!("p{number}"), "active": active,
                "gender": (["female", "male", "unknown"][*sex]), "birthDate": format!("1950-01-0{day}"),
                "identifier": [{ "value": id }], "name": [{ "family": family, "given": [given] }]
            })).collect();
            if code(&patients, None, None).is_ok() {
                let current: Vec<_> = people.iter().filter(|one| one.0 == "A1" && one.5).collect();
                prop_assert_eq!(current.len(), 1);
                let (_, sex, day, family, given, _) = current[0];
                prop_assert!(*sex != 1 && *day == 2);
                prop_assert!(family == "Public" || given == "Jane");
                prop_assert!(*sex == 0 || (family == "Public" && given == "Jane"));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(page(&bytes));
        }
    }
}
