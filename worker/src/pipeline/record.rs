//! The patient's record of one job: confirmed, read at t0, and assessed with what the networks said.

use std::collections::BTreeSet;
use std::fs;

use dicom_ingest::file::FileBytes;
use dicom_ingest::reader::Reader;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::archive::read_file;
use dicom_ingest::sr::SrReport;
use dicom_ingest::study::Study;
use dicom_ingest::uid::Uid;
use fusion::{AssessInput, HeaderDemographics, ImageScores, Record, RecordError};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Stages;
use super::evidence::Evidence;
use crate::config::Config;
use crate::convert;
use crate::ending::Ending;
use crate::identity::{self, IdentityRefusal};
use crate::job::{RecordSource, Request, SourceFile, hex};
use crate::readings::Reading;

/// How long after the study's start a structured report still counts as its own reading.
const REPORTED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// How far a study may begin after its job was accepted: clocks differ, and so do zones that nobody states.
const BEGINS_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Refuses a study that has not been yet: whoever reads a record at its time would look ahead. `accepted_at` is the job's.
pub(super) fn has_been(accepted_at: &str, evidence: &Evidence) -> Result<(), Ending> {
    let accepted = accepted_at.parse::<Timestamp>().ok();
    let started = evidence.started.as_ref().map(|(started, _)| *started);
    match started.zip(accepted) {
        Some((started, accepted)) if started.duration_since(accepted) > BEGINS_WITHIN => {
            let reason = "the study begins more than a day after it was accepted: its date is wrong, or the clock here";
            Err(Ending::refused(RefusalCode::ImplausibleDate.as_str(), reason))
        }
        _ => Ok(()),
    }
}

/// Reads the record that was offered: it must be readable and surely this patient's. Without t0 nothing is read.
pub(super) fn confirm(request: &Request, study: &Study, evidence: &mut Evidence) -> Result<(), Ending> {
    let refused = |refusal: IdentityRefusal| Ending::refused(refusal.code(), refusal.to_string());
    if evidence.started.is_none() {
        let reason = "the images state no date, so neither report nor record can be dated by them";
        return Err(Ending::refused("NoStudyTime", reason));
    }
    let file = match &request.record {
        RecordSource::NotGiven | RecordSource::NoMatch => return Ok(()),
        RecordSource::Several { .. } => return Err(refused(IdentityRefusal::SeveralRecords)),
        RecordSource::File { file } => file,
    };
    let record = read(file)?;
    let images = convert::person_of_images(&study.identity.patient);
    identity::confirm(&images, &convert::person_of_record(record.patient())).map_err(refused)?;
    evidence.record = Some(record);
    Ok(())
}

fn read(file: &SourceFile) -> Result<Record, Ending> {
    let bytes = fs::read(&file.path)
        .map_err(|_| Ending::refused("RecordUnreadable", "the file of the record could not be read"))?;
    if hex(&Sha256::digest(&bytes)) != file.sha256 {
        return Err(Ending::refused("SourceChanged", "the record was changed after the job was accepted"));
    }
    Record::from_json(&bytes).map_err(|error| match error {
        RecordError::MixedPatients { .. } => Ending::refused(error.code(), error.to_string()),
        _ => {
            Ending::refused("RecordUnreadable", format!("the record is refused ({}): {error}", error.code()))
        }
    })
}

/// Features of the record at t0, and facts of nodules and the prostate from structured reports in the study.
pub(super) fn features(study: &Study, config: &Config, reader: &dyn Reader, evidence: &mut Evidence) {
    let Some((t0, _)) = evidence.started else { return };
    if let Some(record) = &evidence.record {
        evidence.features = Some(fusion::features(record, t0, &config.site_zone));
        evidence.nodules = fusion::nodules(record, t0, &config.site_zone);
        evidence.lesions = fusion::prostate_lesions(record, t0, &config.site_zone);
    }
    let mut reports = Vec::new();
    for file in study.instances.iter().filter(|file| convert::is_report(&file.instance)) {
        let read = read_file(&file.path, reader.limits())
            .ok()
            .map(FileBytes::new)
            .filter(|read| read.sha256() == file.instance.sha256);
        match read.map(|read| reader.report(&read)) {
            Some(Ok(report)) => reports.push(report),
            Some(Err(refusal)) => evidence.warnings.push((refusal.code.as_str().to_owned(), refusal.message)),
            None => evidence
                .warnings
                .push(("UnreadableFile".into(), "a structured report of the study could not be read".into())),
        }
    }
    for report in current(&reports) {
        add(report, t0, config, evidence);
    }
}

/// The reports that no other one of the study takes the place of: an amended report states again what still holds.
fn current(reports: &[SrReport]) -> impl Iterator<Item = &SrReport> {
    let named = reports.iter().flat_map(|report| {
        report.predecessors.iter().filter(move |predecessor| **predecessor != report.sop_instance_uid)
    });
    let replaced: BTreeSet<&Uid> = named.collect();
    reports.iter().filter(move |report| !replaced.contains(&report.sop_instance_uid))
}

