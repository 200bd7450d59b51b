//! The images and the person of a report, as the study states them.

use dicom_ingest::instance::Instance;
use dicom_ingest::study::{DropReason, Study};
use dicom_ingest::study_time::TimeRule;
use jiff::Timestamp;

use super::Parts;
use crate::convert;
use crate::job::hex;
use crate::pipeline::output::{ModelOutput, Note};
use crate::report::document as doc;

/// The images: what was read, what was not, and when they were made.
pub(super) fn study(parts: &Parts<'_>) -> doc::Study {
    let output = parts.evidence.output.as_ref();
    let study = parts.evidence.study.as_deref();
    let read: Vec<&Instance> = study.map(|study| read(study, output)).unwrap_or_default();
    let first = read
        .first()
        .copied()
        .or_else(|| study.and_then(|study| study.instances.first()).map(|file| &file.instance));
    let mut modalities: Vec<String> = read.iter().filter_map(|instance| instance.modality.clone()).collect();
    modalities.sort();
    modalities.dedup();
    doc::Study {
        study_instance_uid: parts.job.study_uid.clone(),
        accession_number: first
            .and_then(|one| one.accession_number.as_ref())
            .map(|number| number.expose().clone()),
        started: parts.evidence.started.map(|(started, _)| started),
        started_text: started_text(study),
        local_start: study.and_then(|study| study.started.as_ref()).map(|start| (start.date, start.time)),
        zone_rule: zone_rule(parts.evidence.started, &parts.config.site_zone_name),
        modalities,
        description: first.and_then(|one| one.study_description.as_ref()).map(|text| text.expose().clone()),
        view: output.and(first).map(view),
        body_site: output.and(first).and_then(body_site),
        instances: read.iter().map(|instance| used(instance)).collect(),
        dropped: dropped(study, output),
        warnings: warnings(parts, output),
    }
}

/// The image that was scored, and structured reports that nodule facts were taken from.
fn read<'a>(study: &'a Study, output: Option<&ModelOutput>) -> Vec<&'a Instance> {
    let scored = |instance: &Instance| {
        output.is_some_and(|output| output.sop_instance_uid == instance.sop_instance_uid.as_str())
    };
    study
        .instances
        .iter()
        .map(|file| &file.instance)
        .filter(|one| scored(one) || convert::is_report(one))
        .collect()
}

fn used(instance: &Instance) -> doc::Instance {
    doc::Instance {
        series_instance_uid: instance.series_uid.to_string(),
        modality: instance.modality.clone().unwrap_or_default(),
        sop_class_uid: instance.sop_class_uid.to_string(),
        sop_instance_uid: instance.sop_instance_uid.to_string(),
        sha256: hex(&instance.sha256),
    }
}

fn view(instance: &Instance) -> String {
    let part =
        instance.stated_body_part().map_or_else(|| "body part not stated".into(), |part| part.to_lowercase());
    let view =
        convert::view(instance).map_or_else(|| "view not stated".into(), |view| format!("{view} view"));
    format!("{part}, {view}")
}

/// Body Part Examined as SNOMED CT has it (PS3.16 Annex L, Table L-1).
fn body_site(instance: &Instance) -> Option<doc::Coding> {
    let (code, display) = match instance.stated_body_part()?.as_str() {
        "CHEST" => ("51185008", "Thoracic structure"),
        "LUNG" => ("39607008", "Lung structure"),
        _ => return None,
    };
    Some(doc::Coding { system: "http://snomed.info/sct".into(), code: code.into(), display: display.into() })
}

fn dropped(study: Option<&Study>, output: Option<&ModelOutput>) -> Vec<doc::Dropped> {
    let of_study = study.into_iter().flat_map(|study| &study.dropped).map(|dropped| match &dropped.reason {
        DropReason::Duplicate => doc::Dropped {
            sop_instance_uid: None,
            code: "Duplicate".into(),
            reason: "the same instance with the same bytes is in the study already".into(),
        },
        DropReason::Refused(refusal) => doc::Dropped {
            sop_instance_uid: None,
            code: refusal.code.as_str().to_owned(),
            reason: refusal.message.clone(),
        },
    });
    let of_images = output.into_iter().flat_map(|output| &output.dropped).map(|note| doc::Dropped {
        sop_instance_uid: note.sop_instance_uid.clone(),
        code: note.code.clone(),
        reason: note.text.clone(),
    });
    of_study.chain(of_images).collect()
}

fn warnings(parts: &Parts<'_>, output: Option<&ModelOutput>) -> Vec<doc::Warning> {
    let warning = |code: &str, text: &str| doc::Warning { code: code.to_owned(), text: text.to_owned() };
    let of_study = parts.evidence.study.iter().flat_map(|study| &study.warnings);
    let mut warnings: Vec<doc::Warning> = Vec::new();
    let of_run = parts.evidence.warnings.iter();
    let of_image = output.into_iter().flat_map(|output| &output.warnings);
    let all = of_study
        .map(|one| warning(one.code.as_str(), &one.message))
        .chain(of_run.map(|(code, text)| warning(code, text)))
        .chain(of_image.map(|Note { code, text, .. }| warning(code, text)));
    for one in all {
        // what the headers of the study say, the image that was read says again
        if !warnings.contains(&one) {
            warnings.push(one);
        }
    }
    warnings
}

fn started_text(study: Option<&Study>) -> String {
    let Some(started) = study.and_then(|study| study.started.as_ref()) else {
        return "not stated".into();
    };
    match started.time {
        Some(time) => format!("{} {:02}:{:02}", started.date, time.hour(), time.minute()),
        None => started.date.to_string(),
    }
}

fn zone_rule(started: Option<(Timestamp, TimeRule)>, site_zone: &str) -> String {
    match started {
        None => "the images state no date".into(),
        Some((_, TimeRule::DicomOffset)) => "the images' own offset from UTC (0008,0201)".into(),
        Some((_, TimeRule::SiteZone)) => {
            format!("site zone {site_zone}; the images state no offset (0008,0201)")
        }
    }
}

/// The person: the record's reference where it was confirmed, else the images' own identifier.
pub(super) fn patient(parts: &Parts<'_>) -> doc::Patient {
    let stated = parts.evidence.study.as_deref().map(|study| &study.identity.patient);
    let id = stated.and_then(|stated| stated.id.as_ref()).map(|id| id.expose().clone());
    let subject = match (&parts.evidence.record, &id) {
        (Some(record), _) => doc::Subject::Reference(record.patient().reference.clone()),
        (None, Some(value)) => doc::Subject::Identifier {
            system: parts.config.patient_id_system.clone(),
            assigner: stated.and_then(|stated| stated.issuer.clone()),
            value: value.clone(),
        },
        (None, None) => doc::Subject::Unidentified,
    };
    doc::Patient { age_years: age_years(parts), ..convert::patient(stated, subject) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age is between 0 and 150")]
fn age_years(parts: &Parts<'_>) -> Option<u32> {
    let study = parts.evidence.study.as_deref()?;
    study.instances.iter().find_map(|file| file.instance.age_years).map(|age| age as u32)
}
