//! Rows of a table with their pictures, and what each level says of those that it was not fitted on.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::config::FusedConfig;
use super::embedding::{Embeddings, Projection};
use super::gated::{Gated, GatedCase, NetworkError, Stored};
use super::ladder::{FORMULA_ARM, STRESSES, Tested};
use super::late::{self, Case, Sides, by_outcome};
use super::train::FusedTrainError;
use crate::formulas::logistic;
use crate::learned::late::Late;
use crate::learned::tabular::Comparator;
use crate::learned::tabular::columns::{columns, encode};
use crate::learned::tabular::shown::{masked, ranked};
use crate::learned::tabular::table::{Row, Table};

/// The rows of a table, ready to be fitted on and compared.
pub(super) struct Prepared<'a> {
    pub(super) config: &'a FusedConfig,
    pub(super) rows: Vec<Row<'a>>,
    pub(super) vectors: Vec<Option<&'a [f32]>>,
    /// Sides without the picture, which depends on the projection of a split.
    pub(super) cases: Vec<Case>,
    device: &'a Device,
    pub(super) width: usize,
}

/// Both levels of one set of patients.
pub(super) struct Levels {
    pub(super) projection: Projection,
    pub(super) late: Late,
    gated: Gated,
    pub(super) stored: Stored,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        config: &'a FusedConfig,
        table: &'a Table,
        embeddings: &'a Embeddings,
        device: &'a Device,
    ) -> Result<Self, FusedTrainError> {
        config.check()?;
        table.check(&config.table, true)?;
        let own = [&config.image.key].into_iter().chain(&config.record_needs).chain(&config.shortcuts);
        let own = own.chain(config.formula.iter().map(|formula| &formula.column));
        table.has(own.chain(config.subsets.iter().map(|subset| &subset.column)))?;
        let mut made =
            Self { config, rows: Vec::new(), vectors: Vec::new(), cases: Vec::new(), device, width: 0 };
        made.width = columns(&config.table).len();
        let mut patients = BTreeMap::new();
        let unusable = config.formula.as_ref().and_then(|formula| Some((formula, formula.unusable(table)?)));
        if let Some((formula, row)) = unusable {
            return Err(FusedTrainError::Formula { column: formula.column.clone(), row });
        }
        for row in table.rows() {
            let (label, patient) = (row.label(&config.table), row.text(&config.table.patient));
            let (Some(label), Some(patient)) = (label, patient) else { continue };
            let vector = row.text(&config.image.key).and_then(|key| embeddings.vector(key));
            let (record, formula) = (record(config, row), formula(config, row));
            if vector.is_none() && record.is_none() && formula.is_none() {
                continue;
            }
            let next = patients.len();
            let patient = *patients.entry(patient.to_owned()).or_insert(next);
            let label = f64::from(u8::from(label));
            made.cases.push(Case { sides: Sides { image: None, record, formula }, label, patient });
            made.vectors.push(vector);
            made.rows.push(row);
        }
        Ok(made)
    }

    pub(super) fn too_few(&self) -> FusedTrainError {
        let patients: std::collections::BTreeSet<usize> =
            self.cases.iter().map(|case| case.patient).collect();
        FusedTrainError::TooFew {
            rows: self.cases.len(),
            pictured: self.vectors.iter().flatten().count(),
            patients: patients.len(),
        }
    }

    /// Whether a row takes part in the comparison: it has a picture.
    pub(super) fn is_compared(&self, row: usize) -> bool {
        self.vectors[row].is_some()
    }

    /// A cell for the eye.
    pub(super) fn text(&self, row: usize, column: &str) -> String {
        self.rows[row].text(column).unwrap_or("not stated").to_owned()
    }

    /// The group of a row by one of the columns that subgroups are formed by.
    pub(super) fn group(&self, row: usize, at: usize) -> String {
        self.config.table.group(at, self.rows[row]).into_owned()
    }

    /// Names of the arms beside the ladder's own.
    pub(super) fn other_arms(&self) -> Vec<String> {
        let formula = self.config.formula.iter().map(|_| FORMULA_ARM.to_owned());
        let shortcuts = self.config.shortcuts.iter().map(|column| format!("{column} only"));
        formula.chain(shortcuts).chain(self.config.table.comparators.iter().map(Comparator::name)).collect()
    }

    pub(super) fn with_pictures(&self, rows: &[usize], projection: &Projection) -> Vec<Case> {
        let case = |row: &usize| {
            let mut case = self.cases[*row].clone();
            case.sides.image = self.vectors[*row].and_then(|vector| projection.apply(vector));
            case
        };
        rows.iter().map(case).collect()
    }

    /// Fits both levels on some rows.
    pub(super) fn fit(
        &self,
        rows: &[usize],
        seeds: usize,
        random: &mut ChaCha8Rng,
    ) -> Option<Result<Levels, NetworkError>> {
        let seen: Vec<&[f32]> = rows.iter().filter_map(|row| self.vectors[*row]).collect();
        let projection = Projection::fit(&seen, self.config.image.components)?;
        let cases = self.with_pictures(rows, &projection);
        let widths = (projection.components(), self.width);
        let (late, offsets) =
            late::fit(&cases, &vec![1.0; cases.len()], widths, self.config.formula.is_some(), random)?;
        let paired: Vec<GatedCase<'_>> = cases
            .iter()
            .zip(&offsets)
            .filter(|(case, offsets)| {
                let whole =
                    case.sides.record.is_none() || offsets.fused.is_some() && offsets.record.is_some();
                case.sides.image.is_some() && offsets.image.is_some() && whole
            })
            .map(|(case, offsets)| GatedCase {
                sides: &case.sides,
                offsets: *offsets,
                label: case.label,
                patient: case.patient,
            })
            .collect();
        let trained = {
            let shape = (&self.config.network, seeds, self.config.table.missing_flags);
            Gated::train(&paired, shape, random, self.device)
        };
        Some(trained.map(|(gated, stored)| Levels { projection, late, gated, stored }))
    }

    /// One split: fits on most patients and answers for the others' rows with a picture.
    pub(super) fn split(&self, random: &mut ChaCha8Rng) -> Option<Vec<Tested>> {
        let share = self.config.splits.test_share;
        let mut held = BTreeSet::new();
        for group in by_outcome(&self.cases, random) {
            let count = (group.len() as f64 * share).round().max(1.0);
            held.extend(
                group.into_iter().enumerate().filter(|(at, _)| (*at as f64) < count).map(|one| one.1),
            );
        }
        let all = self.cases.iter().map(|case| case.patient);
        let developing = all.filter(|patient| !held.contains(patient)).collect();
        self.apart(&developing, &held, random)
    }

    /// Fits on some patients and answers for others' rows with a picture.
    pub(super) fn apart(
        &self,
        developing: &BTreeSet<usize>,
        held: &BTreeSet<usize>,
        random: &mut ChaCha8Rng,
    ) -> Option<Vec<Tested>> {
        let of = |patients: &BTreeSet<usize>| -> Vec<usize> {
            (0..self.cases.len()).filter(|row| patients.contains(&self.cases[*row].patient)).collect()
        };
        let (fitted, tested) = (of(developing), of(held));
        let levels = self.fit(&fitted, self.config.splits.seeds, random)?.ok()?;
        let tested: Vec<usize> = tested.into_iter().filter(|row| self.is_compared(*row)).collect();
        self.answers(&levels, &tested, &fitted, random).ok()
    }

    fn answers(
        &self,
        levels: &Levels,
        tested: &[usize],
        fitted: &[usize],
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Tested>, NetworkError> {
        let cases = self.with_pictures(tested, &levels.projection);
        let whole: Vec<Sides> = cases.iter().map(|case| case.sides.clone()).collect();
        let own = levels.both(&whole)?;
        let mut stressed = Vec::new();
        for (_, percent) in STRESSES {
            let shown: Vec<Sides> = whole.iter().map(|sides| self.stressed(sides, percent, random)).collect();
            stressed.push(levels.both(&shown)?);
        }
        let tokens = [levels.with_token(&whole, true)?, levels.with_token(&whole, false)?];
        let rates: Vec<BTreeMap<String, f64>> =
            self.config.shortcuts.iter().map(|column| self.rates(column, fitted)).collect();
        let compared: Vec<Vec<Option<f64>>> = self.compared(tested);
        let row = |(at, row): (usize, &usize)| {
            let offsets = whole[at].offsets(&levels.late);
            let (l1, l2) = own[at];
            let record = offsets.record.map_or(levels.late.base_rate, logistic);
            let mut arms = vec![Some(l2), Some(l1), offsets.image.map(logistic), Some(record)];
            let formula = offsets.formula.map_or(levels.late.base_rate, logistic);
            arms.extend(self.config.formula.iter().map(|_| Some(formula)));
            let shortcuts = self.config.shortcuts.iter().zip(&rates);
            arms.extend(shortcuts.map(|(column, rates)| {
                Some(rates.get(&self.text(*row, column)).copied().unwrap_or(levels.late.base_rate))
            }));
            arms.extend(compared.iter().map(|values| values[at]));
            Tested {
                row: *row,
                arms,
                stress_l1: stressed.iter().map(|answers| answers[at].0).collect(),
                stress_l2: stressed.iter().map(|answers| answers[at].1).collect(),
                tokens: tokens.iter().map(|answers| answers[at]).collect(),
            }
        };
        Ok(tested.iter().enumerate().map(row).collect())
    }

    /// What the comparators say of the tested rows; a bare column by its rank among all rows.
    fn compared(&self, tested: &[usize]) -> Vec<Vec<Option<f64>>> {
        let of = |comparator: &Comparator| {
            let raw: Vec<Option<f64>> = self.rows.iter().map(|row| row.compared(comparator)).collect();
            let shown = match comparator {
                Comparator::Column { .. } => ranked(&raw),
                Comparator::BrockNodule { .. } => raw,
            };
            tested.iter().map(|row| shown[*row]).collect()
        };
        self.config.table.comparators.iter().map(of).collect()
    }

    /// Share of outcomes by the value of a column among the fitted rows with a picture, with one imagined row of each kind.
    fn rates(&self, column: &str, fitted: &[usize]) -> BTreeMap<String, f64> {
        let mut counts: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for row in fitted.iter().filter(|row| self.is_compared(**row)) {
            let found = counts.entry(self.text(*row, column)).or_insert((1.0, 2.0));
            found.0 += self.cases[*row].label;
            found.1 += 1.0;
        }
        counts.into_iter().map(|(value, (events, all))| (value, events / all)).collect()
    }

    /// A row with a share of the record's inputs taken away, the formula being one of them, or (0) with the picture taken away where
    /// there is anything else.
    pub(super) fn stressed(&self, sides: &Sides, percent: u64, random: &mut ChaCha8Rng) -> Sides {
        let mut shown = sides.clone();
        match percent {
            0 if sides.record.is_some() || sides.formula.is_some() => shown.image = None,
            0 => {}
            100 => (shown.record, shown.formula) = (None, None),
            _ => {
                shown.record =
                    sides.record.as_ref().map(|row| masked(&self.config.table, row, percent, random));
                shown.formula = sides.formula.filter(|_| random.random_range(0..100) >= percent);
            }
        }
        shown
    }
}

