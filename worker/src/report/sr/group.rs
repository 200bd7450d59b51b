//! Measurement groups: one a finding and one a risk (TID 1501), one a segment (TID 1410), each with the algorithm that said it (TID 4019).

use dicom_ingest::own::{MANUFACTURER, OVERLAY_CLASS, SEGMENTATION_CLASS};
use dicom_ingest::write::{Elements, VR, tags};
use uuid::Uuid;

use super::codes::{self, Code, dcm, own, sct};
use super::content::{self, Relation, container, instance, probability, text, uid_reference};
use super::tree::images;
use crate::report::document::{
    Assessment, Comparator, Finding, Model, ModelKind, Performer, Report, Risk, RiskValue, Segment,
};
use crate::report::language::{Language, Message};
use crate::report::text::visible;
use crate::report::{ids, overlay, segmentation, wording};

/// The three-way state with the probability, or that it was not assessed and why.
pub(super) fn finding(report: &Report, finding: &Finding) -> Elements {
    let model = report.models.iter().find(|model| model.id == finding.model);
    let mut content = tracking(report, &finding.label);
    content.push(content::code(Relation::Contains, &dcm("121071", "Finding"), &codes::finding(finding)));
    content.extend(site(report));
    content.extend(model.map(algorithm).unwrap_or_default());
    content.extend(sources(report));
    content.extend(explanation(report, finding));
    let certainty = dcm("111012", "Certainty of Finding");
    let presence = |value: &Code| content::code(Relation::Contains, &sct("705057003", "Presence"), value);
    match &finding.assessment {
        Assessment::Assessed { probability: value, presence: state } => {
            content.push(probability(&certainty, Some(*value), &dcm("114009", "Value out of range")));
            content.push(presence(&codes::presence(*state)));
        }
        Assessment::NotAssessed { reason } => {
            content.push(probability(&certainty, None, &dcm("114007", "Measurement not attempted")));
            content.push(presence(&sct("373121007", "Test not done")));
            content.push(text(Relation::Contains, &dcm("121106", "Comment"), reason));
        }
    }
    group(ids::finding(report, finding), content)
}

/// What the model outlines: the segment with its area, or that its size is not known. `None` where no segmentation could be
/// written: a group of TID 1410 is about one.
pub(super) fn segment(report: &Report, index: usize, segment: &Segment) -> Option<Elements> {
    let instance = segmentation::instance_uid(report)?;
    let source = segmentation::source(report)?;
    let model = report.models.iter().find(|model| model.id == segment.model);
    let code = |coding| {
        codes::coded(std::slice::from_ref(coding)).unwrap_or_else(|| own(&segment.label, &segment.title))
    };
    let mut content = tracking(report, &segmentation::tracked(segment));
    content.push(content::code(
        Relation::Contains,
        &sct("276214006", "Finding category"),
        &code(&segment.category),
    ));
    content.push(content::code(Relation::Contains, &dcm("121071", "Finding"), &code(&segment.property)));
    content.extend(model.map(algorithm).unwrap_or_default());
    content.push(content::segment(
        &dcm("121214", "Referenced Segmentation Frame"),
        SEGMENTATION_CLASS,
        &instance,
        segmentation::number(index),
    ));
    content.push(self::instance(
        Relation::Contains,
        "IMAGE",
        Some(&dcm("121233", "Source image for segmentation")),
        &source.sop_class_uid,
        &source.sop_instance_uid,
    ));
    let area = sct("42798000", "Area");
    content.push(match segment.area_mm2.filter(|area| area.is_finite()) {
        Some(value) => content::number(&area, &segmentation::area(value), &codes::square_millimetres()),
        None => content::code(Relation::Contains, &area, &dcm("114010", "Value unknown")),
    });
    if let Some(value) = segment.probability {
        let name = own("mean-probability", "Mean probability of the segment's pixels");
        content.push(probability(&name, Some(value), &dcm("114009", "Value out of range")));
    }
    let words = wording::segment(report.language, segment);
    content.push(text(Relation::Contains, &dcm("121106", "Comment"), &words));
    let name = dcm("125007", "Measurement Group");
    let mut group = container(Relation::Contains, &name, Some("1410"), content);
    group.text(tags::OBSERVATION_UID, VR::UI, &ids::uid(ids::segment(report, segment)));
    Some(group)
}

