//! Codes of a schema: which system they are of, and their check digits.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::record::{Coding, Concept};

/// LOINC.
pub(crate) const LOINC: &str = "http://loinc.org";
/// SNOMED CT.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
/// RxNorm.
pub(crate) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
/// RadLex, as systems write it.
pub(crate) const RADLEX: [&str; 4] = [
    "http://radlex.org",
    "http://www.radlex.org",
    "https://anatomiclocations.org/",
    "http://www.radlex.org/RID",
];
/// DICOM's own codes (DCM).
pub(crate) const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Diagnostic service sections of HL7 v2, which DiagnosticReports have as their category.
const SERVICE: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";

/// One code of a measured value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeasuredCode {
    pub(crate) loinc: Option<String>,
    pub(crate) snomed: Option<String>,
    /// SNOMED CT site that the Observation must state too.
    pub(crate) body_site: Option<String>,
    /// What a value of this code is multiplied by, after its unit was converted.
    #[serde(default = "one")]
    pub(crate) factor: f64,
    /// What the reader should know of a value of this code.
    pub(crate) note: Option<String>,
    /// Annotation of a unit that contradicts the code.
    pub(crate) contradiction: Option<String>,
}

fn one() -> f64 {
    1.0
}

impl MeasuredCode {
    /// System and code.
    pub(crate) fn pair(&self) -> (&'static str, &str) {
        match (&self.loinc, &self.snomed) {
            (Some(code), _) => (LOINC, code),
            (None, Some(code)) => (SNOMED, code),
            (None, None) => (LOINC, ""), // refused when the schema is loaded
        }
    }

    /// Whether a concept, at a site, is this code.
    pub(crate) fn is(&self, concept: &Concept, body_site: &Concept) -> bool {
        let (system, code) = self.pair();
        concept.has(system, code) && self.body_site.as_deref().is_none_or(|site| body_site.has(SNOMED, site))
    }
}

/// Codes of one kind of answer. ICD-10 ones are prefixes without the dot; `@name` stands for a list of the schema until
/// it is loaded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeList {
    #[serde(default)]
    pub(crate) snomed: Vec<String>,
    #[serde(default)]
    pub(crate) icd10: Vec<String>,
    /// ICD-10 categories that are not meant though a prefix fits.
    #[serde(default)]
    pub(crate) not_icd10: Vec<String>,
    #[serde(default)]
    pub(crate) dicom: Vec<String>,
}

impl CodeList {
    /// The coding that is one of these.
    pub(crate) fn matching<'a>(&self, concept: &'a Concept) -> Option<&'a Coding> {
        concept.codings.iter().find(|coding| {
            let code = coding.code.as_deref().unwrap_or_default();
            let has = |list: &[String]| list.iter().any(|one| one == code);
            match coding.system.as_deref().unwrap_or_default() {
                SNOMED => has(&self.snomed),
                DICOM => has(&self.dicom),
                system if is_icd10(system) => {
                    let bare = bare(code);
                    starts(&bare, &self.icd10) && !starts(&bare, &self.not_icd10)
                }
                _ => false,
            }
        })
    }
}

/// An ICD-10 code without its dot.
pub(crate) fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Whether a code begins with one of these.
pub(crate) fn starts(bare: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| bare.starts_with(prefix.as_str()))
}

/// ICD-10 of the WHO, ICD-10-CM of the USA, ICD-10-GM of Germany, as FHIR names them.
pub(crate) fn is_icd10(system: &str) -> bool {
    matches!(
        system,
        "http://hl7.org/fhir/sid/icd-10"
            | "http://hl7.org/fhir/sid/icd-10-cm"
            | "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
            | "http://fhir.de/CodeSystem/dimdi/icd-10-gm"
            | "urn:oid:2.16.840.1.113883.6.90"
            | "urn:oid:2.16.840.1.113883.6.3"
    )
}

/// `loinc|72166-2`, `snomed|8517006` or `v2-0074|RAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) system: &'static str,
    pub(crate) code: String,
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TryFrom<String> for Token {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (system, code) = text.split_once('|').ok_or_else(|| format!("`{text}` is not system|code"))?;
        let (system, sound) = match system {
            // Answers and parts are numbered apart, and their last digit follows another rule.
            "loinc" => (LOINC, code.starts_with("LA") || code.starts_with("LP") || is_loinc(code)),
            "snomed" => (SNOMED, is_snomed(code)),
            "v2-0074" => {
                let letters = code.bytes().all(|byte| byte.is_ascii_uppercase());
                (SERVICE, letters && (2..=3).contains(&code.len()))
            }
            _ => return Err(format!("`{system}` is none of loinc, snomed and v2-0074")),
        };
        if sound {
            Ok(Self { system, code: code.to_owned() })
        } else {
            Err(format!("`{code}` has a wrong check digit"))
        }
    }
}

/// Whether one of the codings is one of these.
pub(crate) fn any_of(concept: &Concept, tokens: &[Token]) -> bool {
    tokens.iter().any(|token| concept.has(token.system, &token.code))
}

/// Digits, a hyphen and the check digit modulo 10 (Luhn), as LOINC's users' guide has it.
pub(crate) fn is_loinc(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else { return false };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(number) || check.len() != 1 || !all_digits(check) || number.len() > 7 {
        return false;
    }
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            if at % 2 == 0 { doubled(digit) } else { digit }
        })
        .sum();
    check.bytes().next().is_some_and(|byte| (sum + u32::from(byte - b'0')).is_multiple_of(10))
}

/// A SNOMED CT identifier: 6 to 18 digits of which the last is Verhoeff's check digit.
pub(crate) fn is_snomed(code: &str) -> bool {
    /// Multiplication in the dihedral group of order 10.
    fn times(one: u8, other: u8) -> u8 {
        match (one < 5, other < 5) {
            (true, true) => (one + other) % 5,
            (true, false) => 5 + (one + other - 5) % 5,
            (false, true) => 5 + (one + 5 - other) % 5,
            (false, false) => (one + 5 - other) % 5,
        }
    }
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    if !(6..=18).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let mut check = 0;
    for (at, byte) in code.bytes().rev().enumerate() {
        let mut digit = byte - b'0';
        for _ in 0..at % 8 {
            digit = PERMUTATION[usize::from(digit)];
        }
        check = times(check, digit);
    }
    check == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_tell_a_code_from_a_slip() {
        for code in ["1988-5", "2857-1", "72166-2", "48066-5"] {
            assert!(is_loinc(code), "{code}");
        }
        for code in ["1988-6", "1898-5", "x-1", "1988", "1988-", "-5", ""] {
            assert!(!is_loinc(code), "{code}");
        }
        for code in ["13645005", "428041000124106", "254637007", "8517006", "39607008"] {
            assert!(is_snomed(code), "{code}");
        }
        for code in ["13645006", "31645005", "430705006", "", "12", "4280410001241060000"] {
            assert!(!is_snomed(code), "{code}");
        }
    }
}
