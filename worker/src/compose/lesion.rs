//! The index lesion of a report, from the nodule that the fusion computed for.

use fusion::formulas::doubling::Growth;
use fusion::{Lesion, NoduleKind, Site};

use crate::report::document as doc;

const SNOMED: &str = "http://snomed.info/sct";
const RADELEMENT: &str = "https://radelement.org";

/// Sites in SNOMED CT, each with words for a reader.
const SITES: [(&str, &str); 12] = [
    ("45653009", "upper lobe of a lung"),
    ("42400003", "right upper lobe"),
    ("44714003", "left upper lobe"),
    ("72481006", "right middle lobe"),
    ("90572001", "lower lobe of a lung"),
    ("266005", "right lower lobe"),
    ("41224006", "left lower lobe"),
    ("50837003", "lingula"),
    ("39607008", "lung"),
    ("3341006", "right lung"),
    ("44029006", "left lung"),
    ("31094006", "lobe of a lung"),
];

pub(super) fn lesion(lesion: &Lesion) -> doc::Lesion {
    let coding = |system: &str, code: &str, display: &str| doc::Coding {
        system: system.to_owned(),
        code: code.to_owned(),
        display: display.to_owned(),
    };
    let (finding, display) = match lesion.count {
        Some(1) => ("427359005", "Solitary nodule of lung"),
        _ => ("786838002", "Nodule of lung"),
    };
    doc::Lesion {
        title: "Lung nodule".to_owned(),
        finding: coding(SNOMED, finding, display),
        site: words(&lesion.site),
        site_coding: coding(SNOMED, &lesion.site.code, &lesion.site.display),
        kind: lesion.kind.map(|kind| kind.text().to_owned()),
        kind_coding: lesion.kind.and_then(|kind| match kind {
            NoduleKind::Solid => Some(coding(RADELEMENT, "RDE1301.0", "solid")),
            NoduleKind::NonSolid => Some(coding(RADELEMENT, "RDE1301.1", "ground glass")),
            // the code of this answer could not be verified
            NoduleKind::PartSolid => None,
        }),
        spiculated: lesion.spiculated,
        diameter_mm: lesion.diameter_mm,
        seen: lesion.dated,
        count: lesion.count,
        source: lesion.source.clone(),
        outlined: lesion
            .outlined
            .as_ref()
            .map(|own| doc::OutlinedLesion { model: own.model.clone(), segment: own.segment.clone() }),
        earlier: lesion.earlier.as_ref().map(|earlier| doc::EarlierLesion {
            diameter_mm: earlier.diameter_mm,
            seen: earlier.dated,
            source: earlier.source.clone(),
            difference_mm: earlier.difference_mm,
            growth: earlier.growth.map(|growth| match growth {
                Growth::StableOrSmaller => doc::LesionGrowth::None,
                Growth::Stable { doubling_days } | Growth::Growing { doubling_days, .. } => {
                    doc::LesionGrowth::Doubles { days: doubling_days }
                }
            }),
        }),
    }
}

/// Our words for the code, else the source's own, else that it is a lung.
fn words(site: &Site) -> String {
    let known = SITES.iter().find(|(code, _)| *code == site.code).map(|(_, words)| (*words).to_owned());
    known.unwrap_or_else(|| {
        if site.display.trim().is_empty() { "lung".to_owned() } else { site.display.clone() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Language;

    #[test]
    fn every_site_and_texture_has_a_german_word() {
        let kinds = [NoduleKind::Solid, NoduleKind::PartSolid, NoduleKind::NonSolid].map(NoduleKind::text);
        for text in SITES.iter().map(|(_, words)| *words).chain(kinds).chain(["Lung nodule"]) {
            assert!(Language::German.knows(text), "{text}");
        }
    }

    #[test]
    fn a_site_that_is_not_known_here_keeps_its_own_words() {
        let site = |code: &str, display: &str| Site { code: code.to_owned(), display: display.to_owned() };
        assert_eq!(words(&site("42400003", "RUL")), "right upper lobe");
        assert_eq!(words(&site("22270008", "Segment 2")), "Segment 2");
        assert_eq!(words(&site("22270008", " ")), "lung");
    }
}
