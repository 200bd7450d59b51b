//! The bottom line in plain words, in the report's language, said the same way by every rendering.

mod lesion;

use super::document::{
    Assessment, Comparator, Contribution, Finding, Interval, Kind, NoResult, Presence, Record, RecordState,
    Report, Risk, RiskValue, Segment,
};
use super::language::{Language, Message};
use super::text::{sentence, visible};

pub(crate) use lesion::{difference, growth, lesion, lesion_source, millimetres_of};

/// Warnings that take trust from every finding, so that they stand beside them.
const DOUBTS: [&str; 3] = ["OutOfDistribution", "FrontalDoubt", "AgeOutsideTraining"];
/// Findings named in one sentence before the rest is counted.
const NAMED_FINDINGS: usize = 4;
/// Risks said in the bottom line; the others are in their section.
pub(crate) const NAMED_RISKS: usize = 4;

/// What the report is, and what the software is not: every rendering says it.
pub(crate) fn status(language: Language) -> String {
    format!("{}. {}.", language.text(Message::Status), language.text(Message::NotADevice))
}

/// The bottom line: a few plain sentences, the most important first.
pub(crate) fn bottom_line(report: &Report) -> Vec<String> {
    match &report.kind {
        Kind::Analysis => {
            let mut sentences = impression(report);
            sentences.extend(computed(report).take(NAMED_RISKS).filter_map(|one| risk(report.language, one)));
            sentences.extend(rest(report));
            sentences
        }
        Kind::Refused(why) | Kind::Failed(why) => no_result(report.language, why),
        Kind::Withdrawn(why, _) => withdrawn(report.language, why),
    }
}

/// What the report is, and its bottom line: the conclusion of the renderings that are not the page.
pub(crate) fn conclusion(report: &Report) -> Vec<String> {
    let mut conclusion = vec![status(report.language)];
    if !matches!(report.kind, Kind::Analysis) {
        conclusion.push(format!("{}.", no_result_title(report)));
    }
    conclusion.extend(bottom_line(report));
    conclusion
}

/// What was examined, from the pipeline's identifier: `chest-radiograph` becomes `Chest radiograph`.
pub(crate) fn examination(report: &Report) -> String {
    let words = visible(&report.pipeline.id).replace(['-', '_'], " ");
    let title = sentence(&words).trim_end_matches('.').to_owned();
    report.language.phrase(&title)
}

/// The one heading of a report without a result.
pub(crate) fn no_result_title(report: &Report) -> &'static str {
    report.language.text(match report.kind {
        Kind::Analysis => Message::TitleResult,
        Kind::Refused(_) => Message::TitleRefused,
        Kind::Failed(_) => Message::TitleFailed,
        Kind::Withdrawn(..) => Message::TitleWithdrawn,
    })
}

fn withdrawn(language: Language, why: &NoResult) -> Vec<String> {
    vec![sentence(&why.reason), language.text(Message::NothingHolds).to_owned(), what_to_do(language, why)]
}

fn no_result(language: Language, why: &NoResult) -> Vec<String> {
    vec![sentence(&why.reason), language.text(Message::NotNegative).to_owned(), what_to_do(language, why)]
}

fn what_to_do(language: Language, why: &NoResult) -> String {
    language.say(Message::WhatToDo, &[("step", &sentence(&why.next_step))])
}

/// What the images say, and what takes trust from it.
pub(crate) fn impression(report: &Report) -> Vec<String> {
    let doubts = report.study.warnings.iter().filter(|warning| DOUBTS.contains(&warning.code.as_str()));
    let said = match (report.findings.is_empty(), report.segments.is_empty()) {
        (true, false) => vec![segments(report)],
        (_, true) => vec![findings(report)],
        (false, false) => vec![findings(report), segments(report)],
    };
    said.into_iter().chain(doubts.map(|warning| sentence(&warning.text))).collect()
}

/// What the model outlines, in sentences.
fn segments(report: &Report) -> String {
    let language = report.language;
    let drawn = report.segments.iter().filter(|segment| !segment.is_empty());
    let names: Vec<String> = drawn
        .map(|segment| format!("{} ({})", language.in_prose(&segment.title), area(language, segment)))
        .collect();
    if names.is_empty() {
        return language.text(Message::OutlinesNothing).to_owned();
    }
    let names = language.list(&shortened(language, names));
    let said = language.say(Message::OutlinesSome, &[("segments", &names)]);
    format!("{said} {}.", language.text(Message::MachineOutline))
}

/// One segment in sentences.
pub(crate) fn segment(language: Language, segment: &Segment) -> String {
    let (title, area) = (visible(&segment.title), area(language, segment));
    let mean = segment.probability.map(|value| {
        format!(
            "; {} {}",
            language.in_prose(language.text(Message::MeanProbability)),
            language.percent(value)
        )
    });
    let machine = language.text(Message::MachineOutline);
    format!("{title}: {area}{}. {machine}.", mean.unwrap_or_default())
}