/// The probability of an outcome, or why there is none.
pub(super) fn risk(report: &Report, risk: &Risk) -> Elements {
    let mut content = tracking(report, &risk.id);
    let outcome = codes::coded(&risk.outcome_codings).unwrap_or_else(|| own(&risk.id, &risk.title));
    content.push(content::code(Relation::Contains, &dcm("121071", "Finding"), &outcome));
    let method = own(&risk.id, &format!("{} {}", risk.method.name, risk.method.version));
    content.push(content::code(Relation::Contains, &sct("370129005", "Measurement Method"), &method));
    let learned = match &risk.performer {
        Performer::Formula => None,
        Performer::Model(id) => report.models.iter().find(|model| &model.id == id),
    };
    content.extend(learned.map_or_else(|| formula(report, risk), algorithm));
    if learned.is_some_and(|model| model.kind != ModelKind::Record) {
        content.extend(sources(report));
    }
    let (value, interval, otherwise) = match &risk.value {
        RiskValue::Computed { probability, interval } => {
            (Some(*probability), interval.as_ref(), dcm("114009", "Value out of range"))
        }
        RiskValue::NotComputable { range, .. } if risk.in_population => {
            (None, range.as_ref(), dcm("114010", "Value unknown"))
        }
        RiskValue::NotComputable { range, .. } => {
            (None, range.as_ref(), dcm("114007", "Measurement not attempted"))
        }
    };
    content.push(probability(&own("risk", "Probability of the outcome"), value, &otherwise));
    if let Some(interval) = interval {
        let unknown = dcm("114010", "Value unknown");
        content.push(probability(&own("risk-low", "Lower bound of the risk"), Some(interval.low), &unknown));
        content.push(probability(
            &own("risk-high", "Upper bound of the risk"),
            Some(interval.high),
            &unknown,
        ));
    }
    if let Some(range) = risk.could_be.as_ref().filter(|_| value.is_some()) {
        let unknown = dcm("114010", "Value unknown");
        let (low, high) = (
            own("could-be-low", "Least risk were it known"),
            own("could-be-high", "Greatest risk were it known"),
        );
        content.push(probability(&low, Some(range.low), &unknown));
        content.push(probability(&high, Some(range.high), &unknown));
    }
    content.extend(beside(report.language, risk));
    content.extend(risk.comparators.iter().map(|other| comparison(report.language, other)));
    let language = report.language;
    let words = wording::risk(language, risk).or_else(|| wording::not_computable(language, risk));
    content.extend(words.map(|words| text(Relation::Contains, &dcm("121106", "Comment"), &words)));
    group(ids::risk(report, risk), content)
}

/// What is missing and what it could change, what the number is made of, and what a guideline suggests: the words of the
/// FHIR resource.
fn beside(language: Language, risk: &Risk) -> Vec<Elements> {
    let missing: Vec<String> = risk.missing.iter().map(|word| language.phrase(&visible(word))).collect();
    let said = [
        ("missing", "What is missing", (!missing.is_empty()).then(|| missing.join(", "))),
        ("could-change", "What that could change", wording::could_change(language, risk)),
        ("contributions", "Contributions to the log odds", wording::contributions(language, risk)),
        ("guidance", "What a guideline suggests", wording::guidance(risk)),
    ];
    let item = |(value, meaning, said): (&str, &str, Option<String>)| {
        said.map(|said| text(Relation::Contains, &own(value, meaning), &said))
    };
    said.into_iter().filter_map(item).collect()
}

