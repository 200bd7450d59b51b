//! The content tree: TID 1500, Measurement Report.

use dicom_ingest::own::{MANUFACTURER, MODEL};
use dicom_ingest::write::{Elements, VR, tags};

use super::codes::{Code, dcm, own};
use super::content::{self, Relation, container, instance, template, text, uid_reference};
use super::{group, lesion};
use crate::report::dicom::valid;
use crate::report::document::{Instance, Kind, NoResult, Report};
use crate::report::text::sentence;
use crate::report::{ids, wording};

/// Writes the root container into the data set.
pub(super) fn write(elements: &mut Elements, report: &Report) {
    elements
        .text(tags::VALUE_TYPE, VR::CS, "CONTAINER")
        .text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE")
        .sequence(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![dcm("126000", "Imaging Measurement Report").item()])
        .sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template("1500")])
        .sequence(tags::CONTENT_SEQUENCE, root(report));
}

fn root(report: &Report) -> Vec<Elements> {
    let mut content = vec![content::code(
        Relation::HasConceptModifier,
        &dcm("121049", "Language of Content Item and Descendants"),
        &Code::new("RFC5646", report.language.tag(), report.language.name()),
    )];
    content.extend(observer(report));
    content.push(content::code(
        Relation::HasConceptModifier,
        &dcm("121058", "Procedure reported"),
        &Code::new("LN", "18748-4", "Diagnostic imaging study"),
    ));
    content.extend(library(report));
    match &report.kind {
        Kind::Analysis => content.push(measurements(report)),
        Kind::Refused(why) | Kind::Failed(why) | Kind::Withdrawn(why, _) => {
            content.push(without_result(why));
        }
    }
    content.push(text(Relation::Contains, &dcm("121077", "Conclusion"), &conclusion(report)));
    content
}

/// TID 1002 and 1004: the program observed, nobody else.
fn observer(report: &Report) -> Vec<Elements> {
    let context = Relation::HasObservationContext;
    let software = &report.software;
    vec![
        content::code(context, &dcm("121005", "Observer Type"), &dcm("121007", "Device")),
        uid_reference(context, &dcm("121012", "Device Observer UID"), &ids::uid(ids::software(report))),
        text(context, &dcm("121013", "Device Observer Name"), &software.name),
        text(context, &dcm("121014", "Device Observer Manufacturer"), MANUFACTURER),
        text(context, &dcm("121015", "Device Observer Model Name"), MODEL),
        text(context, &dcm("121016", "Device Observer Serial Number"), &software.version),
    ]
}

/// TID 1600: the images that were read. A structured report that facts were taken from is evidence, and no image.
fn library(report: &Report) -> Option<Elements> {
    let mut groups: Vec<(&str, Vec<Elements>)> = Vec::new();
    for image in images(report) {
        let item = instance(Relation::Contains, "IMAGE", None, &image.sop_class_uid, &image.sop_instance_uid);
        match groups.iter_mut().find(|(modality, _)| *modality == image.modality) {
            Some((_, items)) => items.push(item),
            None => groups.push((&image.modality, vec![item])),
        }
    }
    let groups: Vec<Elements> = groups
        .into_iter()
        .map(|(modality, items)| {
            let modality = content::code(
                Relation::HasAcquisitionContext,
                &dcm("121139", "Modality"),
                &self::modality(modality),
            );
            let content = std::iter::once(modality).chain(items).collect();
            container(Relation::Contains, &dcm("126200", "Image Library Group"), None, content)
        })
        .collect();
    let library =
        |groups| container(Relation::Contains, &dcm("111028", "Image Library"), Some("1600"), groups);
    (!groups.is_empty()).then(|| library(groups))
}

/// A modality (CID 29).
fn modality(modality: &str) -> Code {
    match modality {
        "CR" => dcm("CR", "Computed Radiography"),
        "DX" => dcm("DX", "Digital Radiography"),
        "CT" => dcm("CT", "Computed Tomography"),
        other => own(other, "modality of the image"),
    }
}

/// The images among the instances that were read.
pub(super) fn images(report: &Report) -> impl Iterator<Item = &Instance> {
    valid(&report.study.instances).filter(|instance| instance.modality != "SR")
}

/// Findings, segments, the index lesion and risks, each a measurement group.
fn measurements(report: &Report) -> Elements {
    let findings = report.findings.iter().map(|finding| group::finding(report, finding));
    let segments = report.segments.iter().enumerate();
    let segments = segments.filter_map(|(index, segment)| group::segment(report, index, segment));
    let risks = report.risks.iter().map(|risk| group::risk(report, risk));
    let lesion = report.lesion.iter().map(|one| lesion::lesion(report, one));
    let content = findings.chain(segments).chain(lesion).chain(risks).collect();
    container(Relation::Contains, &dcm("126010", "Imaging Measurements"), None, content)
}

/// What a reader finds in place of measurements: that nothing was looked for, and why.
fn without_result(why: &NoResult) -> Elements {
    let content = vec![
        content::code(
            Relation::Contains,
            &dcm("111017", "CAD Processing and Findings Summary"),
            &dcm("111245", "No algorithms succeeded; without findings"),
        ),
        text(Relation::Contains, &own("no-result-code", "Code of the reason without a result"), &why.code),
        text(Relation::Contains, &dcm("121106", "Comment"), &sentence(&why.reason)),
    ];
    let name = Code::new("UMLS", "C0034375", "Qualitative Evaluations");
    container(Relation::Contains, &name, None, content)
}

/// The same words as the FHIR conclusion.
fn conclusion(report: &Report) -> String {
    wording::conclusion(report).join(" ")
}
