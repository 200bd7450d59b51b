//! The ImagingStudy, as far as it was read.

use super::datatypes::{Coding, Identifier, Instant, Narrative, Reference, Text, Token, elements};
use super::{references, terms};
use crate::report::document::{Instance, Report};
use crate::report::language::Message;
use crate::report::text::{is_uid, visible};

elements! {
    /// <http://hl7.org/fhir/R4/imagingstudy.html>
    ImagingStudy {
        id: Token, language: Token, text: Option<Narrative>, identifier: Vec<Identifier>, status: Token, modality: Vec<Coding>, subject: Option<Reference>,
        started: Option<Instant>, based_on: Vec<Reference>, endpoint: Vec<Reference>, description: Text, series: Vec<Series>,
    }
    /// <http://hl7.org/fhir/R4/imagingstudy-definitions.html#ImagingStudy.series>
    Series { uid: Token, modality: Option<Coding>, instance: Vec<SopInstance>, }
    /// <http://hl7.org/fhir/R4/imagingstudy-definitions.html#ImagingStudy.series.instance>
    SopInstance { uid: Token, sop_class: Option<Coding>, }
}

/// Lists the instances that were read. Their number in the archive is not known, so it is not said.
pub(super) fn imaging_study(report: &Report) -> ImagingStudy {
    let study = &report.study;
    ImagingStudy {
        id: references::imaging_study(report).to_string().into(),
        language: report.language.tag().into(),
        text: Narrative::paragraphs(report.language, &[narrative(report)]),
        identifier: vec![Identifier::new(terms::DICOM_UID, &format!("urn:oid:{}", study.study_instance_uid))],
        status: "available".into(),
        modality: study.modalities.iter().map(|modality| Coding::new(terms::DCM, modality, "")).collect(),
        subject: Some(references::subject(report)),
        started: study.started.map(Instant),
        based_on: references::order(report),
        endpoint: references::endpoint(report),
        description: study.description.as_deref().unwrap_or_default().into(),
        series: series(&study.instances),
    }
}

fn narrative(report: &Report) -> String {
    report.language.say(Message::StudyAsRead, &[("study", &visible(&report.study.study_instance_uid))])
}

fn series(instances: &[Instance]) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    let mut uids: Vec<&str> = Vec::new();
    let valid = |instance: &&Instance| {
        is_uid(&instance.series_instance_uid)
            && is_uid(&instance.sop_instance_uid)
            && is_uid(&instance.sop_class_uid)
    };
    for instance in instances.iter().filter(valid) {
        let sop_instance = SopInstance {
            uid: instance.sop_instance_uid.as_str().into(),
            sop_class: Some(Coding::new(terms::URI, &format!("urn:oid:{}", instance.sop_class_uid), "")),
        };
        if let Some(known) = uids.iter().position(|uid| *uid == instance.series_instance_uid) {
            series[known].instance.push(sop_instance);
        } else {
            uids.push(&instance.series_instance_uid);
            series.push(Series {
                uid: instance.series_instance_uid.as_str().into(),
                modality: Some(Coding::new(terms::DCM, &instance.modality, "")),
                instance: vec![sop_instance],
            });
        }
    }
    series
}