/// What another method says: a container of its own, so that its number is not taken for this one's.
fn comparison(language: Language, other: &Comparator) -> Elements {
    let unknown = dcm("114010", "Value unknown");
    let mut content = vec![
        text(Relation::Contains, &dcm("111001", "Algorithm Name"), &other.name),
        probability(&own("compared-risk", "Probability by the other method"), other.probability, &unknown),
    ];
    if other.probability.is_some() {
        let (value, meaning) =
            if other.disagrees { ("disagrees", "Disagrees") } else { ("no-flag", "No disagreement") };
        let name = own("agreement", "Agreement with this method");
        content.push(content::code(Relation::Contains, &name, &own(value, meaning)));
    }
    let said = wording::category(language, other).into_iter().chain(other.note.clone());
    content.extend(said.map(|said| text(Relation::Contains, &dcm("121106", "Comment"), &said)));
    container(Relation::Contains, &own("comparison", "What another method says"), None, content)
}

/// Where in the body, as the images state it.
fn site(report: &Report) -> Option<Elements> {
    let site = codes::coded(std::slice::from_ref(report.study.body_site.as_ref()?))?;
    Some(content::code(Relation::HasConceptModifier, &sct("363698007", "Finding Site"), &site))
}

/// The group has the UID that the FHIR resource of the same thing names.
pub(super) fn group(id: Uuid, content: Vec<Elements>) -> Elements {
    let mut group = container(Relation::Contains, &dcm("125007", "Measurement Group"), Some("1501"), content);
    group.text(tags::OBSERVATION_UID, VR::UI, &ids::uid(id));
    group
}

/// The same through all versions of the report.
pub(super) fn tracking(report: &Report, what: &str) -> Vec<Elements> {
    let context = Relation::HasObservationContext;
    vec![
        text(context, &dcm("112039", "Tracking Identifier"), what),
        uid_reference(
            context,
            &dcm("112040", "Tracking Unique Identifier"),
            &ids::uid(ids::tracked(report, what)),
        ),
    ]
}

/// TID 4019 of a trained model.
pub(super) fn algorithm(model: &Model) -> Vec<Elements> {
    let digest = format!("weights SHA-256 {}", model.digest);
    identification(&model.id, &model.version, model.manufacturer.as_deref(), &digest)
}

/// TID 4019 of a published formula, which the program computes.
fn formula(report: &Report, risk: &Risk) -> Vec<Elements> {
    let method = &risk.method;
    let software = format!("{} {}", report.software.name, report.software.version);
    let software = report.language.say(Message::ComputedBy, &[("program", &software)]);
    let parameters = format!("{}; {software}", method.citation);
    identification(&method.name, &method.version, Some(MANUFACTURER), &parameters)
}

fn identification(name: &str, version: &str, manufacturer: Option<&str>, parameters: &str) -> Vec<Elements> {
    let modifier = Relation::HasConceptModifier;
    let maker = manufacturer.map(|maker| text(modifier, &dcm("122405", "Algorithm Manufacturer"), maker));
    [
        text(modifier, &dcm("111001", "Algorithm Name"), name),
        text(modifier, &dcm("111003", "Algorithm Version"), version),
    ]
    .into_iter()
    .chain(maker)
    .chain([text(modifier, &dcm("111002", "Algorithm Parameters"), parameters)])
    .collect()
}

/// The picture of where the model looked, beside the finding that it is about. TID 1501 can be extended; the concept is the
/// one that TID 1410 and TID 1411 name such a picture by.
fn explanation(report: &Report, finding: &Finding) -> Option<Elements> {
    let instance_uid = overlay::instance_uid(report)?;
    let name = dcm("130401", "Visual Explanation");
    (overlay::explains(report)? == finding.title)
        .then(|| instance(Relation::Contains, "IMAGE", Some(&name), OVERLAY_CLASS, &instance_uid))
}

/// The images that the group rests on.
fn sources(report: &Report) -> Vec<Elements> {
    let name = dcm("121112", "Source of Measurement");
    images(report)
        .map(|image| {
            instance(Relation::Contains, "IMAGE", Some(&name), &image.sop_class_uid, &image.sop_instance_uid)
        })
        .collect()
}