/// How large a segment is, where that is known.
pub(crate) fn area(language: Language, segment: &Segment) -> String {
    match segment.area_mm2.filter(|area| area.is_finite()) {
        _ if segment.is_empty() => language.text(Message::NothingOutlined).to_owned(),
        Some(area) if area >= 100.0 => format!("{area:.0}\u{a0}mm²"),
        Some(area) => format!("{}\u{a0}mm²", language.number(&format!("{area:.1}"))),
        None => language.text(Message::SizeNotKnown).to_owned(),
    }
}

/// The risks that have a probability, in their order.
pub(crate) fn computed(report: &Report) -> impl Iterator<Item = &Risk> {
    report.risks.iter().filter(|risk| matches!(risk.value, RiskValue::Computed { .. }))
}

/// What the named risks leave: those that could not be computed, and that there was no record.
pub(crate) fn rest(report: &Report) -> Vec<String> {
    let language = report.language;
    let total = report.risks.len();
    let not_computable = total - computed(report).count();
    let counts = [("some", not_computable.to_string()), ("total", total.to_string())];
    let counts: Vec<(&str, &str)> = counts.iter().map(|(name, count)| (*name, count.as_str())).collect();
    let mut sentences = Vec::new();
    match (not_computable, total) {
        (0, _) => {}
        (all, total) if all == total => sentences.push(language.text(Message::NoRiskComputed).to_owned()),
        (1, _) => sentences.push(language.say(Message::OneRiskNotComputed, &counts[1..])),
        _ => sentences.push(language.say(Message::SomeRisksNotComputed, &counts)),
    }
    sentences.extend(without_record(language, &report.record));
    sentences
}

/// What it means that there was no record; `None` where there was one.
pub(crate) fn without_record(language: Language, record: &Record) -> Option<String> {
    match record.state {
        RecordState::Matched => None,
        RecordState::NotGiven => Some(language.text(Message::RecordNotGiven).to_owned()),
        RecordState::NoMatch => Some(language.text(Message::RecordNoMatch).to_owned()),
    }
}

fn findings(report: &Report) -> String {
    let (language, findings) = (report.language, &report.findings);
    let present = named(language, findings, Presence::Present);
    let indeterminate = named(language, findings, Presence::Indeterminate);
    let absent = count(findings, Presence::Absent);
    let not_assessed =
        findings.iter().filter(|f| matches!(f.assessment, Assessment::NotAssessed { .. })).count();
    if findings.is_empty() || not_assessed == findings.len() {
        return language.text(Message::NoFindingAssessed).to_owned();
    }
    let names = |names: Vec<String>| language.list(&shortened(language, names));
    let mut parts = vec![if present.is_empty() {
        language.text(Message::NoFindingPresent).to_owned()
    } else {
        language.say(Message::FindingsPresent, &[("findings", &names(present))])
    }];
    if !indeterminate.is_empty() {
        parts.push(language.say(Message::FindingsIndeterminate, &[("findings", &names(indeterminate))]));
    }
    match absent {
        0 => {}
        1 => parts.push(language.text(Message::OneFindingAbsent).to_owned()),
        many => parts.push(language.say(Message::FindingsAbsent, &[("count", &many.to_string())])),
    }
    match not_assessed {
        0 => {}
        some => parts.push(language.say(Message::FindingsNotAssessed, &[("count", &some.to_string())])),
    }
    let cautious = near_chance(language, findings);
    let caution = if cautious.is_empty() {
        String::new()
    } else {
        format!(" {}", language.say(Message::NearChance, &[("findings", &language.list(&cautious))]))
    };
    format!("{}.{caution}", parts.join("; "))
}

/// Findings that are named as present or indeterminate though the model is near chance for them.
fn near_chance(language: Language, findings: &[Finding]) -> Vec<String> {
    let is_named = |finding: &&Finding| {
        matches!(
            finding.assessment,
            Assessment::Assessed { presence: Presence::Present | Presence::Indeterminate, .. }
        )
    };
    let cautious = findings.iter().filter(is_named).filter(|finding| is_near_chance(finding));
    shortened(language, cautious.map(|finding| language.in_prose(&finding.title)).collect())
}

fn named(language: Language, findings: &[Finding], wanted: Presence) -> Vec<String> {
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
        format!("{} ({})", language.in_prose(&finding.title), language.percent(*probability))
    };
    found.iter().map(name).collect()
}

/// Whether the model's own validation cannot tell this finding from chance: the AUROC's lower bound reaches 0.5.
pub(crate) fn is_near_chance(finding: &Finding) -> bool {
    finding.performance.as_ref().is_some_and(|performance| performance.low <= 0.5)
}

fn count(findings: &[Finding], wanted: Presence) -> usize {
    let is_wanted =
        |f: &&Finding| matches!(f.assessment, Assessment::Assessed { presence, .. } if presence == wanted);
    findings.iter().filter(is_wanted).count()
}

fn shortened(language: Language, mut names: Vec<String>) -> Vec<String> {
    let total = names.len();
    if total > NAMED_FINDINGS + 1 {
        names.truncate(NAMED_FINDINGS);
        names.push(language.say(Message::More, &[("count", &(total - NAMED_FINDINGS).to_string())]));
    }
    names
}

