//! One RiskAssessment for each risk. `probabilityDecimal` is percent, 0 to 100 (R4 ras-2).

use super::datatypes::{
    Annotation, CodeableConcept, Coding, Decimal, Extension, Identifier, Instant, Meta, Narrative, Range,
    Reference, Text, Token, elements,
};
use super::{references, terms};
use crate::report::document::{Interval, Model, ModelKind, Performer, Report, Risk, RiskValue};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::wording;

elements! {
    /// <http://hl7.org/fhir/R4/riskassessment.html>
    RiskAssessment {
        id: Token, meta: Option<Meta>, language: Token, text: Option<Narrative>, identifier: Vec<Identifier>, status: Token,
        method: Option<CodeableConcept>, code: Option<CodeableConcept>, subject: Option<Reference>,
        occurrence_date_time: Option<Instant>, performer: Option<Reference>, basis: Vec<Reference>,
        prediction: Vec<Prediction>, mitigation: Text, note: Vec<Annotation>,
    }
    /// <http://hl7.org/fhir/R4/riskassessment-definitions.html#RiskAssessment.prediction>
    Prediction {
        extension: Vec<Extension>, outcome: Option<CodeableConcept>, probability_decimal: Option<Decimal>,
        probability_range: Option<Range>, qualitative_risk: Option<CodeableConcept>, when_range: Option<Range>,
        rationale: Text,
    }
}

/// Says one risk; without a probability it says why, and never says zero.
pub(super) fn risk_assessment(report: &Report, risk: &Risk) -> RiskAssessment {
    let (id, language) = (references::risk(report, risk), report.language);
    let method = &risk.method;
    let method_text = format!("{}, {}. {}", method.name, method.version, method.citation);
    RiskAssessment {
        id: id.to_string().into(),
        meta: Some(Meta::ai_asserted()),
        language: report.language.tag().into(),
        text: Narrative::paragraphs(language, &narrative(language, risk)),
        identifier: vec![Identifier::new(terms::URI, &id.urn().to_string())],
        status: "preliminary".into(),
        method: Some(CodeableConcept::coded(terms::RISKS, &risk.id, &method.name).with_text(&method_text)),
        code: Some(CodeableConcept::text(&risk.title)),
        subject: Some(references::subject(report)),
        occurrence_date_time: Some(Instant(report.study.started.unwrap_or(report.issued))),
        performer: Some(performer(report, risk)),
        basis: basis(report, risk),
        prediction: predictions(report, risk),
        mitigation: wording::guidance(risk).unwrap_or_default().into(),
        note: Annotation::all(notes(language, risk)),
    }
}

fn performer(report: &Report, risk: &Risk) -> Reference {
    let learned = learned(report, risk);
    references::within("Device", learned.map_or_else(|| references::software(report), references::model))
}

/// The learned model that says the risk.
fn learned<'a>(report: &'a Report, risk: &Risk) -> Option<&'a Model> {
    match &risk.performer {
        Performer::Formula => None,
        Performer::Model(id) => report.models.iter().find(|model| &model.id == id),
    }
}

/// What the risk rests on: the resources that its inputs name, and for a learned model that reads them every finding of the images.
fn basis(report: &Report, risk: &Risk) -> Vec<Reference> {
    let is_record_only = learned(report, risk).is_some_and(|model| model.kind == ModelKind::Record);
    let from_images = matches!(risk.performer, Performer::Model(_)) && !is_record_only;
    let observations = report.findings.iter().filter(|_| from_images);
    let mut basis: Vec<Reference> = observations
        .map(|finding| references::within("Observation", references::finding(report, finding)))
        .collect();
    let mut named: Vec<&str> = Vec::new();
    for source in risk.inputs.iter().filter_map(|input| input.source.as_deref()) {
        if !named.contains(&source) {
            named.push(source);
            basis.push(references::listed(&report.record.sources, source));
        }
    }
    if report.lesion.as_ref().is_some_and(|lesion| lesion.is_input_of(risk)) {
        basis.push(references::within("Observation", references::lesion(report)));
    }
    if basis.is_empty() {
        basis.push(references::study(report));
    }
    basis
}

