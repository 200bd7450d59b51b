//! A feature table as rows: one a statistic, so that a reader with a data frame sees every number and where it is from.

use super::schema::Schema;
use super::statistics::MAX_SLOPE_VALUES;
use super::{Comparator, Feature, FeatureTable, FeatureValue, Statistic, WindowStatistics};

/// Names of the cells of [`rows`].
pub const ROW_NAMES: [&str; CELLS] = [
    "feature",
    "label",
    "group",
    "statistic",
    "window_days",
    "value",
    "unit",
    "missing",
    "bound",
    "age_days",
    "effective",
    "available",
    "source",
    "other_sources",
    "passage",
    "changed_after_t0",
    "note",
];

/// Cells of a row.
pub const CELLS: usize = 17;

/// One row a statistic: `last` (the value, or the reason why it is missing) for every feature, then the windows of measured
/// values with the statistics that the schema names. A row cites the resources that its own number is made from: the least
/// value its own, a mean all of its window. An empty cell is nothing.
pub fn rows(schema: &Schema, table: &FeatureTable) -> Vec<[String; CELLS]> {
    table.features.iter().flat_map(|feature| of_feature(schema, table, feature)).collect()
}

fn of_feature(schema: &Schema, table: &FeatureTable, feature: &Feature) -> Vec<[String; CELLS]> {
    let mut found = vec![last(feature)];
    let Some(defaults) = schema.defaults(feature.group) else { return found };
    let measured = schema.all_measurements().any(|one| one.id == feature.id);
    for window in feature.windows.iter().filter(|_| measured) {
        for (statistic, name, value) in statistics(window) {
            if defaults.statistics.contains(&statistic) {
                let from = made_from(feature, window, statistic);
                let from = if value.is_some() { from } else { Vec::new() };
                found.push(of_window(table, feature, window.days, (name, value), &from));
            }
        }
    }
    found
}

