//! What a fused model reads beside the table, and how it is compared.

use serde::{Deserialize, Serialize};

use crate::assess::is_formula;
use crate::learned::formula::FormulaInput;
use crate::learned::tabular::{CalibrationMethod, NotOfRecord, TabularConfig};

/// A model of a table with pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusedConfig {
    /// The picture's side.
    pub image: ImageInput,
    /// A published formula's side, where the table holds its probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<FormulaInput>,
    /// The row counts as known where one of these columns has a value; with none named, where any input has one.
    #[serde(default)]
    pub record_needs: Vec<String>,
    /// How the levels are compared.
    #[serde(default)]
    pub splits: Splits,
    /// The network of L2.
    #[serde(default)]
    pub network: NetworkShape,
    /// Sets of rows that are compared beside all rows.
    #[serde(default)]
    pub subsets: Vec<Subset>,
    /// Columns whose share of outcomes among the fitted patients is compared as an arm of its own: shortcuts.
    #[serde(default)]
    pub shortcuts: Vec<String>,
    /// The table's side, the outcome and everything that the card says.
    pub table: TabularConfig,
}

/// The picture's side: vectors of a network that is not trained further.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// Column of the table that names the row's vector.
    pub key: String,
    /// Title for a reader.
    pub label: String,
    /// Which network the vectors come from, and how they were made.
    pub source: String,
    /// Identity of the bundle that the vectors come from, over manifest, card and weights: a report asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// What of that bundle they are.
    #[serde(default, skip_serializing_if = "Vectors::is_embedding")]
    pub vectors: Vectors,
    /// Principal components that are kept of the vectors.
    pub components: usize,
}

/// What of a bundle the vectors of pictures are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vectors {
    /// What its last layers see; a report does not have it.
    #[default]
    Embedding,
    /// The logits of its findings, in the bundle's order.
    Logits,
}

impl Vectors {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_embedding(&self) -> bool {
        *self == Self::Embedding
    }
}

/// How the levels are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Splits {
    /// Random splits by patient.
    pub count: usize,
    /// Share of the patients that a split tests.
    pub test_share: f64,
    /// Networks of L2 in each split; the kept model has [`NetworkShape::seeds`].
    pub seeds: usize,
}

impl Default for Splits {
    fn default() -> Self {
        Self { count: 50, test_share: 0.25, seeds: 2 }
    }
}

/// The network of L2. The defaults are small on purpose: what is fused here are hundreds of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkShape {
    /// Members that share all but their scales and heads (TabM-mini, Gorishniy et al., arXiv 2410.24210).
    pub members: usize,
    /// Width of the row's hidden layer.
    pub width: usize,
    /// Width at which picture and row meet.
    pub meeting: usize,
    /// Networks from different first weights.
    pub seeds: usize,
    /// Most steps of AdamW, each on all rows.
    pub steps: usize,
    /// Learning rate.
    pub rate: f64,
    /// Quantile bins of a number's piecewise-linear embedding.
    pub bins: usize,
}

impl Default for NetworkShape {
    fn default() -> Self {
        Self { members: 8, width: 32, meeting: 16, seeds: 5, steps: 200, rate: 2e-3, bins: 3 }
    }
}

/// Rows with one value in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subset {
    /// Title.
    pub name: String,
    /// Column.
    pub column: String,
    /// Value.
    pub value: String,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FusedConfigError {
    /// A number is outside what can be computed.
    #[error("the configuration has `{what}` outside {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Isotonic calibration is asked for.
    #[error(
        "`calibration` is for models of a table alone; both sides here are calibrated by Platt, cross-fitted by patient"
    )]
    Calibration,
    /// The table's side has a formula.
    #[error(
        "`[table.formula]` is for models of a table alone; with pictures it stands as `[formula]` beside `[table]`"
    )]
    Formula,
    /// A share or a rate is not between 0 and 1.
    #[error("the configuration has `{0}` outside 0 to 1")]
    Share(&'static str),
}

impl FusedConfig {
    /// Whether every column of the record's side is a feature of a record at a time, and the formula one that a report computes.
    pub fn check_record(&self) -> Result<(), NotOfRecord> {
        self.table.check_record()?;
        NotOfRecord::check(self.record_needs.iter().map(String::as_str))?;
        match &self.formula {
            Some(formula) if !is_formula(&formula.column) => {
                Err(NotOfRecord::Formula { column: formula.column.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether every number is one that can be computed with.
    pub fn check(&self) -> Result<(), FusedConfigError> {
        let (splits, network) = (&self.splits, &self.network);
        if self.table.calibration != CalibrationMethod::Platt {
            return Err(FusedConfigError::Calibration);
        }
        if self.table.formula.is_some() {
            return Err(FusedConfigError::Formula);
        }
        for (what, value, least, most) in [
            ("image.components", self.image.components, 1, 256),
            ("splits.count", splits.count, 2, 1000),
            ("splits.seeds", splits.seeds, 1, 20),
            ("network.members", network.members, 1, 64),
            ("network.width", network.width, 1, 512),
            ("network.meeting", network.meeting, 1, 512),
            ("network.seeds", network.seeds, 1, 20),
            ("network.steps", network.steps, 1, 10_000),
            ("network.bins", network.bins, 1, 32),
        ] {
            if !(least..=most).contains(&value) {
                return Err(FusedConfigError::Range { what, least, most });
            }
        }
        for (what, value) in [("splits.test_share", splits.test_share), ("network.rate", network.rate)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(FusedConfigError::Share(what));
            }
        }
        Ok(())
    }
}
