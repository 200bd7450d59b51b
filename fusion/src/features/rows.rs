//! A feature table as rows: one a statistic, so that a reader with a data frame sees every number and where it is from.

use super::schema::Schema;
use super::{Comparator, Feature, FeatureTable, FeatureValue, Statistic};

/// Names of the cells of [`rows`].
pub const ROW_NAMES: [&str; 16] = [
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
    "note",
];

/// One row a statistic: `last` (the value, or the reason why it is missing) for every feature, then the windows of measured
/// values with the statistics that the schema names. An empty cell is nothing.
pub fn rows(schema: &Schema, table: &FeatureTable) -> Vec<[String; 16]> {
    table.features.iter().flat_map(|feature| of_feature(schema, feature)).collect()
}

fn of_feature(schema: &Schema, feature: &Feature) -> Vec<[String; 16]> {
    let mut found = vec![row(feature, "last", String::new(), text(&feature.value))];
    let Some(defaults) = schema.defaults(feature.group) else { return found };
    let measured = schema.all_measurements().any(|one| one.id == feature.id);
    for window in feature.windows.iter().filter(|_| measured) {
        let number = |value: f64| Some(value.to_string());
        let all = [
            (Statistic::Count, "count", Some(window.count.to_string())),
            (Statistic::Mean, "mean", number(window.mean)),
            (Statistic::Min, "min", number(window.min)),
            (Statistic::Max, "max", number(window.max)),
            (Statistic::Slope, "slope", window.slope_per_year.and_then(number)),
            (Statistic::Delta, "delta", window.delta.and_then(number)),
        ];
        for (statistic, name, value) in all {
            if defaults.statistics.contains(&statistic) {
                found.push(row(feature, name, window.days.to_string(), value.unwrap_or_default()));
            }
        }
    }
    found
}

fn text(value: &FeatureValue) -> String {
    match value {
        FeatureValue::Number(number) => number.to_string(),
        FeatureValue::Code(code) => code.clone(),
        FeatureValue::Bool(truth) => truth.to_string(),
        FeatureValue::Missing { .. } => String::new(),
    }
}

fn row(feature: &Feature, statistic: &str, window: String, value: String) -> [String; 16] {
    let last = statistic == "last";
    let missing = match &feature.value {
        FeatureValue::Missing { reason } if last => reason.word().to_owned(),
        _ => String::new(),
    };
    let bound = match feature.comparator {
        Some(Comparator::Below) if last => "below",
        Some(Comparator::Above) if last => "above",
        _ => "",
    };
    let unit = match statistic {
        "count" => "1".to_owned(),
        "slope" => feature.unit.as_ref().map(|unit| format!("{unit}/a")).unwrap_or_default(),
        _ => feature.unit.clone().unwrap_or_default(),
    };
    [
        feature.id.clone(),
        feature.label.clone(),
        feature.group.word().to_owned(),
        statistic.to_owned(),
        window,
        value,
        unit,
        missing,
        bound.to_owned(),
        feature.age_days.map(|days| days.to_string()).unwrap_or_default(),
        feature.effective.clone().unwrap_or_default(),
        feature.available.map(|time| time.to_string()).unwrap_or_default(),
        feature.source.clone().unwrap_or_default(),
        feature.other_sources.join(" "),
        feature.passage.as_ref().map(ToString::to_string).unwrap_or_default(),
        feature.note.clone().unwrap_or_default(),
    ]
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
        let source = format!("{}{passage}", feature.source.as_deref().unwrap_or_default());
        let value = format!("{bound}{} {unit}", text(&feature.value));
        format!("{:width$}  {value:24} {age:>10}  {source}", feature.id).trim_end().to_owned()
    });
    let missing = table.features.iter().filter_map(|feature| match &feature.value {
        FeatureValue::Missing { reason } => Some(format!("{:width$}  {}", feature.id, reason.text())),
        _ => None,
    });
    let out = &table.excluded;
    let left_out = format!(
        "\nleft out: {} known only later, {} undated, {} by status, {} older versions, {} of nobody that could be told, {} unreadable, {} texts of notes not read\n",
        out.after_t0,
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
