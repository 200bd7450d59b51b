//! The full report with text that tries to break out.

use super::sample;
use crate::report::document::*;

/// Text that tries to break out of every field that comes from outside.
const HOSTILE: &str = "\"'><script>alert(1)</script>\0\u{202e}gnp.exe]]>&amp;{{7*7}}\u{1b}[31m\r\n${x}";

/// The full report with hostile text in every field that can hold any.
pub(in crate::report) fn hostile() -> Report {
    let evil = || HOSTILE.to_owned();
    let mut report = sample();
    report.study.accession_number = Some(evil());
    report.study.description = Some(evil());
    report.study.started_text = evil();
    report.study.zone_rule = evil();
    report.study.view = Some(evil());
    report.study.modalities = vec![evil()];
    report.study.study_instance_uid = evil();
    report.study.instances[0].sop_instance_uid = evil();
    report.study.warnings = vec![Warning { code: evil(), text: evil() }];
    report.study.dropped = vec![Dropped { sop_instance_uid: Some(evil()), code: evil(), reason: evil() }];
    report.patient = Patient {
        subject: Subject::Identifier { system: Some(evil()), assigner: Some(evil()), value: evil() },
        name: Some(evil()),
        name_as_stated: Some(evil()),
        issuer: Some(evil()),
        identifier: Some(evil()),
        sex: Some(evil()),
        birth_date: Some(evil()),
        age_years: Some(62),
    };
    hostile_models(&mut report);
    hostile_record(&mut report);
    hostile_risks(&mut report);
    hostile_lesion(&mut report);
    report.missing = vec![Missing { what: evil(), effect: evil() }];
    report.limits = vec![evil()];
    report.software.compute_device = evil();
    report.pipeline.description = evil();
    report.site = Site {
        organization: Some(Organization { name: evil(), reference: Some(evil()), contact: Some(evil()) }),
        endpoint: Some(evil()),
    };
    report
}

fn hostile_models(report: &mut Report) {
    let evil = || HOSTILE.to_owned();
    for model in &mut report.models {
        (model.title, model.version, model.manufacturer) = (evil(), evil(), Some(evil()));
        model.url = Some(evil());
        (model.created, model.card_markdown, model.training_data) = (Some(evil()), evil(), evil());
        (model.calibration, model.applicability, model.limits) = (evil(), evil(), vec![evil()]);
    }
    for finding in &mut report.findings {
        finding.title = evil();
        finding.codings.push(Coding { system: evil(), code: evil(), display: evil() });
    }
    report.findings[0].assessment = Assessment::NotAssessed { reason: evil() };
    if let Some(saliency) = report.picture.as_mut().and_then(|picture| picture.saliency.as_mut()) {
        (saliency.finding, saliency.method) = (evil(), evil());
    }
}

fn hostile_record(report: &mut Report) {
    let evil = || HOSTILE.to_owned();
    for feature in &mut report.record.features {
        (feature.label, feature.unit, feature.date) = (evil(), Some(evil()), Some(evil()));
        (feature.value, feature.source) = (feature.value.as_ref().map(|_| evil()), Some(evil()));
        feature.missing = Some(evil());
        feature.remark = Some(Remark { kind: RemarkKind::Contradicts, text: evil() });
    }
    for source in &mut report.record.sources {
        (source.reference, source.description) = (evil(), evil());
    }
    report.record.excluded = vec![evil()];
}

fn hostile_risks(report: &mut Report) {
    let evil = || HOSTILE.to_owned();
    for risk in &mut report.risks {
        (risk.title, risk.outcome, risk.horizon, risk.population) = (evil(), evil(), evil(), evil());
        (risk.calibration, risk.category, risk.limits) = (evil(), Some(evil()), vec![evil()]);
        risk.missing = vec![evil()];
        risk.method = Method { name: evil(), version: evil(), citation: evil() };
        risk.guidance = Some(Guidance { text: evil(), citation: evil() });
        for input in &mut risk.inputs {
            (input.label, input.value, input.source) = (evil(), evil(), Some(evil()));
        }
        for part in &mut risk.contributions {
            part.label = evil();
        }
        for other in &mut risk.comparators {
            (other.name, other.note, other.category) = (evil(), Some(evil()), Some(evil()));
        }
    }
}

fn hostile_lesion(report: &mut Report) {
    let evil = || HOSTILE.to_owned();
    let coding = || Coding { system: evil(), code: evil(), display: evil() };
    if let Some(lesion) = &mut report.lesion {
        (lesion.title, lesion.site, lesion.kind, lesion.source) =
            (evil(), evil(), Some(evil()), Some(evil()));
        (lesion.finding, lesion.site_coding, lesion.kind_coding) = (coding(), coding(), Some(coding()));
        lesion.diameter_mm = f64::NAN;
    }
}
