//! A trained model of a table: its file, its answers, and why.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::card;
use super::columns::{COMPLETE, columns, encode, names};
use super::config::TabularConfig;
use super::table::Row;
use super::usual;
use crate::calibrate::{Calibration, Conformal, Curve, bounded_logit};
use crate::evaluation::{Report, quantile};
use crate::explain::{MAX_GROUPS, shapley};
use crate::learned::familiarity::{Distance, Familiarity};
use crate::learned::file::{ModelFileError, are_counts};
use crate::learned::formula;
use crate::learned::linear::Linear;

/// Version of the file's form.
pub(super) const FORMAT: u32 = 1;

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) format: u32,
    pub(super) config: TabularConfig,
    pub(super) columns: Vec<String>,
    pub(super) linear: Linear,
    pub(super) lambda: f64,
    pub(super) calibration: Calibration,
    pub(super) conformal: Conformal,
    /// The model on resampled patients, for the interval of one prediction.
    pub(super) members: Vec<Linear>,
    /// Which rows it knows; a file of an older program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) familiarity: Option<Familiarity>,
    /// Intercept and slope of the formula alone, where the configuration has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) formula_alone: Option<[f64; 2]>,
    /// Rows, patients and events that it was fitted on, and that it was calibrated on.
    pub(super) fitted: [usize; 3],
    pub(super) calibrated: [usize; 3],
}

/// A trained model of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TabularModel {
    pub(super) body: Body,
    /// The file, so that what is written is what was read, to the byte.
    text: String,
    digest: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TabularPrediction {
    /// Calibrated, 0 to 1.
    pub probability: f64,
    /// 2.5 % point over models of resampled patients.
    pub low: f64,
    /// 97.5 % point.
    pub high: f64,
    /// Neither class, or both, would be surprising.
    pub indeterminate: bool,
    /// The calibrated formula alone, where the model has one and the row states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula_only: Option<f64>,
    /// What each input adds to the logit before calibration, against the average row; the largest first.
    pub contributions: Vec<(String, f64)>,
    /// Inputs without a value, by title.
    pub missing: Vec<String>,
    /// How far the row is from those that the model was fitted on; `None` for a file of an older program.
    pub distance: Option<Distance>,
}

impl TabularModel {
    /// The model as its file has it: numbers that were written and read again, so that it answers as the file does.
    pub(super) fn of(body: &Body) -> Result<Self, ModelFileError> {
        // Plain numbers and strings always serialise.
        Self::from_json(serde_json::to_string(body).unwrap_or_default().as_bytes())
    }

    /// Reads a model file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let body: Body = serde_json::from_slice(bytes)?;
        if body.format != FORMAT {
            return Err(ModelFileError::Format { found: body.format, reads: FORMAT });
        }
        body.config.check_units()?;
        let names = names(&body.config)?;
        let sound = body.linear.is_sound(names.len())
            && body.members.iter().all(|member| member.is_sound(names.len()))
            && !body.members.is_empty()
            && names == body.columns
            && body.formula_alone.is_some() == body.config.formula.is_some()
            && body
                .formula_alone
                .is_none_or(|[at, slope]| at.is_finite() && slope.is_finite() && slope >= 0.0)
            && body.familiarity.as_ref().is_none_or(|known| known.is_sound(names.len()))
            && body.calibration.is_sound()
            && [body.fitted, body.calibrated].into_iter().all(are_counts);
        if !sound {
            return Err(ModelFileError::Unsound);
        }
        let digest =
            Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Ok(Self { body, text: String::from_utf8_lossy(bytes).into_owned(), digest })
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
    pub fn config(&self) -> &TabularConfig {
        &self.body.config
    }

    /// Rows, patients and outcomes that it was fitted on.
    pub fn fitted_on(&self) -> [usize; 3] {
        self.body.fitted
    }

    /// Share of outcomes among the rows that it was fitted and calibrated on, 0 to 1.
    pub fn base_rate(&self) -> f64 {
        let [fitted, calibrated] = [self.body.fitted, self.body.calibrated];
        (fitted[2] + calibrated[2]) as f64 / (fitted[0] + calibrated[0]).max(1) as f64
    }

    /// How it is calibrated, in one sentence.
    pub fn calibration(&self) -> String {
        let [rows, patients, events] = self.body.calibrated;
        let method = match &self.body.calibration.pooled {
            Curve::Platt { .. } => "Platt",
            Curve::Isotonic { .. } => "isotonic",
        };
        format!(
            "{method} calibration on {rows} rows of {patients} patients that it was not fitted on, {events} with the outcome"
        )
    }

    /// Share of the cases that the conformal bounds keep, in percent.
    pub fn conformal_percent(&self) -> f64 {
        ((1.0 - self.body.conformal.alpha) * 100.0).round()
    }

