//! A trained fused model: its file, and what it answers.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::{Answered, FusedPrediction};
use super::card;
use super::config::FusedConfig;
use super::decision::{Decision, Level};
use super::embedding::Projection;
use super::gated::{Gated, NetworkError, Stored};
use super::ladder::Ladder;
use super::late::Sides;
use super::network::Widths;
use super::prepared::{formula, record};
use crate::calibrate::{Conformal, bounded_logit};
use crate::evaluation::{Report, SampleSize, quantile};
use crate::explain::shapley;
use crate::formulas::logistic;
use crate::learned::familiarity::Familiarity;
use crate::learned::file::{ModelFileError, are_counts};
use crate::learned::late::Late;
use crate::learned::tabular::columns::{Column, columns, encode, names};
use crate::learned::tabular::table::Row;
use crate::learned::tabular::usual;

/// Version of the file's form.
pub(super) const FORMAT: u32 = 1;

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) format: u32,
    pub(super) config: FusedConfig,
    pub(super) level: Level,
    pub(super) decision: Decision,
    pub(super) columns: Vec<String>,
    pub(super) projection: Projection,
    pub(super) late: Late,
    /// L1 on resampled patients, for its interval.
    pub(super) members: Vec<Late>,
    /// The networks, where L2 is kept.
    pub(super) gated: Option<Stored>,
    /// Which records it knows; a file of an older program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) familiarity: Option<Familiarity>,
    /// Which answers say nothing either way; a file of an older program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conformal: Option<Conformal>,
    /// Rows, patients and events that it was fitted on; then those with a picture.
    pub(super) fitted: [usize; 3],
    pub(super) pictured: [usize; 3],
}

/// A trained fused model, ready to answer.
#[derive(Debug, Clone)]
pub struct FusedModel {
    pub(super) body: Body,
    gated: Option<Gated>,
    text: String,
    digest: String,
}

impl Body {
    /// Reads a model file and checks that its parts fit each other.
    fn read(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let body: Self = serde_json::from_slice(bytes)?;
        if body.format != FORMAT {
            return Err(ModelFileError::Format { found: body.format, reads: FORMAT });
        }
        body.config.table.check_units()?;
        let names = names(&body.config.table)?;
        let (image, record) = (body.projection.components(), names.len());
        let networks = body.gated.as_ref().is_none_or(|stored| {
            stored.widths == Widths::of(&body.config.network, image, stored.coder.width())
                && stored.coder.columns() == record
        });
        let sound = body.config.check().is_ok()
            && names == body.columns
            && body.projection.is_sound()
            && !body.members.is_empty()
            && [&body.late].into_iter().chain(&body.members).all(|late| {
                late.is_sound(image, record) && late.formula.is_some() == body.config.formula.is_some()
            })
            && (body.level == Level::L2) == body.gated.is_some()
            && body.familiarity.as_ref().is_none_or(|known| known.is_sound(record))
            && [body.fitted, body.pictured].into_iter().all(are_counts)
            && networks;
        if !sound {
            return Err(ModelFileError::Unsound);
        }
        Ok(body)
    }
}

impl FusedModel {
    /// The model as its file has it.
    pub(super) fn of(body: &Body, device: &Device) -> Result<Self, ModelFileError> {
        // Plain numbers and strings always serialise.
        Self::from_json(serde_json::to_string(body).unwrap_or_default().as_bytes(), device)
    }

    /// Reads a model file and puts its networks, where it has some, on a device.
    pub fn from_json(bytes: &[u8], device: &Device) -> Result<Self, ModelFileError> {
        let body = Body::read(bytes)?;
        let gated = body.gated.as_ref().map(|stored| Gated::of(stored, device)).transpose();
        let gated = gated.map_err(|NetworkError| ModelFileError::Unsound)?;
        Ok(Self::assembled(body, gated, bytes))
    }

    /// Reads the file of a model that keeps late fusion (L1), which needs no device; `Ok(None)` where it keeps networks.
    pub fn late_from_json(bytes: &[u8]) -> Result<Option<Self>, ModelFileError> {
        let body = Body::read(bytes)?;
        Ok(body.gated.is_none().then(|| Self::assembled(body, None, bytes)))
    }

    fn assembled(body: Body, gated: Option<Gated>, bytes: &[u8]) -> Self {
        let digest =
            Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { body, gated, text: String::from_utf8_lossy(bytes).into_owned(), digest }
    }

    /// Rows, patients and outcomes that it was fitted on.
    pub fn fitted_on(&self) -> [usize; 3] {
        self.body.fitted
    }