fn statistics(window: &WindowStatistics) -> [(Statistic, &'static str, Option<String>); 6] {
    let number = |value: f64| Some(value.to_string());
    [
        (Statistic::Count, "count", Some(window.count.to_string())),
        (Statistic::Mean, "mean", number(window.mean)),
        (Statistic::Min, "min", number(window.min)),
        (Statistic::Max, "max", number(window.max)),
        (Statistic::Slope, "slope", window.slope_per_year.and_then(number)),
        (Statistic::Delta, "delta", window.delta.and_then(number)),
    ]
}

/// The resources that a statistic of a window is made from, the latest first.
fn made_from<'a>(feature: &'a Feature, window: &'a WindowStatistics, statistic: Statistic) -> Vec<&'a str> {
    let latest = |count: usize| -> Vec<&str> {
        let stated = feature.series.iter().rev().take(count).map(String::as_str);
        stated.filter(|one| !one.is_empty()).collect()
    };
    match statistic {
        Statistic::Min => window.min_source.as_deref().into_iter().collect(),
        Statistic::Max => window.max_source.as_deref().into_iter().collect(),
        Statistic::Delta => latest(window.count.min(2)),
        Statistic::Slope => latest(window.count.min(MAX_SLOPE_VALUES)),
        _ => latest(window.count),
    }
}

/// Value and age in days of a feature as the table of a model has them: what `chiasm fusion table` writes, and what the risk of a
/// site's model is made from. Both are empty where it is missing, or older than `most` days. `None` where there is no such feature.
pub fn cells(table: &FeatureTable, id: &str, most: Option<f64>) -> Option<[String; 2]> {
    let feature = table.feature(id)?;
    let is_missing = matches!(feature.value, FeatureValue::Missing { .. });
    let is_old = most.zip(feature.age_days).is_some_and(|(most, age)| age > most);
    if is_missing || is_old {
        return Some([String::new(), String::new()]);
    }
    let age = feature.age_days.map_or_else(String::new, |age| format!("{age:.4}"));
    Some([text(&feature.value), age])
}

fn text(value: &FeatureValue) -> String {
    match value {
        FeatureValue::Number(number) => number.to_string(),
        FeatureValue::Code(code) => code.clone(),
        FeatureValue::Bool(truth) => truth.to_string(),
        FeatureValue::Missing { .. } => String::new(),
    }
}

/// The value itself, or why it is missing.
fn last(feature: &Feature) -> [String; CELLS] {
    let missing = match &feature.value {
        FeatureValue::Missing { reason } => reason.word(),
        _ => "",
    };
    let bound = match feature.comparator {
        Some(Comparator::Below) => "below",
        Some(Comparator::Above) => "above",
        None => "",
    };
    [
        feature.id.clone(),
        feature.label.clone(),
        feature.group.word().to_owned(),
        "last".to_owned(),
        String::new(),
        text(&feature.value),
        feature.unit.clone().unwrap_or_default(),
        missing.to_owned(),
        bound.to_owned(),
        feature.age_days.map(|days| days.to_string()).unwrap_or_default(),
        feature.effective.clone().unwrap_or_default(),
        feature.available.map(|time| time.to_string()).unwrap_or_default(),
        feature.source.clone().unwrap_or_default(),
        feature.other_sources.join(" "),
        feature.passage.as_ref().map(ToString::to_string).unwrap_or_default(),
        flag(feature.changed_after_t0),
        feature.note.clone().unwrap_or_default(),
    ]
}

/// A statistic of a window. Age and times are those of single values, and a statistic has none.
fn of_window(
    table: &FeatureTable,
    feature: &Feature,
    days: u32,
    (statistic, value): (&str, Option<String>),
    from: &[&str],
) -> [String; CELLS] {
    let unit = match statistic {
        "count" => "1".to_owned(),
        "slope" => feature.unit.as_ref().map(|unit| format!("{unit}/a")).unwrap_or_default(),
        _ => feature.unit.clone().unwrap_or_default(),
    };
    let changed = from
        .iter()
        .any(|one| table.changed_after_t0.binary_search_by(|known| known.as_str().cmp(one)).is_ok());
    let (source, others) =
        from.split_first().map_or(("", String::new()), |(first, rest)| (*first, rest.join(" ")));
    [
        feature.id.clone(),
        feature.label.clone(),
        feature.group.word().to_owned(),
        statistic.to_owned(),
        days.to_string(),
        value.unwrap_or_default(),
        unit,
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        source.to_owned(),
        others,
        String::new(),
        flag(changed),
        feature.note.clone().unwrap_or_default(),
    ]
}

fn flag(set: bool) -> String {
    if set { "true".to_owned() } else { String::new() }
}

/// A table for a terminal: what is there, then what is missing and why.
pub fn to_text(table: &FeatureTable) -> String {
    let width = table.features.iter().map(|feature| feature.id.len()).max().unwrap_or_default();
    let present = table.present().map(|feature| {
        let bound = match feature.comparator {
            Some(Comparator::Below) => "< ",
            Some(Comparator::Above) => "> ",
            None => "",
        };
        let unit = feature.unit.as_deref().unwrap_or_default();
        let age = feature.age_days.map(|days| format!("{days:.1} d")).unwrap_or_default();
        let passage = feature.passage.as_ref().map(|passage| format!(" ({passage})")).unwrap_or_default();
        let changed = if feature.changed_after_t0 { ", changed after t0" } else { "" };
        let source = format!("{}{passage}{changed}", feature.source.as_deref().unwrap_or_default());
        let value = format!("{bound}{} {unit}", text(&feature.value));
        format!("{:width$}  {value:24} {age:>10}  {source}", feature.id).trim_end().to_owned()
    });
    let missing = table.features.iter().filter_map(|feature| match &feature.value {
        FeatureValue::Missing { reason } => Some(format!("{:width$}  {}", feature.id, reason.text())),
        _ => None,
    });
    let out = &table.excluded;
    let left_out = format!(
        "\nleft out: {} known only later, {} corrected later, {} undated, {} by status, {} older versions, {} of nobody that could be told, {} unreadable, {} texts of notes not read\n",
        out.after_t0,
        out.corrected_after_t0,
        out.undated,
        out.status,
        out.superseded,
        out.unresolved_subject,
        out.unreadable,
        out.unread_texts
    );
    let head = format!("{} at {} ({})\n", table.schema, table.t0, table.zone);
    let lines: Vec<String> = [head]
        .into_iter()
        .chain(present)
        .chain(["\nmissing".to_owned()])
        .chain(missing)
        .chain([left_out])
        .collect();
    lines.join("\n")
}
