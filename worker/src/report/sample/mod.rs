//! Reports for the tests: a full one, and what can be told apart from it. All of it is invented.

mod hostile;
mod outlined;
mod risks;

use image::{GrayImage, ImageFormat, Luma, Rgba, RgbaImage};

use crate::report::Language;
use crate::report::document::*;

pub(super) use hostile::hostile;
pub(super) use outlined::outlined;
pub(crate) use outlined::segmented;
use risks::{brock, intensive_care, mayo};

/// A radiograph with a matched record, computed and not computable risks.
pub(crate) fn sample() -> Report {
    Report {
        language: Language::English,
        states_confidence: true,
        makes_overlay: true,
        keys: Keys { report: "5f2b8c".repeat(10), job: "a91e04".repeat(10) },
        kind: Kind::Analysis,
        issued: "2020-03-14T10:02:11Z".parse().expect("a timestamp"),
        site: Site::default(),
        software: Software {
            name: "Chiasm".into(),
            version: "0.1.0".into(),
            compute_device: "CPU (flex)".into(),
        },
        pipeline: Pipeline {
            id: "chest-radiograph".into(),
            version: "1".into(),
            description: "Reads one frontal chest radiograph of a human and says fourteen findings; joins them with what \
                          the record said at the time of the study"
                .into(),
        },
        study: study(),
        patient: Patient {
            subject: Subject::Reference("Patient/p-4711".into()),
            name: Some("Public, Jane Q.".into()),
            name_as_stated: Some("Public^Jane^Q.".into()),
            issuer: Some("General Hospital".into()),
            identifier: Some("4711".into()),
            sex: Some("female".into()),
            birth_date: Some("1957-06-02".into()),
            age_years: Some(62),
        },
        models: vec![image_model(), fusion_model()],
        findings: findings(),
        segments: Vec::new(),
        picture: Some(picture()),
        record: record(),
        lesion: Some(lesion()),
        risks: vec![brock(), intensive_care(), mayo()],
        missing: vec![
            Missing {
                what: "No lactate dehydrogenase in the record".into(),
                effect: "the learned model uses its missing term; the interval is wider".into(),
            },
            Missing {
                what: "Whether the patient ever smoked is not recorded".into(),
                effect: "Mayo could be 3.0 to 6.5 %, so it is not stated".into(),
            },
        ],
        limits: vec![
            "The image model was trained on 412 patients of one hospital; it is weaker than published models"
                .into(),
            "Nodules were not looked for in the picture; nodule risks rest on what the record states".into(),
        ],
    }
}

/// A radiograph without any record.
pub(super) fn image_only() -> Report {
    let mut report = sample();
    report.patient.subject =
        Subject::Identifier { system: None, assigner: Some("General Hospital".into()), value: "4711".into() };
    report.record = Record {
        state: RecordState::NoMatch,
        features: Vec::new(),
        sources: Vec::new(),
        excluded: Vec::new(),
    };
    report.lesion = None;
    report.risks = vec![mayo()];
    report.models.truncate(1);
    report
}

/// A radiograph that is unlike those that the model knows, at a site that says who it is, with resources in their versions.
pub(crate) fn outside() -> Report {
    let mut report = sample();
    let reason = "the picture is unlike those that the model was trained on";
    for finding in &mut report.findings {
        finding.assessment = Assessment::NotAssessed { reason: reason.into() };
    }
    report.study.warnings = vec![Warning {
        code: "OutOfDistribution".into(),
        text: format!("{reason}: its findings are not said"),
    }];
    if let Some(picture) = &mut report.picture {
        picture.saliency = None;
    }
    report.models[0].manufacturer = None;
    report.models[0].url = Some("https://hospital.example.org/models/narrow".into());
    report.site = Site {
        organization: Some(Organization {
            name: "General Hospital, Radiology".into(),
            reference: Some("Organization/radiology".into()),
            contact: Some("mailto:ai@hospital.example.org".into()),
        }),
        endpoint: Some("Endpoint/wado-rs".into()),
    };
    for source in &mut report.record.sources {
        source.version = Some("3".into());
        if source.reference.starts_with("urn:uuid:") {
            source.resource_type = String::new();
        }
    }
    report
}

