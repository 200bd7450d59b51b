//! Whose record is it? The gate between the images and the health record.
//!
//! A record is used only when its identifier is the one that the images state, when nothing conflicts, and when at
//! least two of name, birth date and sex agree as well. Everything else is refused: a report on the wrong patient is
//! the worst thing this program could write. Pure: no I/O; no value of a patient appears in a text.

use std::fmt;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

/// How many of name, birth date and sex must agree beside the identifier.
const LEAST_AGREEMENTS: usize = 2;

/// Sex as both sides can state it. Anything else counts as not stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// `F`, `female`.
    Female,
    /// `M`, `male`.
    Male,
    /// `O`, `other`.
    Other,
}

/// An identifier with whoever issued it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The identifier.
    pub value: String,
    /// Names of the issuer: Issuer of Patient ID, or a FHIR identifier's system and assigner. Empty when unstated.
    pub issuers: Vec<String>,
}

/// A person as one side states them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// All identifiers of the person.
    pub identifiers: Vec<Identifier>,
    /// Family names, in any writing.
    pub family: Vec<String>,
    /// Given names, in any writing.
    pub given: Vec<String>,
    /// The days that the stated birth date may mean, first and last: one day, or a month or a year.
    pub birth_date: Option<(Date, Date)>,
    /// Sex.
    pub sex: Option<Sex>,
    /// False when the record says that it is inactive or was merged into another.
    pub current: bool,
}

impl fmt::Debug for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Person([phi])")
    }
}

/// Why a record that was offered is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    /// The identifier is another patient's.
    #[error(
        "the record is of another patient: its identifiers do not hold the study's Patient ID (0010,0020)"
    )]
    OtherPatient,
    /// The images state no identifier.
    #[error("the images state no Patient ID (0010,0020), so no record can be matched")]
    NoPatientId,
    /// Sex differs.
    #[error("the identifier matches, but the record's sex conflicts with Patient's Sex (0010,0040)")]
    SexConflict,
    /// Birth date differs.
    #[error(
        "the identifier matches, but the record's birth date conflicts with Patient's Birth Date (0010,0030)"
    )]
    BirthDateConflict,
    /// Name differs wholly.
    #[error("the identifier matches, but the record's name conflicts with Patient's Name (0010,0010)")]
    NameConflict,
    /// Too little agrees.
    #[error("the identifier matches, but fewer than two of name, birth date and sex can be confirmed")]
    Unconfirmed,
    /// The record is inactive or merged.
    #[error("the record is marked inactive or replaced by another")]
    NotCurrent,
    /// More than one record matches.
    #[error("more than one record carries the study's Patient ID (0010,0020)")]
    SeveralRecords,
}

impl IdentityRefusal {
    /// The stable code of the refusal.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OtherPatient => "RecordOfOtherPatient",
            Self::NoPatientId => "NoPatientId",
            Self::SexConflict => "SexConflict",
            Self::BirthDateConflict => "BirthDateConflict",
            Self::NameConflict => "NameConflict",
            Self::Unconfirmed => "IdentityUnconfirmed",
            Self::NotCurrent => "RecordNotCurrent",
            Self::SeveralRecords => "SeveralRecords",
        }
    }
}

/// True when the record carries the identifier that the images state.
pub fn shares_identifier(images: &Person, record: &Person) -> bool {
    images
        .identifiers
        .iter()
        .any(|stated| record.identifiers.iter().any(|known| same_identifier(stated, known)))
}

