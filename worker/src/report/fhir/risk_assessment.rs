//! One RiskAssessment for each risk. `probabilityDecimal` is percent, 0 to 100 (R4 ras-2).

use super::datatypes::{
    Annotation, CodeableConcept, Coding, Decimal, Extension, Identifier, Instant, Meta, Narrative, Quantity,
    Range, Reference, Text, Token, elements,
};
use super::{references, terms};
use crate::report::document::{Interval, Performer, Report, Risk, RiskValue, Source};
use crate::report::text::{percent, sentence};
use crate::report::wording;

elements! {
    /// <http://hl7.org/fhir/R4/riskassessment.html>
    RiskAssessment {
        id: Token, meta: Option<Meta>, text: Option<Narrative>, identifier: Vec<Identifier>, status: Token,
        method: Option<CodeableConcept>, code: Option<CodeableConcept>, subject: Option<Reference>,
        occurrence_date_time: Option<Instant>, performer: Option<Reference>, basis: Vec<Reference>,
        prediction: Vec<Prediction>, mitigation: Text, note: Vec<Annotation>,
    }
    /// <http://hl7.org/fhir/R4/riskassessment-definitions.html#RiskAssessment.prediction>
    Prediction {
        extension: Vec<Extension>, outcome: Option<CodeableConcept>, probability_decimal: Option<Decimal>,
        probability_range: Option<Range>, qualitative_risk: Option<CodeableConcept>, rationale: Text,
    }
}

/// Says one risk; without a probability it says why, and never says zero.
pub(super) fn risk_assessment(report: &Report, risk: &Risk) -> RiskAssessment {
    let id = references::risk(report, risk);
    let method = &risk.method;
    let method_text = format!("{}, {}. {}", method.name, method.version, method.citation);
    RiskAssessment {
        id: id.to_string().into(),
        meta: Some(Meta::ai_asserted()),
        text: Narrative::paragraphs(&narrative(risk)),
        identifier: vec![Identifier::new(terms::URI, &id.urn().to_string())],
        status: "preliminary".into(),
        method: Some(CodeableConcept::coded(terms::RISKS, &risk.id, &method.name).with_text(&method_text)),
        code: Some(CodeableConcept::text(&risk.title)),
        subject: Some(references::subject(report)),
        occurrence_date_time: Some(Instant(report.study.started.unwrap_or(report.issued))),
        performer: Some(performer(report, risk)),
        basis: basis(report, risk),
        prediction: predictions(risk),
        mitigation: risk.guidance.as_ref().map_or_else(Text::default, |guidance| {
            format!("{} ({})", guidance.text, guidance.citation).into()
        }),
        note: Annotation::all(notes(risk)),
    }
}

fn performer(report: &Report, risk: &Risk) -> Reference {
    let learned = match &risk.performer {
        Performer::Formula => None,
        Performer::Model(id) => report.models.iter().find(|model| &model.id == id),
    };
    references::within("Device", learned.map_or_else(|| references::software(report), references::model))
}

/// What the risk rests on: the resources that its inputs name, and for a learned model every finding of the images.
fn basis(report: &Report, risk: &Risk) -> Vec<Reference> {
    let from_images = matches!(risk.performer, Performer::Model(_));
    let observations = report.findings.iter().filter(|_| from_images);
    let mut basis: Vec<Reference> = observations
        .map(|finding| references::within("Observation", references::finding(report, finding)))
        .collect();
    let mut named: Vec<&str> = Vec::new();
    for source in risk.inputs.iter().filter_map(|input| input.source.as_deref()) {
        if !named.contains(&source) {
            named.push(source);
            basis.push(referenced(&report.record.sources, source));
        }
    }
    if basis.is_empty() {
        basis.push(references::study(report));
    }
    basis
}

/// A source with what the record says of it, where it is listed there.
fn referenced(sources: &[Source], reference: &str) -> Reference {
    let listed = sources.iter().find(|source| source.reference == reference);
    let kind = reference.split('/').next().filter(|_| reference.contains('/') && !reference.contains(':'));
    listed.map_or_else(|| references::outside(reference, kind.unwrap_or_default()), references::source)
}

/// R4 has room for a number or a range in one prediction, so an interval is a second one of the same outcome.
fn predictions(risk: &Risk) -> Vec<Prediction> {
    let blank = Prediction { outcome: Some(outcome(risk)), ..Prediction::default() };
    match &risk.value {
        RiskValue::Computed { probability, interval } => {
            let point = Prediction {
                probability_decimal: Decimal::percent(*probability),
                qualitative_risk: risk.category.as_deref().map(terms::risk_band),
                rationale: rationale(risk).into(),
                ..blank.clone()
            };
            let interval = interval.as_ref().map(|interval| ranged(blank, interval));
            std::iter::once(point).chain(interval).collect()
        }
        RiskValue::NotComputable { range, .. } => {
            let code = if risk.in_population { "unknown" } else { "not-applicable" };
            let nothing = Prediction {
                extension: vec![Extension::code(terms::DATA_ABSENT_REASON, code)],
                rationale: wording::not_computable(risk).unwrap_or_default().into(),
                ..blank.clone()
            };
            let range = range.as_ref().map(|range| ranged(blank, range));
            std::iter::once(nothing).chain(range).collect()
        }
    }
}

fn ranged(blank: Prediction, interval: &Interval) -> Prediction {
    let (low, high) = (Quantity::percent(interval.low), Quantity::percent(interval.high));
    let range = Range { low, high };
    let says_something = range.low.is_some() || range.high.is_some();
    Prediction {
        probability_range: says_something.then_some(range),
        rationale: interval.kind.as_str().into(),
        ..blank
    }
}

fn outcome(risk: &Risk) -> CodeableConcept {
    CodeableConcept {
        coding: risk.outcome_codings.iter().map(Coding::from).collect(),
        text: wording::outcome(risk).into(),
    }
}

fn rationale(risk: &Risk) -> String {
    let parts: Vec<String> =
        risk.contributions.iter().map(|part| format!("{} {:+.2}", part.label, part.logit)).collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("Contributions to the log odds: {}", parts.join("; "))
    }
}

fn narrative(risk: &Risk) -> Vec<String> {
    let said = wording::risk(risk)
        .or_else(|| wording::not_computable(risk).map(|why| format!("{}: {why}", sentence(&risk.title))));
    said.into_iter().chain([format!("{}. {}.", wording::STATUS, wording::NOT_A_DEVICE)]).collect()
}

fn notes(risk: &Risk) -> Vec<String> {
    let inside = if risk.in_population { "inside" } else { "outside" };
    let mut notes = vec![
        format!("Population: {} This patient is {inside} it.", sentence(&risk.population)),
        format!("Calibration: {}", sentence(&risk.calibration)),
    ];
    if let Some(average) = risk.average {
        notes.push(format!("Average in the population: {}.", percent(average)));
    }
    if !risk.missing.is_empty() {
        notes.push(format!("Missing: {}.", risk.missing.join(", ")));
    }
    notes.extend(risk.comparators.iter().map(|other| {
        let said = other.probability.map_or_else(|| "not computable".to_owned(), percent);
        let note = other.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("For comparison, {}: {said}{note}.", other.name)
    }));
    notes.extend(risk.limits.iter().map(|limit| format!("Limit: {}", sentence(limit))));
    notes
}
