//! What the Fleischner Society suggests for a nodule that was found by chance, beside what other guidelines suggest.

use super::inputs::{IndexNodule, described};
use super::{AssessInput, Guidance, Risk};
use crate::formulas::fleischner::{Inputs, NotCovered, Size, Suggestion, suggest};

const CITATION: &str = "Fleischner Society 2017, Radiology 2017;284:228-243";

/// Adds the suggestion, or says why there is none. Its groups of risk are a judgement that this program does not make, so both
/// suggestions are given where they differ. It goes by the mean diameter; what is stated is the longest.
pub(super) fn found_by_chance(
    input: &AssessInput<'_>,
    index: &IndexNodule<'_>,
    years: Option<f64>,
    risk: &mut Risk,
) {
    let truth = |id| input.features.and_then(|table| table.truth(id));
    let (cancer, immunosuppressed) = (truth("cancer"), truth("immunosuppression"));
    let stated = input.features.and_then(|table| table.feature("immunosuppression"));
    risk.inputs.extend(stated.filter(|_| immunosuppressed.is_some()).map(described));
    let found = match (years, index.nodule.kind) {
        (None, _) => Err("age not known"),
        (_, None) => Err("the texture is not stated"),
        (Some(age_years), Some(kind)) => suggest(&Inputs {
            age_years,
            cancer,
            immunosuppressed,
            size: Size::DiameterMm(index.nodule.diameter_mm),
            kind,
            multiple: index.count > 1,
            high_risk: None,
        })
        .map_err(NotCovered::text),
    };
    let text = match found {
        Ok(Suggestion::One(text)) => text.to_owned(),
        Ok(Suggestion::ByRisk { low, high }) => format!("at low risk {low}; at high risk {high}"),
        Err(why) => {
            risk.limits.push(format!("the Fleischner Society 2017 suggests nothing here: {why}"));
            return;
        }
    };
    let conditions = match (cancer, immunosuppressed) {
        (None, None) => ", not on screening, and without a cancer or immunosuppression",
        (None, Some(_)) => ", not on screening, and without a cancer",
        (Some(_), None) => ", not on screening, and without immunosuppression",
        (Some(_), Some(_)) => " and not on screening",
    };
    let by = "by the longest diameter in place of the mean";
    risk.also_suggests(
        &format!("if it was found by chance{conditions}, the guideline suggests {by}: {text}"),
        CITATION,
    );
}

impl Risk {
    /// Adds a suggestion to those that are there.
    pub(super) fn also_suggests(&mut self, text: &str, citation: &str) {
        self.guidance = Some(match self.guidance.take() {
            Some(other) => Guidance {
                text: format!("{}; {text}", other.text),
                citation: format!("{}; {citation}", other.citation),
            },
            None => Guidance { text: text.to_owned(), citation: citation.to_owned() },
        });
    }
}
