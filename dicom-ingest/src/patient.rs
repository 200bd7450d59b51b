//! Who the patient is, as the images state it (PS3.3 C.7.1.1).

use dicom_dictionary_std::tags;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::phi::Phi;
use crate::study_time::parse_date;
use crate::warning::{Warning, WarningCode};

/// Patient's Sex (0010,0040).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// `M`
    Male,
    /// `F`
    Female,
    /// `O`
    Other,
}

/// A person's name, folded for comparing: upper case, Latin letters without diacritics, single spaces, no
/// padding (PS3.5 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PersonName {
    /// Family name of the alphabetic group.
    pub family: String,
    /// Given name of the alphabetic group.
    pub given: String,
    /// Middle name of the alphabetic group.
    pub middle: String,
    /// The ideographic group, family and given name parted by `^`; empty when there is none.
    pub ideographic: String,
    /// The phonetic group, likewise.
    pub phonetic: String,
}

impl PersonName {
    /// Reads and folds a PN value.
    pub fn parse(text: &str) -> Self {
        let mut groups = text.split('=');
        let alphabetic = groups.next().unwrap_or_default();
        let mut group = || groups.next().map(|group| fold(group.trim_end_matches('^'))).unwrap_or_default();
        let (ideographic, phonetic) = (group(), group());
        let mut components = alphabetic.split('^').map(fold);
        let mut component = || components.next().unwrap_or_default();
        Self { family: component(), given: component(), middle: component(), ideographic, phonetic }
    }

    /// Whether two names cannot be one person's: family or given name of the alphabetic group, or the ideographic
    /// group, are stated in both and differ.
    pub fn contradicts(&self, other: &Self) -> bool {
        let differ = |ours: &str, theirs: &str| !ours.is_empty() && !theirs.is_empty() && ours != theirs;
        differ(&self.family, &other.family)
            || differ(&self.given, &other.given)
            || differ(&self.ideographic, &other.ideographic)
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Folds a part of a name for comparing; see [`PersonName`]. Use it on the other side of a comparison too.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let seen: String = text.chars().filter(|letter| letter.is_whitespace() || !is_unseen(*letter)).collect();
    for word in seen.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        for letter in word.chars().flat_map(char::to_uppercase) {
            match base_letters(letter) {
                Some(base) => folded.push_str(base),
                None => folded.push(letter),
            }
        }
    }
    folded
}

/// Whether a letter is none that people see: a control character, a mark of direction, a blank without width. The joiners of
/// Persian and Indic scripts (U+200C, U+200D) are letters of names.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// The letters without diacritics of an upper-case Latin letter.
fn base_letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'Æ' => "AE",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'Ď' | 'Đ' | 'Ð' => "D",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => "E",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' => "G",
        'Ĥ' | 'Ħ' => "H",
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' => "I",
        'Ĵ' => "J",
        'Ķ' => "K",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ŀ' | 'Ł' => "L",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' => "O",
        'Œ' => "OE",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => "T",
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' => "U",
        'Ŵ' => "W",
        'Ý' | 'Ŷ' | 'Ÿ' => "Y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        '’' | '‘' | '`' | '´' => "'",
        _ => return None,
    })
}

/// What the images say about the identity of the patient. Absent, empty and unreadable values are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatientIdentity {
    /// Patient ID (0010,0020), without padding. `None` when absent or when the character set failed.
    pub id: Option<Phi<String>>,
    /// The bytes of Patient ID without padding: one that does not decode identifies nobody, and tells two people apart.
    pub id_bytes: Option<Phi<Vec<u8>>>,
    /// Issuer of Patient ID (0010,0021).
    pub issuer: Option<String>,
    /// Patient's Name (0010,0010), folded. `None` when absent or when the character set failed.
    pub name: Option<Phi<PersonName>>,
    /// The name as written, for display only; lossy when [`Self::name_undecoded`].
    pub display_name: Option<Phi<String>>,
    /// The name stands in the file, but its character set could not be decoded: never compare on it.
    pub name_undecoded: bool,
    /// Patient's Birth Date (0010,0030).
    pub birth_date: Option<Phi<Date>>,
    /// Patient's Sex (0010,0040).
    pub sex: Option<Sex>,
}

impl PatientIdentity {
    pub(crate) fn read(view: &View<'_>) -> Self {
        let name = view.decoded(tags::PATIENT_NAME);
        let written = name.as_ref().and_then(|decoded| decoded.as_ref().ok());
        let parsed = written.map(|text| PersonName::parse(text)).filter(|name| !name.is_empty());
        Self {
            // An identifier that does not decode for certain identifies nobody.
            id: view.decoded(tags::PATIENT_ID).and_then(Result::ok).map(Phi::new),
            id_bytes: view.trimmed(tags::PATIENT_ID).map(|bytes| Phi::new(bytes.to_vec())),
            issuer: view.first(tags::ISSUER_OF_PATIENT_ID),
            name: parsed.map(Phi::new),
            name_undecoded: matches!(name, Some(Err(_))),
            display_name: name.map(|decoded| Phi::new(decoded.unwrap_or_else(|lossy| lossy))),
            birth_date: view.first(tags::PATIENT_BIRTH_DATE).and_then(|text| parse_date(&text)).map(Phi::new),
            sex: match view.first(tags::PATIENT_SEX).as_deref() {
                Some("M") => Some(Sex::Male),
                Some("F") => Some(Sex::Female),
                Some("O") => Some(Sex::Other),
                _ => None,
            },
        }
    }