/// A study that the pipeline does not read.
pub(crate) fn refused() -> Report {
    let mut report = image_only();
    report.kind = Kind::Refused(NoResult {
        code: "NotApplicable".into(),
        reason: "The study holds a CT series, and this pipeline reads frontal chest radiographs".into(),
        next_step: "Send the study to a pipeline for CT, or read it without AI".into(),
    });
    report.findings.clear();
    report.risks.clear();
    report.models.clear();
    report.picture = None;
    report.missing.clear();
    report
}

/// A study whose analysis broke, with images that state neither a time nor a person.
pub(super) fn failed() -> Report {
    let mut report = refused();
    report.kind = Kind::Failed(NoResult {
        code: "DeviceLost".into(),
        reason: "The device was lost while the study was scored".into(),
        next_step: "Analyse the study again; if it fails twice, look at the machine".into(),
    });
    report.study.started = None;
    report.study.local_start = None;
    report.study.started_text = "not stated".into();
    report.patient.subject = Subject::Unidentified;
    report
}

/// A nodule that grew between two examinations.
fn lesion() -> Lesion {
    let coding = |system: &str, code: &str, display: &str| Coding {
        system: system.into(),
        code: code.into(),
        display: display.into(),
    };
    let snomed = |code: &str, display: &str| coding("http://snomed.info/sct", code, display);
    Lesion {
        title: "Lung nodule".into(),
        finding: snomed("427359005", "Solitary nodule of lung"),
        site: "right upper lobe".into(),
        site_coding: snomed("42400003", "Structure of upper lobe of right lung"),
        kind: Some("solid".into()),
        kind_coding: Some(coding("https://radelement.org", "RDE1301.0", "solid")),
        spiculated: Some(true),
        diameter_mm: 12.0,
        seen: Some("2019-11-30T10:00:00Z".parse().expect("a timestamp")),
        count: Some(1),
        source: Some("Observation/nod-1".into()),
        outlined: None,
        earlier: Some(EarlierLesion {
            diameter_mm: 10.5,
            seen: Some("2019-05-30T10:00:00Z".parse().expect("a timestamp")),
            source: Some("Observation/nod-0".into()),
            difference_mm: 1.5,
            growth: Some(LesionGrowth::Doubles { days: 318.4 }),
        }),
    }
}

fn study() -> Study {
    Study {
        study_instance_uid: "1.2.826.0.1.3680043.8.498.12345".into(),
        accession_number: Some("ACC-20200314-7".into()),
        started: Some("2020-03-14T09:30:00Z".parse().expect("a timestamp")),
        started_text: "2020-03-14 09:30".into(),
        local_start: Some((jiff::civil::date(2020, 3, 14), Some(jiff::civil::time(10, 30, 0, 0)))),
        zone_rule: "site zone UTC; the images state no offset".into(),
        modalities: vec!["DX".into()],
        description: Some("Thorax a.-p.".into()),
        view: Some("chest, AP view".into()),
        body_site: Some(Coding {
            system: "http://snomed.info/sct".into(),
            code: "51185008".into(),
            display: "Thoracic structure".into(),
        }),
        instances: vec![Instance {
            series_instance_uid: "1.2.826.0.1.3680043.8.498.12345.1".into(),
            modality: "DX".into(),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".into(),
            sop_instance_uid: "1.2.826.0.1.3680043.8.498.12345.1.1".into(),
            sha256: "9c".repeat(32),
        }],
        dropped: vec![Dropped {
            sop_instance_uid: Some("1.2.826.0.1.3680043.8.498.12345.2.1".into()),
            code: "LateralView".into(),
            reason: "a lateral view, which the model does not read".into(),
        }],
        warnings: Vec::new(),
    }
}