impl Levels {
    /// Probabilities of L1 and L2; where a side is missing both are the calibrated other side.
    fn both(&self, rows: &[Sides]) -> Result<Vec<(f64, f64)>, NetworkError> {
        let l1: Vec<f64> =
            rows.iter().map(|sides| sides.logit(&self.late).map_or(self.late.base_rate, logistic)).collect();
        let fused: Vec<(usize, &Sides, f64)> = rows
            .iter()
            .enumerate()
            .filter_map(|(at, sides)| Some((at, sides, sides.offsets(&self.late).fused?)))
            .collect();
        let inputs: Vec<(&Sides, f64)> = fused.iter().map(|(_, sides, offset)| (*sides, *offset)).collect();
        let mut both: Vec<(f64, f64)> = l1.iter().map(|value| (*value, *value)).collect();
        for ((at, ..), members) in fused.iter().zip(self.gated.members(&inputs)?) {
            both[*at].1 = members.iter().sum::<f64>() / members.len().max(1) as f64;
        }
        Ok(both)
    }

    /// L2's probability with the learned token in the place of a side.
    fn with_token(&self, rows: &[Sides], of_image: bool) -> Result<Vec<f64>, NetworkError> {
        let shown: Vec<Sides> = rows
            .iter()
            .map(|sides| match (of_image, sides.record.is_some() || sides.formula.is_some()) {
                (true, true) => Sides { image: None, ..sides.clone() },
                (true, false) => sides.clone(),
                (false, _) => Sides { image: sides.image.clone(), record: None, formula: None },
            })
            .collect();
        let offset = |sides: &Sides| sides.logit(&self.late).unwrap_or_default();
        let inputs: Vec<(&Sides, f64)> = shown.iter().map(|sides| (sides, offset(sides))).collect();
        let members = self.gated.members(&inputs)?;
        Ok(members.iter().map(|all| all.iter().sum::<f64>() / all.len().max(1) as f64).collect())
    }
}

/// The record's columns; `None` where it says nothing that counts.
pub(super) fn record(config: &FusedConfig, row: Row<'_>) -> Option<Vec<Option<f64>>> {
    let encoded = encode(&config.table, row);
    let needed = config.record_needs.iter().any(|column| row.text(column).is_some());
    (encoded.present > 0 && (needed || config.record_needs.is_empty())).then_some(encoded.columns)
}

/// Logit of the formula's probability; `None` where none is declared or stated.
pub(super) fn formula(config: &FusedConfig, row: Row<'_>) -> Option<f64> {
    config.formula.as_ref()?.logit(row)
}
