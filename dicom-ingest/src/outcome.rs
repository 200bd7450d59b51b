//! What a refusal costs: one instance, one series, or the study (`docs/codes.md` says the same for people). Whoever decides on
//! the rest of a study asks here.

use crate::refusal::RefusalCode;

/// What becomes of the rest of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A fact of a structured report is left out, with a warning in the report.
    AcceptWithWarning,
    /// The instance is left out and named; the study goes on with what is left, and is refused where nothing is.
    DropInstance,
    /// No volume is made of the series; its images stay.
    RefuseSeries,
    /// The study is refused as a whole: it cannot be told which part of it is right.
    RefuseStudy,
    /// The study is refused, and a person looks before that goes out: the picture may have been lost on its way, or a person
    /// can find out which of two statements is right.
    Hold,
}

impl Outcome {
    /// Whether nothing of the study is read.
    pub const fn costs_study(self) -> bool {
        match self {
            Self::RefuseStudy | Self::Hold => true,
            Self::AcceptWithWarning | Self::DropInstance | Self::RefuseSeries => false,
        }
    }
}

impl RefusalCode {
    /// What a refusal of this code costs.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::BadUnit => Outcome::AcceptWithWarning,
            Self::NoSpacing | Self::NoGeometry | Self::MixedSeries | Self::IncompleteSeries => {
                Outcome::RefuseSeries
            }
            Self::ConflictingInstance | Self::MixedPatient => Outcome::RefuseStudy,
            Self::BlankImage | Self::LateralityConflict | Self::OrderConflict | Self::ImplausibleDate => {
                Outcome::Hold
            }
            Self::NotDicom
            | Self::Truncated
            | Self::LengthOverrun
            | Self::BadVr
            | Self::BadStructure
            | Self::TooDeep
            | Self::TooManyElements
            | Self::ExpansionLimit
            | Self::TooLarge
            | Self::PixelMismatch
            | Self::PixelLimit
            | Self::UnsupportedPixel
            | Self::UnsupportedTransferSyntax
            | Self::ColourPixel
            | Self::DecoderFailed
            | Self::DecoderPanicked
            | Self::DecoderDied
            | Self::DecoderHung
            | Self::DecoderUnavailable
            | Self::NoPixelData
            | Self::RejectedByArchive
            | Self::BadUid
            | Self::MissingAttribute
            | Self::UnreadableFile
            | Self::ArchiveDamaged
            | Self::ArchiveEncrypted
            | Self::ArchiveMethod
            | Self::ArchiveNested
            | Self::TooManyEntries
            | Self::PathEscape
            | Self::BurnedInText
            | Self::StructuredContent => Outcome::DropInstance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document lists the codes of every outcome but the one that holds for "every other".
    #[test]
    fn the_document_says_the_same() {
        let codes = include_str!("../../docs/codes.md");
        let (_, section) = codes.split_once("## What becomes of the rest of the study").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let bullets = [
            (Outcome::RefuseStudy, "- The study is refused as a whole:"),
            (Outcome::Hold, "- The study is refused, and a person has to look first:"),
            (Outcome::RefuseSeries, "- No volume is made of the series, its images stay:"),
            (Outcome::AcceptWithWarning, "- The nodule is left out, with a warning in the report:"),
        ];
        for (outcome, start) in bullets {
            assert!(RefusalCode::ALL.iter().any(|code| code.outcome() == outcome), "{outcome:?}");
            let line = section.lines().find_map(|line| line.strip_prefix(start)).unwrap();
            let mut named: Vec<&str> =
                line.trim_end_matches('.').split(',').map(|code| code.trim_matches([' ', '`'])).collect();
            named.sort_unstable();
            let with = RefusalCode::ALL.iter().filter(|code| code.outcome() == outcome);
            let mut listed: Vec<&str> = with.map(|code| code.as_str()).collect();
            listed.sort_unstable();
            assert_eq!(named, listed, "{outcome:?}");
        }
        assert!(section.contains("every other code of a file"));
        assert!(RefusalCode::ALL.iter().all(|code| codes.contains(&format!("| `{code}` |"))));
    }
}