fn image_model() -> Model {
    let bins = [(0.03, 0.02), (0.08, 0.1), (0.15, 0.13), (0.26, 0.3), (0.42, 0.38), (0.66, 0.6)];
    Model {
        id: "cxr-findings".into(),
        version: "1.0.0".into(),
        title: "Chest radiograph findings".into(),
        kind: ModelKind::Image,
        digest: "3d".repeat(32),
        manufacturer: Some("Chiasm project".into()),
        url: None,
        created: Some("2026-11-20".into()),
        card_markdown: "# Chest radiograph findings\n\nResearch only.\n".into(),
        training_data: "412 patients of ChestX-ray14 (NIH Clinical Center), labels mined from reports".into(),
        calibration: "temperature and bias per finding, cross-fitted inside the 412 training patients".into(),
        calibration_points: bins
            .map(|(predicted, observed)| CalibrationPoint { predicted, observed, cases: 60 })
            .to_vec(),
        applicability: "Frontal chest radiographs (CR, DX) of patients aged 4 to 90".into(),
        limits: vec![
            "Nodule, pneumonia and infiltration are near chance".into(),
            "Trained on pictures of one hospital; not checked elsewhere".into(),
        ],
    }
}

fn fusion_model() -> Model {
    Model {
        id: "icu-at-exam".into(),
        version: "1.0.0".into(),
        title: "Intensive care at the time of the exam".into(),
        kind: ModelKind::Fusion,
        digest: "7e".repeat(32),
        manufacturer: Some("Chiasm project".into()),
        url: None,
        created: Some("2026-11-20".into()),
        card_markdown: "# Intensive care at the time of the exam\n\nA demonstration.\n".into(),
        training_data: "188 radiographs of 56 in-patients with COVID-19 (Hannover Medical School)".into(),
        calibration: "Platt scaling, cross-fitted by patient".into(),
        calibration_points: Vec::new(),
        applicability: "Adults in hospital with COVID-19".into(),
        limits: vec!["Most of what it knows is the view: no PA exam was taken in intensive care".into()],
    }
}

fn findings() -> Vec<Finding> {
    let rows: [(&str, &str, &str, f64, Presence, f64); 8] = [
        ("Cardiomegaly", "Cardiomegaly", "8186001", 0.71, Presence::Present, 0.84),
        ("Effusion", "Pleural effusion", "60046008", 0.64, Presence::Present, 0.81),
        ("Infiltration", "Infiltration", "409609008", 0.31, Presence::Indeterminate, 0.58),
        ("Atelectasis", "Atelectasis", "46621007", 0.22, Presence::Indeterminate, 0.7),
        ("Pleural_Thickening", "Pleural thickening", "80313002", 0.06, Presence::Absent, 0.68),
        ("Nodule", "Nodule", "427359005", 0.07, Presence::Absent, 0.55),
        ("Pneumothorax", "Pneumothorax", "36118008", 0.02, Presence::Absent, 0.77),
        ("Hernia", "Hiatal hernia", "84089009", 0.0004, Presence::Absent, 0.62),
    ];
    let finding =
        |(label, title, snomed, probability, presence, auroc): (&str, &str, &str, f64, Presence, f64)| {
            Finding {
                label: label.into(),
                title: title.into(),
                codings: vec![Coding {
                    system: "http://snomed.info/sct".into(),
                    code: snomed.into(),
                    display: title.into(),
                }],
                model: "cxr-findings".into(),
                assessment: Assessment::Assessed { probability, presence },
                thresholds: Thresholds { absent_below: 0.18, present_from: 0.45 },
                performance: Some(Performance {
                    auroc,
                    low: auroc - 0.09,
                    high: auroc + 0.08,
                    cases: 95,
                    positives: 17,
                }),
                base_rate: Some(0.12),
            }
        };
    rows.into_iter().map(finding).collect()
}