    /// An evaluation of this model on another table, in Markdown, with the TRIPOD+AI checklist as far as it is known.
    pub fn evaluation_markdown(&self, title: &str, report: &Report) -> String {
        card::of_another_table(title, &card::checklist(self, report))
    }

    /// The answer for a row; `None` where no input has a value.
    pub fn predict(&self, row: Row<'_>) -> Option<TabularPrediction> {
        let encoded = encode(&self.body.config, row);
        if encoded.present == 0 {
            return None;
        }
        let stratum = encoded.stratum();
        let probability =
            |model: &Linear| self.body.calibration.apply(stratum, model.logit(&encoded.columns));
        let mut members: Vec<f64> = self.body.members.iter().map(probability).collect();
        members.sort_by(f64::total_cmp);
        let probability = probability(&self.body.linear);
        Some(TabularPrediction {
            probability,
            low: quantile(&members, 0.025).min(probability),
            high: quantile(&members, 0.975).max(probability),
            indeterminate: self.body.conformal.is_indeterminate(stratum, probability),
            formula_only: self.formula_only(row),
            contributions: self.contributions(&encoded.columns),
            missing: self.missing(row),
            distance: self.body.familiarity.as_ref().map(|known| known.distance(&encoded.columns)),
        })
    }

    fn formula_only(&self, row: Row<'_>) -> Option<f64> {
        let (input, alone) = self.body.config.formula.as_ref().zip(self.body.formula_alone)?;
        input.logit(row).map(|logit| formula::answer(alone, logit))
    }

    /// With every input that is missing: the least and the greatest probability over values that are usual among the fitted rows.
    /// `None` where none is missing, or all are.
    pub fn could_be(&self, row: Row<'_>) -> Option<(f64, f64)> {
        let encoded = encode(&self.body.config, row);
        let (least, greatest) = usual::bounds(&self.body.config, &self.body.linear, &encoded)?;
        let of = |logit: f64| self.body.calibration.apply(COMPLETE, logit);
        Some((of(least), of(greatest)))
    }

    /// The calibrated probability alone.
    pub fn probability(&self, row: Row<'_>) -> Option<f64> {
        let encoded = encode(&self.body.config, row);
        (encoded.present > 0)
            .then(|| self.body.calibration.apply(encoded.stratum(), self.body.linear.logit(&encoded.columns)))
    }

    /// Exact for a linear model: what a column adds against the average row, summed over the columns of an input.
    fn contributions(&self, values: &[Option<f64>]) -> Vec<(String, f64)> {
        let mut found: Vec<(String, f64)> = Vec::new();
        for (column, term) in columns(&self.body.config).into_iter().zip(self.body.linear.terms(values)) {
            match found.iter_mut().find(|(group, _)| *group == column.group) {
                Some((_, sum)) => *sum += term,
                None => found.push((column.group, term)),
            }
        }
        found.retain(|(_, term)| *term != 0.0);
        found.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()).then_with(|| one.0.cmp(&other.0)));
        found
    }

    /// Exact Shapley values of the calibrated logit over the inputs; `None` where there are more than ten.
    pub fn shapley(&self, row: Row<'_>) -> Option<Vec<(String, f64)>> {
        let encoded = encode(&self.body.config, row);
        let all = columns(&self.body.config);
        let mut groups: Vec<&str> = Vec::new();
        for column in &all {
            if !groups.contains(&column.group.as_str()) {
                groups.push(&column.group);
            }
        }
        if groups.len() > MAX_GROUPS {
            return None;
        }
        let stratum = encoded.stratum();
        let value = |known: u32| {
            let shown: Vec<Option<f64>> = all
                .iter()
                .zip(&encoded.columns)
                .map(|(column, value)| {
                    let group = groups.iter().position(|group| *group == column.group)?;
                    value.filter(|_| known >> group & 1 == 1)
                })
                .collect();
            bounded_logit(self.body.calibration.apply(stratum, self.body.linear.logit(&shown)))
        };
        let values = shapley(groups.len(), value)?;
        Some(groups.into_iter().map(str::to_owned).zip(values).collect())
    }

    fn missing(&self, row: Row<'_>) -> Vec<String> {
        let config = &self.body.config;
        let numeric = config.numeric.iter().map(|one| (&one.column, &one.label));
        let truth = config.truth.iter().map(|one| (&one.column, &one.label));
        let category = config.category.iter().map(|one| (&one.column, &one.label));
        let formula = config.formula.iter().map(|one| (&one.column, &one.label));
        let all = numeric.chain(truth).chain(category).chain(formula);
        all.filter(|(column, _)| row.text(column).is_none()).map(|(_, label)| label.clone()).collect()
    }
}
