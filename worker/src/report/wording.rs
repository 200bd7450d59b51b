//! The bottom line in plain words, said the same way by every rendering.

use super::document::{
    Assessment, Finding, Kind, NoResult, Presence, Record, RecordState, Report, Risk, RiskValue,
};
use super::text::{list, percent, percent_range, sentence, visible};

/// What every report says first.
pub(crate) const STATUS: &str = "AI-generated, not reviewed by a physician";
/// What the software is not.
pub(crate) const NOT_A_DEVICE: &str = "Research software, not a medical device";
/// Warnings that take trust from every finding, so that they stand beside them.
const DOUBTS: [&str; 3] = ["OutOfDistribution", "FrontalDoubt", "AgeOutsideTraining"];
/// Findings named in one sentence before the rest is counted.
const NAMED_FINDINGS: usize = 4;
/// Risks said in the bottom line; the others are in their section.
const NAMED_RISKS: usize = 4;

/// The bottom line: a few plain sentences, the most important first.
pub(crate) fn bottom_line(report: &Report) -> Vec<String> {
    match &report.kind {
        Kind::Analysis => analysis(report),
        Kind::Refused(why) | Kind::Failed(why) => no_result(why),
        Kind::Withdrawn(why, _) => withdrawn(why),
    }
}

/// What the report is, and its bottom line: the conclusion of the renderings that are not the page.
pub(crate) fn conclusion(report: &Report) -> Vec<String> {
    let mut conclusion = vec![format!("{}. {}.", STATUS, NOT_A_DEVICE)];
    if !matches!(report.kind, Kind::Analysis) {
        conclusion.push(format!("{}.", no_result_title(&report.kind)));
    }
    conclusion.extend(bottom_line(report));
    conclusion
}

/// What was examined, from the pipeline's identifier: `chest-radiograph` becomes `Chest radiograph`.
pub(crate) fn examination(report: &Report) -> String {
    let words = visible(&report.pipeline.id).replace(['-', '_'], " ");
    sentence(&words).trim_end_matches('.').to_owned()
}

/// The one heading of a report without a result.
pub(crate) fn no_result_title(kind: &Kind) -> &'static str {
    match kind {
        Kind::Analysis => "AI result",
        Kind::Refused(_) => "No AI result: this study was not analysed",
        Kind::Failed(_) => "No AI result: the analysis failed",
        Kind::Withdrawn(..) => "Withdrawn: the earlier AI report of this study must not be used",
    }
}

fn withdrawn(why: &NoResult) -> Vec<String> {
    vec![
        sentence(&why.reason),
        "Nothing that the earlier report said holds: neither what it flagged nor what it did not.".to_owned(),
        format!("What to do: {}", sentence(&why.next_step)),
    ]
}

fn no_result(why: &NoResult) -> Vec<String> {
    vec![
        sentence(&why.reason),
        "No AI result is not a negative result: nothing was looked for, so nothing was excluded.".to_owned(),
        format!("What to do: {}", sentence(&why.next_step)),
    ]
}

fn analysis(report: &Report) -> Vec<String> {
    let mut sentences = vec![findings(&report.findings)];
    let doubts = report.study.warnings.iter().filter(|warning| DOUBTS.contains(&warning.code.as_str()));
    sentences.extend(doubts.map(|warning| sentence(&warning.text)));
    let computed: Vec<String> = report.risks.iter().filter_map(risk).collect();
    let not_computable = report.risks.len() - computed.len();
    sentences.extend(computed.into_iter().take(NAMED_RISKS));
    match (not_computable, report.risks.len()) {
        (0, _) => {}
        (all, total) if all == total => {
            sentences.push("No risk could be computed; each says what is missing.".into());
        }
        (1, total) => sentences.push(format!("One of {total} risks could not be computed.")),
        (some, total) => sentences.push(format!("{some} of {total} risks could not be computed.")),
    }
    sentences.extend(without_record(&report.record));
    sentences
}

/// What it means that there was no record; `None` where there was one.
pub(crate) fn without_record(record: &Record) -> Option<String> {
    match record.state {
        RecordState::Matched => None,
        RecordState::NotGiven => {
            Some("No health record was given: this report rests on the images alone.".into())
        }
        RecordState::NoMatch => {
            Some("No health record of this patient was found: this report rests on the images alone.".into())
        }
    }
}

fn findings(findings: &[Finding]) -> String {
    let present = named(findings, Presence::Present);
    let indeterminate = named(findings, Presence::Indeterminate);
    let absent = count(findings, Presence::Absent);
    let not_assessed =
        findings.iter().filter(|f| matches!(f.assessment, Assessment::NotAssessed { .. })).count();
    if findings.is_empty() || not_assessed == findings.len() {
        return "No finding was assessed.".to_owned();
    }
    let mut parts = vec![if present.is_empty() {
        "No finding reaches its threshold, which does not exclude disease".to_owned()
    } else {
        format!(
            "The image model flags {}: above the threshold, a reason to look and not a diagnosis",
            list(&shortened(present))
        )
    }];
    if !indeterminate.is_empty() {
        parts.push(format!("indeterminate: {}", list(&shortened(indeterminate))));
    }
    match absent {
        0 => {}
        1 => parts.push("one finding is below its threshold".to_owned()),
        many => parts.push(format!("{many} findings are below their thresholds")),
    }
    match not_assessed {
        0 => {}
        some => parts.push(format!("{some} not assessed")),
    }
    let cautious = near_chance(findings);
    let caution = if cautious.is_empty() {
        String::new()
    } else {
        format!(" In its own validation the model is near chance for {}.", list(&cautious))
    };
    format!("{}.{caution}", parts.join("; "))
}

