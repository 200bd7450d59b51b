//! The fourteen findings: names of the training labels, titles and codes.

use super::config::FINDINGS;
use crate::bundle::manifest::Code;

/// One finding's names and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The column of the training labels.
    pub name: &'static str,
    /// The name a person reads.
    pub title: &'static str,
    /// SNOMED CT code, display, and whether both were found in a public copy.
    pub snomed: (&'static str, &'static str, bool),
    /// RadLex code, display, and whether both were found in a public copy.
    pub radlex: Option<(&'static str, &'static str, bool)>,
}

impl Entry {
    /// The SNOMED CT concept.
    pub fn snomed_code(&self) -> Code {
        code(self.snomed)
    }

    /// The RadLex concept.
    pub fn radlex_code(&self) -> Option<Code> {
        self.radlex.map(code)
    }
}

fn code((code, display, verified): (&str, &str, bool)) -> Code {
    Code { code: code.to_owned(), display: display.to_owned(), verified }
}

const fn entry(
    name: &'static str,
    title: &'static str,
    snomed: (&'static str, &'static str, bool),
    radlex: Option<(&'static str, &'static str, bool)>,
) -> Entry {
    Entry { name, title, snomed, radlex }
}

/// The findings in the order of the training labels' columns.
pub const VOCABULARY: [Entry; FINDINGS] = [
    entry(
        "Atelectasis",
        "Atelectasis",
        ("46621007", "Atelectasis", false),
        Some(("RID28493", "atelectasis", false)),
    ),
    entry(
        "Cardiomegaly",
        "Cardiomegaly",
        ("8186001", "Cardiomegaly", false),
        Some(("RID35057", "cardiomegaly", false)),
    ),
    entry(
        "Effusion",
        "Pleural effusion",
        ("60046008", "Pleural effusion", false),
        Some(("RID34539", "pleural effusion", false)),
    ),
    entry(
        "Infiltration",
        "Pulmonary infiltrate",
        ("409609008", "Radiologic infiltrate of lung", false),
        None,
    ),
    entry("Mass", "Lung mass", ("309529002", "Lung mass", false), Some(("RID3874", "mass", false))),
    entry(
        "Nodule",
        "Lung nodule",
        ("427359005", "Solitary nodule of lung", false),
        Some(("RID3875", "nodule", false)),
    ),
    entry("Pneumonia", "Pneumonia", ("233604007", "Pneumonia", false), Some(("RID5350", "pneumonia", false))),
    entry(
        "Pneumothorax",
        "Pneumothorax",
        ("36118008", "Pneumothorax", false),
        Some(("RID5352", "pneumothorax", false)),
    ),
    entry(
        "Consolidation",
        "Consolidation",
        ("95436008", "Lung consolidation", false),
        Some(("RID43255", "consolidation", false)),
    ),
    entry(
        "Edema",
        "Pulmonary oedema",
        ("19242006", "Pulmonary edema", false),
        Some(("RID4866", "pulmonary edema", false)),
    ),
    entry(
        "Emphysema",
        "Emphysema",
        ("87433001", "Pulmonary emphysema", false),
        Some(("RID4799", "emphysema", false)),
    ),
    entry("Fibrosis", "Pulmonary fibrosis", ("51615001", "Fibrosis of lung", false), None),
    entry("Pleural_Thickening", "Pleural thickening", ("1204435000", "Pleural thickening", false), None),
    entry("Hernia", "Hiatal hernia", ("84089009", "Hiatal hernia", false), None),
];