fn record() -> Record {
    let known = |label: &str, value: &str, unit: &str, date: &str, days: f64, source: &str| Feature {
        label: label.into(),
        value: Some(value.into()),
        unit: (!unit.is_empty()).then(|| unit.into()),
        date: Some(date.into()),
        age_days: Some(days),
        source: Some(source.into()),
        remark: None,
        missing: None,
    };
    let missing = |label: &str, why: &str| Feature {
        label: label.into(),
        value: None,
        unit: None,
        date: None,
        age_days: None,
        source: None,
        remark: None,
        missing: Some(why.into()),
    };
    let source = |reference: &str, kind: &str, description: &str| Source {
        reference: reference.into(),
        resource_type: kind.into(),
        version: None,
        description: description.into(),
    };
    Record {
        state: RecordState::Matched,
        features: vec![
            known("C-reactive protein", "184", "mg/L", "2020-03-14T06:10", 0.139, "Observation/crp-9"),
            known("Lymphocytes", "0.71", "10*9/L", "2020-03-13", 1.2, "Observation/lym-2"),
            known("Nodule, longest diameter", "12", "mm", "2019-11-30", 105.0, "Observation/nod-1"),
            known("Emphysema", "yes", "", "2016-05-02", 1411.0, "Condition/c-3"),
            known("COVID-19", "yes", "", "2020-03-11", 3.0, "Condition/c-9"),
            missing("Lactate dehydrogenase", "dated after the exam"),
            missing("Ever smoked", "not in the record"),
        ],
        sources: vec![
            source("Patient/p-4711", "Patient", "birth date and sex"),
            source("Observation/crp-9", "Observation", "C-reactive protein"),
            source("Observation/lym-2", "Observation", "lymphocytes"),
            source("urn:uuid:0f2d7f4e-7cf3-4b5e-9d0c-0a1f5c1f2b3a", "Condition", "emphysema"),
            source("Observation/nod-1", "Observation", "nodule"),
        ],
        excluded: vec!["7 values dated after the exam".into(), "2 resources without a date".into()],
    }
}

fn picture() -> Picture {
    let (width, height) = (384, 384);
    let radiograph = GrayImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) - 192.0, f64::from(y) - 200.0);
        let lung = |centre: f64| ((x - centre) / 70.0).powi(2) + (y / 135.0).powi(2) < 1.0;
        let heart = ((x - 22.0) / 62.0).powi(2) + ((y - 60.0) / 62.0).powi(2) < 1.0;
        let rib = (y + 0.3 * x.abs()).rem_euclid(34.0) < 7.0;
        let grey = match (heart, lung(-88.0) || lung(88.0)) {
            (true, _) => 205,
            (false, true) => 52 + 34 * u8::from(rib),
            (false, false) => 150 + 18 * u8::from(rib),
        };
        Luma([grey])
    });
    let overlay = RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (i32::try_from(x).unwrap_or(0) - 214, i32::try_from(y).unwrap_or(0) - 260);
        Rgba([255, 120, 40, u8::try_from(150 - (x * x + y * y) / 50).unwrap_or(0)])
    });
    Picture {
        sop_instance_uid: "1.2.826.0.1.3680043.8.498.12345.1.1".into(),
        orientation: vec!["L".into(), "F".into()],
        laterality: None,
        is_lossy: false,
        png: png(|bytes| radiograph.write_to(bytes, ImageFormat::Png)),
        width,
        height,
        saliency: Some(Saliency {
            shows: Shows::WhereItLooked,
            finding: "Cardiomegaly".into(),
            method: "occlusion".into(),
            png: png(|bytes| overlay.write_to(bytes, ImageFormat::Png)),
        }),
    }
}

fn png(write: impl FnOnce(&mut std::io::Cursor<Vec<u8>>) -> image::ImageResult<()>) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    write(&mut bytes).expect("a PNG");
    bytes.into_inner()
}
