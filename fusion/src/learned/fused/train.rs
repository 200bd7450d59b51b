//! Fits every level on some patients and compares them on others; then fits the kept level on all.

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::config::{FusedConfig, FusedConfigError};
use super::decision::Level;
use super::embedding::Embeddings;
use super::gated::NetworkError;
use super::ladder::{self, Ladder, STRESSES};
use super::late::{self, Case};
use super::model::{Body, FORMAT, FusedModel};
use super::prepared::{Levels, Prepared};
use crate::evaluation::{self, Report, ReportInput, Stress, SubgroupColumn};
use crate::learned::familiarity::Familiarity;
use crate::learned::file::ModelFileError;
use crate::learned::holdout::{self, Member};
use crate::learned::late::Late;
use crate::learned::tabular::columns::columns;
use crate::learned::tabular::table::{Table, TableError};

/// Models on resampled patients, for the interval of L1.
const MEMBERS: usize = 50;
/// Draws of patients of an evaluation.
const DRAWS: usize = 2000;

/// A model with its comparison and its card.
#[derive(Debug, Clone)]
pub struct FusedTrained {
    /// The model.
    pub model: FusedModel,
    /// The levels side by side, and why this one is kept.
    pub ladder: Ladder,
    /// The card, in Markdown.
    pub card: String,
}

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FusedTrainError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] FusedConfigError),
    /// The table lacks what the configuration reads.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The network of L2.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// What was fitted is no sound model.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// A cell of the formula's column is no probability.
    #[error(
        "row {row} of the table has something in the formula's column `{column}` that is no probability from 0 to 1"
    )]
    Formula {
        /// Column.
        column: String,
        /// Row, from 1.
        row: usize,
    },
    /// Too few patients, or one class only.
    #[error(
        "the table has {rows} labelled rows, {pictured} of them with a picture, of {patients} patients; that is too few to fit and compare both sides"
    )]
    TooFew {
        /// Rows with an outcome.
        rows: usize,
        /// Those with a picture.
        pictured: usize,
        /// Their patients.
        patients: usize,
    },
}