/// Confirms that `record` is of the person in the images.
pub fn confirm(images: &Person, record: &Person) -> Result<(), IdentityRefusal> {
    if images.identifiers.is_empty() {
        return Err(IdentityRefusal::NoPatientId);
    }
    if !shares_identifier(images, record) {
        return Err(IdentityRefusal::OtherPatient);
    }
    if !record.current {
        return Err(IdentityRefusal::NotCurrent);
    }
    let sex = agreement(images.sex, record.sex);
    let birth_date = birth_date_agreement(images.birth_date, record.birth_date);
    let name = name_agreement(images, record);
    match (sex, birth_date, name) {
        (Agreement::Conflict, ..) => Err(IdentityRefusal::SexConflict),
        (_, Agreement::Conflict, _) => Err(IdentityRefusal::BirthDateConflict),
        (.., Agreement::Conflict) => Err(IdentityRefusal::NameConflict),
        (sex, birth_date, name) => {
            let agree = [sex, birth_date, name].iter().filter(|one| **one == Agreement::Agree).count();
            if agree >= LEAST_AGREEMENTS { Ok(()) } else { Err(IdentityRefusal::Unconfirmed) }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreement {
    Agree,
    Conflict,
    Unknown,
}

fn agreement<T: PartialEq>(one: Option<T>, other: Option<T>) -> Agreement {
    match (one, other) {
        (Some(one), Some(other)) if one == other => Agreement::Agree,
        (Some(_), Some(_)) => Agreement::Conflict,
        _ => Agreement::Unknown,
    }
}

/// Whole dates agree when they are the same day. A month or a year that holds the other side's date says nothing; one
/// that does not conflicts.
fn birth_date_agreement(one: Option<(Date, Date)>, other: Option<(Date, Date)>) -> Agreement {
    match (one, other) {
        (Some(one), Some(other)) if one == other && one.0 == one.1 => Agreement::Agree,
        (Some(one), Some(other)) if one.0 <= other.1 && other.0 <= one.1 => Agreement::Unknown,
        (Some(_), Some(_)) => Agreement::Conflict,
        _ => Agreement::Unknown,
    }
}

/// Names agree when family and given names have one in common, and conflict when neither has; when one of the two has
/// (a name after marriage, a second given name), that says nothing.
fn name_agreement(images: &Person, record: &Person) -> Agreement {
    let family = overlap(&images.family, &record.family);
    let given = overlap(&images.given, &record.given);
    match (family, given) {
        (Agreement::Agree, Agreement::Agree | Agreement::Unknown) => Agreement::Agree,
        (Agreement::Conflict, Agreement::Conflict | Agreement::Unknown) => Agreement::Conflict,
        _ => Agreement::Unknown,
    }
}

fn overlap(one: &[String], other: &[String]) -> Agreement {
    let spellings = |names: &[String]| -> Vec<String> {
        names
            .iter()
            .flat_map(|name| [plain(name), spelled_out(name)])
            .filter(|name| !name.is_empty())
            .collect()
    };
    let (one, other) = (spellings(one), spellings(other));
    if one.is_empty() || other.is_empty() {
        Agreement::Unknown
    } else if one.iter().any(|name| other.contains(name)) {
        Agreement::Agree
    } else {
        Agreement::Conflict
    }
}

/// Letters and digits of any script, in lower case and without marks: `Müller` is `muller`.
fn plain(name: &str) -> String {
    name.nfkd().flat_map(char::to_lowercase).filter(|one| one.is_alphanumeric()).collect()
}

/// The same with the letters that some registries spell out: `Müller` is `mueller`.
fn spelled_out(name: &str) -> String {
    let lower: String = name.nfc().flat_map(char::to_lowercase).collect();
    let pairs = [("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("æ", "ae"), ("ø", "oe"), ("å", "aa")];
    plain(&pairs.iter().fold(lower, |text, (letter, spelled)| text.replace(letter, spelled)))
}

/// Values equal to the letter, and, where both sides name an issuer, an issuer in common.
///
/// A FHIR identifier may name its issuer by a URI and DICOM by a word, so issuers conflict only when a word on one
/// side meets a word on the other and they differ.
fn same_identifier(stated: &Identifier, known: &Identifier) -> bool {
    let words = |issuers: &[String]| -> Vec<String> {
        issuers.iter().filter(|issuer| !issuer.contains(':')).map(|issuer| plain(issuer)).collect()
    };
    if stated.value.trim() != known.value.trim() || stated.value.trim().is_empty() {
        return false;
    }
    if stated.issuers.iter().any(|issuer| known.issuers.contains(issuer)) {
        return true;
    }
    let (stated, known) = (words(&stated.issuers), words(&known.issuers));
    stated.is_empty() || known.is_empty() || stated.iter().any(|issuer| known.contains(issuer))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn person() -> Person {
        Person {
            identifiers: vec![Identifier { value: "A1".into(), issuers: vec!["HOSPITAL".into()] }],
            family: vec!["Müller".into()],
            given: vec!["Änne".into()],
            birth_date: Some((date(1950, 1, 2), date(1950, 1, 2))),
            sex: Some(Sex::Female),
            current: true,
        }
    }

    #[test]
    fn the_same_person_is_confirmed_in_other_writing() {
        let record = Person { family: vec!["MUELLER".into()], given: vec!["aenne".into()], ..person() };
        assert_eq!(confirm(&person(), &record), Ok(()));
    }

    #[test]
    fn every_conflict_is_refused_with_its_code() {
        let cases = [
            (Person { sex: Some(Sex::Male), ..person() }, IdentityRefusal::SexConflict),
            (
                Person { birth_date: Some((date(1950, 2, 1), date(1950, 2, 1))), ..person() },
                IdentityRefusal::BirthDateConflict,
            ),
            (
                Person { family: vec!["Other".into()], given: vec!["One".into()], ..person() },
                IdentityRefusal::NameConflict,
            ),
            (Person { current: false, ..person() }, IdentityRefusal::NotCurrent),
            (Person { birth_date: None, sex: None, ..person() }, IdentityRefusal::Unconfirmed),
            (
                Person { identifiers: vec![Identifier { value: "A2".into(), issuers: vec![] }], ..person() },
                IdentityRefusal::OtherPatient,
            ),
            (
                Person {
                    identifiers: vec![Identifier { value: "A1".into(), issuers: vec!["ELSEWHERE".into()] }],
                    ..person()
                },
                IdentityRefusal::OtherPatient,
            ),
        ];
        for (record, refusal) in cases {
            assert_eq!(confirm(&person(), &record), Err(refusal));
        }
    }

    #[test]
    fn a_birth_year_confirms_nothing_and_a_wrong_one_conflicts() {
        let of = |first, last| Person { birth_date: Some((first, last)), ..person() };
        let fitting = of(date(1950, 1, 1), date(1950, 12, 31));
        assert_eq!(confirm(&person(), &fitting), Ok(()), "name and sex agree");
        assert_eq!(confirm(&person(), &Person { sex: None, ..fitting }), Err(IdentityRefusal::Unconfirmed));
        let other = of(date(1970, 1, 1), date(1970, 12, 31));
        assert_eq!(confirm(&person(), &other), Err(IdentityRefusal::BirthDateConflict));
    }

    #[test]
    fn a_uri_system_does_not_conflict_with_an_issuer_word() {
        let record = Person {
            identifiers: vec![Identifier { value: "A1".into(), issuers: vec!["urn:oid:1.2".into()] }],
            ..person()
        };
        assert_eq!(confirm(&person(), &record), Ok(()));
    }

    #[test]
    fn a_name_after_marriage_neither_agrees_nor_conflicts() {
        let record = Person { family: vec!["Schmidt".into()], ..person() };
        assert_eq!(confirm(&person(), &record), Ok(()), "sex and birth date still agree");
        let record = Person { birth_date: None, ..record };
        assert_eq!(confirm(&person(), &record), Err(IdentityRefusal::Unconfirmed));
    }

    proptest! {
        #[test]
        fn a_conflict_or_a_foreign_identifier_is_never_confirmed(
            id in "[A-C][0-9]", sex in 0..3_u8, day in 1..28_i8, family in "[A-C]", given in "[A-C]",
        ) {
            let record = Person {
                identifiers: vec![Identifier { value: id.clone(), issuers: vec![] }],
                family: vec![family.clone()],
                given: vec![given.clone()],
                birth_date: Some((date(1950, 1, day), date(1950, 1, day))),
                sex: [Some(Sex::Female), Some(Sex::Male), None][usize::from(sex)],
                current: true,
            };
            let images = Person {
                family: vec!["A".into()], given: vec!["A".into()], birth_date: Some((date(1950, 1, 2), date(1950, 1, 2))), ..person()
            };
            if confirm(&images, &record).is_ok() {
                prop_assert_eq!(id, "A1");
                prop_assert!(sex != 1 && day == 2);
                prop_assert!(family == "A" || given == "A");
            }
        }
    }
}
