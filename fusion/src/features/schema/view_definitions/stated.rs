//! Views of what somebody states of a patient beside measured values and diagnoses: procedures, examinations, scales, nodules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::{DICOM, RADLEX, SNOMED, Schema, Stated, Token};
use super::{CODING, USABLE, column, each, of_patient, of_system};
use crate::nodule::{NODULE_ELEMENTS, NODULE_RADLEX, NODULE_SIZES, NODULE_SNOMED, RADELEMENT};

/// Codes of a list of procedures or examinations.
fn codes(stated: &[Stated]) -> String {
    let all: Vec<&str> = stated.iter().flat_map(|one| one.snomed.iter().map(String::as_str)).collect();
    of_system(SNOMED, &all)
}

pub(super) fn procedure(schema: &Schema) -> Value {
    let columns = [
        ("status", "status", "code"),
        ("performed", "performed.ofType(dateTime)", "dateTime"),
        ("performed_start", "performed.ofType(Period).start", "dateTime"),
        ("performed_end", "performed.ofType(Period).end", "dateTime"),
    ];
    let own = schema.procedures.iter().flat_map(|one| one.snomed.iter().map(String::as_str));
    let imaging = imaging_tokens(schema).filter(|token| token.system == SNOMED);
    let asked: Vec<&str> = own.chain(imaging.map(|token| token.code.as_str())).collect();
    let coding = each("forEach", &format!("code.coding.where({})", of_system(SNOMED, &asked)), &CODING);
    let done = "status = 'completed'".to_owned();
    of_patient(
        schema,
        "Procedure",
        "procedure",
        "What was done, one row a code.",
        (&columns, &coding),
        &[done],
    )
}

/// Every code of earlier imaging.
fn imaging_tokens(schema: &Schema) -> impl Iterator<Item = &Token> {
    schema.prior_imaging.iter().flat_map(|one| &one.codes)
}

/// Reports of imaging, by category or code.
pub(super) fn imaging_report(schema: &Schema) -> Value {
    let mut by_system: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for token in imaging_tokens(schema) {
        by_system.entry(token.system).or_default().push(&token.code);
    }
    let asked: Vec<String> = by_system.iter().map(|(system, codes)| of_system(system, codes)).collect();
    let asked = asked.join(" or ");
    let columns = [
        ("status", "status", "code"),
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("effective_start", "effective.ofType(Period).start", "dateTime"),
        ("effective_end", "effective.ofType(Period).end", "dateTime"),
        ("category", "category.coding.code.first()", "code"),
    ];
    of_patient(
        schema,
        "DiagnosticReport",
        "imaging_report",
        "Reports of imaging, one row a code; which of several examinations of a day are one is the reader's.",
        (&columns, &each("forEachOrNull", "code.coding", &CODING)),
        &[
            format!("({USABLE} or status = 'appended')"),
            format!("category.coding.where({asked}).exists() or code.coding.where({asked}).exists()"),
        ],
    )
}