/// R4 has room for a number or a range in one prediction, so an interval is a second one of the same outcome.
fn predictions(report: &Report, risk: &Risk) -> Vec<Prediction> {
    let language = report.language;
    let blank = Prediction {
        outcome: Some(outcome(language, risk)),
        when_range: risk.horizon_years.map(|(from, to)| Range::years(from, to)),
        ..Prediction::default()
    };
    match &risk.value {
        RiskValue::Computed { probability, interval } => {
            let point = Prediction {
                extension: confidence(report, risk, interval.as_ref()),
                probability_decimal: Decimal::percent(*probability),
                qualitative_risk: risk.category.as_deref().map(terms::risk_band),
                rationale: wording::contributions(language, risk).unwrap_or_default().into(),
                ..blank.clone()
            };
            let ranges = interval.iter().chain(&risk.could_be).map(|range| ranged(blank.clone(), range));
            std::iter::once(point).chain(ranges).collect()
        }
        RiskValue::NotComputable { range, .. } => {
            let code = if risk.in_population { "unknown" } else { "not-applicable" };
            let nothing = Prediction {
                extension: vec![Extension::code(terms::DATA_ABSENT_REASON, code)],
                rationale: wording::not_computable(language, risk).unwrap_or_default().into(),
                ..blank.clone()
            };
            let range = range.as_ref().map(|range| ranged(blank, range));
            std::iter::once(nothing).chain(range).collect()
        }
    }
}

/// The learned model's interval as its confidence, where the site wants it said so.
fn confidence(report: &Report, risk: &Risk, interval: Option<&Interval>) -> Vec<Extension> {
    let is_learned = matches!(risk.performer, Performer::Model(_));
    let interval = interval.filter(|_| is_learned && report.states_confidence);
    let range = interval.and_then(|interval| Range::percent(interval.low, interval.high));
    range.map(|range| Extension::range(terms::AI_CONFIDENCE, range)).into_iter().collect()
}

fn ranged(blank: Prediction, interval: &Interval) -> Prediction {
    Prediction {
        probability_range: Range::percent(interval.low, interval.high),
        rationale: interval.kind.as_str().into(),
        ..blank
    }
}

fn outcome(language: Language, risk: &Risk) -> CodeableConcept {
    CodeableConcept {
        coding: risk.outcome_codings.iter().map(Coding::from).collect(),
        text: wording::outcome(language, risk).into(),
    }
}

fn narrative(language: Language, risk: &Risk) -> Vec<String> {
    let said = wording::risk(language, risk).or_else(|| {
        wording::not_computable(language, risk).map(|why| format!("{}: {why}", visible(&risk.title)))
    });
    said.into_iter().chain([wording::status(language)]).collect()
}

fn notes(language: Language, risk: &Risk) -> Vec<String> {
    let inside = if risk.in_population { Message::InsideIt } else { Message::OutsideIt };
    let note = |message, text: &str| language.say(message, &[("text", text)]);
    let population = note(Message::PopulationNote, &sentence(&risk.population));
    let mut notes = vec![
        format!("{population} {}", language.text(inside)),
        note(Message::CalibrationNote, &sentence(&risk.calibration)),
    ];
    notes.extend(risk.average.map(|average| note(Message::AverageNote, &language.percent(average))));
    let missing: Vec<String> = risk.missing.iter().map(|word| language.phrase(&visible(word))).collect();
    if !missing.is_empty() {
        notes.push(note(Message::MissingNote, &missing.join(", ")));
    }
    notes.extend(wording::could_change(language, risk));
    notes.extend(risk.comparators.iter().map(|other| {
        let said = other.probability.map_or_else(
            || language.text(Message::NotComputableHere).to_owned(),
            |one| language.percent(one),
        );
        let why = other.note.as_deref().map(|note| format!(" ({})", visible(note))).unwrap_or_default();
        let category = wording::category(language, other).map(|one| format!(", {one}")).unwrap_or_default();
        let disagrees =
            if other.disagrees { format!("; {}", language.text(Message::Disagrees)) } else { String::new() };
        language.say(
            Message::ComparatorNote,
            &[("name", &visible(&other.name)), ("said", &format!("{said}{category}{why}{disagrees}"))],
        )
    }));
    notes.extend(risk.limits.iter().map(|limit| note(Message::LimitNote, &sentence(limit))));
    notes
}