/// Findings that are named as present or indeterminate though the model is near chance for them.
fn near_chance(findings: &[Finding]) -> Vec<String> {
    let is_named = |finding: &&Finding| {
        matches!(
            finding.assessment,
            Assessment::Assessed { presence: Presence::Present | Presence::Indeterminate, .. }
        )
    };
    let cautious = findings.iter().filter(is_named).filter(|finding| is_near_chance(finding));
    shortened(cautious.map(|finding| in_prose(&finding.title)).collect())
}

fn named(findings: &[Finding], wanted: Presence) -> Vec<String> {
    let mut found: Vec<(&Finding, f64)> = findings
        .iter()
        .filter_map(|finding| match finding.assessment {
            Assessment::Assessed { probability, presence } if presence == wanted => {
                Some((finding, probability))
            }
            _ => None,
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.label.cmp(&b.0.label)));
    let name = |(finding, probability): &(&Finding, f64)| {
        format!("{} ({})", in_prose(&finding.title), percent(*probability))
    };
    found.iter().map(name).collect()
}

/// Whether the model's own validation cannot tell this finding from chance: the AUROC's lower bound reaches 0.5.
pub(crate) fn is_near_chance(finding: &Finding) -> bool {
    finding.performance.as_ref().is_some_and(|performance| performance.low <= 0.5)
}

/// Names as prose writes them: `Pleural thickening` becomes `pleural thickening`, `COVID-19` stays.
pub(crate) fn in_prose(title: &str) -> String {
    let title = visible(title);
    let mut characters = title.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => title,
    }
}

fn count(findings: &[Finding], wanted: Presence) -> usize {
    let is_wanted =
        |f: &&Finding| matches!(f.assessment, Assessment::Assessed { presence, .. } if presence == wanted);
    findings.iter().filter(is_wanted).count()
}

fn shortened(mut names: Vec<String>) -> Vec<String> {
    let total = names.len();
    if total > NAMED_FINDINGS + 1 {
        names.truncate(NAMED_FINDINGS);
        names.push(format!("{} more", total - NAMED_FINDINGS));
    }
    names
}

/// A computed risk in words; `None` where it is not computable.
pub(crate) fn risk(risk: &Risk) -> Option<String> {
    let RiskValue::Computed { probability, interval } = &risk.value else { return None };
    let range = match interval {
        Some(interval) => {
            format!("{}, {}", percent_range(interval.low, interval.high), visible(&interval.kind))
        }
        None => "no interval is published".to_owned(),
    };
    let category = risk.category.as_deref().map(|category| format!(", category {}", visible(category)));
    let average = risk.average.map(|average| format!("; the average is {}", percent(average)));
    Some(format!(
        "{}: {} ({range}){}{}. Outcome: {}",
        visible(&risk.title),
        percent(*probability),
        category.unwrap_or_default(),
        average.unwrap_or_default(),
        full_stop(&in_prose(&outcome(risk)))
    ))
}

fn full_stop(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// What a probability is of, with its horizon where the outcome does not name it.
pub(crate) fn outcome(risk: &Risk) -> String {
    let (outcome, horizon) = (visible(&risk.outcome), visible(&risk.horizon));
    if horizon.is_empty() || outcome.to_lowercase().contains(&horizon.to_lowercase()) {
        return outcome;
    }
    format!("{outcome}; horizon: {}", in_prose(&horizon))
}

/// Why a risk has no probability, with what is missing and what it could be.
pub(crate) fn not_computable(risk: &Risk) -> Option<String> {
    let RiskValue::NotComputable { reason, range } = &risk.value else { return None };
    let (outside, inputs): (Vec<String>, Vec<String>) =
        risk.missing.iter().map(|word| visible(word)).partition(|word| word == "population");
    let outside = (!outside.is_empty()).then(|| "outside its population".to_owned());
    let inputs = (!inputs.is_empty()).then(|| format!("{} missing", list(&inputs)));
    let what: Vec<String> = outside.into_iter().chain(inputs).collect();
    let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
    let range = range.as_ref().map(|range| {
        format!(" It could be {} ({}).", percent_range(range.low, range.high), visible(&range.kind))
    });
    Some(format!("Not computable{what}. {}{}", sentence(reason), range.unwrap_or_default()))
}

/// The state as a word.
pub(crate) fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Indeterminate => "indeterminate",
        Presence::Absent => "absent",
    }
}