    /// What is odd about the name, for people.
    pub(crate) fn name_warning(&self) -> Option<Warning> {
        let name = self.display_name.as_ref()?.expose();
        if self.name_undecoded {
            let message = "PatientName could not be decoded with the stated character set";
            return Some(Warning::new(WarningCode::NameUndecoded, message));
        }
        let message =
            "PatientName holds control characters or marks of direction; they are shown, and not compared";
        name.chars().any(is_unseen).then(|| Warning::new(WarningCode::OddName, message))
    }

    /// The first attribute in which two identities contradict each other, by keyword; what only one of them
    /// states is no contradiction.
    pub fn conflict(&self, other: &Self) -> Option<&'static str> {
        fn differ<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>) -> bool {
            matches!((ours, theirs), (Some(ours), Some(theirs)) if ours != theirs)
        }
        let names = self.name.as_ref().zip(other.name.as_ref());
        // One number may be written in two character sets: what decodes is compared decoded.
        let ids_differ = match (&self.id, &other.id) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => differ(self.id_bytes.as_ref(), other.id_bytes.as_ref()),
        };
        let checks = [
            (ids_differ, "PatientID"),
            (differ(self.issuer.as_ref(), other.issuer.as_ref()), "IssuerOfPatientID"),
            (names.is_some_and(|(ours, theirs)| ours.expose().contradicts(theirs.expose())), "PatientName"),
            (differ(self.birth_date.as_ref(), other.birth_date.as_ref()), "PatientBirthDate"),
            (differ(self.sex.as_ref(), other.sex.as_ref()), "PatientSex"),
        ];
        checks.into_iter().find(|(differs, _)| *differs).map(|(_, keyword)| keyword)
    }

    /// Takes over what the other states and this one does not.
    pub fn complete_from(&mut self, other: &Self) {
        self.id = self.id.take().or_else(|| other.id.clone());
        self.id_bytes = self.id_bytes.take().or_else(|| other.id_bytes.clone());
        self.issuer = self.issuer.take().or_else(|| other.issuer.clone());
        self.name = self.name.take().or_else(|| other.name.clone());
        self.display_name = self.display_name.take().or_else(|| other.display_name.clone());
        self.name_undecoded |= other.name_undecoded;
        self.birth_date = self.birth_date.take().or_else(|| other.birth_date.clone());
        self.sex = self.sex.or(other.sex);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_to_one_form() {
        let name = PersonName::parse("Müller-Łuk ^ anna  maria^^Dr.=山田^太郎^^");
        assert_eq!(name.family, "MULLER-LUK");
        assert_eq!(name.given, "ANNA MARIA");
        assert_eq!(name.ideographic, "山田^太郎");
        assert_eq!(PersonName::parse("MULLER-LUK^ANNA MARIA=山田^太郎"), name);
        assert!(PersonName::parse(" ^^ ").is_empty());
    }

    #[test]
    fn what_nobody_sees_is_said_and_not_compared() {
        let of = |name: &str| PatientIdentity {
            name: Some(Phi::new(PersonName::parse(name))),
            display_name: Some(Phi::new(name.to_owned())),
            ..PatientIdentity::default()
        };
        let plain = of("Canary^Carla");
        for odd in
            ["Ca\u{202e}nary^Carla", "Canary\0^Carla", "\u{200b} Canary^\u{feff}Carla", "Canary^Car\u{1b}la"]
        {
            let warning = of(odd).name_warning().unwrap();
            assert_eq!(warning.code, WarningCode::OddName, "{odd:?}");
            assert!(!warning.message.contains("Canary"));
            assert_eq!(plain.conflict(&of(odd)), None, "{odd:?}");
        }
        assert_eq!(plain.conflict(&of("Canary^Car\u{202e}lo")), Some("PatientName"));
        for sound in ["Canary^Carla", "\u{645}\u{6cc}\u{200c}\u{646}", "Müller^Änne"] {
            assert_eq!(of(sound).name_warning(), None, "{sound}");
        }
    }

    #[test]
    fn numbers_that_do_not_decode_still_tell_two_people_apart() {
        let stated = |id: Option<&str>, bytes: &[u8]| PatientIdentity {
            id: id.map(|id| Phi::new(id.to_owned())),
            id_bytes: Some(Phi::new(bytes.to_vec())),
            ..PatientIdentity::default()
        };
        let (one, other) = (stated(None, b"\xE91"), stated(None, b"\xE92"));
        assert_eq!(one.conflict(&other), Some("PatientID"));
        assert_eq!(one.conflict(&stated(Some("17"), b"17")), Some("PatientID"));
        assert_eq!(one.conflict(&one), None);
        assert_eq!(one.conflict(&stated(Some("\u{e9}1"), b"\xE91")), None);
        // one number, two character sets
        assert_eq!(
            stated(Some("\u{e9}1"), b"\xE91").conflict(&stated(Some("\u{e9}1"), "\u{e9}1".as_bytes())),
            None
        );
        let mut study = PatientIdentity::default();
        study.complete_from(&one);
        assert_eq!(study.conflict(&other), Some("PatientID"));
    }

    #[test]
    fn a_conflict_needs_both_sides() {
        let stated = PatientIdentity { sex: Some(Sex::Male), ..PatientIdentity::default() };
        assert_eq!(stated.conflict(&PatientIdentity::default()), None);
        let other = PatientIdentity { sex: Some(Sex::Female), ..PatientIdentity::default() };
        assert_eq!(stated.conflict(&other), Some("PatientSex"));
    }
}
