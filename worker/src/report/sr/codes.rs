//! Every code of the structured report that is not a model's own, in one table.

use std::borrow::Cow;

use dicom_ingest::write::{Elements, tags};

use crate::report::dicom::{long_string, meaning};
use crate::report::document::{self, Finding, Presence};

/// Scheme, value, meaning. Most stand in the program as they are, and are not copied for each report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) scheme: &'static str,
    pub(super) value: Cow<'static, str>,
    pub(super) meaning: Cow<'static, str>,
    /// The same concept in other schemes.
    pub(super) equivalents: Vec<Code>,
}

/// Designator of our own codes; the header says whose it is.
pub(super) const OWN: &str = "99CHIASM";

impl Code {
    pub(super) fn new(
        scheme: &'static str,
        value: impl Into<Cow<'static, str>>,
        meaning: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { scheme, value: value.into(), meaning: meaning.into(), equivalents: Vec::new() }
    }

    /// The code as an item of a sequence, with the codes of other schemes for the same (PS3.3 8.8, Equivalent Code Sequence).
    pub(super) fn item(&self) -> Elements {
        let mut item = Elements::coded(self.scheme, &self.value, &self.meaning);
        if !self.equivalents.is_empty() {
            item.sequence(tags::EQUIVALENT_CODE_SEQUENCE, self.equivalents.iter().map(Self::item).collect());
        }
        item
    }
}

/// A concept of the DICOM standard itself (PS3.16 Annex D).
pub(super) fn dcm(value: &'static str, meaning: &'static str) -> Code {
    Code::new("DCM", value, meaning)
}

pub(super) fn sct(value: &'static str, meaning: &'static str) -> Code {
    Code::new("SCT", value, meaning)
}

/// A concept that no standard names as we mean it.
pub(super) fn own(value: &str, words: &str) -> Code {
    Code::new(OWN, long_string(value), meaning(words))
}

pub(super) fn percent() -> Code {
    Code::new("UCUM", "%", "percent")
}

pub(super) fn square_millimetres() -> Code {
    Code::new("UCUM", "mm2", "square millimeter")
}

pub(super) fn millimetres() -> Code {
    Code::new("UCUM", "mm", "millimeter")
}

pub(super) fn days() -> Code {
    Code::new("UCUM", "d", "day")
}

/// The finding's SNOMED CT code, else the next that DICOM has a scheme for, else our label.
pub(super) fn finding(finding: &Finding) -> Code {
    coded(&finding.codings).unwrap_or_else(|| own(&finding.label, &finding.title))
}

/// The first code whose scheme DICOM names (PS3.16 Table 8-1), SNOMED CT before the others, which are its equivalents.
pub(super) fn coded(codings: &[document::Coding]) -> Option<Code> {
    let known = |system: &str| match system {
        "http://snomed.info/sct" => Some("SCT"),
        "http://loinc.org" => Some("LN"),
        "http://radlex.org" | "http://www.radlex.org" | "http://radlex.org/" => Some("RADLEX"),
        _ => None,
    };
    let mut codes: Vec<Code> = codings
        .iter()
        .filter_map(|coding| {
            let (value, meaning) = (long_string(&coding.code), long_string(&coding.display));
            Some(Code::new(known(&coding.system)?, value, meaning))
        })
        .filter(|code| !code.value.is_empty() && !code.meaning.is_empty())
        .collect();
    codes.sort_by_key(|code| code.scheme != "SCT");
    let mut codes = codes.into_iter();
    let first = codes.next()?;
    Some(Code { equivalents: codes.collect(), ..first })
}

/// The three-way state; the same concepts as in FHIR.
pub(super) fn presence(presence: Presence) -> Code {
    match presence {
        Presence::Present => sct("52101004", "Present"),
        Presence::Indeterminate => sct("82334004", "Indeterminate"),
        Presence::Absent => sct("2667000", "Absent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_other_schemes_stand_beside_the_first() {
        let coding = |system: &str, code: &str| document::Coding {
            system: system.into(),
            code: code.into(),
            display: "pleural effusion".into(),
        };
        let codings = [
            coding("http://www.radlex.org", "RID34539"),
            coding("http://snomed.info/sct", "60046008"),
            coding("urn:of:somebody", "1"),
        ];
        let code = coded(&codings).unwrap();
        assert_eq!((code.scheme, &*code.value), ("SCT", "60046008"));
        assert_eq!(code.equivalents, [Code::new("RADLEX", "RID34539", "pleural effusion")]);
        assert!(coded(&codings[2..]).is_none());
    }
}
