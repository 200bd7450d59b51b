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
///
/// Codes marked as verified were found with this meaning in public copies or mappings of SNOMED CT and RadLex 4.3,
/// more than one where there is doubt. RadLex has no class for cardiomegaly; none was found for infiltrates, fibrosis,
/// pleural thickening and hiatal hernia. For pleural thickening no specific SNOMED CT concept could be verified, so
/// the broader one stands.
pub const VOCABULARY: [Entry; FINDINGS] = [
    entry(
        "Atelectasis",
        "Atelectasis",
        ("46621007", "Atelectasis", true),
        Some(("RID28493", "atelectasis", true)),
    ),
    entry("Cardiomegaly", "Cardiomegaly", ("8186001", "Cardiomegaly", true), None),
    entry(
        "Effusion",
        "Pleural effusion",
        ("60046008", "Pleural effusion", true),
        Some(("RID34539", "pleural effusion", true)),
    ),
    entry("Infiltration", "Pulmonary infiltrate", ("409609008", "Radiologic infiltrate of lung", true), None),
    entry("Mass", "Lung mass", ("309529002", "Lung mass", true), Some(("RID39056", "lung mass", true))),
    entry(
        "Nodule",
        "Lung nodule",
        ("786838002", "Nodule of lung", true),
        Some(("RID50149", "pulmonary nodule", true)),
    ),
    entry("Pneumonia", "Pneumonia", ("233604007", "Pneumonia", true), Some(("RID5350", "pneumonia", true))),
    entry(
        "Pneumothorax",
        "Pneumothorax",
        ("36118008", "Pneumothorax", true),
        Some(("RID5352", "pneumothorax", true)),
    ),
    entry(
        "Consolidation",
        "Consolidation",
        ("95436008", "Lung consolidation", true),
        Some(("RID43255", "consolidation", true)),
    ),
    entry(
        "Edema",
        "Pulmonary oedema",
        ("19242006", "Pulmonary edema", true),
        Some(("RID4866", "pulmonary edema", true)),
    ),
    entry(
        "Emphysema",
        "Emphysema",
        ("87433001", "Pulmonary emphysema", true),
        Some(("RID4799", "emphysema", true)),
    ),
    entry("Fibrosis", "Pulmonary fibrosis", ("51615001", "Fibrosis of lung", true), None),
    entry("Pleural_Thickening", "Pleural thickening", ("88075009", "Disorder of pleura", false), None),
    entry("Hernia", "Hiatal hernia", ("84089009", "Hiatal hernia", true), None),
];
