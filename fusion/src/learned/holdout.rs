//! Splits that are not by chance: the latest patients, and each site, kept apart whole.
//!
//! Both are by patient. In time the latest patients, by their first row, are tested, and who develops the model has no row
//! at or after the earliest tested one; whoever straddles that day takes part in neither. Of a site whoever has rows there
//! and elsewhere takes part in neither. Everything is fitted, chosen and calibrated on the developing side.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::tabular::Row;
use super::tabular::table::{Table, TableError};
use crate::evaluation::{Report, SubgroupColumn};
use crate::time::Moment;

/// Most sites that are kept apart in turn, the largest first.
const MAX_SITES: usize = 20;

/// The column with the time of a row, and how many patients are tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    /// Column with a year, a date or a time; a row without one takes part in no split by time.
    pub column: String,
    /// Share of the patients that is tested, above 0 and below 1.
    #[serde(default = "a_fifth")]
    pub latest_share: f64,
}

fn a_fifth() -> f64 {
    0.2
}

/// Which split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldoutKind {
    /// The latest patients are tested.
    Time,
    /// One site is tested.
    Site,
}

/// How a model did that was developed without the patients that it was tested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    /// Which split.
    pub kind: HoldoutKind,
    /// What was tested, such as `first row from 2020-04-01 on` or `site B`.
    pub name: String,
    /// Rows, patients and events that it was developed on.
    pub developed: [usize; 3],
    /// Rows, patients and events that were tested.
    pub tested: [usize; 3],
    /// Patients that take part in neither.
    pub left_out: usize,
    /// How it did; `None` where one of the sides is too small or has one outcome only.
    pub report: Option<Report>,
}

/// One row of whoever asks for splits.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) row: Row<'a>,
    pub(super) patient: usize,
    pub(super) label: bool,
}

/// Who develops and who is tested.
pub(super) struct Partition {
    kind: HoldoutKind,
    name: String,
    pub(super) developing: BTreeSet<usize>,
    pub(super) tested: BTreeSet<usize>,
    left_out: usize,
}

/// Every split that the columns allow.
pub(super) fn partitions(
    time: Option<&TimeColumn>,
    site: Option<&str>,
    members: &[Member<'_>],
) -> Vec<Partition> {
    let by_time = time.and_then(|time| by_time(time, members));
    let by_site = site.map(|site| by_site(site, members)).unwrap_or_default();
    by_time.into_iter().chain(by_site).collect()
}

impl Partition {
    /// The split with what a model said of the tested patients.
    pub(super) fn with(self, members: &[Member<'_>], report: Option<Report>) -> Holdout {
        let count = |patients: &BTreeSet<usize>| {
            let rows = || members.iter().filter(|one| patients.contains(&one.patient));
            [rows().count(), patients.len(), rows().filter(|one| one.label).count()]
        };
        let (developed, tested) = (count(&self.developing), count(&self.tested));
        Holdout { kind: self.kind, name: self.name, developed, tested, left_out: self.left_out, report }
    }
}

/// First and last time of each patient, in seconds, with the first as it is written.
fn times<'a>(column: &str, members: &[Member<'a>]) -> BTreeMap<usize, ((i64, &'a str), i64)> {
    let mut found: BTreeMap<usize, ((i64, &str), i64)> = BTreeMap::new();
    for one in members {
        let Some(text) = one.row.text(column) else { continue };
        let Some(time) = Moment::parse(text).and_then(|moment| moment.earliest(&TimeZone::UTC)) else {
            continue;
        };
        let second = time.as_second();
        let known = found.entry(one.patient).or_insert(((second, text), second));
        known.0 = known.0.min((second, text));
        known.1 = known.1.max(second);
    }
    found
}

fn by_time(time: &TimeColumn, members: &[Member<'_>]) -> Option<Partition> {
    let times = times(&time.column, members);
    let mut firsts: Vec<(i64, &str)> = times.values().map(|(first, _)| *first).collect();
    firsts.sort_unstable();
    let most = (1.0 - time.latest_share) * firsts.len() as f64;
    let developing = (1..=firsts.len()).take_while(|count| *count as f64 <= most).count();
    let (cut, text) = *firsts.get(developing)?;
    let tested: BTreeSet<usize> =
        times.iter().filter(|(_, (first, _))| first.0 >= cut).map(|(patient, _)| *patient).collect();
    let before: BTreeSet<usize> =
        times.iter().filter(|(_, (_, last))| *last < cut).map(|(patient, _)| *patient).collect();
    let all: BTreeSet<usize> = members.iter().map(|one| one.patient).collect();
    Some(Partition {
        kind: HoldoutKind::Time,
        name: format!("first row from {text} on"),
        left_out: all.len() - tested.len() - before.len(),
        developing: before,
        tested,
    })
}

fn by_site(column: &str, members: &[Member<'_>]) -> Vec<Partition> {
    let mut sites: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for one in members {
        let own = sites.entry(one.patient).or_default();
        if let Some(site) = one.row.text(column) {
            own.insert(site);
            *rows.entry(site).or_default() += 1;
        }
    }
    let mut order: Vec<(&str, usize)> = rows.into_iter().collect();
    order.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    if order.len() < 2 {
        return Vec::new();
    }
    let partition = |site: &str| {
        let of = |wanted: &dyn Fn(&BTreeSet<&str>) -> bool| -> BTreeSet<usize> {
            sites.iter().filter(|(_, own)| wanted(own)).map(|(patient, _)| *patient).collect()
        };
        let tested = of(&|own| own.len() == 1 && own.contains(site));
        let developing = of(&|own| !own.is_empty() && !own.contains(site));
        Partition {
            kind: HoldoutKind::Site,
            name: format!("{column} {site}"),
            left_out: sites.len() - tested.len() - developing.len(),
            developing,
            tested,
        }
    };
    order.into_iter().take(MAX_SITES).map(|(site, _)| partition(site)).collect()
}

/// Whether the columns are there.
pub(super) fn check(
    time: Option<&TimeColumn>,
    site: Option<&String>,
    table: &Table,
) -> Result<(), TableError> {
    if let Some(time) = time
        && !(time.latest_share > 0.0 && time.latest_share < 1.0)
    {
        return Err(TableError::Share);
    }
    table.has(time.map(|time| &time.column).into_iter().chain(site))
}

/// Groups by site and by period, for a model that is only evaluated: columns that the table lacks make none.
pub(super) fn groups(
    time: Option<&TimeColumn>,
    site: Option<&str>,
    members: &[Member<'_>],
) -> Vec<SubgroupColumn> {
    let mut made = Vec::new();
    if let Some(site) = site.filter(|site| members.iter().any(|one| one.row.text(site).is_some())) {
        let values = members.iter().map(|one| one.row.text(site).unwrap_or("not stated"));
        made.push(SubgroupColumn::new(site, values));
    }
    if let Some(split) = time.and_then(|time| by_time(time, members)) {
        let value = |one: &Member<'_>| {
            let of = |patients: &BTreeSet<usize>| patients.contains(&one.patient);
            let word = if of(&split.tested) { "latest" } else { "earlier" };
            if of(&split.tested) || of(&split.developing) { word } else { "not told apart" }
        };
        made.push(SubgroupColumn::new("period", members.iter().map(value)));
    }
    made
}