    /// Share of outcomes among the fitted rows, 0 to 1.
    pub fn base_rate(&self) -> f64 {
        self.body.late.base_rate
    }

    /// How it is calibrated, in one sentence.
    pub fn calibration(&self) -> String {
        let [rows, patients, events] = self.body.fitted;
        format!(
            "calibrated side by side, cross-fitted by patient, on {rows} rows of {patients} patients, {events} with the outcome"
        )
    }

    /// Share of the cases that the conformal bounds keep, in percent; `None` for a file of an older program.
    pub fn conformal_percent(&self) -> Option<f64> {
        self.body.conformal.as_ref().map(|conformal| ((1.0 - conformal.alpha) * 100.0).round())
    }

    /// The model file.
    pub fn to_json(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the model file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it reads and predicts.
    pub fn config(&self) -> &FusedConfig {
        &self.body.config
    }

    /// The level that is kept, with the rule's numbers.
    pub fn decision(&self) -> &Decision {
        &self.body.decision
    }

    /// How its data stand to the sizes that are published, with what `report` of its evaluation saw; `None` without any row.
    pub fn sample_size(&self, report: &Report) -> Option<SampleSize> {
        card::sample_size(&self.body, report)
    }

    /// Its card, in Markdown, with the comparison that it was chosen by.
    pub fn card(&self, ladder: &Ladder) -> String {
        card::write(self, ladder)
    }

    /// An evaluation of this model on another table, in Markdown, with the TRIPOD+AI checklist as far as it is known.
    pub fn evaluation_markdown(&self, title: &str, report: &Report) -> String {
        card::of_another_table(self, title, report)
    }

    /// What is known of a row.
    pub(super) fn sides(&self, row: Row<'_>, vector: Option<&[f32]>) -> Sides {
        Sides {
            image: vector.and_then(|vector| self.body.projection.apply(vector)),
            record: record(&self.body.config, row),
            formula: formula(&self.body.config, row),
        }
    }

    /// The probability alone; `Ok(None)` where neither side says anything.
    pub(super) fn probability(&self, sides: &Sides) -> Result<Option<f64>, NetworkError> {
        let Some(l1) = sides.logit(&self.body.late) else { return Ok(None) };
        let members = self.corrected(sides, l1)?;
        Ok(Some(
            members.map_or_else(|| logistic(l1), |all| all.iter().sum::<f64>() / all.len().max(1) as f64),
        ))
    }

    /// The answer for a row and its picture's vector; `Ok(None)` where neither says anything. A vector of another length than
    /// the model's counts as none.
    pub fn predict(
        &self,
        row: Row<'_>,
        vector: Option<&[f32]>,
    ) -> Result<Option<FusedPrediction>, NetworkError> {
        let sides = self.sides(row, vector);
        let Some(answered) = sides.answered() else { return Ok(None) };
        let late = &self.body.late;
        let offsets = sides.offsets(late);
        let l1 = offsets.of(&sides).unwrap_or_default();
        let mut spread: Vec<f64> =
            self.body.members.iter().filter_map(|member| Some(logistic(sides.logit(member)?))).collect();
        let corrected = self.corrected(&sides, l1)?;
        let probability = match &corrected {
            Some(members) => {
                spread.extend(members);
                members.iter().sum::<f64>() / members.len().max(1) as f64
            }
            None => logistic(l1),
        };
        spread.sort_by(f64::total_cmp);
        Ok(Some(FusedPrediction {
            probability,
            low: quantile(&spread, 0.025).min(probability),
            high: quantile(&spread, 0.975).max(probability),
            indeterminate: self
                .body
                .conformal
                .as_ref()
                .map(|conformal| conformal.is_indeterminate(answered.word(), probability)),
            answered,
            level: if corrected.is_some() { Level::L2 } else { Level::L1 },
            image_only: offsets.image.map(logistic),
            record_only: offsets.record.map(logistic),
            formula_only: offsets.formula.map(logistic),
            sides: self.by_side(&sides)?,
            contributions: self.contributions(&sides, answered),
            correction: if corrected.is_some() { bounded_logit(probability) - l1 } else { 0.0 },
            distance: self
                .body
                .familiarity
                .as_ref()
                .zip(sides.record.as_deref())
                .map(|(known, row)| known.distance(row)),
        }))
    }

    /// With every input of the record that is missing: the least and the greatest probability of L1 over values that are usual among
    /// the fitted rows. `None` where the record says nothing or all.
    pub fn could_be(&self, row: Row<'_>, vector: Option<&[f32]>) -> Option<(f64, f64)> {
        let (late, config) = (&self.body.late, &self.body.config.table);
        let sides = self.sides(row, vector);
        sides.record.as_ref()?;
        let (least, greatest) = usual::bounds(config, &late.record, &encode(config, row))?;
        let image: Option<Vec<Option<f64>>> =
            sides.image.as_ref().map(|values| values.iter().copied().map(Some).collect());
        let image = image.map(|columns| late.image.logit(&columns));
        let of = |record: f64| late.offsets_of(image, Some(record), sides.formula).of(&sides).map(logistic);
        of(least).zip(of(greatest))
    }

    /// L2's members, where L2 is kept and both sides are there.
    fn corrected(&self, sides: &Sides, l1: f64) -> Result<Option<Vec<f64>>, NetworkError> {
        match &self.gated {
            Some(gated) if sides.answered() == Some(Answered::Fused) => {
                Ok(gated.members(&[(sides, l1)])?.into_iter().next())
            }
            _ => Ok(None),
        }
    }

    fn logit(&self, sides: &Sides) -> Result<f64, NetworkError> {
        let Some(l1) = sides.logit(&self.body.late) else {
            return Ok(bounded_logit(self.body.late.base_rate));
        };
        let members = self.corrected(sides, l1)?;
        Ok(members.map_or(l1, |all| bounded_logit(all.iter().sum::<f64>() / all.len().max(1) as f64)))
    }

    fn by_side(&self, sides: &Sides) -> Result<Vec<(String, f64)>, NetworkError> {
        let mut failed = None;
        let config = &self.body.config;
        let mut names = vec![config.image.label.clone(), "Record".to_owned()];
        names.extend(config.formula.iter().map(|formula| formula.label.clone()));
        let values = shapley(names.len(), |known| {
            let shown = Sides {
                image: sides.image.clone().filter(|_| known & 1 == 1),
                record: sides.record.clone().filter(|_| known & 2 == 2),
                formula: sides.formula.filter(|_| known & 4 == 4),
            };
            self.logit(&shown).unwrap_or_else(|error| {
                failed = Some(error);
                0.0
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(names.into_iter().zip(values.unwrap_or_default()).collect())
    }

    /// Exact for L1, which is linear, against the average row that has every side: the picture as a whole, each input of the
    /// record, the formula. A side that is missing beside two others adds its term in the place of its average.
    fn contributions(&self, sides: &Sides, answered: Answered) -> Vec<(String, f64)> {
        let (late, config) = (&self.body.late, &self.body.config);
        let [image, record, formula] = match answered {
            Answered::ImageOnly => [late.image_only[1], 0.0, 0.0],
            Answered::RecordOnly => [0.0, late.record_only[1], 0.0],
            Answered::FormulaOnly => [0.0, 0.0, late.formula.as_ref().map_or(0.0, |side| side.alone[1])],
            Answered::Fused | Answered::ImageAndFormula | Answered::RecordAndFormula => late.weights(),
        };
        let alone = matches!(answered, Answered::ImageOnly | Answered::RecordOnly | Answered::FormulaOnly);
        let missing = if alone { [None; 3] } else { late.missing().map(Some) };
        // what a missing side adds less what it adds on average
        let instead = |at: usize, average: f64| missing[at].map_or(0.0, |term| term - average);
        let pictured = match &sides.image {
            Some(values) => {
                let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
                image * late.image.terms(&values).sum::<f64>()
            }
            None => instead(0, image * late.image.intercept),
        };
        let mut found: Vec<(String, f64)> = vec![(config.image.label.clone(), pictured)];
        match &sides.record {
            Some(values) => {
                for (Column { group, .. }, term) in
                    columns(&config.table).into_iter().zip(late.record.terms(values))
                {
                    match found.iter_mut().find(|(known, _)| *known == group) {
                        Some((_, sum)) => *sum += record * term,
                        None => found.push((group, record * term)),
                    }
                }
            }
            None => found.push(("Record".to_owned(), instead(1, record * late.record.intercept))),
        }
        if let (Some(input), Some(side)) = (&config.formula, &late.formula) {
            let average = formula * side.centre;
            let term = sides.formula.map_or_else(|| instead(2, average), |logit| formula * logit - average);
            found.push((input.label.clone(), term));
        }
        found.retain(|(_, term)| *term != 0.0);
        found.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()).then_with(|| one.0.cmp(&other.0)));
        found
    }
}
