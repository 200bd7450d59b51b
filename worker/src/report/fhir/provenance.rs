//! The Provenance: what was made, by whom, from exactly which inputs. It is what makes a recall possible.

use uuid::Uuid;

use super::datatypes::{CodeableConcept, Instant, Narrative, Reference, Token, elements};
use super::{references, terms};
use crate::report::document::{Kind, Report};
use crate::report::language::Message;
use crate::report::text::visible;
use crate::report::wording;
use crate::report::{overlay, segmentation};

elements! {
    /// <http://hl7.org/fhir/R4/provenance.html>
    Provenance {
        id: Token, language: Token, text: Option<Narrative>, target: Vec<Reference>, occurred_date_time: Option<Instant>, recorded: Option<Instant>,
        reason: Vec<CodeableConcept>, activity: Option<CodeableConcept>, agent: Vec<Agent>, entity: Vec<Entity>,
    }
    /// <http://hl7.org/fhir/R4/provenance-definitions.html#Provenance.agent>
    Agent { r#type: Option<CodeableConcept>, role: Vec<CodeableConcept>, who: Option<Reference>, }
    /// <http://hl7.org/fhir/R4/provenance-definitions.html#Provenance.entity>
    Entity { role: Token, what: Option<Reference>, }
}

/// Names every output, every model and every input of this version; `cards` are the ids of the models' cards.
pub(super) fn provenance(report: &Report, cards: &[Uuid]) -> Provenance {
    Provenance {
        id: references::provenance(report).to_string().into(),
        language: report.language.tag().into(),
        text: Narrative::paragraphs(report.language, &[narrative(report)]),
        target: targets(report),
        occurred_date_time: Some(Instant(report.issued)),
        recorded: Some(Instant(report.issued)),
        reason: vec![CodeableConcept { coding: vec![terms::ai_asserted()], ..CodeableConcept::default() }],
        activity: Some(match report.kind {
            Kind::Withdrawn(..) => terms::nullified(),
            Kind::Analysis | Kind::Refused(_) | Kind::Failed(_) => terms::created(),
        }),
        agent: agents(report),
        entity: entities(report, cards),
    }
}

fn narrative(report: &Report) -> String {
    let (software, language) = (&report.software, report.language);
    let (program, device) =
        (format!("{} {}", software.name, software.version), visible(&software.compute_device));
    let (images, resources) =
        (report.study.instances.len().to_string(), report.record.sources.len().to_string());
    let values = [
        ("program", program.as_str()),
        ("device", &device),
        ("images", &images),
        ("resources", &resources),
        ("status", &wording::status(language)),
    ];
    language.say(Message::MadeBy, &values)
}

fn targets(report: &Report) -> Vec<Reference> {
    let mut targets = vec![references::within("DiagnosticReport", references::report(report))];
    let findings = report.findings.iter();
    targets.extend(
        findings.map(|finding| references::within("Observation", references::finding(report, finding))),
    );
    let segments = report.segments.iter();
    targets.extend(
        segments.map(|segment| references::within("Observation", references::segment(report, segment))),
    );
    let lesion = report.lesion.iter();
    targets.extend(lesion.map(|_| references::within("Observation", references::lesion(report))));
    let risks = report.risks.iter();
    targets.extend(risks.map(|risk| references::within("RiskAssessment", references::risk(report, risk))));
    if overlay::instance_uid(report).is_some() {
        targets.push(references::within("DocumentReference", references::overlay(report)));
    }
    if segmentation::instance_uid(report).is_some() {
        targets.push(references::within("DocumentReference", references::segmentation(report)));
    }
    if !matches!(report.kind, Kind::Analysis) {
        targets.push(references::within("Task", references::task(report)));
    }
    targets
}

/// The models are authors; the program puts together what they said, and is the author where none ran.
fn agents(report: &Report) -> Vec<Agent> {
    let agent = |kind: CodeableConcept, id| Agent {
        r#type: Some(kind),
        role: vec![terms::artificial_intelligence()],
        who: Some(references::within("Device", id)),
    };
    let models = report.models.iter();
    let mut agents: Vec<Agent> =
        models.map(|model| agent(terms::participant("author", "Author"), references::model(model))).collect();
    let (code, display) = if agents.is_empty() { ("author", "Author") } else { ("assembler", "Assembler") };
    let software = terms::participant(code, display);
    agents.push(agent(software, references::software(report)));
    agents
}

fn entities(report: &Report, cards: &[Uuid]) -> Vec<Entity> {
    let entity = |role: &str, what| Entity { role: role.into(), what: Some(what) };
    let card = |id: &Uuid| entity("derivation", references::within("DocumentReference", *id));
    let mut entities: Vec<Entity> = cards.iter().map(card).collect();
    if let Kind::Withdrawn(_, version) = &report.kind {
        entities.push(entity("removal", references::version(version)));
    }
    entities.push(entity("source", references::study(report)));
    let instances = report.study.instances.iter();
    entities.extend(instances.map(|instance| {
        entity("source", references::instance(&instance.sop_instance_uid, &instance.sha256))
    }));
    entities.extend(
        report.record.sources.iter().map(|source| entity("source", references::version_read(source))),
    );
    entities
}