/// Takes what a structured report states that was written with the study: it is on the study's images. A report that was
/// written later knows what became known later, and is left out.
fn add(report: &SrReport, t0: Timestamp, config: &Config, evidence: &mut Evidence) {
    if report.is_empty() {
        return;
    }
    let mut warn = |code: &str, text: String| evidence.warnings.push((code.to_owned(), text));
    let written = report.written.as_ref().map(|written| written.instant(&config.site_zone).0);
    if written.is_some_and(|written| written.duration_since(t0) > REPORTED_WITHIN) {
        let text = "a structured report was written more than a day after the study began; what it states is left out";
        return warn("LaterReport", text.to_owned());
    }
    if !report.verified {
        let text = "facts come from a structured report that nobody has verified (0040,A493)";
        warn("UnverifiedReport", text.to_owned());
    }
    for fault in &report.nodule_faults {
        warn(RefusalCode::BadUnit.as_str(), convert::unclear_nodule(*fault).to_owned());
    }
    for fault in &report.prostate.faults {
        warn("UnclearReport", convert::unclear(*fault).to_owned());
    }
    let count = u32::try_from(report.nodules.len()).ok();
    let dated = written.or(Some(t0));
    evidence.nodules.extend(
        report
            .nodules
            .iter()
            .filter_map(|nodule| convert::nodule(nodule, report.sop_instance_uid.as_str(), count, dated)),
    );
    evidence.prostate.push(convert::prostate(report, dated, &config.site_zone));
}

/// The risks, computable or not, from features, nodules and the image's scores; those of the site's own models last.
pub(super) fn assess((stages, reading): (&Stages, &Reading), evidence: &mut Evidence) {
    let Some((t0, _)) = evidence.started else { return };
    let instance = evidence.study.as_deref().zip(evidence.output.as_ref()).and_then(|(study, output)| {
        let read =
            |uid: &str| study.instances.iter().find(|file| file.instance.sop_instance_uid.as_str() == uid);
        read(&output.sop_instance_uid).map(|file| &file.instance)
    });
    // what is not said of the picture is not reckoned with either
    let said = evidence.output.as_ref().filter(|output| !output.is_withheld(reading.bundle.model_card()));
    let image = said.map(|output| ImageScores {
        model: reading.bundle.digest().to_owned(),
        bundle: reading.identity.clone(),
        labels: output.findings.iter().map(|score| (score.label.clone(), score.logit)).collect(),
        view: instance.and_then(|instance| convert::chest_view(convert::view(instance).as_deref())),
        modality: instance.and_then(|instance| instance.modality.clone()).unwrap_or_default(),
    });
    let input = AssessInput {
        t0,
        features: evidence.features.as_ref(),
        nodules: &evidence.nodules,
        prostate: &evidence.prostate,
        lesions: &evidence.lesions,
        image: image.as_ref(),
        header: instance.map(|instance| HeaderDemographics {
            // Completed years, as a record's birth date gives them too.
            age_years: instance.age_years.map(f64::floor),
            sex: convert::binary_sex(instance.patient.sex),
        }),
        late_fusion: stages.late_fusion.as_ref(),
    };
    let (mut risks, lesion) = (fusion::assess(&input), fusion::lesion(&input));
    for own in stages.risk_models.of(&reading.pipeline.id) {
        let risk = own.model.assess(&input, &risks);
        risks.push(risk);
    }
    (evidence.risks, evidence.lesion) = (risks, lesion);
}

#[cfg(test)]
mod tests {
    use dicom_ingest::sr::SrProstate;
    use dicom_ingest::study_time::TimeRule;

    use super::*;

    fn report(uid: &str, predecessors: &[&str]) -> SrReport {
        SrReport {
            sop_instance_uid: uid.parse().unwrap(),
            written: None,
            verified: true,
            predecessors: predecessors.iter().map(|uid| uid.parse().unwrap()).collect(),
            nodules: Vec::new(),
            nodule_faults: Vec::new(),
            prostate: SrProstate::default(),
        }
    }

    #[test]
    fn a_study_that_has_not_been_is_refused() {
        let began = |hours: i64| {
            let accepted: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
            let started = accepted + SignedDuration::from_hours(hours);
            let evidence = Evidence { started: Some((started, TimeRule::SiteZone)), ..Evidence::default() };
            has_been(&accepted.to_string(), &evidence)
        };
        assert_eq!([began(-80_000), began(0), began(24)], [Ok(()), Ok(()), Ok(())]);
        let refused = began(25).unwrap_err();
        assert_eq!(refused.why().code, "ImplausibleDate");
        assert!(crate::ending::is_held(&refused.why().code));
        assert_eq!(
            has_been("2026-01-02T03:04:05Z", &Evidence::default()),
            Ok(()),
            "no date has its own code"
        );
    }

    #[test]
    fn a_report_that_another_one_takes_the_place_of_is_not_read() {
        let reports =
            [report("2.25.1", &[]), report("2.25.2", &["2.25.1", "2.25.9"]), report("2.25.3", &["2.25.3"])];
        let left: Vec<_> = current(&reports).map(|report| report.sop_instance_uid.as_str()).collect();
        assert_eq!(left, ["2.25.2", "2.25.3"], "what names itself has no successor");
    }
}