/// Trains, compares and keeps what the rule allows. The same input gives the same bytes.
pub fn train_fused(
    config: &FusedConfig,
    table: &Table,
    embeddings: &Embeddings,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<FusedTrained, FusedTrainError> {
    let prepared = Prepared::new(config, table, embeddings, device)?;
    let (mut ladder, conformal) = ladder::climb(&prepared, progress).ok_or_else(|| prepared.too_few())?;
    let mut random = ChaCha8Rng::seed_from_u64(config.table.seed ^ 1);
    let rows: Vec<usize> = (0..prepared.cases.len()).collect();
    let levels =
        prepared.fit(&rows, config.network.seeds, &mut random).ok_or_else(|| prepared.too_few())??;
    let members = members(&prepared, &levels, &mut random);
    let whole: Vec<&Case> = prepared.cases.iter().collect();
    let pictured: Vec<&Case> =
        rows.iter().filter(|row| prepared.is_compared(**row)).map(|row| whole[*row]).collect();
    let recorded: Vec<Vec<Option<f64>>> =
        prepared.cases.iter().filter_map(|case| case.sides.record.clone()).collect();
    let body = Body {
        format: FORMAT,
        config: config.clone(),
        level: ladder.decision.keeps,
        decision: ladder.decision.clone(),
        columns: columns(&config.table).into_iter().map(|column| column.name).collect(),
        projection: levels.projection,
        late: levels.late,
        members,
        familiarity: Familiarity::fit(&recorded),
        conformal,
        gated: (ladder.decision.keeps == Level::L2).then_some(levels.stored),
        fitted: counts(&whole),
        pictured: counts(&pictured),
    };
    let model = FusedModel::of(&body, device)?;
    ladder.report.sample_size = model.sample_size(&ladder.report);
    let card = model.card(&ladder);
    Ok(FusedTrained { model, ladder, card })
}

/// Rows, patients, events.
fn counts(cases: &[&Case]) -> [usize; 3] {
    let patients: std::collections::BTreeSet<usize> = cases.iter().map(|case| case.patient).collect();
    [cases.len(), patients.len(), cases.iter().filter(|case| case.label > 0.5).count()]
}

/// L1 on resampled patients, for its interval.
fn members(prepared: &Prepared<'_>, levels: &Levels, random: &mut ChaCha8Rng) -> Vec<Late> {
    let rows: Vec<usize> = (0..prepared.cases.len()).collect();
    let cases = prepared.with_pictures(&rows, &levels.projection);
    let highest = cases.iter().map(|case| case.patient).max().unwrap_or_default();
    let widths = (levels.projection.components(), prepared.width);
    let with_formula = prepared.config.formula.is_some();
    (0..MEMBERS)
        .filter_map(|_| {
            let mut times = vec![0.0; highest + 1];
            for _ in 0..=highest {
                times[random.random_range(0..=highest)] += 1.0;
            }
            let kept: Vec<Case> = cases.iter().filter(|case| times[case.patient] > 0.0).cloned().collect();
            let weights: Vec<f64> = kept.iter().map(|case| times[case.patient]).collect();
            Some(late::fit(&kept, &weights, widths, with_formula, random)?.0)
        })
        .collect()
}

/// Evaluates a model on every labelled row of another table, beside each side alone.
pub fn evaluate_fused(
    model: &FusedModel,
    table: &Table,
    embeddings: &Embeddings,
    device: &Device,
) -> Result<Report, FusedTrainError> {
    let config = model.config();
    let prepared = Prepared::new(config, table, embeddings, device)?;
    let labels: Vec<bool> = prepared.cases.iter().map(|case| case.label > 0.5).collect();
    let patients: Vec<usize> = prepared.cases.iter().map(|case| case.patient).collect();
    let mut arms: Vec<(String, Vec<Option<f64>>)> = [config.table.id.as_str(), "image only", "record only"]
        .map(|name| (name.to_owned(), Vec::with_capacity(labels.len())))
        .into();
    arms.extend(config.formula.iter().map(|_| ("formula only".to_owned(), Vec::with_capacity(labels.len()))));
    for (row, vector) in prepared.rows.iter().zip(&prepared.vectors) {
        let found = model.predict(*row, *vector)?;
        let of = |pick: fn(&super::FusedPrediction) -> Option<f64>| found.as_ref().and_then(pick);
        let answers = [
            of(|found| Some(found.probability)),
            of(|found| found.image_only),
            of(|found| found.record_only),
            of(|found| found.formula_only),
        ];
        for ((_, values), answer) in arms.iter_mut().zip(answers) {
            values.push(answer);
        }
    }
    let mut subgroups: Vec<SubgroupColumn> = config
        .table
        .grouped()
        .enumerate()
        .map(|(at, column)| SubgroupColumn::new(column, (0..labels.len()).map(|row| prepared.group(row, at))))
        .collect();
    let members: Vec<Member<'_>> = prepared
        .rows
        .iter()
        .zip(&prepared.cases)
        .map(|(row, case)| Member { row: *row, patient: case.patient, label: case.label > 0.5 })
        .collect();
    let more = holdout::groups(config.table.time.as_ref(), config.table.site.as_deref(), &members);
    subgroups.extend(more.into_iter().filter(|one| config.table.grouped().all(|column| *column != one.name)));
    let report = evaluation::evaluate(&ReportInput {
        labels: &labels,
        patients: &patients,
        arms: &arms,
        thresholds: &config.table.thresholds,
        subgroups: &subgroups,
        stress: &[],
        draws: DRAWS,
        seed: config.table.seed,
    });
    let mut report = report.ok_or_else(|| prepared.too_few())?;
    report.stress = stress(model, &prepared, &labels)?;
    report.sample_size = model.sample_size(&report);
    Ok(report)
}

/// The model with parts of the record, the record, and the picture taken away. A row without the other side has no answer then
/// and is left out; one without a record keeps its picture.
fn stress(model: &FusedModel, prepared: &Prepared<'_>, labels: &[bool]) -> Result<Vec<Stress>, NetworkError> {
    let mut random = ChaCha8Rng::seed_from_u64(prepared.config.table.seed ^ 2);
    let mut found = Vec::with_capacity(STRESSES.len());
    for (name, percent) in STRESSES {
        let (mut answers, mut known) = (Vec::new(), Vec::new());
        for ((row, vector), label) in prepared.rows.iter().zip(&prepared.vectors).zip(labels) {
            let shown = prepared.stressed(&model.sides(*row, *vector), percent, &mut random);
            if let Some(answer) = model.probability(&shown)? {
                answers.push(answer);
                known.push(*label);
            }
        }
        let (answered, all) = (answers.len(), labels.len());
        let name = if answered == all {
            name.to_owned()
        } else {
            format!("{name} ({answered} of {all} rows have an answer)")
        };
        found.push(evaluation::stressed(&known, &name, &answers));
    }
    Ok(found)
}
