//! An evaluation in Markdown.

use super::Interval;
use super::report::{Evaluation, Group, LEAST_EVENTS, LEAST_GROUP, LabelEvaluation};

/// The report; `figure` gives the name of a label's picture.
pub fn report(evaluation: &Evaluation, figure: impl Fn(&str) -> String) -> String {
    let mut text = format!(
        "# Evaluation of {}\n\n**Research software, not a medical device.** {}: {} pictures of {} patients. Intervals are 95 %, \
from {} resamples of the patients (seed {}). Mean AUROC over the labels: {}.\n",
        evaluation.model,
        evaluation.cohort,
        evaluation.pictures,
        evaluation.patients,
        evaluation.bootstrap_rounds,
        evaluation.seed,
        words(evaluation.mean_auroc.as_ref()),
    );
    for label in &evaluation.labels {
        text.push_str(&section(label, evaluation.pictures, &figure(&label.name)));
    }
    text
}

fn section(label: &LabelEvaluation, pictures: usize, figure: &str) -> String {
    let confusion = &label.confusion;
    let mut rows = String::new();
    for (name, interval) in &label.measures {
        rows.extend(["| ", &name.replace('_', " "), " | ", &words(Some(interval)), " |\n"]);
    }
    let mut text = format!(
        "\n## {}\n\n{} of {pictures} pictures have it. Called present from a probability of {:.4} on: {} of them rightly and {} wrongly; \
called absent: {} rightly, {} wrongly.\n\n![ROC, precision and recall, calibration, subgroups]({figure})\n\n\
| measure | value (95 % interval) |\n|---|---|\n{rows}",
        label.name,
        label.cases,
        label.threshold,
        confusion.true_positives,
        confusion.false_positives,
        confusion.true_negatives,
        confusion.false_negatives,
    );
    if !label.groups.is_empty() {
        text.push_str("\n| subgroup | pictures | cases | AUROC (95 % interval) |\n|---|---|---|---|\n");
        text.extend(label.groups.iter().map(row));
        text.push_str(&small_groups());
    }
    text
}

fn small_groups() -> String {
    format!(
        "\nA group of fewer than {LEAST_GROUP} pictures, or with fewer than {LEAST_EVENTS} cases or controls, is named and not shown.\n"
    )
}

fn row(group: &Group) -> String {
    let count = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let area = group.auroc.as_ref().map_or_else(|| "not shown".to_owned(), |own| words(Some(own)));
    format!(
        "| {} {} | {} | {} | {area} |\n",
        group.attribute,
        group.value,
        count(group.pictures),
        count(group.cases)
    )
}

fn words(interval: Option<&Interval>) -> String {
    interval.map_or_else(
        || "not defined".to_owned(),
        |own| format!("{:.4} ({:.4} to {:.4})", own.value, own.low, own.high),
    )
}