/// A computed risk in words; `None` where it is not computable.
pub(crate) fn risk(language: Language, risk: &Risk) -> Option<String> {
    let RiskValue::Computed { probability, interval } = &risk.value else { return None };
    let range = match interval {
        Some(interval) => {
            format!("{}, {}", language.percent_range(interval.low, interval.high), visible(&interval.kind))
        }
        None => language.text(Message::NoIntervalPublished).to_owned(),
    };
    let category = risk.category.as_deref().map(|category| {
        format!(", {}", language.say(Message::CategoryIs, &[("category", &visible(category))]))
    });
    let average = risk.average.map(|average| {
        format!("; {}", language.say(Message::AverageIs, &[("average", &language.percent(average))]))
    });
    let outcome = full_stop(&language.in_prose(&outcome(language, risk)));
    let disputed = if risk.is_disputed() {
        format!(" {}.", language.text(Message::ModelsDisagree))
    } else {
        String::new()
    };
    Some(format!(
        "{}: {} ({range}){}{}. {}{disputed}",
        visible(&risk.title),
        language.percent(*probability),
        category.unwrap_or_default(),
        average.unwrap_or_default(),
        language.say(Message::OutcomeIs, &[("outcome", &outcome)])
    ))
}

fn full_stop(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// What a probability is of, with its horizon where the outcome does not name it.
pub(crate) fn outcome(language: Language, risk: &Risk) -> String {
    let (outcome, horizon) = (visible(&risk.outcome), visible(&risk.horizon));
    if horizon.is_empty() || outcome.to_lowercase().contains(&horizon.to_lowercase()) {
        return outcome;
    }
    let horizon = language.say(Message::HorizonIs, &[("horizon", &language.in_prose(&horizon))]);
    format!("{outcome}; {horizon}")
}

/// Why a risk has no probability, with what is missing and what it could be.
pub(crate) fn not_computable(language: Language, risk: &Risk) -> Option<String> {
    let RiskValue::NotComputable { reason, range } = &risk.value else { return None };
    let (outside, inputs): (Vec<String>, Vec<String>) =
        risk.missing.iter().map(|word| visible(word)).partition(|word| word == "population");
    let outside = (!outside.is_empty()).then(|| language.text(Message::OutsidePopulation).to_owned());
    let inputs = inputs.iter().map(|word| language.phrase(word)).collect::<Vec<_>>();
    let inputs = (!inputs.is_empty())
        .then(|| language.say(Message::InputsMissing, &[("inputs", &language.list(&inputs))]));
    let what: Vec<String> = outside.into_iter().chain(inputs).collect();
    let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
    let range = range.as_ref().map(|range| {
        let bounds = language.percent_range(range.low, range.high);
        format!(" {}", language.say(Message::CouldBe, &[("range", &bounds), ("kind", &visible(&range.kind))]))
    });
    Some(format!(
        "{}{what}. {}{}",
        language.text(Message::NotComputable),
        sentence(reason),
        range.unwrap_or_default()
    ))
}

/// What a computed risk does without, and what it could be with it.
pub(crate) fn could_change(language: Language, risk: &Risk) -> Option<String> {
    let RiskValue::Computed { probability, .. } = &risk.value else { return None };
    let Interval { low, high, kind } = risk.could_be.as_ref()?;
    let inputs: Vec<String> = risk.missing.iter().map(|word| language.phrase(&visible(word))).collect();
    Some(language.say(
        Message::CouldChange,
        &[
            ("risk", &visible(&risk.title)),
            ("inputs", &language.list(&inputs)),
            ("range", &language.percent_range(*low, *high)),
            ("kind", &visible(kind)),
            ("now", &language.percent(*probability)),
        ],
    ))
}

/// The contributions to the log odds, all of them; `None` where there are none.
pub(crate) fn contributions(language: Language, risk: &Risk) -> Option<String> {
    let part = |part: &Contribution| format!("{} {}", visible(&part.label), language.signed(part.logit));
    let parts: Vec<String> = risk.contributions.iter().map(part).collect();
    (!parts.is_empty()).then(|| language.say(Message::ContributionsAre, &[("parts", &parts.join("; "))]))
}

/// What a guideline suggests, with its citation.
pub(crate) fn guidance(risk: &Risk) -> Option<String> {
    risk.guidance.as_ref().map(|guidance| format!("{} ({})", guidance.text, guidance.citation))
}

/// The category that a comparator falls into.
pub(crate) fn category(language: Language, other: &Comparator) -> Option<String> {
    let category = other.category.as_deref()?;
    Some(language.say(Message::CategoryIs, &[("category", &visible(category))]))
}

/// The state as a word.
pub(crate) fn presence(language: Language, presence: Presence) -> &'static str {
    language.text(match presence {
        Presence::Present => Message::Present,
        Presence::Indeterminate => Message::Indeterminate,
        Presence::Absent => Message::Absent,
    })
}