/// What Observations say of procedures and examinations.
pub(super) fn examination(schema: &Schema) -> Value {
    let columns = [
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("truth", "value.ofType(boolean)", "boolean"),
        ("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
        ("interpretation", "interpretation.coding.code.first()", "code"),
    ];
    let asked = [codes(&schema.procedures), codes(&schema.examinations)].join(" or ");
    let coding = each("forEach", &format!("code.coding.where({asked})"), &CODING);
    of_patient(
        schema,
        "Observation",
        "examination",
        "Examinations, normal or abnormal, and procedures as Observations state them, one row a code.",
        (&columns, &coding),
        &[USABLE.to_owned()],
    )
}

/// Observations that answer whether there is a disease, now or in the family, and how long somebody went to school.
pub(super) fn answer(schema: &Schema) -> Value {
    let lists = schema.diseases.iter().flat_map(|one| [&one.whole, &one.part, &one.wider]);
    let histories = schema.families.iter().flat_map(|one| [&one.history, &one.no_history]);
    let all: BTreeSet<&str> =
        lists.chain(histories.clone()).flat_map(|list| list.snomed.iter().map(String::as_str)).collect();
    let all: Vec<&str> = all.into_iter().collect();
    let education = schema.education.codes.iter().map(|token| of_system(token.system, &[&token.code]));
    let asked: Vec<String> = [of_system(SNOMED, &all)].into_iter().chain(education).collect();
    let of_family = |system: &str, codes: Vec<&str>| of_system(system, &codes);
    let snomed = histories.clone().flat_map(|list| list.snomed.iter().map(String::as_str)).collect();
    let dicom = histories.flat_map(|list| list.dicom.iter().map(String::as_str)).collect();
    let family = [of_family(SNOMED, snomed), of_family(DICOM, dicom)].join(" or ");
    let columns = [
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("truth", "value.ofType(boolean)", "boolean"),
        ("answer_system", "value.ofType(CodeableConcept).coding.system.first()", "uri"),
        ("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
    ];
    let asked = asked.join(" or ");
    let filter = format!(
        "code.coding.where({asked}).exists() or value.ofType(CodeableConcept).coding.where({family}).exists()"
    );
    of_patient(
        schema,
        "Observation",
        "answer",
        "What Observations answer of diseases, the family's diseases and education, one row a code.",
        (&columns, &each("forEachOrNull", "code.coding", &CODING)),
        &[format!("({USABLE})"), filter],
    )
}

/// What readers of images assigned on a scale, with the site that tells a lesion of the prostate from the whole gland.
pub(super) fn scale(schema: &Schema) -> Value {
    let mut asked = Vec::new();
    for scale in &schema.scales {
        let answers: Vec<&str> =
            scale.values.iter().flat_map(|one| one.radlex.iter().map(String::as_str)).collect();
        let systems = RADLEX.iter().filter(|_| !answers.is_empty()).map(|system| of_system(system, &answers));
        let systems: Vec<String> = systems.collect();
        if !systems.is_empty() {
            let coding = format!("value.ofType(CodeableConcept).coding.where({})", systems.join(" or "));
            asked.push(format!("{coding}.exists()"));
        }
        for text in &scale.texts {
            asked.push(format!("code.text.lower() = '{text}'"));
            asked.push(format!("code.coding.where(display.lower() = '{text}').exists()"));
        }
    }
    let columns = [
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("code_text", "code.text", "string"),
        ("code_display", "code.coding.display.first()", "string"),
        ("integer", "value.ofType(integer)", "integer"),
        ("value", "value.ofType(Quantity).value", "decimal"),
        ("text", "value.ofType(string)", "string"),
        ("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
        ("answer_display", "value.ofType(CodeableConcept).coding.display.first()", "string"),
    ];
    of_patient(
        schema,
        "Observation",
        "scale",
        "Categories on a scale, one row a coding of the site; a component of the site is in the view of nodules. \
         The filter needs FHIRPath's lower().",
        (&columns, &site()),
        &[format!("({USABLE})"), asked.join(" or ")],
    )
}

/// Nodules of the lung, one row a component.
pub(super) fn nodule(schema: &Schema) -> Value {
    let mut systems: Vec<String> = vec![of_system(SNOMED, &NODULE_SNOMED)];
    systems.extend(RADLEX.iter().map(|system| of_system(system, &NODULE_RADLEX)));
    systems.extend(RADELEMENT.iter().map(|system| of_system(system, &NODULE_ELEMENTS)));
    systems.extend(NODULE_SIZES.iter().map(|(system, codes)| of_system(system, codes)));
    let coding = format!("coding.where({})", systems.join(" or "));
    let asked = format!(
        "code.{coding}.exists() or value.ofType(CodeableConcept).{coding}.exists() or code.coding.empty()"
    );
    let columns = [
        ("issued", "issued", "instant"),
        ("effective", "effective.ofType(dateTime)", "dateTime"),
        ("code", "code.coding.code.first()", "code"),
        ("code_text", "code.text", "string"),
        ("truth", "value.ofType(boolean)", "boolean"),
        ("answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
        ("value", "value.ofType(Quantity).value", "decimal"),
        ("ucum", "value.ofType(Quantity).code", "code"),
        ("body_site", "bodySite.coding.code.first()", "code"),
        ("body_site_text", "bodySite.text", "string"),
    ];
    let component = each(
        "forEachOrNull",
        "component",
        &[
            ("part", "code.coding.code.first()", "code"),
            ("part_value", "value.ofType(Quantity).value", "decimal"),
            ("part_ucum", "value.ofType(Quantity).code", "code"),
            ("part_integer", "value.ofType(integer)", "integer"),
            ("part_truth", "value.ofType(boolean)", "boolean"),
            ("part_answer", "value.ofType(CodeableConcept).coding.code.first()", "code"),
            ("part_display", "value.ofType(CodeableConcept).coding.display.first()", "string"),
        ],
    );
    of_patient(
        schema,
        "Observation",
        "nodule",
        "Nodules of the lung and their sizes, one row a component; a code of a size counts where the site is in the lung, \
         and what has no code by its text.",
        (&columns, &component),
        &[format!("({USABLE})"), asked],
    )
}

/// The sites of an Observation, one row a coding.
fn site() -> Value {
    json!({ "forEachOrNull": "bodySite.coding", "column": [
        column("body_site_system", "system", "uri"), column("body_site", "code", "code") ] })
}
